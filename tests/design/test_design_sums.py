"""No sum can overflow: the exact worst case of each against the width that the design gives it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design.fifos import MOST_ELEMENT
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics import tables

BOARD = load_board("zcu102")


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """Any design that keeps the rules."""
    inner = draw(st.sampled_from([8, 16, 24, 32]))
    dim = draw(st.integers(8, 1536))
    tokens = draw(st.integers(1, min(16, MOST_ELEMENT // (21 * inner))))  # a tile of tokens is one element of a stream
    sizes: dict[str, Any] = {
        "tokens_parallel": tokens,
        "score_rows": draw(st.integers(1, tokens)),
        "cache_lanes": draw(st.sampled_from([1, 2, 4, 8])),
        "fill_beats": draw(st.sampled_from([1, 2, 4])),
        "in_parallel": inner,
        "out_parallel": inner * draw(st.integers(1, 96 // inner)),  # as are a token's sums
        "activation_bits": draw(st.integers(8, 20)),
        "cache_bits": draw(st.sampled_from([0, 8, 13, 18])),
        "weight_bits": draw(st.integers(4, 18)),
        "weight_ports": draw(st.integers(1, 6)),
        "residual_tail_bits": draw(st.integers(0, 8)),
        "max_tokens": draw(st.integers(1, 2048)),
        "max_dim": dim,
        "max_query": draw(st.integers(dim, 2048)),
        "max_cache": draw(st.integers(8, 2048)),
        "max_hidden": draw(st.integers(64, 4096)),
        "max_experts": draw(st.integers(4, 64)),
    }
    try:
        return make_design(Knobs(**sizes), BOARD)
    except KnobError:
        # Padding to whole tiles can carry the longest sums past what a DSP accumulates.
        return make_design(Knobs(**(sizes | {"activation_bits": 8, "cache_bits": 0, "weight_bits": 8})), BOARD)


@settings(max_examples=200, deadline=None)
@given(designs())
def test_the_accumulator_holds_the_largest_sum_twice_and_is_no_wider_than_that(design: Design) -> None:
    # Both operands at their most negative give the largest product, or a probability of 1 does; a bias may need as much
    # again.
    factor = max(2 ** (design.knobs.activation_bits - 1), 2**tables.PROBABILITY_FRACTION)
    assert factor < 2 ** (design.factor_bits - 1) or factor == 2 ** (design.knobs.activation_bits - 1)
    product = factor * 2 ** (design.operand_bits - 1)
    worst = design.max_inputs * product
    limit = 2 ** (design.accumulator_bits - 1)
    assert 2 * worst <= limit
    assert 4 * worst > limit
    longest = max(design.knobs.max_dim, design.knobs.max_query, design.knobs.max_hidden, design.knobs.max_tokens)
    assert longest <= design.max_inputs


@settings(max_examples=200, deadline=None)
@given(designs())
def test_layernorm_and_softmax_sums_fit_their_widths(design: Design) -> None:
    k = design.knobs
    features, extreme = design.dim_words * k.in_parallel, 2 ** (k.activation_bits - 1)
    assert features * extreme <= 2 ** (design.feature_sum_bits - 1)
    assert features * extreme**2 < 2 ** (design.square_sum_bits - 1)
    # n Q - S^2 with the largest squares, and eps, which is far below one of them.
    assert k.max_dim * (features * extreme**2) < 2 ** (design.variance_bits - 1)
    # Attention adds an exponential of every token, the router one of every expert, all with the same fraction.
    assert max(k.max_tokens, k.max_experts) * 2**tables.EXP_FRACTION < 2 ** (design.exp_sum_bits - 1)


@settings(max_examples=100, deadline=None)
@given(designs())
def test_memories_hold_what_the_knobs_say(design: Design) -> None:
    k, depths = design.knobs, design.memory_depths
    lanes = {name: k.cache_lanes if name == "cache" else k.tokens_parallel for name in depths}
    held = {name: depth * lanes[name] * k.in_parallel for name, depth in depths.items()}
    assert held["residual"] >= k.max_tokens * k.max_dim
    assert held["query"] >= k.max_tokens * k.max_query
    assert held["cache"] >= k.max_tokens * k.max_cache
    assert held["hidden"] >= max(k.max_tokens * k.max_hidden, k.max_tokens * min(32, k.max_tokens))
    assert design.max_rows >= k.max_tokens
    assert design.max_routes == k.max_tokens * k.max_top_k
    assert design.operand_parts * design.part_values >= k.out_parallel * k.in_parallel
    assert design.weights_per_beat * k.weight_bits <= k.port_bits
    assert design.ring_words >= 2 * max(design.words(columns) for columns in (k.max_dim, k.max_query, k.max_tokens))


@settings(max_examples=100, deadline=None)
@given(designs())
def test_a_step_brings_what_its_beats_hold(design: Design) -> None:
    k = design.knobs
    bits = k.port_bits * k.weight_ports * k.fill_beats
    assert design.step_bytes * 8 == bits
    assert bits - k.fill_beats * k.weight_ports * k.weight_bits < design.part_values * k.weight_bits <= bits
    assert design.biases_per_step * 32 == bits
    assert (
        (design.bias_steps - 1) * design.biases_per_step < k.out_parallel <= design.bias_steps * design.biases_per_step
    )
    assert design.shifts_per_step == design.step_bytes
    assert design.shift_steps * design.shifts_per_step >= k.in_parallel
    assert design.fifo_elements * k.fill_beats == k.weight_fifo_beats


@settings(max_examples=100, deadline=None)
@given(designs())
def test_groups_of_scores_and_blocks_of_the_cache_hold_all_of_them_and_no_more(design: Design) -> None:
    k = design.knobs
    assert (design.score_groups - 1) * k.score_rows < k.tokens_parallel <= design.score_groups * k.score_rows
    assert (design.cache_blocks - 1) * k.cache_lanes < k.max_tokens <= design.cache_blocks * k.cache_lanes
    assert design.memory_depths["cache"] == design.cache_blocks * design.cache_words
