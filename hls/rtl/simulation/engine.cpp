// Simulates the whole engine: buffers in memory behind its AXI ports, its registers as a driver uses them.
//
// engine FOLDER [name=value]...: reads the buffers of the folder, starts the engine `runs` times, writes what the last
// run wrote as the file `result`. Says on lines of JSON how far it is, and at the end what came of it. Ends by SIGINT
// or SIGTERM after it has closed the trace.
//
// One evaluation at each edge of the clock: the engine's outputs come from registers, so what its buses say in a cycle
// can be read before the inputs of that cycle are given.
#include "Vtop.h"
#include "design.h"
#include "memory.h"
#include "monitor.h"

#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

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

// What design.h lists, as pointers.
#define READ_PORT(bundle)                                                                         \
  {&top->m_axi_##bundle##_ARVALID, &top->m_axi_##bundle##_ARREADY, &top->m_axi_##bundle##_ARADDR, \
   &top->m_axi_##bundle##_ARLEN,   &top->m_axi_##bundle##_RVALID,  &top->m_axi_##bundle##_RREADY, \
   &top->m_axi_##bundle##_RLAST,   &top->m_axi_##bundle##_RRESP,   &top->m_axi_##bundle##_RID,    \
   &top->m_axi_##bundle##_RDATA}
#define WRITE_PORT(bundle)                                                                        \
  {&top->m_axi_##bundle##_AWVALID, &top->m_axi_##bundle##_AWREADY, &top->m_axi_##bundle##_AWADDR, \
   &top->m_axi_##bundle##_AWLEN,   &top->m_axi_##bundle##_WVALID,  &top->m_axi_##bundle##_WREADY, \
   &top->m_axi_##bundle##_WLAST,   &top->m_axi_##bundle##_WDATA,   &top->m_axi_##bundle##_BVALID, \
   &top->m_axi_##bundle##_BREADY,  &top->m_axi_##bundle##_BRESP,   &top->m_axi_##bundle##_BID}

struct read_port_t {
  CData *arvalid, *arready;
  QData *araddr;
  CData *arlen, *rvalid, *rready, *rlast, *rresp, *rid;
  void *rdata;
};
struct write_port_t {
  CData *awvalid, *awready;
  QData *awaddr;
  CData *awlen, *wvalid, *wready, *wlast;
  void *wdata;
  CData *bvalid, *bready, *bresp, *bid;
};

std::vector<reader_t<read_port_t, BEAT>> make_readers(Vtop *top) {
  std::vector<reader_t<read_port_t, BEAT>> made;
  for (const read_port_t &port : std::vector<read_port_t>{READERS}) made.emplace_back(port);
  return made;
}
std::vector<writer_t<write_port_t, BEAT>> make_writers(Vtop *top) {
  std::vector<writer_t<write_port_t, BEAT>> made;
  for (const write_port_t &port : std::vector<write_port_t>{WRITERS}) made.emplace_back(port);
  return made;
}

class bench_t {
 public:
  bench_t(VerilatedContext &context, const std::string &folder, const names_t &given)
      : folder_(folder),
        given_(given),
        memory_(settings(given)),
        top_(new Vtop(&context)),
        readers_(make_readers(top_.get())),
        writers_(make_writers(top_.get())),
        monitor_(context),
        most_(number(given, "most", 0)),
        quiet_(number(given, "quiet", 0)),
        every_(number(given, "every", 0)) {
    trace_from_ = number(given, "from", 0);
    trace_to_ = number(given, "to", -1);
    half_ = number(given, "half", 1);
  }

  long operation() const { return monitor_.operation(); }
  long last_moved() const { return moved_ - monitor_.first(); }  // in cycles of a trace

  ~bench_t() {
    close_trace();
    top_->final();
  }

  void run() {
    const auto since = std::chrono::steady_clock::now();
    top_->ap_rst_n = 0;
    top_->s_axi_control_AWVALID = top_->s_axi_control_WVALID = top_->s_axi_control_ARVALID = 0;
    top_->s_axi_control_RREADY = 0;
    for (int i = 0; i < 4; ++i) cycle();
    top_->ap_rst_n = 1;
    const std::size_t size = static_cast<std::size_t>(number(given_, "result", 0));
    std::uint64_t address = FIRST_ADDRESS, result = 0;
    int offset = FIRST_ARGUMENT;
    for (const char *name : {BUFFERS}) {
      bytes_t &buffer = memory_.buffer(address);
      if (std::string(name) == "result") result = address;
      buffer = result == address ? bytes_t(size) : contents(folder_ + "/" + name);
      set_register(offset, static_cast<std::uint32_t>(address));
      set_register(offset + 4, static_cast<std::uint32_t>(address >> 32));
      offset += 12;
      address += (buffer.size() / PAGE + 1) * PAGE;
    }
    set_register(GLOBAL_ENABLE, 1);
    set_register(ENABLE, 1);
    std::uint32_t status = ~0u;
    for (long run = number(given_, "runs", 1); run > 0; --run) {
      memory_.buffer(result).assign(size, UNWRITTEN);
      set_register(CONTROL, 1);
      while (!top_->__SYM__interrupt) cycle();
      set_register(INTERRUPTS, 1);
      if (!(get_register(CONTROL) & 2)) throw std::runtime_error("an interrupt came, but ap_done is not set");
      status = get_register(STATUS);
    }
    const bytes_t &written = memory_.buffer(result);
    std::ofstream file(folder_ + "/result", std::ios::binary);
    file.write(reinterpret_cast<const char *>(written.data()), static_cast<std::streamsize>(written.size()));
    if (!file.flush()) throw std::runtime_error("the result can't be written: the disk may be full");
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - since;
    std::cout << "{\"status\":" << status << ",\"clocks\":" << memory_.now << ",\"seconds\":" << seconds.count() << ",";
    monitor_.report(std::cout);
    std::cout << "}" << std::endl;
  }

 private:
  void cycle() {
    for (auto &reader : readers_) reader.offer(memory_);
    for (auto &writer : writers_) writer.offer(memory_);
    if (top_->ap_rst_n) {  // before, the engine says anything
      bool moves = false;
      for (auto &reader : readers_) moves |= reader.take(memory_);
      for (auto &writer : writers_) moves |= writer.take(memory_);
      moves |= monitor_.look(memory_.now);
      if (moves) moved_ = memory_.now;
    }
    top_->ap_clk = 1;
    top_->eval();
    ++memory_.now;
    dump(0);
    top_->ap_clk = 0;
    top_->eval();
    dump(half_);
    if (interrupted) throw interrupted_t();
    if (quiet_ && monitor_.running && memory_.now - moved_ > quiet_) throw unended_t{true};
    if (memory_.now == most_) throw unended_t{false};
    if (every_ && memory_.now % every_ == 0) {
      std::cout << "{\"clock\":" << memory_.now << ",\"operation\":" << monitor_.operation() << "}" << std::endl;
    }
  }

  void set_register(int offset, std::uint32_t value) {
    top_->s_axi_control_AWADDR = offset;
    top_->s_axi_control_WDATA = value;
    top_->s_axi_control_WSTRB = 15;
    top_->s_axi_control_BREADY = 1;
    pass(top_->s_axi_control_AWVALID, top_->s_axi_control_AWREADY);
    pass(top_->s_axi_control_WVALID, top_->s_axi_control_WREADY);
    while (!top_->s_axi_control_BVALID) cycle();
    cycle();
  }

  std::uint32_t get_register(int offset) {
    top_->s_axi_control_ARADDR = offset;
    pass(top_->s_axi_control_ARVALID, top_->s_axi_control_ARREADY);
    while (!top_->s_axi_control_RVALID) cycle();
    const std::uint32_t value = top_->s_axi_control_RDATA;
    top_->s_axi_control_RREADY = 1;
    cycle();
    top_->s_axi_control_RREADY = 0;
    return value;
  }

  void pass(CData &valid, const CData &ready) {
    valid = 1;
    while (!ready) cycle();
    cycle();
    valid = 0;
  }

  // The trace counts cycles from the first start of the engine on.
#if VM_TRACE
  void dump(long offset) {
    const auto name = given_.find("trace");
    if (name == given_.end() || !monitor_.started()) return;
    const long cycle = memory_.now - monitor_.first();
    if (cycle < trace_from_ || (trace_to_ >= 0 && cycle > trace_to_)) return close_trace();
    if (!trace_) {
      trace_.reset(new VerilatedVcdC);
      trace_->set_time_unit("1ps");
      trace_->set_time_resolution("1ps");
      top_->trace(trace_.get(), 99);
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
  memory_t memory_;
  std::unique_ptr<Vtop> top_;
  std::vector<reader_t<read_port_t, BEAT>> readers_;
  std::vector<writer_t<write_port_t, BEAT>> writers_;
  monitor_t monitor_;
  long most_, quiet_, every_;
  long moved_ = 0;  // last cycle in which a bus or a FIFO of the engine moved
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
