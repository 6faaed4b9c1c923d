"""A small program of maps by hand: rows of tokens normalised into a ring, convolved, doubled, and stored as classes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.builder import Builder
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.maps import map_in, tap_matrix
from edgemoe_gen.program.product import Finish, Weights
from tests.sim.engines import small_design

HEIGHT, WIDTH, CHANNELS, CLASSES = 4, 5, 8, 5
MAPS = {"max_map_width": 10, "max_map_channels": 16}


@cache
def mapped() -> tuple[Program, Design]:
    """The program, and its design of two lanes."""
    design = small_design(**MAPS)
    k, b = design.knobs, Builder(design)
    form, weights = Format(k.activation_bits, k.activation_bits - 4), Format(k.weight_bits, k.weight_bits - 2)
    rng = np.random.default_rng(1)
    tokens = b.place("residual", CHANNELS, form)
    b.load_image(1 + HEIGHT * WIDTH, tokens, form)
    rows = map_in(design, HIDDEN, CHANNELS, form, (HEIGHT, WIDTH), 3)
    results = map_in(design, QUERY, CHANNELS, form, (HEIGHT, WIDTH), 3)
    doubled = map_in(design, NORMED, CHANNELS, form, (2 * HEIGHT, 2 * WIDTH), 2)
    logits = map_in(design, HIDDEN, CLASSES, form, (HEIGHT, WIDTH), 3, first=rows.end)
    taps = Weights(Linear(tap_matrix(rng.normal(0, 0.1, (CHANNELS, CHANNELS, 3, 3)), CHANNELS), None), weights, "taps")
    last = Weights(Linear(rng.normal(0, 0.3, (CLASSES, CHANNELS)), None), weights, "last")
    normalised = 0
    for row in range(HEIGHT):
        while normalised < min(row + 2, HEIGHT):
            first = 1 + normalised * WIDTH
            lane = first % k.tokens_parallel
            source = replace(tokens, block=first // k.tokens_parallel, lane=lane)
            b.normalise(source, rows.place(normalised), WIDTH, 1e-6, key="norm")
            normalised += 1
        b.convolve(taps, rows, results, row, 1, Finish(relu=True))
        b.linear(last, results.place(row), logits.place(row), results.row_blocks * k.tokens_parallel)
        if row > 0:
            for upper in (2 * row - 1, 2 * row):
                b.resize(results, doubled, upper)
                b.store_resized(f"row {upper}", logits, upper, classes=True)
    program = Program(
        design, tuple(b.operations), tuple(b.layers), b.contents.weights(), b.contents.constants(), (), form,
        b.image_beats, b.result_beats,
    )  # fmt: skip
    return program, design
