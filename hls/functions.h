// The non-linear functions, each a small table with linear interpolation. Tables and their error bounds are computed
// by the generator (numerics/tables.py) and rendered into tables.h.
#pragma once

#include "arith.h"
#include "tables.h"

namespace edgemoe {

// 2^-(difference * 2^shift / 2^EXP_POSITION_BITS), with EXP_FRACTION fractional bits; 0 <= shift <= SCORE_SHIFT_MOST.
// `difference` >= 0 is a row's maximum minus a score, both in base-2 logarithms; for a negative difference the result
// has no meaning.
inline exp_t exp2_negative(sint<ACT_BITS + 1> difference, int shift) {
#pragma HLS INLINE
  constexpr int WHOLE_BITS = levels_t<EXP_FRACTION + 1>::value;
#ifdef EDGEMOE_PLAIN_INTEGERS
  const sint<63> position = sint<63>(difference) * (sint<63>(1) << shift);
  const bool beyond = (position >> EXP_POSITION_BITS) > EXP_FRACTION || position < 0;
#else
  constexpr int POSITION_BITS = WHOLE_BITS + EXP_POSITION_BITS;
  // Only the bits that a result other than zero can have are shifted; whether there are more is seen on the way.
  bool beyond = false;
  const ap_uint<POSITION_BITS> position =
      shift_out_t<POSITION_BITS, (SCORE_SHIFT_MOST + 1) / 2>::of(ap_uint<POSITION_BITS>(difference), shift, beyond);
  if ((position >> EXP_POSITION_BITS) > EXP_FRACTION) beyond = true;
#endif
  const int whole = static_cast<int>(position >> EXP_POSITION_BITS) & ((1 << WHOLE_BITS) - 1);
  const sint<32> part = static_cast<sint<32>>(position & ((1 << EXP_POSITION_BITS) - 1));
  const exp_t value = interpolate<EXP_POSITION_BITS - EXP_INDEX_BITS, EXP_FRACTION + 2, EXP2_TABLE_RISE_BITS>(
      EXP2_TABLE, EXP2_TABLE_RISES, part);
  // Rounded as round_to does, with one shifter.
  const sint<EXP_FRACTION + 3> twice =
      static_cast<sint<EXP_FRACTION + 3>>((sint<EXP_FRACTION + 3>(value) * 2) >> whole);
  return beyond ? exp_t(0) : exp_t((twice + 1) >> 1);
}

// 1 / sum as a row scale; `sum` has EXP_FRACTION fractional bits and is at least 1.
inline row_scale_t reciprocal(exp_sum_t sum) {
#pragma HLS INLINE
  const int exponent = highest_bit<EXP_SUM_BITS>(sum) - EXP_FRACTION;
  // sum = (1 + rest) * 2^exponent, rest with RECIPROCAL_POSITION_BITS bits; rounded, it may be 2 * 2^exponent.
  constexpr int DOWN = EXP_FRACTION - RECIPROCAL_POSITION_BITS;  // at exponent 0, the least
  const sint<RECIPROCAL_POSITION_BITS + 3> normal =
      round_to<EXP_SUM_BITS, RECIPROCAL_POSITION_BITS + 3, DOWN, DOWN + EXP_SUM_BITS - EXP_FRACTION>(sum,
                                                                                                     exponent + DOWN) -
      (1 << RECIPROCAL_POSITION_BITS);
  const sint<32> rest = static_cast<sint<32>>(saturate<RECIPROCAL_POSITION_BITS + 1>(normal));
  row_scale_t scale;
  scale.mantissa =
      interpolate<RECIPROCAL_POSITION_BITS - RECIPROCAL_INDEX_BITS, MANTISSA_BITS, RECIPROCAL_TABLE_RISE_BITS>(
          RECIPROCAL_TABLE, RECIPROCAL_TABLE_RISES, rest);
  scale.exponent = exponent;
  return scale;
}

// GELU(x) = max(x, 0) - d(|x|) with d(x) = x * (1 - Phi(x)), which vanishes beyond the table.
// x has GELU_FRACTION fractional bits; the result has GELU_OUT_FRACTION.
inline gelu_t gelu(term_t x) {
#pragma HLS INLINE
  const sint<TERM_BITS + 1> magnitude =
      x < 0 ? static_cast<sint<TERM_BITS + 1>>(-x) : static_cast<sint<TERM_BITS + 1>>(x);
  const gelu_t relu = x < 0 ? gelu_t(0) : static_cast<gelu_t>(gelu_t(x) << (GELU_OUT_FRACTION - GELU_FRACTION));
  // Segments beyond the knee are twice as wide, so distances from it count half.
  const sint<TERM_BITS + 2> position =
      magnitude < GELU_KNEE ? sint<TERM_BITS + 2>(magnitude) : sint<TERM_BITS + 2>((magnitude + GELU_KNEE) >> 1);
  const bool beyond = (position >> (GELU_FRACTION - GELU_STEP_BITS)) >= GELU_TABLE_SEGMENTS;
  if (beyond) return relu;
  return relu - interpolate<GELU_FRACTION - GELU_STEP_BITS, GELU_OUT_FRACTION, GELU_TABLE_RISE_BITS>(
                    GELU_TABLE, GELU_TABLE_RISES, static_cast<sint<32>>(position));
}

// 1 / sqrt(value) for value >= 1 as mantissa * 2^-exponent, mantissa with RSQRT_FRACTION fractional bits.
struct rsqrt_t {
  sint<RSQRT_FRACTION + 2> mantissa;
  sint<8> exponent;
};
inline rsqrt_t reciprocal_root(variance_t value) {
#pragma HLS INLINE
  const int half = highest_bit<VARIANCE_BITS>(value) / 2;
  // value = m * 4^half with m in [1, 4), kept with RSQRT_POSITION_BITS fractional bits; the table starts at m = 1.
  constexpr int SCALED_BITS = RSQRT_POSITION_BITS + 4;
  const sint<SCALED_BITS> scaled =
      round_to<VARIANCE_BITS, SCALED_BITS, -RSQRT_POSITION_BITS, VARIANCE_BITS - RSQRT_POSITION_BITS>(
          value, 2 * half - RSQRT_POSITION_BITS);
  const sint<SCALED_BITS> limit = (sint<SCALED_BITS>(4) << RSQRT_POSITION_BITS) - 1;
  const sint<32> position = static_cast<sint<32>>(scaled > limit ? limit : scaled) - (1 << RSQRT_POSITION_BITS);
  rsqrt_t root;
  root.mantissa = interpolate<RSQRT_POSITION_BITS - RSQRT_INDEX_BITS, RSQRT_FRACTION + 2, RSQRT_TABLE_RISE_BITS>(
      RSQRT_TABLE, RSQRT_TABLE_RISES, position);
  root.exponent = half;
  return root;
}

}  // namespace edgemoe
