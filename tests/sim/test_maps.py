"""The loops of maps (hls/maps.h, hls/pixels.h) against NumPy: rings that wrap, edges, widths around whole blocks.

Rows that an operation does not need are rubbish in the memory, and so is what lies beside the map: whoever reads a row
that is no longer there, or not yet, gets other tiles.
"""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemoe_gen.codegen import write_sources
from edgemoe_gen.design import Design
from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import SHIFTED, number
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.program.maps import (
    Map,
    map_in,
    resize_operation,
    store_resized_operation,
    unpack_pixels,
    window_fields,
)
from edgemoe_gen.program.places import Region
from edgemoe_gen.sim.cases_maps import resized
from edgemoe_gen.sim.compiler import ap_types_folder, find_compiler
from tests.sim.engines import small_design

Values = NDArray[np.int32]
FORM = Format(18, 10)
KNOBS = {"max_map_width": 48, "max_map_channels": 16, "source_words": 700, "result_words": 700}
BUILDS = {
    **{f"{lanes} lanes": (lanes, False) for lanes in (2, 3, 5, 11)},
    "3 lanes, ap_int": (3, True),
}
EXAMPLES = 40


class Loops:
    """The compiled loops of a design of so many lanes."""

    def __init__(self, lanes: int, ap_int: bool, folder: Path) -> None:
        self.design: Design = small_design(tokens_parallel=lanes, **KNOBS)
        write_sources(self.design, folder)
        types = ["-isystem", str(ap_types_folder())] if ap_int else ["-DEDGEMOE_PLAIN_INTEGERS"]
        command = [find_compiler(), "-std=c++14", "-O1", "-shared", "-fPIC", "-w", *types, "-Isrc"]
        command += [str(Path(__file__).with_name("maps.cpp")), "-o", "maps.so"]
        subprocess.run(command, cwd=folder, check=True, timeout=300)
        self.library = ctypes.CDLL(str(folder / "maps.so"))
        self.shape = self.design.first_depth, lanes, self.design.knobs.in_parallel

    def memory(self, rng: np.random.Generator) -> Values:
        """All rubbish."""
        return rng.integers(-(1 << 17), 1 << 17, self.shape, np.int32)

    def convolution(self, operation: Operation, memory: Values) -> Values:
        """Tiles [iteration, lane, feature]."""
        tiles = np.zeros((operation.out_tiles * operation.blocks * operation.in_words, *self.shape[1:]), np.int32)
        count = self.library.run_convolution(_pointer(_words(operation)), _pointer(memory), _pointer(tiles))
        assert count == len(tiles)
        return tiles

    def resize(self, operation: Operation, memory: Values, destination: Values) -> Values:
        """The destination behind it."""
        changed = destination.copy()
        self.library.run_resize(_pointer(_words(operation)), _pointer(memory), _pointer(changed))
        return changed

    def pixels(self, operation: Operation, memory: Values) -> NDArray[np.uint8]:
        """Beats."""
        beats = np.zeros((operation.transfer_beats, self.design.beat_bytes), np.uint8)
        count = self.library.run_pixels(_pointer(_words(operation)), _pointer(memory), _pointer(beats))
        assert count == len(beats)
        return beats


def _words(operation: Operation) -> NDArray[np.uint32]:
    words = np.zeros(d.OPERATION_WORDS, np.uint32)
    for place in d.field_places():
        value = getattr(operation, place.name) & ((1 << place.bits) - 1)
        words[place.word] |= np.uint32(value << place.low)
    return words


