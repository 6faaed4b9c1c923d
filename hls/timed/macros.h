// What the instrumenter (edgemoe_gen/timing/instrument.py) writes into the sources in place of their pragmas.
#pragma once

#include "fifo.h"

#include <cstddef>

namespace edgemoe {
namespace timed {

// A place in the source, which looks its loop up once a run.
struct site_t {
  const char *label;
  const scheduler_t *scheduler;
  std::uint64_t run;
  loop_t *loop;
};

inline void begin_loop(site_t &site) {
  scheduler_t &scheduler = *scheduler_t::active();
  if (site.scheduler != &scheduler || site.run != scheduler.number) {
    site.loop = &scheduler.loop(site.label);
    site.scheduler = &scheduler;
    site.run = scheduler.number;
  }
  scheduler.current().loop_begin(*site.loop);
}

// bank: array base and lane, so that every bank has an address of its own.
inline void memory_read(const void *bank, std::size_t address) {
  scheduler_t::active()->current().memory_access(bank, address, false);
}
inline void memory_write(const void *bank, std::size_t address) {
  scheduler_t::active()->current().memory_access(bank, address, true);
}
inline void name_memory(const char *name) { scheduler_t::active()->current().memory_name = name; }

}  // namespace timed
}  // namespace edgemoe

// The interval stands in the table, which may come from a synthesis report; the source's is the table's default.
#define EDGEMOE_LOOP_BEGIN(label, interval)                                      \
  do {                                                                           \
    static_assert((interval) >= 0, "an II");                                     \
    static ::edgemoe::timed::site_t edgemoe_site = {label, nullptr, 0, nullptr}; \
    ::edgemoe::timed::begin_loop(edgemoe_site);                                  \
  } while (0)
#define EDGEMOE_ITERATION() ::edgemoe::timed::scheduler_t::active()->current().iteration()
#define EDGEMOE_LOOP_END() ::edgemoe::timed::scheduler_t::active()->current().loop_end()
#define EDGEMOE_REGION(name) ::edgemoe::timed::scheduler_t::active()->open_region(name)
// The call's arguments come again, so that a deadlock can tell who holds which FIFO.
#define EDGEMOE_PROCESS(name, call, ...) \
  ::edgemoe::timed::use_all(::edgemoe::timed::scheduler_t::active()->spawn(name, [&] { call; }), __VA_ARGS__)
#define EDGEMOE_JOIN() ::edgemoe::timed::scheduler_t::active()->join()
#define EDGEMOE_DEPTH(queue, depth) ::edgemoe::timed::set_depth(queue, #queue, depth)
#define EDGEMOE_OPERATION(index) ::edgemoe::timed::scheduler_t::active()->begin_operation(index)
#define EDGEMOE_MEMORY(name, ...) (::edgemoe::timed::name_memory(name), __VA_ARGS__)
