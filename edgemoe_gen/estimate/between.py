"""Look-up tables between the lanes of a process: choices of new or held values, waiting operands, choices of writers.

They are shown beside the estimate where open synthesis is compared with it, and are no part of the estimate:
docs/resources.md says why. A choice of two takes one look-up table a bit, as `choice` in the estimate. A value that
waits in a pipeline takes a shift register, one look-up table a bit for 32 cycles (UG574, SRLC32E). Every term names its
place in the kernels.
"""

from __future__ import annotations

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design import Design
from edgemoe_gen.design.fifos import SHIFT_BITS
from edgemoe_gen.design.sizes import TERM_BITS
from edgemoe_gen.design.storage import MUX_INPUTS, SHIFT_REGISTER
from edgemoe_gen.hardware.latency import most_cycles
from edgemoe_gen.numerics.tables import MANTISSA_BITS

_WIDE_FIELD = 32  # bits of a value that leaves for DDR


def between_lanes(design: Design) -> dict[str, int]:
    """Look-up tables between lanes, by the name of the part of the estimate whose lanes they are."""
    return {
        "probabilities": _probabilities(design),
        "rounding": _rounding(design),
        "scores": _scores(design),
        "addition": _addition(design),
        "LayerNorm": _layer_norm(design),
        **({"router": _router(design)} if design.has_experts else {}),
    }


def _waiting(design: Design, loop: str, bits: int) -> int:
    """Bits that wait in a loop's pipeline, for at most its depth by the timing table."""
    sizes = (
        ("in_parallel", design.knobs.in_parallel),
        ("variance_bits", design.variance_bits),
        ("exp_sum_bits", design.exp_sum_bits),
    )
    return bits * ceil_div(most_cycles(loop, "", sizes), SHIFT_REGISTER)


def _choice(count: int, bits: int) -> int:
    return bits * ceil_div(count - 1, MUX_INPUTS - 1)


def _block(design: Design) -> int:
    """`read_block`: the sums of a tile come or are held."""
    return design.knobs.tokens_parallel * design.knobs.out_parallel * design.accumulator_bits


def _word(design: Design) -> int:
    return design.knobs.in_parallel * design.fine_bits


def _probabilities(design: Design) -> int:
    """`load_tokens`: a value waits for its exponential, and one of both goes on; columns that exist; a row's maximum.

    Words of the two other loops: a tail is added; two formats are clipped, one is chosen, and it comes or is held.
    """
    k = design.knobs
    values = k.tokens_parallel * k.in_parallel * k.activation_bits
    columns = k.in_parallel * design.token_bits
    held = k.tokens_parallel * (k.activation_bits + design.exp_sum_bits)
    return values + _waiting(design, "product_tiles", values) + columns + held + 5 * _word(design)


def _rounding(design: Design) -> int:
    """`round_rows`: sums, biases and 1 / sums come or are held; a lane's shifts, three additions.

    Sums wait for the scale of their row, and terms for GELU.
    """
    k = design.knobs
    held = _block(design) + k.out_parallel * design.bias_bits + k.tokens_parallel * design.exp_sum_bits
    waiting = _waiting(design, "round_steps", k.out_parallel * (design.accumulator_bits + TERM_BITS))
    return held + k.out_parallel * 3 * SHIFT_BITS + waiting


def _scores(design: Design) -> int:
    """`round_scores`: sums come or are held; columns that exist; a row's largest, five comparisons or choices."""
    k = design.knobs
    columns = k.in_parallel * (design.token_bits + k.score_rows * k.activation_bits)
    return _block(design) + columns + k.tokens_parallel * 5 * k.activation_bits


def _addition(design: Design) -> int:
    """`store_results`: a row of a tile comes or is held; it or a word, which waits for what was there, in some lane.

    Scores or words are written to each lane. A word for DDR comes or is held, and leaves in beats.
    """
    k = design.knobs
    fresh = k.out_parallel * design.fine_bits + _word(design) + _waiting(design, "store_words", _word(design))
    written = k.tokens_parallel * k.in_parallel * k.activation_bits
    beats = _choice(ceil_div(k.in_parallel * _WIDE_FIELD, k.port_bits), k.port_bits)
    return fresh + _choice(k.tokens_parallel, _word(design)) + written + _word(design) + beats


def _layer_norm(design: Design) -> int:
    """`apply_moments`: a copy waits for products; a lane's shift to its window; a token's moments come or are held."""
    window = 4 * SHIFT_BITS  # two comparisons, two choices
    moments = design.centred_bits + MANTISSA_BITS + SHIFT_BITS
    return _waiting(design, "apply_words", _word(design)) + design.knobs.in_parallel * window + moments


def _router(design: Design) -> int:
    """`choose_experts`: the lane of a token's logits; logits of experts that exist, by two bounds."""
    k = design.knobs
    lane = _choice(k.tokens_parallel, k.in_parallel * k.activation_bits)
    return lane + k.in_parallel * (2 * design.expert_bits + k.activation_bits + 1)
