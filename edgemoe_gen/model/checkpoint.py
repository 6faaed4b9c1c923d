"""Reads a checkpoint into canonical tensors: one file, or a folder of rank shards; M3ViT's names, or a plain ViT's.

`load_checkpoint` finds the network in the file, joins experts of shards, folds the features that can be folded, drops
tensors that inference does not use (`notes` names them), and sorts the rest into backbone, decoders and head. An
unknown tensor that may take part is refused. `edgemoe_gen.model.model.load_model` checks shapes later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import TASK_NAME, TASK_NAME_RULE, listed, shown, word
from edgemoe_gen.model.features import Feature, described, find_features
from edgemoe_gen.model.folding import fold
from edgemoe_gen.model.layout import PLAIN, unknown
from edgemoe_gen.model.safe import Array, Stored, Tree, read_safetensors, read_torch
from edgemoe_gen.model.weights import Network, choose, find_networks

_EXPERTS = ".mlp.experts."
_RANK = re.compile(r"(0|[1-9][0-9]{0,8})\.pth")
_CHUNKED = re.compile(r"^blocks\.\d+\.(?=\d+\.)")  # DINOv2 saves blocks in chunks, numbered through
_HEAD = ("norm.", "head.", "fc_norm.", "head_dist.")
_NOTED = 12  # keys of a file beside the weights that notes name


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a checkpoint, float32, names without prefixes.

    Attributes:
        path: the file or folder.
        backbone: names as below the authors' `backbone.`, e.g. `blocks.0.attn.qkv.weight`; training noise (`w_noise`)
            and tokens that stand before the patches included.
        decoders: by task name, names as below `decoders.<task>.`; in the order of the file. A single-task model's only
            decoder (`decoder.`) stands under "".
        head: a plain ViT's `norm.*`, `fc_norm.*`, `head.*` and `head_dist.*`, or empty.
        notes: ignored tensors, one sentence each.
        ordered: whether the order of the names is the model's own (safetensors sorts them).
        weights: label of the weights that were taken.
        others: labels of the other networks in the file.
        features: features beyond a plain network, and their treatment, one sentence each.
    """

    path: Path
    backbone: Mapping[str, Array]
    decoders: Mapping[str, Mapping[str, Array]]
    head: Mapping[str, Array]
    notes: tuple[str, ...] = ()
    ordered: bool = True
    weights: str = ""
    others: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def load_checkpoint(path: Path, weights: str | None = None, ignore: Sequence[str] = ()) -> Checkpoint:
    """Read a checkpoint without running any code from it.

    Args:
        path: .pth, .pth.tar, .pt or .safetensors file, or a folder 0.pth ... N-1.pth as the authors' expert-parallel
            training saves it (utils/moe_utils.py: rank 0 everything, other ranks their experts, joined along
            dimension 0).
        weights: label of the network in the file; see `edgemoe_gen.model.weights`.
        ignore: patterns (* and ?) of names of tensors that play no part in inference.

    Raises:
        CheckpointError: one sentence that names the file, and the tensor where one is at fault.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint at {path}.", "Check the path.")
    first, more = _open_shards(path) if path.is_dir() else (path, [])
    tree = _open(first)
    networks = find_networks(first, tree)
    network = choose(first, networks, weights)
    tensors, notes = _read(first, network, ignore)
    if first != path:
        _join_shards(first, more, network, tensors)
        notes.insert(0, f"joined the experts of {1 + len(more)} shards")
    others = tuple(each.label for each in networks if each != network)
    if others:
        notes.insert(0, _choice(network, others, weights))
    notes += _beside(tree, network, others)
    backbone, made = fold(path, _inner(network, tensors))
    return Checkpoint(
        path, *_sort(path, backbone), tuple(notes), path.suffix != ".safetensors", network.label, others, made
    )


def _open(path: Path) -> Tree:
    return {**read_safetensors(path)} if path.suffix == ".safetensors" else read_torch(path)


def _choice(network: Network, others: Sequence[str], wanted: str | None) -> str:
    rule = "" if wanted else "; plain names come before averaged copies, and a teacher before its student"
    return f'took the weights "{network.label}", not {_quoted(others)} (--weights){rule}'


def _quoted(labels: Sequence[str]) -> str:
    return ", ".join(f'"{label}"' for label in labels[:_NOTED]) + (" and more" if len(labels) > _NOTED else "")


def _beside(tree: Tree, network: Network, others: Sequence[str]) -> list[str]:
    """Keys of the file that hold no network."""
    taken = {network.keys[0]} if network.keys else set()
    taken |= {label.split(".")[0] for label in others}
    inside = isinstance(tree.get(network.root.split(".")[0]), dict)  # a model that is saved in parts
    keys = [k for k, v in tree.items() if k not in taken and not isinstance(v, Stored)]
    if inside:
        keys = [k for k in keys if k not in ("backbone", "decoders", "decoder", "head")]
    notes = [f'ignored "{word(key)}": not needed for inference' for key in keys[:_NOTED]]
    return notes + ([f"ignored {len(keys) - _NOTED} more keys: not needed for inference"] if len(keys) > _NOTED else [])


def _short(network: Network, name: str) -> str:
    """A tensor's name as the table of features and the layout spell it."""
    prefix = next((each for each in (network.root, network.outer) if name.startswith(each)), "")
    return _CHUNKED.sub("blocks.", name[len(prefix) :])


