// Why nothing goes on: the chain of processes that wait for each other, through the FIFOs that they share.
#pragma once

#include "pipeline.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace edgemoe {
namespace timed {

inline bool is_ancestor(const process_t *process, const process_t *of) {
  for (const process_t *parent = of->parent; parent != nullptr; parent = parent->parent) {
    if (parent == process) return true;
  }
  return false;
}

// Processes at the other end of what a process waits for: of those that hold the FIFO the innermost, since a parent
// only hands it on.
inline std::vector<const process_t *> waited_for(const process_t *process,
                                                 const std::vector<std::unique_ptr<pipeline_t>> &all) {
  std::vector<const process_t *> others;
  if (process->wait == wait_t::END) {
    for (const std::unique_ptr<pipeline_t> &child : all) {
      if (child->alive && child->parent == process) others.push_back(child.get());
    }
  } else if (process->wait_channel != nullptr) {
    for (const user_t &user : process->wait_channel->users) {
      const process_t *other = user.process;
      if (!other->alive || other->serial != user.serial || other == process || is_ancestor(other, process)) continue;
      others.push_back(other);
    }
  }
  std::vector<const process_t *> inner;
  for (const process_t *other : others) {
    bool hands_on = false;
    for (const process_t *next : others) hands_on = hands_on || is_ancestor(other, next);
    if (!hands_on) inner.push_back(other);
  }
  return inner;
}

inline bool follow(const process_t *process, const std::vector<std::unique_ptr<pipeline_t>> &all,
                   std::vector<const process_t *> &path, std::vector<const process_t *> &seen) {
  path.push_back(process);
  for (const process_t *next : waited_for(process, all)) {
    const auto found = std::find(path.begin(), path.end(), next);
    if (found != path.end()) {
      path.erase(path.begin(), found);
      return true;
    }
    if (std::find(seen.begin(), seen.end(), next) != seen.end()) continue;
    seen.push_back(next);
    if (follow(next, all, path, seen)) return true;
  }
  path.pop_back();
  return false;
}

// Fills the totals' deadlock. Without a cycle (a process waits for one that is over) the chain to that one is told.
inline void explain_deadlock(run_t &run, const std::vector<std::unique_ptr<pipeline_t>> &all) {
  totals_t &totals = run.totals;
  totals.deadlock = true;
  std::vector<const process_t *> live;
  for (const std::unique_ptr<pipeline_t> &process : all) {
    if (process->alive) live.push_back(process.get());
  }
  std::sort(live.begin(), live.end(), [](const process_t *a, const process_t *b) { return a->serial < b->serial; });
  std::vector<const process_t *> path;
  std::vector<const process_t *> seen;
  for (const process_t *process : live) {
    if (std::find(seen.begin(), seen.end(), process) != seen.end()) continue;
    path.clear();
    seen.push_back(process);
    totals.deadlock_closed = follow(process, all, path, seen);
    if (totals.deadlock_closed) break;
  }
  if (!totals.deadlock_closed) {
    path.clear();
    for (const process_t *process = live.front(); process != nullptr;) {
      path.push_back(process);
      const std::vector<const process_t *> next = waited_for(process, all);
      process = next.empty() ? nullptr : next.front();
    }
  }
  for (const process_t *process : path) {
    const char *reason = process->wait == wait_t::EMPTY  ? "empty"
                         : process->wait == wait_t::FULL ? "full"
                         : process->wait == wait_t::DDR  ? "ddr"
                                                         : "end";
    const channel_t *channel = process->wait_channel;
    const bool named = channel != nullptr && channel->totals != nullptr;
    totals.links.push_back({totals.title(process->totals), reason, named ? channel->totals->name : ""});
    totals.deadlock_operation = std::max(totals.deadlock_operation, process->operation);
  }
}

}  // namespace timed
}  // namespace edgemoe
