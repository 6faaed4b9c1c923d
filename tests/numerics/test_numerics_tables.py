"""Tables: their stated errors against the functions, densely sampled, for every number of segments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.design import Knobs
from edgemoe_gen.numerics import tables

GELU_BOUND, GELU_BITS = 2.0**-14, 3894
FINE = 997  # samples a segment: no multiple of what the tables themselves are checked with
# A table's own check takes 64 samples a segment, at most 1/128 of it beside the largest gap, which is a parabola's: it
# misses (2 / 128)^2 of the gap, twice that of an error that is half of the gap.
BETWEEN_SAMPLES = 1 + 2 * (2 / 128) ** 2


def interpolated(table: tables.Table, ends: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Arguments and values of a table between its ends, FINE of them a segment."""
    places = np.linspace(0, table.segments, table.segments * FINE + 1)
    values = np.interp(places, np.arange(table.segments + 1), np.array(table.nodes) * 2.0**-table.fraction)
    return np.interp(places, np.arange(table.segments + 1), ends), values


def assert_error_is_tight(table: tables.Table, ends: NDArray[np.float64], exact: NDArray[np.float64]) -> None:
    x, values = interpolated(table, ends)
    error = float(np.abs(values - exact).max())
    assert error <= table.error * BETWEEN_SAMPLES + 1e-12
    assert error >= table.error * 0.98
    assert len(x) == table.segments * FINE + 1


@pytest.mark.parametrize("segments", [8, 64, 128, 1024])
def test_exponential(segments: int) -> None:
    table = tables.exp2_table(segments)
    ends = np.linspace(0, 1, segments + 1)
    x, _ = interpolated(table, ends)
    assert table.segments == segments
    assert (table.nodes[0], table.nodes[-1]) == (1 << tables.EXP_FRACTION, 1 << (tables.EXP_FRACTION - 1))
    assert_error_is_tight(table, ends, np.exp2(-x))
    # The chord of a convex function errs by f'' h^2 / 8; plus half a unit of the nodes.
    assert table.error <= math.log(2) ** 2 / segments**2 / 8 + 2.0 ** -(tables.EXP_FRACTION + 1)


@pytest.mark.parametrize("segments", [8, 128, 512])
def test_reciprocal_root(segments: int) -> None:
    table = tables.rsqrt_table(segments)
    ends = np.linspace(0, 3, 3 * segments + 1)
    x, _ = interpolated(table, ends)
    assert_error_is_tight(table, ends, 1 / np.sqrt(1 + x))
    # f'' = 3/4 at 0; moving the nodes halves what the chord leaves.
    assert table.error <= 0.75 / segments**2 / 8 / 2 * 1.05 + 2.0 ** -(tables.RSQRT_FRACTION + 1) + 1e-7


@pytest.mark.parametrize("segments", [8, 256, 1024])
def test_reciprocal_fits_a_dsp_operand(segments: int) -> None:
    table = tables.reciprocal_table(segments)
    ends = np.linspace(0, 1, segments + 1)
    x, values = interpolated(table, ends)
    assert max(table.nodes) < 1 << tables.MANTISSA_FRACTION
    assert np.abs(values - 1 / (1 + x)).max() <= table.error * BETWEEN_SAMPLES + 1e-12
    assert table.error <= max(2 / segments**2 / 8, 2.0**-tables.MANTISSA_FRACTION) + 2.0**-tables.MANTISSA_FRACTION


