"""A product's numbers in the engine: weights and biases as integers, and the shifts of its sums.

In: a layer in float64 and the binary points around it. Out: `Rounded`, which `contents` packs and `sim` computes with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import BIAS_BITS, TERM_BITS
from edgemoe_gen.numerics.fixed import (
    FINEST_OUTPUT,
    OUTPUT_SHIFT_BITS,
    Format,
    Integers,
    finer_outputs,
    fraction_for,
    quantise,
)
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.numerics.shifts import BIAS, sum_window


@dataclass(frozen=True)
class Rounded:
    """A layer in integers.

    Attributes:
        weight: [outputs, inputs].
        bias: [outputs], with its own binary point.
        finer: [outputs] fractional bits of an output's weights beyond their layer's format.
        bias_shift: shift of biases up to a sum's binary point; `finer` is added.
    """

    weight: Integers
    bias: Integers
    finer: Integers
    bias_shift: int

    @property
    def biases(self) -> Integers:
        """Biases as they lie in DDR, each with its output's finer bits."""
        return (self.bias << OUTPUT_SHIFT_BITS) | self.finer


def term_fraction(design: Design, fraction: int, out: int, scattered: bool = False) -> int:
    """Fractional bits of a sum after its first rounding.

    Args:
        design: the accelerator.
        fraction: fractional bits of the sum.
        out: format of the result.
        scattered: whether results are multiplied by scores.
    """
    # Scores shrink a result by up to all of its size, so their product needs more room above than others.
    guard = TERM_BITS - design.knobs.activation_bits - (4 if scattered else 1)
    # Only sums that are far below their result's steps would leave the window: those lose no bit that counts.
    window = sum_window(design.knobs.activation_bits, design.knobs.weight_bits)
    return max(min(fraction, out + guard), fraction - window.most)


def round_linear(design: Design, linear: Linear, form: Format, fraction: int, term_shift: int) -> Rounded:
    """Rounds weights, each output as fine as its own largest weight allows.

    Args:
        design: the accelerator.
        linear: weights [outputs, inputs] and bias.
        form: format of the weights.
        fraction: fractional bits of a sum of products.
        term_shift: shift of a sum, down.

    Raises:
        ProgramError: a sum could overflow the accumulator.
    """
    values = np.zeros(linear.weight.shape[0]) if linear.bias is None else linear.bias
    bias_form = Format(BIAS_BITS - OUTPUT_SHIFT_BITS, 0)
    bias_fraction = min(fraction, fraction_for(float(np.abs(values).max(initial=0.0)), bias_form.bits))
    bias = quantise(values, Format(bias_form.bits, bias_fraction))
    bias_shift = fraction - bias_fraction
    finer = finer_outputs(linear.weight, form, FINEST_OUTPUT)
    # A finer output also shifts its bias further up, and its sum further down: both have to stay in their widths.
    room = design.accumulator_bits - 2
    magnitudes = np.ceil(np.log2(np.maximum(np.abs(bias), 1)) + 1).astype(np.int64)
    finer = np.minimum(finer, room - np.maximum(magnitudes + bias_shift, term_shift))
    window = sum_window(design.knobs.activation_bits, design.knobs.weight_bits)
    most = min(window.most - term_shift, BIAS.most - bias_shift)
    finer = np.clip(np.minimum(finer, most), 0, None)
    weight = quantise(linear.weight * 2.0 ** finer[:, None], form)
    _prove_no_overflow(design, weight, bias << (bias_shift + finer))
    return Rounded(weight, bias, finer, bias_shift)


def _prove_no_overflow(design: Design, weight: Integers, bias: Integers) -> None:
    """The largest sum that any input can give must fit the accumulator, bias included."""
    largest = (np.abs(weight).sum(axis=1) << (design.knobs.activation_bits - 1)) + np.abs(bias)
    limit = 1 << (design.accumulator_bits - 1)
    if largest.max(initial=0) >= limit:
        raise ProgramError(
            f"a layer's sums reach {int(largest.max())}, beyond the accumulator's {limit}",
            "pin fewer fractional bits for its weights, or raise max_hidden, which widens the accumulator",
        )
