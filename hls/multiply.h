// The unified compute unit: TOKENS_PARALLEL x OUT_PARALLEL x IN_PARALLEL multiply-accumulates a cycle for every product
// of the network: patch embedding, query, key, value, scores, attention, projection, MLP, experts and router.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// Cycles in which the cache brings a part of a tile. Asked more often, the unit would wait for parts instead of
// computing.
constexpr int CACHE_PACE = (CACHE_STEPS + OPERAND_PARTS - 1) / OPERAND_PARTS;
constexpr int LONGEST_LOOP = 1 << 30;  // more than any loop takes: a bound that synthesis can see

// Rate: one tile of tokens an iteration, II = 1; about out_tiles x max(blocks x in_words, in_words x OPERAND_PARTS)
// iterations. The operands of an output tile stay in the ring while all tokens pass over them. Meanwhile those of later
// tiles arrive, at the end also the first tile of the operation that follows, so that it can begin at once.
// Who computes and who fills is a matter of counters alone, never of which FIFO has something, so that no run differs
// from another.
inline void multiply(const operation_t op, const operation_t following, fifo<part_t> &operands,
                     fifo<biases_t> &new_biases, fifo<tile_t> &tiles, ring_row_t ring[RING_WORDS],
                     biases_t bias_ring[OPEN_TILES], fifo<sums_t> (&sums)[TOKENS_PARALLEL], fifo<biases_t> &biases) {
#pragma HLS AGGREGATE variable = ring
#pragma HLS ARRAY_PARTITION variable = ring complete dim = 2
#pragma HLS AGGREGATE variable = bias_ring
  const bool product = op.kind == KIND_PRODUCT;
  const bool biased = op.operand == OPERAND_WEIGHTS;
  // A queue without tokens still brings its weights; they pass unused.
  const bool empty = op.blocks == 0;
  const bool ahead = comes_ahead(following);
  const bool first_is_here = product && comes_ahead(op);
  const int out_tiles = product ? op.out_tiles : 0;
  const int own_tiles = first_is_here ? out_tiles - 1 : out_tiles;  // that are still to come
  const int words_here = first_is_here ? op.in_words : 0;
  const int first_tile = op.ring_tile + (out_tiles - own_tiles);  // number of the first of these
  block_sums_t sum;
#pragma HLS ARRAY_PARTITION variable = sum.lane complete dim = 0

  // What is computed.
  bool computing = out_tiles > 0;  // whether a tile is left
  bool resident = false;  // whether all of its operands have been met before: behind the first block of tokens
  wrapping_t<TILE_BITS> out_tile(out_tiles);
  wrapping_t<PASS_BITS> block(empty ? 1 : op.blocks);
  wrapping_t<WORD_BITS> word(op.in_words);
  wrapping_t<RING_BITS> at(RING_WORDS, op.ring_word);  // where the word lies in the ring
  wrapping_t<RING_BITS> tile_at = at;  // where its tile begins

  // What arrives.
  bool own = own_tiles > 0;  // a tile of this operation, or the first one of the next
  bool filling = own || ahead;  // whether a tile is left
  bool asks = filling;  // whether a part is to come: from the cache, one has to wait for it
  const bool next_with_biases = following.operand == OPERAND_WEIGHTS;
  bool with_biases = own ? biased : next_with_biases;
  bool begins = true;  // whether the next part is a tile's first one
  wrapping_t<TILE_BITS> fill_tile(own_tiles);
  wrapping_t<WORD_BITS> fill_word(own ? op.in_words : following.in_words);
  wrapping_t<PART_BITS> fill_part(OPERAND_PARTS);
  sint<PART_BITS> fill_pause = 0;  // iterations until the next part is asked for
  const int first_free = product ? op.ring_word + words_here : static_cast<int>(following.ring_word);
  wrapping_t<RING_BITS> fill_at(RING_WORDS, first_free >= RING_WORDS ? first_free - RING_WORDS : first_free);

  // What both sides know of each other, RING_DISTANCE iterations late: words that have arrived and were not computed
  // with, places of words and of tiles that are free.
  credit_t<RING_BITS> arrived(words_here);
  credit_t<RING_BITS> free_words(RING_WORDS - words_here);
  credit_t<8> free_tiles(first_is_here ? OPEN_TILES - 1 : OPEN_TILES);
  bool has_room = free_words.some && free_tiles.some;
  // Whether a word was filled, and a tile done with: one, two, ... iterations ago.
  bool word_filled[RING_DISTANCE - 1];
  bool tile_done[RING_DISTANCE - 1];
#pragma HLS ARRAY_PARTITION variable = word_filled complete
#pragma HLS ARRAY_PARTITION variable = tile_done complete
start_history:
  for (int age = 0; age < RING_DISTANCE - 1; ++age) {
#pragma HLS UNROLL
    word_filled[age] = false;
    tile_done[age] = false;
  }

multiply_steps:
  for (int i = 0; i < LONGEST_LOOP; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// A word is read so many iterations after it has arrived, and its place written again so many after its tile is done.
#pragma HLS DEPENDENCE variable = ring inter RAW distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = ring inter WAR distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = bias_ring inter RAW distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = bias_ring inter WAR distance = RING_DISTANCE true
    // All flags here were found in the iteration before.
    if (!computing && !filling) break;
    const bool computes = computing && (resident || arrived.some);
    const bool fills = asks && has_room;
    if (fills) {
      if (with_biases && begins) {
        const int tile = own ? first_tile + fill_tile : static_cast<int>(following.ring_tile);
        bias_ring[tile % OPEN_TILES] = new_biases.read();
      }
      const part_t part = operands.read();
      write_lane(ring, fill_at, fill_part, part);
    }
    if (computes) {
      tile_t tile = {};
      if (!empty) tile = tiles.read();
      if (block == 0 && word == 0 && biased && !empty) biases.write(bias_ring[(op.ring_tile + out_tile) % OPEN_TILES]);
      block_sums_t partial;  // of this word
#pragma HLS ARRAY_PARTITION variable = partial.lane complete dim = 0
    clear_tokens:
      for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      clear_outs:
        for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
          partial[token][out] = 0;
        }
      }
    read_parts:
      for (int part = 0; part < OPERAND_PARTS; ++part) {
#pragma HLS UNROLL
        note_read(ring[0][part], at);
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
            partial[token][out + o] +=
                multiply_exact(tile[token][in], ring[at][first / PART_VALUES][first % PART_VALUES + o]);
          }
        }
      }
    // The word's own sum first: one addition is on the way from one iteration to the next.
    add_tokens:
      for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
      add_outs:
        for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
          sum[token][out] = word == 0 ? partial[token][out] : acc_t(sum[token][out] + partial[token][out]);
        }
      }
      if (word.last && !empty) {
      send_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
          sums[token].write(sum[token]);
        }
      }
    }

    // `fills` and `computes` come last: what stands beside them is known early.
    const bool last_of_tile = fill_part.last && fill_word.last;
    const bool last_of_own = last_of_tile && fill_tile.last;
    const bool another_own = own && !fill_tile.last;
    const bool another_tile = another_own || (own && ahead);
    const bool pause_ends = fill_pause <= 1;
    const bool last_block = word.last && block.last;
    const bool fills_word = fill_part.last && fills;
    const bool fills_tile = last_of_tile && fills;
    const bool computes_block = word.last && computes;
    const bool computes_tile = last_block && computes;
    const int oldest = RING_DISTANCE - 2;
    settle(arrived, computes && !resident, word_filled[oldest], 1);
    settle(free_words, fills_word, tile_done[oldest], op.in_words);
    settle(free_tiles, fills_tile, tile_done[oldest], 1);
  age_history:
    for (int age = oldest; age > 0; --age) {
#pragma HLS UNROLL
      word_filled[age] = word_filled[age - 1];
      tile_done[age] = tile_done[age - 1];
    }
    word_filled[0] = fills_word;
    tile_done[0] = computes_tile;

    if (fills) {
      fill_pause = with_biases ? 0 : CACHE_PACE - 1;
    } else if (fill_pause > 0) {
      fill_pause = fill_pause - sint<2>(1);
    }
    const bool rested = fills ? with_biases || CACHE_PACE == 1 : pause_ends;
    advance_if(fill_at, fills_word);
    advance_if(fill_part, fills);
    advance_if(fill_word, fills_word);
    if (last_of_own && fills) set_limit(fill_word, following.in_words);
    advance_if(fill_tile, fills_tile);
    begins = fills ? last_of_tile : begins;
    filling = fills_tile ? another_tile : filling;
    own = fills_tile ? another_own : own;
    with_biases = last_of_own && fills ? next_with_biases : with_biases;
    asks = filling && rested;
    has_room = free_words.some && free_tiles.some;

    // A tile begins behind the one before; its words come again for each block of tokens.
    wrapping_t<RING_BITS> behind = at;
    advance(behind);
    advance_or_return(at, computes, computes_block && !block.last, tile_at);
    move_if(tile_at, computes_tile, behind);
    computing = computes_tile ? !out_tile.last : computing;
    resident = computes_block ? !block.last : resident;
    advance_if(out_tile, computes_tile);
    advance_if(block, computes_block);
    advance_if(word, computes);
  }
}

}  // namespace edgemoe
