// The unified compute unit: TOKENS_PARALLEL x OUT_PARALLEL x IN_PARALLEL multiply-accumulates a cycle for every product
// of the network: patch embedding, query, key, value, scores, attention, projection, MLP, experts and router.
#pragma once

#include "arith.h"
#include "fifo.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Rate: one tile of tokens an iteration, II = 1; (in_words x OPERAND_PARTS) + out_tiles x span iterations, where span
// is the larger of the steps that compute an output tile (blocks x in_words) and those that bring the next one's
// operands. The operands of one output tile stay on chip while all tokens pass over them; those of the next arrive
// meanwhile.
inline void multiply(const operation_t op, fifo<part_t> &operands, fifo<tile_t> &tiles, fifo<sums_t> &sums) {
  if (op.kind != KIND_PRODUCT) return;
  operand_t buffer[2][MAX_IN_WORDS][OPERAND_PARTS][PART_VALUES];
#pragma HLS ARRAY_PARTITION variable = buffer complete dim = 3
#pragma HLS ARRAY_RESHAPE variable = buffer complete dim = 4
  const int fill_steps = op.in_words * OPERAND_PARTS;
  const int compute_steps = op.blocks * op.in_words;
  const int span = compute_steps > fill_steps ? compute_steps : fill_steps;
  const int iterations = fill_steps + op.out_tiles * span;
  sums_t sum;
#pragma HLS ARRAY_PARTITION variable = sum.lane complete dim = 0
  int out_tile = -1;  // -1: nothing to compute yet, the first tile's operands arrive
  int step = 0;
  int word = 0;
  int fill_word = 0;
  int fill_part = 0;

multiply_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
#pragma HLS DEPENDENCE variable = buffer inter false
    // One half of the buffer is read while the other is written, so no access of this loop depends on another.
    if (out_tile >= 0 && step < compute_steps) {
      const tile_t tile = tiles.read();
      const int half = out_tile & 1;
      if (word == 0) {
      clear_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        clear_outs:
          for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
            sum[token][out] = 0;
          }
        }
      }
    accumulate_chunks:
      for (int chunk = 0; chunk < OPERAND_CHUNKS; ++chunk) {
#pragma HLS UNROLL
        // A chunk is a run of neighbouring outputs that lies within one part and one input feature.
        const int first = chunk * CHUNK_VALUES;
        const int in = first / OUT_PARALLEL;
        const int out = first % OUT_PARALLEL;
      accumulate_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        accumulate_outs:
          for (int o = 0; o < CHUNK_VALUES; ++o) {
#pragma HLS UNROLL
            sum[token][out + o] +=
                multiply_exact(tile[token][in], buffer[half][word][first / PART_VALUES][first % PART_VALUES + o]);
          }
        }
      }
      if (word == op.in_words - 1) sums.write(sum);
      word = word == op.in_words - 1 ? 0 : word + 1;
    }
    if (out_tile + 1 < op.out_tiles && step < fill_steps) {
      const part_t part = operands.read();
    fill_lanes:
      for (int lane = 0; lane < PART_VALUES; ++lane) {
#pragma HLS UNROLL
        buffer[(out_tile + 1) & 1][fill_word][fill_part][lane] = part[lane];
      }
      fill_word = fill_part == OPERAND_PARTS - 1 ? fill_word + 1 : fill_word;
      fill_part = fill_part == OPERAND_PARTS - 1 ? 0 : fill_part + 1;
    }
    if (step == (out_tile < 0 ? fill_steps : span) - 1) {
      ++out_tile;
      step = 0;
      fill_word = 0;
    } else {
      ++step;
    }
  }
}

}  // namespace edgemoe
