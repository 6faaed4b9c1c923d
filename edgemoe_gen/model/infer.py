"""Derives a complete `ModelSpec` from tensors and from the user's options.

Sizes, blocks with experts, kind of router and gate are read from the tensors. Heads, image size, normalisation of
pixels, top-k and, where the file does not tell it, the order of tasks are asked for. Options and tensors must agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.base.names import near
from edgemoe_gen.model.checkpoint import Checkpoint
from edgemoe_gen.model.facts import Facts, tensor
from edgemoe_gen.model.normalisation import NAMES, PARTS
from edgemoe_gen.model.positions import Prefix, check_positions, settle_prefix
from edgemoe_gen.model.spec import (
    GATE_TYPES,
    GIVEN,
    ROUTER_KINDS,
    GateType,
    ImageSpec,
    ModelSpec,
    RouterKind,
    RouterSpec,
    SpecOptions,
    TaskSpec,
    expert_windows,
)

T = TypeVar("T")

DEFAULT_TASK = "default"


def option_name(key: str) -> str:
    """The command-line option of a field of `SpecOptions`: image_height -> --image-height."""
    return "--" + key.replace("_", "-")


def infer_spec(checkpoint: Checkpoint, options: SpecOptions) -> ModelSpec:
    """The network of a checkpoint.

    Task names come from `options.tasks`, else from the decoders' names in the order of the file, which is the order
    of the authors' task list (`ModuleDict` over `TASKS.NAMES` in get_model, ids counted over the same list in
    MultiTaskModel) and so of the gates. A .safetensors file sorts its names, so there the order is asked for wherever
    the router depends on it. With one router and no names at all there is one task, "default".

    Raises:
        SpecError: keys are missing (all are named at once), or contradict the tensors (key and both values are named).
        CheckpointError: tensors on which all facts depend are missing or misshapen.
    """
    facts = Facts(checkpoint)
    options = options.spelled_out()
    missing = _missing(facts, options)
    if missing:
        raise SpecError(f"{checkpoint.path} does not tell {', '.join(missing)}.", _how_to_say(missing))
    assert options.heads is not None and options.image_height is not None and options.image_width is not None
    _agree(facts, options)
    tokens, prefix = _tokens(facts, options.image_height, options.image_width)
    if options.tokens is not None:
        _equal("tokens", options.tokens, tokens, checkpoint.path)
    if options.heads < 1 or facts.dim % options.heads:
        raise SpecError(
            f"heads is {options.heads}, which does not divide the checkpoint's dim {facts.dim}.",
            "Give --heads of the training.",
        )
    router = _router(facts, options)
    tasks = _tasks(facts, options, router.kind)
    spec = ModelSpec(
        image=_image(options),
        patch=facts.patch,
        dim=facts.dim,
        heads=options.heads,
        blocks=facts.blocks,
        router=router,
        tasks=tasks,
        tokens=tokens,
        class_token=prefix.class_token,
        norm_eps=_default(options.norm_eps, 1e-6),
        align_corners=_default(options.align_corners, False),
        extra_tokens=prefix.extra,
    )
    _check_windows(spec)
    if options.classes is not None:
        _equal("classes", options.classes, tuple(task.classes or 0 for task in tasks), checkpoint.path)
    return spec


def _default(value: T | None, default: T) -> T:
    return default if value is None else value


def _restricted(options: SpecOptions) -> bool:
    """Whether tasks have windows of experts; 0 and the authors' -1 mean that they have none."""
    return options.experts_per_task is not None and options.experts_per_task > 0


def _missing(facts: Facts, options: SpecOptions) -> list[str]:
    needed = ["heads", "image_height", "image_width", *PARTS] + (["top_k"] if facts.experts else [])
    missing = [key for key in needed if getattr(options, key) is None]
    if options.tasks is None and _tasks_unknown(facts, options):
        missing.append("tasks")
    return missing


def _how_to_say(missing: Sequence[str]) -> str:
    names = ", ".join(option_name(key) for key in missing)
    hint = f"Give {names}, or these keys in a spec file or edgemoe.toml."
    if not set(missing) & set(PARTS):
        return hint
    return (
        f"{hint} --normalise, or normalise under [model.image], says scale, mean and std in one word: {NAMES}; "
        'earlier versions took "unit256" without asking.'
    )


def _tasks_unknown(facts: Facts, options: SpecOptions) -> bool:
    ordered = facts.kind in ("multi", "task_conditioned") or _restricted(options)
    decoders = facts.checkpoint.decoders
    if len(decoders) > 1:
        return ordered and not facts.checkpoint.ordered
    if len(decoders) == 1 and "" not in decoders:
        return False
    if facts.kind == "multi":
        return facts.gate_count > 1
    return ordered


