// FIFOs between processes: hls::stream, in the plain-integer simulation an unbounded queue that reuses its storage, or
// in the timed simulation a queue of its depth that knows in which cycle everything crosses it.
#pragma once

#if defined(EDGEMOE_TIMED)

#include "timed/macros.h"

namespace edgemoe {
template <typename T>
using fifo = timed::fifo<T>;
}  // namespace edgemoe

#elif !defined(EDGEMOE_PLAIN_INTEGERS)

#include <hls_stream.h>

namespace edgemoe {
template <typename T>
using fifo = hls::stream<T>;
}  // namespace edgemoe

#else

#include <cstddef>
#include <stdexcept>
#include <vector>

namespace edgemoe {

// Values sit in chunks that go back to a pool when read empty, so that a simulated frame allocates next to nothing.
template <typename T>
class fifo {
 public:
  fifo() = default;
  explicit fifo(const char *) {}
  fifo(const fifo &) = delete;
  fifo &operator=(const fifo &) = delete;
  ~fifo() {
    while (head_ != nullptr) release();
  }

  void write(const T &value) {
    if (tail_ == nullptr || tail_->filled == CHUNK) append();
    tail_->value[tail_->filled++] = value;
  }

  T read() {
    if (empty()) throw std::logic_error("a process reads from an empty FIFO");
    const T value = head_->value[head_->taken++];
    if (head_->taken == CHUNK) release();
    return value;
  }

  bool empty() const { return head_ == nullptr || head_->taken == head_->filled; }

 private:
  static constexpr std::size_t CHUNK = sizeof(T) < 1024 ? 65536 / sizeof(T) : 64;
  struct chunk_t {
    std::size_t filled = 0;
    std::size_t taken = 0;
    chunk_t *next = nullptr;
    T value[CHUNK];
  };
  struct pool_t {
    std::vector<chunk_t *> free;
    ~pool_t() {
      for (chunk_t *chunk : free) delete chunk;
    }
  };

  static pool_t &pool() {
    static pool_t shared;
    return shared;
  }

  void append() {
    chunk_t *chunk = nullptr;
    if (pool().free.empty()) {
      chunk = new chunk_t;
    } else {
      chunk = pool().free.back();
      pool().free.pop_back();
      chunk->filled = chunk->taken = 0;
      chunk->next = nullptr;
    }
    (tail_ == nullptr ? head_ : tail_->next) = chunk;
    tail_ = chunk;
  }

  void release() {
    chunk_t *chunk = head_;
    head_ = chunk->next;
    if (head_ == nullptr) tail_ = nullptr;
    pool().free.push_back(chunk);
  }

  chunk_t *head_ = nullptr;
  chunk_t *tail_ = nullptr;
};

}  // namespace edgemoe

#endif
