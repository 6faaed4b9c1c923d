"""Rules that tie several knobs together, or knobs to a board's ports: widths that fit a DSP48E2, sizes that divide.

In: the sizes of a design. Out: for each rule whether it is broken, one sentence with the knobs and their values, and a
hint.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design.knobs import NARROW_KNOBS, Knobs
from edgemoe_gen.design.sizes import MOST_ROWS, Sizes
from edgemoe_gen.numerics import tables

ACCUMULATOR_LIMIT = 48  # accumulator of a DSP48E2
DSP_OPERAND_BITS = 18
LEAST_WEIGHT_BITS = 4
LEAST_CACHE_BITS = 8
LEAST_ACTIVATION_BITS = 8
Rule = tuple[bool, str, str]  # whether it is broken, what to say, a hint


def rules(sizes: Sizes) -> Iterator[Rule]:
    """For each rule whether it is broken, a sentence, and a hint. A rule may rely on those before it."""
    k, board = sizes.knobs, sizes.board
    narrow_per_beat = k.port_bits // 16
    yield (
        k.out_parallel % k.in_parallel != 0,
        f"out_parallel is {k.out_parallel} and in_parallel {k.in_parallel}, "
        "but an output tile must fill whole memory words: out_parallel must be a multiple of in_parallel",
        f"for example out_parallel={ceil_div(k.out_parallel, k.in_parallel) * k.in_parallel}",
    )
    yield (
        k.in_parallel % narrow_per_beat != 0,
        f"in_parallel is {k.in_parallel}, but a memory word must take whole beats of an image: with ports of "
        f"{k.port_bits} bits in_parallel must be a multiple of {narrow_per_beat}",
        f"for example in_parallel={ceil_div(k.in_parallel, narrow_per_beat) * narrow_per_beat}",
    )
    yield (
        k.port_bits > board.port_bits,
        f"port_bits is {k.port_bits}, but the {board.title}'s ports are {board.port_bits} bits wide",
        f"set port_bits to {board.port_bits} or less",
    )
    yield (
        k.weight_ports > board.ports,
        f"weight_ports is {k.weight_ports}, but the {board.title} has {board.ports} ports to memory",
        "program, input and result need no port of their own: an interconnect lets them share one",
    )
    yield (
        k.weight_fifo_beats % k.fill_beats != 0,
        f"weight_fifo_beats is {k.weight_fifo_beats}, but the FIFO's elements hold fill_beats beats, which is "
        f"{k.fill_beats}: weight_fifo_beats must be a multiple of it",
        f"for example weight_fifo_beats={ceil_div(k.weight_fifo_beats, k.fill_beats) * k.fill_beats}",
    )
    yield (
        k.score_rows > k.tokens_parallel,
        f"score_rows is {k.score_rows}, more than tokens_parallel, which is {k.tokens_parallel}: no more rows of "
        "scores are there at once",
        f"set score_rows to {k.tokens_parallel} or less",
    )
    yield (
        k.in_parallel % k.cache_lanes != 0,
        f"cache_lanes is {k.cache_lanes}, but the tokens of a tile of keys or values must fill whole addresses of "
        f"the cache: cache_lanes must divide in_parallel, which is {k.in_parallel}, and out_parallel",
        f"for example cache_lanes={_largest_divisor(k.in_parallel, k.cache_lanes)}",
    )
    yield (
        k.cache_bits > k.activation_bits,
        f"cache_bits is {k.cache_bits} and activation_bits {k.activation_bits}, but keys and values are results that "
        "are no wider than activations",
        f"set cache_bits to {k.activation_bits} or less, or 0 for as wide as activations",
    )
    yield (
        sizes.cache_bits < LEAST_CACHE_BITS,
        f"cache_bits is {k.cache_bits}, but keys and values have {LEAST_CACHE_BITS} bits or more",
        f"for example cache_bits={LEAST_CACHE_BITS}, or 0 for as wide as activations",
    )
    yield (
        sizes.operand_bits > DSP_OPERAND_BITS,
        f"activation_bits is {k.activation_bits} and cache_bits {k.cache_bits}, so keys and values have "
        f"{sizes.cache_bits} bits, but a DSP48E2 multiplies 27 x {DSP_OPERAND_BITS} bits, and they are its second "
        f"operand: they may not exceed {DSP_OPERAND_BITS}",
        f"set cache_bits to {DSP_OPERAND_BITS} or less",
    )
    yield (
        k.decoder_activation_bits != 0 and not LEAST_ACTIVATION_BITS <= k.decoder_activation_bits <= k.activation_bits,
        f"decoder_activation_bits is {k.decoder_activation_bits} and activation_bits {k.activation_bits}, but a "
        f"decoder's activations have {LEAST_ACTIVATION_BITS} bits or more, and no more than all others",
        f"give {LEAST_ACTIVATION_BITS} to {k.activation_bits}, or 0 for as wide as activations",
    )
    yield from _narrow_rules(k)
    yield (
        sizes.accumulator_bits > ACCUMULATOR_LIMIT,
        f"sums over {sizes.longest_words * k.in_parallel} products of {sizes.factor_bits} x {sizes.operand_bits} bits "
        f"need {sizes.accumulator_bits} bits, but a DSP48E2 accumulates {ACCUMULATOR_LIMIT}",
        "lower activation_bits, cache_bits or weight_bits, or the longest inner dimension (max_hidden, max_dim, "
        "max_tokens, max_map_channels)",
    )
    yield (
        sizes.variance_bits > 64,
        f"max_dim is {k.max_dim}: the variance of so many values of {k.activation_bits} bits needs "
        f"{sizes.variance_bits} bits, but LayerNorm has 64",
        "lower activation_bits or max_dim",
    )
    sum_bits = sizes.exp_sum_bits + tables.EXP_FRACTION
    yield (
        sum_bits > 63,
        f"max_tokens is {k.max_tokens} and max_experts {k.max_experts}: a softmax sum of so many terms needs "
        f"{sum_bits} bits with its fraction, but 63 are there",
        "lower max_tokens or max_experts",
    )
    yield (
        sizes.pass_rows(k.max_tokens) > MOST_ROWS,
        f"frames_per_pass is {k.frames_per_pass} and max_tokens {k.max_tokens}: so many frames have "
        f"{sizes.pass_rows(k.max_tokens):,} rows, but an operation has at most {MOST_ROWS:,}",
        "lower frames_per_pass",
    )
    yield (
        k.max_top_k > k.max_experts,
        f"max_top_k is {k.max_top_k}, more than max_experts, which is {k.max_experts}",
        "set max_top_k to 0 too, or raise max_experts"
        if not sizes.has_experts
        else "lower max_top_k or raise max_experts",
    )
    yield (
        k.max_experts == 1,
        "max_experts is 1, but with one expert there is nothing to choose, so a router would be nothing but its cost",
        "set max_experts and max_top_k to 0, which leaves the router out, or max_experts to 2 or more",
    )
    yield (
        k.max_top_k == 0 and sizes.has_experts,
        f"max_top_k is 0, but max_experts is {k.max_experts}: both are 1 or more, or both are 0, which leaves out the "
        "router",
        "set max_experts to 0 too, or raise max_top_k",
    )
    yield (
        k.max_query < k.max_dim and sizes.has_experts,
        f"max_query is {k.max_query}, less than max_dim, which is {k.max_dim}: the query memory also holds the "
        "tokens gathered for an expert",
        f"raise max_query to {k.max_dim}",
    )
    yield (
        k.max_hidden < k.max_experts and sizes.hidden_words * k.in_parallel < k.max_experts,
        f"max_hidden is {k.max_hidden}, less than max_experts, which is {k.max_experts}: the hidden memory also "
        "holds the router's logits",
        f"raise max_hidden to {k.max_experts} or lower max_experts",
    )

    yield from _map_rules(sizes)


def _map_rules(sizes: Sizes) -> Iterator[Rule]:
    """RESIZE takes two neighbouring pixels at once; an address of a map is a signed field of 16 bits."""
    k = sizes.knobs
    yield (
        sizes.has_decoders and k.tokens_parallel < 2,
        f"tokens_parallel is {k.tokens_parallel} and max_map_width {k.max_map_width}, but an engine with decoders "
        "takes two neighbouring pixels at once",
        "raise tokens_parallel to 2 or more, or set max_map_width=0, which leaves decoders to the host",
    )
    yield (
        sizes.has_decoders and sizes.shared_depth > MOST_ROWS,
        f"max_map_width is {k.max_map_width}, so maps lie in the memories, of which the deepest has "
        f"{sizes.shared_depth:,} addresses, but an address of a map is at most {MOST_ROWS:,}",
        "raise tokens_parallel, or lower max_tokens, max_hidden or frames_per_pass",
    )


def _narrow_rules(k: Knobs) -> Iterator[Rule]:
    """Rules of the kinds of weights with a separate width."""
    narrow = {name: int(getattr(k, name)) for name in NARROW_KNOBS if getattr(k, name) not in (0, k.weight_bits)}
    half = k.weight_bits // 2 if k.weight_bits >= 2 * LEAST_WEIGHT_BITS else 0
    for name, bits in narrow.items():
        yield (
            bits < LEAST_WEIGHT_BITS,
            f"{name} is {bits}, but a weight has {LEAST_WEIGHT_BITS} bits or more",
            f"for example {name}={half}",
        )
        yield (
            2 * bits > k.weight_bits,
            f"{name} is {bits} and weight_bits {k.weight_bits}, but two narrow weights take "
            f"the place of one: {name} must be at most half of weight_bits, or equal to it",
            f"for example {name}={half}",
        )
    said = " and ".join(f"{name} is {bits}" for name, bits in narrow.items())
    yield (
        len(set(narrow.values())) > 1,
        f"{said}, but an engine has one width of narrow weights: all kinds that are narrow must have the same",
        f"give each {min(narrow.values(), default=0)}, or 0 for weight_bits",
    )


def _largest_divisor(number: int, limit: int) -> int:
    """The largest power of two that divides `number` and does not exceed `limit`."""
    divisor = 1
    while 2 * divisor <= limit and number % (2 * divisor) == 0:
        divisor *= 2
    return divisor
