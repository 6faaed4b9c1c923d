// AXI ports and the DDR behind them: bursts, outstanding requests, one server for all ports.
//
// Times within the server are counted in fractions of a cycle (numerator of the bytes a cycle), so nothing is rounded
// but the cycle in which a beat arrives.
#pragma once

#include "channel.h"
#include "ring.h"
#include "table.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace edgemoe {
namespace timed {

struct request_t {
  cycle_t at;
  std::uint64_t beats;
};

// One AXI master port in one direction. Beats are numbered over the whole run.
class axi_t {
 public:
  std::string name;
  bool writes;
  std::uint64_t beat_bytes;
  process_t *waiting = nullptr;
  ring_t<request_t> requests;  // made, and not served yet
  std::uint64_t served = 0;  // beats
  std::uint64_t bursts = 0;
  std::uint64_t units = 0;  // of the server's time
  cycle_t waited = 0;

  axi_t(const std::string &port, bool is_write, std::uint64_t bytes, std::uint64_t outstanding, std::uint64_t burst,
        cycle_t start, cycle_t next)
      : name(port),
        writes(is_write),
        beat_bytes(bytes),
        outstanding_(outstanding),
        burst_(burst),
        start_(start),
        more_(next) {
    std::size_t size = 16;
    while (size < 2 * outstanding * burst) size *= 2;
    times_.resize(size);
  }

  // A burst of `beats` beats from index `first` on, opened in a cycle. What is left of the burst before is dropped.
  void open(std::uint64_t first, std::uint64_t beats, cycle_t cycle) {
    if (writes) {
      flush(cycle);
      remaining_ = beats;
    } else {
      in_flight_.clear();
      taken_ = consumed_ = requested_;
      remaining_ = beats;
      cycle_t at = cycle + start_;
      while (remaining_ > 0 && in_flight_.size() < outstanding_) at = request_burst(at) + 1;
    }
    next_ = first;
    end_ = first + beats;
  }
  bool expects(std::uint64_t index) const { return next_ < end_ && next_ == index; }

  // Number of the beat that code touches now.
  std::uint64_t touch() {
    ++next_;
    return taken_++;
  }

  // Read ports: beat n, and the cycle from which it can be read.
  bool known(std::uint64_t n) const { return n < served; }
  cycle_t available(std::uint64_t n) const { return times_[n & (times_.size() - 1)]; }
  void consume(cycle_t cycle) {
    ++consumed_;
    if (in_flight_.empty() || consumed_ < in_flight_.front()) return;
    in_flight_.pop();
    if (remaining_ > 0) request_burst(cycle + 1 + more_);
  }

  // Write ports: whether there is room for beat n in the adapter's buffer, and from which cycle on.
  bool room_known(std::uint64_t n) const { return n < capacity() || n - capacity() < served; }
  cycle_t room(std::uint64_t n) const { return n < capacity() ? channel_t::ALWAYS : available(n - capacity()); }
  void publish(cycle_t cycle) {
    ++gathered_;
    if (remaining_ > 0) --remaining_;
    if (gathered_ == burst_ || remaining_ == 0) flush(cycle + 1 + more_);
  }

  cycle_t last_delivery() const { return last_delivery_; }

  // The server has sent or taken a beat: its last byte passes in cycle - 1.
  void deliver(cycle_t cycle) {
    last_delivery_ = std::max(last_delivery_ + 1, cycle);
    times_[served++ & (times_.size() - 1)] = last_delivery_;
  }

 private:
  std::uint64_t capacity() const { return outstanding_ * burst_; }

  cycle_t request_burst(cycle_t earliest) {
    const std::uint64_t beats = std::min(remaining_, burst_);
    last_request_ = std::max(earliest, last_request_ + 1);
    requests.push({last_request_, beats});
    remaining_ -= beats;
    requested_ += beats;
    in_flight_.push(requested_);
    return last_request_;
  }

  void flush(cycle_t cycle) {
    if (gathered_ == 0) return;
    last_request_ = std::max(cycle, last_request_ + 1);
    requests.push({last_request_, gathered_});
    gathered_ = 0;
  }

