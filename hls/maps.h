// Maps of decoders: reads the tiles of a convolution, and doubles rows of pixels by interpolation. Only designs with
// decoders have these paths.
//
// A map's rows lie in a ring, row y in slot y modulo the number of slots. A row takes whole blocks, so that each begins
// with lane 0: pixel x is lane x % TOKENS_PARALLEL of the row's block x / TOKENS_PARALLEL.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// A slot of a ring of rows: words from the ring's first one, and whether it is the last.
struct slot_t {
  sint<ADDRESS_BITS> at;
  bool last;
};
// The next slot of a ring whose last one begins at `last`; `before_last` is the one before that.
inline slot_t slot_after(const slot_t &slot, int row_words, int last, int before_last) {
#pragma HLS INLINE
  const bool next_is_last = slot.at == before_last;
  const sint<ADDRESS_BITS> next = slot.at + row_words;
  slot_t after;
  after.at = slot.last ? sint<ADDRESS_BITS>(0) : next;
  after.last = slot.last ? last == 0 : next_is_last;
  return after;
}
// Another slot if it `moves`, or where it began if it `returns`.
inline void move_or_return(slot_t &slot, bool moves, const slot_t &to, bool returns, const slot_t &begin) {
#pragma HLS INLINE
  const sint<ADDRESS_BITS> at = moves ? to.at : slot.at;
  const bool last = moves ? to.last : slot.last;
  slot.at = returns ? begin.at : at;
  slot.last = returns ? begin.last : last;
}

// The slots of the three rows that a neighbourhood of 3x3 pixels spans.
struct rows_t {
  slot_t above;
  slot_t here;
  slot_t below;
  slot_t next;  // behind `below`, found an iteration late: a row has nine iterations or more

  rows_t(const operation_t &op, int before_last) {
    above.at = op.ring_above;
    above.last = op.ring_above == op.ring_last;
    here = slot_after(above, op.row_words, op.ring_last, before_last);
    below = slot_after(here, op.row_words, op.ring_last, before_last);
    next = below;
  }
};
// One row on, or to the `first` rows.
inline void step(rows_t &rows, bool moves, bool returns, const rows_t &first, const operation_t &op, int before_last) {
#pragma HLS INLINE
  const slot_t behind = slot_after(rows.below, op.row_words, op.ring_last, before_last);
  move_or_return(rows.above, moves, rows.here, returns, first.above);
  move_or_return(rows.here, moves, rows.below, returns, first.here);
  move_or_return(rows.below, moves, rows.next, returns, first.below);
  rows.next = behind;
}

// A tap of a 3x3 convolution: which words of which pixel of the neighbourhood. Word by word, to the right, down; then
// the next block of pixels, row by row, and all of them anew for the next tile of outputs.
struct tap_t {
  wrapping_t<WORD_BITS> word;
  wrapping_t<3> right;
  wrapping_t<3> down;
  wrapping_t<PASS_BITS> row_block;  // of its row
  wrapping_t<PASS_BITS> block;  // of all rows
  wrapping_t<MAP_ROW_BITS> row;  // of the map
  sint<ADDRESS_BITS> block_at;  // words from the row's first block
  sint<COLUMN_BITS> column;  // of the block's first pixel

  explicit tap_t(const operation_t &op)
      : word(op.tap_words),
        right(3),
        down(3),
        row_block(op.row_blocks),
        block(op.blocks),
        row(op.height, op.row),
        block_at(0),
        column(0) {}
};
inline bool ends_block(const tap_t &tap) {
#pragma HLS INLINE
  return tap.word.last && tap.right.last && tap.down.last;
}
inline bool ends_row(const tap_t &tap) {
#pragma HLS INLINE
  return ends_block(tap) && tap.row_block.last;
}
inline bool ends_tile(const tap_t &tap) {
#pragma HLS INLINE
  return ends_block(tap) && tap.block.last;
}
// One word on; a new tile begins in the row of the `first` tap.
inline void step(tap_t &tap, const tap_t &first, int stride) {
#pragma HLS INLINE
  const bool ends_right = tap.word.last && tap.right.last;
  const bool block_ends = ends_block(tap);
  const bool row_ends = ends_row(tap);
  const sint<ADDRESS_BITS> next_at = tap.block_at + stride;
  const sint<COLUMN_BITS> next_column = tap.column + TOKENS_PARALLEL;
  tap.block_at = row_ends ? sint<ADDRESS_BITS>(0) : block_ends ? next_at : tap.block_at;
  tap.column = row_ends ? sint<COLUMN_BITS>(0) : block_ends ? next_column : tap.column;
  advance_or_return(tap.row, row_ends, ends_tile(tap), first.row);
  advance_if(tap.block, block_ends);
  advance_if(tap.row_block, block_ends);
  advance_if(tap.down, ends_right);
  advance_if(tap.right, tap.word.last);
  advance(tap.word);
}

