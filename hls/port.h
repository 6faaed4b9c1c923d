// AXI master ports: plain pointers for synthesis. In the plain-integer simulation they count beats and check bounds; in
// the timed simulation they know the cycle of every beat.
//
// open_burst: the loop that follows touches port[first .. first + beats), in this order. Synthesis finds the burst by
// itself; the simulations check its bounds, and the timed one asks for its beats from then on.
#pragma once

#include "types.h"

#include <cstdint>

#if defined(EDGEMOE_TIMED)

#include "timed/port.h"

namespace edgemoe {

using read_port_t = timed::port_t<const beat_t>;
using write_port_t = timed::port_t<beat_t>;

template <typename T>
inline void open_burst(const timed::port_t<T> &port, std::int64_t first, std::int64_t beats) {
  if (beats > 0) port.open_burst(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(beats));
}

}  // namespace edgemoe

#elif defined(EDGEMOE_PLAIN_INTEGERS)

#include <stdexcept>

namespace edgemoe {

// `beats` counts what crossed the port: the memory model behind every figure of DDR traffic in C simulation.
template <typename T>
class counting_port {
 public:
  counting_port(T *data, std::uint64_t size, std::uint64_t *beats) : data_(data), size_(size), beats_(beats) {}
  T &operator[](std::uint64_t index) const {
    if (index >= size_) throw std::out_of_range("an AXI port reaches beyond its buffer");
    ++*beats_;
    return data_[index];
  }
  void check(std::uint64_t first, std::uint64_t beats) const {
    if (beats == 0) return;
    if (first > size_ || beats > size_ - first) throw std::out_of_range("an AXI port reaches beyond its buffer");
  }

 private:
  T *data_;
  std::uint64_t size_;
  std::uint64_t *beats_;
};

using read_port_t = counting_port<const beat_t>;
using write_port_t = counting_port<beat_t>;

template <typename T>
inline void open_burst(const counting_port<T> &port, std::int64_t first, std::int64_t beats) {
  if (beats > 0) port.check(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(beats));
}

}  // namespace edgemoe

#else

namespace edgemoe {
using read_port_t = const beat_t *;
using write_port_t = beat_t *;

inline void open_burst(const beat_t *, std::int64_t, std::int64_t) {
#pragma HLS INLINE
}
}  // namespace edgemoe

#endif
