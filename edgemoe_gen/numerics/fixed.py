"""Fixed-point formats: signed integers with a power-of-two scale.

A value v in format (bits, fraction) stands for v * 2^-fraction. Conversion rounds to nearest (ties towards +infinity)
and saturates, exactly as the hardware does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bits beside a bias in DDR that say how much finer its output's weights are than their layer's format.
OUTPUT_SHIFT_BITS = 4
FINEST_OUTPUT = (1 << OUTPUT_SHIFT_BITS) - 1

Integers = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Format:
    """Format of one tensor: `bits` in all, `fraction` of them below the binary point (may be negative)."""

    bits: int
    fraction: int

    @property
    def step(self) -> float:
        """Value of the least significant bit."""
        return math.ldexp(1.0, -self.fraction)

    @property
    def largest(self) -> float:
        """Largest value that does not saturate."""
        return ((1 << (self.bits - 1)) - 1) * self.step

    def __str__(self) -> str:
        return f"{self.bits}b/{self.fraction}"


def quantise(values: Floats, form: Format) -> Integers:
    """Integers of `values` in format `form`, rounded to nearest and saturated; same shape."""
    limit = 1 << (form.bits - 1)
    scaled = np.floor(np.asarray(values, dtype=np.float64) * 2.0**form.fraction + 0.5)
    return np.clip(scaled, -limit, limit - 1).astype(np.int64)


def dequantise(integers: NDArray[Any], form: Format) -> NDArray[np.float64]:
    """Values of integers in format `form`; same shape."""
    return np.asarray(integers, dtype=np.float64) * form.step


def finer_outputs(weight: Floats, form: Format, most: int) -> Integers:
    """Fractional bits beyond `form` that each row of a weight matrix can have without saturating.

    Args:
        weight: [outputs, inputs].
        form: format that holds the whole matrix.
        most: upper limit of the answer.

    Returns:
        [outputs], from 0 to `most`.
    """
    largest = np.abs(weight).max(axis=1, initial=0.0)
    limit = (1 << (form.bits - 1)) - 1
    finer = np.zeros(weight.shape[0], np.int64)
    for bits in range(1, most + 1):
        finer[np.floor(largest * 2.0 ** (form.fraction + bits) + 0.5) <= limit] = bits
    return finer


def fraction_for(largest: float, bits: int, most: int | None = None) -> int:
    """Most fractional bits with which values up to `largest` (absolute) fit `bits` signed bits.

    Args:
        largest: largest absolute value to hold; 0 gives the most bits allowed.
        bits: width in bits, sign included.
        most: upper limit of the answer; bits + 8 by default, so that a tiny tensor does not ask for absurd shifts.
    """
    ceiling = bits + 8 if most is None else most
    if largest <= 0 or not math.isfinite(largest):
        return ceiling
    fraction = bits - 1 - math.floor(math.log2(largest)) - 1
    # The largest integer is 2^(bits-1) - 1, so a value just below a power of two may still round up to it.
    if math.floor(math.ldexp(largest, fraction) + 0.5) > (1 << (bits - 1)) - 1:
        fraction -= 1
    return min(fraction, ceiling)
