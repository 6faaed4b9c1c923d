// First operands: reads on-chip activations, or values that arrive from DDR, and passes them on.
#pragma once

#include "count.h"
#include "fifo.h"
#include "functions.h"
#ifdef EDGEMOE_DECODERS
#include "maps.h"
#endif
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Rate: one tile (TOKENS_PARALLEL x IN_PARALLEL values) an iteration, II = 1; out_tiles x blocks x in_words iterations.
// For attention times values the memory holds scores. They become exp(score - row maximum) on the way, and their sum
// follows each block of rows: softmax without a pass of its own (Milakov and Gimelshein, arXiv 1805.02867, section 3,
// with the maximum taken where the scores are made, so that no sum ever needs rescaling).
inline void tiles_for_product(const operation_t op, const memory_row_t source[FIRST_DEPTH],
                              const memory_row_t source_rest[REST_DEPTH], const maxima_row_t maxima[SCORE_BLOCKS],
                              fifo<tile_t> &tiles, fifo<row_sums_t> &row_sums) {
  const bool softmax = op.operand == OPERAND_VALUES;
  const int iterations = op.out_tiles * op.blocks * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  vec<act_t, TOKENS_PARALLEL> row_maxima = {};
  row_sums_t row_sum = {};
#pragma HLS ARRAY_PARTITION variable = row_maxima.lane complete
#pragma HLS ARRAY_PARTITION variable = row_sum.lane complete
  wrapping_t<PASS_BITS> block(op.blocks);
  wrapping_t<WORD_BITS> word(op.in_words);

product_tiles:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    // Blocks that only pad the operation to its shortest length read nothing that could lie beyond the memory.
    const bool valid = block * TOKENS_PARALLEL < op.tokens;
    const int address = valid ? (op.source_block + block) * op.source_stride + op.source_word + word : 0;
    vec<word_t, TOKENS_PARALLEL> words;
    tile_t tile;
  tile_tokens:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      words[token] = read_word(source, source_rest, address, token);
    tile_lanes:
      for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
        tile[token][lane] = words[token][lane];
      }
    }
    row_sums_t word_sum;
#pragma HLS ARRAY_PARTITION variable = word_sum.lane complete
  clear_sums:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      word_sum[token] = 0;
    }
    if (softmax) {
    softmax_tokens:
      for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        const bool row_exists = block * TOKENS_PARALLEL + token < op.tokens;
        if (word == 0) row_maxima[token] = read_lane(maxima, block, token);
        if (word == 0 && !row_exists) word_sum[token] = exp_sum_t(1) << EXP_FRACTION;  // which has a reciprocal
      softmax_lanes:
        for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
          const bool exists = row_exists && word * IN_PARALLEL + lane < op.keys;
          const sint<ACT_BITS + 1> below = row_maxima[token] - words[token][lane];
          const exp_t value = exp2_negative(below, op.score_shift);
          word_sum[token] += exists ? value : exp_t(0);
          tile[token][lane] =
              exists ? static_cast<factor_t>(round_by<EXP_FRACTION - PROBABILITY_FRACTION, EXP_FRACTION + 2>(value))
                     : factor_t(0);
        }
      }
    }
  // Whether softmax or not, and the word's own sum first: one addition is on the way from one iteration to the next.
  sum_tokens:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      row_sum[token] = word == 0 ? word_sum[token] : exp_sum_t(row_sum[token] + word_sum[token]);
    }
    tiles.write(tile);
    if (softmax && word.last) row_sums.write(row_sum);
    advance_if(block, word.last);
    advance(word);
  }
}

