"""Reads a checkpoint into canonical tensors: one file, or a folder of rank shards; M3ViT's names, or a plain ViT's.

`load_checkpoint` strips wrappers' prefixes, joins experts of shards, sets aside what inference does not use (said in
`notes`), and sorts the rest into backbone, decoders and head. Shapes are judged later, by
`edgemoe_gen.model.model.load_model`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemoe_gen.errors import CheckpointError
from edgemoe_gen.model.safe import Array, Foreign, Stored, Tree, read_safetensors, read_torch, refusal
from edgemoe_gen.names import TASK_NAME, TASK_NAME_RULE, shown

# Prefixes that wrappers put before every name: DistributedDataParallel, torch.compile, training frameworks.
_PREFIXES = ("module.", "_orig_mod.", "model.")
_STATE_KEYS = ("state_dict", "model", "model_state_dict")
_EXPERTS = ".mlp.experts."
_RANK = re.compile(r"(0|[1-9][0-9]{0,8})\.pth")

# Tensors of the authors' code that inference does not use, and why.
_UNUSED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(tam_model\d*)\."), "used in training only"),
    (re.compile(r"\.(num_batches_tracked)$"), "a counter of training"),
    (re.compile(r"\.mlp\.gate\.(?:\d+\.)?(w_gate_aux|w_noise_aux)$"), "used in training only"),
    (re.compile(r"\.mlp\.gate\.(?:\d+\.)?(head)\.(?:weight|bias)$"), "used in training only"),
    (re.compile(r"^decoders?\..*(output_level_\d)\."), "an auxiliary output of training"),
    (re.compile(r"^backbone\.(dist_token)$"), "the authors' network never reads it"),
)
_BACKBONE = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "gate_task_represent.")
_HEAD = ("norm.", "head.")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a checkpoint, float32, names without prefixes.

    Attributes:
        path: the file or folder.
        backbone: names as below the authors' `backbone.`, e.g. `blocks.0.attn.qkv.weight`; training noise (`w_noise`)
            included.
        decoders: by task name, names as below `decoders.<task>.`; in the order of the file. A single-task model's only
            decoder (`decoder.`) stands under "".
        head: a plain ViT's `norm.*` and `head.*`, or empty.
        notes: what was ignored, one sentence each.
        ordered: whether the order of the names is the model's own (safetensors sorts them).
    """

    path: Path
    backbone: Mapping[str, Array]
    decoders: Mapping[str, Mapping[str, Array]]
    head: Mapping[str, Array]
    notes: tuple[str, ...] = ()
    ordered: bool = True


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running any code from it.

    Args:
        path: .pth, .pth.tar, .pt or .safetensors file, or a folder 0.pth ... N-1.pth as the authors' expert-parallel
            training saves it (utils/moe_utils.py: rank 0 everything, other ranks their experts, joined along
            dimension 0).

    Raises:
        CheckpointError: one sentence that names the file, and the tensor where one is at fault.
    """
    path = Path(path)
    if path.is_dir():
        tensors, notes = _read_shards(path)
    elif path.exists():
        tensors, notes = _read_file(path)
    else:
        raise CheckpointError(f"There is no checkpoint at {path}.", "Check the path.")
    backbone, decoders, head = _sort(path, tensors)
    return Checkpoint(path, backbone, decoders, head, tuple(notes), ordered=path.suffix != ".safetensors")


def _is_kept(name: str) -> bool:
    return not any(pattern.search(_strip(name)) for pattern, _ in _UNUSED)


def _unused(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    found = {}
    for name in names:
        for pattern, why in _UNUSED:
            match = pattern.search(name)
            if match:
                found[name] = (match.group(1) + ("*" if match.group(1).startswith("tam") else ""), why)
    return found


def _strip(name: str) -> str:
    stripped = True
    while stripped:
        stripped = False
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                name, stripped = name[len(prefix) :], True
    return name


def _read_file(path: Path, may_be_empty: bool = False) -> tuple[dict[str, Array], list[str]]:
    beside: tuple[str, ...] = ()
    if path.suffix == ".safetensors":
        stored = read_safetensors(path)
    else:
        stored, beside = _state(path, read_torch(path))
        if not stored and not may_be_empty:
            raise CheckpointError(
                f"{path} holds no tensors.", 'It must be a state dict, or hold one under "state_dict".'
            )
    raw = {name: tensor.read() for name, tensor in stored.items() if _is_kept(name)}
    seen = [_strip(name) for name in stored]
    tensors: dict[str, Array] = {}
    for name, values in raw.items():
        if _strip(name) in tensors:
            raise CheckpointError(
                f"{path} holds tensor {shown(_strip(name))} twice, with and without a prefix.",
                "Save one state dict a file.",
            )
        tensors[_strip(name)] = values
    notes = [f"ignored {what}: {why}" for what, why in dict.fromkeys(_unused(seen).values())]
    notes += [f'ignored "{key}": not needed for inference' for key in beside]
    return tensors, notes


def _state(path: Path, tree: Tree) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """The state dict in a file, and what lies beside it."""
    state, beside = tree, tuple[str, ...]()
    for key in _STATE_KEYS:
        inner = tree.get(key)
        if isinstance(inner, Foreign):
            raise refusal(path, inner.name)
        if isinstance(inner, dict):
            state, beside = inner, tuple(shown(other) for other in tree if other != key)
            break
    return {name: value for name, value in state.items() if isinstance(value, Stored)}, beside


def _read_shards(folder: Path) -> tuple[dict[str, Array], list[str]]:
    names = [file.name for file in folder.iterdir()]
    odd = [name for name in names if name.removesuffix(".pth").isdigit() and not _RANK.fullmatch(name)]
    if odd:
        raise CheckpointError(
            f"{folder / odd[0]} is not named as a rank is: 0.pth, 1.pth, ....", "Rename or remove it."
        )
    ranks = sorted(int(match.group(1)) for name in names if (match := _RANK.fullmatch(name)))
    if not ranks:
        raise CheckpointError(
            f"{folder} is a folder without rank files 0.pth, 1.pth, ....",
            "Give a checkpoint file or a folder of shards.",
        )
    missing = next((place for place, rank in enumerate(ranks) if place != rank), None)
    if missing is not None:
        raise CheckpointError(
            f"{folder / f'{missing}.pth'} is missing between the {len(ranks)} rank files of {folder}.",
            "Copy the whole folder.",
        )
    tensors, notes = _read_file(folder / "0.pth")
    names = [name for name in tensors if _EXPERTS in name]
    parts = {name: [tensors[name]] for name in names}
    for rank in ranks[1:]:
        file = folder / f"{rank}.pth"
        shard, _ = _read_file(file, may_be_empty=not names)  # without experts, only rank 0 has something to save
        extra = [name for name in shard if _EXPERTS in name and name not in parts]
        if extra:
            raise CheckpointError(
                f"{file} holds tensor {shown(extra[0])}, which 0.pth does not.", "Are the shards of one model?"
            )
        for name in names:
            if name not in shard:
                raise CheckpointError(f"{file} does not hold tensor {shown(name)}.", "Copy the whole folder again.")
            if shard[name].shape != parts[name][0].shape:
                raise CheckpointError(
                    f"{file}: tensor {shown(name)} has the shape {list(shard[name].shape)}, in 0.pth it has "
                    f"{list(parts[name][0].shape)}.",
                    "Are the shards of one model?",
                )
            parts[name].append(shard[name])
    tensors.update({name: np.concatenate(values) for name, values in parts.items()})
    notes.insert(0, f"joined the experts of {len(ranks)} shards")
    return tensors, notes


_Sorted = tuple[dict[str, Array], dict[str, dict[str, Array]], dict[str, Array]]


def _sort(path: Path, tensors: Mapping[str, Array]) -> _Sorted:
    backbone: dict[str, Array] = {}
    decoders: dict[str, dict[str, Array]] = {}
    head: dict[str, Array] = {}
    prefixed = any(name.startswith("backbone.") for name in tensors)
    for name, values in tensors.items():
        part, _, rest = name.partition(".")
        inner = rest if prefixed and part == "backbone" else name
        if part == "decoders" and "." in rest:
            task, _, inner = rest.partition(".")
            if not TASK_NAME.fullmatch(task):
                raise CheckpointError(
                    f"{path}: tensor {name!r} is of a task that is called {task!r}.",
                    f"Rename it: a task's name is {TASK_NAME_RULE}.",
                )
            decoders.setdefault(task, {})[inner] = values
        elif part == "decoder":
            decoders.setdefault("", {})[rest] = values
        elif inner.startswith(("dist_token", "head_dist.")):
            raise CheckpointError(
                f"{path}: tensor {shown(name)} belongs to a distilled DeiT, whose second token is not supported.",
                "Use the plain DeiT or ViT of the same size.",
            )
        elif (part == "backbone") == prefixed and inner.startswith(_BACKBONE):
            backbone[inner] = values
        elif inner.startswith(_HEAD):
            head[inner] = values
        else:
            raise CheckpointError(
                f"{path}: tensor {shown(name)} is unexpected: it is no part of an M3ViT or a plain ViT.",
                "Remove it, or use a supported model.",
            )
    if not backbone:
        raise CheckpointError(
            f"{path} holds no vision transformer: no tensor blocks.0.* is in it.", "Give another file."
        )
    return backbone, decoders, head
