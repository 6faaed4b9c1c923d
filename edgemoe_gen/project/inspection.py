"""The contents of a checkpoint: architecture, MACs and weights by layer kind, missing facts, contradictions.

An incomplete spec does not stop an inspection: facts of the tensors are shown, and missing facts are asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.design import Knobs
from edgemoe_gen.design.knobs import NARROW_KNOBS
from edgemoe_gen.design.rules import LEAST_WEIGHT_BITS
from edgemoe_gen.fitting.defaults import map_sizes
from edgemoe_gen.model import (
    Checkpoint,
    Model,
    ModelSpec,
    SpecOptions,
    infer_spec,
    load_checkpoint,
    load_model,
    option_name,
)
from edgemoe_gen.model.normalisation import PARTS, normalisation
from edgemoe_gen.model.spec import option_fields
from edgemoe_gen.numerics.attribute import Attribution, attribute_error, by_worth
from edgemoe_gen.numerics.widths import NARROW
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import (
    Progress,
    no_progress,
    open_calibration,
    open_model,
    open_numerics,
    open_pictures,
    open_tasks,
)
from edgemoe_gen.report.document import ESTIMATE, layer_facts, network_facts

# Facts that hang on what only the user can say.
_HANGS_ON = {
    "heads": ("heads",),
    "image": ("image_height", "image_width"),
    "normalisation": PARTS,
    "top_k": ("top_k",),
    "tasks": ("tasks",),
}
_ASKED = ("heads", "image_height", "image_width", *PARTS, "top_k", "tasks")


@dataclass(frozen=True)
class BitsWorth:
    """Weights ranked by the worth of their bits. Tier: estimate, the float reference with one group rounded.

    Attributes:
        task: task of the frames.
        pictures: number of pictures.
        rows: groups of weights, the most squared error removed by a bit of storage first.
        together: error of all weights of a width, by kind and rounding (`project.narrow`).
    """

    task: str
    pictures: int
    rows: tuple[Attribution, ...]
    together: tuple[Mapping[str, Any], ...] = ()
    tier: str = ESTIMATE

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        rows = [{**asdict(row), "worth": row.worth} for row in self.rows]
        return {
            "tier": self.tier,
            "task": self.task,
            "pictures": self.pictures,
            "rows": rows,
            "together": list(self.together),
        }


@dataclass(frozen=True, repr=False)
class Inspection(Brief):
    """Outcome of `inspect`.

    Attributes:
        path: the checkpoint.
        spec: the network; keys that are `missing` hold a placeholder.
        network: facts as JSON; null where they depend on a missing key.
        layers: MACs and weights by kind of layer; null where they depend on a missing key.
        missing: keys that neither the checkpoint nor the user tells.
        contradictions: the first contradiction between the arguments and the tensors.
        notes: values that were ignored or filled in.
        worth: weights ranked by the worth of their bits, where `narrow` was given.
    """

    path: Path
    spec: ModelSpec
    network: dict[str, Any]
    layers: dict[str, Any]
    missing: tuple[str, ...]
    contradictions: tuple[SpecError, ...]
    notes: tuple[str, ...]
    worth: BitsWorth | None = None

    @property
    def complete(self) -> bool:
        """Whether a build could start from here."""
        return not (self.missing or self.contradictions)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "checkpoint": str(self.path),
            "complete": self.complete,
            "missing": [{"key": key, "option": option_name(key)} for key in self.missing],
            "contradictions": [{"message": e.message, "hint": e.hint} for e in self.contradictions],
            "network": self.network,
            "layers": self.layers,
            **({} if self.worth is None else {"worth": self.worth.as_dict()}),
        }


def bits_worth(config: Config, widths: Sequence[int], progress: Progress = no_progress) -> BitsWorth:
    """Rounds every group of weights alone to every width, from the project's `weight_bits`; of the first task.

    A decoder's convolutions are among them where the project runs the decoder on the engine.
    Experts' weights start from `weight_bits` too, whatever width the project gives them.

    Raises:
        ImageError: no picture is named, or one is unreadable or does not fit.
        ConfigError: a width is absurd.
    """
    model = open_model(config)
    task = open_tasks(config, model.spec)[0]
    images = open_calibration(config, model.spec, () if config.calibrate else open_pictures(config, model.spec))
    names = ("activation_bits", "weight_bits")
    knobs = Knobs().turned({name: config.knobs[name] for name in names if name in config.knobs})
    knobs = knobs.turned(map_sizes(model.spec, config.knobs))
    numerics = open_numerics(config, model, knobs, images, (task,), progress)
    rows = attribute_error(
        model, numerics.network, numerics.formats, images, task, tuple(dict.fromkeys(widths)),
        lambda _, done, total: progress("rounding weights, a group at a time", done, total),
    )  # fmt: skip
    together = []
    for bits in (bits for bits in dict.fromkeys(widths) if LEAST_WEIGHT_BITS <= bits < NARROW):
        every = knobs.turned({"weight_bits": bits, **dict.fromkeys(NARROW_KNOBS, 0)})
        facts = open_numerics(config, model, every, images, (task,), progress, measure=True).narrow
        together += [] if facts is None else [{"bits": bits, **facts}]
    return BitsWorth(task, len(images), by_worth(rows), tuple(together))


def inspect(path: Path, options: SpecOptions) -> Inspection:
    """Inspects a checkpoint.

    Raises:
        CheckpointError: unreadable, unsafe, or not the tensors of one network.
    """
    checkpoint = load_checkpoint(path, options.weights, options.ignore or ())
    options = options.spelled_out()
    try:
        infer_spec(checkpoint, options)
    except SpecError as error:
        return _incomplete(checkpoint, options, error)
    model = load_model(path, None, options)
    return _inspection(model, (), ())


def _incomplete(checkpoint: Checkpoint, options: SpecOptions, first: SpecError) -> Inspection:
    missing = _missing(checkpoint, options)
    believed = options
    contradictions: tuple[SpecError, ...] = ()
    spec = _try(checkpoint, _filled(checkpoint, options, missing))
    if spec is None:
        # What is said is at odds with the tensors: show those, and what is said as far as it is not.
        error = first if not missing else _error(checkpoint, _filled(checkpoint, options, missing)) or first
        contradictions = (error,)
        believed = _believed(checkpoint, options)
        missing = tuple(key for key in _missing(checkpoint, SpecOptions()) if _unsaid(options, key))
        spec = _try(checkpoint, _filled(checkpoint, believed, _missing(checkpoint, believed)))
    if spec is None:
        raise first
    model = Model(
        spec, checkpoint.backbone, checkpoint.decoders, checkpoint.head, checkpoint.path, checkpoint.notes,
        checkpoint.weights, checkpoint.others, checkpoint.features,
    )  # fmt: skip
    return _inspection(model, missing, contradictions, _missing(checkpoint, believed))


def _inspection(
    model: Model, missing: tuple[str, ...], contradictions: tuple[SpecError, ...], unknown: tuple[str, ...] = ()
) -> Inspection:
    network, layers = network_facts(model), layer_facts(model.spec)
    for fact, keys in _HANGS_ON.items():
        if set(keys) & set(unknown):
            network[fact] = None
    if "top_k" in unknown:
        layers["macs"] = None
        for row in layers["rows"]:
            if row["kind"] == "experts":
                row["macs"] = None
    return Inspection(model.source, model.spec, network, layers, missing, contradictions, tuple(model.notes))


def _believed(checkpoint: Checkpoint, options: SpecOptions) -> SpecOptions:
    """Arguments of facts that tensors do not tell, key by key, without those that contradict the tensors."""
    believed = SpecOptions()
    for key in _ASKED:
        more = SpecOptions(**{key: getattr(options, key)}).over(believed)
        if _try(checkpoint, _filled(checkpoint, more, _ASKED)) is not None:
            believed = more
    return believed


def _unsaid(options: SpecOptions, key: str) -> bool:
    return getattr(options, key) is None


def _missing(checkpoint: Checkpoint, options: SpecOptions) -> tuple[str, ...]:
    """Keys without which there is no spec: a spec fails when their placeholder alone is taken away."""
    candidates = [key for key in _ASKED if _unsaid(options, key)]
    filled = _filled(checkpoint, SpecOptions(), _ASKED)
    needed = []
    for key in candidates:
        without = SpecOptions(**{f.name: getattr(filled, f.name) for f in option_fields() if f.name != key})
        if _try(checkpoint, without) is None:
            needed.append(key)
    return tuple(needed)


def _filled(checkpoint: Checkpoint, options: SpecOptions, keys: tuple[str, ...]) -> SpecOptions:
    """Options with placeholders that suit any network: one head, one row of patches, top-1, and so on."""
    weight, positions = checkpoint.backbone.get("patch_embed.proj.weight"), checkpoint.backbone.get("pos_embed")
    if weight is None or positions is None or weight.ndim != 4 or positions.ndim != 3:
        return options
    patches = _patches(checkpoint, positions.shape[1])
    guesses: dict[str, Any] = {
        "heads": 1,
        "image_height": weight.shape[2],
        "image_width": weight.shape[2] * patches,
        **normalisation("none").as_dict(),
        "top_k": 1,
        "tasks": _task_names(checkpoint),
    }
    for height, width in ((options.image_height, "image_width"), (options.image_width, "image_height")):
        if height:
            guesses[width] = weight.shape[2] * max(1, -(-patches * weight.shape[2] // height))
    if not any(".mlp.experts." in name for name in checkpoint.backbone):
        guesses.pop("top_k")
    return options.over(SpecOptions(**{key: value for key, value in guesses.items() if key in keys}))


def _patches(checkpoint: Checkpoint, positions: int) -> int:
    """Patches of an image that fits the positions: registers may lack positions, other tokens more likely have them."""
    tokens = int("cls_token" in checkpoint.backbone)
    if "dist_token" in checkpoint.backbone and checkpoint.head:
        tokens += 1
    return max(1, positions - tokens)


def _task_names(checkpoint: Checkpoint) -> tuple[str, ...] | None:
    if checkpoint.decoders and "" not in checkpoint.decoders:
        return tuple(checkpoint.decoders)
    gates = {name.split(".")[4] for name in checkpoint.backbone if ".mlp.gate." in name and name.endswith(".w_gate")}
    numbered = sum(part.isdigit() for part in gates)
    represent = checkpoint.backbone.get("gate_task_represent.fc1.weight")
    count = numbered or (represent.shape[1] if represent is not None and represent.ndim == 2 else 1)
    return tuple(f"task_{i}" for i in range(count)) if count > 1 else None


def _try(checkpoint: Checkpoint, options: SpecOptions) -> ModelSpec | None:
    try:
        return infer_spec(checkpoint, options)
    except SpecError:
        return None


def _error(checkpoint: Checkpoint, options: SpecOptions) -> SpecError | None:
    try:
        infer_spec(checkpoint, options)
    except SpecError as error:
        return error
    return None
