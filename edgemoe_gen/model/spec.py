"""Facts of a network: sizes, router, tasks and image.

`ModelSpec` is complete and checked. `SpecOptions` holds the facts of a command line or a spec file, every field
optional. `edgemoe_gen.model.infer` makes a `ModelSpec` of `SpecOptions` and the tensors of a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.base.names import CONTROL, TASK_NAME, TASK_NAME_RULE, near
from edgemoe_gen.model.normalisation import PARTS, normalisation

RouterKind = Literal["none", "single", "multi", "task_conditioned"]
GateType = Literal["noisy_vmoe", "noisy"]

ROUTER_KINDS: tuple[str, ...] = ("none", "single", "multi", "task_conditioned")
GATE_TYPES: tuple[str, ...] = ("noisy_vmoe", "noisy")
RESIZES: tuple[str, ...] = ("error", "bilinear")

GIVEN = "given as an option"  # whoever calls says no more of where an option comes from

# `prune_threshold` of FMoETransformerMLP in M3ViT's models/custom_moe_layer.py; the training script does not set it.
PRUNE_THRESHOLD = 0.1


@dataclass(frozen=True)
class ImageSpec:
    """The picture a network takes, and how 8-bit pixels become its input: `(pixel * scale - mean) / std`.

    Attributes:
        height, width: size in pixels, multiples of the patch size.
        scale: factor of a pixel of 0..255. The defaults of scale, mean and std are for networks without training;
            for a checkpoint the user must give them (`infer_spec`).
        mean, std: per channel (red, green, blue), in units after scaling.
        resize: "error" refuses a picture of another size, "bilinear" resizes it.
        origin: source of scale, mean and std, for people; it does not count when networks are compared.
    """

    height: int
    width: int
    scale: float = 1 / 256
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resize: str = "error"
    origin: str = field(default="", compare=False, repr=False)

    @classmethod
    def named(cls, height: int, width: int, normalise: str) -> ImageSpec:
        """A picture with a usual normalisation (`NORMALISATIONS`), not resized."""
        return cls(height, width, **normalisation(normalise).as_dict())

    def __post_init__(self) -> None:
        for key, value in (("image height", self.height), ("image width", self.width)):
            if value < 1:
                raise SpecError(f"{key} is {value}, which is not a size.", "Give a positive number of pixels.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise SpecError(f"image scale is {self.scale}, which is not a positive number.", "Use 1/256 or 1/255.")
        if not all(map(math.isfinite, self.mean)):
            raise SpecError(f"image mean {self.mean} holds a value that is not finite.", "Give three numbers.")
        if not all(math.isfinite(s) and s > 0 for s in self.std):
            raise SpecError(f"image std {self.std} holds a value that is not positive.", "Give three positive numbers.")
        if self.resize not in RESIZES:
            raise SpecError(f'image resize is "{self.resize}", which is unknown.', f"Use one of {', '.join(RESIZES)}.")


@dataclass(frozen=True)
class RouterSpec:
    """How tokens choose their experts (M3ViT models/custom_moe_layer.py and models/gate_funs).

    Attributes:
        kind: "none" (no experts), "single" (one gate for all tasks), "multi" (a gate a task) or "task_conditioned" (one
            gate whose input is the token with a task's feature appended).
        gate_type: "noisy_vmoe": softmax over all allowed experts, then top-k, scores not renormalised.
            "noisy": top-k of the logits, then softmax over these k.
        top_k: experts a token; 0 without experts.
        input_ahead: the gate reads the block's input instead of the second norm's output.
        expert_prune: scores not above `score_threshold` become 0 (the expert's result is dropped, nothing
            renormalised).
        experts_per_task: size of the window of experts that a task may use (see `expert_windows`); None = all experts.
        task_features: rows of the gate beyond `dim` ("task_conditioned" only, else 0).
        task_inputs: length of the one-hot vector that makes the task's feature ("task_conditioned" only, else 0).
    """

    kind: RouterKind
    gate_type: GateType = "noisy_vmoe"
    top_k: int = 0
    input_ahead: bool = False
    expert_prune: bool = False
    experts_per_task: int | None = None
    task_features: int = 0
    task_inputs: int = 0

    @property
    def score_threshold(self) -> float:
        """Scores not above this threshold are replaced by 0; 0.0 changes nothing."""
        return PRUNE_THRESHOLD if self.expert_prune else 0.0


@dataclass(frozen=True)
class BlockSpec:
    """One transformer block.

    Attributes:
        index: place in the network, from 0.
        experts: number of experts, 0 for a dense MLP.
        hidden: hidden size of the MLP, or of each expert.
    """

    index: int
    experts: int
    hidden: int


@dataclass(frozen=True)
class TaskSpec:
    """One task: its name, the output channels of its decoder or head (None without), and their names.

    `class_names` has one name for each channel, in order, or is empty. `map_channels` is the number of channels of the
    maps in its decoder; None without a decoder.

    Raises:
        SpecError: a name has characters that generated files could not hold.
    """

    name: str
    classes: int | None = None
    class_names: tuple[str, ...] = ()
    map_channels: int | None = None

    def __post_init__(self) -> None:
        if not TASK_NAME.fullmatch(self.name):
            raise SpecError(f"{self.name!r} cannot be the name of a task.", f"A task's name is {TASK_NAME_RULE}.")
        for name in self.class_names:
            if CONTROL.search(name):
                raise SpecError(
                    f"class_names.{self.name} holds {name!r}, which has a control character.",
                    "Give names of printable characters.",
                )


@dataclass(frozen=True)
class ModelSpec:
    """A whole network.

    Attributes:
        image: input picture.
        patch: side of a square patch in pixels.
        dim: width of a token.
        heads: attention heads; each is `dim / heads` wide.
        blocks: transformer blocks in order.
        router: how tokens choose experts.
        tasks: tasks in the order of their gates.
        tokens: tokens a frame, the class token and the extra ones included.
        class_token: whether token 0 is a class token.
        norm_eps: epsilon of every layer norm.
        align_corners: whether the decoders' own upsampling aligns corners (the last resize to the image never does).
        extra_tokens: tokens between the class token and the patches: registers, or a distillation token.
    """

    image: ImageSpec
    patch: int
    dim: int
    heads: int
    blocks: tuple[BlockSpec, ...]
    router: RouterSpec
    tasks: tuple[TaskSpec, ...]
    tokens: int
    class_token: bool
    norm_eps: float = 1e-6
    align_corners: bool = False
    extra_tokens: int = 0

    @property
    def prefix_tokens(self) -> int:
        """Tokens before those of the patches."""
        return int(self.class_token) + self.extra_tokens

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.dim // self.heads

    @property
    def moe_blocks(self) -> tuple[int, ...]:
        """Indices of the blocks with experts."""
        return tuple(block.index for block in self.blocks if block.experts)

    @property
    def patch_inputs(self) -> int:
        """Values in one patch of three channels."""
        return 3 * self.patch * self.patch

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.image.height // self.patch, self.image.width // self.patch

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks in the order of their gates."""
        return tuple(task.name for task in self.tasks)

    @property
    def most_experts(self) -> int:
        """Experts of the block with the most of them; 0 without experts."""
        return max((block.experts for block in self.blocks), default=0)

    @property
    def shares_backbone(self) -> bool:
        """Whether no gate depends on the task; then all tasks of a picture have the same tokens.

        Only this property decides whether several tasks of a picture share one pass of the backbone.
        """
        router = self.router
        if router.kind not in ("none", "single"):
            return False
        if router.experts_per_task is None:
            return True
        windows = (
            expert_windows(self.blocks[i].experts, router.experts_per_task, len(self.tasks)) for i in self.moe_blocks
        )
        return all(len(set(every)) == 1 for every in windows)

    @property
    def class_names(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes of those tasks that have them, by task."""
        return {task.name: task.class_names for task in self.tasks if task.class_names}

    def without_names(self) -> ModelSpec:
        """The same network without names of classes, which only legends use."""
        return replace(self, tasks=tuple(replace(task, class_names=()) for task in self.tasks))

    def task_index(self, name: str) -> int:
        """Place of a task in the order of the gates.

        Raises:
            SpecError: there is no such task; names the known tasks.
        """
        if name not in self.task_names:
            raise unknown_task(name, self.task_names)
        return self.task_names.index(name)


def unknown_task(name: str, known: Sequence[str]) -> SpecError:
    """The error for a task that a network does not have."""
    return SpecError(f"there is no task '{name}' in this model", near(name, known, "its tasks are"))


@dataclass(frozen=True)
class SpecOptions:
    """Facts of a network by a command line or a spec file; None = not given.

    The fields are those of `ModelSpec`; `experts`, `hidden` (dense blocks) and `expert_hidden` are one number for all
    their blocks or one for each of them in order. `mlp_ratio`, `expert_ratio` state hidden sizes as multiples of
    `dim`, as the authors do. `experts_per_task` 0 means not restricted. `decoder_block` is the block that decoders
    read. `class_names` are by task. `normalise` gives scale, mean and std in one word. `origins` has the source of
    scale, mean, std or `normalise`, by name; it is no option. `weights` and `ignore` choose tensors of a checkpoint:
    the label of one of its networks, and patterns of names of tensors that play no part in inference.

    Raises:
        SpecError: `normalise` is unknown, or given beside scale, mean or std.
    """

    weights: str | None = None
    ignore: tuple[str, ...] | None = None
    heads: int | None = None
    image_height: int | None = None
    image_width: int | None = None
    patch: int | None = None
    dim: int | None = None
    depth: int | None = None
    tokens: int | None = None
    class_token: bool | None = None
    experts: int | tuple[int, ...] | None = None
    hidden: int | tuple[int, ...] | None = None
    expert_hidden: int | tuple[int, ...] | None = None
    moe_blocks: tuple[int, ...] | None = None
    mlp_ratio: float | None = None
    expert_ratio: float | None = None
    router: str | None = None
    gate_type: str | None = None
    top_k: int | None = None
    input_ahead: bool | None = None
    expert_prune: bool | None = None
    experts_per_task: int | None = None
    tasks: tuple[str, ...] | None = None
    classes: tuple[int, ...] | None = None
    class_names: Mapping[str, tuple[str, ...]] | None = None
    norm_eps: float | None = None
    align_corners: bool | None = None
    decoder_block: int | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    normalise: str | None = None
    resize: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.normalise is None:
            return
        normalisation(self.normalise)
        both = [part for part in PARTS if getattr(self, part) is not None]
        if both:
            raise SpecError(
                f'normalise = "{self.normalise}" says scale, mean and std, but {" and ".join(both)} '
                f"{'is' if len(both) == 1 else 'are'} said beside it.",
                "Say one or the other.",
            )

    def over(self, other: SpecOptions) -> SpecOptions:
        """These options where they are given, else `other`'s; names of classes task by task."""
        if self.normalise is not None:
            other = replace(other, normalise=None, scale=None, mean=None, std=None)
        elif any(getattr(self, part) is not None for part in PARTS):
            other = other.spelled_out()
        own = {f.name: getattr(self, f.name) for f in option_fields() if getattr(self, f.name) is not None}
        if self.class_names is not None:
            own["class_names"] = {**(other.class_names or {}), **self.class_names}
        return replace(other, **own, origins={**other.origins, **self.origins})

    def said_by(self, origin: str) -> SpecOptions:
        """The same options with `origin` as their source."""
        said = (part for part in (*PARTS, "normalise") if getattr(self, part) is not None)
        return replace(self, origins=dict.fromkeys(said, origin))

    def spelled_out(self) -> SpecOptions:
        """The same options with scale, mean and std in place of `normalise`."""
        if self.normalise is None:
            return self
        origin = f"{self.origins.get('normalise', GIVEN)} (normalise: {self.normalise})"
        values = normalisation(self.normalise).as_dict()
        return replace(self, normalise=None, **values, origins={**self.origins, **dict.fromkeys(PARTS, origin)})


def option_fields() -> tuple[Field[Any], ...]:
    """Fields of `SpecOptions` that are facts of a network."""
    return tuple(each for each in fields(SpecOptions) if each.name != "origins")


def expert_windows(experts: int, per_task: int, tasks: int) -> tuple[tuple[int, int], ...]:
    """First and past-the-last expert of each task's window (`regu_experts_fromtask`, `num_experts_pertask`).

    Follows `start_experts_id` of M3ViT's models/gate_funs/noisy_gate_vmoe.py to the letter: the start of task i is
    the start of task i-1 plus `int(i * (experts - per_task) / (tasks - 1))`, so from the third task on a window can
    be cut off by the last expert, or be empty.

    Args:
        experts: experts in the block.
        per_task: experts a task may use.
        tasks: number of tasks.
    """
    windows = []
    start = 0
    for i in range(tasks):
        if tasks > 1:
            start += int(i * (experts - per_task) / (tasks - 1))
        windows.append((min(start, experts), min(start + per_task, experts)))
    return tuple(windows)
