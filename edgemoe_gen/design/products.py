"""DSP48E2 of a design: one for every piece of 27 x 18 bits of a product, signed (UG579, multiplier).

In: the sizes of a design. Out: the DSPs of each part, and whether the many small products inside table look-ups fit
too. If they fit, they are bound to DSPs; in look-up tables they would be the largest part after the compute unit.
"""

from __future__ import annotations

import math

from edgemoe_gen.design.sizes import TERM_BITS, Sizes
from edgemoe_gen.design.storage import ROOM
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.shifts import INVERSE_BITS

DSP_WIDE, DSP_NARROW = 27, 18
# Assumed: places are made into addresses by one product of two 16-bit fields each, in the readers of tiles, of words
# and of keys and values, and in the writer; and lengths of loops. With experts also in the reader of logits, and where
# gathering reads and writes.
CONTROL_DSP, EXPERT_CONTROL_DSP = 9, 3


def dsp_count(a: int, b: int) -> int:
    """DSP48E2 for one product of signed a x b bits."""
    wide, narrow = max(a, b), min(a, b)
    return min(
        math.ceil((wide - 1) / (DSP_WIDE - 1)) * math.ceil((narrow - 1) / (DSP_NARROW - 1)),
        math.ceil((wide - 1) / (DSP_NARROW - 1)) * math.ceil((narrow - 1) / (DSP_WIDE - 1)),
    )


def part_dsps(sizes: Sizes) -> dict[str, int]:
    """DSP48E2 of each part of a design, without those inside table look-ups."""
    k = sizes.knobs
    feature = k.max_dim.bit_length() + 1
    # variance = n Q - S^2, mean = S / n, and the root's mantissa times n.
    moments = (
        dsp_count(feature, sizes.square_sum_bits)
        + dsp_count(sizes.feature_sum_bits, sizes.feature_sum_bits)
        + dsp_count(sizes.feature_sum_bits, INVERSE_BITS)
        + dsp_count(tables.RSQRT_FRACTION + 2, feature)
    )
    lane = dsp_count(k.activation_bits, k.activation_bits) + dsp_count(sizes.centred_bits, tables.MANTISSA_BITS)
    router = {"router": dsp_count(tables.EXP_FRACTION + 2, tables.MANTISSA_BITS)} if sizes.has_experts else {}
    return {
        "compute unit": sizes.macs_per_cycle * dsp_count(sizes.factor_bits, sizes.operand_bits),
        "rounding": k.out_parallel * dsp_count(TERM_BITS, tables.MANTISSA_BITS),
        "LayerNorm": k.in_parallel * lane + moments,
        **router,
        "control": CONTROL_DSP + (EXPERT_CONTROL_DSP if sizes.has_experts else 0),
    }


def table_products(sizes: Sizes) -> dict[str, int]:
    """Products inside table look-ups, by part. Each fits one DSP.

    An exponential for every value that enters the unit, and for every logit and the choice of a token; a GELU for every
    output; 1 / sum of a row and of a token's choice; a root for LayerNorm.
    """
    k = sizes.knobs
    return {
        "probabilities": k.tokens_parallel * k.in_parallel,
        "rounding": k.out_parallel + 1,
        "LayerNorm": 1,
        **({"router": k.in_parallel + 2} if sizes.has_experts else {}),
    }


def tables_in_dsp(sizes: Sizes) -> bool:
    """Whether DSPs form the products inside table look-ups, which they do where this leaves room for placement."""
    return sum(part_dsps(sizes).values()) + sum(table_products(sizes).values()) <= ROOM * sizes.board.dsp
