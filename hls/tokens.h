// First operands: reads on-chip activations, or values that arrive from DDR, and hands them on.
#pragma once

#include "functions.h"
#include "fifo.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Rate: one tile (TOKENS_PARALLEL x IN_PARALLEL values) an iteration, II = 1; out_tiles x blocks x in_words iterations.
// For attention times values the memory holds scores: they become exp(score - row maximum) on the way.
inline void tiles_for_product(const operation_t op, const memory_row_t source[MEMORY_DEPTH],
                              fifo<vec<act_t, TOKENS_PARALLEL>> &maxima, fifo<tile_t> &tiles) {
  const bool softmax = op.operand == OPERAND_VALUES;
  const int iterations = op.out_tiles * op.blocks * op.in_words;
  vec<act_t, TOKENS_PARALLEL> row_maxima = {};
  int block = 0;
  int word = 0;

product_tiles:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (softmax && word == 0) row_maxima = maxima.read();
    // Blocks that only pad the operation to its shortest length read nothing that could lie beyond the memory.
    const bool valid = block * TOKENS_PARALLEL < op.tokens;
    const int address = valid ? (op.source_block + block) * op.source_stride + op.source_word + word : 0;
    tile_t tile;
  tile_tokens:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      tile[token] = source[address][token];
    }
    if (softmax) {
    softmax_tokens:
      for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        const bool row_exists = block * TOKENS_PARALLEL + token < op.tokens;
      softmax_lanes:
        for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
          const bool exists = row_exists && word * IN_PARALLEL + lane < op.keys;
          const sint<ACT_BITS + 1> below = row_maxima[token] - tile[token][lane];
          const exp_t value = exp2_negative(exists ? below : sint<ACT_BITS + 1>(0), op.score_shift);
          tile[token][lane] =
              exists ? static_cast<act_t>(round_shift<EXP_FRACTION + 2>(value, EXP_FRACTION - PROBABILITY_FRACTION))
                     : act_t(0);
        }
      }
    }
    tiles.write(tile);
    const bool last_word = word == op.in_words - 1;
    word = last_word ? 0 : word + 1;
    if (last_word) block = block == op.blocks - 1 ? 0 : block + 1;
  }
}

// Rate: one word a token an iteration, II = 1; tokens x in_words iterations.
// Reads token after token: in memory order, or from where a queue says (the patch reordering of the experts).
inline void words_from_memory(const operation_t op, const memory_row_t source[MEMORY_DEPTH],
                              const tail_row_t source_tail[RESIDUAL_DEPTH], fifo<place_t> &sources,
                              fifo<fine_word_t> &words) {
  const bool gather = op.kind == KIND_GATHER;
  const bool tailed = TAIL_BITS > 0 && is_from_residual(op);
  const int iterations = op.tokens * op.in_words;
  place_t place;
  place.block = op.source_block;
  place.lane = 0;
  int word = 0;

memory_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (gather && word == 0) place = sources.read();
    const int address = place.block * op.source_stride + op.source_word + word;
    fine_word_t fine;
  memory_lanes:
    for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
      fine[l] = to_fine(source[address][place.lane][l]);
      if (tailed) fine[l] += source_tail[address][place.lane][l];
    }
    words.write(fine);
    word = word == op.in_words - 1 ? 0 : word + 1;
    if (!gather && word == 0) step_to_next(place);
  }
}

// Rate: one beat an iteration, II = 1; tokens x in_words x (beats a word) iterations.
// Values come as 16-bit activations (images), or as 32-bit fields with all FINE_BITS.
inline void words_from_input(const operation_t op, fifo<beat_t> &input, fifo<fine_word_t> &words) {
  const bool wide = (op.flags & FLAG_WIDE) != 0;
  const int beats = wide ? WIDE_BEATS_PER_WORD : NARROW_BEATS_PER_WORD;
  const int iterations = op.tokens * op.in_words * beats;
  fine_word_t word;
  int step = 0;

input_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const beat_t beat = input.read();
  input_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      if (wide) {
        if (lane / WIDE_PER_BEAT == step) {
          word[lane] = saturate<FINE_BITS>(sint<32>(beat_field<32>(beat, lane % WIDE_PER_BEAT)));
        }
      } else if (lane / NARROW_PER_BEAT == step) {
        word[lane] = to_fine(saturate<ACT_BITS>(sint<32>(beat_field<16>(beat, lane % NARROW_PER_BEAT))));
      }
    }
    if (step == beats - 1) words.write(word);
    step = step == beats - 1 ? 0 : step + 1;
  }
}

inline void load_tokens(const operation_t op, const memory_row_t source[MEMORY_DEPTH],
                        const tail_row_t source_tail[RESIDUAL_DEPTH], fifo<beat_t> &input, fifo<place_t> &sources,
                        fifo<vec<act_t, TOKENS_PARALLEL>> &maxima, fifo<tile_t> &tiles, fifo<fine_word_t> &words) {
  if (op.kind == KIND_PRODUCT) {
    tiles_for_product(op, source, maxima, tiles);
  } else if (op.kind == KIND_LOAD) {
    words_from_input(op, input, words);
  } else {
    words_from_memory(op, source, source_tail, sources, words);
  }
}

}  // namespace edgemoe
