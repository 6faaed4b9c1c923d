// Runs processes until all are over: those that can go on, then the earliest of what only time brings (writes that are
// under way in a pipeline that waits, and the DDR), then it is over or stuck.
#pragma once

#include "deadlock.h"
#include "pipeline.h"
#include "slices.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace edgemoe {
namespace timed {

class scheduler_t {
 public:
  run_t run;

  const std::uint64_t number;  // of this run in the process: what is kept between runs is looked up again

  explicit scheduler_t(const edgemoe_timing_t &timing) : run(timing), number(next_number()) {}

  // The scheduler of the run that is under way; set by a guard of run_timed.
  static scheduler_t *&active() {
    static scheduler_t *scheduler = nullptr;
    return scheduler;
  }
  pipeline_t &current() { return *current_; }

  // Runs a body as the outermost process. Throws what a process threw; a deadlock is in the totals.
  void execute(const std::function<void()> &body) {
    scheduler_t *const outer = active();
    active() = this;
    start(nullptr, &run.totals.process("", "engine", 0), 0, body);
    pipeline_t *root = processes_.front().get();
    do {
      turn();
    } while (failure_.empty() && root->alive && pass_time());
    if (failure_.empty() && root->alive) explain_deadlock(run, processes_);
    cancel();
    while (run.ddr.serve(pipeline_t::NEVER)) {  // what is on its way when the last process ends
    }
    active() = outer;
    run.totals.cycles = root->now;
    for (const axi_t &port : run.ddr.ports) {
      if (run.table.acknowledged && port.writes) {
        run.totals.cycles = std::max(run.totals.cycles, port.last_delivery() + 1);
      }
    }
    for (process_totals_t &process : run.totals.processes) {
      if (process.outermost) split_by_operation(process, run.totals.operations);
    }
    if (!failure_.empty()) throw std::runtime_error(failure_);
  }

  void open_region(const char *name) {
    pipeline_t &process = *current_;
    if (process.in_pipeline()) throw std::logic_error(std::string("region ") + name + " runs inside a pipelined loop");
    process.reach(name);
    process.regions.push_back({name, process.now, process.now, 0, {}});
  }

  pipeline_t &spawn(const char *name, const std::function<void()> &body) {
    pipeline_t &parent = *current_;
    region_t &region = parent.regions.back();
    int instance = 0;
    for (std::pair<const char *, int> &known : region.instances) {
      if (std::strcmp(known.first, name) == 0) instance = ++known.second;
    }
    if (instance == 0) region.instances.emplace_back(name, 0);
    ++region.alive;
    return start(&parent, &run.totals.process(region.name, name, instance), region.start + run.table.process_start,
                 body);
  }

  void join() {
    pipeline_t &process = *current_;
    while (process.regions.back().alive > 0) process.block(wait_t::END, nullptr);
    process.now = process.regions.back().end + run.table.region_end;
    process.left(process.regions.back().name);
    process.regions.pop_back();
  }

  void begin_operation(int index) {
    pipeline_t &process = *current_;
    process.operation = index;
    std::vector<operation_record_t> &operations = run.totals.operations;
    if (!operations.empty()) operations.back().end = process.now;
    operations.push_back({index, process.now, process.now});
    operation_owner_ = &process;
  }

  // A loop by its label, as the table knows it.
  loop_t &loop(const char *label) {
    for (loop_t &known : run.totals.loops) {
      if (known.label == label) return known;
    }
    const auto rule = run.table.loops.find(label);
    if (rule == run.table.loops.end()) {
      throw std::invalid_argument(std::string("the timing table does not know the loop ") + label);
    }
    run.totals.loops.emplace_back();
    run.totals.loops.back().label = label;
    run.totals.loops.back().rule = rule->second;
    return run.totals.loops.back();
  }

 private:
  static std::uint64_t next_number() {
    static std::uint64_t number = 0;
    return ++number;
  }

