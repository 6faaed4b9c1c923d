// On-chip memories: how many accesses a bank serves a cycle, and how soon it may be read after a write.
#pragma once

#include "table.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace edgemoe {
namespace timed {

// One access of an iteration, before its cycle is known.
struct access_t {
  struct bank_t *bank;
  const void *identity;
  std::size_t address;
  const memory_rule_t *rule;
};

// A write that a later iteration of the same run of the same loop may come too close to.
struct recent_t {
  std::uint64_t activation;
  std::size_t address;
  cycle_t local;  // the writing iteration's issue, in its pipeline's own time
  std::uint64_t iteration;
};

// Accesses of one direction, by cycle: processes are not at the same cycle, so the last WINDOW cycles are kept.
class usage_t {
 public:
  // Counts an access; returns how many the bank must serve in this cycle by now. An address that an iteration touches
  // again is no further access (0); `owner` is different for every iteration of every process.
  int count(cycle_t cycle, std::uint64_t owner, std::size_t address) {
    if (slots_.empty()) slots_.resize(WINDOW);
    slot_t &slot = slots_[static_cast<std::size_t>(cycle) % WINDOW];
    if (slot.cycle != cycle) slot = {cycle, 0, {}};
    for (int i = 0; i < slot.places && i < KEPT; ++i) {
      if (slot.place[i].owner == owner && slot.place[i].address == address) return 0;
    }
    if (slot.places < KEPT) slot.place[slot.places] = {owner, address};
    return ++slot.places;
  }

 private:
  static constexpr std::size_t WINDOW = 256;
  static constexpr int KEPT = 4;
  struct place_t {
    std::uint64_t owner;
    std::size_t address;
  };
  struct slot_t {
    cycle_t cycle = -1;
    int places = 0;
    place_t place[KEPT];
    slot_t() = default;
    slot_t(cycle_t c, int p, std::initializer_list<int>) : cycle(c), places(p) {}
  };
  std::vector<slot_t> slots_;
};

struct bank_t {
  usage_t reads;
  usage_t writes;
  std::vector<recent_t> recent;
};

class memories_t {
 public:
  bank_t &bank(const void *identity) {
    if (identity == last_identity_) return *last_;
    std::unique_ptr<bank_t> &found = banks_[identity];
    if (!found) found.reset(new bank_t);
    last_identity_ = identity;
    last_ = found.get();
    return *last_;
  }

 private:
  std::unordered_map<const void *, std::unique_ptr<bank_t>> banks_;
  const void *last_identity_ = nullptr;
  bank_t *last_ = nullptr;
};

}  // namespace timed
}  // namespace edgemoe
