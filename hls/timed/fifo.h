// A FIFO of the timed run: values here, their times in its channel.
#pragma once

#include "scheduler.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace edgemoe {
namespace timed {

template <typename T>
class fifo {
 public:
  fifo() = default;
  explicit fifo(const char *name) { this->name(name, nullptr); }
  fifo(const fifo &) = delete;
  fifo &operator=(const fifo &) = delete;

  void write(const T &value) {
    if (channel_.staged - channel_.taken == values_.size()) grow();
    values_[channel_.staged & (values_.size() - 1)] = value;
    scheduler_t::active()->current().write(channel_);
  }

  T read() {
    const std::uint64_t n = channel_.taken;
    scheduler_t::active()->current().read(channel_);
    return values_[n & (values_.size() - 1)];
  }

  // Name and depth; the table's depth goes before the source's, whole_array's for FIFOs of an array without their own.
  void name(const std::string &name, const char *whole_array, std::uint64_t depth = 2) {
    run_t &run = scheduler_t::active()->run;
    auto found = run.table.depths.find(name);
    if (found == run.table.depths.end() && whole_array != nullptr) found = run.table.depths.find(whole_array);
    channel_.depth = found == run.table.depths.end() ? depth : found->second;
    channel_.variable = whole_array == nullptr ? name : whole_array;
    channel_.writing_loop = nullptr;
    channel_.totals = &run.totals.fifo(scheduler_t::active()->current().region(), name);
    channel_.totals->depth = channel_.depth;
  }

  channel_t &channel() { return channel_; }

 private:
  void grow() {
    std::vector<T> larger(values_.empty() ? 4 : 2 * values_.size());
    for (std::uint64_t n = channel_.taken; n < channel_.staged; ++n) {
      larger[n & (larger.size() - 1)] = values_[n & (values_.size() - 1)];
    }
    values_.swap(larger);
  }

  std::vector<T> values_;
  channel_t channel_;
};

template <typename T>
void set_depth(fifo<T> &queue, const char *name, std::uint64_t depth) {
  queue.name(name, nullptr, depth);
}
template <typename T, std::size_t N>
void set_depth(fifo<T> (&queues)[N], const char *name, std::uint64_t depth) {
  for (std::size_t i = 0; i < N; ++i) queues[i].name(std::string(name) + "[" + std::to_string(i) + "]", name, depth);
}

// A process's arguments: it is one of those that use the FIFOs among them.
inline void use_channel(const process_t &process, channel_t &channel) {
  for (user_t &user : channel.users) {
    if (user.process->alive && user.process->serial == user.serial) continue;
    user = {&process, process.serial};
    return;
  }
  channel.users.push_back({&process, process.serial});
}
template <typename T>
void use(const process_t &, const T &) {}
template <typename T>
void use(const process_t &process, fifo<T> &queue) {
  use_channel(process, queue.channel());
}
template <typename T, std::size_t N>
void use(const process_t &process, fifo<T> (&queues)[N]) {
  for (fifo<T> &queue : queues) use_channel(process, queue.channel());
}
template <typename... ARGUMENTS>
void use_all(const process_t &process, ARGUMENTS &&...arguments) {
  const int each[] = {0, (use(process, arguments), 0)...};
  static_cast<void>(each);
}

}  // namespace timed
}  // namespace edgemoe