// Rate: one word a token an iteration, II = 1; tokens x in_words iterations. Reads token after token in memory order.
inline void words_from_memory(const operation_t op, const memory_row_t source[FIRST_DEPTH],
                              const memory_row_t source_rest[REST_DEPTH], const tail_row_t source_tail[RESIDUAL_DEPTH],
                              fifo<fine_word_t> &words) {
  const bool tailed = TAIL_BITS > 0 && is_from_residual(op);
  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  place_of<PASS_BITS> place;  // a map has more blocks than tokens fill
  place.block = op.source_block;
#ifdef EDGEMOE_DECODERS
  place.lane = op.source_lane;
#else
  place.lane = 0;
#endif
  wrapping_t<WORD_BITS> word(op.in_words);

memory_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const int address = place.block * op.source_stride + op.source_word + word;
    const word_t coarse = read_word(source, source_rest, address, place.lane);
    tail_word_t tail = {};
    if (tailed) tail = read_lane(source_tail, address, place.lane);
    fine_word_t fine;
  memory_lanes:
    for (int l = 0; l < IN_PARALLEL; ++l) {
#pragma HLS UNROLL
      fine[l] = to_fine(coarse[l]);
      if (tailed) fine[l] += tail[l];
    }
    words.write(fine);
    if (word.last) step_to_next(place);
    advance(word);
  }
}

// Rate: one beat an iteration, II = 1; tokens x in_words x (beats a word) iterations.
// Values come as 16-bit activations (images), or as 32-bit fields with all FINE_BITS.
inline void words_from_input(const operation_t op, fifo<beat_t> &input, fifo<fine_word_t> &words) {
  const bool wide = (op.flags & FLAG_WIDE) != 0;
  const int beats = wide ? WIDE_BEATS_PER_WORD : NARROW_BEATS_PER_WORD;
  const int iterations = op.tokens * op.in_words * beats;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  fine_word_t word;
  wrapping_t<8> part(beats);

input_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const beat_t beat = input.read();
  input_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      if (wide) {
        if (lane / WIDE_PER_BEAT == part) {
          word[lane] = saturate<FINE_BITS>(sint<32>(beat_field<32>(beat, lane % WIDE_PER_BEAT)));
        }
      } else if (lane / NARROW_PER_BEAT == part) {
        word[lane] = to_fine(saturate<ACT_BITS>(sint<32>(beat_field<16>(beat, lane % NARROW_PER_BEAT))));
      }
    }
    if (part.last) words.write(word);
    advance(part);
  }
}

inline void load_tokens(const operation_t op, const memory_row_t source[FIRST_DEPTH],
                        const memory_row_t source_rest[REST_DEPTH], const tail_row_t source_tail[RESIDUAL_DEPTH],
                        const maxima_row_t maxima[SCORE_BLOCKS], fifo<beat_t> &input, fifo<tile_t> &tiles,
#ifdef EDGEMOE_DECODERS
                        fifo<row_sums_t> &row_sums, fifo<fine_word_t> &words, fifo<pair_t> &pairs) {
#else
                        fifo<row_sums_t> &row_sums, fifo<fine_word_t> &words) {
#endif
#pragma HLS AGGREGATE variable = source
#pragma HLS ARRAY_PARTITION variable = source complete dim = 2
#pragma HLS AGGREGATE variable = source_rest
#pragma HLS ARRAY_PARTITION variable = source_rest complete dim = 2
#pragma HLS AGGREGATE variable = source_tail
#pragma HLS ARRAY_PARTITION variable = source_tail complete dim = 2
#pragma HLS ARRAY_PARTITION variable = maxima complete dim = 2
#ifdef EDGEMOE_DECODERS
  if (op.kind == KIND_PRODUCT && (op.flags & FLAG_SHIFTED) != 0) {
    tiles_for_convolution(op, source, source_rest, tiles);
    return;
  }
  if (op.kind == KIND_RESIZE || op.kind == KIND_STORE_RESIZED) {
    pairs_from_rows(op, source, source_rest, pairs);
    return;
  }
#endif
  if (op.kind == KIND_PRODUCT) {
    tiles_for_product(op, source, source_rest, maxima, tiles, row_sums);
  } else if (op.kind == KIND_LOAD) {
    words_from_input(op, input, words);
  } else if (moves_words(op)) {
    words_from_memory(op, source, source_rest, source_tail, words);
  }
}

}  // namespace edgemoe
