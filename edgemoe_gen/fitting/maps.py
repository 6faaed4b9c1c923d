"""Decoders on the engine for the choice of default knobs: those that fit a design, their operations and their rings.

In: a spec and knobs. Out: steps for `workload`; rows that each convolution makes at a time, and the memory depths of
their rings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs, knob_fields
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.kinds import MOST_CLASSES
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.placing import PATCH, host_reason
from edgemoe_gen.program.rings import ROWS, Level, decoder_levels, ring_depths

ONE_ROW = (1, 1, 1, 1)
STEP = 512  # addresses of a BRAM of whole words
_MOST_WORDS = {knob.name: int(knob.metadata["high"]) for knob in knob_fields() if knob.name.endswith("_words")}


@dataclass(frozen=True)
class Decoder:
    """Channels of a decoder's maps and of its result, and whether the engine doubles the result too."""

    channels: int
    classes: int
    doubles: bool


def largest_decoder(spec: ModelSpec, knobs: Knobs) -> Decoder | None:
    """The decoder that needs most of a design; None if none runs on its engine."""
    found = [
        Decoder(task.map_channels, task.classes or 1, spec.patch == PATCH and (task.classes or 1) <= MOST_CLASSES)
        for task in spec.tasks
        if task.map_channels and not host_reason(spec, task.map_channels, knobs.max_map_width, knobs.max_map_channels)
    ]
    return max(found, key=lambda decoder: (decoder.channels, decoder.classes), default=None)


class DecoderFit:
    """A decoder on a design whose memories hold the rest of the network."""

    def __init__(self, spec: ModelSpec, design: Design, decoder: Decoder) -> None:
        self.spec = spec
        self.design = design
        self.decoder = decoder
        self.levels = decoder_levels(design, spec, decoder.channels)
        self.logit_words = design.padded_words(decoder.classes)
        self.taken = design.blocks * design.dim_words

    def depths(self, rows: tuple[int, ...]) -> tuple[int, int]:
        """Addresses of the hidden and query memories for these numbers of rows at a time."""
        hidden, query = self._depths(np.array([rows]))
        return int(hidden[0]), int(query[0])

    def _depths(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return ring_depths(self.design, self.levels, rows, self.logit_words, self.taken, self.decoder.doubles)

    def choices(self) -> Iterator[tuple[tuple[int, ...], int, int]]:
        """Rows at a time with their depths, those with the least traffic first; of equals the fewest rows."""
        every = np.array(list(product(*([r for r in ROWS if r <= level.height] or [1] for level in self.levels))))
        passes = -(-np.array([level.height for level in self.levels]) // every)
        beats = passes @ np.array([level.beats for level in self.levels])
        hidden, query = self._depths(every)
        for at in np.lexsort((every.sum(axis=1), beats)):
            yield tuple(map(int, every[at])), int(hidden[at]), int(query[at])

    def work(self, rows: tuple[int, ...]) -> Iterator[tuple[str, Level, int]]:
        """A frame's operations in order: kind, level and rows, as `program.decoder` writes them."""
        levels, read, made = self.levels, [0] * len(rows), [0] * len(rows)

        def convolve(at: int) -> Iterator[tuple[str, Level, int]]:
            count = min(rows[at], levels[at].height - made[at])
            while read[at] < min(made[at] + count + 1, levels[at].height):
                row = read[at]
                read[at] += 1
                # A doubled row takes two: its half, and the one beside that.
                while at and min((row + 1) // 2, levels[at - 1].height - 1) >= made[at - 1]:
                    yield from convolve(at - 1)
                yield "resize" if at else "norm", levels[at], 1
            yield "convolution", levels[at], count
            made[at] += count

        while made[-1] < levels[-1].height:
            before = made[-1]
            yield from convolve(len(rows) - 1)
            yield "logits", levels[-1], made[-1] - before
            yield "result", levels[-1], 2 * (made[-1] - before)


def with_rings(knobs: Knobs, fit: DecoderFit, rows: tuple[int, ...], chosen: dict[str, int]) -> Knobs | None:
    """Knobs whose memories hold a decoder's rings; None if a memory cannot be so deep."""
    hidden, query = fit.depths(rows)
    found = {"source_words": chosen.get("source_words", hidden), "result_words": chosen.get("result_words", query)}
    if any(value > _MOST_WORDS[name] for name, value in found.items()):
        return None
    return replace(knobs, **found)


def deepest_rings(
    spec: ModelSpec, board: Board, knobs: Knobs, chosen: dict[str, int], fits: Callable[[Knobs], bool]
) -> tuple[Knobs, tuple[int, ...]]:
    """The rings that fit beside all other memories with the least traffic; and rows at a time."""
    decoder = largest_decoder(spec, knobs)
    assert decoder is not None
    fit = DecoderFit(spec, Design(replace(knobs, source_words=0, result_words=0), board), decoder)
    known: dict[tuple[int, int], bool] = {}
    for rows, hidden, query in fit.choices():
        # Memories grow by whole primitives.
        steps = (ceil_div(hidden, STEP), ceil_div(query, STEP))
        if any(not there and steps[0] >= h and steps[1] >= q for (h, q), there in known.items()):
            continue
        found = with_rings(knobs, fit, rows, chosen)
        if found is None or found.source_words < hidden or found.result_words < query:
            continue
        if steps not in known:
            known[steps] = fits(found)
        if known[steps] and fits(found):
            return found, rows
    return knobs, ONE_ROW
