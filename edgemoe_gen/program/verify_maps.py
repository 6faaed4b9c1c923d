"""Rules of the operations of decoders: rings of rows, convolutions over them, rows of twice the width.

In: a program's columns. Out: nothing, or the error of the first operation that breaks a rule, as in `verify`.
"""

from __future__ import annotations

import numpy as np

from edgemoe_gen.design.sizes import MOST_MAP_ROWS, TAPS
from edgemoe_gen.hardware import memories
from edgemoe_gen.hardware.descriptor import field_places
from edgemoe_gen.hardware.kinds import ACCUMULATE, CLASSES, MOST_CLASSES, MOST_VALUES, RELU, SCATTER, SHIFTED, bit
from edgemoe_gen.hardware.parts import DECODERS
from edgemoe_gen.program.columns import Column, Columns, Mask, ceiling

_CONVOLUTIONS = tuple(memories.path_number(*path) for path in memories.CONVOLUTION_PATHS)


def convolved_rows(c: Columns) -> Mask:
    """Operations that are convolutions."""
    return np.asarray(c.of["WEIGHTS"] & (c.f["flags"] & SHIFTED != 0))


def resized_beats(c: Columns) -> Column:
    """Beats of each row of pixels that leaves doubled: a byte a class, or 1, 2 or 4 values of 16 bits."""
    features = np.maximum(c.f["features"], 1)
    pixel = np.where(c.f["flags"] & CLASSES != 0, 1, np.where(features == 1, 2, np.where(features == 2, 4, 8)))
    return ceiling(c.f["tokens"] * pixel, c.design.beat_bytes)


def ones_of(c: Columns) -> Mask:
    """Loads of a decoder's feature of ones; all other constants are positions of tokens, which go to the residual."""
    constant = c.f["flags"] & bit("CONSTANT") != 0
    to_sources = c.in_memories(c.destination, (memories.HIDDEN, memories.NORMED))
    return np.asarray(c.of["LOAD"] & constant & to_sources & np.full(constant.shape, c.design.has_decoders))


def _logits_of(c: Columns) -> Mask:
    """Products that could be a decoder's last convolution, which is a plain product from a map to another."""
    plain = c.of["WEIGHTS"] & (c.f["expert"] < 0) & (c.f["flags"] & (ACCUMULATE | SHIFTED) == 0)
    to_logits = c.in_memories(c.destination, (memories.RESIDUAL, memories.HIDDEN))
    return np.asarray(plain & c.in_memories(c.source, (memories.QUERY,)) & to_logits & c.design.has_decoders)


def reads_maps(c: Columns) -> Mask:
    """Operations beside convolutions and RESIZE whose source may be rows of a map."""
    return np.asarray(_logits_of(c) | (c.of["STORE"] & c.design.has_decoders))


def writes_maps(c: Columns) -> Mask:
    """Operations whose destination may be rows of a map."""
    made = ones_of(c) | _logits_of(c) | convolved_rows(c) | c.of["RESIZE"] | c.of["NORMALISE"]
    return np.asarray(made & c.design.has_decoders)


def verify_maps(c: Columns) -> None:
    """Refuses operations of decoders that the compiler could not have written."""
    f, design = c.f, c.design
    weights, shifted = c.of["WEIGHTS"], convolved_rows(c)
    resized = c.of_part(DECODERS)
    relu = weights & (f["flags"] & RELU != 0)
    decoders = np.full(shifted.shape, design.has_decoders)
    c.rule(shifted | relu | resized, "kind", decoders, "the design has no decoders")
    only_maps = np.isin(f["path"], _CONVOLUTIONS)
    c.rule(weights & ~shifted & (f["path"] == memories.path_number(*memories.VALUES_PATH)), "path", shifted,
           "only a convolution goes there")  # fmt: skip
    if not design.has_decoders:
        c.equal(c.of["NORMALISE"], "path", memories.path_number(*memories.NORMALISING_PATH), "without decoders it is")
    lanes = design.knobs.tokens_parallel - 1 if design.has_decoders else 0
    c.within(c.of["NORMALISE"], "source_lane", 0, lanes)
    for place in field_places():
        if place.part == DECODERS and place.name != "source_lane":
            c.equal(weights & ~shifted, place.name, 0, "only a convolution uses it: it must be")
    c.rule(shifted, "path", only_maps, "a convolution goes from hidden or normed to query")
    c.rule(shifted, "flags", f["flags"] & SCATTER == 0, "a convolution has no queue")
    c.equal(shifted, "expert", -1, "a convolution has no queue: it must be")
    ones = ones_of(c)
    c.equal(ones, "in_words", 1, "a feature of ones has one word: it must be")
    c.equal(ones, "destination_block", 0, "a map begins at a word: it must be")
    c.rule(ones, "tokens", f["tokens"] % design.knobs.tokens_parallel == 0, "ones fill whole blocks")
    _rings(c, shifted)
    _resized(c, resized)


