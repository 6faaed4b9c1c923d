// Maps of decoders: the tiles of a convolution, and rows of pixels doubled between their neighbours. Only designs with
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
  const slot_t first_above = {static_cast<sint<ADDRESS_BITS>>(op.ring_above), op.ring_above == op.ring_last};
  const slot_t first_here = slot_after(first_above, op.row_words, op.ring_last, before_last);
  const slot_t first_below = slot_after(first_here, op.row_words, op.ring_last, before_last);
  const wrapping_t<MAP_ROW_BITS> first_row(op.height, op.row);
  slot_t above = first_above;
  slot_t here = first_here;
  slot_t below = first_below;
  slot_t next = first_below;  // the one behind `below`, an iteration after that one: a row has nine iterations or more
  wrapping_t<MAP_ROW_BITS> row = first_row;
  wrapping_t<PASS_BITS> block(op.blocks);  // of all rows
  wrapping_t<PASS_BITS> row_block(op.row_blocks);
  sint<ADDRESS_BITS> block_at = 0;  // words from the row's first block
  sint<COLUMN_BITS> column = 0;  // of the block's first pixel
  wrapping_t<3> down(3);
  wrapping_t<3> right(3);
  wrapping_t<WORD_BITS> word(op.tap_words);

convolution_tiles:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const bool row_exists = (down > 0 || row > 0) && (down < 2 || !row.last);
    const sint<ADDRESS_BITS> slot_at = down == 0 ? above.at : down == 1 ? here.at : below.at;
    const int address = op.source_word + slot_at + block_at + word;
    // Beside the map lies nothing that would be read: there the neighbour is the block itself, masked below.
    const int address_before = row_block == 0 ? address : address - op.source_stride;
    const int address_behind = row_block.last ? address : address + op.source_stride;
    vec<word_t, TOKENS_PARALLEL> words;
  convolution_banks:
    for (int bank = 0; bank < TOKENS_PARALLEL; ++bank) {
#pragma HLS UNROLL
      int bank_address = address;
      if (bank == TOKENS_PARALLEL - 1 && right == 0) bank_address = address_before;
      if (bank == 0 && right == 2) bank_address = address_behind;
      words[bank] = read_word(source, source_rest, bank_address, bank);
    }
    tile_t tile;
  convolution_tokens:
    for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      const int token_before = (token + TOKENS_PARALLEL - 1) % TOKENS_PARALLEL;
      const int token_behind = (token + 1) % TOKENS_PARALLEL;
      const int x = column + token + right - 1;
      const bool exists = row_exists && x >= 0 && x < op.width;
    convolution_lanes:
      for (int lane = 0; lane < IN_PARALLEL; ++lane) {
#pragma HLS UNROLL
        const act_t beside = right == 0 ? words[token_before][lane] : words[token_behind][lane];
        const act_t value = right == 1 ? words[token][lane] : beside;
        tile[token][lane] = exists ? factor_t(value) : factor_t(0);
      }
    }
    tiles.write(tile);

    const bool ends_right = word.last && right.last;
    const bool ends_block = ends_right && down.last;
    const bool ends_row = ends_block && row_block.last;
    const bool ends_tile = ends_block && block.last;
    const slot_t behind = slot_after(below, op.row_words, op.ring_last, before_last);
    move_or_return(above, ends_row, here, ends_tile, first_above);
    move_or_return(here, ends_row, below, ends_tile, first_here);
    move_or_return(below, ends_row, next, ends_tile, first_below);
    next = behind;
    const sint<ADDRESS_BITS> next_at = block_at + op.source_stride;
    const sint<COLUMN_BITS> next_column = column + TOKENS_PARALLEL;
    block_at = ends_row ? sint<ADDRESS_BITS>(0) : ends_block ? next_at : block_at;
    column = ends_row ? sint<COLUMN_BITS>(0) : ends_block ? next_column : column;
    advance_or_return(row, ends_row, ends_tile, first_row);
    advance_if(block, ends_block);
    advance_if(row_block, ends_block);
    advance_if(down, ends_right);
    advance_if(right, word.last);
    advance(word);
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
