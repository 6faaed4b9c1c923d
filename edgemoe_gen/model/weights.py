"""Finds the networks in a file: dicts in dicts, wrappers' prefixes, averaged copies, a teacher beside its student.

In: the tree of a file's dicts. Out: every set of tensors that forms a vision transformer, under a label, best first.
The order is a rule: weights under plain names, then averaged copies (ema, swa, avg, shadow, momentum, target), then a
student, since its teacher is the network to use. Among equals, "state_dict", "model" and "model_state_dict" come first,
then the first in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgemoe_gen.base.errors import CheckpointError
from edgemoe_gen.base.names import listed, shown, word
from edgemoe_gen.model.safe import Foreign, Stored, Tree, refusal

TOP = "top level"
_LABEL_PARTS = 6  # of a label, from its end
_DICTS_LIMIT = 2000  # dicts that are searched; one that stands in many places counts as often
# Parts of a name that wrappers put there: DistributedDataParallel and DeepSpeed, torch.compile, FSDP, checkpointing.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_ANCHOR = re.compile(r"((?:.*?\.)?)(blocks\.\d+\.(?:\d+\.)?(?:norm1|attn|norm2|mlp)\.|patch_embed\.)")
_COPY = re.compile(r"(^|[._])(ema|swa|avg|averaged?|shadow|momentum|target)([._]|$)|ema$", re.IGNORECASE)
_STUDENT = re.compile(r"(^|[._])student([._]|$)")
_FIRST = ("state_dict", "model", "model_state_dict")
_BACKBONE = "backbone."
_BESIDE_BACKBONE = ("decoders", "decoder", "head")
# Averaged copies in the dict of the weights, with other dots: of mmcv's EMAHook, of latent diffusion's LitEma.
_RESPELLED = (("ema_", "_"), ("model_ema.", ""))
_BUFFERS = ("running_mean", "running_var")
_SCHEMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"encoder\.layer\.\d+\.(attention|layernorm|norm1)"), "the transformers library"),
    (re.compile(r"encoder\.layers\.encoder_layer_\d+\."), "torchvision"),
    (re.compile(r"resblocks\.\d+\."), "CLIP"),
    (re.compile(r"(^|\.)layers\.\d+\.(ln1|attn\.attn|ffn)\."), "mmpretrain"),
)


@dataclass(frozen=True)
class Network:
    """A set of tensors that forms a network.

    Attributes:
        label: its name for the user.
        keys: keys of the dicts that lead to it, outermost first.
        root: prefix of the backbone's names.
        outer: prefix of all names of this network; a part of `root`.
        tensors: all tensors of its dict, without wrappers' parts of names; also those of other networks.
        foreign: prefixes of the other whole networks in the same dict.
        filled: names that this copy lacks and that were taken from the original weights.
    """

    label: str
    keys: tuple[str, ...]
    root: str
    outer: str
    tensors: Mapping[str, Stored]
    foreign: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()

    def own(self) -> dict[str, Stored]:
        """Its tensors, and those of the dict that belong to no other network."""
        own = (self.root, self.outer)
        return {n: stored for n, stored in self.tensors.items() if _longest(n, own) >= _longest(n, self.foreign)}


@dataclass(frozen=True)
class _Dict:
    """Tensors of one dict, names without wrappers' parts; `filled` as in `Network`, by prefix."""

    keys: tuple[str, ...]
    tensors: dict[str, Stored]
    filled: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _longest(name: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if name.startswith(prefix)), default=-1)


