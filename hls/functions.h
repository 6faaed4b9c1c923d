// The non-linear functions, each a small table with linear interpolation. Tables and their error bounds are computed
// by the generator (numerics/tables.py) and rendered into tables.h.
#pragma once

#include "arith.h"
#include "tables.h"

namespace edgemoe {

// 2^-(difference * 2^shift / 2^EXP_POSITION_BITS), with EXP_FRACTION fractional bits.
// `difference` >= 0 is a row's maximum minus a score, both in base-2 logarithms.
inline exp_t exp2_negative(sint<ACT_BITS + 1> difference, int shift) {
#pragma HLS INLINE
  const sint<ACT_BITS + 1 + EXP_POSITION_BITS> position = sint<ACT_BITS + 1 + EXP_POSITION_BITS>(difference) << shift;
  const sint<ACT_BITS + 1> whole = static_cast<sint<ACT_BITS + 1>>(position >> EXP_POSITION_BITS);
  if (whole > EXP_FRACTION) return 0;
  const sint<32> part = static_cast<sint<32>>(position & ((1 << EXP_POSITION_BITS) - 1));
  const exp_t value =
      interpolate<EXP_POSITION_BITS - EXP_INDEX_BITS, EXP_FRACTION + 2, EXP2_TABLE_RISE_BITS>(EXP2_TABLE, part);
  return round_shift<EXP_FRACTION + 2>(value, static_cast<int>(whole));
}

// 1 / sum as a row scale; `sum` has EXP_FRACTION fractional bits and is at least 1.
inline row_scale_t reciprocal(exp_sum_t sum) {
#pragma HLS INLINE
  const int exponent = highest_bit<EXP_SUM_BITS>(sum) - EXP_FRACTION;
  // sum = (1 + rest) * 2^exponent, rest with RECIPROCAL_POSITION_BITS bits.
  const sint<EXP_SUM_BITS> normal = round_shift<EXP_SUM_BITS>(sum, exponent + EXP_FRACTION - RECIPROCAL_POSITION_BITS) -
                                    (1 << RECIPROCAL_POSITION_BITS);
  const sint<32> rest = static_cast<sint<32>>(saturate<RECIPROCAL_POSITION_BITS + 1>(normal));
  row_scale_t scale;
  scale.mantissa =
      interpolate<RECIPROCAL_POSITION_BITS - RECIPROCAL_INDEX_BITS, MANTISSA_BITS, RECIPROCAL_TABLE_RISE_BITS>(
          RECIPROCAL_TABLE, rest);
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
                    GELU_TABLE, static_cast<sint<32>>(position));
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
  const variance_t scaled = round_shift<VARIANCE_BITS>(value, 2 * half - RSQRT_POSITION_BITS);
  const variance_t limit = (variance_t(4) << RSQRT_POSITION_BITS) - 1;
  const sint<32> position =
      static_cast<sint<32>>((scaled > limit ? limit : scaled) - (variance_t(1) << RSQRT_POSITION_BITS));
  rsqrt_t root;
  root.mantissa = interpolate<RSQRT_POSITION_BITS - RSQRT_INDEX_BITS, RSQRT_FRACTION + 2, RSQRT_TABLE_RISE_BITS>(
      RSQRT_TABLE, position);
  root.exponent = half;
  return root;
}

}  // namespace edgemoe
