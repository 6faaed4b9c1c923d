// Second operands of the compute unit: weights from their FIFOs, or keys and values from on-chip memory.
#pragma once

#include "arith.h"
#include "fifo.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Rate: one beat of every port an iteration, II = 1; out_tiles x (bias beats + in_words x OPERAND_PARTS) iterations.
// Each output tile comes as its biases followed by its weights, one part a cycle.
inline void weights_from_memory(const operation_t op, fifo<beat_t> (&weights)[WEIGHT_PORTS], fifo<part_t> &operands,
                                fifo<biases_t> &biases) {
  const int span = BIAS_BEATS + op.in_words * OPERAND_PARTS;
  const int iterations = op.out_tiles * span;
  biases_t bias;
#pragma HLS ARRAY_PARTITION variable = bias.lane complete
  int step = 0;

weight_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    beat_t beats[WEIGHT_PORTS];
#pragma HLS ARRAY_PARTITION variable = beats complete
  ports:
    for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
      beats[port] = weights[port].read();
    }
    if (step < BIAS_BEATS) {
    bias_lanes:
      for (int lane = 0; lane < BIASES_PER_STEP; ++lane) {
#pragma HLS UNROLL
        const int out = step * BIASES_PER_STEP + lane;
        if (out < OUT_PARALLEL) {
          bias[out] = beat_field<BIAS_BITS>(beats[lane / BIASES_PER_BEAT], lane % BIASES_PER_BEAT);
        }
      }
      // A queue without tokens still brings its weights, but nobody asks for its biases.
      if (step == BIAS_BEATS - 1 && op.tokens > 0) biases.write(bias);
    } else {
      part_t part;
    part_lanes:
      for (int lane = 0; lane < PART_VALUES; ++lane) {
#pragma HLS UNROLL
        part[lane] = beat_field<WEIGHT_BITS>(beats[lane / WEIGHTS_PER_BEAT], lane % WEIGHTS_PER_BEAT);
      }
      operands.write(part);
    }
    step = step == span - 1 ? 0 : step + 1;
  }
}

// Rate: one row of a tile in and one part of the tile before out an iteration, II = 1;
// (out_tiles x in_words + 1) x max(OUT_PARALLEL, OPERAND_PARTS) iterations.
// Keys are transposed on the way: a tile is always [in][out], and a key is a column of it, a value a row.
inline void operands_from_cache(const operation_t op, const memory_row_t cache[MEMORY_DEPTH], fifo<part_t> &operands) {
  const bool keys = op.operand == OPERAND_KEYS;
  const int tiles = op.out_tiles * op.in_words;
  const int iterations = (tiles + 1) * CACHE_STEPS;
  operand_t tile[2][OPERAND_PARTS * PART_VALUES];
#pragma HLS ARRAY_PARTITION variable = tile complete dim = 0
  int index = 0;  // tile that is read; the one before is sent
  int step = 0;
  int out_tile = 0;
  int in_word = 0;
  int first = 0;  // first token of the tile, as block and lane
  int first_lane = 0;
  int block = 0;
  int lane = 0;
  int word = 0;  // word of a value's row

cache_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (index > 0 && step < OPERAND_PARTS) {
      part_t part;
    send_lanes:
      for (int l = 0; l < PART_VALUES; ++l) {
#pragma HLS UNROLL
        part[l] = tile[(index - 1) & 1][step * PART_VALUES + l];
      }
      operands.write(part);
    }
    if (index < tiles && step < OUT_PARALLEL) {
      // Keys: row `step` is token first + step, all its features of this word. Values: OUT_WORDS rows a token.
      const int column = keys ? in_word : out_tile * OUT_WORDS + word;
      const bool valid = block < op.operand_blocks;
      const word_t row = cache[valid ? block * op.operand_stride + op.operand_word + column : 0][lane];
    receive_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        const int place = keys ? l * OUT_PARALLEL + step : (step / OUT_WORDS) * OUT_PARALLEL + word * IN_PARALLEL + l;
        tile[index & 1][place] = row[l];
      }
      word = keys || word == OUT_WORDS - 1 ? 0 : word + 1;
      if (word == 0) {
        block = lane == TOKENS_PARALLEL - 1 ? block + 1 : block;
        lane = lane == TOKENS_PARALLEL - 1 ? 0 : lane + 1;
      }
    }
    if (step == CACHE_STEPS - 1) {
      step = 0;
      ++index;
      const bool last_word = in_word == op.in_words - 1;
      in_word = last_word ? 0 : in_word + 1;
      out_tile = last_word ? out_tile + 1 : out_tile;
      // The next tile's first token: keys advance with the output tile, values with the inner words.
      if (keys ? last_word : !last_word) {
        first = block;
        first_lane = lane;
      } else if (!keys) {
        first = 0;
        first_lane = 0;
      }
      block = first;
      lane = first_lane;
    } else {
      ++step;
    }
  }
}

// Rate: one word of shifts an iteration, II = 1; in_words x SHIFT_STEPS iterations.
// Shifts are bytes: the beats of one cycle hold those of SHIFT_WORDS words, or a word's come in SHIFT_STEPS cycles.
inline void shifts_from_memory(const operation_t op, fifo<beat_t> (&weights)[WEIGHT_PORTS],
                               fifo<feature_shifts_t> &feature_shifts) {
  const int iterations = op.in_words * SHIFT_STEPS;
  beat_t beats[WEIGHT_PORTS];
#pragma HLS ARRAY_PARTITION variable = beats complete
  feature_shifts_t shifts;
  int step = 0;
  int slot = 0;

shift_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (slot == 0) {
    shift_ports:
      for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
        beats[port] = weights[port].read();
      }
    }
  shift_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const int byte = slot * IN_PARALLEL + lane - step * SHIFTS_PER_STEP;
      if (byte >= 0 && byte < SHIFTS_PER_STEP) {
        shifts[lane] = beat_field<8>(beats[byte / SHIFTS_PER_BEAT], byte % SHIFTS_PER_BEAT);
      }
    }
    if (step == SHIFT_STEPS - 1) feature_shifts.write(shifts);
    step = step == SHIFT_STEPS - 1 ? 0 : step + 1;
    slot = slot == SHIFT_WORDS - 1 ? 0 : slot + 1;
  }
}

inline void load_operands(const operation_t op, fifo<beat_t> (&weights)[WEIGHT_PORTS],
                          const memory_row_t cache[MEMORY_DEPTH], fifo<part_t> &operands, fifo<biases_t> &biases,
                          fifo<feature_shifts_t> &feature_shifts) {
  if (op.kind == KIND_NORMALISE) {
    shifts_from_memory(op, weights, feature_shifts);
  } else if (op.kind == KIND_PRODUCT) {
    if (op.operand == OPERAND_WEIGHTS) {
      weights_from_memory(op, weights, operands, biases);
    } else {
      operands_from_cache(op, cache, operands);
    }
  }
}

}  // namespace edgemoe
