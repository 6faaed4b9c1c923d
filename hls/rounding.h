// The steps after a product: bias, rounding, GELU, row scales, the running maximum of rows of scores.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "functions.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

using results_t = vec<fine_t, OUT_PARALLEL>;

// Turns a sum of products into an activation: rounds it once to TERM_BITS (one DSP operand), applies the row's scale or
// GELU if there is one, and rounds to the destination's format (an added result to the format of the finer memory).
// All three go through one shifter; a product's mantissa has its bits in the shift already.
inline fine_t finish(const operation_t op, acc_t sum, bias_t bias, row_scale_t scale) {
#pragma HLS INLINE
  const bool scaled = (op.flags & FLAG_SCALE) != 0;
  const bool biased = op.operand == OPERAND_WEIGHTS;
  const bool curved = (op.flags & FLAG_GELU) != 0;
  const bool accumulates = (op.flags & FLAG_ACCUMULATE) != 0;
  const int finer = biased ? static_cast<int>(bias & ((1 << OUTPUT_SHIFT_BITS) - 1)) : 0;
  const sint<BIAS_BITS - OUTPUT_SHIFT_BITS> offset =
      static_cast<sint<BIAS_BITS - OUTPUT_SHIFT_BITS>>(bias >> OUTPUT_SHIFT_BITS);
  const acc_t added = shift_up<BIAS_BITS - OUTPUT_SHIFT_BITS, ACC_BITS, BIAS_SHIFT_MOST>(offset, op.bias_shift + finer);
  const acc_t total = sum + (biased ? added : acc_t(0));
  const int shift = op.term_shift + finer + (scaled ? static_cast<int>(scale.exponent) : 0);
  term_t term = round_to<ACC_BITS, TERM_BITS, SUM_SHIFT_LEAST, SUM_SHIFT_MOST>(total, shift);
#ifdef EDGEMOE_DECODERS
  if ((op.flags & FLAG_RELU) != 0 && term < 0) term = 0;
#endif
  finished_t value = finished_t(term) * (1 << RESULT_UP);
  if (scaled) value = finished_t(term) * scale.mantissa;
  if (curved) value = finished_t(gelu(term)) * (1 << RESULT_UP);
  const int out_shift = op.out_shift + (scaled && !curved ? 0 : RESULT_UP) - (accumulates ? TAIL_BITS : 0);
  return round_result<FINISHED_BITS, 0, RESULT_SHIFT_MOST>(value, out_shift, !accumulates);
}

// The sums of neighbouring tokens come side by side: one FIFO of all would be wider than a stream may be.
inline void read_block(fifo<sums_t> (&sums)[TOKENS_PARALLEL], block_sums_t &block) {
#pragma HLS INLINE
read_tokens:
  for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
    block[token] = sums[token].read();
  }
}

// Rate: one row of a tile (OUT_PARALLEL values) an iteration, II = 1; out_tiles x blocks x TOKENS_PARALLEL iterations.
inline void round_rows(const operation_t op, fifo<sums_t> (&sums)[TOKENS_PARALLEL], fifo<biases_t> &biases,
#ifdef EDGEMOE_EXPERTS
                       fifo<row_scale_t> &scales, fifo<row_sums_t> &row_sums, fifo<results_t> &results) {
#else
                       fifo<row_sums_t> &row_sums, fifo<results_t> &results) {
#endif
  const bool biased = op.operand == OPERAND_WEIGHTS;
  const bool softmax = op.operand == OPERAND_VALUES;
#ifdef EDGEMOE_EXPERTS
  const bool scattered = (op.flags & FLAG_SCATTER) != 0;
#endif
  const int padded = op.blocks * TOKENS_PARALLEL;
  const int iterations = op.out_tiles * padded;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  biases_t bias = {};
  block_sums_t block_sums = {};
  row_sums_t row_sum = {};
#pragma HLS ARRAY_PARTITION variable = bias.lane complete
#pragma HLS ARRAY_PARTITION variable = block_sums.lane complete dim = 0
#pragma HLS ARRAY_PARTITION variable = row_sum.lane complete
  wrapping_t<ROW_BITS> row(padded);
  wrapping_t<8> lane(TOKENS_PARALLEL);

round_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (biased && row == 0) bias = biases.read();
    if (lane == 0) read_block(sums, block_sums);
    if (softmax && lane == 0) row_sum = row_sums.read();
    row_scale_t scale = {};
#ifdef EDGEMOE_EXPERTS
    if (scattered) scale = scales.read();
#endif
    if (softmax) scale = reciprocal(pick(row_sum.lane, lane));
    results_t result;
  round_lanes:
    for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
      acc_t of_tokens[TOKENS_PARALLEL];
#pragma HLS ARRAY_PARTITION variable = of_tokens complete
    round_tokens:
      for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        of_tokens[token] = block_sums[token][out];
      }
      result[out] = finish(op, pick(of_tokens, lane), bias[out], scale);
    }
    results.write(result);
    advance(lane);
    advance(row);
  }
}

