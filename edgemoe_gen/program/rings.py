"""Places of the maps of a decoder, and the number of rows that each convolution makes at a time.

In: a design, the sizes of a decoder, and the room that tokens leave in the residual. Out: a ring of rows for each map,
in memories that are idle while decoding; or an error with sizes. Sources of convolutions lie in `hidden` or `normed`,
results in `query`.

A convolution of R rows reads R + 2 rows. Its results lie one behind another, and the row before them is still needed to
double the first of them. So they take a ring of twice R rows. Each pass of the weights makes R rows: deeper memories
allow a larger R, and less traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import TAPS
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY, RESIDUAL
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.program.pack import linear_beats

ROWS = (32, 24, 16, 12, 8, 6, 4, 3, 2, 1)  # of a convolution at a time


@dataclass(frozen=True)
class Level:
    """One 3x3 convolution: its map, words of an input and an output pixel, and beats of a pass of its weights."""

    height: int
    width: int
    source_words: int
    result_words: int
    beats: int


@dataclass(frozen=True)
class Ring:
    """A ring of rows: memory, address of its first word, slots."""

    memory: str
    first: int
    slots: int


@dataclass(frozen=True)
class Rings:
    """For each convolution the rows at a time, the ring that it reads and the one it fills; the last map's ring."""

    rows: tuple[int, ...]
    sources: tuple[Ring, ...]
    results: tuple[Ring, ...]
    logits: Ring


def decoder_levels(design: Design, spec: ModelSpec, channels: int) -> tuple[Level, ...]:
    """The 3x3 convolutions of a network's decoder whose maps have this number of channels.

    A token has one more word, for the feature of ones.
    """
    inputs, outputs = design.words(channels), design.padded_words(channels)
    narrow = design.is_narrow(DECODERS)
    levels = []
    for i in range(DECODER_CONVOLUTIONS - 1):
        words = inputs if i else design.words(spec.dim) + 1
        beats = linear_beats(design, channels, TAPS * words * design.knobs.in_parallel, narrow)
        levels.append(Level(spec.grid[0] << i, spec.grid[1] << i, words, outputs, beats))
    return tuple(levels)


def choose_rings(
    design: Design, task: str, levels: tuple[Level, ...], logit_words: int, taken: int, doubles: bool,
    most_rows: int = ROWS[0],
) -> Rings:  # fmt: skip
    """The rings that take the fewest beats of weights.

    Args:
        design: gives the memories.
        task: for messages.
        levels: convolutions, the smallest map first.
        logit_words: words of a pixel of the map of logits.
        taken: addresses of the residual that hold tokens.
        doubles: the last map is doubled on the way to DDR, so its rows wait for each other.
        most_rows: most rows of a convolution at a time.

    Raises:
        CapacityError: even one row at a time does not fit; says which sizes would.
    """
    depths = design.memory_depths
    choices = [_choices(design, level, level is levels[-1], most_rows) for level in levels]

    def beats(rows: tuple[int, ...]) -> int:
        return sum(ceil_div(level.height, r) * level.beats for level, r in zip(levels, rows, strict=True))

    for rows in sorted(product(*choices), key=beats):
        found = _placed(design, levels, rows, logit_words, taken, doubles)
        if found is not None:
            return found
    one = tuple(1 for _ in levels)
    sources, results = _source_sizes(design, levels, one), _result_sizes(design, levels, one)
    logits = _logit_size(design, levels[-1], 1, logit_words, doubles)
    raise CapacityError(
        f"the decoder of {task} needs {sum(results)} words of the query memory, which holds {depths[QUERY]}, and "
        f"{', '.join(map(str, sources))} words in pieces of the hidden and normed memories, which hold "
        f"{depths[HIDDEN]} and {depths[NORMED]}, with {logits} more there or in the residual memory, of which "
        f"{depths[RESIDUAL] - taken} are free",
        f"raise the knobs source_words to {sum(sources) + logits} and result_words to {sum(results)}",
    )