  pipeline_t &start(process_t *parent, process_totals_t *totals, cycle_t now, const std::function<void()> &body) {
    if (free_.empty()) {
      processes_.emplace_back(new pipeline_t);
      free_.push_back(processes_.back().get());
    }
    pipeline_t &process = *free_.back();
    free_.pop_back();
    process.reset();
    process.run = &run;
    process.parent = parent;
    process.totals = totals;
    process.serial = ++run.serials;
    process.alive = true;
    process.start = process.now = now;
    process.operation = parent == nullptr ? -1 : parent->operation;
    process.outermost = run.record && parent != nullptr && parent->parent == nullptr;
    process.left("start");
    const auto between = run.table.between.find(totals->name);
    process.between = between == run.table.between.end() ? nullptr : &between->second;
    process.body = body;
    process.fiber.prepare(&scheduler_t::enter, &process);
    process.ready = true;
    run.ready.push_back(&process);
    return process;
  }

  static void enter(void *argument) {
    pipeline_t *process = static_cast<pipeline_t *>(argument);
    scheduler_t &scheduler = *active();
    try {
      if (!process->run->cancelling) process->body();
      process->reach("end");
    } catch (const cancelled_t &) {
    } catch (const std::exception &error) {
      if (scheduler.failure_.empty()) scheduler.failure_ = error.what();
    } catch (...) {
      if (scheduler.failure_.empty()) scheduler.failure_ = "a process threw what is no std::exception";
    }
    scheduler.finish(*process);
  }

  void finish(pipeline_t &process) {
    process.alive = false;
    if (run.cancelling) return;
    process_totals_t &totals = *process.totals;
    totals.span += process.now - process.start;
    if (process.now > totals.last_end) totals.last_end = process.now;
    totals.waits.add(process.waits);
    if (process.outermost) {
      totals.outermost = true;
      totals.spans.swap(process.spans);
    } else if (run.record) {
      totals.records.push_back({process.operation, process.start, process.now, process.waits});
    }
    if (&process == operation_owner_) run.totals.operations.back().end = process.now;
    free_.push_back(&process);
    if (process.parent == nullptr) return;
    region_t &region = process.parent->regions.back();
    if (process.now > region.end) region.end = process.now;
    if (--region.alive > 0) return;
    process_t *parent = process.parent;
    wake(parent);
  }

  // Runs every process as far as it can go. The order does not change any cycle.
  void turn() {
    while (!run.ready.empty() && failure_.empty()) {
      batch_.swap(run.ready);
      for (process_t *process : batch_) {
        process->ready = false;
        if (!process->alive) continue;
        current_ = static_cast<pipeline_t *>(process);
        process->fiber.resume();
        if (!failure_.empty()) break;
      }
      batch_.clear();
    }
  }

  // Every process waits. The earliest event is one that nothing else can come before. Returns whether there was one.
  bool pass_time() {
    late_.clear();
    for (const std::unique_ptr<pipeline_t> &process : processes_) {
      const cycle_t cycle = process->next_release();
      if (cycle != pipeline_t::NEVER) late_.emplace_back(cycle, process.get());
    }
    std::sort(late_.begin(), late_.end(), [](const late_t &a, const late_t &b) {
      return a.first != b.first ? a.first < b.first : a.second->serial < b.second->serial;
    });
    for (const late_t &late : late_) {
      if (run.ddr.next(pipeline_t::NEVER) < late.first) return run.ddr.serve(late.first);
      if (late.second->release()) return true;
    }
    return run.ddr.serve(pipeline_t::NEVER);
  }

  // Unwinds what is left, children before parents: they use what lies on their parents' stacks.
  void cancel() {
    run.cancelling = true;
    for (;;) {
      pipeline_t *last = nullptr;
      for (const std::unique_ptr<pipeline_t> &process : processes_) {
        if (process->alive && (last == nullptr || process->serial > last->serial)) last = process.get();
      }
      if (last == nullptr) return;
      current_ = last;
      last->fiber.resume();
    }
  }

  std::vector<std::unique_ptr<pipeline_t>> processes_;
  std::vector<pipeline_t *> free_;
  std::vector<process_t *> batch_;
  using late_t = std::pair<cycle_t, pipeline_t *>;
  std::vector<late_t> late_;
  pipeline_t *current_ = nullptr;
  process_t *operation_owner_ = nullptr;
  std::string failure_;
};

}  // namespace timed
}  // namespace edgemoe