// Rate: one tile (TOKENS_PARALLEL x IN_PARALLEL values) an iteration, II = 1; out_tiles x blocks x in_words iterations,
// where in_words = 9 x tap_words.
// A 3x3 convolution is a product whose tokens move: a block of pixels meets the nine taps of its neighbourhood one
// after another. Pixels one column beside a block are its own lanes moved by one, and one lane of the next block: so
// every bank is read once, all but one at the same address. What lies outside the map is zero, and is stored nowhere.
inline void tiles_for_convolution(const operation_t op, const memory_row_t source[FIRST_DEPTH],
                                  const memory_row_t source_rest[REST_DEPTH], fifo<tile_t> &tiles) {
  const int iterations = op.out_tiles * op.blocks * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  const int before_last = op.ring_last - op.row_words;
  const rows_t first_rows(op, before_last);
  const tap_t first_tap(op);
  rows_t rows = first_rows;
  tap_t tap = first_tap;

convolution_tiles:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const bool row_exists = (tap.down > 0 || tap.row > 0) && (tap.down < 2 || !tap.row.last);
    const sint<ADDRESS_BITS> slot_at = tap.down == 0 ? rows.above.at : tap.down == 1 ? rows.here.at : rows.below.at;
    const int address = op.source_word + slot_at + tap.block_at + tap.word;
    // Beside the map lies nothing that would be read: there the neighbour is the block itself, masked below.
    const int address_before = tap.row_block == 0 ? address : address - op.source_stride;
    const int address_behind = tap.row_block.last ? address : address + op.source_stride;
    vec<word_t, TOKENS_PARALLEL> words;
  convolution_banks:
    for (int bank = 0; bank < TOKENS_PARALLEL; ++bank) {
#pragma HLS UNROLL
      int bank_address = address;
      if (bank == TOKENS_PARALLEL - 1 && tap.right == 0) bank_address = address_before;
      if (bank == 0 && tap.right == 2) bank_address = address_behind;
      words[bank] = read_word(source, source_rest, bank_address, bank);
    }
    tile_t tile;
  convolution_tokens:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      const int token_before = (token + TOKENS_PARALLEL - 1) % TOKENS_PARALLEL;
      const int token_behind = (token + 1) % TOKENS_PARALLEL;
      const int x = tap.column + token + tap.right - 1;
      const bool exists = row_exists && x >= 0 && x < op.width;
    convolution_lanes:
      for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
        const act_t beside = tap.right == 0 ? words[token_before][lane] : words[token_behind][lane];
        const act_t value = tap.right == 1 ? words[token][lane] : beside;
        tile[token][lane] = exists ? factor_t(value) : factor_t(0);
      }
    }
    tiles.write(tile);

    step(rows, ends_row(tap), ends_tile(tap), first_rows, op, before_last);
    step(tap, first_tap, op.source_stride);
  }
}

// A pixel of a row: where its block begins, and its lane.
struct pixel_t {
  sint<ADDRESS_BITS> at;
  sint<8> lane;
  bool last;  // whether that is the block's last one

  explicit pixel_t(int first) : at(first), lane(0), last(false) {}
};
// The next pixel, if it `moves`.
inline void advance_if(pixel_t &pixel, bool moves, int stride) {
#pragma HLS INLINE
  const sint<ADDRESS_BITS> next = pixel.at + stride;
  const sint<8> behind = pixel.lane + 1;
  const sint<8> next_lane = pixel.last ? sint<8>(0) : behind;
  const bool next_is_last = pixel.lane == TOKENS_PARALLEL - 2;
  pixel.at = moves && pixel.last ? next : pixel.at;
  pixel.lane = moves ? next_lane : pixel.lane;
  pixel.last = moves ? next_is_last : pixel.last;
}

using blend_t = sint<ACT_BITS + 2>;  // 3 x near + far
using blends_t = vec<blend_t, IN_PARALLEL>;