def _equal(key: str, said: object, shown: object, path: Path) -> None:
    if said != shown:
        raise SpecError(
            f"{key} is given as {_text(said)}, but {path} shows {_text(shown)}.",
            f"Correct {key} ({option_name(key)}), or give the checkpoint it belongs to.",
        )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _agree(facts: Facts, options: SpecOptions) -> None:
    """Checks all facts that both options and tensors tell."""
    moe = tuple(block.index for block in facts.blocks if block.experts)
    dense = tuple(block.hidden for block in facts.blocks if not block.experts)
    routed = tuple(block.hidden for block in facts.blocks if block.experts)
    if options.router is not None and options.router not in ROUTER_KINDS:
        raise SpecError(f'router is "{options.router}", which is unknown.', f"Use one of {', '.join(ROUTER_KINDS)}.")
    if options.gate_type is not None and options.gate_type not in GATE_TYPES:
        raise SpecError(
            f'gate_type is "{options.gate_type}", which is unknown.', f"Use one of {', '.join(GATE_TYPES)}."
        )
    shown: tuple[tuple[str, object], ...] = (
        ("patch", facts.patch),
        ("dim", facts.dim),
        ("depth", len(facts.blocks)),
        ("class_token", facts.prefix.class_token),
        ("moe_blocks", moe),
        ("router", facts.kind),
    )
    for key, value in shown:
        if getattr(options, key) is not None:
            _equal(key, getattr(options, key), value, facts.path)
    for key, values in (("experts", facts.experts), ("hidden", dense), ("expert_hidden", routed)):
        said = getattr(options, key)
        if said is not None and values:
            _equal(key, (said,) * len(values) if isinstance(said, int) else said, values, facts.path)
    for key, values in (("mlp_ratio", dense), ("expert_ratio", routed)):
        ratio = getattr(options, key)
        if ratio is not None and any(int(facts.dim * ratio) != value for value in values):
            raise SpecError(
                f"{key} is given as {ratio}, but {facts.path} shows {values[0] / facts.dim:g} (hidden {values[0]} of "
                f"dim {facts.dim}).",
                "The training command's --moe_mlp_ratio and --moe_top_k win over the yml: add both to it as keys.",
            )
    if options.decoder_block not in (None, -1, len(facts.blocks) - 1):
        raise SpecError(
            f"head_kwargs.in_index is {options.decoder_block}, but the last block of {facts.path} is "
            f"{len(facts.blocks) - 1}.",
            "Only decoders that read the last block's output are supported.",
        )


def _router(facts: Facts, options: SpecOptions) -> RouterSpec:
    if not facts.experts:
        return RouterSpec("none")
    assert options.top_k is not None
    if not 1 <= options.top_k <= min(facts.experts):
        raise SpecError(
            f"top_k is {options.top_k}, but {facts.path} has {min(facts.experts)} experts.",
            "Give --top-k of the training.",
        )
    gate_type: GateType = "noisy" if facts.noise else "noisy_vmoe"
    if options.gate_type is not None:
        _equal("gate_type", options.gate_type, gate_type, facts.path)
    per_task = options.experts_per_task if _restricted(options) else None
    if per_task is not None and (facts.kind == "multi" or gate_type == "noisy"):
        reason = "a gate a task" if facts.kind == "multi" else "gates of type noisy"
        raise SpecError(
            f"experts_per_task is {per_task}, but {facts.path} has {reason}, which the authors' code leaves free.",
            "Leave --experts-per-task out.",
        )
    features, inputs = 0, 0
    if facts.kind == "task_conditioned":
        weight = tensor(facts.path, facts.checkpoint.backbone, "gate_task_represent.fc1.weight", 2)
        features, inputs = int(weight.shape[0]), int(weight.shape[1])
    return RouterSpec(
        kind=facts.kind,
        gate_type=gate_type,
        top_k=options.top_k,
        input_ahead=_default(options.input_ahead, False),
        expert_prune=_default(options.expert_prune, False),
        experts_per_task=per_task,
        task_features=features,
        task_inputs=inputs,
    )


