"""What each kind of operation uses: its fields, the paths that it takes, the flags that it knows.

A product is of one kind for each of its second operands. `verify.py` holds programs against these tables.
"""

from __future__ import annotations

from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.program.places import path_from, path_to

SOURCE = ("source_block", "source_stride", "source_word")
DESTINATION = ("destination_block", "destination_stride", "destination_word")
_OPERAND = ("operand_block", "operand_stride", "operand_word", "operand_blocks")
_WEIGHTS = ("weight_first", "weight_beats")
_TRANSFER = ("transfer_first", "transfer_beats")
_GATHER = ("gather_expert", "gather_words", "gather_stride")
_MATRIX = ("tokens", "in_words")
_PRODUCT = (
    *_MATRIX, *SOURCE, *DESTINATION, "path", "flags", "operand", "blocks", "out_tiles", "ring_word", "ring_tile",
    "term_shift", "out_shift",
)  # fmt: skip
# The fields that each kind uses; a product is of one kind for each of its operands. All others are at their default.
USED: dict[str, tuple[str, ...]] = {
    "LOAD": ("path", "flags", *_MATRIX, *DESTINATION, *_TRANSFER, "out_shift"),
    "STORE": ("path", *_MATRIX, *SOURCE, *_TRANSFER),
    "NORMALISE": (
        "path", *_MATRIX, *SOURCE, *DESTINATION, *_WEIGHTS, "features", "inverse_features", "inverse_shift",
        "eps_high", "eps_low", "normal_fraction",
    ),
    "GATHER": ("path", *_GATHER),
    "WEIGHTS": (*_PRODUCT, *_WEIGHTS, *_GATHER, "expert", "bias_shift", "old_shift"),
    "KEYS": (*_PRODUCT, *_OPERAND, "keys", "score_shift"),
    "VALUES": (*_PRODUCT, *_OPERAND, "keys", "score_shift"),
    "ROUTE": (
        "flags", *_MATRIX, *SOURCE, "score_shift", "score_threshold", "expert_first", "expert_end", "top_k",
        "frame_tokens", "frame_gap",
    ),
    "STORE_ROUTES": ("tokens", "top_k", *_TRANSFER),
}  # fmt: skip
PATHS_OF = {
    "LOAD": {path_to(memory) for memory in ("residual", "normed", "query", "hidden", "cache")},
    "STORE": {path_from(memory) for memory in ("residual", "normed", "query", "hidden")},
    "NORMALISE": {d.path_number("residual", "normed")},
    "GATHER": {d.path_number(*d.GATHERING_PATH)},
    "WEIGHTS": set(range(len(d.PATHS))) - {d.path_number("residual", "normed"), d.path_number("hidden", "query")},
    "KEYS": {d.path_number("query", "hidden")},
    "VALUES": {d.path_number("hidden", "query")},
}


def _flag_sets(*optional: int, always: int = 0) -> set[int]:
    """All values of which each optional part is there or not."""
    sets = {always}
    for part in optional:
        sets |= {value | part for value in sets}
    return sets


AHEAD, SCATTER, ACCUMULATE, NARROW = (d.bit(name) for name in ("AHEAD", "SCATTER", "ACCUMULATE", "NARROW"))
WIDE = d.bit("WIDE")
FLAGS_OF = {
    "LOAD": {0, WIDE, WIDE | d.bit("CONSTANT")},
    "WEIGHTS": _flag_sets(d.bit("GELU"), ACCUMULATE, SCATTER | d.bit("SCALE"), NARROW, AHEAD),
    "KEYS": _flag_sets(AHEAD),
    "VALUES": _flag_sets(AHEAD, always=d.bit("SCALE")),
    "ROUTE": _flag_sets(d.bit("SOFTMAX_AFTER_TOP_K")),
}
