"""The tables of exp, GELU, reciprocal and reciprocal square root, with the error of each.

Each function is interpolated linearly between equally spaced nodes. Where a function is convex or concave over a
segment, the chord errs to one side only; moving the nodes by half of that error halves it (`balanced`). The exponential
keeps its exact nodes: 2^0 must be exactly 1, so that no softmax row sums to less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EXP_FRACTION = 25
EXP_POSITION_BITS = 16
PROBABILITY_FRACTION = 16
MANTISSA_BITS = 18
MANTISSA_FRACTION = MANTISSA_BITS - 1
RECIPROCAL_POSITION_BITS = 20
RSQRT_FRACTION = 20
RSQRT_POSITION_BITS = 20
GELU_FRACTION = 16
GELU_OUT_FRACTION = 18
# GELU's tail bends most near 0, so its table is twice as fine up to the knee. Beyond the range it is below 1.5e-6.
GELU_KNEE = 2
GELU_RANGE = 5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """One table: integer nodes with `fraction` fractional bits, and the largest error of interpolation.

    Attributes:
        name: the function.
        nodes: segments + 1 integers.
        fraction: fractional bits of a node.
        error: largest absolute difference from the exact function over the table's range, rounding of nodes included.
    """

    name: str
    nodes: tuple[int, ...]
    fraction: int
    error: float

    @property
    def segments(self) -> int:
        """Number of intervals between nodes."""
        return len(self.nodes) - 1

    @property
    def bits(self) -> int:
        """Size of the table's nodes in bits, every one as wide as the largest needs."""
        return len(self.nodes) * max(self.nodes).bit_length()

    @property
    def rises(self) -> tuple[int, ...]:
        """Rise of the function over each segment; stored beside the starts, so that nothing is read twice."""
        return tuple(b - a for a, b in pairwise(self.nodes))

    @property
    def rise_bits(self) -> int:
        """Width of the difference between two neighbouring nodes, with its sign."""
        return max(abs(rise) for rise in self.rises).bit_length() + 1


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x)  # type: ignore[no-any-return]


def gelu(x: Array) -> Array:
    """Exact GELU, x * Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415, section 2); same shape."""
    return np.asarray(x * 0.5 * (1.0 + _erf(x / math.sqrt(2.0))))


def gelu_tail(x: Array) -> Array:
    """d(x) = x * (1 - Phi(x)) for x >= 0, so that GELU(x) = max(x, 0) - d(|x|); same shape."""
    return np.asarray(x * 0.5 * (1.0 - _erf(x / math.sqrt(2.0))))


def _table(name: str, function: Callable[[Array], Array], ends: Array, fraction: int, balanced: bool) -> Table:
    samples = 64
    segments = len(ends) - 1
    places = np.arange(segments * samples + 1) / samples
    fine = np.interp(places, np.arange(segments + 1), ends)
    exact = function(fine)
    nodes = exact[::samples].copy()
    weights = np.linspace(0.0, 1.0, samples, endpoint=False)

    def chords(values: Array) -> Array:
        inner = values[:-1, None] * (1 - weights) + values[1:, None] * weights
        return np.append(inner.ravel(), values[-1])

    if balanced:
        gap = (chords(nodes) - exact)[:-1].reshape(segments, samples)
        worst = gap[np.arange(segments), np.abs(gap).argmax(axis=1)]
        shift = np.zeros(segments + 1)
        shift[:-1] += worst / 4
        shift[1:] += worst / 4
        shift[0] *= 2
        shift[-1] *= 2
        nodes = nodes - shift
    integers = np.floor(nodes * 2.0**fraction + 0.5)
    error = float(np.abs(chords(integers * 2.0**-fraction) - exact).max())
    return Table(name, tuple(int(v) for v in integers), fraction, error)


def exp2_table(segments: int) -> Table:
    """2^-x for x in [0, 1]."""
    return _table(
        "exp2", lambda x: np.asarray(np.exp2(-x)), np.linspace(0, 1, segments + 1), EXP_FRACTION, balanced=False
    )


