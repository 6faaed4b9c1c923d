// The memory behind the engine's AXI ports: buffers by address, and when each beat of a burst passes.
//
// Two models. With a rate, all ports share one server, as in the timed simulation (hls/timed/ddr.h): bursts are served
// in the order of their requests, a beat is there when its last byte is, and a burst's first one `latency` cycles after
// the request at the earliest. Without one, each port brings a beat a cycle, `latency` cycles after the request. Where
// buses are not always ready, every handshake of theirs takes place in so many percent of the cycles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using bytes_t = std::vector<std::uint8_t>;

struct settings_t {
  long latency = 40;  // cycles
  std::uint64_t numerator = 0, denominator = 1;  // bytes a cycle of all ports together; 0: a beat a cycle and port
  int percent = 100;
  std::uint64_t seed = 1;
};

class memory_t {
 public:
  explicit memory_t(const settings_t &settings) : settings_(settings), random_(settings.seed * 2 + 1) {}

  long now = 0;

  bytes_t &buffer(std::uint64_t address) { return buffers_[address]; }

  std::uint8_t *place(std::uint64_t address, std::size_t bytes) {
    auto found = buffers_.upper_bound(address);
    if (found != buffers_.begin() && address + bytes <= (--found)->first + found->second.size()) {
      return found->second.data() + (address - found->first);
    }
    char text[80];
    std::snprintf(text, sizeof text, "the address 0x%llx is in no buffer", static_cast<unsigned long long>(address));
    throw std::runtime_error(text);
  }

  // Whether a bus moves in this cycle.
  bool moves() {
    if (settings_.percent >= 100) return true;
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return static_cast<int>((random_ >> 32) % 100) < settings_.percent;
  }

  long latency() const { return settings_.latency; }

  // The cycles in which the beats of a burst can pass at the earliest, asked for in this one.
  template <typename USE>
  void serve(int beats, std::size_t bytes, long &last, USE use) {
    const bool shared = settings_.numerator != 0;
    if (shared) free_ = std::max(free_, static_cast<std::uint64_t>(now + settings_.latency) * settings_.numerator);
    for (int i = 0; i < beats; ++i) {
      long at = now + settings_.latency + i;
      if (shared) {
        free_ += bytes * settings_.denominator;
        at = static_cast<long>((free_ + settings_.numerator - 1) / settings_.numerator) - 1;
      }
      last = std::max(last + 1, at);
      use(last);
    }
  }

 private:
  settings_t settings_;
  std::uint64_t random_;
  std::uint64_t free_ = 0;  // when the server is: in shares of a cycle
  std::map<std::uint64_t, bytes_t> buffers_;
};

// A port that reads. `port` has pointers to the top module's signals.
template <typename PORT, std::size_t BEAT>
class reader_t {
 public:
  explicit reader_t(const PORT &port) : port_(port) { *port_.rresp = *port_.rid = *port_.rvalid = 0; }

  // What the bus says in this cycle.
  void offer(memory_t &memory) {
    *port_.arready = memory.moves();
    if (passed_) *port_.rvalid = 0;
    passed_ = false;
    if (*port_.rvalid || beats_.empty() || beats_.front().at > memory.now || !memory.moves()) return;
    *port_.rvalid = 1;
    *port_.rlast = beats_.front().is_last;
    std::memcpy(port_.rdata, memory.place(beats_.front().address, BEAT), BEAT);
  }

  // What passes in this cycle; whether anything does. Inputs stay until its edge.
  bool take(memory_t &memory) {
    passed_ = *port_.rvalid && *port_.rready;
    if (passed_) beats_.pop_front();
    if (!*port_.arvalid || !*port_.arready) return passed_;
    std::uint64_t address = *port_.araddr;
    int left = *port_.arlen + 1;
    memory.serve(left, BEAT, last_, [&](long at) {
      beats_.push_back({at, address, --left == 0});
      address += BEAT;
    });
    return true;
  }

 private:
  struct beat_t {
    long at;
    std::uint64_t address;
    bool is_last;
  };
  PORT port_;
  std::deque<beat_t> beats_;
  bool passed_ = false;  // the beat that is offered
  long last_ = -1;  // cycle of the last beat that is known
};

// A port that writes. Its beats are on their way to the memory as long as those of a read are back: so much earlier
// they are taken.
template <typename PORT, std::size_t BEAT>
class writer_t {
 public:
  explicit writer_t(const PORT &port) : port_(port) { *port_.bresp = *port_.bid = *port_.bvalid = 0; }

  void offer(memory_t &memory) {
    *port_.awready = memory.moves();
    if (answered_) *port_.bvalid = 0;
    answered_ = false;
    *port_.wready = !beats_.empty() && beats_.front().at <= memory.now && memory.moves();
    if (!*port_.bvalid && !responses_.empty() && responses_.front() <= memory.now && memory.moves()) *port_.bvalid = 1;
  }

  bool take(memory_t &memory) {
    const bool written = *port_.wvalid && *port_.wready;
    if (written) {
      const beat_t beat = beats_.front();
      beats_.pop_front();
      std::memcpy(memory.place(beat.address, BEAT), port_.wdata, BEAT);
      if (static_cast<bool>(*port_.wlast) != beat.is_last)
        throw std::runtime_error("a burst's last beat is not marked");
      if (beat.is_last) responses_.push_back(memory.now + memory.latency());
    }
    answered_ = *port_.bvalid && *port_.bready;
    if (answered_) responses_.pop_front();
    if (!*port_.awvalid || !*port_.awready) return written || answered_;
    std::uint64_t address = *port_.awaddr;
    int left = *port_.awlen + 1;
    memory.serve(left, BEAT, last_, [&](long at) {
      beats_.push_back({at - memory.latency(), address, --left == 0});
      address += BEAT;
    });
    return true;
  }

 private:
  struct beat_t {
    long at;
    std::uint64_t address;
    bool is_last;
  };
  PORT port_;
  std::deque<beat_t> beats_;
  std::deque<long> responses_;
  bool answered_ = false;
  long last_ = -1;
};
