// Destinations of the pixels of a doubled row: a row of a map, or DDR, as class numbers or as values. Only designs with
// decoders have these paths.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "maps.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// The order in which the columns of a row leave, of which `pairs_from_rows` brings two at a time: column 0, then
// columns 1 and 2, 3 and 4, ..., word by word, and the last column.
struct pairs_t {
  wrapping_t<COLUMN_BITS> pair;
  wrapping_t<WORD_BITS> word;
  bool first;  // the first pair, which has only its right column
  bool right;
  bool begins;  // whether it is the column's first word

  pairs_t(int width, int words) : pair(width + 1), word(words), first(true), right(true), begins(true) {}
};
inline void step_to_next(pairs_t &at) {
#pragma HLS INLINE
  const bool ends_word = at.right || at.pair.last;  // the last pair has only its left column
  const bool ends_pair = ends_word && at.word.last;
  at.right = !ends_pair && (at.first || !ends_word);
  at.first = at.first && !ends_pair;
  at.begins = ends_word ? at.word.last : at.begins;
  advance_if(at.pair, ends_pair);
  advance_if(at.word, ends_word);
}

// Every second pixel of a row: where its block begins, and its lane.
struct second_pixel_t {
  sint<ADDRESS_BITS> at;
  sint<8> lane;
  bool crosses;  // whether the next one lies in the next block

  second_pixel_t(int first, int first_lane) : at(first), lane(first_lane), crosses(first_lane >= TOKENS_PARALLEL - 2) {}
};
// The next one, if it `moves`.
inline void advance_if(second_pixel_t &pixel, bool moves, int stride) {
#pragma HLS INLINE
  const sint<ADDRESS_BITS> next = pixel.at + stride;
  const sint<8> lane_here = pixel.lane + 2;
  const sint<8> lane_there = pixel.lane + (2 - TOKENS_PARALLEL);
  // Of the lane behind, while the count is still one step behind.
  const bool crosses_here = pixel.lane >= TOKENS_PARALLEL - 4;
  const bool crosses_there = pixel.lane >= 2 * TOKENS_PARALLEL - 4;
  const sint<8> next_lane = pixel.crosses ? lane_there : lane_here;
  const bool next_crosses = pixel.crosses ? crosses_there : crosses_here;
  pixel.at = moves && pixel.crosses ? next : pixel.at;
  pixel.lane = moves ? next_lane : pixel.lane;
  pixel.crosses = moves ? next_crosses : pixel.crosses;
}

// Rate: one word of two columns an iteration, II = 1; (width + 1) x in_words iterations.
// Neighbouring columns lie in neighbouring banks, so both are written at once.
inline void columns_to_memory(const operation_t op, fifo<pair_t> &pairs, memory_row_t memory[FIRST_DEPTH],
                              memory_row_t memory_rest[REST_DEPTH]) {
  const int iterations = (op.width + 1) * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  const int first_word = op.destination_block * op.destination_stride + op.destination_word;
  wrapping_t<COLUMN_BITS> pair(op.width + 1);
  wrapping_t<WORD_BITS> word(op.in_words);
  bool first = true;  // the first pair, which has only its right column, as the last one has only its left one
  second_pixel_t left(first_word - op.destination_stride, TOKENS_PARALLEL - 1);
  second_pixel_t right(first_word, 0);

store_columns:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const pair_t columns = pairs.read();
  // By lane: a bank that is a constant has one write a cycle, which synthesis need not prove.
  store_banks:
    for (int bank = 0; bank < TOKENS_PARALLEL; ++bank) {
#pragma HLS UNROLL
      const bool is_left = !first && left.lane == bank;
      const bool is_right = !pair.last && right.lane == bank;
      const int address = (is_left ? left.at : right.at) + word;
      if (is_left || is_right) write_word(memory, memory_rest, address, bank, columns[is_left ? 0 : 1]);
    }
    first = first && !word.last;
    advance_if(left, word.last, op.destination_stride);
    advance_if(right, word.last, op.destination_stride);
    advance_if(pair, word.last);
    advance(word);
  }
}

// A class and its logit, as the search for the largest compares them: one bit more, for a logit below all others.
struct class_t {
  sint<ACT_BITS + 1> logit;
  sint<CLASS_BITS> number;
};
constexpr int NO_LOGIT = -(1 << ACT_BITS);  // of a class that does not exist
// Of equal logits the earlier one stays, which has the lower number.
inline bool operator>(const class_t &later, const class_t &earlier) {
#pragma HLS INLINE
  return later.logit > earlier.logit;
}