def _inner(network: Network, tensors: Mapping[str, Array]) -> dict[str, Array]:
    return {_short(network, name): values for name, values in tensors.items()}


def _read(path: Path, network: Network, ignore: Sequence[str]) -> tuple[dict[str, Array], list[str]]:
    """The tensors of a network that take part, float32, and those left out."""
    own = network.own()
    short = {_short(network, name): name for name in own}
    if len(short) != len(own):
        twice = next(name for name in own if short[_short(network, name)] != name)
        raise CheckpointError(
            f"{path} holds tensor {shown(_short(network, twice))} twice, inside and outside the backbone.",
            "Save one state dict a file.",
        )
    found = find_features(short)
    taking = {
        name for rows in (found.of("folded"), found.of("unsupported")) for names in rows.values() for name in names
    }
    left_out, notes = _ignored(path, network, own, ignore, taking)
    _refuse_features(path, found.of("unsupported"), "")
    behind = {
        row: kept for row, names in found.of("behind").items() if (kept := [n for n in names if n not in left_out])
    }
    _refuse_features(path, behind, ' For the tokens alone, leave it out: --ignore "{}".')
    for row in found.of("training"):
        notes.append(f"ignored {row.title}: {row.why}")
    if network.filled:
        notes.append(f"took running means and variances from the weights that {network.label} is a copy of")
    training = {name for names in found.of("training").values() for name in names}
    taken = {full: own[full] for name, full in short.items() if name not in left_out and name not in training}
    return {name: stored.read() for name, stored in taken.items()}, list(dict.fromkeys(notes))


def _refuse_features(path: Path, rows: Mapping[Feature, list[str]], way_out: str) -> None:
    if rows:
        why = "; ".join(f"{row.title}: {row.why}" for row in rows)
        pattern = next(iter(rows.values()))[0].split(".")[0] + ".*"
        raise CheckpointError(
            f"{path} is a network with {described(rows)}, which is not supported.",
            f"{why[0].upper()}{why[1:]}.{way_out.format(pattern)}",
        )