def _pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.fixture(
    scope="module",
    params=[name if name == "3 lanes" else pytest.param(name, marks=pytest.mark.slow) for name in BUILDS],
)
def loops(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loops:
    lanes, ap_int = BUILDS[request.param]
    if ap_int:
        pytest.importorskip("hls4ml")
    return Loops(lanes, ap_int, tmp_path_factory.mktemp("maps"))


def put(memory: Values, found: Map, row: int, pixels: Values) -> None:
    """Writes pixels [width, words, features] of a row to where a map has it."""
    lanes = memory.shape[1]
    first = found.place(row).word
    for x, words in enumerate(pixels):
        at = first + x // lanes * found.stride
        memory[at : at + len(words), x % lanes] = words


def widths(lanes: int) -> st.SearchStrategy[int]:
    """Pixels of a row: around whole blocks, one, and any."""
    around = [w for blocks in (1, 2) for w in (blocks * lanes - 1, blocks * lanes, blocks * lanes + 1) if w > 0]
    return st.one_of(st.sampled_from([1, *around]), st.integers(1, 24))


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_tiles_of_a_convolution_are_the_pixels_around_and_zeros_outside(loops: Loops, data: st.DataObject) -> None:
    design, lanes = loops.design, loops.design.knobs.tokens_parallel
    width, height = data.draw(widths(lanes)), data.draw(st.integers(1, 9))
    row = data.draw(st.integers(0, height - 1))
    rows = data.draw(st.integers(1, min(3, height - row)))
    first_needed, last_needed = max(row - 1, 0), min(row + rows, height - 1)
    slots = data.draw(st.integers(last_needed - first_needed + 1, height))
    words = data.draw(st.integers(1, 2))
    stride, tiles = words + data.draw(st.integers(0, 1)), data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    size = -(-width // lanes) * stride * min(slots, height)
    first = data.draw(st.integers(0, design.memory_depths["hidden"] - size))
    found = map_in(design, "hidden", words * 8, FORM, (height, width), slots, first, stride)
    memory = loops.memory(rng)
    pixels = rng.integers(-(1 << 17), 1 << 17, (height, width, words, 8), np.int32)
    for y in range(first_needed, last_needed + 1):
        put(memory, found, y, pixels[y])
    blocks = rows * found.row_blocks
    operation = Operation(
        kind=number("PRODUCT"), flags=SHIFTED, tokens=blocks * lanes, blocks=blocks, in_words=9 * words,
        out_tiles=tiles, source_word=found.first, source_stride=stride,
        **window_fields(found, row, rows, 9 * words),
    )  # fmt: skip
    got = loops.convolution(operation, memory).reshape(tiles, rows, found.row_blocks, 3, 3, words, lanes, 8)
    around = np.zeros((height + 2, found.row_blocks * lanes + 2, words, 8), np.int32)
    around[1:-1, 1 : width + 1] = pixels
    for dy in range(3):
        for dx in range(3):
            shifted = around[row + dy : row + dy + rows, dx : dx + found.row_blocks * lanes]
            wanted = shifted.reshape(rows, found.row_blocks, lanes, words, 8).transpose(0, 1, 3, 2, 4)
            # Beside the map lies nothing of meaning: its columns are those of a block's last lanes.
            exists = (np.arange(found.row_blocks * lanes) + dx - 1 < width).reshape(found.row_blocks, lanes)
            wanted = wanted * exists[None, :, None, :, None]
            for tile in got[:, :, :, dy, dx]:
                assert np.array_equal(tile, wanted)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_a_row_of_twice_the_width_is_written_and_nothing_else(loops: Loops, data: st.DataObject) -> None:
    design, lanes = loops.design, loops.design.knobs.tokens_parallel
    width, height = data.draw(widths(lanes)), data.draw(st.integers(1, 6))
    row = data.draw(st.integers(0, 2 * height - 1))
    words = data.draw(st.integers(1, 2))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    slots = data.draw(st.integers(min(2, height), height))
    source = map_in(design, "query", words * 8, FORM, (height, width), slots, data.draw(st.integers(0, 20)), words)
    double = map_in(
        design, "hidden", words * 8, FORM, (2 * height, 2 * width), data.draw(st.integers(1, 4)),
        data.draw(st.integers(0, 20)), words + data.draw(st.integers(0, 1)),
    )  # fmt: skip
    extreme = data.draw(st.booleans())
    values = rng.choice([-(1 << 17), (1 << 17) - 1, 0, 1, -1], (height, width, words, 8)) if extreme else None
    pixels = (rng.integers(-(1 << 17), 1 << 17, (height, width, words, 8)) if values is None else values).astype(
        np.int32
    )
    memory, before = loops.memory(rng), loops.memory(rng)
    for y in {min(max(y, 0), height - 1) for y in ((row - 1) // 2, (row - 1) // 2 + 1)}:
        put(memory, source, y, pixels[y])
    operation = replace(
        resize_operation(design, source, double, row),
        source_word=source.place(row // 2).word, source_stride=source.stride,
        destination_word=double.place(row).word, destination_stride=double.stride,
    )  # fmt: skip
    wanted = before.copy()
    flat = resized(pixels.astype(np.int64).reshape(height, width, -1))[row].reshape(2 * width, words, 8)
    put(wanted, double, row, flat.astype(np.int32))
    assert np.array_equal(loops.resize(operation, memory, before), wanted)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.data())
def test_a_pixel_leaves_as_its_first_largest_class_or_as_values(loops: Loops, data: st.DataObject) -> None:
    design, lanes = loops.design, loops.design.knobs.tokens_parallel
    width, height = data.draw(widths(lanes)), data.draw(st.integers(1, 3))
    row = data.draw(st.integers(0, 2 * height - 1))
    classes = data.draw(st.booleans())
    channels = data.draw(st.integers(1, 16 if classes else 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    found = map_in(design, "hidden", channels, FORM, (height, width), words=design.words(channels))
    spread = data.draw(st.sampled_from([2, 300, 1 << 17]))  # of few values there are ties
    pixels = rng.integers(-spread, spread, (height, width, design.words(channels), 8)).astype(np.int32)
    memory = loops.memory(rng)
    for y in range(height):
        put(memory, found, y, pixels[y])
    operation = replace(
        store_resized_operation(design, found, row, classes, 0),
        source_word=found.place(row // 2).word, source_stride=found.stride,
    )  # fmt: skip
    region = Region("", 0, operation.transfer_beats, 2 * width, 1 if classes else channels, FORM)
    got = unpack_pixels(loops.pixels(operation, memory), region, classes)
    values = resized(pixels.astype(np.int64).reshape(height, width, -1))[row][:, :channels]
    assert np.array_equal(got, values.argmax(axis=1) if classes else np.clip(values, -(1 << 15), (1 << 15) - 1))


def test_twice_the_size_is_what_pytorch_interpolates_and_rounds() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for height in range(1, 10):
        for width in range(1, 10):
            pixels = rng.integers(-(1 << 17), 1 << 17, (height, width, 2))
            planes = torch.tensor(pixels, dtype=torch.float64).permute(2, 0, 1)[None]
            double = torch.nn.functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
            wanted = np.floor(double[0].permute(1, 2, 0).numpy() + 0.5)
            assert np.array_equal(resized(pixels), wanted)
