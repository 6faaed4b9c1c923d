// What a timed run counts: by process, FIFO, loop and port. Kept by name, so that regions that run again add up.
#pragma once

#include "table.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace edgemoe {
namespace timed {

// Where the cycles of one run of a process went; busy is the rest of end - start.
struct waits_t {
  cycle_t starved = 0;
  cycle_t blocked = 0;
  cycle_t ddr = 0;
  void add(const waits_t &other) {
    starved += other.starved;
    blocked += other.blocked;
    ddr += other.ddr;
  }
};

// A wait of a process that runs through the whole program.
struct span_t {
  cycle_t start;
  cycle_t end;
  cycle_t waits_t::*kind;
};

struct record_t {
  int operation;
  cycle_t start;
  cycle_t end;
  waits_t waits;
};

struct process_totals_t {
  std::string name;
  std::string region;
  int instance = 0;
  cycle_t span = 0;
  cycle_t last_end = 0;
  waits_t waits;
  std::vector<record_t> records;
  bool outermost = false;  // it ran through the whole program; records follow from `spans`
  std::vector<span_t> spans;
};

// An array that a loop has touched.
struct touched_t {
  std::string loop;
  std::string memory;
};

struct fifo_totals_t {
  std::string name;
  std::string region;
  std::uint64_t depth = 2;
  std::uint64_t highest = 0;
  std::uint64_t writes = 0;
  cycle_t blocked = 0;
  cycle_t starved = 0;
  const process_totals_t *writer = nullptr;
  const process_totals_t *reader = nullptr;
};

struct loop_t {
  std::string label;
  loop_rule_t rule;
  std::uint64_t iterations = 0;
  cycle_t wait_in = 0;
  cycle_t wait_out = 0;
};

struct operation_record_t {
  int index;
  cycle_t start;
  cycle_t end;
};

// A schedule that the memories can't serve; equal ones are counted, the earliest is told.
struct violation_t {
  std::string kind;  // "ports" or "recurrence"
  std::string loop;
  std::string memory;
  cycle_t cycle;
  int operation;
  std::string message;
  std::uint64_t count;
};

struct wait_link_t {
  std::string process;
  std::string waits_for;  // "empty", "full", "end", "ddr"
  std::string fifo;
};

struct totals_t {
  std::deque<process_totals_t> processes;  // in order of their first start; addresses stay
  std::deque<fifo_totals_t> fifos;
  std::deque<loop_t> loops;
  std::vector<operation_record_t> operations;
  std::vector<violation_t> violations;
  std::vector<touched_t> memories;
  cycle_t cycles = 0;
  bool deadlock = false;
  bool deadlock_closed = false;  // the links form a cycle; otherwise the last one waits for a process that is over
  int deadlock_operation = -1;
  std::vector<wait_link_t> links;

  process_totals_t &process(const std::string &region, const std::string &name, int instance) {
    process_totals_t *&found = process_index_[std::make_tuple(region, name, instance)];
    if (found == nullptr) {
      processes.emplace_back();
      found = &processes.back();
      found->name = name;
      found->region = region;
      found->instance = instance;
    }
    return *found;
  }

  fifo_totals_t &fifo(const std::string &region, const std::string &name) {
    fifo_totals_t *&found = fifo_index_[std::make_pair(region, name)];
    if (found == nullptr) {
      fifos.emplace_back();
      found = &fifos.back();
      found->name = name;
      found->region = region;
    }
    return *found;
  }

  void violate(const violation_t &violation) {
    for (violation_t &known : violations) {
      if (known.kind == violation.kind && known.loop == violation.loop && known.memory == violation.memory) {
        const std::uint64_t count = known.count + 1;
        if (violation.cycle < known.cycle) known = violation;
        known.count = count;
        return;
      }
    }
    violations.push_back(violation);
  }

  // A process's name for people: with a number where a region has several of the name.
  std::string title(const process_totals_t *process) const {
    if (process == nullptr) return "";
    const bool several = process_index_.count(std::make_tuple(process->region, process->name, 1)) > 0;
    return several ? process->name + "[" + std::to_string(process->instance) + "]" : process->name;
  }

 private:
  std::map<std::tuple<std::string, std::string, int>, process_totals_t *> process_index_;
  std::map<std::pair<std::string, std::string>, fifo_totals_t *> fifo_index_;
};

}  // namespace timed
}  // namespace edgemoe
