// Small kernels written as the instrumenter would write them, whose cycles a test computes by hand.
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "timed/macros.h"
#include "timed/port.h"
#include "timed/report.h"

namespace {

using namespace edgemoe::timed;
using queue_t = fifo<int>;

void produce(int count, queue_t &out) {
  EDGEMOE_LOOP_BEGIN("produce", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    out.write(i);
  }
  EDGEMOE_LOOP_END();
}

void consume(int count, queue_t &in) {
  EDGEMOE_LOOP_BEGIN("consume", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    if (in.read() != i) throw std::logic_error("wrong value");
  }
  EDGEMOE_LOOP_END();
}

void pass(int count, queue_t &in, queue_t &out) {
  EDGEMOE_LOOP_BEGIN("pass", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    out.write(in.read());
  }
  EDGEMOE_LOOP_END();
}

// The first `ahead` come before anything is asked for.
void feed(int count, int ahead, queue_t &in, queue_t &out) {
  EDGEMOE_LOOP_BEGIN("feed", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    if (i >= ahead) in.read();
    out.write(i);
  }
  EDGEMOE_LOOP_END();
}

using in_port_t = port_t<const int>;
using out_port_t = port_t<int>;

void fetch(in_port_t port, int count, bool burst, queue_t &out) {
  if (burst) port.open_burst(0, count);
  EDGEMOE_LOOP_BEGIN("fetch", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    out.write(port[i]);
  }
  EDGEMOE_LOOP_END();
}

void store(out_port_t port, int count, queue_t &in) {
  port.open_burst(0, count);
  EDGEMOE_LOOP_BEGIN("store", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    port[i] = in.read();
  }
  EDGEMOE_LOOP_END();
}

int memory[64];

// Reads two addresses of one bank an iteration.
void gather(int count, int step) {
  EDGEMOE_LOOP_BEGIN("gather", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    EDGEMOE_MEMORY("memory", memory_read(memory, i));
    EDGEMOE_MEMORY("memory", memory_read(memory, i + step));
  }
  EDGEMOE_LOOP_END();
}

// A sum that comes back to its address after `distance` iterations.
void accumulate(int count, int distance) {
  EDGEMOE_LOOP_BEGIN("accumulate", 1);
  for (int i = 0; i < count; ++i) {
    EDGEMOE_ITERATION();
    EDGEMOE_MEMORY("memory", memory_read(memory, i % distance));
    EDGEMOE_MEMORY("memory", memory_write(memory, i % distance));
  }
  EDGEMOE_LOOP_END();
}

void one_loop(int count) {
  EDGEMOE_REGION("one_loop");
  queue_t free_run("free_run");
  EDGEMOE_DEPTH(free_run, 100);
  EDGEMOE_PROCESS("produce", produce(count, free_run), count, free_run);
  EDGEMOE_JOIN();
}

void two(int count) {
  EDGEMOE_REGION("two");
  queue_t queue("queue");
  EDGEMOE_PROCESS("produce", produce(count, queue), count, queue);
  EDGEMOE_PROCESS("consume", consume(count, queue), count, queue);
  EDGEMOE_JOIN();
}

void ring(int count, int ahead) {
  EDGEMOE_REGION("ring");
  queue_t forth("forth");
  queue_t back("back");
  EDGEMOE_PROCESS("feed", feed(count, ahead, back, forth), count, ahead, back, forth);
  EDGEMOE_PROCESS("pass", pass(count, forth, back), count, forth, back);
  EDGEMOE_JOIN();
}

// Two levels: a process that runs a region of its own again and again.
void rounds(int times, int count) {
  EDGEMOE_LOOP_BEGIN("rounds", 0);
  for (int i = 0; i < times; ++i) {
    EDGEMOE_ITERATION();
    EDGEMOE_OPERATION(i);
    two(count);
  }
  EDGEMOE_LOOP_END();
}

void nested(int times, int count) {
  EDGEMOE_REGION("nested");
  EDGEMOE_PROCESS("rounds", rounds(times, count), times, count);
  EDGEMOE_JOIN();
}

void read_ports(std::vector<in_port_t> ports, int count, bool burst) {
  EDGEMOE_REGION("read_ports");
  queue_t queues[2];
  EDGEMOE_DEPTH(queues, 1000);
  EDGEMOE_PROCESS("fetch", fetch(ports[0], count, burst, queues[0]), ports[0], count, burst, queues[0]);
  if (ports.size() > 1) {
    EDGEMOE_PROCESS("fetch", fetch(ports[1], count, burst, queues[1]), ports[1], count, burst, queues[1]);
  }
  EDGEMOE_JOIN();
}

void write_port(out_port_t port, int count) {
  EDGEMOE_REGION("write_port");
  queue_t queue("queue");
  EDGEMOE_DEPTH(queue, 1000);
  EDGEMOE_PROCESS("produce", produce(count, queue), queue);
  EDGEMOE_PROCESS("store", store(port, count, queue), queue);
  EDGEMOE_JOIN();
}

void memories(int kind, int count, int step) {
  EDGEMOE_REGION("memories");
  if (kind == 0) {
    EDGEMOE_PROCESS("gather", gather(count, step), count);
  } else if (kind == 1) {
    EDGEMOE_PROCESS("accumulate", accumulate(count, step), count);
  } else {
    EDGEMOE_PROCESS("gather", gather(count, 0), count);
    EDGEMOE_PROCESS("gather", gather(count, 0), count);
  }
  EDGEMOE_JOIN();
}

void run(scheduler_t &scheduler, const std::string &name, int a, int b) {
  int buffer[1000];
  for (int i = 0; i < 1000; ++i) buffer[i] = i;
  if (name == "one_loop") one_loop(a);
  if (name == "two") two(a);
  if (name == "ring") ring(a, b);
  if (name == "nested") nested(a, b);
  if (name == "read_ports" || name == "single_beats") {
    std::vector<in_port_t> ports;
    for (int i = 0; i < b; ++i) {
      ports.emplace_back(buffer, 1000, &scheduler.run.ddr.add("port" + std::to_string(i), false, 16));
    }
    read_ports(ports, a, name == "read_ports");
  }
  if (name == "write_port") {
    for (int &value : buffer) value = -1;
    write_port(out_port_t(buffer, 1000, &scheduler.run.ddr.add("port", true, 16)), a);
    for (int i = 0; i < a; ++i) {
      if (buffer[i] != i) throw std::logic_error("wrong value");
    }
  }
  if (name == "beyond") {
    read_ports({in_port_t(buffer, 10, &scheduler.run.ddr.add("port", false, 16))}, a, false);
  }
  if (name == "gather") memories(0, a, b);
  if (name == "accumulate") memories(1, a, b);
  if (name == "two_gather") memories(2, a, b);
}

std::string result;

}  // namespace

extern "C" int run_hand(const char *name, int a, int b, const edgemoe_timing_t *timing) {
  try {
    scheduler_t scheduler(*timing);
    scheduler.execute([&] { run(scheduler, name, a, b); });
    result = report_t(scheduler.run).text(0);
    return 0;
  } catch (const std::exception &error) {
    result = error.what();
    return -1;
  }
}

extern "C" const char *hand_result() { return result.c_str(); }
