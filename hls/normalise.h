// LayerNorm in one pass over a token, and the plain copy that loads, stores and gathers share with it.
#pragma once

#include "count.h"
#include "fifo.h"
#include "functions.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// LayerNorm's factors of a token: result = (x - mean) * mantissa * 2^-shift, in integers.
struct moments_t {
  centred_t mean;  // MEAN_FRACTION more fractional bits than x
  mantissa_t mantissa;
  sint<8> shift;
};

// A token's shift depends on its values. What lies beyond the window is a result of 0, or one that saturates, and so it
// is at the window's end: a mantissa is at least 2^(MANTISSA_BITS - 2), and no product has more bits than the most.
constexpr int NORMAL_SHIFT_LEAST = ACT_BITS < MANTISSA_BITS ? -1 : MANTISSA_BITS - 1 - ACT_BITS;
constexpr int NORMAL_SHIFT_MOST = NORMAL_SHIFT_LEAST + 63;
static_assert(MANTISSA_BITS - 2 - NORMAL_SHIFT_LEAST >= ACT_BITS - 1, "a product that is shifted up must saturate");
static_assert(FINISHED_BITS <= NORMAL_SHIFT_MOST, "a product that is shifted down by the most must vanish");
inline int normal_shift(int shift) {
#pragma HLS INLINE
  return shift < NORMAL_SHIFT_LEAST ? NORMAL_SHIFT_LEAST : shift > NORMAL_SHIFT_MOST ? NORMAL_SHIFT_MOST : shift;
}
// A copy is shifted by -COPY_UP or more (the program keeps to it), so this much is in the window.
constexpr int MEAN_BITS = FEATURE_SUM_BITS + INVERSE_BITS;

// Mean and normalising factor from the sums over n features, S = sum(x) and Q = sum(x^2):
// variance = (n Q - S^2) / n^2, exact in integers (Ba et al., arXiv 1607.06450, section 3); the program gives n^2 eps.
inline moments_t moments(const operation_t op, feature_sum_t sum, square_sum_t squares) {
#pragma HLS INLINE
  const variance_t eps = static_cast<variance_t>((variance_t(op.eps_high) << 31) + op.eps_low);
  const variance_t spread = static_cast<variance_t>(variance_t(op.features) * squares - variance_t(sum) * sum + eps);
  const rsqrt_t root = reciprocal_root(spread);
  const sint<RSQRT_GAIN_BITS> gain = sint<RSQRT_GAIN_BITS>(root.mantissa) * op.features;
  const int surplus = highest_bit<RSQRT_GAIN_BITS>(gain) - (MANTISSA_BITS - 2);
  moments_t result;
  const sint<MEAN_BITS> product = sint<MEAN_BITS>(sum) * op.inverse_features;
  result.mean =
      round_to<MEAN_BITS, ACT_BITS + MEAN_FRACTION + 1, MEAN_SHIFT_LEAST, MEAN_SHIFT_MOST>(product, op.inverse_shift);
  result.mantissa = round_to<RSQRT_GAIN_BITS, MANTISSA_BITS, 0, RSQRT_GAIN_BITS - 1>(gain, surplus);
  result.shift = root.exponent + RSQRT_FRACTION + MEAN_FRACTION - surplus - op.normal_fraction;
  return result;
}

// Rate: one word an iteration, II = 1; tokens x in_words iterations.
// Takes the sums while a token passes; the words wait in the FIFO behind until they are complete.
inline void measure_tokens(const operation_t op, fifo<fine_word_t> &words, fifo<fine_word_t> &measured,
                           fifo<moments_t> &token_moments) {
  if (!moves_words(op)) return;
  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  feature_sum_t sum = 0;
  square_sum_t squares = 0;
  wrapping_t<WORD_BITS> word(op.in_words);

measure_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const fine_word_t values = words.read();
    feature_sum_t word_sum = 0;
    square_sum_t word_squares = 0;
  sum_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      // Features beyond the last are zero in memory, so they add nothing to either sum.
      // The sums average over rounded values: what their tails would add is far below the result's own rounding.
      const act_t value = to_act(values[lane]);
      word_sum += value;
      word_squares += square_sum_t(value) * value;
    }
    sum = word == 0 ? word_sum : feature_sum_t(sum + word_sum);
    squares = word == 0 ? word_squares : square_sum_t(squares + word_squares);
    measured.write(values);
    if (op.kind == KIND_NORMALISE && word.last) token_moments.write(moments(op, sum, squares));
    advance(word);
  }
}

// Rate: one word an iteration, II = 1; in_words iterations for the shifts of the features, then tokens x in_words.
// Gain and offset of LayerNorm are folded into the layers that follow; a copy only moves the binary point.
inline void apply_moments(const operation_t op, fifo<fine_word_t> &measured, fifo<moments_t> &token_moments,
                          fifo<feature_shifts_t> &feature_shifts, fifo<fine_word_t> &results) {
  if (!moves_words(op)) return;
  feature_shifts_t shifts[DIM_WORDS];
#pragma HLS AGGREGATE variable = shifts
  const bool layer_norm = op.kind == KIND_NORMALISE;
  const int shift_words = layer_norm ? op.in_words : 0;

receive_shifts:
  for (int i = 0; i < shift_words; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = DIM_WORDS
    write_at(shifts, i, feature_shifts.read());
  }

  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  moments_t token = {};
  wrapping_t<WORD_BITS> word(op.in_words);

apply_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const fine_word_t values = measured.read();
    if (layer_norm && word == 0) token = token_moments.read();
    feature_shifts_t feature = {};
    if (layer_norm) feature = read_at(shifts, word);
    fine_word_t result;
  apply_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const centred_t centred =
          static_cast<centred_t>(values[lane] * centred_t(1 << (MEAN_FRACTION - TAIL_BITS)) - token.mean);
      const finished_t normal = finished_t(centred) * token.mantissa;
      // A copy with COPY_UP more bits below the point goes through the same shifter.
      const finished_t copy = finished_t(values[lane]) * (1 << COPY_UP);
      const int shift = normal_shift(static_cast<int>(token.shift) + static_cast<int>(feature[lane]));
      result[lane] = round_result<FINISHED_BITS, NORMAL_SHIFT_LEAST, NORMAL_SHIFT_MOST>(
          layer_norm ? normal : copy, layer_norm ? shift : op.out_shift + COPY_UP, layer_norm);
    }
    results.write(result);
    advance(word);
  }
}

}  // namespace edgemoe
