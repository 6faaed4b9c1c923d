"""Float64 references of the kernels and the error bounds of the engine, for the cases that compare the two.

References use neither tables nor shifts: they are the textbook formulas on the values that the engine's integers stand
for. Bounds follow from the engine's roundings and from the stated error of each table; every docstring derives its own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.design.sizes import TERM_BITS
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.fixed import Format, Integers
from edgemoe_gen.numerics.shifts import MEAN_FRACTION, inverse_error

Values = NDArray[np.float64]
GELU_SLOPE = 1.13  # largest |GELU'|: 1.1290 at sqrt(2)


def clip(values: Values, form: Format) -> Values:
    """Values limited to what a format holds. Limiting never increases an error, so bounds stay valid behind it."""
    return np.clip(values, -math.ldexp(1.0, form.bits - 1) * form.step, form.largest)


def gelu(x: Values) -> Values:
    """x * Phi(x) (Hendrycks and Gimpel, arXiv 1606.08415, section 2), limited to the argument that the engine takes.

    GELU's argument is a TERM_BITS number with GELU_FRACTION fractional bits: it saturates at 1,024.
    """
    limited = clip(np.asarray(x, np.float64), Format(TERM_BITS, tables.GELU_FRACTION))
    erf = np.vectorize(math.erf, otypes=[np.float64])(limited / math.sqrt(2.0))
    return np.asarray(limited * 0.5 * (1.0 + erf))


def gelu_bound(design: Design, out: Format) -> float:
    """Rounding of the argument to GELU_FRACTION bits (times the slope), the function's own error, the last rounding."""
    argument = GELU_SLOPE * 2.0 ** -(tables.GELU_FRACTION + 1)
    return argument + tables.gelu_error_bound(design.gelu_table) + out.step / 2


def residual_form(design: Design, form: Format) -> Format:
    """Format of tokens between layers where activations have `form`: a tail of residual_tail_bits finer."""
    tail = design.knobs.residual_tail_bits
    return Format(form.bits + tail, form.fraction + tail)


def product_bound(design: Design, out: Format, added: bool = False) -> float:
    """Error of a sum of products, which is exact until it is rounded twice.

    First to a term of TERM_BITS bits, which keeps TERM_BITS - activation_bits - 1 bits below the step of `out`, then
    to the result's step: half a step each. What is `added` to the residual is rounded to the residual's finer step.
    """
    kept = TERM_BITS - design.knobs.activation_bits - 1
    last = residual_form(design, out).step if added else out.step
    return float(last / 2 + out.step / 2 * 2.0**-kept)


def bias_bound(bias: Values | None, accumulator_fraction: int) -> float:
    """Error of a bias: half a step of 28 bits that hold the largest of them, or of the accumulator's binary point."""
    if bias is None:
        return 0.0
    # 28 bits keep at least 26 below the highest bit of the largest bias.
    return max(2.0 ** -(accumulator_fraction + 1), float(np.abs(bias).max(initial=0.0)) * 2.0**-26)


def layer_norm(x: Values, eps: float) -> Values:
    """(x - mean) / sqrt(variance + eps) over the columns (Ba et al., arXiv 1607.06450, section 3)."""
    centred = x - x.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + eps))


def layer_norm_bound(design: Design, integers: Integers, source: Format, eps: float, tail: int = 0) -> Values:
    """Error of every element of `layer_norm` before it is rounded to the result's format.

    `integers` [tokens, features] have `tail` more fractional bits than `source`.

    The variance is exact in integers: V = n sum(x^2) - sum(x)^2 squared steps, times n^2. What is not:

    - tails: mean and variance are those of values rounded to `source`. By how much they differ is computed here; a
      variance that is off by d changes 1 / sqrt(V + E) by the relative d / (2 min(V + E));
    - mean: its factor 1 / n is rounded (`inverse_error`), and it is kept with MEAN_FRACTION bits below a step;
    - eps: n^2 eps rounded to a whole number E' of squared steps, at least 1, instead of E; that changes
      1 / sqrt(V + E) by the relative |E' - E| / (2 min(V + E, V + E'));
    - 1 / sqrt(m), m in [1, 4): the table's error and half a unit of the interpolation, relative to at least 1/2; m
      itself is off by at most 2^-RSQRT_POSITION_BITS, which the root halves;
    - the factor n / sqrt(V + E'), rounded to MANTISSA_BITS - 1 significant bits: relative 2^-(MANTISSA_BITS - 1).
    """
    n = integers.shape[1]
    rounded = np.clip((integers + (1 << tail >> 1)) >> tail, -(1 << (source.bits - 1)), (1 << (source.bits - 1)) - 1)
    exact_spread, spread = _spreads(integers) / 4.0**tail, _spreads(rounded)
    exact_eps = n * n * eps * 4.0**source.fraction
    used_eps = max(1.0, float(round(exact_eps)))
    smallest = np.minimum(spread, exact_spread) + min(exact_eps, used_eps)
    mean = integers.mean(axis=1, keepdims=True) / 2.0**tail
    tails = np.abs(rounded.mean(axis=1, keepdims=True) - mean)
    mean_error = tails + np.abs(mean) * inverse_error(n) + 2.0 ** -(MEAN_FRACTION + 1)
    root = 2 * (design.rsqrt_table.error + 2.0 ** -(tables.RSQRT_FRACTION + 1)) + 2.0**-tables.RSQRT_POSITION_BITS
    off = abs(used_eps - exact_eps) + np.abs(spread - exact_spread)
    relative = root + 2.0 ** -(tables.MANTISSA_BITS - 1) + off / (2 * smallest)
    scale = n / np.sqrt(smallest)
    centred = np.abs(integers / 2.0**tail - mean)
    bound = centred * scale * relative + mean_error * scale * (1 + relative)
    # Where all features are equal the exact result is 0, and only the error of the mean is scaled, by the used eps.
    flat = mean_error * n / np.sqrt(used_eps) * (1 + root + 2.0**-16)
    return np.asarray(np.where(exact_spread > 0, bound, flat))


