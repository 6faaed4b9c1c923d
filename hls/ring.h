// The unit's ring of operands: the word in use, the part that arrives next, and the credits of both sides.
#pragma once

#include "count.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Cycles in which the cache brings a part of a tile. If the unit asked for parts more often, it would wait for them
// instead of computing.
constexpr int CACHE_PACE = (CACHE_STEPS + OPERAND_PARTS - 1) / OPERAND_PARTS;

// The word that is computed with. The words of a tile come again for each block of tokens; then the next tile begins.
struct computed_t {
  bool left;  // whether any tile is left
  bool resident;  // whether the tile has arrived as a whole: behind its first block of tokens
  wrapping_t<TILE_BITS> tile;
  wrapping_t<PASS_BITS> block;
  wrapping_t<WORD_BITS> word;
  wrapping_t<RING_BITS> at;  // where the word lies in the ring
  wrapping_t<RING_BITS> tile_at;  // where its tile begins

  computed_t(int tiles, int blocks, int words, int first_place)
      : left(tiles > 0),
        resident(false),
        tile(tiles),
        block(blocks),
        word(words),
        at(RING_WORDS, first_place),
        tile_at(RING_WORDS, first_place) {}
};
// Whether the word is its tile's last one for good.
inline bool ends_tile(const computed_t &now) {
#pragma HLS INLINE
  return now.word.last && now.block.last;
}
// To the next word, if this one `computes`.
inline void step(computed_t &now, bool computes) {
#pragma HLS INLINE
  const bool block_ends = now.word.last && computes;
  const bool tile_ends = ends_tile(now) && computes;
  wrapping_t<RING_BITS> behind = now.at;
  advance(behind);
  advance_or_return(now.at, computes, block_ends && !now.block.last, now.tile_at);
  move_if(now.tile_at, tile_ends, behind);
  now.left = tile_ends ? !now.tile.last : now.left;
  now.resident = block_ends ? !now.block.last : now.resident;
  advance_if(now.tile, tile_ends);
  advance_if(now.block, block_ends);
  advance_if(now.word, computes);
}

// The part that arrives next: the tiles of this operation, and then the first one of the operation that follows, if it
// comes ahead.
struct arriving_t {
  bool left;  // whether any tile is left
  bool asks;  // whether a part is to come now: from the cache, one has to wait for it
  bool own;  // whether the tile is one of this operation
  bool with_biases;
  bool begins;  // whether the part is its tile's first one
  wrapping_t<TILE_BITS> tile;
  wrapping_t<WORD_BITS> word;
  wrapping_t<PART_BITS> part;
  sint<PART_BITS> pause;  // iterations until the next part is asked for
  wrapping_t<RING_BITS> at;  // the word's place in the ring

  arriving_t(int own_tiles, bool ahead, bool biases, int words, int first_place)
      : left(own_tiles > 0 || ahead),
        asks(own_tiles > 0 || ahead),
        own(own_tiles > 0),
        with_biases(biases),
        begins(true),
        tile(own_tiles),
        word(words),
        part(OPERAND_PARTS),
        pause(0),
        at(RING_WORDS, first_place) {}
};
inline bool ends_word(const arriving_t &next) {
#pragma HLS INLINE
  return next.part.last;
}
inline bool ends_tile(const arriving_t &next) {
#pragma HLS INLINE
  return next.part.last && next.word.last;
}
// To the part behind, if this one arrives: it `fills` the ring. `fills` is known late, so it comes last everywhere.
inline void step(arriving_t &next, bool fills, bool ahead, const operation_t &following) {
#pragma HLS INLINE
  const bool last_of_own = ends_tile(next) && next.tile.last;
  const bool another_own = next.own && !next.tile.last;
  const bool another = another_own || (next.own && ahead);
  const bool pause_ends = next.pause <= 1;
  const bool word_ends = ends_word(next) && fills;
  const bool tile_ends = ends_tile(next) && fills;
  const bool rested = fills ? next.with_biases || CACHE_PACE == 1 : pause_ends;
  if (fills) {
    next.pause = next.with_biases ? 0 : CACHE_PACE - 1;
  } else if (next.pause > 0) {
    next.pause = next.pause - sint<2>(1);
  }
  next.begins = fills ? ends_tile(next) : next.begins;
  advance_if(next.at, word_ends);
  advance_if(next.part, fills);
  advance_if(next.word, word_ends);
  if (last_of_own && fills) set_limit(next.word, following.in_words);
  advance_if(next.tile, tile_ends);
  next.left = tile_ends ? another : next.left;
  next.own = tile_ends ? another_own : next.own;
  next.with_biases = last_of_own && fills ? following.operand == OPERAND_WEIGHTS : next.with_biases;
  next.asks = next.left && rested;
}

// What computing and filling know of each other, RING_DISTANCE iterations late.
struct known_t {
  bool word_filled[RING_DISTANCE - 1];  // one, two, ... iterations ago
  bool tile_done[RING_DISTANCE - 1];
  credit_t<RING_BITS> arrived;  // words that were not computed with
  credit_t<RING_BITS> free_words;
  credit_t<8> free_tiles;
  bool room;  // for a part

  known_t(int words_here, int tiles_here)
      : arrived(words_here),
        free_words(RING_WORDS - words_here),
        free_tiles(OPEN_TILES - tiles_here),
        room(words_here < RING_WORDS && tiles_here < OPEN_TILES) {
  start_history:
    for (int age = 0; age < RING_DISTANCE - 1; ++age) {
#pragma HLS UNROLL
      word_filled[age] = false;
      tile_done[age] = false;
    }
  }
};
// One iteration on: a word that had arrived is `taken`, a word or a tile's last one is filled, a tile of `tile_words`
// is done.
inline void step(known_t &known, bool taken, bool fills_word, bool fills_tile, bool does_tile, int tile_words) {
#pragma HLS INLINE
  const int oldest = RING_DISTANCE - 2;
  settle(known.arrived, taken, known.word_filled[oldest], 1);
  settle(known.free_words, fills_word, known.tile_done[oldest], tile_words);
  settle(known.free_tiles, fills_tile, known.tile_done[oldest], 1);
  known.room = known.free_words.some && known.free_tiles.some;
age_history:
  for (int age = oldest; age > 0; --age) {
#pragma HLS UNROLL
    known.word_filled[age] = known.word_filled[age - 1];
    known.tile_done[age] = known.tile_done[age - 1];
  }
  known.word_filled[0] = fills_word;
  known.tile_done[0] = does_tile;
}

}  // namespace edgemoe
