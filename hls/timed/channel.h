// The times of one FIFO: when its elements were written and read, whatever they are.
//
// Element n, written in cycle w[n], is readable from w[n] + 1; it may be written from r[n - depth] + 1 on. Elements are
// `staged` when code writes them and `taken` when code reads them; the cycles follow when they are known: published
// writes and consumed reads.
#pragma once

#include "totals.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace edgemoe {
namespace timed {

class process_t;
void wake(process_t *&waiting);  // makes it runnable and forgets it; nothing for null

// Who holds a FIFO, to find who a process waits for.
struct user_t {
  const process_t *process;
  std::uint64_t serial;
};

class channel_t {
 public:
  static constexpr cycle_t ALWAYS = std::numeric_limits<cycle_t>::min();

  std::uint64_t depth = 2;  // 0: unbounded
  std::uint64_t staged = 0;
  std::uint64_t written = 0;
  std::uint64_t taken = 0;
  std::uint64_t read = 0;
  process_t *waiting_reader = nullptr;
  process_t *waiting_writer = nullptr;
  fifo_totals_t *totals = nullptr;
  std::string variable;  // its name, or its array's
  const loop_t *writing_loop = nullptr;  // that wrote last, and the lane of its pipeline that the write is in
  std::size_t lane = 0;
  std::vector<user_t> users;

  channel_t() : writes_(16), reads_(16) {}
  channel_t(const channel_t &) = delete;
  channel_t &operator=(const channel_t &) = delete;
  ~channel_t() { finish(); }

  bool room_known(std::uint64_t n) const { return depth == 0 || n < depth || n - depth < read; }
  cycle_t room(std::uint64_t n) const { return depth == 0 || n < depth ? ALWAYS : reads_[(n - depth) & mask_] + 1; }
  bool has(std::uint64_t n) const { return n < written; }
  cycle_t available(std::uint64_t n) const { return writes_[n & mask_] + 1; }

  void publish(cycle_t cycle) {
    if (written - passed_ >= mask_ || depth >= mask_) grow();
    writes_[written++ & mask_] = cycle;
    measure();
    if (waiting_reader != nullptr) wake(waiting_reader);
  }

  void consume(cycle_t cycle) {
    reads_[read++ & mask_] = cycle;
    measure();
    if (waiting_writer != nullptr) wake(waiting_writer);
  }

 private:
  // Highest fill: element n finds n - (reads before w[n]) others, since a place is free from the cycle after its read.
  // A merge of two sorted sequences, as far as both are known. With so many places no write would wait longer.
  void measure() {
    while (measured_ < written) {
      const cycle_t cycle = writes_[measured_ & mask_];
      while (passed_ < read && passed_ < measured_ && reads_[passed_ & mask_] < cycle) ++passed_;
      if (passed_ == read && passed_ < measured_) return;  // the next read may still come before this write
      note();
    }
  }

  void note() {
    const std::uint64_t fill = measured_++ + 1 - passed_;
    if (fill > highest_) highest_ = fill;
  }

  // No read comes any more.
  void finish() {
    while (measured_ < written) {
      const cycle_t cycle = writes_[measured_ & mask_];
      while (passed_ < read && reads_[passed_ & mask_] < cycle) ++passed_;
      note();
    }
    if (totals == nullptr) return;
    if (highest_ > totals->highest) totals->highest = highest_;
    totals->writes += written;
  }

  void grow() {
    const std::size_t old = mask_ + 1;
    std::size_t size = 2 * old;
    while (size <= depth + 1) size *= 2;
    std::vector<cycle_t> writes(size);
    std::vector<cycle_t> reads(size);
    for (std::uint64_t n = written > old ? written - old : 0; n < written; ++n) {
      writes[n & (size - 1)] = writes_[n & mask_];
      reads[n & (size - 1)] = reads_[n & mask_];
    }
    writes_.swap(writes);
    reads_.swap(reads);
    mask_ = size - 1;
  }

  std::vector<cycle_t> writes_;
  std::vector<cycle_t> reads_;
  std::size_t mask_ = 15;
  std::uint64_t measured_ = 0;
  std::uint64_t passed_ = 0;
  std::uint64_t highest_ = 0;
};

}  // namespace timed
}  // namespace edgemoe
