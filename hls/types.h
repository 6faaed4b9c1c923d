// Number types, in two variants that give the same bits.
//
// Under Vitis HLS (and with the open ap_types headers) numbers are ap_int of the exact width. With
// EDGEMOE_PLAIN_INTEGERS they are the smallest native integer that holds them. The design proves that no value
// exceeds its width, so both give the same results. Native integers simulate a frame in a fraction of a second.
#pragma once

#include "config.h"

#ifdef EDGEMOE_PLAIN_INTEGERS
#include <cstdint>
#include <type_traits>
#else
#include <ap_int.h>
#endif

namespace edgemoe {

#ifdef EDGEMOE_PLAIN_INTEGERS

template <int BITS>
using sint = std::conditional_t<(BITS <= 32), std::int32_t, std::int64_t>;

// One bus word. Vitis sees one wide unsigned integer, the C simulation an array of 32-bit words.
struct beat_t {
  std::uint32_t word[BEAT_BITS / 32];
};

inline std::uint32_t beat_word(const beat_t &beat, int index) { return beat.word[index]; }
inline void set_beat_word(beat_t &beat, int index, std::uint32_t value) { beat.word[index] = value; }

#else

template <int BITS>
using sint = ap_int<BITS>;

using beat_t = ap_uint<BEAT_BITS>;

inline unsigned beat_word(const beat_t &beat, int index) {
#pragma HLS INLINE
  return beat.range(32 * index + 31, 32 * index).to_uint();
}
inline void set_beat_word(beat_t &beat, int index, unsigned value) {
#pragma HLS INLINE
  beat.range(32 * index + 31, 32 * index) = value;
}

#endif

// A signed field of BITS bits, number `index` from the least significant end; fields fill a beat from below and
// never cross its end.
template <int BITS>
inline sint<BITS> beat_field(const beat_t &beat, int index) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  const int low = index * BITS;
  const int word = low / 32;
  // Most fields lie within a word: this case is kept apart because it is by far the fastest.
  if (32 % BITS == 0)
    return static_cast<sint<BITS>>(static_cast<std::int32_t>(beat.word[word] << (32 - BITS - low % 32)) >> (32 - BITS));
  std::uint64_t window = beat.word[word];
  if (word + 1 < BEAT_BITS / 32) window |= static_cast<std::uint64_t>(beat.word[word + 1]) << 32;
  return static_cast<sint<BITS>>(static_cast<std::int64_t>(window << (64 - BITS - low % 32)) >> (64 - BITS));
#else
  sint<BITS> value;
  value.range(BITS - 1, 0) = beat.range(index * BITS + BITS - 1, index * BITS);
  return value;
#endif
}

// The lowest BITS bits of a value of up to 32 as a signed field.
template <int BITS, typename T>
inline sint<BITS> lowest_field(const T &value) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return static_cast<sint<BITS>>(static_cast<std::int32_t>(static_cast<std::uint32_t>(value) << (32 - BITS)) >>
                                 (32 - BITS));
#else
  return sint<BITS>(value);
#endif
}

// A fixed number of values that travel and are stored together.
template <typename T, int N>
struct vec {
  T lane[N];
  T &operator[](int i) { return lane[i]; }
  const T &operator[](int i) const { return lane[i]; }
};

using act_t = sint<ACT_BITS>;  // activations, scores, logits
using factor_t = sint<FACTOR_BITS>;  // first operand of the compute unit: activations, probabilities
using operand_t = sint<OPERAND_BITS>;  // second one: weights, keys, values
using product_t = sint<FACTOR_BITS + OPERAND_BITS>;
using acc_t = sint<ACC_BITS>;  // sums of products
using term_t = sint<TERM_BITS>;  // a sum after its first rounding
// A bias, and in its lowest OUTPUT_SHIFT_BITS how many more fractional bits its output's weights have than the layer's
// format: each output has a power-of-two scale of its own.
using bias_t = sint<BIAS_BITS>;
using mantissa_t = sint<MANTISSA_BITS>;  // of a row's scale: 1 / sum of a softmax row, or an expert's score
using finished_t = sint<FINISHED_BITS>;  // a term times a mantissa
using exp_t = sint<EXP_FRACTION + 2>;
using exp_sum_t = sint<EXP_SUM_BITS>;  // sum of a softmax row's exponentials
using gelu_t = sint<TERM_BITS + 3>;
using centred_t = sint<ACT_BITS + MEAN_FRACTION + 1>;  // LayerNorm: x - mean
using feature_sum_t = sint<FEATURE_SUM_BITS>;
using square_sum_t = sint<SQUARE_SUM_BITS>;
using variance_t = sint<VARIANCE_BITS>;

