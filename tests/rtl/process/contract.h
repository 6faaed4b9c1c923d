// What callers promise the processes, as far as several of them share it: what verify.py asks of every operation.
#pragma once

#include "operation.h"

namespace edgemoe {

inline int least(int a, int b) { return a < b ? a : b; }
inline int most(int a, int b) { return a > b ? a : b; }
inline int quotient_up(int a, int b) { return (a + b - 1) / b; }
template <int N>
inline int one_of(const int (&values)[N]) {
  return values[between(0, N - 1)];
}
inline bool once_in(int many) { return between(1, many) == 1; }

// A matrix of so many words a row and blocks of rows somewhere in a memory, as often as not at its end.
inline void place_matrix(std::int16_t &block, std::int16_t &stride, std::int16_t &word, int words, int blocks,
                         int depth) {
  blocks = most(blocks, 1);
  if (words * blocks > depth) std::abort();
  stride = between(words, least(words + 5, depth / blocks));
  const bool at_end = once_in(2);
  const int last_block = least(depth / stride, 1 << (TOKEN_BITS - 1)) - blocks;
  word = at_end ? stride - words : between(0, stride - words);
  block = at_end ? last_block : between(0, last_block);
}

// Fields of a product, but for where it reads and writes. `rows`: of the shortest matrix of scores.
inline void make_product(operation_t &op, int most_words, int most_tiles, int rows) {
  op.kind = KIND_PRODUCT;
  op.operand = between(OPERAND_WEIGHTS, OPERAND_VALUES);
  op.tokens = between(1, 3 * TOKENS_PARALLEL);
  op.blocks = quotient_up(op.tokens, TOKENS_PARALLEL);
  op.in_words = between(1, most_words);
  op.out_tiles = between(1, most_tiles);
  if (op.operand == OPERAND_KEYS) {
    op.keys = between(1, least(most_tiles * OUT_PARALLEL, MAX_TOKENS));
    op.out_tiles = quotient_up(op.keys, OUT_PARALLEL);
    op.blocks = most(op.blocks, quotient_up(rows, TOKENS_PARALLEL));
  } else if (op.operand == OPERAND_VALUES) {
    op.keys = between(1, least(most_words * IN_PARALLEL, MAX_TOKENS));
    op.in_words = quotient_up(op.keys, IN_PARALLEL);
    op.flags = FLAG_SCALE;
  } else if (once_in(6)) {
    op.tokens = op.blocks = 0;  // a queue may be empty
  }
  if (op.operand == OPERAND_WEIGHTS && NARROW_BITS < WEIGHT_BITS && once_in(2)) op.flags = FLAG_NARROW;
  op.score_shift = between(0, SCORE_SHIFT_MOST);
  if (once_in(3)) op.flags |= FLAG_AHEAD;
}

// Where a product's keys or values lie.
inline void place_operand(operation_t &op) {
  if (op.operand == OPERAND_WEIGHTS) return;
  const int words = op.operand == OPERAND_KEYS ? op.in_words : op.out_tiles * OUT_WORDS;
  op.operand_blocks = quotient_up(op.keys, CACHE_LANES);
  place_matrix(op.operand_block, op.operand_stride, op.operand_word, words, op.operand_blocks, CACHE_DEPTH);
}

// Shifts of a product's results, within the windows of the kernels.
inline void make_shifts(operation_t &op) {
  constexpr int FINER = (1 << OUTPUT_SHIFT_BITS) - 1;
  const bool values = op.operand == OPERAND_VALUES;
  op.bias_shift = between(0, BIAS_SHIFT_MOST - FINER);
  op.term_shift = between(SUM_SHIFT_LEAST, SUM_SHIFT_MOST - (values ? EXP_SUM_BITS - EXP_FRACTION : FINER));
  const bool plain = (op.flags & (FLAG_SCALE | FLAG_GELU)) == FLAG_SCALE;
  const int up = (plain ? 0 : RESULT_UP) - ((op.flags & FLAG_ACCUMULATE) != 0 ? TAIL_BITS : 0);
  op.out_shift = between(0, RESULT_SHIFT_MOST) - up;
  if (op.operand == OPERAND_KEYS) op.out_shift = between(0, SCORE_SUM_SHIFT_MOST) - op.term_shift;
}

}  // namespace edgemoe
