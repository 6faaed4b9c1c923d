"""Reads spec files: our TOML with a `[model]` table, or the yml of the authors' training code.

In: a path. Out: `SpecOptions`. `spec_to_toml` writes a complete spec with a comment for every key; reading it
back with the same checkpoint gives the same spec. Our own files must not hold unknown keys; in the authors' files
unknown keys are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.base.names import near
from edgemoe_gen.base.parsing import parse_toml, read_settings
from edgemoe_gen.base.settings import KINDS, unknown_key, value_of_kind
from edgemoe_gen.model.normalisation import FORMULA, NAMES, name_of
from edgemoe_gen.model.spec import ModelSpec, SpecOptions
from edgemoe_gen.model.yml import read_yml

# Key, kind, comment. Kinds: int, float, bool, str, ints (one or a list), names, numbers (three), sizes (a list).
KEYS: tuple[tuple[str, str, str], ...] = (
    ("weights", "str", "which weights of the file, by the label that `inspect` shows"),
    ("ignore", "names", "names of tensors that play no part in inference; * stands for any text"),
    ("patch", "int", "side of a square patch, pixels"),
    ("dim", "int", "width of a token"),
    ("depth", "int", "number of blocks"),
    ("heads", "int", "attention heads (cannot be read from a checkpoint)"),
    ("tokens", "int", "tokens a frame, the class token and registers included"),
    ("class_token", "bool", "whether token 0 is a class token"),
    ("norm_eps", "float", "epsilon of the layer norms"),
    ("moe_blocks", "sizes", "indices of the blocks with experts"),
    ("hidden", "ints", "hidden size of the dense blocks' MLP: one number, or one a block"),
    ("experts", "ints", "experts of a block with experts: one number, or one a block"),
    ("expert_hidden", "ints", "hidden size of an expert: one number, or one a block"),
    ("router", "str", 'how tokens choose: "none", "single", "multi" (a gate a task) or "task_conditioned"'),
    ("gate_type", "str", '"noisy_vmoe" (softmax, then top-k) or "noisy" (top-k, then softmax)'),
    ("top_k", "int", "experts a token (cannot be read from a checkpoint)"),
    ("gate_input_ahead", "bool", "gates read the block's input instead of the second norm's output"),
    ("expert_prune", "bool", "scores of at most 0.1 count as 0"),
    ("experts_per_task", "int", "experts that a task may use, 0 = all (the authors' num_experts_pertask)"),
    ("tasks", "names", "tasks in the order of training, which is that of their gates"),
    ("classes", "sizes", "output channels of each task, 0 = it has no decoder"),
    ("align_corners", "bool", "how the decoders' upsampling samples"),
)
IMAGE_KEYS: tuple[tuple[str, str, str], ...] = (
    ("height", "int", "pixels"),
    ("width", "int", "pixels"),
    ("normalise", "str", f"scale, mean and std in one word: {NAMES}"),
    ("scale", "float", f"input = {FORMULA}, pixels are 0..255 (cannot be read from a checkpoint)"),
    ("mean", "numbers", "red, green, blue, after scaling"),
    ("std", "numbers", "red, green, blue, after scaling"),
    ("resize", "str", 'a picture of another size: "error" refuses it, "bilinear" resizes it'),
)
_UNSAID = {"weights": 'weights = "state_dict_ema"', "ignore": 'ignore = ["neck.*"]'}  # examples, where nothing is said
CLASS_NAMES = "class_names"
CLASS_NAMES_COMMENT = "Names of a task's classes in the order of their channels, for legends: one name a channel."
_RENAMED = {"gate_input_ahead": "input_ahead", "height": "image_height", "width": "image_width"}


def read_spec_file(path: Path) -> SpecOptions:
    """The options of a spec file.

    Args:
        path: .toml (ours) or .yml/.yaml (the authors').

    Raises:
        SpecError: unreadable, truncated, of an unknown kind, or with a wrong key or value.
    """
    if path.is_dir():
        raise SpecError(f"{path} is a folder, not a spec file.", "Give the file in it: a .toml of ours or a .yml.")
    if path.suffix not in (".toml", ".yml", ".yaml"):
        raise SpecError(
            f"{path} is no spec file by its name.", "Give a .toml of ours or a .yml of the authors' training code."
        )
    try:
        text = read_settings(path)
    except FileNotFoundError as error:
        raise SpecError(f"There is no spec file at {path}.", "Check the path.") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is no text file.", "Give a .toml or .yml in UTF-8.") from error
    return read_spec_toml(path, text) if path.suffix == ".toml" else read_yml(path, text)


def read_spec_toml(path: Path, text: str) -> SpecOptions:
    """Options in the text of a TOML file, from its table `[model]`; `path` is for messages."""
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise SpecError(
            f"{path} is truncated or not TOML: {error}.", "Mend the line, or write the file anew."
        ) from error
    _known(path, "", document, ("model",))
    model = document.get("model")
    if not isinstance(model, Mapping):
        raise SpecError(f"{path} has no [model] table.", "Put the keys under [model].")
    _known(path, "model.", model, (*(key for key, _, _ in KEYS), "image", CLASS_NAMES))
    image, class_names = (_inner(path, model, name) for name in ("image", CLASS_NAMES))
    _known(path, "model.image.", image, tuple(key for key, _, _ in IMAGE_KEYS))
    said: dict[str, Any] = {}
    for prefix, table, keys in (("model.", model, KEYS), ("model.image.", image, IMAGE_KEYS)):
        for key, kind, _ in keys:
            if key in table:
                said[_RENAMED.get(key, key)] = _value(path, prefix + key, kind, table[key])
    if class_names:
        said[CLASS_NAMES] = {
            task: _value(path, f"model.{CLASS_NAMES}.{task}", "names", names) for task, names in class_names.items()
        }
    try:
        return SpecOptions(**said).said_by(path.name)
    except SpecError as error:
        raise SpecError(f"{path}: {error.message}", error.hint) from error


def _inner(path: Path, model: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = model.get(name, {})
    if not isinstance(table, Mapping):
        raise SpecError(f"{path}: model.{name} is not a table.", f"Put its keys under [model.{name}].")
    return table


def _known(path: Path, prefix: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    key = unknown_key(table, keys)
    if key is not None:
        raise SpecError(f"{path}: the key {prefix}{key} is unknown.", near(key, keys, "Known keys") + ".")


def _value(path: Path, key: str, kind: str, value: object) -> object:
    try:
        if kind == "names" and value == []:  # a network has a task, and a task that is named has classes
            raise ValueError(KINDS[kind])
        return value_of_kind(value, kind)
    except ValueError as error:
        raise SpecError(f"{path}: {key} is {value!r}, which is not {error}.", f"Give {error}.") from None


def spec_to_toml(spec: ModelSpec, said: SpecOptions | None = None) -> str:
    """A spec as TOML, every key with a comment; `read_spec_file` reads it back.

    Args:
        spec: the network.
        said: options; their choice of a checkpoint's tensors is written too.
    """
    said = said or SpecOptions()
    dense = tuple(block.hidden for block in spec.blocks if not block.experts)
    routed = tuple(block for block in spec.blocks if block.experts)
    router = spec.router
    values: dict[str, object] = {
        "weights": said.weights,
        "ignore": said.ignore,
        "patch": spec.patch,
        "dim": spec.dim,
        "depth": spec.depth,
        "heads": spec.heads,
        "tokens": spec.tokens,
        "class_token": spec.class_token,
        "norm_eps": spec.norm_eps,
        "moe_blocks": spec.moe_blocks,
        "hidden": _one_or_all(dense),
        "experts": _one_or_all(tuple(block.experts for block in routed)),
        "expert_hidden": _one_or_all(tuple(block.hidden for block in routed)),
        "router": router.kind,
        "gate_type": router.gate_type,
        "top_k": router.top_k,
        "gate_input_ahead": router.input_ahead,
        "expert_prune": router.expert_prune,
        "experts_per_task": router.experts_per_task or 0,
        "tasks": spec.task_names,
        "classes": tuple(task.classes or 0 for task in spec.tasks),
        "align_corners": spec.align_corners,
    }
    image = spec.image
    image_values: dict[str, object] = {
        "height": image.height,
        "width": image.width,
        "scale": image.scale,
        "mean": image.mean,
        "std": image.std,
        "resize": image.resize,
    }
    lines = ["# Architecture of one network.", "[model]"]
    lines += [
        f"{key} = {_toml(values[key])}  # {comment}" if values[key] is not None else f"# {_UNSAID[key]}  # {comment}"
        for key, _, comment in KEYS
    ]
    lines += ["", "# The picture it takes.", "[model.image]"]
    for key, _, comment in IMAGE_KEYS:
        if key in image_values:
            lines.append(f"{key} = {_toml(image_values[key])}  # {comment}")
        else:  # normalise: the three keys that follow say it
            name = name_of(image.scale, image.mean, image.std)
            lines.append(f"# {key} = {_toml(name) if name else '...'}  # {comment}")
    lines += ["", f"# {CLASS_NAMES_COMMENT}", f"[model.{CLASS_NAMES}]"]
    lines += [f"{_key(task)} = {_toml(names)}" for task, names in spec.class_names.items()]
    if not spec.class_names:
        lines.append('# semseg = ["road", "building", "tree"]')
    return "\n".join(lines) + "\n"


def _one_or_all(values: tuple[int, ...]) -> int | tuple[int, ...]:
    return values[0] if len(set(values)) == 1 else values


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in escaped) + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return repr(value)