def _tasks(facts: Facts, options: SpecOptions, kind: RouterKind) -> tuple[TaskSpec, ...]:
    decoders = facts.checkpoint.decoders
    named = tuple(decoders) if "" not in decoders else ()
    names = options.tasks or named or (DEFAULT_TASK,)
    if len(set(names)) != len(names):
        raise SpecError(f"tasks names a task twice: {_text(names)}.", "Give every task one name.")
    if named and set(names) != set(named):
        _equal("tasks", names, named, facts.path)
    dependent = kind in ("multi", "task_conditioned") or _restricted(options)
    if named and names != named and dependent and facts.checkpoint.ordered and list(named) != sorted(named):
        # An alphabetical order may come from a tool that sorts names; any other is the training's own.
        _equal("tasks", names, named, facts.path)
    if "" in decoders and len(names) != 1:
        raise SpecError(
            f"tasks is given as {_text(names)}, but {facts.path} has one unnamed decoder.", "Give one task."
        )
    if kind in ("multi", "task_conditioned"):
        slots = (
            facts.gate_count
            if kind == "multi"
            else int(tensor(facts.path, facts.checkpoint.backbone, "gate_task_represent.fc1.weight", 2).shape[1])
        )
        if len(names) > slots or (len(names) < slots and not named):
            raise SpecError(
                f"tasks is given as {_text(names)}, but {facts.path} shows {slots} tasks.",
                "Give --tasks in training's order.",
            )
    made = tuple(TaskSpec(name, _classes(facts, name), map_channels=_map_channels(facts, name)) for name in names)
    return _with_class_names(made, options.class_names or {}, facts.path)


def _with_class_names(
    tasks: tuple[TaskSpec, ...], said: Mapping[str, tuple[str, ...]], path: Path
) -> tuple[TaskSpec, ...]:
    """Tasks with the names of their classes, one for each channel."""
    by_name = {task.name: task for task in tasks}
    for name, class_names in said.items():
        if name not in by_name:
            hint = near(name, by_name, "The tasks are") + "."
            raise SpecError(f'class_names names the task "{name}", which is unknown.', hint)
        channels = by_name[name].classes or 0
        if len(class_names) != channels:
            shown = f"{channels} channel{'s' * (channels != 1)}" if channels else "no decoder"
            names = f"{len(class_names)} name{'s' * (len(class_names) != 1)}"
            raise SpecError(
                f"class_names.{name} has {names} ({_text(class_names)}), but {path} has {shown} for this task.",
                "Give one name a channel, in order." if channels else f"Leave class_names.{name} out.",
            )
    return tuple(replace(task, class_names=tuple(said.get(task.name, ()))) for task in tasks)


def _classes(facts: Facts, name: str) -> int | None:
    head = facts.checkpoint.head
    outputs = _decoder_outputs(facts, name)
    if outputs:
        return outputs[-1]
    return int(head["head.weight"].shape[0]) if "head.weight" in head else None


def _map_channels(facts: Facts, name: str) -> int | None:
    return max(_decoder_outputs(facts, name)[:-1], default=None)


def _decoder_outputs(facts: Facts, name: str) -> list[int]:
    """Output channels of each convolution of a task's decoder; empty without a decoder."""
    decoders = facts.checkpoint.decoders
    decoder = decoders.get(name, decoders.get("", {}))
    convolutions = sorted(key for key in decoder if re.fullmatch(r"conv_\d+\.weight", key))
    return [int(decoder[key].shape[0]) for key in convolutions]


def _image(options: SpecOptions) -> ImageSpec:
    assert options.image_height is not None and options.image_width is not None
    assert options.scale is not None and options.mean is not None and options.std is not None
    by = {part: options.origins.get(part, GIVEN) for part in PARTS}
    return ImageSpec(
        options.image_height,
        options.image_width,
        scale=options.scale,
        mean=options.mean,
        std=options.std,
        resize=_default(options.resize, "error"),
        origin=by["scale"] if len(set(by.values())) == 1 else "; ".join(f"{part}: {by[part]}" for part in PARTS),
    )


def _tokens(facts: Facts, height: int, width: int) -> tuple[int, Prefix]:
    """Tokens of an image of this size, and those before the patches."""
    for key, size in (("image_height", height), ("image_width", width)):
        if size % facts.patch:
            raise SpecError(
                f"{key} is {size}, which is no multiple of the checkpoint's patch {facts.patch}.",
                f"Correct {option_name(key)}.",
            )
    patches = (height // facts.patch) * (width // facts.patch)
    prefix = settle_prefix(facts.prefix, facts.positions, patches, bool(facts.checkpoint.head))
    check_positions(facts.path, prefix, facts.positions, (height, width), patches)
    return patches + prefix.tokens, prefix


def _check_windows(spec: ModelSpec) -> None:
    per_task = spec.router.experts_per_task
    if per_task is None:
        return
    for block in spec.blocks:
        if block.experts and per_task > block.experts:
            raise SpecError(
                f"experts_per_task is {per_task}, but block {block.index} has {block.experts} experts.", "Give fewer."
            )
        windows = expert_windows(block.experts, per_task, len(spec.tasks)) if block.experts else ()
        for task, (first, end) in zip(spec.tasks, windows, strict=False):
            if end - first < spec.router.top_k:
                raise SpecError(
                    f"experts_per_task {per_task} leaves {end - first} experts of block {block.index} to task "
                    f'"{task.name}", fewer than top_k {spec.router.top_k}.',
                    "The authors' code cannot run this task either; correct --experts-per-task.",
                )
