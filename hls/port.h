// AXI master ports: plain pointers for synthesis; in the plain-integer simulation they count beats and check bounds.
#pragma once

#include "types.h"

#ifdef EDGEMOE_PLAIN_INTEGERS

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

 private:
  T *data_;
  std::uint64_t size_;
  std::uint64_t *beats_;
};

using read_port_t = counting_port<const beat_t>;
using write_port_t = counting_port<beat_t>;

template <typename T>
inline void open_burst(const counting_port<T> &, std::uint64_t, std::uint64_t) {}

}  // namespace edgemoe

#else

namespace edgemoe {
using read_port_t = const beat_t *;
using write_port_t = beat_t *;

inline void open_burst(const beat_t *, int, int) {
#pragma HLS INLINE
}
}  // namespace edgemoe

#endif
