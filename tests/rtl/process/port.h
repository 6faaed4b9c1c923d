// AXI ports that make up what is read from them and keep what passes, for the test of one process. Stands in for
// hls/port.h: a burst is asked for, then its beats come or go in order.
#pragma once

#include "fifo.h"
#include "types.h"

#include <cstdint>

namespace edgemoe {

struct request_t {
  std::int64_t first, beats;
};
static const leaf_t table_request[] = {{0, 64, 64, true}, {64, 64, 64, true}};
static const leaves_t leaves_request = {table_request, 2};

// The burst that is open, and all that crossed the port.
struct port_t {
  elements_t came, went, asked;
  leaves_t leaves = {};
  void (*make)(beat_t &, std::int64_t) = nullptr;
  std::int64_t next = 0, left = 0;

  void clear() {
    came.clear();
    went.clear();
    asked.clear();
  }
  void open(std::int64_t first, std::int64_t beats) {
    if (left != 0) std::abort();
    const request_t request = {first, beats};
    asked.add(&request, leaves_request);
    next = first;
    left = beats;
  }
  void pass(std::int64_t index) {
    if (left == 0 || index != next) std::abort();
    ++next;
    --left;
  }
};
struct axi_read_t : port_t {
  beat_t operator[](std::int64_t index) {
    pass(index);
    beat_t beat;
    randomise(&beat, leaves);
    make(beat, index);
    came.add(&beat, leaves);
    return beat;
  }
};
struct axi_write_t : port_t {
  struct place_t {
    axi_write_t *port;
    std::int64_t index;
    void operator=(const beat_t &value) const {
      port->pass(index);
      port->went.add(&value, port->leaves);
    }
  };
  place_t operator[](std::int64_t index) { return {this, index}; }
};

using read_port_t = axi_read_t &;
using write_port_t = axi_write_t &;

inline void open_burst(port_t &port, std::int64_t first, std::int64_t beats) {
  if (beats > 0) port.open(first, beats);
}

}  // namespace edgemoe
