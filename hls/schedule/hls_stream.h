// Streams for the compiler that schedules are made with: accesses are calls that it can't see into, and elements are
// plain memory beside them, so that structs are split into their fields as everywhere else.
#pragma once

extern "C" {
void edgemoe_fifo_read(void *fifo) noexcept;
void edgemoe_fifo_write(void *fifo) noexcept;
}

namespace hls {

template <typename T>
struct stream {
  T head;
  T tail;

  stream() = default;
  __attribute__((always_inline, nodebug)) inline explicit stream(const char *) {}
  stream(const stream &) = delete;
  stream &operator=(const stream &) = delete;

  __attribute__((always_inline, nodebug)) inline T read() {
    edgemoe_fifo_read(this);
    return head;
  }
  __attribute__((always_inline, nodebug)) inline void write(const T &value) {
    tail = value;
    edgemoe_fifo_write(this);
  }
};

}  // namespace hls
