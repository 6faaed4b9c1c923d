// The token queues of a mixture-of-experts layer, and the process that hands them to an operation.
#pragma once

#include "fifo.h"
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

// Rate: one row an iteration, II = 1; out_tiles x padded rows iterations (gather: tokens, once).
// Sends each consumer what it needs to know of a row, as often and in the order in which it will ask:
// places of queued tokens to the reader and the writer, scores or softmax factors to the rounding stage.
inline void dispatch(const operation_t op, const route_t queue[MAX_ROUTES], const row_t rows[MAX_ROWS],
                     fifo<place_t> &sources, fifo<place_t> &destinations, fifo<row_scale_t> &scales,
                     fifo<vec<act_t, TOKENS_PARALLEL>> &maxima) {
  const bool gather = op.kind == KIND_GATHER;
  const bool scatter = op.kind == KIND_PRODUCT && (op.flags & FLAG_SCATTER) != 0;
  const bool softmax = op.kind == KIND_PRODUCT && op.operand == OPERAND_VALUES;
  const int tiles = gather ? 1 : (scatter || softmax) ? op.out_tiles : 0;
  const int padded = op.blocks * TOKENS_PARALLEL;
  const int iterations = tiles * padded;
  vec<act_t, TOKENS_PARALLEL> block_maxima;
#pragma HLS ARRAY_PARTITION variable = block_maxima.lane complete
  int row = 0;
  int lane = 0;

dispatch_rows:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const bool valid = row < op.tokens;
    const route_t route = queue[valid && !softmax ? op.queue_first + row : 0];
    const row_t softmax_row = rows[valid && softmax ? row : 0];
    if (gather && valid) sources.write(route.place);
    if (scatter) {
      destinations.write(route.place);
      row_scale_t scale;
      scale.mantissa = route.score;
      scale.exponent = 0;
      scales.write(scale);
    }
    if (softmax) {
      scales.write(softmax_row.scale);
      block_maxima[lane] = softmax_row.maximum;
      if (lane == TOKENS_PARALLEL - 1) maxima.write(block_maxima);
    }
    lane = lane == TOKENS_PARALLEL - 1 ? 0 : lane + 1;
    row = row == padded - 1 ? 0 : row + 1;
  }
}

}  // namespace edgemoe