// Rate: one word of SCORE_ROWS rows an iteration, II = 1; out_tiles x blocks x OUT_WORDS x SCORE_GROUPS iterations.
// Scores are rounded once, to activations; each row keeps the largest so far, in base-2 logarithms.
inline void round_scores(const operation_t op, fifo<sums_t> (&sums)[TOKENS_PARALLEL], maxima_row_t maxima[SCORE_BLOCKS],
                         fifo<score_words_t> &scores) {
  const int iterations = op.out_tiles * op.blocks * OUT_WORDS * SCORE_GROUPS;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  block_sums_t block_sums = {};
  act_t largest[TOKENS_PARALLEL];  // of the block's rows so far
#pragma HLS ARRAY_PARTITION variable = block_sums.lane complete dim = 0
#pragma HLS ARRAY_PARTITION variable = largest complete
clear_largest:
  for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
#pragma HLS UNROLL
    largest[lane] = ACT_MINIMUM;
  }
  score_place_t at(op.blocks);

score_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// A block comes back after all others of the operation, which the program pads to MIN_ROWS rows.
#pragma HLS DEPENDENCE variable = maxima inter RAW distance = SCORE_DISTANCE true
    if (at.word == 0 && at.group == 0) read_block(sums, block_sums);
    score_words_t score;
    act_t maximum[SCORE_ROWS];
#pragma HLS ARRAY_PARTITION variable = maximum complete
  score_rows:
    for (int r = 0; r < SCORE_ROWS; ++r) {
#pragma HLS UNROLL
      act_t maxima_of_lanes[IN_PARALLEL];
#pragma HLS ARRAY_PARTITION variable = maxima_of_lanes complete
    score_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        // By group and word, not by row and column: a choice among those that can come to this place.
        acc_t of_groups[SCORE_GROUPS];
#pragma HLS ARRAY_PARTITION variable = of_groups complete
      score_groups:
        for (int group = 0; group < SCORE_GROUPS; ++group) {
#pragma HLS UNROLL
          const int token = group * SCORE_ROWS + r < TOKENS_PARALLEL ? group * SCORE_ROWS + r : 0;
          acc_t of_words[OUT_WORDS];
#pragma HLS ARRAY_PARTITION variable = of_words complete
        score_words:
          for (int word = 0; word < OUT_WORDS; ++word) {
#pragma HLS UNROLL
            of_words[word] = block_sums[token][word * IN_PARALLEL + l];
          }
          of_groups[group] = pick(of_words, at.word);
        }
        score[r][l] = round_to<ACC_BITS, ACT_BITS, 0, SCORE_SUM_SHIFT_MOST>(pick(of_groups, at.group),
                                                                            op.term_shift + op.out_shift);
        const bool exists = at.tile * OUT_PARALLEL + at.word * IN_PARALLEL + l < op.keys;
        maxima_of_lanes[l] = exists ? score[r][l] : act_t(ACT_MINIMUM);
      }
      maximum[r] = largest_of<SEARCH_LEVELS>(maxima_of_lanes);
    }
  // By lane, not by row of scores: a bank that is a constant has one access a cycle, which synthesis need not prove.
  score_maxima:
    for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
#pragma HLS UNROLL
      // One comparison and one multiplexer are on the way from one iteration to the next: a row of another group finds
      // nothing larger, and a row's own maximum is cleared behind its word of scores.
      const bool here = at.group == lane / SCORE_ROWS;
      act_t found = here ? maximum[lane % SCORE_ROWS] : act_t(ACT_MINIMUM);
      if (here && at.word == 0 && at.tile > 0) {
        const act_t before = read_lane(maxima, at.block, lane);
        found = before > found ? before : found;
      }
      const bool done = here && at.word.last;
      const bool larger = found > largest[lane];
      const act_t now = larger ? found : largest[lane];
      if (done) write_lane(maxima, at.block, lane, now);
      const act_t kept = done ? act_t(ACT_MINIMUM) : largest[lane];
      largest[lane] = larger && !done ? found : kept;
    }
    scores.write(score);
    step_to_next(at);
  }
}

inline void round_sums(const operation_t op, fifo<sums_t> (&sums)[TOKENS_PARALLEL], fifo<biases_t> &biases,
#ifdef EDGEMOE_EXPERTS
                       fifo<row_scale_t> &scales, fifo<row_sums_t> &row_sums, maxima_row_t maxima[SCORE_BLOCKS],
#else
                       fifo<row_sums_t> &row_sums, maxima_row_t maxima[SCORE_BLOCKS],
#endif
                       fifo<results_t> &results, fifo<score_words_t> &scores) {
#pragma HLS ARRAY_PARTITION variable = maxima complete dim = 2
  if (op.kind == KIND_PRODUCT) {
    if (op.operand == OPERAND_KEYS) {
      round_scores(op, sums, maxima, scores);
    } else {
#ifdef EDGEMOE_EXPERTS
      round_rows(op, sums, biases, scales, row_sums, results);
#else
      round_rows(op, sums, biases, row_sums, results);
#endif
    }
  }
}

}  // namespace edgemoe
