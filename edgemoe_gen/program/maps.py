"""Maps of pixels in the activation memories, and the fields of the operations that read and write them.

A map's rows lie in a ring of slots, row y in slot y modulo the number of slots. A row takes whole blocks of
tokens_parallel pixels, so each begins with lane 0. Pixels beyond the width have no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import MOST_MAP_ROWS, TAPS
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import CLASSES, MOST_CLASSES, MOST_VALUES, number
from edgemoe_gen.hardware.memories import path_from, path_number
from edgemoe_gen.numerics.fixed import Format, Integers
from edgemoe_gen.program.places import Place, Region


@dataclass(frozen=True)
class Map:
    """A map of height x width pixels, or as many of its last rows as its ring has slots.

    Attributes:
        memory: memory of the map.
        channels: values of a pixel.
        form: their format.
        height, width: in pixels.
        slots: rows that the ring holds.
        first: address of the ring's first word.
        stride: words of a pixel.
        row_blocks: blocks of a row.
    """

    memory: str
    channels: int
    form: Format
    height: int
    width: int
    slots: int
    first: int
    stride: int
    row_blocks: int

    @property
    def row_words(self) -> int:
        """Words from a row to the next one in the ring."""
        return self.row_blocks * self.stride

    @property
    def end(self) -> int:
        """Address behind the ring's last word."""
        return self.first + self.slots * self.row_words

    def place(self, row: int = 0) -> Place:
        """Place of a row, and of the rows after it until the ring's end."""
        word = self.first + row % self.slots * self.row_words
        return Place(self.memory, self.channels, self.form, self.stride, word)


def map_in(
    design: Design,
    memory: str,
    channels: int,
    form: Format,
    size: tuple[int, int],
    slots: int | None = None,
    first: int = 0,
    words: int | None = None,
) -> Map:
    """A map of (height, width) pixels from address `first` of a memory on.

    Args:
        slots: of its ring; the whole map by default.
        words: of a pixel; by default as many as whole output tiles fill.

    Raises:
        CapacityError: the memory ends before the ring, or the map is wider than the design's.
    """
    height, width = size
    stride = design.padded_words(channels) if words is None else words
    rows = ceil_div(width, design.knobs.tokens_parallel)
    found = Map(memory, channels, form, height, width, min(slots or height, height), first, stride, rows)
    if width > design.knobs.max_map_width:
        raise CapacityError(
            f"a map is {width} pixels wide, but the design's widest map has {design.knobs.max_map_width}",
            f"raise the knob max_map_width to {width} or more",
        )
    if height > MOST_MAP_ROWS:
        raise CapacityError(f"a map is {height} pixels high, but an engine convolves at most {MOST_MAP_ROWS} rows")
    if found.end > design.memory_depths[memory]:
        raise CapacityError(
            f"the {memory} memory holds {design.memory_depths[memory]} words, but {found.slots} rows of a map of "
            f"{width} pixels by {stride} words from word {first} on end at {found.end}",
            "raise the knob source_words or result_words",
        )
    return found


def tap_matrix(weights: NDArray[np.float64], pixel_columns: int) -> NDArray[np.float64]:
    """Weights of a convolution [outputs, channels, 3, 3] as a product's [outputs, 9 x pixel_columns], tap after tap.

    `pixel_columns`: values of a pixel that a tap reads, in whole words; those beyond the channels meet zeros.
    """
    outputs, channels = weights.shape[:2]
    ordered: NDArray[np.float64] = np.zeros((outputs, TAPS, pixel_columns))
    ordered[:, :, :channels] = weights.reshape(outputs, channels, TAPS).transpose(0, 2, 1)
    return ordered.reshape(outputs, -1)


def window_fields(source: Map, row: int, rows: int, in_words: int) -> dict[str, int]:
    """Fields of a convolution that makes `rows` rows from `row` on.

    Raises:
        CapacityError: the ring does not hold all rows that the operation needs at once.
    """
    needed = min(row + rows, source.height - 1) - max(row - 1, 0) + 1
    if needed > source.slots:
        raise CapacityError(
            f"a convolution of {rows} rows needs {needed} rows of its source, but the ring holds {source.slots}",
            "compute fewer rows at a time, or raise the knob source_words",
        )
    return {
        "tap_words": in_words // TAPS,
        "row_blocks": source.row_blocks,
        "row_words": source.row_words,
        "ring_above": (row - 1) % source.slots * source.row_words,
        "ring_last": (source.slots - 1) * source.row_words,
        "row": row,
        "height": source.height,
        "width": source.width,
    }


def resize_operation(design: Design, source: Map, destination: Map, row: int) -> Operation:
    """Row `row` of a map of twice the size."""
    fields = _resized(design, source, row)
    return Operation(kind=number("RESIZE"), path=path_number(source.memory, destination.memory), **fields)


def store_resized_operation(design: Design, source: Map, row: int, classes: bool, first: int) -> Operation:
    """Sends such a row to the result from beat `first` on: a byte a pixel, its class, or values of 16 bits each."""
    fields = _resized(design, source, row)
    limit = MOST_CLASSES if classes else MOST_VALUES
    if source.channels > limit:
        what = "classes" if classes else "values of 16 bits"
        raise CapacityError(f"a pixel has {source.channels} channels, but can leave the engine as {limit} {what}")
    return Operation(
        kind=number("STORE_RESIZED"),
        path=path_from(source.memory),
        flags=CLASSES if classes else 0,
        features=source.channels,
        transfer_first=first,
        transfer_beats=pixel_beats(design, 2 * source.width, source.channels, classes),
        **fields,
    )


def resized_from(source: Map, row: int) -> tuple[int, int]:
    """Rows of a map from which row `row` of the doubled map is made: the nearer row, and the other."""
    nearer = row // 2
    other = nearer - 1 if row % 2 == 0 else nearer + 1
    return nearer, min(max(other, 0), source.height - 1)


def _resized(design: Design, source: Map, row: int) -> dict[str, int]:
    if design.words(source.channels) > design.map_words:
        raise CapacityError(
            f"a map of twice the size has {source.channels} channels, but the design's maps have at most "
            f"{design.knobs.max_map_channels}",
            f"raise the knob max_map_channels to {source.channels} or more",
        )
    nearer, other = (source.place(of) for of in resized_from(source, row))
    return {
        "tokens": 2 * source.width,
        "in_words": design.words(source.channels),
        "width": source.width,
        "row_words": other.word - nearer.word,
    }


def pixel_bytes(channels: int, classes: bool) -> int:
    """Bytes of a pixel in the result: its class, or 1, 2 or 4 values of 16 bits."""
    return 1 if classes else 2 << (channels - 1).bit_length()


def pixel_beats(design: Design, pixels: int, channels: int, classes: bool) -> int:
    """Beats of a row of pixels; the next row begins with a new one."""
    return ceil_div(pixels * pixel_bytes(channels, classes), design.beat_bytes)


def unpack_pixels(beats: NDArray[np.uint8], region: Region, classes: bool) -> Integers:
    """Pixels of one row: their classes [pixels], or their values [pixels, channels]."""
    data = np.ascontiguousarray(beats).reshape(-1)
    if classes:
        return data[: region.tokens].astype(np.int64)
    values = data.view("<i2").reshape(-1, pixel_bytes(region.columns, False) // 2)
    return values[: region.tokens, : region.columns].astype(np.int64)
