"""The integer reference against the compiled kernels, byte for byte, and doubling against PyTorch."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.hardware.memories import NORMED, QUERY, RESIDUAL
from edgemoe_gen.numerics.fixed import Integers
from edgemoe_gen.program.product import Weights
from edgemoe_gen.sim.checks import Bench
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.integers import Product, classes, double, normalise, round_shift
from edgemoe_gen.sim.kernel_inputs import extreme_rows, random_linear
from tests.sim.engines import compiled, small_design

# Widths at which every shift differs; all but the first take a compiler's time.
DESIGNS: dict[str, dict[str, Any]] = {
    "18 x 16 bits": {},
    "20 x 12 bits": {"activation_bits": 20, "cache_bits": 18, "weight_bits": 12},
    "8 x 4 bits, no tail, coarse table": {
        "activation_bits": 8, "weight_bits": 4, "residual_tail_bits": 0, "rsqrt_segments": 16,
    },
}  # fmt: skip
SLOW = [pytest.param(name, marks=[] if name == "18 x 16 bits" else pytest.mark.slow) for name in DESIGNS]


@cache
def engine(name: str) -> Engine:
    return compiled(small_design(**DESIGNS[name]))


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("seed", range(4))
def test_layer_norm_is_the_kernel_s_to_the_last_bit(name: str, seed: int) -> None:
    bench = Bench(engine(name))
    k, rng = bench.design.knobs, np.random.default_rng(seed)
    columns = (48, 31, 7, 1)[seed]
    spread = rng.choice([1e-4, 0.05, 2.0, 40.0], (29, 1))
    near, tail = k.activation_bits - 6, k.residual_tail_bits
    rough = rng.normal(0.0, spread, (29, columns)) + rng.choice([0.0, 5.0], (29, 1))
    limit = 1 << (k.activation_bits + tail - 1)
    x = np.clip(np.floor(rough * 2.0 ** (near + tail)), -limit, limit - 1).astype(np.int64)
    x[:4] = np.clip(extreme_rows(columns, k.activation_bits)[:4] << tail, -limit, limit - 1)
    shifts = rng.integers(0, 3, columns)
    source, destination = (
        bench.place(RESIDUAL, columns, near),
        bench.place(NORMED, columns, k.activation_bits - (2, 4, 5, 3)[seed]),
    )
    bench.load(source, x, tail)
    bench.builder.normalise(source, destination, len(x), 1e-6, shifts)
    bench.store("y", destination, len(x))
    bench.run()
    wanted = normalise(bench.design, x, source.form, destination.form, 1e-6, shifts)
    np.testing.assert_array_equal(bench.integers("y"), wanted)
    assert len(np.unique(wanted)) > 3 or columns == 1


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("seed", range(4))
def test_products_are_the_kernel_s_to_the_last_bit(name: str, seed: int) -> None:
    bench = Bench(engine(name))
    k, rng = bench.design.knobs, np.random.default_rng(seed)
    inputs, outputs, rows = ((48, 40, 19), (9, 1, 3), (31, 17, 8), (48, 9, 25))[seed]
    near = k.activation_bits - 4
    out = near + (0, -3, 2, -1)[seed]
    source, destination = bench.place(NORMED, inputs, near), bench.place(QUERY, outputs, out)
    limit = 1 << (k.activation_bits - 1)
    x: Integers = rng.integers(-limit, limit, (rows, inputs)) >> rng.integers(0, 6, (rows, 1))
    linear, form = random_linear(rng, bench.design, inputs, outputs, gain=(1.0, 4.0, 0.1, 1.0)[seed])
    linear.weight[:] *= np.exp2(rng.integers(-6, 1, (outputs, 1)))  # outputs of many scales
    bench.load(source, x)
    bench.builder.linear(Weights(linear, form), source, destination, rows)
    bench.store("y", destination, rows)
    bench.run()
    product = Product.of(bench.design, linear, form, near, out)
    wanted = product(x)
    np.testing.assert_array_equal(bench.integers("y"), wanted)
    assert int(np.abs(product.rounded.finer).max()) > 0
    rectified = Product.of(bench.design, linear, form, near, out, relu=True)
    np.testing.assert_array_equal(rectified(x), np.maximum(wanted, 0))


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 6), inputs=st.integers(1, 9), seed=st.integers(0, 999))
def test_a_convolution_is_the_product_of_its_taps_side_by_side(rows: int, columns: int, inputs: int, seed: int) -> None:
    design = small_design()
    rng = np.random.default_rng(seed)
    linear, form = random_linear(rng, design, 9 * inputs, 5)
    product = Product.of(design, linear, form, 14, 13, relu=True)
    pixels = rng.integers(-(1 << 17), 1 << 17, (rows, columns, inputs))
    got = product.convolve(pixels)
    taps = np.zeros((rows, columns, 9, inputs), np.int64)
    for y in range(rows):
        for x in range(columns):
            for tap, (dy, dx) in enumerate((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if 0 <= y + dy < rows and 0 <= x + dx < columns:
                    taps[y, x, tap] = pixels[y + dy, x + dx]
    wanted = product(taps.reshape(rows * columns, -1)).reshape(rows, columns, -1)
    np.testing.assert_array_equal(got, wanted)
    # In Python's integers, which have no width: float64 has lost nothing.
    first = sum(int(a) * int(w) for a, w in zip(taps[0, 0].ravel(), product.rounded.weight[0], strict=True))
    exact = taps.reshape(-1, 9 * inputs)[0].astype(np.float64) @ product.rounded.weight[0].astype(np.float64)
    assert first == int(exact)


def test_doubling_is_pytorch_s_and_one_rounding_for_all_sizes_from_1_to_9() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for rows in range(1, 10):
        for columns in range(1, 10):
            pixels = rng.integers(-(1 << 17), 1 << 17, (rows, columns, 3))
            pixels[rng.random(pixels.shape) < 0.3] //= 1 << 15  # small ones, whose sums of 16 are often ties
            exact = torch.nn.functional.interpolate(
                torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None],
                size=(2 * rows, 2 * columns), mode="bilinear", align_corners=False,
            )  # fmt: skip
            # Weights are sixteenths, so float64 is exact, ties included.
            wanted = np.floor(exact[0].permute(1, 2, 0).numpy() + 0.5).astype(np.int64)
            np.testing.assert_array_equal(double(pixels), wanted)


def test_the_first_of_equal_classes_wins() -> None:
    pixels = np.array([[[3, 7, 7], [5, 5, 5]], [[-1, -9, 0], [0, -1, -1]]])
    np.testing.assert_array_equal(classes(pixels), [[1, 0], [2, 0]])
    assert classes(pixels).dtype == np.uint8


@given(value=st.integers(-(1 << 46), (1 << 46) - 1), shift=st.integers(-6, 47))
def test_rounding_is_to_nearest_with_ties_up(value: int, shift: int) -> None:
    wanted = value << -shift if shift <= 0 else (value + (1 << (shift - 1))) >> shift
    assert int(round_shift(np.array([value]), shift)[0]) == wanted
    assert int(round_shift(np.array([value]), np.array([shift]))[0]) == wanted