def gelu_ends(segments: int) -> NDArray[np.float64]:
    fine = [i / segments for i in range(tables.GELU_KNEE * segments)]
    coarse = [
        tables.GELU_KNEE + 2 * i / segments for i in range((tables.GELU_RANGE - tables.GELU_KNEE) * segments // 2 + 1)
    ]
    return np.array(fine + coarse)


@pytest.mark.parametrize("segments", [4, 32, 64, 256])
def test_gelu_tail(segments: int) -> None:
    table = tables.gelu_table(segments)
    ends = gelu_ends(segments)
    x, _ = interpolated(table, ends)
    assert len(ends) == table.segments + 1
    assert_error_is_tight(table, ends, np.array([v * 0.5 * math.erfc(v / math.sqrt(2)) for v in x]))


def test_gelu_at_the_defaults_meets_its_target() -> None:
    table = tables.gelu_table(Knobs().gelu_segments)
    assert table.bits <= GELU_BITS
    assert tables.gelu_error_bound(table) <= GELU_BOUND


def test_gelu_beyond_its_table_is_closer_than_the_bound() -> None:
    tail = tables.gelu_tail(np.linspace(tables.GELU_RANGE, 12, 10_000))
    assert tail.max() == tail[0] < 1.5e-6
    x = np.linspace(-8, 8, 4001)
    assert np.allclose(tables.gelu(x), np.maximum(x, 0) - tables.gelu_tail(np.abs(x)), atol=1e-15)


def test_more_segments_err_less() -> None:
    for make, few, many in ((tables.exp2_table, 32, 128), (tables.gelu_table, 16, 64), (tables.rsqrt_table, 32, 128)):
        # Four times the segments leave a sixteenth of the error, but for the rounding of the nodes.
        assert make(many).error < make(few).error / 10


def test_a_node_is_as_wide_as_the_largest_needs() -> None:
    for table in (tables.exp2_table(128), tables.gelu_table(64), tables.reciprocal_table(256), tables.rsqrt_table(128)):
        assert min(table.nodes) >= 0
        assert table.bits == len(table.nodes) * int(max(table.nodes)).bit_length()


def simulated_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """A row's probabilities by the engine's steps in float64 and exact rounding: its maximum first, then one sum."""
    exp2, reciprocal = tables.exp2_table(128), tables.reciprocal_table(256)
    one = 2.0**tables.EXP_FRACTION

    def looked_up(table: tables.Table, x: NDArray[np.float64]) -> NDArray[np.float64]:
        nodes = np.array(table.nodes, np.float64)
        return np.asarray(np.floor(np.interp(x * table.segments, np.arange(table.segments + 1), nodes) + 0.5))

    below = scores.max() - scores
    whole = np.floor(below)
    powers = np.floor(looked_up(exp2, below - whole) * 2.0**-whole + 0.5)
    powers[whole > tables.EXP_FRACTION] = 0
    total = float(powers.sum())
    exponent = math.floor(math.log2(total / one))
    rest = math.floor((total / one / 2.0**exponent - 1) * 2.0**tables.RECIPROCAL_POSITION_BITS + 0.5)
    mantissa = float(looked_up(reciprocal, np.array([rest * 2.0**-tables.RECIPROCAL_POSITION_BITS]))[0])
    numerator = np.floor(powers / 2.0 ** (tables.EXP_FRACTION - tables.PROBABILITY_FRACTION) + 0.5)
    return np.asarray(
        numerator * 2.0**-tables.PROBABILITY_FRACTION * mantissa * 2.0 ** -(tables.MANTISSA_FRACTION + exponent)
    )


def error_and_bound(scores: NDArray[np.float64]) -> tuple[float, float]:
    exact = np.exp2(scores - scores.max())
    exact /= exact.sum()
    bound = tables.softmax_error_bound(tables.exp2_table(128), tables.reciprocal_table(256), len(scores))
    return float(np.abs(simulated_softmax(scores) - exact).max()), bound


@pytest.mark.parametrize("keys", [1, 33, 129, 1201])
@pytest.mark.parametrize("shape", ["random", "rising", "falling", "equal", "extreme", "negligible"])
def test_a_softmax_row_keeps_its_bound(keys: int, shape: str) -> None:
    rng = np.random.default_rng(keys)
    scores = {
        "random": rng.normal(0, 4, keys),
        "rising": np.linspace(-20, 20, keys),
        "falling": np.linspace(20, -20, keys),
        "equal": np.full(keys, 3.25),
        "extreme": rng.choice([-60.0, 60.0, 59.5], keys),
        "negligible": np.append(np.full(keys - 1, -25.99), 0.0),
    }[shape]
    error, bound = error_and_bound(np.round(scores * 2**12) / 2**12)
    assert error <= bound <= 2.0**-14


def test_the_bound_of_long_rows_is_no_larger_than_roundings_of_one_sign_make_it() -> None:
    # 1,200 exponentials just above half a unit are rounded up to one: the sum of 1 is too large by nearly all of
    # (scores - 1) h, the part of the bound that grows with the row. What is left is that of a row of one.
    error, bound = error_and_bound(np.append(np.full(1200, -25.99), 0.0))
    _, others = error_and_bound(np.zeros(1))
    assert error >= 0.9 * (bound - others)
    assert bound - others == pytest.approx(1200 * 2.0 ** -(tables.EXP_FRACTION + 1))
