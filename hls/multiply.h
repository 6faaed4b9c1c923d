// The unified compute unit: TOKENS_PARALLEL x OUT_PARALLEL x IN_PARALLEL multiply-accumulates a cycle for every product
// of the network: patch embedding, query, key, value, scores, attention, projection, MLP, experts and router.
#pragma once

#include "arith.h"
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
  const int blocks = empty ? 1 : op.blocks;
  const int out_tiles = product ? op.out_tiles : 0;
  const int all_tiles = comes_ahead(following) ? out_tiles + 1 : out_tiles;
  const bool first_is_here = product && comes_ahead(op);
  block_sums_t sum;
#pragma HLS ARRAY_PARTITION variable = sum.lane complete dim = 0
  int out_tile = 0;
  int block = 0;
  int word = 0;
  int tile_at = op.ring_word;  // where the tile that is computed begins in the ring
  int freed = 0;  // words of tiles that are done
  int filled = first_is_here ? op.in_words : 0;  // words that have arrived
  // The same as they were one, two, ... iterations ago.
  int filled_before[RING_DISTANCE - 1];
  int freed_before[RING_DISTANCE - 1];
  int done_before[RING_DISTANCE - 1];
#pragma HLS ARRAY_PARTITION variable = filled_before complete
#pragma HLS ARRAY_PARTITION variable = freed_before complete
#pragma HLS ARRAY_PARTITION variable = done_before complete
start_history:
  for (int age = 0; age < RING_DISTANCE - 1; ++age) {
#pragma HLS UNROLL
    filled_before[age] = filled;
    freed_before[age] = 0;
    done_before[age] = 0;
  }
  int fill_tile = first_is_here ? 1 : 0;
  int fill_word = 0;
  int fill_part = 0;
  int fill_pause = 0;  // iterations until the next part is asked for
  int fill_at = product ? op.ring_word + filled : following.ring_word;
  if (fill_at >= RING_WORDS) fill_at -= RING_WORDS;

multiply_steps:
  for (int i = 0; i < LONGEST_LOOP; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
// A word is read so many iterations after it has arrived, and its place written again so many after its tile is done.
#pragma HLS DEPENDENCE variable = ring inter RAW distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = ring inter WAR distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = bias_ring inter RAW distance = RING_DISTANCE true
#pragma HLS DEPENDENCE variable = bias_ring inter WAR distance = RING_DISTANCE true
    if (out_tile == out_tiles && fill_tile == all_tiles) break;
    const int oldest = RING_DISTANCE - 2;
    const bool computes = out_tile < out_tiles && freed + word < filled_before[oldest];
    const bool fills = fill_tile < all_tiles && fill_pause == 0 && filled - freed_before[oldest] < RING_WORDS &&
                       fill_tile - done_before[oldest] < OPEN_TILES;
  age_history:
    for (int age = oldest; age > 0; --age) {
#pragma HLS UNROLL
      filled_before[age] = filled_before[age - 1];
      freed_before[age] = freed_before[age - 1];
      done_before[age] = done_before[age - 1];
    }
    filled_before[0] = filled;
    freed_before[0] = freed;
    done_before[0] = out_tile;
    const bool own = fill_tile < out_tiles;
    const bool with_biases = own ? biased : following.operand == OPERAND_WEIGHTS;
    if (fill_pause > 0) --fill_pause;
    if (fills) {
      fill_pause = with_biases ? 0 : CACHE_PACE - 1;
      if (with_biases && fill_word == 0 && fill_part == 0) {
        const int tile = own ? op.ring_tile + fill_tile : static_cast<int>(following.ring_tile);
        bias_ring[tile % OPEN_TILES] = new_biases.read();
      }
      const part_t part = operands.read();
      write_lane(ring, fill_at, fill_part, part);
    }
    if (computes) {
      tile_t tile = {};
      if (!empty) tile = tiles.read();
      int at = tile_at + word;
      if (at >= RING_WORDS) at -= RING_WORDS;
      if (block == 0 && word == 0 && biased && !empty) biases.write(bias_ring[(op.ring_tile + out_tile) % OPEN_TILES]);
      if (word == 0) {
      clear_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
        clear_outs:
          for (int out = 0; out < OUT_PARALLEL; ++out) {
#pragma HLS UNROLL
            sum[token][out] = 0;
          }
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
            sum[token][out + o] +=
                multiply_exact(tile[token][in], ring[at][first / PART_VALUES][first % PART_VALUES + o]);
          }
        }
      }
      if (word == op.in_words - 1 && !empty) {
      send_tokens:
        for (int token = 0; token < TOKENS_PARALLEL; ++token) {
#pragma HLS UNROLL
          sums[token].write(sum[token]);
        }
      }
    }
    if (fills) {
      const bool last_part = fill_part == OPERAND_PARTS - 1;
      const bool last_word = last_part && fill_word == (own ? op.in_words : following.in_words) - 1;
      if (last_part) {
        ++filled;
        fill_at = fill_at == RING_WORDS - 1 ? 0 : fill_at + 1;
      }
      fill_part = last_part ? 0 : fill_part + 1;
      fill_word = last_word ? 0 : last_part ? fill_word + 1 : fill_word;
      if (last_word) ++fill_tile;
    }
    if (computes) {
      const bool last_word = word == op.in_words - 1;
      const bool last_block = last_word && block == blocks - 1;
      word = last_word ? 0 : word + 1;
      block = last_block ? 0 : last_word ? block + 1 : block;
      if (last_block) {
        ++out_tile;
        freed += op.in_words;
        tile_at += op.in_words;
        if (tile_at >= RING_WORDS) tile_at -= RING_WORDS;
      }
    }
  }
}

}  // namespace edgemoe