// Tokens between layers are finer than activations: their memory keeps TAIL_BITS more below the binary point, in a
// memory of its own. fine = activation * 2^TAIL_BITS + tail, so that the activation alone is the rounded value.
using fine_t = sint<FINE_BITS>;
using tail_t = sint<TAIL_BITS + 1>;

using word_t = vec<act_t, IN_PARALLEL>;  // neighbouring features of one token
using fine_word_t = vec<fine_t, IN_PARALLEL>;
using tail_word_t = vec<tail_t, IN_PARALLEL>;
using tile_t = vec<vec<factor_t, IN_PARALLEL>, TOKENS_PARALLEL>;  // the same features of neighbouring tokens
using sums_t = vec<acc_t, OUT_PARALLEL>;  // of one token
using block_sums_t = vec<sums_t, TOKENS_PARALLEL>;
using part_t = vec<operand_t, PART_VALUES>;  // what one cycle brings of an operand tile
using fill_t = vec<beat_t, FILL_BEATS>;  // what one cycle takes from the FIFO behind a weight port
using biases_t = vec<bias_t, OUT_PARALLEL>;
using row_sums_t = vec<exp_sum_t, TOKENS_PARALLEL>;  // sums of the exponentials of neighbouring rows
using score_words_t = vec<word_t, SCORE_ROWS>;  // the same scores of neighbouring rows, rounded in one cycle

// One activation memory: an address holds the same word of TOKENS_PARALLEL neighbouring tokens, one a lane.
// Token t, word c of a matrix with `stride` words a token: address (t / TOKENS_PARALLEL) * stride + c,
// lane t % TOKENS_PARALLEL.
using memory_row_t = word_t[TOKENS_PARALLEL];
using tail_row_t = tail_word_t[TOKENS_PARALLEL];
// Keys and values are read a tile of the unit at a time, whose side is no multiple of every TOKENS_PARALLEL: their
// memory has lanes of its own, and a width.
using cache_t = sint<CACHE_BITS>;
using cache_word_t = vec<cache_t, IN_PARALLEL>;
using cache_row_t = cache_word_t[CACHE_LANES];
// The largest score so far of the rows of one block.
using maxima_row_t = act_t[TOKENS_PARALLEL];
// Operands of the unit: one word of inputs by an output tile, [in][out] cut into the parts that a cycle brings.
using ring_row_t = part_t[OPERAND_PARTS];

// One instance of an operation's hardware serves memories that are as deep as the deepest where that costs nothing, and
// shallower elsewhere: its ports count to the deepest, FIRST_DEPTH. Synthesis wants the size of every array parameter
// (UG1399, "Arrays on the Interface"). A memory whose depth fills UltraRAMs badly keeps its last addresses in BRAM, in
// an array of its own of up to REST_DEPTH.
constexpr bool SPLIT = SPLIT_DEPTH > 0;

// The factor of a row's results: 1 / sum of a softmax row, or an expert's score.
struct row_scale_t {
  mantissa_t mantissa;  // MANTISSA_FRACTION fractional bits
  sint<8> exponent;  // the factor is mantissa * 2^-exponent
};

// How far LayerNorm shifts each feature down: features with outliers more, the weights that read them up in turn.
using feature_shifts_t = vec<sint<8>, IN_PARALLEL>;

// A token's place, kept as block and lane so that no address needs a division.
template <int BITS>
struct place_of {
  sint<BITS> block;
  sint<8> lane;
};
using place_t = place_of<TOKEN_BITS>;
template <int BITS>
inline void step_to_next(place_of<BITS> &place) {
#pragma HLS INLINE
  if (place.lane == TOKENS_PARALLEL - 1) {
    place.block += 1;
    place.lane = 0;
  } else {
    place.lane += 1;
  }
}

#ifdef EDGEMOE_EXPERTS
struct route_t {
  place_t place;
  sint<EXPERT_BITS> expert;
  mantissa_t score;
};
#endif

}  // namespace edgemoe
