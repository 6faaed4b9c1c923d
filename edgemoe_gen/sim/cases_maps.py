"""Cases of the kernels of decoders: convolutions over rings of rows, rows of twice the width, classes of pixels.

Expected values are computed here in another way than in the integer reference (`sim.integers`, `numerics.maps`), on
purpose. Both are compared with the same kernels, so that neither can hide a fault of the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.kinds import MOST_VALUES
from edgemoe_gen.hardware.memories import HIDDEN, NORMED, QUERY, RESIDUAL
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.maps import Map, map_in, tap_matrix
from edgemoe_gen.program.product import Finish, Weights
from edgemoe_gen.sim import references as ref
from edgemoe_gen.sim.checks import Bench, Case, Check, Deviation, Inputs, compare, compare_exactly
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernel_inputs import exact_linear, limits, random_values

Values = NDArray[np.float64]
OF_DECODERS = ("convolution", "resize", "classes")  # the kernels whose cases stand here


@dataclass(frozen=True)
class Shape:
    """A map as a case convolves it.

    Attributes:
        height, width: pixels.
        channels, outputs: values of a pixel before and after.
        rows: computed in one operation.
        slots: of the source's ring; 0: as few as will do.
        source: memory.
        relu: negative results become 0.
        ones: a feature that is 1 inside the map comes on top.
    """

    height: int
    width: int
    channels: int
    outputs: int
    rows: int = 1
    slots: int = 0
    source: str = HIDDEN
    relu: bool = True
    ones: bool = False


def convolution_cases(design: Design) -> Iterator[Case]:
    """Widths around whole blocks, one row, one column, rings that wrap, several rows at once, extremes."""
    k = design.knobs
    t, i, o = k.tokens_parallel, k.in_parallel, k.out_parallel
    shapes = {
        "a block and a pixel": Shape(5, t + 1, i, o),
        "a block less a pixel": Shape(4, max(t - 1, 1), i, o),
        "whole blocks, a ring as long as the map": Shape(4, 2 * t, i, o, slots=4),
        "one row": Shape(1, 2 * t + 1, i, o),
        "one column": Shape(6, 1, i, o),
        "one pixel": Shape(1, 1, i, o),
        "two rows": Shape(2, t, i, o),
        "several rows at once": Shape(7, t + 2, i, o, rows=3),
        "a ring of one row more": Shape(9, t + 1, i, o, rows=2, slots=5),
        "several words and tiles, all results": Shape(3, 3, 2 * i - 3, o + 3, relu=False),
        "from the normed memory": Shape(4, t + 1, i, o, source=NORMED),
        "with a feature of ones": Shape(4, t + 1, i - 1, o, ones=True),
    }
    for name, shape in shapes.items():
        yield Case(name, "random", convolution_check(design, shape))
    yield Case("extreme values", "extreme", convolution_check(design, Shape(4, t + 1, i, o, relu=False), "extreme"))


def convolution_check(design: Design, shape: Shape, inputs: Inputs = "random") -> Check:
    """Runs a convolution row by row, as a decoder does, and compares every group of rows."""

    def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench = Bench(engine)
        k = design.knobs
        near = k.activation_bits - 4
        form = bench.form(near)
        size, row_columns = (shape.height, shape.width), -(-shape.width // k.tokens_parallel) * k.tokens_parallel
        channels = design.words(shape.channels) * k.in_parallel
        pixel = channels + (k.in_parallel if shape.ones else 0)
        slots = shape.slots or shape.rows + 2
        source = map_in(design, shape.source, shape.channels, form, size, slots, words=pixel // k.in_parallel)
        result = map_in(design, QUERY, shape.outputs, bench.form(near - 1), size, shape.rows)
        pixels = random_values(rng, shape.height * row_columns, pixel, form, 1.5)
        if inputs == "extreme":
            pixels = rng.choice(np.array(limits(form.bits)), pixels.shape)
        pixels = pixels.reshape(shape.height, row_columns, pixel)
        inner = shape.channels + (1 if shape.ones else 0)
        spread = float(1.0 / np.sqrt(9 * inner))
        taps: Values = rng.normal(0.0, spread, (shape.outputs, inner, 3, 3))
        weights: Values = np.zeros((shape.outputs, pixel, 3, 3))
        weights[:, : shape.channels] = taps[:, : shape.channels]
        if shape.ones:
            weights[:, channels] = taps[:, -1]
        bias: Values = rng.normal(0.0, 1.0, shape.outputs)
        linear, weight_form = exact_linear(Linear(tap_matrix(weights, pixel), bias), design)
        if shape.ones:
            one = np.zeros((source.slots * row_columns, k.in_parallel))
            one[:, 0] = 1.0
            bench.builder.load_constant(
                one, replace(source.place(), columns=k.in_parallel, word=source.first + channels // k.in_parallel)
            )
        loaded = 0
        for row in range(0, shape.height, shape.rows):
            rows = min(shape.rows, shape.height - row)
            while loaded < min(row + rows + 1, shape.height):
                bench.load(replace(source.place(loaded), columns=channels), pixels[loaded, :, :channels])
                loaded += 1
            bench.builder.convolve(Weights(linear, weight_form), source, result, row, rows, Finish(relu=shape.relu))
            bench.store(f"rows from {row}", result.place(row), rows * row_columns)
        bench.run()
        values = dequantise(pixels[:, : shape.width], form)
        values[:, :, shape.channels :] = 0.0
        if shape.ones:
            values[:, :, channels] = 1.0
        wanted = convolved(values, linear, shape.relu)
        bound = ref.product_bound(design, result.form) + ref.bias_bound(bias, near + weight_form.fraction)
        found = []
        for row in range(0, shape.height, shape.rows):
            rows = min(shape.rows, shape.height - row)
            got = bench.values(f"rows from {row}").reshape(rows, row_columns, -1)[:, : shape.width]
            right = ref.clip(wanted[row : row + rows], result.form)
            found.append(compare(f"rows from {row}", got, right, bound))
        return found

    return check


def convolved(pixels: Values, linear: Linear, relu: bool) -> Values:
    """A 3x3 convolution of pixels [height, width, columns] with zeros around; weights as `tap_matrix` orders them."""
    height, width, _ = pixels.shape
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
    taps = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    total = np.concatenate(taps, axis=2) @ linear.weight.T
    total = total + (0.0 if linear.bias is None else linear.bias)
    return np.asarray(np.maximum(total, 0.0) if relu else total)


def resize_cases(design: Design) -> Iterator[Case]:
    """Every row of maps of many widths, by both paths; extremes, whose means round up and down."""
    k = design.knobs
    t, i, o = k.tokens_parallel, k.in_parallel, k.out_parallel
    most = k.max_map_width // 2
    narrow, widest = (min(channels, design.map_words * i) for channels in (o, o + i))
    sizes = {
        "one pixel": (1, 1), "one row": (1, t + 1), "one column": (3, 1), "a block less a pixel": (2, max(t - 1, 1)),
        "whole blocks": (3, 2 * t), "a block and a pixel": (2, t + 1),
    }  # fmt: skip
    for name, (height, width) in sizes.items():
        yield Case(name, "random", resize_check(design, (height, min(width, most)), narrow, HIDDEN))
    yield Case("several words, to the normed memory", "random", resize_check(design, (2, min(3, most)), widest, NORMED))
    yield Case("extreme values", "extreme", resize_check(design, (3, min(t + 1, most)), narrow, HIDDEN, "extreme"))


def resize_check(design: Design, size: tuple[int, int], channels: int, memory: str, inputs: Inputs = "random") -> Check:
    """Runs RESIZE for every row of the larger map, and compares each with the rounded mean, exactly."""

    def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench = Bench(engine)
        form = bench.form(design.knobs.activation_bits - 4)
        source, pixels = load_map(bench, rng, QUERY, size, channels, form, inputs)
        twice = 2 * size[0], 2 * size[1]
        # Two slots, so that the ring wraps; each row leaves before the next one but one comes.
        result = map_in(design, memory, channels, form, twice, 2)
        for row in range(twice[0]):
            bench.builder.resize(source, result, row)
            bench.store(f"row {row}", result.place(row), twice[1])
        bench.run()
        wanted = resized(pixels)
        return [compare_exactly(f"row {row}", bench.integers(f"row {row}"), wanted[row]) for row in range(twice[0])]

    return check


def load_map(
    bench: Bench,
    rng: np.random.Generator,
    memory: str,
    size: tuple[int, int],
    channels: int,
    form: Format,
    inputs: Inputs = "random",
) -> tuple[Map, Integers]:
    """A whole map in a memory, with rubbish beside it, and its pixels [height, width, channels]."""
    found = map_in(bench.design, memory, channels, form, size)
    columns = found.row_blocks * bench.design.knobs.tokens_parallel
    values = random_values(rng, size[0] * columns, channels, form, 2.0)
    if inputs == "extreme":
        values = rng.choice(np.array([*limits(form.bits), -1, 0, 1]), values.shape)
    bench.load(found.place(), values)
    return found, values.reshape(size[0], columns, channels)[:, : size[1]]


def resized(pixels: Integers) -> Integers:
    """Twice the size of integers [height, width, channels]: the mean of four, rounded with ties towards +infinity."""
    return np.asarray((_doubled(_doubled(pixels, 0), 1) + 8) >> 4)


def _doubled(values: Integers, axis: int) -> Integers:
    """Every new row or column is three times the nearer one and the other: bilinear, edges repeated."""
    moved = np.moveaxis(values, axis, 0)
    count = moved.shape[0]
    near = np.arange(2 * count) // 2
    other = np.clip(near + np.where(np.arange(2 * count) % 2 == 0, -1, 1), 0, count - 1)
    return np.moveaxis(3 * moved[near] + moved[other], 0, axis)


def class_cases(design: Design) -> Iterator[Case]:
    """One to many classes, with ties; one to three values of 16 bits; rows that fill no whole beats."""
    k = design.knobs
    t, i = k.tokens_parallel, k.in_parallel
    width, most = min(2 * t + 1, k.max_map_width), design.map_words * i
    for classes in sorted({min(classes, most) for classes in (1, 2, i - 1, i, i + 1, 3 * i - 2)}):
        yield Case(f"{classes} classes", "random", class_check(design, (2, width), classes, True))
    yield Case("one pixel", "random", class_check(design, (1, 1), min(i + 1, most), True))
    yield Case("many pixels", "random", class_check(design, (1, k.max_map_width), 3, True))
    yield Case("ties and extremes", "extreme", class_check(design, (3, width), min(2 * i, most), True, "extreme"))
    for values in range(1, MOST_VALUES + 1):
        yield Case(f"{values} values", "random", class_check(design, (2, width), values, False))
    yield Case("values beyond 16 bits", "extreme", class_check(design, (2, width), 2, False, "extreme"))


def class_check(
    design: Design, size: tuple[int, int], channels: int, classes: bool, inputs: Inputs = "random"
) -> Check:
    """Stores every row of the larger map, and compares classes or values with those of the rounded means, exactly."""

    def check(engine: Engine, rng: np.random.Generator) -> list[Deviation]:
        bench = Bench(engine)
        form = bench.form(design.knobs.activation_bits - 4)
        memory = HIDDEN if size[1] % 2 else RESIDUAL
        source, pixels = load_map(bench, rng, memory, size, channels, form, inputs)
        rows = 2 * size[0]
        for row in range(rows):
            bench.store_resized(f"row {row}", source, row, classes)
        bench.run()
        wanted = resized(pixels)
        right = wanted.argmax(axis=2) if classes else np.clip(wanted, *limits(16))
        return [compare_exactly(f"row {row}", bench.pixels(f"row {row}", classes), right[row]) for row in range(rows)]

    return check