def _ignored(
    path: Path, network: Network, own: Iterable[str], patterns: Sequence[str], taking: set[str]
) -> tuple[set[str], list[str]]:
    """Names, as the table spells them, that the user declares unused, and notes; refuses tensors that take part."""
    spellings = {_short(network, name): name for name in own}
    left_out: set[str] = set()
    notes = []
    for pattern in patterns:
        names = [
            short for short, name in spellings.items() if fnmatchcase(name, pattern) or fnmatchcase(short, pattern)
        ]
        if not names:
            raise CheckpointError(
                f"{path}: no tensor of the network is named like {shown(pattern)}, which is to be ignored.",
                "Correct --ignore, or leave it out.",
            )
        needed = [name for name in names if name in taking or PLAIN.fullmatch(name)]
        if needed:
            raise CheckpointError(
                f"{path}: tensor {shown(needed[0])} is to be ignored, but takes part in inference.",
                f"Leave {shown(pattern)} out of --ignore: the network would be wrong without it.",
            )
        left_out |= set(names)
        notes.append(f"ignored {listed(names, 3)}: as told")
    return left_out, notes


def _open_shards(folder: Path) -> tuple[Path, list[Path]]:
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
    missing = sorted(set(range(ranks[-1] + 1)) - set(ranks))
    if missing:
        raise CheckpointError(
            f"{folder / f'{missing[0]}.pth'} is missing between the {len(ranks)} rank files of {folder}.",
            "Copy the whole folder.",
        )
    return folder / "0.pth", [folder / f"{rank}.pth" for rank in ranks[1:]]


def _join_shards(first: Path, more: Sequence[Path], network: Network, tensors: dict[str, Array]) -> None:
    """Puts the experts of the other ranks behind those of rank 0."""
    names = [name for name in tensors if _EXPERTS in name]
    parts = {name: [tensors[name]] for name in names}
    for file in more:
        shard = _experts_of(file, network, may_be_empty=not names)
        extra = [name for name in shard if name not in parts]
        if extra:
            raise CheckpointError(
                f"{file} holds tensor {shown(extra[0])}, which {first.name} does not.", "Are the shards of one model?"
            )
        for name in names:
            if name not in shard:
                raise CheckpointError(f"{file} does not hold tensor {shown(name)}.", "Copy the whole folder again.")
            values = shard[name].read()
            if values.shape != parts[name][0].shape:
                raise CheckpointError(
                    f"{file}: tensor {shown(name)} has the shape {list(values.shape)}, in {first.name} it has "
                    f"{list(parts[name][0].shape)}.",
                    "Are the shards of one model?",
                )
            parts[name].append(values)
    tensors.update({name: np.concatenate(values) for name, values in parts.items()})


def _experts_of(file: Path, network: Network, may_be_empty: bool) -> dict[str, Stored]:
    """Experts in another rank's file; without experts, only rank 0 has tensors to save."""
    tree = _open(file)
    try:
        networks = find_networks(file, tree)
    except CheckpointError:
        if may_be_empty:
            return {}
        raise
    match = [each for each in networks if (each.keys, each.root) == (network.keys, network.root)]
    own = match[0].own() if match else {}
    return {name: stored for name, stored in own.items() if name.startswith(network.root) and _EXPERTS in name}


_Sorted = tuple[dict[str, Array], dict[str, dict[str, Array]], dict[str, Array]]


def _sort(path: Path, tensors: Mapping[str, Array]) -> _Sorted:
    """Into backbone, decoders by task, and head; names as `_short` makes them."""
    backbone: dict[str, Array] = {}
    decoders: dict[str, dict[str, Array]] = {}
    head: dict[str, Array] = {}
    strange = []
    for name, values in tensors.items():
        part, _, rest = name.partition(".")
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
        elif PLAIN.fullmatch(name):
            backbone[name] = values
        elif name.startswith(_HEAD):
            head[name] = values
        else:
            strange.append(name)
    if strange:
        raise unknown(path, strange)
    if not any(name.startswith("blocks.") for name in backbone):
        raise CheckpointError(
            f"{path} holds no vision transformer: no tensor blocks.0.* is in it.", "Give another file."
        )
    return backbone, decoders, head
