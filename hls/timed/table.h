// What a timed run is told: loops, FIFO depths, memories and constants as lines of text, and the DDR's figures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// The C side of the structure that edgemoe_gen.timing.library fills.
struct edgemoe_timing_t {
  const char *loops;  // "label ii depth states begin [fifo stage]..." a line; ii = 0: a sequence of states
  const char *depths;  // "fifo depth" a line: instead of the source's depth; 0: unbounded
  const char *memories;  // "label array latency [read_ports write_ports]" a line; label or array may be *
  const char *constants;  // "name value" a line, see table_t; or "between process place place cycles"
  std::uint64_t ddr_bytes_numerator;  // bytes a cycle
  std::uint64_t ddr_bytes_denominator;
  std::uint32_t axi_latency;
  std::uint32_t axi_outstanding;
  std::uint32_t axi_burst;
  std::uint32_t record;  // 1: a record for every operation and process
};

namespace edgemoe {
namespace timed {

using cycle_t = std::int64_t;

struct memory_rule_t {
  std::string loop;
  std::string array;
  cycle_t latency;  // cycles from an iteration's issue until an issue may read what it wrote; 0: no such rule
  int read_ports;
  int write_ports;
};

struct loop_rule_t {
  cycle_t ii;
  cycle_t depth;
  cycle_t states;
  cycle_t begin;  // cycles from a pipelined loop's start to its first issue
  std::vector<std::pair<std::string, cycle_t>> writes;  // FIFOs that are written before the last stage, with theirs

  cycle_t stage(const std::string &fifo) const {
    for (const std::pair<std::string, cycle_t> &known : writes) {
      if (known.first == fifo) return known.second;
    }
    return depth - 1;
  }
};

struct table_t {
  std::map<std::string, loop_rule_t> loops;
  std::map<std::string, std::uint64_t> depths;
  std::vector<memory_rule_t> memories;
  cycle_t process_start = 0;  // from a region's start to that of its processes
  cycle_t region_end = 0;  // from the end of the last of them to what follows
  cycle_t loop_skip = 0;  // of a loop that is not entered
  cycle_t loop_end = 0;  // from the end of a pipelined loop's last iteration to what follows
  cycle_t burst_start = 0;  // from asking for a burst until the port does; burst_next: from room for one
  cycle_t burst_next = 0;
  bool acknowledged = false;  // a run is over when memory has taken all that it wrote
  // What a process takes from one of its places to the next, accesses to FIFOs included: loops and regions by their
  // names, "start" and "end"; "again": the head of a sequence of states whose iteration met none of them.
  std::map<std::string, std::map<std::pair<std::string, std::string>, cycle_t>> between;
  bool stalling = false;  // a pipeline that waits for an input stands still as a whole; else its older iterations go on

  explicit table_t(const edgemoe_timing_t &timing) {
    for_lines(timing.loops, [this](std::istringstream &line, const std::string &label) {
      loop_rule_t rule = {0, 0, 0, 0, {}};
      line >> rule.ii >> rule.depth >> rule.states >> rule.begin;
      if (!line || rule.begin < 0 || rule.ii < 0 || (rule.ii > 0 && rule.depth < 2) ||
          (rule.ii == 0 && rule.states < 1)) {
        throw std::invalid_argument("loop " + label +
                                    " of the timing table needs an II and a depth >= 2, or states >= 1");
      }
      std::string fifo;
      cycle_t stage = 0;
      while (line >> fifo >> stage) {
        if (stage < 1 || stage >= rule.depth) {
          throw std::invalid_argument("loop " + label + " of the timing table writes " + fifo +
                                      " outside of its depth");
        }
        rule.writes.emplace_back(fifo, stage);
      }
      loops[label] = rule;
    });
    for_lines(timing.depths, [this](std::istringstream &line, const std::string &name) { line >> depths[name]; });
    for_lines(timing.memories, [this](std::istringstream &line, const std::string &label) {
      memory_rule_t rule = {label, "", 0, 1, 1};
      line >> rule.array >> rule.latency;
      if (!(line >> rule.read_ports >> rule.write_ports)) rule.read_ports = rule.write_ports = 1;
      memories.push_back(rule);
    });
    for_lines(timing.constants, [this](std::istringstream &line, const std::string &name) {
      cycle_t value = 0;
      if (name == "between") {
        std::string process, from, to;
        line >> process >> from >> to >> value;
        between[process][{from, to}] = value;
        return;
      }
      line >> value;
      if (name == "process_start") {
        process_start = value;
      } else if (name == "region_end") {
        region_end = value;
      } else if (name == "loop_skip") {
        loop_skip = value;
      } else if (name == "loop_end") {
        loop_end = value;
      } else if (name == "burst_start") {
        burst_start = value;
      } else if (name == "burst_next") {
        burst_next = value;
      } else if (name == "acknowledged") {
        acknowledged = value != 0;
      } else if (name == "stalling") {
        stalling = value != 0;
      } else {
        throw std::invalid_argument("the timing table has an unknown constant " + name);
      }
    });
  }

  // The first rule that fits, or the default: one read port, one write port, no recurrence.
  memory_rule_t memory(const std::string &loop, const std::string &array) const {
    for (const memory_rule_t &rule : memories) {
      if ((rule.loop == "*" || rule.loop == loop) && (rule.array == "*" || rule.array == array)) return rule;
    }
    return {loop, array, 0, 1, 1};
  }

 private:
  template <typename F>
  static void for_lines(const char *text, F use) {
    std::istringstream lines(text == nullptr ? "" : text);
    std::string line;
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      std::string name;
      if (fields >> name) use(fields, name);
    }
  }
};

}  // namespace timed
}  // namespace edgemoe
