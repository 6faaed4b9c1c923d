// Rounding, saturation and table look-up: the only three ways in which this design loses bits.
#pragma once

#include "types.h"

namespace edgemoe {

// Product of both operands of the compute unit, exact.
inline product_t multiply_exact(factor_t a, operand_t b) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return static_cast<product_t>(a) * b;
#else
  return a * b;
#endif
}

// value * 2^shift. A native negative integer must not be shifted left; for ap_int a shifter is what hardware needs.
template <int BITS>
inline sint<BITS> shift_left(sint<BITS> value, int shift) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return static_cast<sint<BITS>>(value * (sint<BITS>(1) << shift));
#else
  return value << shift;
#endif
}

// value * 2^-shift, rounded to nearest with ties towards +infinity; a negative shift multiplies.
template <int BITS>
inline sint<BITS> round_shift(sint<BITS> value, int shift) {
#pragma HLS INLINE
  if (shift > 0) return static_cast<sint<BITS>>((value + (sint<BITS>(1) << (shift - 1))) >> shift);
  return shift_left<BITS>(value, -shift);
}

// Clips to TO_BITS signed bits.
template <int TO_BITS, typename T>
inline sint<TO_BITS> saturate(T value) {
#pragma HLS INLINE
  const T high = (T(1) << (TO_BITS - 1)) - 1;
  const T low = -(T(1) << (TO_BITS - 1));
  if (value > high) return static_cast<sint<TO_BITS>>(high);
  if (value < low) return static_cast<sint<TO_BITS>>(low);
  return static_cast<sint<TO_BITS>>(value);
}

// A finer value and an activation.
inline fine_t to_fine(act_t value) {
#pragma HLS INLINE
  return static_cast<fine_t>(fine_t(value) * (1 << TAIL_BITS));
}
inline act_t to_act(fine_t value) {
#pragma HLS INLINE
  return saturate<ACT_BITS>(round_shift<FINE_BITS + 1>(value, TAIL_BITS));
}

// Linear interpolation in a table of equal segments: `position` has REST_BITS bits below the segment's index.
template <int REST_BITS, int VALUE_BITS, int RISE_BITS, typename T, int ENTRIES>
inline sint<VALUE_BITS> interpolate(const T (&table)[ENTRIES], sint<32> position) {
#pragma HLS INLINE
// Many lanes look up at once: a ROM with as many ports (UG1399, pragma HLS bind_storage).
#pragma HLS BIND_STORAGE variable = table type = rom_np impl = lutram
  constexpr int STEP_BITS = RISE_BITS + REST_BITS + 1;
  const int index = static_cast<int>(position >> REST_BITS);
  const sint<REST_BITS + 1> rest = static_cast<sint<REST_BITS + 1>>(position & ((1 << REST_BITS) - 1));
  const sint<VALUE_BITS> here = table[index];
  const sint<RISE_BITS> rise = static_cast<sint<RISE_BITS>>(table[index + 1] - here);
  const sint<STEP_BITS> step = sint<STEP_BITS>(rise) * rest;
// Ten by ten bits or so: built from look-up tables, so that the DSPs are left to the compute unit.
#pragma HLS BIND_OP variable = step op = mul impl = fabric
  return static_cast<sint<VALUE_BITS>>(here + round_shift<STEP_BITS>(step, REST_BITS));
}

// The largest of N values, the first among equals, by a tournament of LEVELS levels of pairs; values are overwritten.
template <int LEVELS, typename T, int N>
inline T largest_of(T (&values)[N]) {
#pragma HLS INLINE
  static_assert((1 << LEVELS) >= N, "a tournament must take in every value");
largest_levels:
  for (int level = 0; level < LEVELS; ++level) {
#pragma HLS UNROLL
  largest_pairs:
    for (int i = 0; i < N; ++i) {
#pragma HLS UNROLL
      const int other = i + (1 << level);
      if (i % (2 << level) == 0 && other < N && values[other] > values[i]) values[i] = values[other];
    }
  }
  return values[0];
}

// Number of bits up to the highest set one: floor(log2(value)) for value >= 1.
template <int BITS>
inline int highest_bit(sint<BITS> value) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return 63 - __builtin_clzll(static_cast<unsigned long long>(value) | 1);
#else
  int highest = 0;
highest_bits:
  for (int bit = 0; bit < BITS; ++bit) {
#pragma HLS UNROLL
    if (value[bit]) highest = bit;
  }
  return highest;
#endif
}

}  // namespace edgemoe