def _spreads(integers: Integers) -> Values:
    """n sum(x^2) - sum(x)^2 of every row, [rows, 1]; in Python's integers, as it may exceed what float64 holds."""
    n = integers.shape[1]
    rows = [n * int(np.square(row).sum()) - int(row.sum()) ** 2 for row in integers]
    return np.array(rows, np.float64)[:, None]


def softmax(scores: Values) -> Values:
    """Probabilities of every row of base-2 logarithms."""
    powers = np.exp2(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def softmax_bound(design: Design, keys: int, term_bits: int, out: Format) -> float:
    """Error of a probability that leaves the engine as a product of a softmax row with a unit vector.

    `tables.softmax_error_bound`, then the rounding of the term, which has `term_bits` fractional bits, and of the
    result.
    """
    own = tables.softmax_error_bound(design.exp2_table, design.reciprocal_table, keys)
    return own + 2.0 ** -(term_bits + 1) + out.step / 2


def attention_bound(design: Design, scores: Values, values: Values, out: Format) -> Values:
    """Error of every element of softmax(scores) @ values, [rows, columns].

    With e_j = 2^(s_j - max), max that of the whole row, S = sum(e_j), y = sum(e_j v_j) / S, and r the largest relative
    error of an exponential (twice the table's absolute one, as 2^-x >= 1/2 over the table):

    - numerator: r of every e_j, and its roundings to EXP_FRACTION bits (two) and PROBABILITY_FRACTION bits: a;
    - sum: r of every term and two roundings to EXP_FRACTION bits, but of the largest, which is exactly 1;
    - reciprocal: table, interpolation and argument, relative to at least 1/2;
    - the term keeps TERM_BITS - cache_bits - 2 bits below the step of the values, or all that their products have; the
      result, which is finer than the values by what activations are wider, is rounded once more.
    """
    r = 2 * design.exp2_table.error
    powers = np.exp2(scores - scores.max(axis=1, keepdims=True))
    total = powers.sum(axis=1, keepdims=True)
    magnitudes = np.abs(values)
    a = 2.0 ** -(tables.PROBABILITY_FRACTION + 1) + 2.0**-tables.EXP_FRACTION
    numerator = (r * powers @ magnitudes + a * magnitudes.sum(axis=0)) / total
    result = np.abs(powers @ values) / total
    first_order = sum_error(design, powers) + reciprocal_error(design)
    divisor = first_order / (1.0 - first_order)
    values_step = out.step * 2.0 ** (out.bits - design.cache_bits)
    term = values_step / 2 * 2.0 ** -min(TERM_BITS - design.cache_bits - 2, tables.PROBABILITY_FRACTION)
    return np.asarray(numerator + (result + numerator) * divisor + term + out.step / 2)


def sum_error(design: Design, powers: Values) -> Values:
    """Relative error of the sum of every row of exponentials [rows, keys], [rows, 1]; derived at `attention_bound`."""
    roundings = (powers.shape[1] - 1) * 2.0**-tables.EXP_FRACTION / powers.sum(axis=1, keepdims=True)
    return np.asarray(2 * design.exp2_table.error + roundings)


def reciprocal_error(design: Design) -> float:
    """Relative error of 1 / sum: table and interpolation relative to at least 1/2, and the argument's rounding."""
    table = 2 * (design.reciprocal_table.error + 2.0 ** -(tables.MANTISSA_FRACTION + 1))
    return float(table + 2.0**-tables.RECIPROCAL_POSITION_BITS)


def choose(logits: Integers, experts: range, top_k: int) -> Integers:
    """The experts of every token [tokens, top_k]: largest logit first, the lower number among equals."""
    window = logits[:, experts.start : experts.stop]
    return np.argsort(-window, axis=1, kind="stable")[:, :top_k].astype(np.int64) + experts.start


def route_scores(logits: Values, chosen: Integers, experts: range, after_top_k: bool) -> Values:
    """Probability of every chosen expert: among the experts of the window, or only among the chosen ones."""
    picked = np.take_along_axis(logits, chosen, axis=1)
    among = picked if after_top_k else logits[:, experts.start : experts.stop]
    largest = among.max(axis=1, keepdims=True)
    return np.asarray(np.exp2(picked - largest) / np.exp2(among - largest).sum(axis=1, keepdims=True))


def route_score_bound(design: Design, scores: Values, experts: int) -> Values:
    """Error of every score.

    Relative: r of the exponential, r of the sum's terms (relative to the first choice, which is the largest), the
    reciprocal. Absolute: roundings to EXP_FRACTION bits in both, and the score's own step, of which it
    loses a whole one at 1.0.
    """
    relative = 4 * design.exp2_table.error + reciprocal_error(design)
    roundings = (1 + experts) * 2.0**-tables.EXP_FRACTION
    return np.asarray(scores * relative * 1.001 + roundings + 2.0**-tables.MANTISSA_FRACTION)
