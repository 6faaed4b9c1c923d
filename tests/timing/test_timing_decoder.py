"""A decoder of M3ViT-tiny's sizes with clocks: how busy it keeps the unit, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredDecoder
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.decoder import DecoderRows
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import load_timing
from tests.design.specs import make_spec
from tests.program.row_checker import check_rows

DIM, WIDTH, CLASSES, GRID = 192, 256, 7, (8, 16)


class _Forms(Formats):
    """The same formats for all layers: cycles do not depend on them."""

    def __init__(self) -> None:
        super().__init__({})

    def __getitem__(self, name: str) -> Format:
        return Format(16, 16) if name.endswith("weight") else Format(18, 12)


@pytest.mark.nightly
def test_convolutions_of_a_decoder_keep_the_unit_busy() -> None:
    board, spec = load_board("zcu104"), make_spec(DIM, 3, (128, 256))
    knobs = replace(default_knobs(spec, board), max_map_width=128, source_words=2832, result_words=2048)
    design, rng = make_design(knobs, board), np.random.default_rng(0)
    shapes = [(WIDTH, 9 * (DIM + 1)), *[(WIDTH, 9 * WIDTH)] * 3, (CLASSES, WIDTH)]
    layers = tuple(Linear(rng.normal(0, 0.02, shape), rng.normal(0, 0.1, shape[0])) for shape in shapes)
    scales = tuple(np.ones(WIDTH) for _ in range(4))
    decoder = LoweredDecoder(layers, (9, 9, 9, 9, 1), np.zeros(DIM, np.int64), 1.0, scales)
    builder = Builder(design)
    tokens = builder.place("residual", DIM, Format(18, 12))
    builder.load_image(spec.tokens, tokens, tokens.form)
    taken = design.blocks * design.dim_words
    DecoderRows(builder, spec, decoder, _Forms(), "semseg", tokens, taken, doubles=True).build()
    program = Program(
        design, tuple(builder.operations), tuple(builder.layers), builder.contents.weights(),
        builder.contents.constants(), (), tokens.form, builder.image_beats, builder.result_beats,
    )  # fmt: skip
    check_rows(program)
    image = rng.integers(0, 256, (program.image_beats, design.beat_bytes)).astype(np.uint8)
    found = time_program(program, image, load_timing(design, render_sources(design)), record=False)
    assert found.passed
    macs = sum((GRID[0] << i) * (GRID[1] << i) * 9 * (WIDTH if i else DIM) * WIDTH for i in range(4))
    cycles = sum(op.cycles for op in found.operations if ".conv_" in op.label)
    assert macs / design.macs_per_cycle / cycles > 0.97
    assert found.milliseconds(300) < 18.0
