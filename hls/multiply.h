// The unified compute unit: TOKENS_PARALLEL x OUT_PARALLEL x IN_PARALLEL multiply-accumulates a cycle for every product
// of the network: patch embedding, query, key, value, scores, attention, projection, MLP, experts and router.
#pragma once

#include "arith.h"
#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#include "ring.h"
#include "types.h"

namespace edgemoe {

constexpr int LONGEST_LOOP = 1 << 30;  // more than any loop takes: a bound that synthesis can see

// Rate: one tile of tokens an iteration, II = 1; about out_tiles x max(blocks x in_words, in_words x OPERAND_PARTS)
// iterations. The operands of an output tile stay in the ring while all tokens pass over them. Operands of later tiles
// arrive meanwhile, at the end also the first tile of the next operation, so this operation can begin at once.
// Counters alone decide when the unit computes and when it fills the ring, never the state of a FIFO. So every run
// takes the same cycles.
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

  const int first_free = product ? op.ring_word + words_here : static_cast<int>(following.ring_word);
  // What is computed with, what arrives, and what both sides know of each other.
  computed_t computed(out_tiles, empty ? 1 : op.blocks, op.in_words, op.ring_word);
  arriving_t arriving(own_tiles, ahead, own_tiles > 0 ? biased : following.operand == OPERAND_WEIGHTS,
                      own_tiles > 0 ? op.in_words : following.in_words,
                      first_free >= RING_WORDS ? first_free - RING_WORDS : first_free);
  known_t known(words_here, first_is_here ? 1 : 0);
#pragma HLS ARRAY_PARTITION variable = known.word_filled complete
#pragma HLS ARRAY_PARTITION variable = known.tile_done complete

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
    if (!computed.left && !arriving.left) break;
    const bool computes = computed.left && (computed.resident || known.arrived.some);
    const bool fills = arriving.asks && known.room;
    if (fills) {
      if (arriving.with_biases && arriving.begins) {
        const int tile = arriving.own ? first_tile + arriving.tile : static_cast<int>(following.ring_tile);
        bias_ring[tile % OPEN_TILES] = new_biases.read();
      }
      const part_t part = operands.read();
      write_lane(ring, arriving.at, arriving.part, part);
    }
    if (computes) {
      tile_t tile = {};
      if (!empty) tile = tiles.read();
      if (computed.block == 0 && computed.word == 0 && biased && !empty) {
        biases.write(bias_ring[(op.ring_tile + computed.tile) % OPEN_TILES]);
      }
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
        note_read(ring[0][part], computed.at);
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
                multiply_exact(tile[token][in], ring[computed.at][first / PART_VALUES][first % PART_VALUES + o]);
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
          sum[token][out] = computed.word == 0 ? partial[token][out] : acc_t(sum[token][out] + partial[token][out]);
        }
      }
      if (computed.word.last && !empty) {
      send_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
          sums[token].write(sum[token]);
        }
      }
    }

    step(known, computes && !computed.resident, ends_word(arriving) && fills, ends_tile(arriving) && fills,
         ends_tile(computed) && computes, op.in_words);
    step(arriving, fills, ahead, following);
    step(computed, computes);
  }
}

}  // namespace edgemoe
