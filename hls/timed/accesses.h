// What a process does to memories, checked: ports a bank and cycle, and the distance of reads after writes.
#pragma once

#include "process.h"
#include "ring.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace edgemoe {
namespace timed {

class accesses_t : public process_t {
 public:
  const char *memory_name = "";  // of the array whose banks are touched next

 protected:
  access_t access(const loop_t *loop, const void *identity, std::size_t address) {
    if (loop != rule_loop_ || memory_name != rule_memory_) {
      memory_rule_t *&found = rules_[std::make_pair(loop, memory_name)];
      if (found == nullptr) {
        known_rules_.emplace_back(
            new memory_rule_t(run->table.memory(loop == nullptr ? "" : loop->label, memory_name)));
        found = known_rules_.back().get();
        found->array = memory_name;
        run->totals.memories.push_back({loop == nullptr ? "" : loop->label, memory_name});
      }
      rule_loop_ = loop;
      rule_memory_ = memory_name;
      rule_ = found;
    }
    return {&run->memories.bank(identity), identity, address, rule_};
  }

  // owner: number of the iteration, different for all of the run.
  void count(const loop_t *loop, const access_t &access, bool writes, cycle_t cycle, std::uint64_t owner) {
    const int places = (writes ? access.bank->writes : access.bank->reads).count(cycle, owner, access.address);
    const int ports = writes ? access.rule->write_ports : access.rule->read_ports;
    if (places <= ports) return;
    const std::string label = loop == nullptr ? "" : loop->label;
    run->totals.violate({"ports", label, access.rule->array, cycle, operation,
                         "a bank of " + access.rule->array + " serves " + std::to_string(ports) +
                             (writes ? " write" : " read") + (ports == 1 ? "" : "s") + " a cycle, but " +
                             (label.empty() ? std::string("a process") : label) + " makes it " + std::to_string(places),
                         1});
  }

  // Reads of an iteration that issues at `local` in its pipeline's own time.
  void check_distance(const loop_t &loop, const access_t &access, cycle_t local, cycle_t cycle,
                      std::uint64_t activation, std::uint64_t iteration) {
    for (const recent_t &write : access.bank->recent) {
      if (write.activation != activation || write.address != access.address) continue;
      const cycle_t least = access.rule->latency;
      if (write.iteration == iteration || local - write.local >= least) continue;
      const std::string needed = std::to_string((least + loop.rule.ii - 1) / loop.rule.ii);
      run->totals.violate({"recurrence", loop.label, access.rule->array, cycle, operation,
                           "II = " + std::to_string(loop.rule.ii) + " of " + loop.label +
                               " needs distance >= " + needed + " between a write to " + access.rule->array +
                               " and the read of the same address, found " +
                               std::to_string(iteration - write.iteration),
                           1});
    }
  }

  void remember(const access_t &access, cycle_t local, std::uint64_t activation, std::uint64_t iteration) {
    std::vector<recent_t> &recent = access.bank->recent;
    const cycle_t least = access.rule->latency;
    recent.erase(std::remove_if(recent.begin(), recent.end(),
                                [&](const recent_t &write) {
                                  return write.activation != activation || local - write.local >= least ||
                                         write.address == access.address;
                                }),
                 recent.end());
    recent.push_back({activation, access.address, local, iteration});
  }

 private:
  std::map<std::pair<const loop_t *, const char *>, memory_rule_t *> rules_;
  std::vector<std::unique_ptr<memory_rule_t>> known_rules_;
  const loop_t *rule_loop_ = nullptr;
  const char *rule_memory_ = nullptr;
  memory_rule_t *rule_ = nullptr;
};

}  // namespace timed
}  // namespace edgemoe
