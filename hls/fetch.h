// The movers between DDR and the engine: program, weights, input and result, each with a port of its own.
#pragma once

#include "count.h"
#include "fifo.h"
#include "operation.h"
#include "port.h"
#include "types.h"

#include <cstdint>

namespace edgemoe {

// Checks that the program was compiled for this very design, then passes every operation to the processes that need it.
// A mover gets only its own transfers, and the FIFO `orders` is deep, so that weights can be fetched for operations far
// ahead.
// Rate: one beat an iteration, II = 1; OPERATION_BEATS iterations an operation. A program of another design runs as an
// empty program whose END operation carries the error.
inline void read_program(read_port_t program, fifo<transfer_t> (&weight_orders)[WEIGHT_PORTS],
                         fifo<transfer_t> &input_orders, fifo<operation_t> &orders, fifo<transfer_t> &output_orders) {
  std::uint32_t words[OPERATION_WORDS];
#pragma HLS ARRAY_PARTITION variable = words complete

  open_burst(program, 0, OPERATION_BEATS);
header_beats:
  for (int beat = 0; beat < OPERATION_BEATS; ++beat) {
#pragma HLS PIPELINE II = 1
    const beat_t value = program[beat];
  header_words:
    for (int w = 0; w < BEAT_BITS / 32; ++w) {
#pragma HLS UNROLL
      words[beat * (BEAT_BITS / 32) + w] = beat_word(value, w);
    }
  }
  const bool fits = words[HEADER_MAGIC_WORD] == PROGRAM_MAGIC && words[HEADER_DESIGN_WORD] == DESIGN_ID_LOW &&
                    words[HEADER_DESIGN_WORD + 1] == DESIGN_ID_HIGH;
  const int operations = fits ? static_cast<int>(words[HEADER_OPERATIONS_WORD]) : 0;
  const int iterations = operations * OPERATION_BEATS;
  wrapping_t<8> beat(OPERATION_BEATS);

  open_burst(program, OPERATION_BEATS, iterations);
program_beats:
  for (int i = 0; i < iterations; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
    const beat_t value = program[OPERATION_BEATS + i];
  program_words:
    for (int w = 0; w < BEAT_BITS / 32; ++w) {
#pragma HLS UNROLL
      words[beat * (BEAT_BITS / 32) + w] = beat_word(value, w);
    }
    if (beat.last) {
      const operation_t op = decode_operation(words);
      transfer_t weights = {};
      weights.first = op.weight_first;
      weights.beats = op.weight_beats;
      transfer_t transfer = {};
      transfer.first = op.transfer_first;
      transfer.beats = op.transfer_beats;
      transfer.constant = (op.flags & FLAG_CONSTANT) != 0;
      if (op.weight_beats > 0) {
      order_ports:
        for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
          weight_orders[port].write(weights);
        }
      }
      if (loads_values(op)) input_orders.write(transfer);
      if (stores_results(op)) output_orders.write(transfer);
      orders.write(op);
    }
    advance(beat);
  }

  operation_t end = {};
  end.kind = KIND_END;
  transfer_t nothing = {};
  nothing.last = true;
  nothing.status = fits ? STATUS_DONE : STATUS_WRONG_DESIGN;
end_ports:
  for (int port = 0; port < WEIGHT_PORTS; ++port) {
#pragma HLS UNROLL
    weight_orders[port].write(nothing);
  }
  input_orders.write(nothing);
  orders.write(end);
  output_orders.write(nothing);
}

// Runs ahead of the computation, as far as the FIFO behind it is deep: the weights of every operation, in order, once.
// FILL_BEATS beats leave together, so that the unit can take more in a cycle than the port brings.
// Rate: one beat an iteration, II = 1.
inline void fetch_weights(read_port_t weights, fifo<transfer_t> &orders, fifo<fill_t> &fills) {
  fill_t fill;
#pragma HLS ARRAY_PARTITION variable = fill.lane complete
  wrapping_t<8> part(FILL_BEATS);

weight_operations:
  for (int operation = 0; operation < MAX_OPERATIONS; ++operation) {
#pragma HLS LOOP_TRIPCOUNT max = MAX_OPERATIONS
    const transfer_t order = orders.read();
    if (order.last) break;
    open_burst(weights, order.first, order.beats);
  weight_burst:
    for (int beat = 0; beat < order.beats; ++beat) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
      fill[part] = weights[order.first + beat];
      if (part.last) fills.write(fill);
      advance(part);
    }
  }
}

// Rate: one beat an iteration, II = 1. Images, and constants such as position embeddings.
inline void fetch_input(read_port_t image, read_port_t constants, fifo<transfer_t> &orders, fifo<beat_t> &beats) {
input_operations:
  for (int operation = 0; operation < MAX_OPERATIONS; ++operation) {
#pragma HLS LOOP_TRIPCOUNT max = MAX_OPERATIONS
    const transfer_t order = orders.read();
    if (order.last) break;
    // Two loops, so that each is a burst of one buffer.
    const int constant_beats = order.constant ? order.beats : 0;
    const int image_beats = order.constant ? 0 : order.beats;
    open_burst(constants, order.first, constant_beats);
  constant_burst:
    for (int beat = 0; beat < constant_beats; ++beat) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
      beats.write(constants[order.first + beat]);
    }
    open_burst(image, order.first, image_beats);
  image_burst:
    for (int beat = 0; beat < image_beats; ++beat) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
      beats.write(image[order.first + beat]);
    }
  }
}

// Rate: one beat an iteration, II = 1. The status is written last: it says that the result is complete.
inline void write_result(write_port_t result, fifo<transfer_t> &orders, fifo<beat_t> &beats, int *status) {
  int outcome = STATUS_PROGRAM_TOO_LONG;
output_operations:
  for (int operation = 0; operation < MAX_OPERATIONS; ++operation) {
#pragma HLS LOOP_TRIPCOUNT max = MAX_OPERATIONS
    const transfer_t order = orders.read();
    if (order.last) {
      outcome = order.status;
      break;
    }
    open_burst(result, order.first, order.beats);
  output_burst:
    for (int beat = 0; beat < order.beats; ++beat) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = MAX_TRIPS
      result[order.first + beat] = beats.read();
    }
  }
  *status = outcome;
}

}  // namespace edgemoe
