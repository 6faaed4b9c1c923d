// Runs a network that is data on the timed runtime, so that a property test compiles nothing. See networks.py.
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include "timed/macros.h"
#include "timed/port.h"
#include "timed/report.h"

namespace {

using namespace edgemoe::timed;
using queue_t = fifo<std::int32_t>;

struct access_pattern_t {
  int fifo;
  int period;
  int phase;
  int limit;
};

// A stream of numbers with the network; the state is where the FIFOs are and how much crossed each.
class network_t {
 public:
  explicit network_t(const std::int32_t *data) : at_(data) {}

  void run() {
    const int count = *at_++;
    queues_.assign(count, nullptr);
    written_.assign(count, 0);
    read_.assign(count, 0);
    for (int ports = *at_++; ports > 0; --ports) {
      axi_t &axi = scheduler_t::active()->run.ddr.add("port" + std::to_string(ports_.size()), *at_++ != 0, 4);
      ports_.emplace_back(buffer_, BEATS, &axi);
    }
    block(at_);
  }

 private:
  void write(int f) { queues_[f]->write(written_[f]++); }
  void read(int f) {
    if (queues_[f]->read() != read_[f]++) throw std::logic_error("a FIFO gives values in another order");
  }

  static std::vector<access_pattern_t> patterns(const std::int32_t *&at) {
    std::vector<access_pattern_t> result(*at++);
    for (access_pattern_t &a : result) {
      a = {at[0], at[1], at[2], at[3]};
      at += 4;
    }
    return result;
  }

  // [statements, statement...]; returns behind it.
  const std::int32_t *block(const std::int32_t *at) {
    int statements = *at++;
    for (; statements > 0; --statements) at = statement(at);
    return at;
  }

  const std::int32_t *statement(const std::int32_t *at) {
    const int kind = *at++;
    if (kind == 0) return loop(at);
    if (kind == 1) return sequence(at);
    if (kind == 2) read(*at++);
    if (kind == 3) write(*at++);
    return kind == 4 ? region(at) : at;
  }

  const std::int32_t *loop(const std::int32_t *at) {
    scheduler_t &scheduler = *scheduler_t::active();
    const std::string label = "l" + std::to_string(*at++);
    const int iterations = *at++;
    const int fetch = *at++;
    const int store = *at++;
    if (fetch >= 0 && iterations > 0) ports_[fetch].open_burst(0, iterations);
    if (store >= 0 && iterations > 0) ports_[store].open_burst(0, iterations);
    std::vector<access_pattern_t> reads = patterns(at);
    std::vector<access_pattern_t> writes = patterns(at);
    scheduler.current().loop_begin(scheduler.loop(label.c_str()));
    for (int i = 0; i < iterations; ++i) {
      EDGEMOE_ITERATION();
      for (access_pattern_t &a : reads) {
        if (i % a.period == a.phase % a.period && i >= a.phase && a.limit-- > 0) read(a.fifo);
      }
      if (fetch >= 0 && ports_[fetch][i] != 0) throw std::logic_error("a port gives another value");
      if (store >= 0) ports_[store][i] = 0;
      for (access_pattern_t &a : writes) {
        if (i % a.period == a.phase % a.period && i >= a.phase && a.limit-- > 0) write(a.fifo);
      }
    }
    EDGEMOE_LOOP_END();
    return at;
  }

  const std::int32_t *sequence(const std::int32_t *at) {
    scheduler_t &scheduler = *scheduler_t::active();
    const std::string label = "l" + std::to_string(*at++);
    const int iterations = *at++;
    const int size = *at++;
    scheduler.current().loop_begin(scheduler.loop(label.c_str()));
    for (int i = 0; i < iterations; ++i) {
      EDGEMOE_ITERATION();
      block(at);
    }
    EDGEMOE_LOOP_END();
    return at + size;
  }

  // [name, FIFOs, (fifo, depth)..., processes, (name, FIFOs used..., size, block)...]
  const std::int32_t *region(const std::int32_t *at) {
    const std::string name = "r" + std::to_string(*at++);
    EDGEMOE_REGION(keep(name));
    std::deque<queue_t> local(*at++);
    for (queue_t &queue : local) {
      const int f = *at++;
      queue.name("f" + std::to_string(f), nullptr, *at++);
      queues_[f] = &queue;
      written_[f] = read_[f] = 0;
    }
    const int processes = *at++;
    for (int p = 0; p < processes; ++p) {
      const std::string process = "p" + std::to_string(*at++);
      const int used = *at++;
      const std::int32_t *const uses = at;
      at += used;
      const int size = *at++;
      const std::int32_t *const body = at;
      pipeline_t &started = scheduler_t::active()->spawn(keep(process), [this, body] { block(body); });
      for (int u = 0; u < used; ++u) use(started, *queues_[uses[u]]);
      at += size;
    }
    EDGEMOE_JOIN();
    return at;
  }

  const char *keep(const std::string &name) {
    for (const std::string &known : names_) {
      if (known == name) return known.c_str();
    }
    names_.push_back(name);
    return names_.back().c_str();
  }

  static constexpr int BEATS = 4096;

  const std::int32_t *at_;
  std::int32_t buffer_[BEATS] = {};
  std::vector<port_t<std::int32_t>> ports_;
  std::vector<queue_t *> queues_;
  std::vector<std::int32_t> written_;
  std::vector<std::int32_t> read_;
  std::deque<std::string> names_;
};

std::string result;

}  // namespace

extern "C" int run_network(const std::int32_t *data, const edgemoe_timing_t *timing) {
  try {
    scheduler_t scheduler(*timing);
    network_t network(data);
    scheduler.execute([&] { network.run(); });
    result = report_t(scheduler.run).text(0);
    return 0;
  } catch (const std::exception &error) {
    result = error.what();
    return -1;
  }
}

extern "C" const char *network_result() { return result.c_str(); }