def _rings(c: Columns, shifted: Mask) -> None:
    """A convolution's source rows are all there at once, in slots that follow from the rows' numbers."""
    f, design, k = c.f, c.design, c.design.knobs
    c.within(shifted, "tap_words", 1, design.convolution_words // TAPS)
    c.equal(shifted, "in_words", TAPS * f["tap_words"], "nine taps take")
    c.within(shifted, "width", 1, k.max_map_width)
    c.equal(shifted, "row_blocks", ceiling(f["width"], k.tokens_parallel), "its width takes")
    c.within(shifted, "height", 1, MOST_MAP_ROWS)
    c.within(shifted, "row", 0, f["height"] - 1)
    row_blocks = np.maximum(f["row_blocks"], 1)
    rows = f["blocks"] // row_blocks
    c.rule(shifted, "tokens", f["tokens"] == rows * row_blocks * k.tokens_parallel, "it takes whole rows")
    c.rule(shifted, "tokens", (rows > 0) & (f["row"] + rows <= f["height"]), "the map has fewer rows")
    c.equal(shifted, "source_block", 0, "a ring begins at a word: it must be")
    c.within(shifted, "source_stride", f["tap_words"], c.depths[c.source])
    c.equal(shifted, "row_words", row_blocks * f["source_stride"], "a row takes")
    row_words = np.maximum(f["row_words"], 1)
    slots = f["ring_last"] // row_words + 1
    needed = np.minimum(f["row"] + rows, f["height"] - 1) - np.maximum(f["row"] - 1, 0) + 1
    c.within(shifted, "ring_last", (needed - 1) * row_words, c.depths[c.source])
    c.equal(shifted, "ring_last", (slots - 1) * row_words, "whole rows take")
    c.equal(shifted, "ring_above", (f["row"] - 1) % np.maximum(slots, 1) * row_words, "the row above lies at")
    c.within(shifted, "source_word", 0, c.depths[c.source] - f["ring_last"] - row_words)


def _resized(c: Columns, resized: Mask) -> None:
    """Both blended rows lie in the memory, and stored pixels have a possible number of channels."""
    f, design, k = c.f, c.design, c.design.knobs
    c.within(resized, "width", 1, k.max_map_width)
    c.equal(resized, "tokens", 2 * f["width"], "twice its width is")
    c.within(resized, "in_words", 1, min(design.map_words, design.max_in_words))
    c.within(resized, "source_stride", f["in_words"], c.depths[c.source])
    c.equal(resized, "source_block", 0, "a row begins at a word: it must be")
    taken = (ceiling(f["width"], k.tokens_parallel) - 1) * f["source_stride"] + f["in_words"]
    c.within(resized, "source_word", 0, c.depths[c.source] - taken)
    c.within(resized, "row_words", -f["source_word"], c.depths[c.source] - taken - f["source_word"])
    c.equal(c.of["RESIZE"], "destination_block", 0, "a row begins at a word: it must be")
    stores = c.of["STORE_RESIZED"]
    classes = stores & (f["flags"] & CLASSES != 0)
    c.within(classes, "features", 1, MOST_CLASSES)
    c.within(stores & ~classes, "features", 1, MOST_VALUES)
    c.equal(stores, "in_words", ceiling(f["features"], k.in_parallel), "its channels take")
