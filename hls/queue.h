// The token queues of a mixture-of-experts layer, and the processes that follow them.
#pragma once

#include "count.h"
#include "fifo.h"
#include "memory.h"
#include "operation.h"
#include "types.h"

namespace edgemoe {

// All queues share one pool of token x top-k entries, sorted by expert, so that their size does not depend on the
// number of experts; only an offset and a count an expert are kept.
struct queue_t {
  route_t by_token[MAX_ROUTES];  // token after token, its experts by descending score
  route_t by_expert[MAX_ROUTES];  // expert after expert, its tokens in ascending order
  place_t places[MAX_ROUTES];  // of by_expert: a second copy, because gathering reads it while dispatch reads the first
  sint<ROUTE_BITS> first[MAX_EXPERTS];
  sint<ROUTE_BITS> count[MAX_EXPERTS];
};

// Rate: one row an iteration, II = 1; out_tiles x padded rows iterations.
// Gives the destinations of the rows of an expert's results, and their scores, in the order in which they are read.
inline void dispatch(const operation_t op, const route_t queue[MAX_ROUTES], fifo<place_t> &destinations,
                     fifo<row_scale_t> &scales) {
  const bool scatter = op.kind == KIND_PRODUCT && (op.flags & FLAG_SCATTER) != 0;
  const int padded = op.blocks * TOKENS_PARALLEL;
  const int iterations = scatter ? op.out_tiles * padded : 0;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  wrapping_t<ROW_BITS> row(padded);

dispatch_rows:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const route_t route = read_at(queue, row < op.tokens ? static_cast<int>(op.queue_first + row) : 0);
    row_scale_t scale;
    scale.mantissa = route.score;
    scale.exponent = 0;
    destinations.write(route.place);
    scales.write(scale);
    advance(row);
  }
}

// Rate: one word an iteration, II = 1; gather_rows x gather_words iterations.
// The patch reordering of the experts: copies the tokens of a queue side by side, while the unit still works for the
// previous expert.
inline void gather_tokens(const operation_t op, const place_t places[MAX_ROUTES],
                          const memory_row_t source[FIRST_DEPTH], const memory_row_t source_rest[REST_DEPTH],
                          memory_row_t destination[FIRST_DEPTH], memory_row_t destination_rest[REST_DEPTH]) {
#pragma HLS AGGREGATE variable = source
#pragma HLS ARRAY_PARTITION variable = source complete dim = 2
#pragma HLS AGGREGATE variable = source_rest
#pragma HLS ARRAY_PARTITION variable = source_rest complete dim = 2
#pragma HLS AGGREGATE variable = destination
#pragma HLS ARRAY_PARTITION variable = destination complete dim = 2
#pragma HLS AGGREGATE variable = destination_rest
#pragma HLS ARRAY_PARTITION variable = destination_rest complete dim = 2
  const int iterations = op.gather_rows * op.gather_words;
#pragma HLS BIND_OP variable = iterations op = mul impl = fabric
  place_t from = {};
  place_t to;
  to.block = 0;
  to.lane = 0;
  sint<ROUTE_BITS> row = 0;
  wrapping_t<WORD_BITS> word(op.gather_words);

gather_steps:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    if (word == 0) from = read_at(places, op.gather_first + row);
    const word_t copied = read_word(source, source_rest, from.block * op.gather_stride + word, from.lane);
    write_word(destination, destination_rest, to.block * op.gather_stride + word, to.lane, copied);
    if (word.last) {
      row = row + 1;
      step_to_next(to);
    }
    advance(word);
  }
}

}  // namespace edgemoe
