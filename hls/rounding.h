// What follows a product: bias, rounding, GELU, the running maximum and sum of softmax rows, row scales.
#pragma once

#include "functions.h"
#include "fifo.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

using results_t = vec<fine_t, OUT_PARALLEL>;

// A sum of products to an activation: rounded once to TERM_BITS (one DSP operand), scaled by its row where there is a
// scale or passed through GELU, and rounded to the destination's format: to that of the finer memory where it is added.
inline fine_t finish(const operation_t op, acc_t sum, bias_t bias, row_scale_t scale) {
#pragma HLS INLINE
  const bool scaled = (op.flags & FLAG_SCALE) != 0;
  const bool biased = op.operand == OPERAND_WEIGHTS;
  const int finer = biased ? static_cast<int>(bias & ((1 << OUTPUT_SHIFT_BITS) - 1)) : 0;
  const acc_t offset = static_cast<acc_t>(bias >> OUTPUT_SHIFT_BITS);
  const acc_t total = sum + (biased ? shift_left<ACC_BITS>(offset, op.bias_shift + finer) : acc_t(0));
  const int shift = op.term_shift + finer + (scaled ? static_cast<int>(scale.exponent) : 0);
  const term_t term = saturate<TERM_BITS>(round_shift<ACC_BITS>(total, shift));
  finished_t value = term;
  if (scaled) value = finished_t(term) * scale.mantissa;
  if ((op.flags & FLAG_GELU) != 0) value = gelu(term);
  if ((op.flags & FLAG_ACCUMULATE) != 0) {
    return saturate<FINE_BITS>(round_shift<FINISHED_BITS>(value, op.out_shift - TAIL_BITS));
  }
  return to_fine(saturate<ACT_BITS>(round_shift<FINISHED_BITS>(value, op.out_shift)));
}

// Rate: one row of a tile (OUT_PARALLEL values) an iteration, II = 1; out_tiles x blocks x TOKENS_PARALLEL iterations.
// Softmax in one pass (Milakov and Gimelshein, arXiv 1805.02867, section 3): each row keeps the largest score so far
// and the sum of exponentials relative to it; a new maximum rescales the sum. Scores are base-2 logarithms.
inline void round_sums(const operation_t op, fifo<sums_t> &sums, fifo<biases_t> &biases, fifo<row_scale_t> &scales,
                       row_t rows[MAX_ROWS], fifo<results_t> &results) {
  if (op.kind != KIND_PRODUCT) return;
  act_t running_maximum[MAX_ROWS];
  exp_sum_t running_sum[MAX_ROWS];
  const bool scores = op.operand == OPERAND_KEYS;
  const bool biased = op.operand == OPERAND_WEIGHTS;
  const bool scaled = (op.flags & FLAG_SCALE) != 0;
  const int padded = op.blocks * TOKENS_PARALLEL;
  const int iterations = op.out_tiles * padded;
  biases_t bias;
  sums_t block_sums;
#pragma HLS ARRAY_PARTITION variable = block_sums.lane complete dim = 0
  row_scale_t scale;
  int tile = 0;
  int row = 0;
  int lane = 0;

round_rows:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// A row comes back after all others of the operation, which the program pads to MIN_ROWS.
#pragma HLS DEPENDENCE variable = running_maximum inter RAW distance = MIN_ROWS true
#pragma HLS DEPENDENCE variable = running_sum inter RAW distance = MIN_ROWS true
    if (biased && row == 0) bias = biases.read();
    if (lane == 0) block_sums = sums.read();
    if (scaled) scale = scales.read();
    results_t result;
    vec<act_t, OUT_PARALLEL> score;
  round_lanes:
    for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
      result[out] = finish(op, block_sums[lane][out], bias[out], scale);
      score[out] = to_act(result[out]);
    }
    if (scores) {
      const act_t old_maximum = tile == 0 ? act_t(ACT_MINIMUM) : running_maximum[row];
      const exp_sum_t old_sum = tile == 0 ? exp_sum_t(0) : running_sum[row];
      act_t maximum = old_maximum;
    maximum_lanes:
      for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
        const bool exists = tile * OUT_PARALLEL + out < op.keys;
        if (exists && score[out] > maximum) maximum = score[out];
      }
      const sint<ACT_BITS + 1> rise = sint<ACT_BITS + 1>(maximum) - old_maximum;
      exp_sum_t sum = round_shift<EXP_SUM_BITS + EXP_FRACTION + 2>(
          sint<EXP_SUM_BITS + EXP_FRACTION + 2>(old_sum) * exp2_negative(rise, op.score_shift), EXP_FRACTION);
    sum_lanes:
      for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
        const bool exists = tile * OUT_PARALLEL + out < op.keys;
        const sint<ACT_BITS + 1> below =
            exists ? sint<ACT_BITS + 1>(sint<ACT_BITS + 1>(maximum) - score[out]) : sint<ACT_BITS + 1>(0);
        const exp_t value = exp2_negative(below, op.score_shift);
        sum += exists ? value : exp_t(0);
      }
      running_maximum[row] = maximum;
      running_sum[row] = sum;
      if (tile == op.out_tiles - 1) {
        row_t finished;
        finished.maximum = maximum;
        finished.scale = reciprocal(sum);
        rows[row] = finished;
      }
    }
    results.write(result);
    lane = lane == TOKENS_PARALLEL - 1 ? 0 : lane + 1;
    tile = row == padded - 1 ? tile + 1 : tile;
    row = row == padded - 1 ? 0 : row + 1;
  }
}

}  // namespace edgemoe
