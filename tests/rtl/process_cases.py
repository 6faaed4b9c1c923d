"""Processes that are tested alone, with what their callers promise them.

Helpers of the C++ are in `process/contract.h`. Chance takes place within the contract alone: beyond it kernels and
modules may differ, as C leaves undefined what they would do.
"""

from __future__ import annotations

from tests.rtl.process_bench import Case

_NORMALISE = """
op.kind = between(0, 3) == 0 ? KIND_GATHER : between(0, 2) ? KIND_NORMALISE : KIND_LOAD;
op.kind = between(0, 5) == 0 ? KIND_STORE : op.kind;
op.tokens = between(0, 5);
op.in_words = between(1, 6);
op.features = op.in_words * IN_PARALLEL;
const int shift = 23 + 31 - __builtin_clz(op.features);
op.inverse_shift = shift - MEAN_FRACTION;
op.inverse_features = ((1 << shift) + op.features / 2) / op.features;
op.eps_low = between(1, 1 << 30);
op.normal_fraction = between(4, 14);
op.out_shift = between(0, 10);
"""
_ROUTES = "op.top_k = between(1, MAX_TOP_K); op.tokens = between(1, least(20, MAX_ROUTES / op.top_k));"
_BURSTS = """
static int left = 0;  // transfers until the last one
static void make_order(transfer_t &e, int beats) {
  e.last = left-- == 0;
  e.first = between(0, 1 << 20);
  e.beats = e.last ? 0 : beats;
}
"""
_ORDERS = "left = between(0, 4);"

