"""A decoder's operations, row by row and depth first: a row is made when the next map needs it, and kept no longer.

In: the builder after a frame's last block, with tokens in the residual; a lowered decoder and its formats. Out: the
operations, and the place of the result. No map is ever whole on the chip, and only the last map leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.decoder import by_tap, has_values
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredDecoder
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.maps import Map, map_in, resized_from, unpack_pixels
from edgemoe_gen.program.pack import Bytes, linear_beats, unpack_words
from edgemoe_gen.program.places import Place, Region
from edgemoe_gen.program.product import Finish, Weights
from edgemoe_gen.program.rings import ROWS, Level, Ring, choose_rings


@dataclass(frozen=True)
class Decoded:
    """A decoder's result in the result buffer: the regions of its rows or groups of rows, from above.

    Attributes:
        regions: each holds one row of the doubled map, or some rows of the map before it.
        height, width: size of the whole map, in pixels.
        row_pixels: pixels of a row in a region; pixels beyond the width hold nothing.
        kind: "classes", "values", or "logits" before the last doubling.
    """

    regions: tuple[Region, ...]
    height: int
    width: int
    row_pixels: int
    kind: str

    def moved(self, beats: int) -> Decoded:
        """The same result, a number of beats later."""
        return replace(self, regions=tuple(replace(region, first=region.first + beats) for region in self.regions))

    def unpack(self, result: Bytes) -> NDArray[np.int64]:
        """Classes [height, width], or values or logits [height, width, channels] as integers."""
        parts = []
        for region in self.regions:
            beats = result[region.first : region.first + region.beats]
            if self.kind == "logits":
                rows = unpack_words(beats, region.tokens, region.columns)
            else:
                rows = unpack_pixels(beats, region, self.kind == "classes")
            parts.append(rows.reshape(-1, self.row_pixels, *rows.shape[1:])[:, : self.width])
        return np.concatenate(parts)


class DecoderRows:
    """One task's decoder of one frame.

    Args:
        builder: takes the operations.
        spec: of the network.
        decoder: lowered.
        formats: of the whole network.
        task: name.
        tokens: place of the frame's final tokens in the residual.
        taken: addresses of the residual that hold tokens, of all frames.
        doubles: whether the engine does the last doubling, on the way to DDR.
        most_rows: most rows that a convolution makes at a time.
    """

    def __init__(
        self,
        builder: Builder,
        spec: ModelSpec,
        decoder: LoweredDecoder,
        formats: Formats,
        task: str,
        tokens: Place,
        taken: int,
        doubles: bool,
        most_rows: int = ROWS[0],
    ) -> None:
        self.b = builder
        self.design = builder.design
        self.spec = spec
        self.decoder = decoder
        self.formats = formats
        self.name = f"{DECODERS}.{task}"
        self.tokens = tokens
        self.doubles = doubles
        self.last = len(decoder.scales) - 1
        self.weights = [self._weights(i) for i in range(len(decoder.layers))]
        sizes = [(spec.grid[0] << i, spec.grid[1] << i) for i in range(self.last + 1)]
        design = self.design
        channels = [self.weights[i].linear.weight.shape[0] for i in range(self.last + 2)]
        words = [design.words(self.weights[i].linear.weight.shape[1]) // 9 for i in range(self.last + 1)]
        levels = tuple(
            Level(*sizes[i], words[i], design.padded_words(channels[i]), self._beats(self.weights[i]))
            for i in range(self.last + 1)
        )
        logit_words = design.padded_words(decoder.classes)
        rings = choose_rings(design, task, levels, logit_words, taken, doubles, most_rows)
        self.rows = rings.rows
        forms = [formats[f"{self.name}.norm"], *(formats[f"{self.name}.conv_{i}"] for i in range(self.last + 1))]

        def ring_of(ring: Ring, level: int, columns: int, form: int, stride: int) -> Map:
            return map_in(design, ring.memory, columns, forms[form], sizes[level], ring.slots, ring.first, stride)

        # A doubled map has the channels and the format of the one before it.
        inputs = [spec.dim, *channels[: self.last]]
        self.sources = [
            ring_of(rings.sources[i], i, inputs[i], i, levels[i].source_words) for i in range(self.last + 1)
        ]
        self.results = [
            ring_of(rings.results[i], i, channels[i], i + 1, levels[i].result_words) for i in range(self.last + 1)
        ]
        forms.append(formats[f"{self.name}.logits"])
        self.logits = ring_of(rings.logits, self.last, decoder.classes, self.last + 2, logit_words)
        self.read = [0] * (self.last + 1)  # rows of each source that have been made
        self.made = [0] * (self.last + 1)  # rows of each result

    def build(self) -> Decoded:
        """Adds all operations."""
        self._load_ones()
        found: list[Region] = []
        done = 0  # rows that have left
        last = self.logits
        kind = "classes"
        if not self.doubles:
            kind = "logits"
        elif has_values(self.decoder.classes):
            kind = "values"
        while self.made[self.last] < last.height:
            row = self.made[self.last]
            rows = self._convolve(self.last)
            self.b.layer = f"{self.name}.logits"
            pixels = rows * last.row_blocks * self.design.knobs.tokens_parallel
            self.b.linear(self.weights[-1], self.results[-1].place(row), last.place(row), pixels)
            self.b.layer = f"{self.name}.result"
            if not self.doubles:
                found.append(self.b.store(self.name, last.place(row), pixels))
                continue
            while done < 2 * last.height and max(resized_from(last, done)) < row + rows:
                found.append(self.b.store_resized(self.name, last, done, kind == "classes"))
                done += 1
        across = last.row_blocks * self.design.knobs.tokens_parallel
        size = (last.height, last.width, across)
        if self.doubles:
            size = (2 * last.height, 2 * last.width, 2 * last.width)
        return Decoded(tuple(found), *size, kind)

    def _weights(self, layer: int) -> Weights:
        """A layer's weights with each tap's inputs in whole words; the feature of ones has a separate word."""
        name = f"{self.name}.conv_{layer}"
        linear, parallel = self.decoder.layers[layer], self.design.knobs.in_parallel
        taps = by_tap(self.decoder, layer)
        inputs = taps.shape[2] - (1 if layer == 0 else 0)
        whole = self.design.words(inputs) * parallel
        padded = np.zeros((*taps.shape[:2], whole + (parallel if layer == 0 else 0)))
        padded[:, :, :inputs] = taps[:, :, :inputs]
        if layer == 0:
            padded[:, :, whole] = taps[:, :, inputs]
        if taps.shape[1] == 1:
            padded = padded[:, :, :inputs]
        weight = padded.reshape(linear.weight.shape[0], -1)
        return Weights(Linear(weight, linear.bias), self.formats[f"{name}.weight"], name)

    def _beats(self, weights: Weights) -> int:
        outputs, inputs = weights.linear.weight.shape
        narrow = self.design.has_narrow_weights and weights.form.bits <= self.design.narrow_weight_bits
        return linear_beats(self.design, outputs, inputs, narrow)

    def _load_ones(self) -> None:
        """Loads the feature of ones row by row, so that programs with rings of other sizes share the constant."""
        source, parallel = self.sources[0], self.design.knobs.tokens_parallel
        self.b.layer = f"{self.name}.ones"
        values = np.full((source.row_blocks * parallel, 1), self.decoder.ones)
        for slot in range(source.slots):
            place = source.place(slot)
            word = place.word + self.design.words(self.spec.dim)
            self.b.load_constant(values, replace(place, columns=1, word=word), f"{self.name}.ones")

    def _convolve(self, level: int) -> int:
        """The next rows of a level's results; returns how many."""
        row, source, result = self.made[level], self.sources[level], self.results[level]
        rows = min(self.rows[level], result.height - row)
        while self.read[level] < min(row + rows + 1, source.height):
            self._next_row(level)
        self.b.layer = f"{self.name}.conv_{level}"
        self.b.convolve(self.weights[level], source, result, row, rows, Finish(relu=True))
        self.made[level] = row + rows
        return rows

    def _next_row(self, level: int) -> None:
        """The next row of a level's source: tokens after their norm, or a doubled row of the map before."""
        row = self.read[level]
        self.read[level] = row + 1
        if level > 0:
            before = self.results[level - 1]
            while max(resized_from(before, row)) >= self.made[level - 1]:
                self._convolve(level - 1)
            self.b.layer = f"{self.name}.resize_{level}"
            self.b.resize(before, self.sources[level], row)
            return
        parallel, spec = self.design.knobs.tokens_parallel, self.spec
        block, lane = divmod(spec.prefix_tokens + row * spec.grid[1], parallel)
        source = replace(self.tokens, block=self.tokens.block + block, lane=lane)
        self.b.layer = f"{self.name}.norm"
        destination = replace(self.sources[0].place(row), columns=spec.dim)
        self.b.normalise(source, destination, spec.grid[1], spec.norm_eps, self.decoder.shifts, f"{self.name}.norm")
