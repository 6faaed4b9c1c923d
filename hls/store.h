// Writes results: into on-chip memory (plain, added to the residual, or scattered to queued tokens), or to DDR.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#ifdef EDGEMOE_DECODERS
#include "pixels.h"
#endif
#include "rounding.h"
#include "types.h"

namespace edgemoe {

// Position of a word of the results: word by word of a row, row by row, tile by tile. Rows of a tile are padded to
// whole blocks of the unit. The cache's lanes do not follow these blocks, so each tile begins a block of the cache.
struct stored_t {
  sint<TILE_BITS> tile;
  wrapping_t<ROW_BITS> row;
  sint<BLOCK_BITS> block;  // the row's place: a block of as many rows as the memory has lanes
  wrapping_t<8> lane;
  wrapping_t<WORD_BITS> word;

  stored_t(int rows, int lanes, int words) : tile(0), row(rows), block(0), lane(lanes), word(words) {}
};
inline void step_to_next(stored_t &at) {
#pragma HLS INLINE
  const bool last_row = at.word.last && at.row.last;
  const bool next_block = at.word.last && at.lane.last && !at.row.last;
  const sint<BLOCK_BITS> same_block = last_row ? sint<BLOCK_BITS>(0) : at.block;
  at.block = next_block ? sint<BLOCK_BITS>(at.block + 1) : same_block;
  if (last_row) at.tile = at.tile + 1;
  advance_if(at.lane, at.word.last, at.row.last);
  advance_if(at.row, at.word.last);
  advance(at.word);
}

// Rate: one word an iteration, II = 1; products: out_tiles x padded rows x OUT_WORDS iterations, otherwise
// tokens x in_words. Residual additions read, add and write one place of the memory, with saturation.
inline void words_to_memory(const operation_t op, fifo<results_t> &results, fifo<fine_word_t> &words,
#ifdef EDGEMOE_EXPERTS
                            fifo<place_t> &destinations, memory_row_t memory[FIRST_DEPTH],
#else
                            memory_row_t memory[FIRST_DEPTH],
#endif
                            memory_row_t memory_rest[REST_DEPTH], tail_row_t memory_tail[RESIDUAL_DEPTH],
                            cache_row_t cache[CACHE_DEPTH]) {
  const bool product = op.kind == KIND_PRODUCT;
  const bool accumulate = product && (op.flags & FLAG_ACCUMULATE) != 0;
#ifdef EDGEMOE_EXPERTS
  const bool scatter = product && (op.flags & FLAG_SCATTER) != 0;
#endif
  const bool tailed = TAIL_BITS > 0 && is_to_residual(op);
  const bool cached = is_to_cache(op);
  const int inner = product ? OUT_WORDS : op.in_words;
  const int rows = product ? op.blocks * TOKENS_PARALLEL : op.tokens;
  const int iterations = (product ? op.out_tiles : 1) * rows * inner;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  results_t result = {};
#pragma HLS ARRAY_PARTITION variable = result.lane complete
#ifdef EDGEMOE_EXPERTS
  place_t place = {};  // of a scattered row
#endif
  stored_t at(rows, cached ? CACHE_LANES : TOKENS_PARALLEL, inner);

store_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
#pragma HLS DEPENDENCE variable = memory inter false
#pragma HLS DEPENDENCE variable = memory_rest inter false
#pragma HLS DEPENDENCE variable = memory_tail inter false
    // Within one operation no place is visited twice: a token is in a queue once, and every tile has its own words.
    fine_word_t fresh;
    if (product) {
      if (at.word == 0) result = results.read();
    result_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        fresh[l] = result[at.word * IN_PARALLEL + l];
      }
    } else {
      fresh = words.read();
    }
#ifdef EDGEMOE_EXPERTS
    if (scatter && at.word == 0) place = destinations.read();
    const int to_block = scatter ? static_cast<int>(place.block) : op.destination_block + static_cast<int>(at.block);
    const int to_lane = scatter ? static_cast<int>(place.lane) : static_cast<int>(at.lane);
#else
    const int to_block = op.destination_block + static_cast<int>(at.block);
    const int to_lane = static_cast<int>(at.lane);
#endif
    if (at.row < op.tokens) {
      const int address = to_block * op.destination_stride + op.destination_word + at.tile * OUT_WORDS + at.word;
      word_t old = {};
      tail_word_t old_tail = {};
      if (accumulate) old = read_word(memory, memory_rest, address, to_lane);
      if (accumulate && tailed) old_tail = read_lane(memory_tail, address, to_lane);
      word_t rounded;
      tail_word_t tail;
      cache_word_t kept;
    add_lanes:
      for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
        fine_t value = fresh[l];
        if (accumulate) {
          const fine_t before = to_fine(old[l]) + old_tail[l];
          // One bit more than a result has is enough: beyond it, no value that is added brings the sum back.
          const sint<FINE_BITS + 1> aligned =
              round_to<FINE_BITS, FINE_BITS + 1, OLD_SHIFT_LEAST, OLD_SHIFT_MOST>(before, op.old_shift);
          value = saturate<FINE_BITS>(sint<FINE_BITS + 2>(aligned + value));
        }
        rounded[l] = to_act(value);
        tail[l] = static_cast<tail_t>(value - to_fine(rounded[l]));
        kept[l] = saturate<CACHE_BITS>(rounded[l]);
      }
      if (cached) {
        write_lane(cache, address, to_lane, kept);
      } else {
        write_word(memory, memory_rest, address, to_lane, rounded);
      }
      if (tailed) write_lane(memory_tail, address, to_lane, tail);
    }
    step_to_next(at);
  }
}

