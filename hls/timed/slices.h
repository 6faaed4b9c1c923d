// Records of processes that run through the whole program, such as fetching: one for each operation that runs meanwhile.
//
// Such a process notes when it waited. A pipeline's waits for input and for output may overlap in time by a few cycles,
// as older iterations go on; what does not fit its operation goes to the next one, so that sums stay exact.
#pragma once

#include "totals.h"

#include <algorithm>
#include <vector>

namespace edgemoe {
namespace timed {

inline cycle_t all_of(const waits_t &waits) { return waits.starved + waits.blocked + waits.ddr; }

// Moves up to `cycles` from one to another.
inline void move_waits(waits_t &from, waits_t &to, cycle_t cycles) {
  for (cycle_t waits_t::*kind : {&waits_t::starved, &waits_t::blocked, &waits_t::ddr}) {
    const cycle_t part = std::min(from.*kind, cycles);
    from.*kind -= part;
    to.*kind += part;
    cycles -= part;
  }
}

inline void level(std::vector<record_t> &records) {
  waits_t rest;
  for (record_t &record : records) {
    record.waits.add(rest);
    rest = waits_t();
    const cycle_t excess = all_of(record.waits) - (record.end - record.start);
    if (excess > 0) move_waits(record.waits, rest, excess);
  }
  for (auto record = records.rbegin(); record != records.rend() && all_of(rest) > 0; ++record) {
    move_waits(rest, record->waits, record->end - record->start - all_of(record->waits));
  }
}

inline void split_by_operation(process_totals_t &process, const std::vector<operation_record_t> &operations) {
  std::vector<record_t> &records = process.records;
  const cycle_t first = process.last_end - process.span;
  records.push_back({-1, first, process.last_end, {}});
  for (const operation_record_t &operation : operations) {
    if (operation.start >= process.last_end) break;
    if (operation.start <= records.back().start) {
      records.back().operation = operation.index;
      continue;
    }
    records.back().end = operation.start;
    records.push_back({operation.index, operation.start, process.last_end, {}});
  }
  for (const span_t &span : process.spans) {
    auto record = std::upper_bound(records.begin(), records.end(), span.start,
                                   [](cycle_t cycle, const record_t &other) { return cycle < other.end; });
    cycle_t at = span.start;
    for (; record != records.end() && at < span.end; ++record) {
      const cycle_t end = record + 1 == records.end() ? span.end : std::min(span.end, record->end);
      record->waits.*span.kind += end - at;
      at = end;
    }
  }
  level(records);
}

}  // namespace timed
}  // namespace edgemoe