// Rate: one word an iteration, II = 1; tokens x in_words iterations, and a beat as soon as it is full or the row ends.
// Classes leave as bytes; up to three values of a pixel, all in its first word, as 16 bits each, of which a pixel has
// 1, 2 or 4.
inline void pixels_to_output(const operation_t op, fifo<pair_t> &pairs, fifo<beat_t> &output) {
  constexpr int BYTES = BEAT_BITS / 8;
  const bool classes = (op.flags & FLAG_CLASSES) != 0;
  const bool one = op.features == 1;
  const bool two = op.features == 2;
  const int values_fit = one ? BYTES / 2 : two ? BYTES / 4 : BYTES / 8;
  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  pairs_t at(op.width, op.in_words);
  wrapping_t<8> place(classes ? BYTES : values_fit);  // of a pixel in its beat
  pair_t columns = {};
#pragma HLS ARRAY_PARTITION variable = columns.lane complete
  class_t best_left = {};
  class_t best_right = {};
  sint<9> bytes[BYTES];
#pragma HLS ARRAY_PARTITION variable = bytes complete
clear_bytes:
  for (int byte = 0; byte < BYTES; ++byte) {
#pragma HLS UNROLL
    bytes[byte] = 0;
  }

output_pixels:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (at.first || at.pair.last || !at.right) columns = pairs.read();
    const word_t word = columns[at.right ? 1 : 0];
    class_t of_lanes[IN_PARALLEL];
    sint<9> value_bytes[8];
#pragma HLS ARRAY_PARTITION variable = of_lanes complete
#pragma HLS ARRAY_PARTITION variable = value_bytes complete
  pixel_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const int number = at.word * IN_PARALLEL + lane;
      of_lanes[lane].logit = number < op.features ? sint<ACT_BITS + 1>(word[lane]) : sint<ACT_BITS + 1>(NO_LOGIT);
      of_lanes[lane].number = number;
    }
  pixel_values:
    for (int v = 0; v < 4; ++v) {
#pragma HLS UNROLL
      const int value = v < 3 && v < op.features ? static_cast<int>(saturate<16>(sint<32>(word[v]))) : 0;
      value_bytes[2 * v] = static_cast<sint<9>>(value & 255);
      value_bytes[2 * v + 1] = static_cast<sint<9>>(value >> 8 & 255);
    }
    const class_t found = largest_of<SEARCH_LEVELS>(of_lanes);
    // The other column finds nothing larger: so only a comparison and a choice are on the way from one word to the
    // next.
    const class_t nothing = {NO_LOGIT, 0};
    const class_t found_left = at.right ? nothing : found;
    const class_t found_right = at.right ? found : nothing;
    const bool takes_left = (at.begins && !at.right) || found_left > best_left;
    const bool takes_right = (at.begins && at.right) || found_right > best_right;
    best_left = takes_left ? found_left : best_left;
    best_right = takes_right ? found_right : best_right;
    const class_t best = at.right ? best_right : best_left;
    if (at.word.last) {
    pixel_bytes:
      for (int byte = 0; byte < BYTES; ++byte) {
#pragma HLS UNROLL
        const int of_values = one ? byte / 2 : two ? byte / 4 : byte / 8;
        const sint<9> value_byte = one ? value_bytes[byte % 2] : two ? value_bytes[byte % 4] : value_bytes[byte % 8];
        const bool here = place == (classes ? byte : of_values);
        const sint<9> kept = place == 0 ? sint<9>(0) : bytes[byte];
        bytes[byte] = here ? (classes ? sint<9>(best.number) : value_byte) : kept;
      }
      if (place.last || at.pair.last) {
        beat_t beat;
      pixel_words:
        for (int w = 0; w < BYTES / 4; ++w) {
#pragma HLS UNROLL
          const int low = static_cast<int>(bytes[4 * w]) + static_cast<int>(bytes[4 * w + 1]) * 256;
          const int high = static_cast<int>(bytes[4 * w + 2]) + static_cast<int>(bytes[4 * w + 3]) * 256;
          set_beat_word(beat, w, static_cast<unsigned>(low) | static_cast<unsigned>(high) << 16);
        }
        output.write(beat);
      }
    }
    advance_if(place, at.word.last);
    step_to_next(at);
  }
}

}  // namespace edgemoe
