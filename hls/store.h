// Writes results: into on-chip memory (plain, added to the residual, or scattered to queued tokens), or to DDR.
#pragma once

#include "arith.h"
#include "fifo.h"
#include "operation.h"
#include "rounding.h"
#include "types.h"

namespace edgemoe {

// Rate: one word an iteration, II = 1; products: out_tiles x padded rows x OUT_WORDS iterations, otherwise
// tokens x in_words. Residual additions read, add and write one place of the memory, with saturation.
inline void words_to_memory(const operation_t op, fifo<results_t> &results, fifo<fine_word_t> &words,
                            fifo<place_t> &destinations, memory_row_t memory[MEMORY_DEPTH],
                            tail_row_t memory_tail[RESIDUAL_DEPTH]) {
  const bool product = op.kind == KIND_PRODUCT;
  const bool accumulate = product && (op.flags & FLAG_ACCUMULATE) != 0;
  const bool scatter = product && (op.flags & FLAG_SCATTER) != 0;
  const bool tailed = TAIL_BITS > 0 && is_to_residual(op);
  const int inner = product ? OUT_WORDS : op.in_words;
  const int rows = product ? op.blocks * TOKENS_PARALLEL : op.tokens;
  const int iterations = (product ? op.out_tiles : 1) * rows * inner;
  results_t result = {};
#pragma HLS ARRAY_PARTITION variable = result.lane complete
  place_t place;
  place.block = 0;
  place.lane = 0;
  int tile = 0;
  int row = 0;
  int block = 0;
  int lane = 0;
  int word = 0;

store_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
#pragma HLS DEPENDENCE variable = memory inter false
#pragma HLS DEPENDENCE variable = memory_tail inter false
    // Within one operation no place is visited twice: a token is in a queue once, and every tile has its own words.
    fine_word_t fresh;
    if (product) {
      if (word == 0) result = results.read();
    result_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        fresh[l] = result[word * IN_PARALLEL + l];
      }
    } else {
      fresh = words.read();
    }
    if (scatter && word == 0) place = destinations.read();
    if (!scatter) {
      place.block = op.destination_block + block;
      place.lane = lane;
    }
    if (row < op.tokens) {
      const int address = place.block * op.destination_stride + op.destination_word + tile * OUT_WORDS + word;
      word_t rounded;
      vec<tail_t, IN_PARALLEL> tail;
    add_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        fine_t value = fresh[l];
        if (accumulate) {
          fine_t old = to_fine(memory[address][place.lane][l]);
          if (tailed) old += memory_tail[address][place.lane][l];
          value = saturate<FINE_BITS>(finished_t(round_shift<FINISHED_BITS>(old, op.old_shift) + value));
        }
        rounded[l] = to_act(value);
        tail[l] = static_cast<tail_t>(value - to_fine(rounded[l]));
      }
      memory[address][place.lane] = rounded;
      if (tailed) memory_tail[address][place.lane] = tail;
    }
    if (word == inner - 1) {
      word = 0;
      const bool last = row == rows - 1;
      tile = last ? tile + 1 : tile;
      row = last ? 0 : row + 1;
      block = last ? 0 : lane == TOKENS_PARALLEL - 1 ? block + 1 : block;
      lane = last || lane == TOKENS_PARALLEL - 1 ? 0 : lane + 1;
    } else {
      ++word;
    }
  }
}

// Rate: one beat an iteration, II = 1; tokens x in_words x WIDE_BEATS_PER_WORD iterations. Values leave as 32-bit
// fields.
inline void words_to_output(const operation_t op, fifo<fine_word_t> &words, fifo<beat_t> &output) {
  const int iterations = op.tokens * op.in_words * WIDE_BEATS_PER_WORD;
  fine_word_t word;
#pragma HLS ARRAY_PARTITION variable = word.lane complete
  int step = 0;

output_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (step == 0) word = words.read();
    beat_t beat;
  output_lanes:
    for (int lane = 0; lane < WIDE_PER_BEAT; ++lane) {
#pragma HLS UNROLL
      set_beat_word(beat, lane, static_cast<int>(word[step * WIDE_PER_BEAT + lane]));
    }
    output.write(beat);
    step = step == WIDE_BEATS_PER_WORD - 1 ? 0 : step + 1;
  }
}

inline void store_results(const operation_t op, fifo<results_t> &results, fifo<fine_word_t> &words,
                          fifo<place_t> &destinations, memory_row_t memory[MEMORY_DEPTH],
                          tail_row_t memory_tail[RESIDUAL_DEPTH], fifo<beat_t> &output) {
  if (op.kind == KIND_STORE) {
    words_to_output(op, words, output);
  } else {
    words_to_memory(op, results, words, destinations, memory, memory_tail);
  }
}

}  // namespace edgemoe
