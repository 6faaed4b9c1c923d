"""Rounding within a window of shifts against exact integers, in the native build and in that of exact widths."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.numerics import shifts
from edgemoe_gen.numerics.shifts import Window
from edgemoe_gen.sim.compiler import Build, compile_library
from tests.sim.engines import small_design

# Bits, bits of the result, window: those of the kernels at 18 x 16 bits, and windows on one side of zero only.
ROUNDINGS = (
    (46, 18, shifts.SCORE_SUM), (46, 27, shifts.sum_window(18, 16)), (36, 27, shifts.sum_window(12, 8)),
    (47, 24, shifts.RESULT), (47, 24, Window(-1, 62)), (24, 25, shifts.OLD), (35, 23, Window(5, 15)),
    (53, 27, Window(15, 22)),
)  # fmt: skip
BIAS = (28, 46, shifts.BIAS)
EXACT = [
    False,
    pytest.param(
        True,
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(importlib.util.find_spec("hls4ml") is None, reason="no open ap_types headers"),
        ],
    ),
]
Function = Callable[[NDArray[np.int64], NDArray[np.int32]], NDArray[np.int64]]


@cache
def functions(exact: bool) -> tuple[tuple[Function, ...], Function]:
    """Every rounding, and the shift of a bias, over arrays."""
    calls = [f"round_to<{bits}, {to}, {w.least}, {w.most}>" for bits, to, w in ROUNDINGS]
    calls.append(f"shift_up<{BIAS[0]}, {BIAS[1]}, {BIAS[2].most}>")
    text = "".join(
        f"""
extern "C" void edgemoe_tried_{i}(const std::int64_t *x, const std::int32_t *shift, std::int64_t *y, std::uint64_t n) {{
  for (std::uint64_t i = 0; i < n; ++i) y[i] = static_cast<std::int64_t>({call}(sint<{bits}>(x[i]), shift[i]));
}}
"""
        for i, (call, bits) in enumerate(zip(calls, (*(row[0] for row in ROUNDINGS), BIAS[0]), strict=True))
    )
    sources = render_sources(small_design())
    sources |= {"sim/simulate.cpp": HEAD + text, "src/engine.cpp": ""}
    library = ctypes.CDLL(str(compile_library(sources, Build(ap_types=exact))))

    def over(number: int) -> Function:
        def run(x: NDArray[np.int64], shift: NDArray[np.int32]) -> NDArray[np.int64]:
            y = np.empty_like(x)
            of = getattr(library, f"edgemoe_tried_{number}")
            of(*(a.ctypes.data_as(ctypes.c_void_p) for a in (x, shift, y)), ctypes.c_uint64(x.size))
            return y

        return run

    every = [over(number) for number in range(len(calls))]
    return tuple(every[:-1]), every[-1]


HEAD = """#include <cstdint>
#include "arith.h"
using namespace edgemoe;
"""


def rounded(x: int, shift: int, bits: int) -> int:
    """floor(x 2^-shift + 1/2), clipped: by integers of any size."""
    value = (2 * x >> shift) + 1 >> 1 if shift >= 0 else x << -shift
    return max(-(1 << bits - 1), min((1 << bits - 1) - 1, value))


def values(bits: int, draw: st.DataObject) -> NDArray[np.int64]:
    """Of all sizes, and next to every power of two."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    edges = [sign * (1 << n) + step for n in range(bits - 1) for sign in (-1, 1) for step in (-1, 0, 1)]
    rng = np.random.default_rng(draw.draw(st.integers(0, 1 << 30)))
    spread = (rng.choice([-1, 1], 500) * np.exp2(rng.uniform(0, bits - 1, 500))).astype(np.int64)
    return np.clip(np.array([low, high, *edges, *spread], np.int64), low, high)


@pytest.mark.parametrize("exact", EXACT, ids=["native", "exact width"])
@pytest.mark.parametrize("number", range(len(ROUNDINGS)))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_rounding_is_the_nearest_within_its_window(exact: bool, number: int, data: st.DataObject) -> None:
    bits, to_bits, window = ROUNDINGS[number]
    x = values(bits, data)
    for shift in range(window.least, window.most + 1):
        got = functions(exact)[0][number](x, np.full(x.size, shift, np.int32))
        assert got.tolist() == [rounded(int(v), shift, to_bits) for v in x], shift


@pytest.mark.parametrize("exact", EXACT, ids=["native", "exact width"])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_bias_is_shifted_up_as_far_as_its_sum_has_room(exact: bool, data: st.DataObject) -> None:
    bits, to_bits, window = BIAS
    x = values(bits, data)
    for shift in range(window.least, window.most + 1):
        fits = x[np.abs(x) < 1 << min(bits - 1, to_bits - 1 - shift)]
        got = functions(exact)[1](fits, np.full(fits.size, shift, np.int32))
        assert got.tolist() == [int(v) << shift for v in fits], shift


@given(activation=st.integers(8, 20), weight=st.integers(4, 18))
def test_a_sum_s_window_has_room_for_values_and_for_gelu(activation: int, weight: int) -> None:
    window = shifts.sum_window(activation, weight)
    assert window.least <= 0 and window.most >= max(shifts.VALUES_MOST, window.least + 31)
    assert window.least == min(0, activation + weight - shifts.SUM_BITS)