def gelu_table(segments_per_unit: int) -> Table:
    """d(x) = x * (1 - Phi(x)) for x in [0, GELU_RANGE]; beyond, the hardware takes 0.

    Args:
        segments_per_unit: segments a unit of x up to the knee; half as many beyond.
    """
    fine = np.arange(GELU_KNEE * segments_per_unit) / segments_per_unit
    coarse = np.arange((GELU_RANGE - GELU_KNEE) * segments_per_unit // 2 + 1) * 2 / segments_per_unit + GELU_KNEE
    return _table("gelu", gelu_tail, np.concatenate([fine, coarse]), GELU_OUT_FRACTION, balanced=True)


def reciprocal_table(segments: int) -> Table:
    """1 / (1 + x) for x in [0, 1], held below 1 so that it fits a DSP operand of MANTISSA_BITS."""
    table = _table(
        "reciprocal", lambda x: 1.0 / (1.0 + x), np.linspace(0, 1, segments + 1), MANTISSA_FRACTION, balanced=True
    )
    top = (1 << MANTISSA_FRACTION) - 1
    nodes = tuple(min(v, top) for v in table.nodes)
    return Table(table.name, nodes, table.fraction, max(table.error, 2.0**-MANTISSA_FRACTION))


def rsqrt_table(segments_per_unit: int) -> Table:
    """1 / sqrt(1 + x) for x in [0, 3]."""
    return _table(
        "rsqrt", lambda x: 1.0 / np.sqrt(1.0 + x), np.linspace(0, 3, 3 * segments_per_unit + 1), RSQRT_FRACTION, True
    )


def gelu_error_bound(table: Table) -> float:
    """Largest absolute error of the hardware's GELU before its output is rounded.

    Interpolation error of the table, or the tail that is cut off, plus half a step of the interpolated product and half
    a step of its argument (GELU' <= 1.13).
    """
    stop = float(gelu_tail(np.array([GELU_RANGE]))[0])
    return max(table.error, stop) + 2.0 ** -(GELU_OUT_FRACTION + 1)


def softmax_error_bound(exp2: Table, reciprocal: Table, scores: int) -> float:
    """Largest absolute error of one probability p = e_j / sum(e) before its rounding to the output's format.

    e_j = 2^-(maximum - s_j), with the maximum of the whole row: no sum is ever rescaled. Let h be half a unit of
    EXP_FRACTION bits. The maximum's own exponential is exactly 1, so every sum, computed or exact, is at least 1.

    - Chords: a convex function's chord lies above it. Nodes and interpolation are rounded once each, so a value of the
      table is off by -2 h to E + h, with E = `exp2.error`; relative to 2^-x >= 1/2 that is an interval of width
      w = 2 E + 6 h above -4 h. Relative errors d change p by p (d_j - mean of d, weighted by p), which is at most
      p (1 - p) w / (1 - 4 h) <= w / 4 / (1 - 4 h).
    - Terms: all but the maximum are shifted down and rounded again, by at most h each. The sum takes these very values
      and adds them exactly. At worst all have one sign: (scores - 1) h of a sum of 1.
    - Numerator: rounded once more, to PROBABILITY_FRACTION bits, and divided by at least 1.
    - Reciprocal: 1 / sum = m 2^-k with k >= 0. m is off by the table's error, half a unit of the interpolation, and
      half a unit of its argument, where the slope is at most 1. The numerator that it multiplies is at most 1.
    """
    h = 2.0 ** -(EXP_FRACTION + 1)
    chords = (2 * exp2.error + 6 * h) / 4 / (1 - 4 * h)
    terms = (scores - 1) * h
    numerator = 2.0 ** -(PROBABILITY_FRACTION + 1)
    inverse = reciprocal.error + 2.0 ** -(MANTISSA_FRACTION + 1) + 2.0 ** -(RECIPROCAL_POSITION_BITS + 1)
    return chords + terms + numerator + inverse
