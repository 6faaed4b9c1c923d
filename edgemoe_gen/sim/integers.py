"""Operations of the engine in NumPy, integer for integer: LayerNorm, products, doubling, classes.

In: integers as in the memories, and the fields of an operation. Out: the same integers as the kernels'. Values are
    int64;
products run in float64, whose sums are exact here (`Product`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import TERM_BITS
from edgemoe_gen.hardware.memories import NORMED, RESIDUAL
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import Format, Integers
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.numerics.maps import doubled_sixteenths, tap_sums
from edgemoe_gen.numerics.shifts import MEAN_FRACTION
from edgemoe_gen.program.moves import normalise_operation
from edgemoe_gen.program.places import Place
from edgemoe_gen.program.rounded import Rounded, round_linear, term_fraction

VALUE_BITS = 16  # of a value that leaves the chip


def round_shift(values: Integers, shift: Integers | int) -> Integers:
    """values * 2^-shift, rounded to nearest with ties towards +infinity; a negative shift multiplies."""
    down = np.maximum(shift, 0)
    half = np.left_shift(1, np.maximum(down - 1, 0)) * (down > 0)
    return np.asarray((np.left_shift(values, np.maximum(np.negative(shift), 0)) + half) >> down)


def saturate(values: Integers, bits: int) -> Integers:
    """Values clipped to a number of signed bits."""
    limit = 1 << (bits - 1)
    return np.clip(values, -limit, limit - 1)


def normalise(
    design: Design, tokens: Integers, source: Format, destination: Format, eps: float, shifts: Integers
) -> Integers:
    """LayerNorm without gain and offset, as `normalise.h` computes it.

    Args:
        design: gives widths and the table of 1 / sqrt(x).
        tokens: [tokens, features] of the residual memory, `residual_tail_bits` finer than `source`.
        source, destination: formats.
        eps: added to the variance.
        shifts: [features] bits by which each is shifted down.
    """
    n, tail, bits = tokens.shape[1], design.knobs.residual_tail_bits, design.knobs.activation_bits
    places = Place(RESIDUAL, n, source, design.words(n)), Place(NORMED, n, destination, design.words(n))
    op = normalise_operation(design, *places, tokens.shape[0], eps, (0, 0))
    coarse = saturate(round_shift(tokens, tail), bits)
    sums, squares = coarse.sum(axis=1), np.square(coarse).sum(axis=1)
    mean = saturate(round_shift(sums * op.inverse_features, op.inverse_shift), bits + MEAN_FRACTION + 1)
    root, exponent = _reciprocal_root(design, n * squares - sums * sums + (op.eps_high << 31) + op.eps_low)
    gain = root * n
    surplus = _highest_bit(gain) - (tables.MANTISSA_BITS - 2)
    mantissa = saturate(round_shift(gain, surplus), tables.MANTISSA_BITS)
    shift = exponent + tables.RSQRT_FRACTION + MEAN_FRACTION - surplus - op.normal_fraction
    centred = (tokens << (MEAN_FRACTION - tail)) - mean[:, None]
    least = min(tables.MANTISSA_BITS - 1 - bits, -1)
    applied = np.clip(shift[:, None] + shifts, least, least + 63)
    return saturate(_round_far(centred * mantissa[:, None], applied), bits)


def _round_far(values: Integers, shift: Integers) -> Integers:
    """`round_shift` by any shift: 62 bits and more give 0."""
    return np.where(shift > 61, 0, round_shift(values, np.minimum(shift, 61)))


def _reciprocal_root(design: Design, values: Integers) -> tuple[Integers, Integers]:
    """1 / sqrt(values) as mantissas and their shifts down; values are 1 or more."""
    half = _highest_bit(values) // 2
    position_bits = tables.RSQRT_POSITION_BITS
    scaled = np.minimum(round_shift(values, 2 * half - position_bits), (4 << position_bits) - 1)
    rest_bits = position_bits - (design.knobs.rsqrt_segments.bit_length() - 1)
    index, rest = np.divmod(scaled - (1 << position_bits), 1 << rest_bits)
    table = design.rsqrt_table
    starts, rises = np.array(table.nodes[:-1]), np.array(table.rises)
    sums: Integers = (starts[index] << rest_bits) + (1 << (rest_bits - 1)) + rises[index] * rest
    return sums >> rest_bits, half


def _highest_bit(values: Integers) -> Integers:
    """floor(log2(value)) of values of 1 or more, exactly."""
    _, exponent = np.frexp(values.astype(np.float64))
    found = exponent.astype(np.int64) - 1
    # float64 may round up to the next power of two.
    return np.asarray(found - ((values >> found) == 0))


@dataclass(frozen=True)
class Product:
    """Tokens times weights as the unit and `rounding.h` compute them.

    Sums are formed in float64 and are exact: `round_linear` proves that the magnitudes of a sum's terms add up to less
    than 2^(accumulator_bits - 1), and rules keep that within 2^47. So every partial sum, in whatever order, is a whole
    number below float64's 2^53.

    Attributes:
        rounded: weights and biases.
        term_shift, out_shift: shifts from a sum down to a term, and from a term down to a result.
        bits: of a result.
        relu: negative results are 0.
    """

    rounded: Rounded
    term_shift: int
    out_shift: int
    bits: int
    relu: bool

    @classmethod
    def of(cls, design: Design, linear: Linear, weight: Format, source: int, out: int, relu: bool = False) -> Product:
        """A layer with weights of a format, from activations of `source` to activations of `out` fractional bits."""
        fraction = source + weight.fraction
        term = term_fraction(design, fraction, out)
        rounded = round_linear(design, linear, weight, fraction, fraction - term)
        return cls(rounded, fraction - term, term - out, design.knobs.activation_bits, relu)

    def __call__(self, tokens: Integers) -> Integers:
        """Results of [tokens, inputs]."""
        return self.finish(tokens.astype(np.float64) @ self.rounded.weight.T.astype(np.float64))

    def convolve(self, pixels: Integers) -> Integers:
        """Results of a map [rows, columns, inputs] whose 3x3 taps are the weights' [tap][input]; zeros lie around."""
        return self.finish(tap_sums(pixels, self.rounded.weight))

    def finish(self, sums: NDArray[np.float64]) -> Integers:
        """Results of sums of products [..., outputs]: bias, both roundings, ReLU."""
        finer = self.rounded.finer
        total = sums.astype(np.int64) + (self.rounded.bias << (self.rounded.bias_shift + finer))
        term = saturate(round_shift(total, self.term_shift + finer), TERM_BITS)
        if self.relu:
            term = np.maximum(term, 0)
        return saturate(round_shift(term, self.out_shift), self.bits)


def double(pixels: Integers) -> Integers:
    """A map [rows, columns, features] twice as large, bilinear without aligned corners, rounded once."""
    return (doubled_sixteenths(pixels) + 8) >> 4


def classes(pixels: Integers) -> NDArray[np.uint8]:
    """Of every pixel [rows, columns, classes] the largest class, the first among equals."""
    return np.asarray(pixels.argmax(axis=2), np.uint8)
