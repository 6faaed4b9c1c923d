"""Names of layers for operations, and groups of them, for tables of cycles.

A compiled program names the layer of each operation, such as "blocks.3.experts.7.fc1"; the words of the name tell its
group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Groups in the order of the data path, and the words of a layer's name that belong to them.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("load", ("load", "position", "image", "constants", "pos_embed")),
    ("patch embedding", ("patch", "patch_embed", "embed", "embedding")),
    ("layer norms", ("norm", "norm1", "norm2", "norms")),
    ("query, key, value", ("query", "key", "value", "qkv")),
    ("attention scores", ("scores", "keys")),
    ("attention × values", ("mix", "values", "attention")),
    ("projection", ("projection", "proj")),
    ("routers", ("router", "route", "routes", "gate", "gates", "logits")),
    ("gather", ("gather",)),
    ("experts", ("experts", "expert")),
    ("dense MLP", ("mlp", "fc1", "fc2", "hidden")),
    ("store", ("store", "tokens", "result")),
)
# Of decoders, by how the last word of a layer's name begins.
DECODER_GROUPS = {"conv": "decoder: convolutions", "resize": "decoder: doubling", "": "decoder: norm, classes"}
GROUP_ORDER = (*(title for title, _ in GROUPS), *DECODER_GROUPS.values())
OTHER = "other"
_BY_WORD = {word: title for title, words in GROUPS for word in words}
_BLOCK = re.compile(r"(?:^|\.)blocks\.(\d+)\b")


def group_of(label: str) -> str:
    """The group of a layer's name: "blocks.3.experts.7.fc1" is of the experts.

    The first word that belongs to a group decides, so that an expert's fc1 is the expert's.
    """
    words = [part for part in re.split(r"[.\s/:]+", label.lower()) if part]
    if "decoders" in words:
        part = words[-1].partition("_")[0]
        return DECODER_GROUPS.get(part, DECODER_GROUPS[""])
    if "attention" in words and words[-1] != "attention":
        words.remove("attention")  # a part of it says more
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), OTHER)


def of_decoder(group: str) -> bool:
    """Whether a group is of decoders."""
    return group in DECODER_GROUPS.values()


def block_of(label: str) -> int | None:
    """Number of the block that a layer is in; None outside the blocks, or where the name does not tell."""
    match = _BLOCK.search(label)
    return None if match is None else int(match[1])


def label_of(labels: Sequence[str], operation: int) -> str:
    """Name of an operation; its number where there is no name."""
    return labels[operation] if 0 <= operation < len(labels) else f"operation {operation}"
