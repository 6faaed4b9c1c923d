"""The sizes of a design: arithmetic of the knobs and the board, and nothing that has to be searched or checked.

Rules, FIFOs and storage read `Sizes`; `design.Design` is `Sizes` with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgemoe_gen.base.arithmetic import bits_for, ceil_div
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.hardware.memories import HIDDEN, MEMORIES, QUERY, SPLITTABLE, ActivationMemory
from edgemoe_gen.hardware.parts import DECODERS, EXPERTS
from edgemoe_gen.hardware.ring import CONVOLUTION_RING
from edgemoe_gen.numerics import tables
from edgemoe_gen.numerics.shifts import MEAN_FRACTION
from edgemoe_gen.numerics.widths import OWN_WIDTH

TERM_BITS = 27  # the wide operand of a DSP48E2 (27 x 18 bit)
BIAS_BITS = 32
LANE_BITS = 8  # of a token's lane in its block
MIN_ROWS = 32  # rows of scores that an operation has at least, so that no row's maximum is read before it is written
# Bounds of the program that RTL co-simulation runs: what it copies through each port. A test holds them over many
# designs.
MOST_OPERATIONS, MOST_TILES = 64, 96
MOST_WORDS = 64  # rows of memory words in the picture and result
# What its decoders add to them.
DECODER_OPERATIONS, DECODER_TILES, DECODER_WORDS = 64, 192, 64
DECODER_ROWS, DECODER_ROW_BYTES = 8, 9 * 36  # of maps in the result: 1 byte of a pixel, and 8 of another one
MOST_ROWS = (1 << 15) - 1  # of an operation: its number of rows is a signed field of 16 bits
TAPS = 9  # of a convolution
MOST_MAP_ROWS = 4096  # as the most that max_map_width can be
CHOOSE_FIXED = 4  # cycles of a router's search apart from its tournament: read, mask, compare with the best, write


@dataclass(frozen=True)
class Sizes:
    """All sizes that follow from the knobs by arithmetic; memories are counted in words of `in_parallel` values."""

    knobs: Knobs
    board: Board

    # Compute unit

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-accumulates a cycle."""
        k = self.knobs
        return k.tokens_parallel * k.out_parallel * k.in_parallel

    @property
    def factor_bits(self) -> int:
        """Width of the first operand: activations, or probabilities, of which the largest is 2^PROBABILITY_FRACTION."""
        return max(self.knobs.activation_bits, tables.PROBABILITY_FRACTION + 2)

    @property
    def operand_bits(self) -> int:
        """Width of the second operand: weights, or keys and values."""
        return max(self.cache_bits, self.knobs.weight_bits)

    @property
    def cache_bits(self) -> int:
        """Width of keys and values."""
        return self.knobs.widths.cache

    @property
    def weights_per_beat(self) -> int:
        """Weights in one beat; a weight never crosses the end of a beat."""
        return self.knobs.port_bits // self.knobs.weight_bits

    @property
    def narrow_weight_bits(self) -> int:
        """Width of narrow weights, two of which take the place of one; `weight_bits` if no kind is narrow."""
        widths = self.knobs.widths
        return min(widths.of_kind(kind.name) for kind in OWN_WIDTH)

    @property
    def has_narrow_weights(self) -> bool:
        """Whether some kind of weights is narrow."""
        return self.narrow_weight_bits < self.knobs.weight_bits

    def is_narrow(self, kind: str) -> bool:
        """Whether weights of this kind (`numerics.widths`) are narrow."""
        return self.knobs.widths.of_kind(kind) < self.knobs.weight_bits

    @property
    def part_values(self) -> int:
        """Weights that all ports bring in one step: one part of an operand tile."""
        return self.weights_per_beat * self.knobs.weight_ports * self.knobs.fill_beats

    @property
    def operand_parts(self) -> int:
        """Parts of an operand tile of out x in values."""
        return ceil_div(self.knobs.out_parallel * self.knobs.in_parallel, self.part_values)

    def weight_steps(self, in_words: int, narrow: bool) -> int:
        """Steps that bring an output tile's weights for this many words of inputs; a narrow step brings two parts."""
        parts = in_words * self.operand_parts
        return ceil_div(parts, 2) if narrow else parts

    @property
    def score_groups(self) -> int:
        """Cycles that round one word of scores of each row of a block."""
        return ceil_div(self.knobs.tokens_parallel, self.knobs.score_rows)

    @property
    def score_blocks(self) -> int:
        """Blocks of rows of scores that an operation can store for the next one."""
        return ceil_div(self.max_rows, self.knobs.tokens_parallel)

    @property
    def cache_reads(self) -> int:
        """Addresses of the key and value memory that hold one word of operands (in x out values)."""
        return self.knobs.out_parallel // self.knobs.cache_lanes

    @property
    def out_words(self) -> int:
        """Words that a row of an output tile fills."""
        return self.knobs.out_parallel // self.knobs.in_parallel

    @property
    def accumulator_bits(self) -> int:
        """Width of an accumulator that no sum can overflow.

        A product of extremes is 2^(a-1) * 2^(b-1), or of the largest probability 2^PROBABILITY_FRACTION * 2^(b-1);
        max_inputs of them need log2(max_inputs) bits more. One bit is the sign. One more bit gives the same room again
        to the bias; the program checks that this is enough. A convolution has more inputs, but they meet only weights.
        """
        product = max(self.knobs.activation_bits - 1, tables.PROBABILITY_FRACTION) + (self.operand_bits - 1)
        bits = product + math.ceil(math.log2(self.max_inputs)) + 2
        if self.has_decoders:
            product = self.knobs.activation_bits - 1 + self.knobs.weight_bits - 1
            inputs = self.convolution_words * self.knobs.in_parallel
            bits = max(bits, product + math.ceil(math.log2(inputs)) + 2)
        return bits

    @property
    def fine_bits(self) -> int:
        """Width of tokens between layers."""
        return self.knobs.activation_bits + self.knobs.residual_tail_bits

    @property
    def bias_bits(self) -> int:
        """Width of a bias with its output's shift."""
        return BIAS_BITS

    @property
    def token_bits(self) -> int:
        """Width of the number of a block of tokens, or of a row of a map."""
        return bits_for(max(self.blocks, self.map_row_blocks) + MIN_ROWS)

    @property
    def pass_bits(self) -> int:
        """Width of the number of a block in an operation."""
        return max(self.token_bits, bits_for(self.map_blocks))

    @property
    def expert_bits(self) -> int:
        """Width of an expert's number."""
        return bits_for(self.knobs.max_experts)

    @property
    def place_bits(self) -> int:
        """Width of a token's place: its block, and its lane in a byte."""
        return self.token_bits + LANE_BITS

    # Memories

    def pitch(self, tokens: int) -> int:
        """Rows from a frame of this many tokens to the next: each begins a block in every memory and in the cache."""
        step = math.lcm(self.knobs.tokens_parallel, self.knobs.cache_lanes)
        return ceil_div(tokens, step) * step

    def pass_rows(self, tokens: int) -> int:
        """Rows of all frames that share a pass of the weights, each with this many tokens."""
        return (self.knobs.frames_per_pass - 1) * self.pitch(tokens) + tokens

    @property
    def blocks(self) -> int:
        """Blocks of tokens_parallel rows in a memory."""
        return ceil_div(self.pass_rows(self.knobs.max_tokens), self.knobs.tokens_parallel)

    def words(self, columns: int) -> int:
        """Words that `columns` values fill."""
        return ceil_div(columns, self.knobs.in_parallel)

    def out_tiles(self, columns: int) -> int:
        """Output tiles that `columns` values fill."""
        return ceil_div(columns, self.knobs.out_parallel)

    def padded_words(self, columns: int) -> int:
        """Words of a memory row that is written tile by tile: `columns` rounded up to whole output tiles."""
        return self.out_tiles(columns) * self.out_words

    @property
    def dim_words(self) -> int:
        """Words a token in the residual and normed memories."""
        return self.padded_words(self.knobs.max_dim)

    @property
    def query_words(self) -> int:
        """Words a token in the query memory."""
        return self.padded_words(max(self.knobs.max_query, self.knobs.max_dim))

    @property
    def cache_words(self) -> int:
        """Words a token in the key and value memory."""
        return self.padded_words(self.knobs.max_cache)

    @property
    def cache_blocks(self) -> int:
        """Blocks of cache_lanes rows in the key and value memory."""
        return ceil_div(self.pass_rows(self.knobs.max_tokens), self.knobs.cache_lanes)

    @property
    def hidden_words(self) -> int:
        """Words a token in the hidden memory: hidden features, scores, patches, logits."""
        return self.padded_words(self.knobs.max_hidden)

    @property
    def score_words(self) -> int:
        """Words that the scores of one row fill, at most."""
        return self.padded_words(self.knobs.max_tokens)

    @property
    def max_rows(self) -> int:
        """Rows of scores that an operation can store for the next one."""
        k = self.knobs
        return max(ceil_div(k.max_tokens, k.tokens_parallel) * k.tokens_parallel, MIN_ROWS + k.tokens_parallel)

    @property
    def search_levels(self) -> int:
        """Levels of the tournament by which the router finds the largest logit of a word."""
        return (self.knobs.in_parallel - 1).bit_length()

    @property
    def choose_tokens(self) -> int:
        """Tokens that take turns in the router: a token's search, one level a cycle, ends before its next search."""
        return CHOOSE_FIXED + self.search_levels

    @property
    def max_in_words(self) -> int:
        """Words of the longest inner dimension of a product, the 1x1 convolution of maps among them."""
        maps = self.words(self.knobs.max_map_channels) if self.has_decoders else 0
        return max(self.dim_words, self.query_words, self.hidden_words, self.score_words, maps)

    @property
    def longest_words(self) -> int:
        """Words of the longest inner dimension of a product or a convolution."""
        return max(self.max_in_words, self.convolution_words)

    @property
    def ring_words(self) -> int:
        """Words of operands that the compute unit's ring holds.

        It holds two output tiles of the longest inner dimension. For a convolution beyond the cap it holds more than
        one tile but not two: the next tile's last words come while its first block of pixels is computed, which takes
        longer.
        """
        words = self.convolution_words
        return max(2 * self.max_in_words, words, min(2 * words, CONVOLUTION_RING))

    @property
    def max_inputs(self) -> int:
        """Longest inner dimension of a product."""
        return self.max_in_words * self.knobs.in_parallel

    # Maps of decoders

    @property
    def has_decoders(self) -> bool:
        """Whether the engine convolves maps of pixels."""
        return self.knobs.max_map_width > 0

    @property
    def has_experts(self) -> bool:
        """Whether the engine has a router and token queues."""
        return self.knobs.max_experts > 0

    @property
    def parts(self) -> frozenset[str]:
        """Parts (`hardware.parts`) that the engine has."""
        there = {DECODERS: self.has_decoders, EXPERTS: self.has_experts}
        return frozenset(part for part, has in there.items() if has)

    @property
    def map_words(self) -> int:
        """Largest number of words of a map's pixel."""
        return self.padded_words(self.knobs.max_map_channels) if self.has_decoders else 0

    @property
    def convolution_words(self) -> int:
        """Words of the longest inner dimension of a convolution: nine taps of the channels, or of a token and a one."""
        if not self.has_decoders:
            return 0
        return TAPS * max(self.words(self.knobs.max_map_channels), self.words(self.knobs.max_dim) + 1)

    @property
    def map_row_blocks(self) -> int:
        """Blocks of the longest row of a map."""
        return ceil_div(self.knobs.max_map_width, self.knobs.tokens_parallel)

    @property
    def map_blocks(self) -> int:
        """Largest number of blocks of pixels in an operation: the blocks of a memory, or the limit of rows."""
        return min(self.shared_depth, MOST_ROWS // self.knobs.tokens_parallel) if self.has_decoders else 0

    @property
    def max_routes(self) -> int:
        """Entries of the token queues, all experts together."""
        return self.knobs.frames_per_pass * self.knobs.max_tokens * self.knobs.max_top_k

    @property
    def route_bits(self) -> int:
        """Width of the number of an entry of the token queues."""
        return bits_for(self.max_routes)

    @property
    def memory_depths(self) -> dict[str, int]:
        """Addresses of each activation memory, by name.

        An address holds a word of tokens_parallel tokens; in the cache a word of cache_lanes tokens.
        """
        return {memory.name: self._depth(memory) for memory in MEMORIES.values()}

    def _depth(self, memory: ActivationMemory) -> int:
        blocks = self.cache_blocks if memory.operands else self.blocks
        depth = blocks * int(getattr(self, memory.words))
        if memory.scores:
            depth = max(depth, ceil_div(MIN_ROWS, self.knobs.tokens_parallel) * self.score_words)
        of_maps = {HIDDEN: self.knobs.source_words, QUERY: self.knobs.result_words}
        return max(depth, of_maps.get(memory.name, 0))

    def memory_lanes(self, memory: str) -> int:
        """Neighbouring tokens that an address of an activation memory holds."""
        return self.knobs.cache_lanes if MEMORIES[memory].operands else self.knobs.tokens_parallel

    def value_bits(self, memory: str) -> int:
        """Width of a value in an activation memory, without its tail."""
        return self.cache_bits if MEMORIES[memory].operands else self.knobs.activation_bits

    @property
    def shared_depth(self) -> int:
        """Addresses of the deepest memory among those that share an operation's parameters."""
        depths = self.memory_depths
        return max(depths[name] for name in SPLITTABLE)

    # DDR

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.knobs.port_bits // 8

    @property
    def biases_per_beat(self) -> int:
        """Biases in one beat."""
        return self.knobs.port_bits // BIAS_BITS

    @property
    def step_bytes(self) -> int:
        """Bytes that all weight ports bring in one step of fill_beats beats each."""
        return self.beat_bytes * self.knobs.weight_ports * self.knobs.fill_beats

    @property
    def biases_per_step(self) -> int:
        """Biases that all weight ports bring in one step."""
        return self.biases_per_beat * self.knobs.weight_ports * self.knobs.fill_beats

    @property
    def bias_steps(self) -> int:
        """Steps, of fill_beats beats a port, that bring the biases of one output tile."""
        return ceil_div(self.knobs.out_parallel, self.biases_per_step)

    @property
    def fifo_elements(self) -> int:
        """Elements of the weight FIFO behind each port; one holds fill_beats beats."""
        return self.knobs.weight_fifo_beats // self.knobs.fill_beats

    # LayerNorm

    @property
    def shifts_per_step(self) -> int:
        """Shifts of features, a byte each, that all weight ports bring in one step."""
        return self.step_bytes

    @property
    def shift_words(self) -> int:
        """Words of features whose shifts come in one cycle; 1 if those of a word take longer."""
        return max(1, self.shifts_per_step // self.knobs.in_parallel)

    @property
    def shift_steps(self) -> int:
        """Cycles that bring the shifts of one word of features; 1 if a cycle brings more."""
        return ceil_div(self.knobs.in_parallel, self.shifts_per_step)

    @property
    def centred_bits(self) -> int:
        """Width of a feature minus the mean."""
        return self.knobs.activation_bits + MEAN_FRACTION + 1

    @property
    def feature_sum_bits(self) -> int:
        """Width of a sum of features."""
        return self.knobs.activation_bits + math.ceil(math.log2(self.dim_words * self.knobs.in_parallel)) + 1

    @property
    def square_sum_bits(self) -> int:
        """Width of a sum of squares."""
        return 2 * self.knobs.activation_bits + math.ceil(math.log2(self.dim_words * self.knobs.in_parallel))

    @property
    def variance_bits(self) -> int:
        """Width of n^2 times a variance of n features."""
        return self.square_sum_bits + math.ceil(math.log2(self.knobs.max_dim)) + 2

    @property
    def exp_sum_bits(self) -> int:
        """Width of a softmax row's sum: each of max_tokens or max_experts exponentials is at most 1."""
        terms = max(self.knobs.max_tokens, self.knobs.max_experts)
        return tables.EXP_FRACTION + math.ceil(math.log2(max(terms, 2))) + 2

    # RTL co-simulation

    @property
    def port_depths(self) -> dict[str, int]:
        """Beats behind each AXI port in co-simulation, by name of its buffer: the `depth` of the INTERFACE pragma."""
        words = MOST_WORDS * self.knobs.in_parallel
        operations, tiles, constants, pixels = MOST_OPERATIONS, MOST_TILES, words, 0
        if self.has_decoders:
            operations, tiles = operations + DECODER_OPERATIONS, tiles + DECODER_TILES
            constants += DECODER_WORDS * self.knobs.in_parallel
            # A row of either map begins with a beat.
            pixels = DECODER_ROWS * (2 + ceil_div(DECODER_ROW_BYTES * 8, self.knobs.port_bits))
        return {
            "program": ceil_div(operations * OPERATION_WORDS * 32, self.knobs.port_bits),
            "weights": tiles * (self.operand_parts + self.bias_steps) * self.knobs.fill_beats,
            "constants": ceil_div(constants * 32, self.knobs.port_bits),
            "image": ceil_div(words * 16, self.knobs.port_bits),
            "result": ceil_div(words * 32, self.knobs.port_bits) + pixels,
        }