_CASES = (
    Case("measure_tokens", "normalise.h", _NORMALISE),
    Case(
        "apply_moments",
        "normalise.h",
        _NORMALISE,
        elements={
            "token_moments": "e.mantissa = between(0, (1 << 17) - 1); e.shift = between(6, 40);",
            "feature_shifts": "for (auto &lane : e.lane) lane = between(0, 6);",
        },
    ),
    Case(
        "choose_experts",
        "route.h",
        """
op.expert_end = between(1, MAX_EXPERTS);
op.expert_first = once_in(2) ? 0 : between(0, op.expert_end - 1);
op.top_k = between(1, least(MAX_TOP_K, op.expert_end - op.expert_first));
op.in_words = quotient_up(op.expert_end, IN_PARALLEL);
op.score_shift = between(0, SCORE_SHIFT_MOST);
const bool frames = once_in(3);
op.frame_tokens = frames ? between(1, 2 * TOKENS_PARALLEL + 1) : 0;
op.tokens = frames ? op.frame_tokens * between(2, 3) : between(1, 20);
op.frame_gap = frames ? between(1, 2) : 0;
const int blocks = frames ? 3 * (op.frame_gap + 2) : quotient_up(op.tokens, TOKENS_PARALLEL);
place_matrix(op.source_block, op.source_stride, op.source_word, op.in_words, blocks, HIDDEN_DEPTH);
op.source_block = 0;
""",
    ),
    Case(
        "weigh_choices",
        "route.h",
        _ROUTES
        + "op.flags = once_in(2) ? FLAG_SOFTMAX_AFTER_TOP_K : 0; op.score_shift = between(0, SCORE_SHIFT_MOST);",
        elements={"choices": "for (auto &logit : e.logit) if (logit > e.logit[0]) e.logit[0] = logit;"},
    ),
    Case(
        "score_choices",
        "route.h",
        _ROUTES + "op.score_threshold = between(-(1 << 17), 1 << 17);",
        elements={
            "powers": "e.value = between(0, once_in(3) ? 255 : 1 << EXP_FRACTION);",
            "totals": "e = between(1L << EXP_FRACTION, (1L << (EXP_SUM_BITS - 1)) - 1);",
        },
    ),
    Case(
        "fill_queues",
        "route.h",
        "op.top_k = between(1, MAX_TOP_K); op.tokens = between(1, least(60, MAX_ROUTES / op.top_k));"
        "op.expert_end = between(1, least(MAX_EXPERTS, 16));",
        elements={"routes": "e.expert = between(0, op.expert_end - 1);"},
    ),
    Case(
        "gather_tokens",
        "queue.h",
        "op.gather_rows = between(0, least(30, 4 * TOKENS_PARALLEL)); op.gather_words = between(1, 6);"
        "op.gather_stride = between(6, 12); op.gather_first = between(0, MAX_ROUTES - 30);",
        memories={
            "places": "e.block = between(0, least(60, NORMED_DEPTH / 12 - 1));e.lane = between(0, TOKENS_PARALLEL - 1);"
        },
    ),
    Case(
        "dispatch",
        "queue.h",
        "op.kind = between(0, 3) ? KIND_PRODUCT : KIND_STORE; op.flags = between(0, 3) ? FLAG_SCATTER : 0;"
        "op.blocks = between(0, 8); op.tokens = between(0, 16); op.out_tiles = between(0, 4);"
        "op.queue_first = between(0, MAX_ROUTES - 16);",
    ),
    Case(
        "load_tokens",
        "tokens.h",
        """
op.kind = one_of({KIND_PRODUCT, KIND_PRODUCT, KIND_PRODUCT, KIND_LOAD, KIND_STORE, KIND_NORMALISE, KIND_GATHER});
op.path = between(0, PATH_HIDDEN_TO_RESIDUAL);
op.tokens = between(1, 3 * TOKENS_PARALLEL);
op.in_words = between(1, 5);
op.flags = op.kind == KIND_LOAD && once_in(2) ? FLAG_WIDE : 0;
if (op.kind == KIND_PRODUCT) make_product(op, 5, 3, 32);
const int blocks = most(op.blocks, quotient_up(op.tokens, TOKENS_PARALLEL));
const int depth = is_from_residual(op) ? RESIDUAL_DEPTH : FIRST_DEPTH + (SPLIT ? REST_DEPTH : 0);
place_matrix(op.source_block, op.source_stride, op.source_word, op.in_words,
             op.operand == OPERAND_KEYS ? quotient_up(op.tokens, TOKENS_PARALLEL) : blocks, depth);
""",
    ),
    Case(
        "load_operands",
        "operands.h",
        """
op.kind = one_of({KIND_PRODUCT, KIND_PRODUCT, KIND_NORMALISE, KIND_LOAD});
op.in_words = between(1, DIM_WORDS);
if (op.kind == KIND_PRODUCT) make_product(op, 5, 3, 1);
place_operand(op);
following.kind = one_of({KIND_PRODUCT, KIND_PRODUCT, KIND_NORMALISE, KIND_STORE});
if (following.kind == KIND_PRODUCT) make_product(following, 5, 3, 1);
place_operand(following);
""",
    ),
    Case(
        "multiply",
        "multiply.h",
        """
const bool fills_ring = once_in(8);
op.kind = once_in(6) ? KIND_NORMALISE : KIND_PRODUCT;
if (op.kind == KIND_PRODUCT) make_product(op, fills_ring ? RING_WORDS / 2 : 5, fills_ring ? OPEN_TILES + 3 : 4, 1);
following.kind = once_in(4) ? KIND_STORE : KIND_PRODUCT;
if (following.kind == KIND_PRODUCT) make_product(following, 5, 4, 1);
op.ring_word = between(0, RING_WORDS - 1);
op.ring_tile = between(0, OPEN_TILES - 1);
following.ring_word = (op.ring_word + op.out_tiles * op.in_words) % RING_WORDS;
following.ring_tile = (op.ring_tile + op.out_tiles) % OPEN_TILES;
""",
    ),
    Case(
        "round_sums",
        "rounding.h",
        """
op.kind = once_in(6) ? KIND_NORMALISE : KIND_PRODUCT;
if (op.kind == KIND_PRODUCT) make_product(op, 5, 3, 32);
op.flags &= ~(FLAG_AHEAD | FLAG_NARROW);
if (op.operand == OPERAND_WEIGHTS) {
  op.flags |= (once_in(2) ? FLAG_GELU : 0) | (once_in(2) ? FLAG_ACCUMULATE : 0);
  op.flags |= once_in(2) ? FLAG_SCATTER | FLAG_SCALE : 0;
}
make_shifts(op);
""",
        elements={
            "scales": "e.exponent = 0; if (e.mantissa < 0) e.mantissa = -1 - e.mantissa;",
            "row_sums": "for (auto &lane : e.lane) lane = between(1L << EXP_FRACTION, (1L << (EXP_SUM_BITS - 1)) - 1);",
        },
    ),
    Case(
        "store_results",
        "store.h",
        """
op.kind = one_of({KIND_PRODUCT, KIND_PRODUCT, KIND_PRODUCT, KIND_LOAD, KIND_STORE, KIND_NORMALISE, KIND_GATHER});
op.path = once_in(4) ? PATH_NORMED_TO_CACHE : between(0, PATH_HIDDEN_TO_RESIDUAL);
op.tokens = between(1, 3 * TOKENS_PARALLEL);
op.in_words = between(1, 5);
if (op.kind == KIND_PRODUCT) make_product(op, 5, 3, 32);
if (op.kind == KIND_PRODUCT && op.operand == OPERAND_KEYS) op.path = PATH_QUERY_TO_HIDDEN;
if (op.kind == KIND_PRODUCT && op.operand == OPERAND_WEIGHTS) {
  op.flags = (once_in(2) && !is_to_cache(op) ? FLAG_ACCUMULATE : 0) | (once_in(2) ? FLAG_SCATTER | FLAG_SCALE : 0);
  if ((op.flags & FLAG_SCATTER) != 0) op.path = PATH_HIDDEN_TO_RESIDUAL;
  op.old_shift = between(OLD_SHIFT_LEAST, OLD_SHIFT_MOST);
}
const int depth = is_to_cache(op) ? CACHE_DEPTH
                  : is_to_residual(op) ? RESIDUAL_DEPTH : FIRST_DEPTH + (SPLIT ? REST_DEPTH : 0);
const bool scatters = (op.flags & FLAG_SCATTER) != 0;
const int lanes = is_to_cache(op) ? CACHE_LANES : TOKENS_PARALLEL;
const int row_words = op.kind == KIND_PRODUCT ? op.out_tiles * OUT_WORDS : op.in_words;
place_matrix(op.destination_block, op.destination_stride, op.destination_word, row_words,
             quotient_up(scatters ? PLACES : op.tokens, lanes), depth);
if (scatters) op.destination_block = 0;
padded = op.blocks * TOKENS_PARALLEL;
row = 0;
step = between(1, PLACES - 1);
first = between(0, PLACES - 1);
""",
        # No token is twice in a queue: rows of a tile go to distinct places, the next tile's to the same ones.
        elements={
            "destinations": """
const int place = (first + row * step) % PLACES;
e.block = place / TOKENS_PARALLEL;
e.lane = place % TOKENS_PARALLEL;
row = row + 1 == padded ? 0 : row + 1;
"""
        },
        state="constexpr int PLACES = 31;  // a prime number\nstatic int padded, row, step, first;",
    ),
    Case(
        "fetch_weights",
        "fetch.h",
        _ORDERS,
        elements={"orders": "make_order(e, FILL_BEATS * between(1, 6));"},
        state=_BURSTS,
    ),
    Case("fetch_input", "fetch.h", _ORDERS, elements={"orders": "make_order(e, between(0, 8));"}, state=_BURSTS),
    Case("write_result", "fetch.h", _ORDERS, elements={"orders": "make_order(e, between(0, 8));"}, state=_BURSTS),
    Case(
        "read_program",
        "fetch.h",
        "operations = between(0, 5); wrong = once_in(5) ? between(0, 2) : -1;",
        elements={
            "program": """
const int first = static_cast<int>(index) * (BEAT_BITS / 32);  // word
for (int w = 0; w < BEAT_BITS / 32; ++w) {
  const int at = first + w;
  if (at == HEADER_MAGIC_WORD) set_beat_word(e, w, PROGRAM_MAGIC ^ (wrong == 0));
  if (at == HEADER_DESIGN_WORD) set_beat_word(e, w, DESIGN_ID_LOW ^ (wrong == 1) << 31);
  if (at == HEADER_DESIGN_WORD + 1) set_beat_word(e, w, DESIGN_ID_HIGH ^ (wrong == 2) << 9);
  if (at == HEADER_OPERATIONS_WORD) set_beat_word(e, w, operations);
  if (at >= OPERATION_WORDS && at % OPERATION_WORDS == KIND_WORD) {
    set_beat_word(e, w, (beat_word(e, w) & 0xffff0000u) | static_cast<unsigned>(between(0, KIND_END - 1)));
  }
}
""",
        },
        state="constexpr int KIND_WORD = 8;\nstatic int operations, wrong;",
    ),
)
CASES = {case.name: case for case in _CASES}
