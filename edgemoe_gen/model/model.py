"""A checked network with its weights: `load_model`, and the routers in the form that the hardware needs.

In: a checkpoint, optionally a spec file, options. Out: `Model`, whose every tensor has the shape that its spec says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.model.checkpoint import Checkpoint, load_checkpoint
from edgemoe_gen.model.infer import infer_spec
from edgemoe_gen.model.layout import backbone_shapes, check_tensors, decoder_shapes, gate_name, head_shapes, unknown
from edgemoe_gen.model.positions import place_tokens, read_prefix, settle_prefix
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import ModelSpec, SpecOptions, expert_windows
from edgemoe_gen.model.specfile import read_spec_file

_NOISE = re.compile(r"blocks\.\d+\.mlp\.gate\.(?:\d+\.)?w_noise")
_TASK_GATE = re.compile(r"blocks\.\d+\.mlp\.gate\.(\d+)\.")


@dataclass(frozen=True)
class Model:
    """A network and its weights, float32, names as in the authors' code below `backbone.` and `decoders.<task>.`.

    Attributes:
        spec: sizes, router, tasks, image.
        backbone: all tensors of `layout.backbone_shapes`.
        decoders: by task name; {} where the checkpoint has none.
        head: a plain ViT's last norm and classifiers (`layout.head_shapes`); {} where the checkpoint has none.
        source: the checkpoint.
        notes: what was ignored or filled in, one sentence each.
        weights: label of the weights that were taken, where the source holds networks.
        others: labels of the other networks in it.
        features: features beyond a plain network, and their treatment.
    """

    spec: ModelSpec
    backbone: Mapping[str, Array]
    decoders: Mapping[str, Mapping[str, Array]]
    head: Mapping[str, Array]
    source: Path
    notes: tuple[str, ...]
    weights: str = ""
    others: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def load_model(checkpoint: Path, spec: Path | None = None, options: SpecOptions | None = None) -> Model:
    """Read a checkpoint, work out its spec and check every tensor.

    Args:
        checkpoint: file or folder, see `checkpoint.load_checkpoint`.
        spec: our TOML or the authors' yml; missing facts are inferred.
        options: win over the spec file.

    Raises:
        CheckpointError: a tensor is missing, unexpected or misshapen, or the file is unreadable or unsafe.
        SpecError: the spec is incomplete or contradicts the tensors.
    """
    said = options or SpecOptions()
    if spec is not None:
        said = said.over(read_spec_file(Path(spec)))
    loaded = load_checkpoint(Path(checkpoint), said.weights, said.ignore or ())
    model = infer_spec(loaded, said)
    notes = list(loaded.notes)
    if model.router.kind in ("multi", "task_conditioned") and tuple(loaded.decoders) not in (
        model.task_names,
        ("",),
        (),
    ):
        order = " and ".join(", ".join(names) for names in (model.task_names, tuple(loaded.decoders)))
        notes.append(f"tasks and the file's decoders are in different orders: {order}; gates follow the first")
    backbone = _without_unused(loaded.backbone, model, notes)
    _fill_qkv_bias(backbone, model, notes)
    _place_tokens(loaded, backbone, model, notes)
    check_tensors(loaded.path, "", backbone, backbone_shapes(model))
    decoders = dict(loaded.decoders)
    if "" in decoders:
        decoders[model.tasks[0].name] = decoders.pop("")
    for task, tensors in decoders.items():
        check_tensors(loaded.path, f"decoders.{task}.", tensors, decoder_shapes(model.dim, tensors))
    if decoders and loaded.head:
        raise unknown(loaded.path, tuple(loaded.head), "beside decoders, which have norms of their own")
    check_tensors(loaded.path, "", loaded.head, head_shapes(model.dim, loaded.head))
    _check_head(loaded)
    return Model(
        model, backbone, decoders, dict(loaded.head), loaded.path, tuple(notes), loaded.weights, loaded.others,
        loaded.features,
    )  # fmt: skip


def _without_unused(tensors: Mapping[str, Array], spec: ModelSpec, notes: list[str]) -> dict[str, Array]:
    """Tensors without those that no gate reads: noise, gates beyond the last task, a task's feature without a gate."""
    kept = {}
    noise, represent, spare = 0, 0, set()
    for name, values in tensors.items():
        gate = _TASK_GATE.match(name)
        if _NOISE.fullmatch(name):
            noise += 1
        elif spec.router.kind == "none" and name.startswith("gate_task_represent."):
            represent += 1
        elif gate and int(gate.group(1)) >= len(spec.tasks):
            spare.add(int(gate.group(1)))
        else:
            kept[name] = values
    if noise:
        notes.append("ignored w_noise: used in training only")
    if represent:
        notes.append("ignored gate_task_represent: no block has a gate")
    notes.extend(f"ignored gate {index}: there are {len(spec.tasks)} tasks" for index in sorted(spare))
    return kept