// 3/4 of the nearer column's blend and 1/4 of the other's, rounded to nearest with ties towards +infinity.
inline act_t blend_columns(blend_t nearer, blend_t other) {
#pragma HLS INLINE
  const sint<ACT_BITS + 5> sum = sint<ACT_BITS + 5>(nearer) * 2 + nearer + other;
  return static_cast<act_t>(round_by<4, ACT_BITS + 5>(sum));
}

using pair_t = vec<word_t, 2>;  // a word of two neighbouring columns

// Rate: one word of two columns an iteration, II = 1; (width + 2) x in_words iterations.
// One row of twice the width, from the row that is nearer and the other one, `row_words` behind it: bilinear, centres
// of pixels as of `align_corners = False`. Two neighbouring columns of the source give the two new ones between both,
// word by word. Beyond the border lies the border's own pixel: so the first column gives new column 0 alone, and behind
// the last one, which is read again, comes the last new column alone.
// The other row is read a column behind the nearer one: neighbouring columns lie in neighbouring banks.
inline void pairs_from_rows(const operation_t op, const memory_row_t source[FIRST_DEPTH],
                            const memory_row_t source_rest[REST_DEPTH], fifo<pair_t> &pairs) {
  static_assert(TOKENS_PARALLEL > 1, "neighbouring columns would lie in one bank");
  word_t nears[MAP_WORDS];  // the nearer row's column, word by word, until the other row's comes
  blends_t befores[MAP_WORDS];  // of the column before
#pragma HLS AGGREGATE variable = nears
#pragma HLS AGGREGATE variable = befores
#pragma HLS BIND_STORAGE variable = nears type = ram_2p impl = lutram latency = 1
#pragma HLS BIND_STORAGE variable = befores type = ram_2p impl = lutram latency = 1
  const int iterations = (op.width + 2) * op.in_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  const bool single = op.in_words == 1;
  const int first_word = op.source_block * op.source_stride + op.source_word;
  pixel_t nearer(first_word);
  pixel_t other(first_word);
  wrapping_t<COLUMN_BITS> column(op.width);  // of the nearer row
  wrapping_t<WORD_BITS> word(op.in_words);
  bool begins = true;  // there is no column of the other row yet
  bool first = true;  // it is the first one
  bool ends = false;  // all columns of the nearer row have come
  word_t last_near = {};
  blends_t last_blends = {};
#pragma HLS ARRAY_PARTITION variable = last_near.lane complete
#pragma HLS ARRAY_PARTITION variable = last_blends.lane complete

blend_words:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// A word comes back with the next column: after two iterations or more. The only word of a pixel waits in registers.
#pragma HLS DEPENDENCE variable = nears inter RAW distance = 2 true
#pragma HLS DEPENDENCE variable = befores inter RAW distance = 2 true
    const int near_address = nearer.at + word;
    const int other_address = other.at + word + static_cast<int>(op.row_words);
    vec<word_t, TOKENS_PARALLEL> words;
  blend_banks:
    for (int bank = 0; bank < TOKENS_PARALLEL; ++bank) {
#pragma HLS UNROLL
      const bool near_bank = begins || (!ends && nearer.lane == bank);
      words[bank] = read_word(source, source_rest, near_bank ? near_address : other_address, bank);
    }
    const word_t coming = words[nearer.lane];
    const word_t far = words[other.lane];
    const word_t kept_near = read_needed(nears, word, !begins && !single);
    const blends_t kept_blends = read_needed(befores, word, !begins && !first && !single);
    blends_t blends;
    pair_t columns;
  blend_lanes:
    for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
      const act_t near = single ? last_near[lane] : kept_near[lane];
      const blend_t before = single ? last_blends[lane] : kept_blends[lane];
      const blend_t blend = blend_t(near) * 2 + near + far[lane];
      const blend_t beside = first ? blend : before;
      blends[lane] = blend;
      columns[0][lane] = blend_columns(beside, blend);
      columns[1][lane] = blend_columns(blend, beside);
    }
    if (!ends) write_at(nears, word, coming);
    if (!begins) write_at(befores, word, blends);
    if (!begins) pairs.write(columns);
    if (!ends) last_near = coming;
    last_blends = blends;

    advance_if(other, word.last && !begins && !ends, op.source_stride);
    advance_if(nearer, word.last && !ends && !column.last, op.source_stride);
    first = first && !(word.last && !begins);
    begins = begins && !word.last;
    ends = ends || (word.last && column.last);
    advance_if(column, word.last && !column.last);
    advance(word);
  }
}

}  // namespace edgemoe
