// Where the pixels of a doubled row go: into a row of a map, or to DDR as numbers of classes or as values. Only designs
// with decoders have these paths.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "maps.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// The order in which `words_from_rows` hands on a row: column 0, then columns 1 and 2, 3 and 4, ..., word by word, and
// the last column.
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

// Rate: one word an iteration, II = 1; tokens x in_words iterations.
inline void columns_to_memory(const operation_t op, fifo<fine_word_t> &words, memory_row_t memory[FIRST_DEPTH],
                              memory_row_t memory_rest[REST_DEPTH]) {
  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  pairs_t at(op.width, op.in_words);
  pixel_t left(op.destination_block * op.destination_stride + op.destination_word);
  pixel_t right = left;

store_columns:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const fine_word_t values = words.read();
    word_t rounded;
  column_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      rounded[lane] = to_act(values[lane]);
    }
    const int address = (at.right ? right.at : left.at) + at.word;
    const int lane = at.right ? static_cast<int>(right.lane) : static_cast<int>(left.lane);
    write_word(memory, memory_rest, address, lane, rounded);
    // From pair to pair each column moves by two: once behind its own last word, once before it is next written.
    advance_if(left, at.word.last, op.destination_stride);
    advance_if(right, at.right ? at.word.last : at.begins, op.destination_stride);
    step_to_next(at);
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
inline void pixels_to_output(const operation_t op, fifo<fine_word_t> &words, fifo<beat_t> &output) {
  constexpr int BYTES = BEAT_BITS / 8;
  const bool classes = (op.flags & FLAG_CLASSES) != 0;
  const bool one = op.features == 1;
  const bool two = op.features == 2;
  const int values_fit = one ? BYTES / 2 : two ? BYTES / 4 : BYTES / 8;
  const int iterations = op.tokens * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  pairs_t at(op.width, op.in_words);
  wrapping_t<8> place(classes ? BYTES : values_fit);  // of a pixel in its beat
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
    const fine_word_t word = words.read();
    class_t of_lanes[IN_PARALLEL];
    sint<9> value_bytes[8];
#pragma HLS ARRAY_PARTITION variable = of_lanes complete
#pragma HLS ARRAY_PARTITION variable = value_bytes complete
  pixel_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const int number = at.word * IN_PARALLEL + lane;
      of_lanes[lane].logit =
          number < op.features ? sint<ACT_BITS + 1>(to_act(word[lane])) : sint<ACT_BITS + 1>(NO_LOGIT);
      of_lanes[lane].number = number;
    }
  pixel_values:
    for (int v = 0; v < 4; ++v) {
#pragma HLS UNROLL
      const int value = v < 3 && v < op.features ? static_cast<int>(saturate<16>(sint<32>(to_act(word[v])))) : 0;
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
