// A process of the timed run: a fiber with a clock, what it waits for, and the regions that it has open.
#pragma once

#include "channel.h"
#include "ddr.h"
#include "fiber.h"
#include "memory.h"
#include "table.h"
#include "totals.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace edgemoe {
namespace timed {

// Unwinds a fiber when the run has failed, so that what lives on its stack is freed.
struct cancelled_t {};

class process_t;

// All that one run shares.
struct run_t {
  explicit run_t(const edgemoe_timing_t &timing) : table(timing), ddr(timing, table), record(timing.record != 0) {}
  table_t table;
  ddr_t ddr;
  memories_t memories;
  totals_t totals;
  bool record;
  bool cancelling = false;
  std::uint64_t serials = 0;  // of processes, loop activations and iterations
  std::vector<process_t *> ready;
};

enum class wait_t { NONE, EMPTY, FULL, DDR, END };

// An open dataflow region: the processes that it has started are over before its parent goes on.
struct region_t {
  const char *name;
  cycle_t start;
  cycle_t end;
  int alive;
  std::vector<std::pair<const char *, int>> instances;
};

class process_t {
 public:
  run_t *run = nullptr;
  process_t *parent = nullptr;
  process_totals_t *totals = nullptr;
  std::uint64_t serial = 0;  // of this run: a process's object is used again by a later one
  bool alive = false;
  bool ready = false;
  cycle_t start = 0;
  cycle_t now = 0;
  int operation = -1;
  bool outermost = false;  // one of those that run through the whole program: `spans` says when it waited
  waits_t waits;
  std::vector<span_t> spans;
  wait_t wait = wait_t::NONE;
  const channel_t *wait_channel = nullptr;
  std::vector<region_t> regions;
  const char *place = "start";  // the loop or region that was last
  cycle_t spent = 0;  // cycles since then, waiting aside: of accesses and states
  std::uint64_t places = 0;  // that were met
  const std::map<std::pair<std::string, std::string>, cycle_t> *between = nullptr;
  std::function<void()> body;
  fiber_t fiber;

  // Called on the process's own fiber: lets others run until something it waits for has changed.
  void block(wait_t reason, const channel_t *channel) {
    wait = reason;
    wait_channel = channel;
    fiber.suspend();
    wait = wait_t::NONE;
    if (run->cancelling) throw cancelled_t();
  }

  void note_wait(cycle_t waits_t::*kind, cycle_t cycles, cycle_t end) {
    waits.*kind += cycles;
    if (!outermost) return;
    if (!spans.empty() && spans.back().kind == kind && spans.back().end == end - cycles) {
      spans.back().end = end;
    } else {
      spans.push_back({end - cycles, end, kind});
    }
  }

  // A place of the process: the next loop, region, its end, or once again the head of a loop that met none of them.
  void reach(const char *name) {
    if (between != nullptr) {
      const auto found = between->find({place, name});
      if (found != between->end() && found->second > spent) now += found->second - spent;
    }
    left(name);
  }
  void left(const char *name) {
    place = name;
    spent = 0;
    ++places;
  }

  const char *region() const { return regions.empty() ? "" : regions.back().name; }
};

inline void wake(process_t *&waiting) {
  process_t *process = waiting;
  waiting = nullptr;
  if (process == nullptr || process->ready) return;
  process->ready = true;
  process->run->ready.push_back(process);
}

}  // namespace timed
}  // namespace edgemoe
