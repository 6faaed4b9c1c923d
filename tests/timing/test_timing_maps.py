"""The loops of decoders with clocks: a tile of a convolution and a word of a doubled row a cycle, without conflicts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.hardware.memories import HIDDEN, QUERY
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.maps import map_in, tap_matrix
from edgemoe_gen.program.product import Weights
from edgemoe_gen.timing.library import TimedEngine
from edgemoe_gen.timing.result import TimedResult, parse_result
from edgemoe_gen.timing.table import load_timing
from tests.sim.engines import compiled, small_design

pytestmark = pytest.mark.slow
WIDTH, HEIGHT, CHANNELS = 39, 3, 16
ROWS = (1, 3)  # of the two convolutions that are timed
OVERHEAD = 80  # cycles of an operation beside its longest loop: calls, pipelines, first tiles of operands


@cache
def timed() -> tuple[Program, TimedResult]:
    """Two convolutions, a doubled row in a memory and one as classes; their bytes are those of C simulation."""
    design = small_design(max_map_width=40, max_map_channels=16, source_words=300, result_words=300)
    k, b = design.knobs, Builder(design)
    form, weights = Format(k.activation_bits, k.activation_bits - 4), Format(k.weight_bits, k.weight_bits - 2)
    rng = np.random.default_rng(5)
    source = map_in(design, HIDDEN, CHANNELS, form, (HEIGHT, WIDTH))
    result = map_in(design, QUERY, CHANNELS, form, (HEIGHT, WIDTH))
    half = map_in(design, QUERY, CHANNELS, form, (1, 20))
    taps = tap_matrix(rng.normal(0, 0.1, (CHANNELS, CHANNELS, 3, 3)), CHANNELS)
    pixels = HEIGHT * source.row_blocks * k.tokens_parallel
    b.load_image(pixels, source.place(), form)
    for rows in ROWS:
        b.convolve(Weights(Linear(taps, None), weights, "taps"), source, result, 0, rows)
    b.store("rows", result.place(), pixels)
    b.resize(half, map_in(design, HIDDEN, CHANNELS, form, (2, 40)), 1)
    b.store_resized("classes", half, 0, classes=True)
    program = Program(
        design, tuple(b.operations), tuple(b.layers), b.contents.weights(), b.contents.constants(), (), form,
        b.image_beats, b.result_beats,
    )  # fmt: skip
    image = rng.integers(0, 256, (program.image_beats, design.beat_bytes)).astype(np.uint8)
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8)
    timing = load_timing(design, render_sources(design))
    run = TimedEngine.compile(design).run_timed(
        words, list(program.weights), program.constants, image, program.result_beats, timing
    )
    found = parse_result(run.totals, program.layers)
    assert found.passed
    assert np.array_equal(run.result, compiled(design).run_program(program, image).result)
    return program, found


def cycles(number: int) -> int:
    """Of an operation."""
    _, found = timed()
    operation = found.operations[number]
    return int(operation.end - operation.start)


def test_a_convolution_takes_a_cycle_a_tile() -> None:
    program, _ = timed()
    tiles = [op.out_tiles * op.blocks * op.in_words for op in program.operations[1:3]]
    assert tiles == [2 * rows * 20 * 9 * 2 for rows in ROWS]
    # Three times the rows, and no more beside them.
    assert all(count < cycles(number) < count + OVERHEAD for number, count in enumerate(tiles, start=1))


def test_a_doubled_row_takes_a_cycle_for_a_word_of_two_columns() -> None:
    program, _ = timed()
    operation = program.operations[4]
    words = (operation.width + 2) * operation.in_words
    assert words <= cycles(4) < words + OVERHEAD


def test_a_row_that_is_doubled_while_it_is_stored_takes_a_cycle_a_word() -> None:
    program, _ = timed()
    operation = program.operations[5]
    words = 2 * (operation.width + 1) * operation.in_words
    assert words <= cycles(5) < words + OVERHEAD
