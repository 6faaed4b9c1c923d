// Rounding, saturation and table look-up: only these three operations lose bits in this design.
#pragma once

#include "types.h"

namespace edgemoe {

// Two-way choices that select one of VALUES, one after another. A template, since synthesis knows no recursion.
template <int VALUES>
struct levels_t {
  static constexpr int value = 1 + levels_t<(VALUES + 1) / 2>::value;
};
template <>
struct levels_t<1> {
  static constexpr int value = 0;
};

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

// value * 2^-shift, rounded to nearest with ties towards +infinity; a negative shift multiplies. With a shift that is
// no constant this is the dearest way to round, two shifters of all bits: for what happens once a token.
template <int BITS>
inline sint<BITS> round_shift(sint<BITS> value, int shift) {
#pragma HLS INLINE
  if (shift > 0) return static_cast<sint<BITS>>((value + (sint<BITS>(1) << (shift - 1))) >> shift);
  return shift_left<BITS>(value, -shift);
}

// The same by a constant, which takes no shifter.
template <int SHIFT, int BITS>
inline sint<BITS> round_by(sint<BITS> value) {
#pragma HLS INLINE
  return SHIFT > 0 ? static_cast<sint<BITS>>((value + (sint<BITS>(1) << (SHIFT > 0 ? SHIFT - 1 : 0))) >> SHIFT) : value;
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

#ifndef EDGEMOE_PLAIN_INTEGERS
// value * 2^-amount, rounded down, for 0 <= amount < 2 STEP: its lowest TO_BITS bits, and whether there are more.
// The widest step comes first, so each stage is as wide as what it may still bring down, not as the value: a shifter
// costs its result's bits by the stages, and a look-up table is two stages of a bit (UG574).
template <int TO_BITS, int STEP>
struct shift_down_t {
  template <int BITS>
  static ap_int<TO_BITS> of(ap_int<BITS> value, int amount, bool &beyond) {
#pragma HLS INLINE
    constexpr int KEPT = TO_BITS + STEP - 1;
    const bool moves = (amount & STEP) != 0;
    const ap_int<BITS> moved = value >> STEP;
    const ap_int<BITS> above = (moves ? moved : value) >> (KEPT < BITS ? KEPT - 1 : BITS - 1);
    if (above != 0 && above != -1) beyond = true;
    return shift_down_t<TO_BITS, STEP / 2>::of(ap_int<KEPT>(moves ? moved : value), amount, beyond);
  }
};
template <int TO_BITS>
struct shift_down_t<TO_BITS, 0> {
  static ap_int<TO_BITS> of(ap_int<TO_BITS> value, int, bool &) {
#pragma HLS INLINE
    return value;
  }
};

// value * 2^amount for 0 <= amount < 2 STEP, the narrowest step first.
template <int TO_BITS, int STEP, int LEFT>
struct shift_up_t {
  template <int BITS>
  static ap_int<TO_BITS> of(ap_int<BITS> value, int amount) {
#pragma HLS INLINE
    constexpr int GROWN = BITS + STEP < TO_BITS ? BITS + STEP : TO_BITS;
    const ap_int<GROWN> moved = ap_int<GROWN>(value) << STEP;
    return shift_up_t<TO_BITS, 2 * STEP, LEFT - 1>::of((amount & STEP) != 0 ? moved : ap_int<GROWN>(value), amount);
  }
};
template <int TO_BITS, int STEP>
struct shift_up_t<TO_BITS, STEP, 0> {
  template <int BITS>
  static ap_int<TO_BITS> of(ap_int<BITS> value, int) {
#pragma HLS INLINE
    return value;
  }
};
// value * 2^amount for 0 <= amount < 2 STEP: its lowest BITS bits, and whether there are more.
template <int BITS, int STEP>
struct shift_out_t {
  static ap_uint<BITS> of(ap_uint<BITS> value, int amount, bool &beyond) {
#pragma HLS INLINE
    const bool moves = (amount & STEP) != 0;
    if (moves && (value >> (BITS - STEP)) != 0) beyond = true;
    return shift_out_t<BITS, STEP / 2>::of(moves ? ap_uint<BITS>(value << STEP) : value, amount, beyond);
  }
};
template <int BITS>
struct shift_out_t<BITS, 0> {
  static ap_uint<BITS> of(ap_uint<BITS> value, int, bool &) {
#pragma HLS INLINE
    return value;
  }
};
#endif

// value * 2^-shift for LEAST <= shift <= MOST, rounded to nearest with ties towards +infinity and clipped to TO_BITS
// signed bits. The compiler of programs keeps to the windows of shifts; what they are is in config.h.
// One shifter, of twice the value: floor(x + 1/2) = (floor(2 x) + 1) / 2, so no half is shifted to where it is added.
template <int BITS, int TO_BITS, int LEAST, int MOST>
inline sint<TO_BITS> round_to(sint<BITS> value, int shift) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  static_assert(BITS <= 62 && MOST <= 62, "a rounding needs more bits than a native integer has");
  return saturate<TO_BITS>(round_shift<63>(value, shift));
#else
  constexpr int UP = LEAST < 1 ? 1 - LEAST : 0;
  constexpr int DOWN = LEAST > 1 ? LEAST - 1 : 0;
  const ap_int<BITS + UP> widened = ap_int<BITS + UP>(value) << UP;
  bool beyond = false;
  const ap_int<TO_BITS + 1> twice = shift_down_t<TO_BITS + 1, (1 << levels_t<MOST - LEAST + 1>::value) / 2>::of(
      ap_int<BITS + UP - DOWN>(widened >> DOWN), shift - LEAST, beyond);
  const ap_int<TO_BITS + 1> rounded = (ap_int<TO_BITS + 2>(twice) + 1) >> 1;
  const ap_int<TO_BITS> high = ap_int<TO_BITS>((ap_int<TO_BITS + 1>(1) << (TO_BITS - 1)) - 1);
  const ap_int<TO_BITS> low = -high - 1;
  if (beyond) return value < 0 ? low : high;
  return saturate<TO_BITS>(rounded);
#endif
}

// value * 2^shift for 0 <= shift <= MOST, which TO_BITS are enough for.
template <int BITS, int TO_BITS, int MOST>
inline sint<TO_BITS> shift_up(sint<BITS> value, int shift) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return shift_left<TO_BITS>(value, shift);
#else
  return shift_up_t<TO_BITS, 1, levels_t<MOST + 1>::value>::of(value, shift);
#endif
}

