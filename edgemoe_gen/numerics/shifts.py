"""Windows of the kernels' shifters: compiled programs keep to them, and `verify` checks them.

Every lane has a shifter, whose size is the width of its window. A window excludes only formats that no layer needs:
their values would vanish or all saturate.
"""

from __future__ import annotations

from dataclasses import dataclass

INVERSE_FRACTION = 23  # bits of 1 / features behind its first one
INVERSE_BITS = INVERSE_FRACTION + 2  # of 1 / features, with its first bit and a sign
MEAN_FRACTION = 8  # bits that a mean keeps below the feature's binary point


@dataclass(frozen=True)
class Window:
    """Shifts from `least` to `most`, both included; down if positive."""

    least: int
    most: int

    @property
    def stages(self) -> int:
        """Two-way choices that reach every shift, one after another."""
        return (self.most - self.least).bit_length()


SCORE_SUM = Window(0, 31)  # a sum of products to a score
RESULT = Window(0, 31)  # a term with RESULT_UP more bits, or its product with a mantissa, to a result
RESULT_UP = 11
BIAS = Window(0, 31)  # a bias up to a sum's binary point: bias_shift and an output's finer bits
COPY = Window(-16, 31)  # a word that is loaded, to its memory's format
OLD = Window(-16, 15)  # what is added to, from its format to the new one
EXPONENTIAL = Window(0, 31)  # a difference of scores up to the exponential's binary point
# GELU's argument has a format of its own, which 18-bit activations and 16-bit weights always reach from above.
SUM_BITS = 18 + 16
# Values that scores weigh have products with PROBABILITY_FRACTION bits more, and a row's exponent of up to 13 besides.
VALUES_MOST = 24


def sum_window(activation_bits: int, weight_bits: int) -> Window:
    """The window of a sum of products to a term: term_shift, an output's finer bits and a row's exponent together.

    Narrower factors have fewer fractional bits, and so have their products.
    """
    least = min(0, activation_bits + weight_bits - SUM_BITS)
    return Window(least, max(least + 31, VALUES_MOST))


def inverse(features: int) -> tuple[int, int]:
    """Factor 1 / features of LayerNorm's mean, and its fractional bits: 2^INVERSE_FRACTION at most."""
    shift = INVERSE_FRACTION + features.bit_length() - 1
    return round((1 << shift) / features), shift


def inverse_error(features: int) -> float:
    """Relative error of `inverse`: up to 2^-INVERSE_FRACTION, and none for a power of two."""
    factor, shift = inverse(features)
    return abs(factor * features / float(1 << shift) - 1.0)


def mean_shift(features: int) -> int:
    """Shift of a sum of features, times their inverse, down to the mean."""
    return inverse(features)[1] - MEAN_FRACTION