  std::uint64_t outstanding_;
  std::uint64_t burst_;
  cycle_t start_, more_;  // from a wish to a request
  std::uint64_t next_ = 0;  // index that the open burst expects
  std::uint64_t end_ = 0;
  std::uint64_t remaining_ = 0;  // beats of the open burst: reads not requested, writes not written
  std::uint64_t requested_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t gathered_ = 0;  // written, in no request yet
  cycle_t last_request_ = -1;
  cycle_t last_delivery_ = -1;
  ring_t<std::uint64_t> in_flight_;  // number of the beat after each open burst
  std::vector<cycle_t> times_;
};

class ddr_t {
 public:
  std::deque<axi_t> ports;  // addresses stay; the order decides between requests of one cycle
  std::uint64_t units = 0;  // served
  std::uint64_t bytes = 0;

  ddr_t(const edgemoe_timing_t &timing, const table_t &table)
      : latency_(timing.axi_latency),
        outstanding_(timing.axi_outstanding),
        burst_(timing.axi_burst),
        start_(table.burst_start),
        next_(table.burst_next),
        numerator_(timing.ddr_bytes_numerator),
        denominator_(timing.ddr_bytes_denominator) {
    std::uint64_t a = numerator_;
    std::uint64_t b = denominator_;
    while (b != 0) {
      const std::uint64_t rest = a % b;
      a = b;
      b = rest;
    }
    if (a == 0 || denominator_ == 0 || numerator_ == 0 || outstanding_ == 0 || burst_ == 0) {
      throw std::invalid_argument("DDR needs bytes a cycle > 0, outstanding requests > 0 and beats a burst > 0");
    }
    numerator_ /= a;
    denominator_ /= a;
    if (numerator_ >> 31 != 0 || denominator_ >> 31 != 0) {
      throw std::invalid_argument("DDR's bytes a cycle are no fraction of small numbers");
    }
  }

  axi_t &add(const std::string &name, bool writes, std::uint64_t beat_bytes) {
    ports.emplace_back(name, writes, beat_bytes, outstanding_, burst_, start_, next_);
    return ports.back();
  }

  std::uint64_t cycles(std::uint64_t count) const { return (count + numerator_ - 1) / numerator_; }

  // Cycle of the earliest request; `none` without one.
  cycle_t next(cycle_t none) {
    axi_t *port = earliest();
    return port == nullptr ? none : port->requests.front().at;
  }

  // Serves the earliest request, and all that no other can come before: called when every process waits, a new request
  // follows from data that come later than latency cycles after the earliest, or from what happens in cycle `until`.
  // Returns whether there was one.
  bool serve(cycle_t until) {
    axi_t *port = earliest();
    if (port == nullptr) return false;
    const cycle_t horizon = std::min(port->requests.front().at + latency_, until);
    for (; port != nullptr && port->requests.front().at <= horizon; port = earliest()) serve(*port);
    return true;
  }

 private:
  axi_t *earliest() {
    axi_t *first = nullptr;
    for (axi_t &port : ports) {
      if (port.requests.empty()) continue;
      if (first == nullptr || port.requests.front().at < first->requests.front().at) first = &port;
    }
    return first;
  }

  void serve(axi_t &port) {
    const request_t request = port.requests.front();
    port.requests.pop();
    const std::uint64_t beat = port.beat_bytes * denominator_;
    free_ = std::max(free_, static_cast<std::uint64_t>(request.at + latency_) * numerator_);
    for (std::uint64_t i = 0; i < request.beats; ++i) {
      free_ += beat;
      port.deliver(static_cast<cycle_t>(cycles(free_)));
    }
    ++port.bursts;
    port.units += request.beats * beat;
    units += request.beats * beat;
    bytes += request.beats * port.beat_bytes;
    wake(port.waiting);
  }

  cycle_t latency_;
  std::uint64_t outstanding_;
  std::uint64_t burst_;
  cycle_t start_, next_;
  std::uint64_t numerator_;  // units a cycle
  std::uint64_t denominator_;
  std::uint64_t free_ = 0;  // in units
};

}  // namespace timed
}  // namespace edgemoe