// One of N values, by a tree of choices between two: N - 1 of them, where an index of unknown range would be decoded.
template <int LEVELS, typename T, int N>
inline T pick_by_levels(const T (&values)[N], int index) {
#pragma HLS INLINE
  T left[N];
#pragma HLS ARRAY_PARTITION variable = left complete
pick_copies:
  for (int i = 0; i < N; ++i) {
#pragma HLS UNROLL
    left[i] = values[i];
  }
pick_levels:
  for (int level = 0; level < LEVELS; ++level) {
#pragma HLS UNROLL
  pick_pairs:
    for (int i = 0; i < N; ++i) {
#pragma HLS UNROLL
      const int other = i + (1 << level);
      if (i % (2 << level) == 0 && other < N && (index >> level & 1) != 0) left[i] = left[other];
    }
  }
  return left[0];
}
template <typename T, int N>
inline T pick(const T (&values)[N], int index) {
#pragma HLS INLINE
#ifdef EDGEMOE_PLAIN_INTEGERS
  return values[index];
#else
  return pick_by_levels<levels_t<N>::value>(values, index);
#endif
}

// A finer value and an activation.
inline fine_t to_fine(act_t value) {
#pragma HLS INLINE
  return static_cast<fine_t>(fine_t(value) * (1 << TAIL_BITS));
}
inline act_t to_act(fine_t value) {
#pragma HLS INLINE
  return saturate<ACT_BITS>(round_by<TAIL_BITS, FINE_BITS + 1>(value));
}

// A result of BITS bits as a token between layers: clipped to all its bits, or to an activation, without a tail.
template <int BITS, int LEAST, int MOST>
inline fine_t round_result(sint<BITS> value, int shift, bool coarse) {
#pragma HLS INLINE
  const fine_t fine = round_to<BITS, FINE_BITS, LEAST, MOST>(value, shift);
  return coarse ? to_fine(saturate<ACT_BITS>(fine)) : fine;
}

// The product inside a table look-up: from look-up tables, so that the DSPs are left to the compute unit, or in a DSP
// where the design leaves some. Twenty by ten bits or so.
template <bool DSP, int A_BITS, int B_BITS>
struct table_product_t {
  static sint<A_BITS + B_BITS> of(sint<A_BITS> a, sint<B_BITS> b) {
#pragma HLS INLINE
    const sint<A_BITS + B_BITS> product = sint<A_BITS + B_BITS>(a) * b;
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    return product;
  }
};
template <int A_BITS, int B_BITS>
struct table_product_t<true, A_BITS, B_BITS> {
  static sint<A_BITS + B_BITS> of(sint<A_BITS> a, sint<B_BITS> b) {
#pragma HLS INLINE
    const sint<A_BITS + B_BITS> product = sint<A_BITS + B_BITS>(a) * b;
#pragma HLS BIND_OP variable = product op = mul impl = dsp
    return product;
  }
};

// Linear interpolation in a table of equal segments, which keeps of each where it starts and how far it rises:
// `position` has REST_BITS bits below the segment's index.
template <int REST_BITS, int VALUE_BITS, int RISE_BITS, typename T, typename R, int SEGMENTS>
inline sint<VALUE_BITS> interpolate(const T (&starts)[SEGMENTS], const R (&rises)[SEGMENTS], sint<32> position) {
#pragma HLS INLINE
// Many lanes look up at once: ROMs with as many ports (UG1399, pragma HLS bind_storage).
#pragma HLS BIND_STORAGE variable = starts type = rom_np impl = lutram
#pragma HLS BIND_STORAGE variable = rises type = rom_np impl = lutram
  constexpr int SUM_BITS = (VALUE_BITS > RISE_BITS ? VALUE_BITS : RISE_BITS) + REST_BITS + 1;
  const int index = static_cast<int>(position >> REST_BITS);
  const sint<REST_BITS + 1> rest = static_cast<sint<REST_BITS + 1>>(position & ((1 << REST_BITS) - 1));
  const sint<RISE_BITS> rise = rises[index];
  const sint<RISE_BITS + REST_BITS + 1> step = table_product_t<TABLES_IN_DSP, RISE_BITS, REST_BITS + 1>::of(rise, rest);
  // The half is part of the start, where it costs nothing: one addition, which a DSP has behind its product.
  const sint<SUM_BITS> start = sint<SUM_BITS>(starts[index]) * (1 << REST_BITS) + (1 << (REST_BITS - 1));
  return static_cast<sint<VALUE_BITS>>((start + step) >> REST_BITS);
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
  // By halves: a chain over all bits would be as long as they are.
  ap_uint<64> left = ap_uint<BITS>(value);
  int highest = 0;
highest_halves:
  for (int step = 32; step > 0; step /= 2) {
#pragma HLS UNROLL
    if ((left >> step) != 0) {
      left = left >> step;
      highest += step;
    }
  }
  return highest;
#endif
}

}  // namespace edgemoe
