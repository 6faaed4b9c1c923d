// AXI master ports for the compiler that schedules are made with, as the port's adapter shows them: a burst is asked
// for, then its beats come or go one by one. Stands in for hls/port.h.
#pragma once

#include "types.h"

#include <cstdint>

extern "C" {
void edgemoe_axi_request(void *port, std::int64_t first, std::int64_t beats) noexcept;
void edgemoe_axi_read(void *port) noexcept;
void edgemoe_axi_write(void *port) noexcept;
}

namespace edgemoe {

struct axi_read_t {
  beat_t beat;

  __attribute__((always_inline, nodebug)) inline beat_t operator[](std::int64_t) {
    edgemoe_axi_read(this);
    return beat;
  }
};

struct axi_write_t {
  beat_t beat;

  struct place_t {
    axi_write_t *port;
    __attribute__((always_inline, nodebug)) inline void operator=(const beat_t &value) const {
      port->beat = value;
      edgemoe_axi_write(port);
    }
  };
  __attribute__((always_inline, nodebug)) inline place_t operator[](std::int64_t) { return {this}; }
};

using read_port_t = axi_read_t &;
using write_port_t = axi_write_t &;

template <typename T>
__attribute__((always_inline, nodebug)) inline void open_burst(T &port, std::int64_t first, std::int64_t beats) {
  if (beats > 0) edgemoe_axi_request(&port, first, beats);
}

}  // namespace edgemoe
