// Second operands of the compute unit: weights from their FIFOs, or keys and values from on-chip memory.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// One of two narrow weights in the place of one wide weight; the lower half comes first.
inline operand_t narrow_weight(sint<WEIGHT_BITS> pair, bool second) {
#pragma HLS INLINE
  return second ? operand_t(pair >> NARROW_BITS) : operand_t(lowest_field<NARROW_BITS>(pair));
}

// Rate: one part an iteration, II = 1; tiles x (BIAS_STEPS + in_words x OPERAND_PARTS) iterations.
// Each output tile comes as its biases followed by its weights, one part a cycle. Two parts of narrow weights come in
// one step, which waits here for its second cycle; the last step of an odd number of parts ends after the first.
inline void weights_from_memory(const operation_t op, int tiles, fifo<fill_t> (&weights)[WEIGHT_PORTS],
                                fifo<part_t> &operands, fifo<biases_t> &new_biases) {
  const int span = BIAS_STEPS + op.in_words * OPERAND_PARTS;
  const int iterations = tiles * span;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  const bool narrow = NARROW_BITS < WEIGHT_BITS && (op.flags & FLAG_NARROW) != 0;
  biases_t bias;
#pragma HLS ARRAY_PARTITION variable = bias.lane complete
  fill_t fills[WEIGHT_PORTS];
#pragma HLS ARRAY_PARTITION variable = fills complete
  wrapping_t<STEP_BITS> step(span);
  bool second = false;  // whether this iteration hands on the second part of a step

weight_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (!second) {
    ports:
      for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
        fills[port] = weights[port].read();
      }
    }
    if (step < BIAS_STEPS) {
    // By output, not by lane of the step: each has one step and one lane that it comes from.
    bias_outs:
      for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
        const int lane = out % BIASES_PER_STEP;
        const int beat = lane / BIASES_PER_BEAT;
        if (step == out / BIASES_PER_STEP) {
          bias[out] = beat_field<BIAS_BITS>(fills[beat / FILL_BEATS][beat % FILL_BEATS], lane % BIASES_PER_BEAT);
        }
      }
      if (step == BIAS_STEPS - 1) new_biases.write(bias);
    } else {
      part_t part;
    part_lanes:
      for (int lane = 0; lane < PART_VALUES; ++lane) {
#pragma HLS UNROLL
        const int beat = lane / WEIGHTS_PER_BEAT;
        const sint<WEIGHT_BITS> weight =
            beat_field<WEIGHT_BITS>(fills[beat / FILL_BEATS][beat % FILL_BEATS], lane % WEIGHTS_PER_BEAT);
        part[lane] = narrow ? narrow_weight(weight, second) : operand_t(weight);
      }
      operands.write(part);
    }
    second = narrow && step >= BIAS_STEPS && !second && !step.last;
    advance(step);
  }
}

// Rate: one row of the cache in and one part of the tile before out an iteration, II = 1;
// (tiles x in_words + 1) x CACHE_STEPS iterations.
// Keys are transposed on the way: a tile is always [in][out], and a key is a column of it, a value a row. So each place
// of a tile has one step, lane and feature that it comes from as a key, and one as a value: all constants, between
// which two-way choices select. A variable place would be decoded for every value that comes, to every place there is.
inline void operands_from_cache(const operation_t op, int first_tile, int tiles, const cache_row_t cache[CACHE_DEPTH],
                                fifo<part_t> &operands) {
  const bool keys = op.operand == OPERAND_KEYS;
  const int words = tiles * op.in_words;
  const int iterations = (words + 1) * CACHE_STEPS;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  operand_t tile[2][OPERAND_PARTS * PART_VALUES];
#pragma HLS ARRAY_PARTITION variable = tile complete dim = 0
  int index = 0;  // word that is read; the one before is sent
  wrapping_t<PART_BITS> step(CACHE_STEPS);
  sint<TILE_BITS> out_tile = first_tile;
  wrapping_t<WORD_BITS> in_word(op.in_words);

cache_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const bool odd = (index & 1) != 0;  // the half of `tile` that is filled; the other one is sent
    if (index > 0 && step < OPERAND_PARTS) {
      part_t part;
    send_lanes:
      for (int l = 0; l < PART_VALUES; ++l) {
#pragma HLS UNROLL
        operand_t of_parts[OPERAND_PARTS];
#pragma HLS ARRAY_PARTITION variable = of_parts complete
      send_parts:
        for (int p = 0; p < OPERAND_PARTS; ++p) {
#pragma HLS UNROLL
          of_parts[p] = odd ? tile[0][p * PART_VALUES + l] : tile[1][p * PART_VALUES + l];
        }
        part[l] = pick(of_parts, step);
      }
      operands.write(part);
    }
    if (index < words && step < CACHE_READS) {
      // Keys: a row holds the keys of CACHE_LANES columns, all features of this word. Values: OUT_WORDS rows a token.
      const int block = keys ? static_cast<int>(out_tile) * CACHE_READS + step
                             : in_word * (IN_PARALLEL / CACHE_LANES) + step / OUT_WORDS;
      const int column = keys ? static_cast<int>(in_word) : static_cast<int>(out_tile) * OUT_WORDS + step % OUT_WORDS;
      const bool valid = block < op.operand_blocks;
      const int address = valid ? (op.operand_block + block) * op.operand_stride + op.operand_word + column : 0;
      cache_word_t rows[CACHE_LANES];
    receive_rows:
      for (int lane = 0; lane < CACHE_LANES; ++lane) {
#pragma HLS UNROLL
        rows[lane] = read_lane(cache, address, lane);
      }
    receive_ins:
      for (int in = 0; in < IN_PARALLEL; ++in) {
#pragma HLS UNROLL
      receive_outs:
        for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
          const int key_step = out / CACHE_LANES;
          const int value_step = in / CACHE_LANES * OUT_WORDS + out / IN_PARALLEL;
          const cache_t key = rows[out % CACHE_LANES][in];
          const cache_t value = rows[in % CACHE_LANES][out % IN_PARALLEL];
          if (step == (keys ? key_step : value_step)) {
            const operand_t arrived = keys ? key : value;
            if (odd) tile[1][in * OUT_PARALLEL + out] = arrived;
            if (!odd) tile[0][in * OUT_PARALLEL + out] = arrived;
          }
        }
      }
    }
    if (step.last && in_word.last) out_tile = out_tile + 1;
    if (step.last) ++index;
    advance_if(in_word, step.last);
    advance(step);
  }
}