def ring_depths(
    design: Design, levels: tuple[Level, ...], rows: NDArray[np.int64], logit_words: int, taken: int, doubles: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The fewest addresses of the hidden and the query memory that rings take, beside what the design's normed and
    residual memories hold of them.

    Args: as of `choose_rings`; `rows` [choices, convolutions] at a time.
    """
    depths = design.memory_depths
    heights, words = (np.array([getattr(level, of) for level in levels]) for of in ("height", "source_words"))
    blocks = np.array([_blocks(design, level) for level in levels])
    sources = np.minimum(heights, rows + 2) * blocks * words
    last = np.arange(len(levels)) == len(levels) - 1
    slots = np.minimum(heights, np.where(last, rows, 2 * rows))
    results = slots * blocks * np.array([level.result_words for level in levels])
    waiting = np.minimum(heights[-1], 2 * rows[:, -1] if doubles else rows[:, -1])
    logits = waiting * blocks[-1] * logit_words
    hidden = sources.sum(axis=1) + logits
    for memories in product((False, True), repeat=len(levels)):
        normed = sources[:, memories].sum(axis=1)
        for beside_tokens in (False, True):
            fits = (normed <= depths[NORMED]) & (logits * beside_tokens <= depths[RESIDUAL] - taken)
            used = sources.sum(axis=1) - normed + logits * (not beside_tokens)
            hidden = np.where(fits, np.minimum(hidden, used), hidden)
    return hidden, results.sum(axis=1)


def _choices(design: Design, level: Level, last: bool, most: int) -> list[int]:
    """Numbers of rows at a time for which a level's own rings alone would fit; one row if none."""
    blocks, depths = _blocks(design, level), design.memory_depths

    def fits(rows: int) -> bool:
        source = min(level.height, rows + 2) * blocks * level.source_words
        result = _result_slots(level, rows, last) * blocks * level.result_words
        room = max(depths[HIDDEN], depths[NORMED])
        return rows * blocks <= design.map_blocks and source <= room and result <= depths[QUERY]

    return [rows for rows in ROWS if rows <= min(level.height, most) and fits(rows)] or [1]


def _blocks(design: Design, level: Level) -> int:
    return ceil_div(level.width, design.knobs.tokens_parallel)


def _source_sizes(design: Design, levels: tuple[Level, ...], rows: tuple[int, ...]) -> list[int]:
    return [
        min(level.height, r + 2) * _blocks(design, level) * level.source_words
        for level, r in zip(levels, rows, strict=True)
    ]


def _result_slots(level: Level, rows: int, last: bool) -> int:
    return min(level.height, rows if last else 2 * rows)


def _result_sizes(design: Design, levels: tuple[Level, ...], rows: tuple[int, ...]) -> list[int]:
    return [
        _result_slots(level, r, level is levels[-1]) * _blocks(design, level) * level.result_words
        for level, r in zip(levels, rows, strict=True)
    ]


def _logit_size(design: Design, level: Level, rows: int, words: int, doubles: bool) -> int:
    return _result_slots(level, rows, not doubles) * _blocks(design, level) * words


def _placed(
    design: Design, levels: tuple[Level, ...], rows: tuple[int, ...], logit_words: int, taken: int, doubles: bool
) -> Rings | None:
    """Rings for these numbers of rows, if they fit."""
    depths = design.memory_depths
    results = _result_sizes(design, levels, rows)
    if sum(results) > depths[QUERY]:
        return None
    sources = _source_sizes(design, levels, rows)
    logits = _logit_size(design, levels[-1], rows[-1], logit_words, doubles)
    room = {HIDDEN: depths[HIDDEN], NORMED: depths[NORMED], RESIDUAL: depths[RESIDUAL] - taken}
    for memories in product((HIDDEN, NORMED), repeat=len(levels)):
        for of_logits in (RESIDUAL, HIDDEN):
            if all(used <= room[name] for name, used in _used(memories, sources, of_logits, logits)):
                free = {HIDDEN: 0, NORMED: 0, RESIDUAL: taken, QUERY: 0}

                def ring(memory: str, size: int, slots: int, free: dict[str, int] = free) -> Ring:
                    free[memory] += size
                    return Ring(memory, free[memory] - size, slots)

                return Rings(
                    rows,
                    tuple(
                        ring(memory, size, min(level.height, r + 2))
                        for memory, size, level, r in zip(memories, sources, levels, rows, strict=True)
                    ),
                    tuple(
                        ring(QUERY, size, _result_slots(level, r, level is levels[-1]))
                        for size, level, r in zip(results, levels, rows, strict=True)
                    ),
                    ring(of_logits, logits, _result_slots(levels[-1], rows[-1], not doubles)),
                )
    return None


def _used(memories: tuple[str, ...], sources: list[int], of_logits: str, logits: int) -> Iterator[tuple[str, int]]:
    """Used addresses of each memory."""
    for name in (HIDDEN, NORMED, RESIDUAL):
        own = sum(size for memory, size in zip(memories, sources, strict=True) if memory == name)
        yield name, own + (logits if of_logits == name else 0)
