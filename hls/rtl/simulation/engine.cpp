// Simulates the whole engine: buffers in memory behind its AXI ports, its registers as a driver uses them.
//
// engine FOLDER [name=value]...: reads the buffers of the folder, starts the engine `runs` times, writes what the last
// run wrote as the file `result`. Says on lines of JSON how far it is, and at the end what came of it. Ends by SIGINT
// or SIGTERM after it has closed the trace.
#include "surrounded.h"

#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct interrupted_t {};
struct unended_t {
  bool stands;  // nothing moves any more
};

volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) { interrupted = 1; }

constexpr std::uint8_t UNWRITTEN = 0xa5;
constexpr std::uint64_t FIRST_ADDRESS = 0x100000000;
constexpr std::uint64_t PAGE = 4096;
enum { CONTROL = 0x00, GLOBAL_ENABLE = 0x04, ENABLE = 0x08, INTERRUPTS = 0x0c, FIRST_ARGUMENT = 0x10 };

bytes_t contents(const std::string &name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) throw std::runtime_error("there is no file " + name);
  return bytes_t(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

using names_t = std::map<std::string, std::string>;

long number(const names_t &given, const std::string &name, long otherwise) {
  const auto found = given.find(name);
  return found == given.end() ? otherwise : std::atol(found->second.c_str());
}

settings_t settings(const names_t &given) {
  settings_t made;
  made.latency = number(given, "latency", made.latency);
  made.numerator = number(given, "numerator", made.numerator);
  made.denominator = number(given, "denominator", made.denominator);
  made.percent = static_cast<int>(number(given, "percent", made.percent));
  made.seed = number(given, "seed", made.seed);
  return made;
}

class bench_t : public surrounded_t {
 public:
  bench_t(VerilatedContext &context, const std::string &folder, const names_t &given)
      : surrounded_t(context, settings(given)),
        folder_(folder),
        given_(given),
        most_(number(given, "most", 0)),
        quiet_(number(given, "quiet", 0)),
        every_(number(given, "every", 0)) {
    trace_from_ = number(given, "from", 0);
    trace_to_ = number(given, "to", -1);
    half_ = number(given, "half", 1);
  }

  long operation() const { return monitor.operation(); }
  long last_moved() const { return moved() - monitor.first(); }  // in cycles of a trace

  ~bench_t() override { close_trace(); }

  void run() {
    const auto since = std::chrono::steady_clock::now();
    reset();
    bytes_t result(static_cast<std::size_t>(number(given_, "result", 0)));
    std::uint64_t address = FIRST_ADDRESS;
    int offset = FIRST_ARGUMENT;
    for (const std::string name : {BUFFERS}) {
      bytes_t &buffer = name == "result" ? result : buffers_[name] = contents(folder_ + "/" + name);
      memory.connect(address, buffer.data(), buffer.size());
      set_register(offset, static_cast<std::uint32_t>(address));
      set_register(offset + 4, static_cast<std::uint32_t>(address >> 32));
      offset += 12;
      address += (buffer.size() / PAGE + 1) * PAGE;
    }
    set_register(GLOBAL_ENABLE, 1);
    set_register(ENABLE, 1);
    std::uint32_t status = ~0u;
    for (long run = number(given_, "runs", 1); run > 0; --run) {
      std::fill(result.begin(), result.end(), UNWRITTEN);
      set_register(CONTROL, 1);
      while (!top->__SYM__interrupt) cycle();
      set_register(INTERRUPTS, 1);
      if (!(get_register(CONTROL) & 2)) throw std::runtime_error("an interrupt came, but ap_done is not set");
      status = get_register(STATUS);
    }
    std::ofstream file(folder_ + "/result", std::ios::binary);
    file.write(reinterpret_cast<const char *>(result.data()), static_cast<std::streamsize>(result.size()));
    if (!file.flush()) throw std::runtime_error("the result can't be written: the disk may be full");
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - since;
    std::cout << "{\"status\":" << status << ",\"clocks\":" << memory.now << ",\"seconds\":" << seconds.count() << ",";
    monitor.report(std::cout);
    std::cout << "}" << std::endl;
  }

 private:
  void after_edge(bool is_rising) override { dump(is_rising ? 0 : half_); }

  void after_cycle() override {
    if (interrupted) throw interrupted_t();
    if (quiet_ && monitor.running && quiet() > quiet_) throw unended_t{true};
    if (memory.now == most_) throw unended_t{false};
    if (every_ && memory.now % every_ == 0) {
      std::cout << "{\"clock\":" << memory.now << ",\"operation\":" << monitor.operation() << "}" << std::endl;
    }
  }

  // The trace counts cycles from the first start of the engine on.
#if VM_TRACE
  void dump(long offset) {
    const auto name = given_.find("trace");
    if (name == given_.end() || !monitor.started()) return;
    const long cycle = memory.now - monitor.first();
    if (cycle < trace_from_ || (trace_to_ >= 0 && cycle > trace_to_)) return close_trace();
    if (!trace_) {
      trace_.reset(new VerilatedVcdC);
      trace_->set_time_unit("1ps");
      trace_->set_time_resolution("1ps");
      top->trace(trace_.get(), 99);
      trace_->open(name->second.c_str());
      if (!trace_->isOpen()) throw std::runtime_error("the trace " + name->second + " can't be written");
    }
    trace_->dump(static_cast<std::uint64_t>(2 * half_ * cycle + offset));
  }
  void close_trace() {
    if (trace_ && trace_->isOpen()) trace_->close();
  }
  std::unique_ptr<VerilatedVcdC> trace_;
#else
  void dump(long) {}
  void close_trace() {}
#endif

  std::string folder_;
  names_t given_;
  std::map<std::string, bytes_t> buffers_;  // by port; that of the result is not among them
  long most_, quiet_, every_;
  long trace_from_, trace_to_;
  long half_;  // picoseconds of half a clock's period
};

}  // namespace

int main(int count, char **arguments) {
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  names_t given;
  for (int i = 2; i < count; ++i) {
    const std::string text = arguments[i];
    given[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(static_cast<int>(number(given, "seed", 1)));
#if VM_TRACE
  context.traceEverOn(true);
#endif
  bench_t bench(context, arguments[1], given);
  try {
    bench.run();
  } catch (const interrupted_t &) {
    return 130;
  } catch (const unended_t &how) {
    std::cout << "{\"unended\":" << bench.operation();
    if (how.stands) std::cout << ",\"moved\":" << bench.last_moved();
    std::cout << "}" << std::endl;
    return 1;
  } catch (const std::exception &error) {
    std::cout << "{\"error\":\"" << error.what() << "\"}" << std::endl;
    return 1;
  }
  return 0;
}
