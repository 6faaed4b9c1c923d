// The engine with what is around it: the memory behind its AXI ports, and its registers as a driver uses them.
//
// One evaluation at each edge of the clock: the engine's outputs come from registers, so what its buses say in a cycle
// can be read before the inputs of that cycle are given.
#pragma once

#include "Vtop.h"
#include "design.h"
#include "memory.h"
#include "monitor.h"

#include "verilated.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

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

inline std::vector<reader_t<read_port_t, BEAT>> make_readers(Vtop *top) {
  std::vector<reader_t<read_port_t, BEAT>> made;
  for (const read_port_t &port : std::vector<read_port_t>{READERS}) {
    made.emplace_back(port, static_cast<int>(made.size()));
  }
  return made;
}
inline std::vector<writer_t<write_port_t, BEAT>> make_writers(Vtop *top, std::size_t first) {
  std::vector<writer_t<write_port_t, BEAT>> made;
  for (const write_port_t &port : std::vector<write_port_t>{WRITERS}) {
    made.emplace_back(port, static_cast<int>(first + made.size()));
  }
  return made;
}

class surrounded_t {
 public:
  surrounded_t(VerilatedContext &context, const settings_t &settings)
      : memory(settings),
        top(new Vtop(&context)),
        readers_(make_readers(top.get())),
        writers_(make_writers(top.get(), readers_.size())),
        monitor(context) {}
  virtual ~surrounded_t() { top->final(); }

  memory_t memory;
  std::unique_ptr<Vtop> top;

 private:
  std::vector<reader_t<read_port_t, BEAT>> readers_;
  std::vector<writer_t<write_port_t, BEAT>> writers_;

 public:
  monitor_t monitor;

  // Cycles in which no bus and no FIFO of the engine has moved.
  long quiet() const { return memory.now - moved_; }
  long moved() const { return moved_; }

  void reset() {
    top->ap_rst_n = 0;
    top->s_axi_control_AWVALID = top->s_axi_control_WVALID = top->s_axi_control_ARVALID = 0;
    top->s_axi_control_RREADY = 0;
    for (auto &reader : readers_) reader.forget();
    for (auto &writer : writers_) writer.forget();
    for (int i = 0; i < 4; ++i) cycle();
    top->ap_rst_n = 1;
  }

  void cycle() {
    for (auto &reader : readers_) reader.offer(memory);
    for (auto &writer : writers_) writer.offer(memory);
    if (top->ap_rst_n) {  // before, the engine says anything
      bool moves = false;
      for (auto &reader : readers_) moves |= reader.take(memory);
      for (auto &writer : writers_) moves |= writer.take(memory);
      moves |= monitor.look(memory.now);
      if (moves) moved_ = memory.now;
    }
    top->ap_clk = 1;
    top->eval();
    ++memory.now;
    after_edge(true);
    top->ap_clk = 0;
    top->eval();
    after_edge(false);
    after_cycle();
  }

  void set_register(int offset, std::uint32_t value) {
    top->s_axi_control_AWADDR = offset;
    top->s_axi_control_WDATA = value;
    top->s_axi_control_WSTRB = 15;
    top->s_axi_control_BREADY = 1;
    pass(top->s_axi_control_AWVALID, top->s_axi_control_AWREADY);
    pass(top->s_axi_control_WVALID, top->s_axi_control_WREADY);
    while (!top->s_axi_control_BVALID) cycle();
    cycle();
  }

  std::uint32_t get_register(int offset) {
    top->s_axi_control_ARADDR = offset;
    pass(top->s_axi_control_ARVALID, top->s_axi_control_ARREADY);
    while (!top->s_axi_control_RVALID) cycle();
    const std::uint32_t value = top->s_axi_control_RDATA;
    top->s_axi_control_RREADY = 1;
    cycle();
    top->s_axi_control_RREADY = 0;
    return value;
  }

 protected:
  virtual void after_edge(bool) {}
  virtual void after_cycle() {}

 private:
  void pass(CData &valid, const CData &ready) {
    valid = 1;
    while (!ready) cycle();
    cycle();
    valid = 0;
  }

  long moved_ = 0;  // last cycle in which a bus or a FIFO of the engine moved
};
