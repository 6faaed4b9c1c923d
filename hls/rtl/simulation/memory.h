// The memory behind the engine's AXI ports: buffers by address, and when each beat of a burst passes.
//
// Two models. With a rate, all ports share one server, as in the timed simulation (hls/timed/ddr.h): bursts are served
// in the order of their requests, a beat is there when its last byte is, and a burst's first one `latency` cycles after
// the request at the earliest. Without one, each port brings a beat a cycle, `latency` cycles after the request. Where
// buses are not always ready, every handshake of theirs takes place in so many percent of the cycles.
//
// A beat at an address of no buffer ends the simulation where the memory is strict, and is answered with DECERR
// elsewhere, as by an interconnect. Any burst can be answered badly, and the memory can fall silent.
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
#include <utility>
#include <vector>

using bytes_t = std::vector<std::uint8_t>;

struct settings_t {
  long latency = 40;  // cycles
  std::uint64_t numerator = 0, denominator = 1;  // bytes a cycle of all ports together; 0: a beat a cycle and port
  int percent = 100;
  std::uint64_t seed = 1;
};

enum response_t { OKAY = 0, SLVERR = 2, DECERR = 3 };  // of AXI

class memory_t {
 public:
  explicit memory_t(const settings_t &settings) : settings_(settings), random_(settings.seed * 2 + 1) {}

  long now = 0;
  bool is_strict = true;
  bool is_silent = false;  // no bus moves any more
  std::string problem;  // the last bad answer that the memory had a reason for

  // Says where a buffer's bytes are; those of no size are gone.
  void connect(std::uint64_t address, std::uint8_t *bytes, std::size_t size) {
    if (size) {
      buffers_[address] = {bytes, size};
    } else {
      buffers_.erase(address);
    }
  }

  // The bytes of an address; null where no buffer is.
  std::uint8_t *place(std::uint64_t address, std::size_t bytes) {
    auto found = buffers_.upper_bound(address);
    if (found != buffers_.begin() && address + bytes <= (--found)->first + found->second.second) {
      return found->second.first + (address - found->first);
    }
    char text[80];
    std::snprintf(text, sizeof text, "the address 0x%llx is in no buffer", static_cast<unsigned long long>(address));
    if (is_strict) throw std::runtime_error(text);
    problem = text;
    return nullptr;
  }

  // The burst of a port that gets a bad answer, counted from 1 on.
  void spoil(int port, long burst, int response) {
    counted_.clear();
    spoilt_[port] = {burst, response};
  }
  // Counts a burst of a port; its answer, unless it meets no buffer.
  int response(int port) {
    const auto found = spoilt_.find(port);
    return ++counted_[port] == (found == spoilt_.end() ? 0 : found->second.first) ? found->second.second : OKAY;
  }

  // Whether a bus moves in this cycle.
  bool moves() {
    if (is_silent) return false;
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
  std::map<std::uint64_t, std::pair<std::uint8_t *, std::size_t>> buffers_;
  std::map<int, std::pair<long, int>> spoilt_;  // burst and response, by port
  std::map<int, long> counted_;  // bursts of a port since it was said which one is answered badly
};

// A port that reads. `port` has pointers to the top module's signals.
template <typename PORT, std::size_t BEAT>
class reader_t {
 public:
  reader_t(const PORT &port, int number) : port_(port), number_(number) { forget(); }

  // As after a reset: nothing is on its way.
  void forget() {
    *port_.rresp = *port_.rid = *port_.rvalid = 0;
    beats_.clear();
    passed_ = false;
  }

  // What the bus says in this cycle.
  void offer(memory_t &memory) {
    *port_.arready = memory.moves();
    if (passed_) *port_.rvalid = 0;
    passed_ = false;
    if (*port_.rvalid || beats_.empty() || beats_.front().at > memory.now || !memory.moves()) return;
    const beat_t &beat = beats_.front();
    const std::uint8_t *bytes = memory.place(beat.address, BEAT);
    *port_.rvalid = 1;
    *port_.rlast = beat.is_last;
    *port_.rresp = bytes == nullptr ? static_cast<int>(DECERR) : beat.response;
    if (*port_.rresp == OKAY) {
      std::memcpy(port_.rdata, bytes, BEAT);
    } else {
      std::memset(port_.rdata, 0xa5, BEAT);  // nothing says what comes with a bad answer
    }
  }

  // What passes in this cycle; whether anything does. Inputs stay until its edge.
  bool take(memory_t &memory) {
    passed_ = *port_.rvalid && *port_.rready;
    if (passed_) beats_.pop_front();
    if (!*port_.arvalid || !*port_.arready) return passed_;
    std::uint64_t address = *port_.araddr;
    int left = *port_.arlen + 1;
    const int response = memory.response(number_);
    memory.serve(left, BEAT, last_, [&](long at) {
      beats_.push_back({at, address, --left == 0, response});
      address += BEAT;
    });
    return true;
  }

 private:
  struct beat_t {
    long at;
    std::uint64_t address;
    bool is_last;
    int response;
  };
  PORT port_;
  int number_;
  std::deque<beat_t> beats_;
  bool passed_ = false;  // the beat that is offered
  long last_ = -1;  // cycle of the last beat that is known
};

// A port that writes. Its beats are on their way to the memory as long as those of a read are back: so much earlier
// they are taken.
template <typename PORT, std::size_t BEAT>
class writer_t {
 public:
  writer_t(const PORT &port, int number) : port_(port), number_(number) { forget(); }

  void forget() {
    *port_.bresp = *port_.bid = *port_.bvalid = 0;
    beats_.clear();
    responses_.clear();
    answered_ = false;
  }

  void offer(memory_t &memory) {
    *port_.awready = memory.moves();
    if (answered_) *port_.bvalid = 0;
    answered_ = false;
    *port_.wready = !beats_.empty() && beats_.front().at <= memory.now && memory.moves();
    if (*port_.bvalid || responses_.empty() || responses_.front().at > memory.now || !memory.moves()) return;
    *port_.bvalid = 1;
    *port_.bresp = responses_.front().response;
  }

  bool take(memory_t &memory) {
    const bool written = *port_.wvalid && *port_.wready;
    if (written) {
      const beat_t beat = beats_.front();
      beats_.pop_front();
      std::uint8_t *bytes = memory.place(beat.address, BEAT);
      if (bytes == nullptr) worst_ = DECERR;
      if (bytes != nullptr && beat.response == OKAY) std::memcpy(bytes, port_.wdata, BEAT);
      if (static_cast<bool>(*port_.wlast) != beat.is_last)
        throw std::runtime_error("a burst's last beat is not marked");
      if (beat.is_last) {
        responses_.push_back({memory.now + memory.latency(), std::max(worst_, beat.response)});
        worst_ = OKAY;
      }
    }
    answered_ = *port_.bvalid && *port_.bready;
    if (answered_) responses_.pop_front();
    if (!*port_.awvalid || !*port_.awready) return written || answered_;
    std::uint64_t address = *port_.awaddr;
    int left = *port_.awlen + 1;
    const int response = memory.response(number_);
    memory.serve(left, BEAT, last_, [&](long at) {
      beats_.push_back({at - memory.latency(), address, --left == 0, response});
      address += BEAT;
    });
    return true;
  }

 private:
  struct beat_t {
    long at;
    std::uint64_t address;
    bool is_last;
    int response;
  };
  struct answer_t {
    long at;
    int response;
  };
  PORT port_;
  int number_;
  std::deque<beat_t> beats_;
  std::deque<answer_t> responses_;
  int worst_ = OKAY;  // of the burst that is written
  bool answered_ = false;
  long last_ = -1;
};
