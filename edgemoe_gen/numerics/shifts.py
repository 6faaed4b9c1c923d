"""Windows of the shifts that the kernels have shifters for: the compiler of programs keeps to them, `verify` holds them.

A shifter is as large as its window is wide, and stands in every lane. What a window excludes are formats that no layer
needs: nothing would be left of a value, or all would saturate.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Shifts from `least` to `most`; down if positive, both included."""

    least: int
    most: int

    def holds(self, shift: int) -> bool:
        """Whether a shift is inside."""
        return self.least <= shift <= self.most

    def nearest(self, shift: int) -> int:
        """The shift of the window that is nearest."""
        return min(max(shift, self.least), self.most)


SUM = Window(
    0, 31
)  # a sum of products to a term or to a score: term_shift, an output's finer bits and a row's exponent
BIAS = Window(0, 31)  # a bias up to a sum's binary point: bias_shift and an output's finer bits
# A term with MANTISSA_FRACTION more bits, or its product with a mantissa, to a result.
RESULT = Window(0, 31)
COPY = Window(-16, 31)  # a word that is loaded, to its memory's format
SCORE = Window(0, 31)  # a difference of scores up to the exponential's binary point
OLD = Window(-16, 15)  # what is added to, from its format to the new one

INVERSE_FRACTION = 23  # bits of 1 / features behind its first one
INVERSE_BITS = INVERSE_FRACTION + 2  # of 1 / features, with its first bit and a sign
MEAN_FRACTION = 8  # bits that a mean keeps below the feature's binary point


def mean_shift(features: int) -> int:
    """By how much a sum of features times their inverse is shifted down to the mean."""
    return INVERSE_FRACTION + features.bit_length() - 1 - MEAN_FRACTION
