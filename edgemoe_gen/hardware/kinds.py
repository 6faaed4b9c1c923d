"""Kinds of operations: facts of each that all other modules use, and its fields.

Fields of a product depend on its second operand. `operation.h` is rendered from these tables, the compiler reads them,
and `program/verify.py` checks programs against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from edgemoe_gen.hardware.memories import (
    DECODER_PATHS,
    GATHERING_PATH,
    HIDDEN,
    MEMORIES,
    NORMALISING_PATH,
    PATHS,
    RESIDUAL,
    RESIZING_PATHS,
    SCORES_PATH,
    SPLITTABLE,
    VALUES_PATH,
    path_from,
    path_number,
    path_to,
)
from edgemoe_gen.hardware.parts import DECODERS, EVERY, EXPERTS, PARTS, has

FLAGS = {
    "ACCUMULATE": "add to the destination instead of replacing it",
    "SCATTER": "rows go to the tokens of the expert's queue",
    "SCALE": "rows are scaled: by the softmax sum, or by the expert's score",
    "GELU": "apply GELU",
    "WIDE": "transferred values take 32 bits instead of 16",
    "CONSTANT": "load from the constants instead of the image",
    "SOFTMAX_AFTER_TOP_K": "scores are a softmax over the chosen experts only",
    "AHEAD": "the first tile of operands comes during the operation before",
    "NARROW": "two weights take the place of one; a step brings two parts of a tile",
    "SHIFTED": "a convolution: each block of pixels meets nine taps, which are read around it",
    "RELU": "negative results become 0",
    "CLASSES": "the number of a pixel's largest value instead of its values",
}


MOST_CLASSES = 256  # of a pixel: the number of its class leaves as a byte
MOST_VALUES = 3  # of a pixel that leaves as 16-bit values; a task of more channels has classes


def bit(flag: str) -> int:
    """Value of a flag by name."""
    return 1 << list(FLAGS).index(flag)


AHEAD, SCATTER, ACCUMULATE, NARROW, WIDE, SCALE, GELU, SHIFTED, RELU, CLASSES = (
    bit(flag)
    for flag in (
        "AHEAD", "SCATTER", "ACCUMULATE", "NARROW", "WIDE", "SCALE", "GELU", "SHIFTED", "RELU", "CLASSES",
    )
)  # fmt: skip


def _flag_sets(*optional: int, always: int = 0) -> frozenset[int]:
    """All combinations of flags, with each optional flag set or not."""
    sets = {always}
    for part in optional:
        sets |= {value | part for value in sets}
    return frozenset(sets)


@dataclass(frozen=True)
class Use:
    """Fields, paths and flags of an operation; every other field has its default.

    Attributes:
        fields: names of the fields.
        paths: possible paths; empty: no path.
        flags: all possible values of its flags; empty: no flags.
    """

    fields: tuple[str, ...]
    paths: frozenset[int] = frozenset()
    flags: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Kind:
    """One kind of operation.

    Attributes:
        meaning: in words.
        use: its fields; None: they follow from the second operand (`OPERANDS`), or no program has this kind.
        in_region: it runs in the region of all processes, so the next product's first tile can come at the same time.
        computes: it uses the compute unit.
        moves: it moves words past the compute unit, through LayerNorm's processes.
        reads: it reads its path's source.
        writes: it writes its path's destination.
        loads: its values come from DDR.
        stores: its results go to DDR.
        part: only designs with this part (`hardware.parts`) have the kind.
    """

    meaning: str
    use: Use | None = None
    in_region: bool = False
    computes: bool = False
    moves: bool = False
    reads: bool = False
    writes: bool = False
    loads: bool = False
    stores: bool = False
    part: str = EVERY


SOURCE = ("source_block", "source_stride", "source_word")
_DESTINATION = ("destination_block", "destination_stride", "destination_word")
_OPERAND = ("operand_block", "operand_stride", "operand_word", "operand_blocks")
_WEIGHTS = ("weight_first", "weight_beats")
_TRANSFER = ("transfer_first", "transfer_beats")
_GATHER = ("gather_expert", "gather_words", "gather_stride")
_MATRIX = ("tokens", "in_words")
_PRODUCT = (
    *_MATRIX, *SOURCE, *_DESTINATION, "path", "flags", "operand", "blocks", "out_tiles", "ring_word", "ring_tile",
    "term_shift", "out_shift",
)  # fmt: skip


_MAP = ("tap_words", "row_blocks", "row_words", "ring_above", "ring_last", "row", "height", "width")
_RESIZED = (*_MATRIX, *SOURCE, "path", "row_words", "width")


def _only(*paths: tuple[str, str]) -> frozenset[int]:
    return frozenset(path_number(*path) for path in paths)


KINDS: Mapping[str, Kind] = {
    "LOAD": Kind(
        "DDR to an activation memory",
        Use(
            ("path", "flags", *_MATRIX, *_DESTINATION, *_TRANSFER, "out_shift"),
            frozenset(map(path_to, MEMORIES)),
            frozenset({0, WIDE, WIDE | bit("CONSTANT")}),
        ),
        in_region=True, moves=True, writes=True, loads=True,
    ),
    "STORE": Kind(
        "an activation memory to DDR",
        Use(("path", *_MATRIX, *SOURCE, *_TRANSFER), frozenset(map(path_from, SPLITTABLE))),
        in_region=True, moves=True, reads=True, stores=True,
    ),
    "NORMALISE": Kind(
        "LayerNorm without gain and offset",
        Use(
            (
                "path", *_MATRIX, *SOURCE, *_DESTINATION, *_WEIGHTS, "features", "inverse_features", "inverse_shift",
                "eps_high", "eps_low", "normal_fraction", "source_lane",
            ),
            _only(NORMALISING_PATH, (RESIDUAL, HIDDEN)),
        ),
        in_region=True, moves=True, reads=True, writes=True,
    ),
    "GATHER": Kind(
        "only gathers the tokens of an expert's queue, side by side",
        Use(("path", *_GATHER), _only(GATHERING_PATH)),
        in_region=True, part=EXPERTS,
    ),
    "PRODUCT": Kind("tokens times weights, keys or values", in_region=True, computes=True, reads=True, writes=True),
    "ROUTE": Kind(
        "router logits to token queues",
        Use(
            (
                "flags", *_MATRIX, *SOURCE, "score_shift", "score_threshold", "expert_first", "expert_end", "top_k",
                "frame_tokens", "frame_gap",
            ),
            flags=_flag_sets(bit("SOFTMAX_AFTER_TOP_K")),
        ),
        part=EXPERTS,
    ),
    "STORE_ROUTES": Kind(
        "the last routes to DDR", Use(("tokens", "top_k", *_TRANSFER)), stores=True, part=EXPERTS
    ),
    "RESIZE": Kind(
        "a row of a map from two others of half the width, bilinear",
        Use((*_RESIZED, *_DESTINATION), _only(*RESIZING_PATHS)),
        in_region=True, reads=True, writes=True, part=DECODERS,
    ),
    "STORE_RESIZED": Kind(
        "the same row to DDR: classes, or 16-bit values",
        Use((*_RESIZED, *_TRANSFER, "flags", "features"), frozenset(map(path_from, SPLITTABLE)), _flag_sets(CLASSES)),
        in_region=True, reads=True, stores=True, part=DECODERS,
    ),
    "END": Kind("the end of the program; made by the engine itself"),
}  # fmt: skip


@dataclass(frozen=True)
class Operand:
    """One second operand of a product: its meaning, and the fields that the product uses."""

    meaning: str
    use: Use


_SCORES = (*_PRODUCT, *_OPERAND, "keys", "score_shift")
OPERANDS: Mapping[str, Operand] = {
    "WEIGHTS": Operand(
        "from DDR, every output tile preceded by its biases",
        Use(
            (*_PRODUCT, *_WEIGHTS, *_GATHER, *_MAP, "expert", "bias_shift", "old_shift"),
            frozenset(range(len(PATHS))) - _only(NORMALISING_PATH, *DECODER_PATHS),
            _flag_sets(GELU, ACCUMULATE, SCATTER | SCALE, NARROW, AHEAD, SHIFTED, RELU),
        ),
    ),
    "KEYS": Operand(
        "key memory: the product is a matrix of attention scores",
        Use(_SCORES, _only(SCORES_PATH), _flag_sets(AHEAD)),
    ),
    "VALUES": Operand(
        "value memory: the first operand is a softmax of scores",
        Use(_SCORES, _only(VALUES_PATH), _flag_sets(AHEAD, always=SCALE)),
    ),
}  # fmt: skip
# What each kind uses, and a product by its second operand.
USES: Mapping[str, Use] = {
    **{name: kind.use for name, kind in KINDS.items() if kind.use is not None},
    **{name: operand.use for name, operand in OPERANDS.items()},
}


def number(kind: str) -> int:
    """Value of a kind by name."""
    return list(KINDS).index(kind)


def operand_number(operand: str) -> int:
    """Value of an operand by name."""
    return list(OPERANDS).index(operand)


def facts_of(kind: int) -> Kind:
    """The facts of a kind by its value."""
    return _BY_NUMBER[kind]


def kinds_that(fact: str, parts: frozenset[str] = PARTS) -> tuple[str, ...]:
    """Names of the kinds for which a field of `Kind` is true, among those of a design with these parts."""
    assert fact in {field.name for field in fields(Kind)}, fact
    return tuple(name for name, kind in KINDS.items() if getattr(kind, fact) is True and has(parts, kind.part))


def kinds_of(part: str) -> tuple[str, ...]:
    """Names of the kinds that only designs with this part have."""
    return tuple(name for name, kind in KINDS.items() if kind.part == part)


_BY_NUMBER = tuple(KINDS.values())