// Rate: one word of shifts an iteration, II = 1; in_words x SHIFT_STEPS iterations.
// Shifts are bytes: what one cycle takes holds those of SHIFT_WORDS words, or a word's come in SHIFT_STEPS cycles.
inline void shifts_from_memory(const operation_t op, fifo<fill_t> (&weights)[WEIGHT_PORTS],
                               fifo<feature_shifts_t> &feature_shifts) {
  const int iterations = op.in_words * SHIFT_STEPS;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  sint<8> waiting[SHIFTS_PER_STEP];
#pragma HLS ARRAY_PARTITION variable = waiting complete
  feature_shifts_t shifts;
#pragma HLS ARRAY_PARTITION variable = shifts.lane complete
  wrapping_t<16> step(SHIFT_STEPS);
  wrapping_t<16> slot(SHIFT_WORDS);

shift_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (slot == 0) {
      fill_t fills[WEIGHT_PORTS];
#pragma HLS ARRAY_PARTITION variable = fills complete
    shift_ports:
      for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
        fills[port] = weights[port].read();
      }
    shift_bytes:
      for (int byte = 0; byte < SHIFTS_PER_STEP; ++byte) {
#pragma HLS UNROLL
        const int beat = byte / SHIFTS_PER_BEAT;
        waiting[byte] = beat_field<8>(fills[beat / FILL_BEATS][beat % FILL_BEATS], byte % SHIFTS_PER_BEAT);
      }
    } else {
    // The next word's move to the front: a multiplexer among all words would be many times as wide.
    move_up:
      for (int byte = 0; byte + IN_PARALLEL < SHIFTS_PER_STEP; ++byte) {
#pragma HLS UNROLL
        waiting[byte] = waiting[byte + IN_PARALLEL];
      }
    }
  shift_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      if (lane / SHIFTS_PER_STEP == step) shifts[lane] = waiting[lane % SHIFTS_PER_STEP];
    }
    if (step.last) feature_shifts.write(shifts);
    advance(step);
    advance(slot);
  }
}

// The operands of this operation, but for the first tile where that has come before; then the first tile of the one
// that follows, where that comes ahead.
inline void load_operands(const operation_t op, const operation_t following, fifo<fill_t> (&weights)[WEIGHT_PORTS],
                          const cache_row_t cache[CACHE_DEPTH], fifo<part_t> &operands, fifo<biases_t> &new_biases,
                          fifo<feature_shifts_t> &feature_shifts) {
#pragma HLS AGGREGATE variable = cache
#pragma HLS ARRAY_PARTITION variable = cache complete dim = 2
  if (op.kind == KIND_NORMALISE) shifts_from_memory(op, weights, feature_shifts);

operand_passes:
  for (int pass = 0; pass < 2; ++pass) {
    const operation_t now = pass == 0 ? op : following;
    const int first = pass == 0 && comes_ahead(op) ? 1 : 0;
    const int own = op.kind == KIND_PRODUCT ? op.out_tiles - first : 0;
    const int tiles = pass == 0 ? own : comes_ahead(following) ? 1 : 0;
    if (tiles > 0) {
      if (now.operand == OPERAND_WEIGHTS) {
        weights_from_memory(now, tiles, weights, operands, new_biases);
      } else {
        operands_from_cache(now, first, tiles, cache, operands);
      }
    }
  }
}

}  // namespace edgemoe