def _place_tokens(loaded: Checkpoint, tensors: dict[str, Array], spec: ModelSpec, notes: list[str]) -> None:
    """Tokens before the patches in the one form that all other modules know."""
    rows, columns = spec.grid
    prefix = read_prefix(loaded.path, tensors)
    settled = settle_prefix(prefix, tensors["pos_embed"].shape[1], rows * columns, bool(loaded.head))
    note = place_tokens(tensors, settled, rows * columns)
    if note:
        notes.append(note)


def _check_head(loaded: Checkpoint) -> None:
    """Refuses a second classifier without the token that it reads, and such a token without a second classifier."""
    if any(name.startswith("fc_norm.") for name in loaded.head) and "head_dist.weight" in loaded.head:
        raise CheckpointError(
            f"{loaded.path} has fc_norm and head_dist: which tokens its classifiers read is unknown.",
            "Such networks are not supported.",
        )
    second = "head_dist.weight" in loaded.head
    if second != ("dist_token" in loaded.backbone) and "head.weight" in loaded.head:
        there, lacking = ("head_dist.weight", "dist_token") if second else ("dist_token", "head_dist.weight")
        raise CheckpointError(
            f"{loaded.path}: tensor {lacking} is missing beside {there}: a distilled DeiT has both.",
            "Use a complete checkpoint of one model.",
        )


def _fill_qkv_bias(tensors: dict[str, Array], spec: ModelSpec, notes: list[str]) -> None:
    """A model trained with qkv_bias=False has no such tensor in any block: zeros compute the same."""
    names = [f"blocks.{block.index}.attn.qkv.bias" for block in spec.blocks]
    if not any(name in tensors for name in names):
        tensors.update({name: np.zeros(3 * spec.dim, np.float32) for name in names})
        notes.append("filled in zeros for attn.qkv.bias: the model has none")


def router_tensors(model: Model, block: int, task: str) -> tuple[Array, Array]:
    """Gate of one block for one task, as one matrix and one bias: logits = gate input @ w_gate + bias.

    The part of a task-conditioned gate that multiplies the task's feature is constant for a task; it is folded into
    the bias, in float64 before the last rounding. Other gates have no bias: zeros.

    Args:
        block: index of a block with experts.
        task: name of a task.

    Returns:
        w_gate [dim, experts] and bias [experts], float32.
    """
    spec = model.spec
    index = spec.task_index(task)
    weight = model.backbone[gate_name(spec, block, index)]
    if spec.router.kind != "task_conditioned":
        return weight, np.zeros(weight.shape[1], np.float32)
    bias = task_feature(model, task) @ weight[spec.dim :].astype(np.float64)
    return weight[: spec.dim], bias.astype(np.float32)


def task_feature(model: Model, task: str) -> npt.NDArray[np.float64]:
    """`gate_task_represent(one_hot(task))`: fc1, GELU (erf), fc2, layer norm (eps 1e-6); [task_features] float64."""

    def tensor(name: str) -> npt.NDArray[np.float64]:
        return model.backbone[f"gate_task_represent.{name}"].astype(np.float64)

    hidden = tensor("fc1.weight")[:, model.spec.task_index(task)] + tensor("fc1.bias")
    hidden = np.array([0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in hidden], np.float64)
    out = tensor("fc2.weight") @ hidden + tensor("fc2.bias")
    normal = (out - out.mean()) / np.sqrt(out.var() + model.spec.norm_eps)
    result: npt.NDArray[np.float64] = normal * tensor("norm.weight") + tensor("norm.bias")
    return result


def allowed_experts(model: Model, block: int, task: str) -> npt.NDArray[np.bool_]:
    """Which experts of a block a task may choose: the softmax runs over these only. [experts] bool."""
    spec = model.spec
    experts = spec.blocks[block].experts
    index = spec.task_index(task)
    allowed = np.ones(experts, np.bool_)
    if spec.router.experts_per_task is not None:
        first, end = expert_windows(experts, spec.router.experts_per_task, len(spec.tasks))[index]
        allowed[:first] = False
        allowed[end:] = False
    return allowed