def unwrapped(name: str) -> str:
    """A tensor's name without the parts that wrappers put there."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def find_networks(path: Path, tree: Tree) -> tuple[Network, ...]:
    """All networks of a file, best first.

    Raises:
        CheckpointError: there is none, and the message says what is there; or a name stands twice in one dict.
    """
    found: list[Network] = []
    for each in _dicts(path, tree):
        found += _networks(each)
    if not found:
        raise _nothing(path, tree)
    whole = [network for network in found if _is_whole(network.root, network.tensors)]
    order = {network.label: place for place, network in enumerate(found)}
    if not whole:  # something is missing: the set that is nearest to a network tells best what
        return tuple(sorted(found, key=lambda n: (-sum(name.startswith(n.root) for name in n.tensors), order[n.label])))
    return tuple(sorted(whole, key=lambda n: (_rank(n.label), order[n.label])))


def choose(path: Path, networks: tuple[Network, ...], wanted: str | None) -> Network:
    """The network of a label, or of the only label that contains the text; without a label the first.

    Raises:
        CheckpointError: there is none, or several.
    """
    if wanted is None:
        return networks[0]
    matches = [n for n in networks if n.label == wanted] or [
        n for n in networks if f".{wanted}." in f".{n.label}." and wanted
    ]
    if len(matches) != 1:
        what = "holds no weights" if not matches else f"holds {len(matches)} sets of weights"
        raise CheckpointError(
            f"{path} {what} that --weights {shown(wanted)} could mean.",
            f"Give one of: {listed((n.label for n in networks), 20)}.",
        )
    return matches[0]


def _is_whole(root: str, tensors: Iterable[str]) -> bool:
    names = [name[len(root) :] for name in tensors if name.startswith(root)]
    return any(n.startswith("patch_embed.") for n in names) and any(n.startswith("blocks.") for n in names)


def _rank(label: str) -> tuple[int, int]:
    kind = 2 if _STUDENT.search(label) else 1 if _COPY.search(label) else 0
    first = label.split(".")[0]
    return kind, _FIRST.index(first) if first in _FIRST else len(_FIRST)


def _dicts(path: Path, tree: Tree) -> list[_Dict]:
    """Every dict with tensors, outermost first; a model that is saved in parts ("backbone", "decoders") as one."""
    left = _DICTS_LIMIT

    def walk(at: Tree, keys: tuple[str, ...], around: tuple[Tree, ...]) -> Iterator[_Dict]:
        nonlocal left
        left -= 1
        if left < 0 or any(each is at for each in around):  # a dict can hold itself
            return
        parts = {name: value for name, value in at.items() if isinstance(value, dict)}
        tensors = {name: value for name, value in at.items() if isinstance(value, Stored)}
        body = parts.get("backbone")
        if body is not None and any(isinstance(value, Stored) for value in body.values()):
            for key in ("backbone", *_BESIDE_BACKBONE):
                if key in parts:
                    tensors |= dict(_flat(parts.pop(key), f"{key}."))
        if tensors:
            yield _unwrapped_dict(path, keys, tensors)
        for name, value in parts.items():
            yield from walk(value, (*keys, name), (*around, at))

    return list(walk(tree, (), ()))


def _flat(tree: Tree, prefix: str, deep: int = 4) -> Iterator[tuple[str, Stored]]:
    for name, value in tree.items():
        if isinstance(value, Stored):
            yield prefix + name, value
        elif isinstance(value, dict) and deep:
            yield from _flat(value, f"{prefix}{name}.", deep - 1)


def _unwrapped_dict(path: Path, keys: tuple[str, ...], tensors: Mapping[str, Stored]) -> _Dict:
    result: dict[str, Stored] = {}
    for name, stored in tensors.items():
        plain = unwrapped(name)
        if plain in result:
            raise CheckpointError(
                f"{path} holds tensor {shown(plain)} twice, with and without a prefix.", "Save one state dict a file."
            )
        result[plain] = stored
    return _respelled(_Dict(keys, result))


def _respelled(each: _Dict) -> _Dict:
    """Tensors with averaged copies under "ema." and the names of the originals."""
    names = list(each.tensors)
    result, filled = dict(each.tensors), dict(each.filled)
    for prefix, dot in _RESPELLED:
        spelled = {prefix + name.replace(".", dot): name for name in names if not name.startswith(prefix)}
        spelled |= {
            prefix + name.partition(".")[2].replace(".", dot): name for name in names if name.startswith("model.")
        }
        copies = {name: spelled[name] for name in names if name in spelled}
        if not any(_ANCHOR.match(name) for name in copies.values()):
            continue
        result = {
            f"ema.{copies[name]}" if name in copies else name: stored for name, stored in result.items()
        }  # in the order of the file
        lacking = [n for n in names if n.endswith(_BUFFERS) and f"ema.{n}" not in result and n not in copies]
        result |= {f"ema.{name}": each.tensors[name] for name in lacking}
        filled["ema."] = tuple(lacking)
    return _Dict(each.keys, result, filled)


def _networks(each: _Dict) -> list[Network]:
    roots = dict.fromkeys(match.group(1) for name in each.tensors if (match := _ANCHOR.match(name)))
    outers = {root: _outer(root, each.tensors) for root in roots}
    whole = [root for root in roots if _is_whole(root, each.tensors)]
    networks = []
    for root, outer in outers.items():
        foreign = tuple(name for other in whole if other != root for name in (other, outers[other]))
        copy = next((prefix for prefix in each.filled if root.startswith(prefix)), "")
        networks.append(
            Network(_label(each.keys, outer), each.keys, root, outer, each.tensors, foreign, each.filled.get(copy, ()))
        )
    return networks


def _outer(root: str, tensors: Iterable[str]) -> str:
    """The prefix of a network: a backbone's decoders lie beside it."""
    parent = root[: root[:-1].rfind(".") + 1]
    if root == parent + _BACKBONE:
        return parent
    beside = root and any(name.startswith((f"{parent}decoders.", f"{parent}decoder.conv_0.")) for name in tensors)
    return parent if beside else root


def _label(keys: tuple[str, ...], outer: str) -> str:
    parts = [*keys, *outer.split(".")]
    plain = [part for part in parts if part and part not in _WRAPPERS] or [part for part in parts if part]
    return ".".join(word(part) for part in plain[-_LABEL_PARTS:]) or TOP


def _nothing(path: Path, tree: Tree) -> CheckpointError:
    """The reason why there is no network: no tensors, another library's names, or other data."""
    names = [name for each in _dicts(path, tree) for name in each.tensors]
    foreign = next((value.name for value in tree.values() if isinstance(value, Foreign)), None)
    if not names:
        if foreign:
            return refusal(path, foreign)
        keys = f"; its keys are {listed(tree)}" if tree else "; it is empty"
        return CheckpointError(
            f"{path} holds no tensors{keys}.", 'It must be a state dict, or hold one in a dict, such as "state_dict".'
        )
    for pattern, library in _SCHEMES:
        if any(pattern.search(name) for name in names):
            return CheckpointError(
                f"{path} holds a transformer under the names of {library}, such as tensor {shown(names[0])}.",
                "Save it under timm's names (docs/spec.md lists them).",
            )
    return CheckpointError(
        f"{path} holds no vision transformer: no tensor blocks.0.* is in it; it holds tensor {listed(names, 3)}.",
        "Give another file.",
    )