// Rate: one word of SCORE_ROWS rows an iteration, II = 1; out_tiles x blocks x OUT_WORDS x SCORE_GROUPS iterations.
// Neighbouring rows lie in neighbouring lanes of one address, so they are written together.
inline void scores_to_memory(const operation_t op, fifo<score_words_t> &scores, memory_row_t memory[FIRST_DEPTH],
                             memory_row_t memory_rest[REST_DEPTH]) {
  const int iterations = op.out_tiles * op.blocks * OUT_WORDS * SCORE_GROUPS;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  score_place_t at(op.blocks);

store_scores:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const score_words_t score = scores.read();
    const int address =
        (op.destination_block + at.block) * op.destination_stride + op.destination_word + at.tile * OUT_WORDS + at.word;
  // By lane, not by row of scores: a bank that is a constant has one write a cycle, which synthesis need not prove.
  store_lanes:
    for (int lane = 0; lane < TOKENS_PARALLEL; ++lane) {
#pragma HLS UNROLL
      if (at.group == lane / SCORE_ROWS && at.block * TOKENS_PARALLEL + lane < op.tokens) {
        write_word(memory, memory_rest, address, lane, score[lane % SCORE_ROWS]);
      }
    }
    step_to_next(at);
  }
}

// Rate: one beat an iteration, II = 1; tokens x in_words x WIDE_BEATS_PER_WORD iterations. Values leave as 32-bit
// fields.
inline void words_to_output(const operation_t op, fifo<fine_word_t> &words, fifo<beat_t> &output) {
  const int iterations = op.tokens * op.in_words * WIDE_BEATS_PER_WORD;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  fine_word_t word;
#pragma HLS ARRAY_PARTITION variable = word.lane complete
  wrapping_t<8> part(WIDE_BEATS_PER_WORD);

output_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (part == 0) word = words.read();
    beat_t beat;
  output_lanes:
    for (int lane = 0; lane < WIDE_PER_BEAT; ++lane) {
#pragma HLS UNROLL
      set_beat_word(beat, lane, static_cast<int>(word[part * WIDE_PER_BEAT + lane]));
    }
    output.write(beat);
    advance(part);
  }
}

inline void store_results(const operation_t op, fifo<results_t> &results, fifo<score_words_t> &scores,
#ifdef EDGEMOE_EXPERTS
                          fifo<fine_word_t> &words, fifo<place_t> &destinations, memory_row_t memory[FIRST_DEPTH],
#else
                          fifo<fine_word_t> &words, memory_row_t memory[FIRST_DEPTH],
#endif
                          memory_row_t memory_rest[REST_DEPTH], tail_row_t memory_tail[RESIDUAL_DEPTH],
#ifdef EDGEMOE_DECODERS
                          cache_row_t cache[CACHE_DEPTH], fifo<beat_t> &output, fifo<pair_t> &pairs) {
#else
                          cache_row_t cache[CACHE_DEPTH], fifo<beat_t> &output) {
#endif
#pragma HLS AGGREGATE variable = memory
#pragma HLS ARRAY_PARTITION variable = memory complete dim = 2
#pragma HLS AGGREGATE variable = memory_rest
#pragma HLS ARRAY_PARTITION variable = memory_rest complete dim = 2
#pragma HLS AGGREGATE variable = memory_tail
#pragma HLS ARRAY_PARTITION variable = memory_tail complete dim = 2
#pragma HLS AGGREGATE variable = cache
#pragma HLS ARRAY_PARTITION variable = cache complete dim = 2
#ifdef EDGEMOE_DECODERS
  if (op.kind == KIND_RESIZE) {
    columns_to_memory(op, pairs, memory, memory_rest);
    return;
  }
  if (op.kind == KIND_STORE_RESIZED) {
    pixels_to_output(op, pairs, output);
    return;
  }
#endif
  if (op.kind == KIND_STORE) {
    words_to_output(op, words, output);
  } else if (op.kind == KIND_PRODUCT && op.operand == OPERAND_KEYS) {
    scores_to_memory(op, scores, memory, memory_rest);
#ifdef EDGEMOE_EXPERTS
  } else if (op.kind != KIND_GATHER) {
    words_to_memory(op, results, words, destinations, memory, memory_rest, memory_tail, cache);
#else
  } else {
    words_to_memory(op, results, words, memory, memory_rest, memory_tail, cache);
#endif
  }
}

}  // namespace edgemoe
