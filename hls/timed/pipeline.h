// The clock of a process: loops, their pipelines, and every access with the cycle in which it happens.
//
// A pipelined loop counts in its own time, which stands still while a write waits for room: own time + stalls so far =
// cycle. All reads of an iteration happen when it issues; a write to a FIFO comes at the stage that the table gives it,
// every other write depth - 1 later. Writes wait in lanes, one a stage, until time has come to them, so that code runs
// ahead of them as iterations overlap; what an iteration reads is given back to the FIFO when the iteration has issued.
//
// A pipeline that flushes delivers older iterations while a newer one waits for its inputs. One that stalls stands
// still as a whole: there own time waits with it. Either way a write without room holds up everything, also writes and
// reads of the same cycle.
#pragma once

#include "accesses.h"
#include "ring.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace edgemoe {
namespace timed {

class pipeline_t : public accesses_t {
 public:
  static constexpr cycle_t NEVER = std::numeric_limits<cycle_t>::max();

  // The clock begins anew, for the next process that runs on this object.
  void reset() {
    frames_.clear();
    pipelined_ = waits_for_input_ = false;
    inputs_.clear();
    reads_.clear();
    accesses_.clear();
    for (lane_t &lane : lanes_) {
      lane.actions.clear();
      lane.pending.clear();
      lane.new_actions = 0;
    }
    stalls_.clear();
    new_accesses_ = 0;
    waits = waits_t();
    spans.clear();
    regions.clear();
  }

  bool in_pipeline() const { return pipelined_; }

  // The cycle of a write that goes on though its loop waits for an input, if nothing comes before; else NEVER.
  cycle_t next_release() {
    if (!alive || !pipelined_ || !waits_for_input_ || run->table.stalling) return NEVER;
    const cycle_t local = next_write();
    return local == NEVER ? NEVER : local + write_shift_;
  }
  bool release() { return resolve(channel_t::ALWAYS); }

  void loop_begin(loop_t &loop) {
    if (pipelined_) throw std::logic_error("loop " + loop.label + " runs inside a pipelined loop");
    if (loop.rule.ii > 0) reach(loop.label.c_str());
    frames_.push_back({&loop, now, now, 0, 0});
    pipelined_ = loop.rule.ii > 0;
    if (!pipelined_) return;
    previous_ = now + loop.rule.begin - loop.rule.ii;
    shift_ = write_shift_ = 0;
    activation_ = ++run->serials;
    const loop_rule_t &rule = loop.rule;
    used_ = 0;
    add_lane(rule.depth - 1);
    for (const std::pair<std::string, cycle_t> &write : rule.writes) add_lane(write.second);
  }

  void iteration() {
    frame_t &frame = frames_.back();
    if (frame.iterations > 0) end_iteration(frame);
    if (!pipelined_ && frame.iterations > 0 && frame.places == places) reach("again");
    frame.places = places;
    ++frame.iterations;
    ++frame.loop->iterations;
    frame.iteration_start = now;
    available_ = channel_t::ALWAYS;
    limit_ = {nullptr, nullptr};
    starved_ = 0;
  }

  void loop_end() {
    frame_t frame = frames_.back();
    if (frame.iterations == 0) {
      now += run->table.loop_skip;
    } else {
      end_iteration(frame);
      if (pipelined_) {
        drain();
        now = previous_ + frame.loop->rule.depth + write_shift_ + run->table.loop_end;
      }
    }
    if (pipelined_) left(frame.loop->label.c_str());
    stalls_.clear();
    pipelined_ = false;
    frames_.pop_back();
  }

  // Takes an element: the caller may read its value now, its place is free when the read has its cycle.
  void read(channel_t &channel) {
    const std::uint64_t n = channel.taken;
    while (!channel.has(n)) wait_for_input(wait_t::EMPTY, channel.waiting_reader, &channel);
    ++channel.taken;
    if (channel.totals != nullptr) channel.totals->reader = totals;
    input(channel.available(n), {&channel, nullptr});
  }

  // Element n of a FIFO, whose value is staged already.
  void write(channel_t &channel) {
    if (channel.totals != nullptr) channel.totals->writer = totals;
    const std::uint64_t n = channel.staged++;
    if (!pipelined_) return output({&channel, nullptr, n}, 0);
    const loop_t *loop = frames_.back().loop;
    if (channel.writing_loop != loop) {
      channel.writing_loop = loop;
      channel.lane = find_lane(loop->rule.stage(channel.variable));
    }
    output({&channel, nullptr, n}, channel.lane);
  }

  void access(axi_t &port, std::uint64_t index) {
    if (!port.expects(index)) port.open(index, 1, pipelined_ ? find_issue() + shift_ : now);
    const std::uint64_t n = port.touch();
    if (port.writes) {
      output({nullptr, &port, n}, LAST);
    } else {
      while (!port.known(n)) wait_for_input(wait_t::DDR, port.waiting, nullptr);
      input(port.available(n), {nullptr, &port});
    }
  }

  void open_burst(axi_t &port, std::uint64_t first, std::uint64_t beats) {
    if (pipelined_) throw std::logic_error("a burst of port " + port.name + " begins inside a pipelined loop");
    port.open(first, beats, now);
  }

  void memory_access(const void *identity, std::size_t address, bool writes) {
    const loop_t *loop = frames_.empty() ? nullptr : frames_.back().loop;
    const access_t made = accesses_t::access(loop, identity, address);
    if (!pipelined_) {
      count(loop, made, writes, now, ++run->serials);
    } else if (writes) {
      accesses_.push(made);
      ++new_accesses_;
      output({nullptr, nullptr, 0}, LAST);
    } else {
      reads_.push_back(made);
    }
  }

 private:
  struct frame_t {
    loop_t *loop;
    cycle_t start;
    cycle_t iteration_start;
    std::uint64_t iterations;
    std::uint64_t places;  // that the process had met when the iteration began
  };
  struct input_t {
    channel_t *channel;
    axi_t *port;
  };
  struct action_t {
    channel_t *channel;
    axi_t *port;
    std::uint64_t element;  // of the channel or port; neither: the oldest write to a memory
  };
  struct pending_t {
    cycle_t local;
    std::uint64_t actions;
    std::uint64_t owner;
  };
  struct stall_t {
    cycle_t local;
    cycle_t cycles;
  };
  // Writes of one stage: in the order of their iterations, so in that of their own time.
  struct lane_t {
    cycle_t stage = 0;
    ring_t<pending_t> pending;
    ring_t<action_t> actions;
    std::uint64_t new_actions = 0;  // of the iteration that runs
    bool due(cycle_t local) { return !pending.empty() && pending.front().local == local; }
  };
  static constexpr std::size_t LAST = 0;  // lane of the last stage

  void add_lane(cycle_t stage) {
    for (std::size_t i = 0; i < used_; ++i) {
      if (lanes_[i].stage == stage) return;
    }
    if (used_ == lanes_.size()) lanes_.emplace_back();
    lanes_[used_++].stage = stage;
    if (used_ == 1 || stage < least_stage_) least_stage_ = stage;
  }

  std::size_t find_lane(cycle_t stage) const {
    std::size_t lane = 0;
    while (lanes_[lane].stage != stage) ++lane;
    return lane;
  }

  // Own time of the oldest writes that wait.
  cycle_t next_write() {
    cycle_t local = NEVER;
    for (std::size_t i = 0; i < used_; ++i) {
      ring_t<pending_t> &pending = lanes_[i].pending;
      if (!pending.empty() && pending.front().local < local) local = pending.front().local;
    }
    return local;
  }

  static bool known(const action_t &a) {
    return a.channel != nullptr ? a.channel->room_known(a.element) : a.port == nullptr || a.port->room_known(a.element);
  }
  static cycle_t room(const action_t &a) {
    return a.channel != nullptr ? a.channel->room(a.element)
           : a.port != nullptr  ? a.port->room(a.element)
                                : channel_t::ALWAYS;
  }

  void input(cycle_t available, input_t from) {
    if (pipelined_) {
      inputs_.push_back(from);
      if (available > available_) {
        available_ = available;
        limit_ = from;
      }
      return;
    }
    if (available > now) {
      waited_in(from, available - now, available);
      now = available;
    }
    ++spent;
    consume(from, now++);
  }

  void output(const action_t &action, std::size_t lane) {
    if (pipelined_) {
      lanes_[lane].actions.push(action);
      ++lanes_[lane].new_actions;
      return;
    }
    while (!known(action)) wait_for_room(action);
    const cycle_t cycle = room(action);
    if (cycle > now) {
      waited_out(action, cycle - now, cycle);
      now = cycle;
    }
    ++spent;
    publish(action, now++, 0);
  }

  static void consume(const input_t &from, cycle_t cycle) {
    if (from.channel != nullptr) {
      from.channel->consume(cycle);
    } else {
      from.port->consume(cycle);
    }
  }

  void publish(const action_t &action, cycle_t cycle, std::uint64_t owner) {
    if (action.channel != nullptr) {
      action.channel->publish(cycle);
    } else if (action.port != nullptr) {
      action.port->publish(cycle);
    } else {
      count(frames_.back().loop, accesses_.front(), true, cycle, owner);
      accesses_.pop();
    }
  }

  void end_iteration(const frame_t &frame) {
    if (!pipelined_) {
      const cycle_t least = frame.iteration_start + frame.loop->rule.states;
      if (now < least) {
        spent += least - now;
        now = least;
      }
      return;
    }
    const cycle_t due = previous_ + frame.loop->rule.ii;
    previous_ = find_issue();
    const cycle_t cycle = previous_ + shift_;
    starved_ += previous_ - due;
    if (starved_ > 0) {
      frame.loop->wait_in += starved_;
      waited_in(limit_, starved_, cycle);
    }
    for (const input_t &from : inputs_) consume(from, cycle);
    inputs_.clear();
    std::uint64_t owner = 0;
    bool writes = false;
    for (std::size_t i = 0; i < used_; ++i) writes = writes || lanes_[i].new_actions > 0;
    if (!reads_.empty() || writes) owner = ++run->serials;
    for (const access_t &read : reads_) {
      count(frame.loop, read, false, cycle, owner);
      if (read.rule->latency > 0) {
        check_distance(*frame.loop, read, previous_, cycle, activation_, frame.iterations);
      }
    }
    reads_.clear();
    for (std::uint64_t i = accesses_.size() - new_accesses_; i < accesses_.size(); ++i) {
      if (accesses_[i].rule->latency > 0) remember(accesses_[i], previous_, activation_, frame.iterations);
    }
    new_accesses_ = 0;
    for (std::size_t i = 0; i < used_; ++i) {
      lane_t &lane = lanes_[i];
      if (lane.new_actions > 0) lane.pending.push({previous_ + lane.stage, lane.new_actions, owner});
      lane.new_actions = 0;
    }
  }

  // Own time of the issue of the iteration that runs, as far as its inputs are known. Advances shift_ to it.
  cycle_t find_issue() {
    cycle_t local = previous_ + frames_.back().loop->rule.ii;
    for (;;) {
      while (!stalls_.empty() && stalls_.front().local <= local) {
        shift_ += stalls_.front().cycles;
        stalls_.pop();
      }
      const cycle_t write = next_write();
      if (stalls_.empty() && write <= local) {
        // This write comes first, or in the same cycle: if it stalls, so does the issue.
        if (!resolve(run->table.stalling && write == local ? available_ : channel_t::ALWAYS)) wait_for_room(*blocking_);
        continue;
      }
      if (local + shift_ >= available_) return local;
      cycle_t next = available_ - shift_;
      if (run->table.stalling) {  // no write is between: all stand still
        starved_ += next - local;
        write_shift_ += next - local;
        shift_ = available_ - local;
        return local;
      }
      if (!stalls_.empty()) {
        if (stalls_.front().local < next) next = stalls_.front().local;
      } else if (write < next) {
        next = write;
      }
      local = next;
    }
  }

  // Gives the oldest writes that wait their cycle, not before `least`; false if that depends on what another process
  // has not done yet.
  bool resolve(cycle_t least) {
    const cycle_t local = next_write();
    const cycle_t due = local + write_shift_;
    const cycle_t begin = std::max(due, least);
    cycle_t cycle = begin;
    const action_t *late = nullptr;
    for (std::size_t i = 0; i < used_; ++i) {
      if (!lanes_[i].due(local)) continue;
      for (std::uint64_t n = 0; n < lanes_[i].pending.front().actions; ++n) {
        const action_t &action = lanes_[i].actions[n];
        if (!known(action)) {
          blocking_ = &action;
          if (action.channel != nullptr) {
            action.channel->waiting_writer = this;
          } else {
            action.port->waiting = this;
          }
          return false;
        }
        if (room(action) > cycle) {
          cycle = room(action);
          late = &action;
        }
      }
    }
    starved_ += begin - due;
    if (cycle > due) {
      write_shift_ += cycle - due;
      stalls_.push({local, cycle - due});
    }
    if (late != nullptr) {
      frames_.back().loop->wait_out += cycle - begin;
      waited_out(*late, cycle - begin, cycle);
    }
    for (std::size_t i = 0; i < used_; ++i) {
      lane_t &lane = lanes_[i];
      if (!lane.due(local)) continue;
      const pending_t pending = lane.pending.front();
      for (std::uint64_t n = 0; n < pending.actions; ++n) publish(lane.actions[n], cycle, pending.owner);
      lane.actions.drop(pending.actions);
      lane.pending.pop();
    }
    return true;
  }

  void drain() {
    while (next_write() != NEVER) {
      if (!resolve(channel_t::ALWAYS)) wait_for_room(*blocking_);
    }
  }

  // Older writes go on while an iteration waits for its inputs: those that none of this iteration can come before, and
  // in a pipeline that stalls none but those before its issue.
  void wait_for_input(wait_t reason, process_t *&waiting, const channel_t *channel) {
    bool moved = false;
    if (pipelined_) {
      const cycle_t next = previous_ + frames_.back().loop->rule.ii;
      const cycle_t end = run->table.stalling ? next : next + least_stage_;
      while (next_write() < end && resolve(channel_t::ALWAYS)) moved = true;
    }
    if (moved) return;  // it may have written what it waits for
    waiting = this;
    waits_for_input_ = true;
    block(reason, channel);
    waits_for_input_ = false;
  }

  void wait_for_room(const action_t &action) {
    if (action.channel != nullptr) {
      action.channel->waiting_writer = this;
      block(wait_t::FULL, action.channel);
    } else {
      action.port->waiting = this;
      block(wait_t::DDR, nullptr);
    }
  }

  // Waits that end in cycle `end`.
  void waited_in(const input_t &from, cycle_t cycles, cycle_t end) {
    if (from.port != nullptr) {
      note_wait(&waits_t::ddr, cycles, end);
      from.port->waited += cycles;
    } else if (from.channel != nullptr) {
      note_wait(&waits_t::starved, cycles, end);
      if (from.channel->totals != nullptr) from.channel->totals->starved += cycles;
    }
  }

  void waited_out(const action_t &at, cycle_t cycles, cycle_t end) {
    if (at.port != nullptr) {
      note_wait(&waits_t::ddr, cycles, end);
      at.port->waited += cycles;
    } else {
      note_wait(&waits_t::blocked, cycles, end);
      if (at.channel->totals != nullptr) at.channel->totals->blocked += cycles;
    }
  }

  std::vector<frame_t> frames_;
  bool pipelined_ = false;
  std::uint64_t activation_ = 0;
  cycle_t previous_ = 0;  // own time of the last issue
  cycle_t shift_ = 0;  // stalls up to the last issue
  cycle_t write_shift_ = 0;  // stalls up to the last write that has its cycle
  cycle_t available_ = channel_t::ALWAYS;  // of the inputs of the iteration that runs
  input_t limit_ = {nullptr, nullptr};  // the input that came last
  std::vector<input_t> inputs_;
  std::vector<access_t> reads_;
  ring_t<access_t> accesses_;  // writes to memories, in the order of their actions
  std::uint64_t new_accesses_ = 0;  // of the iteration that runs
  std::vector<lane_t> lanes_;
  std::size_t used_ = 0;  // lanes of the loop that runs
  cycle_t least_stage_ = 0;  // of them
  bool waits_for_input_ = false;
  cycle_t starved_ = 0;  // cycles that the iteration that runs has held up its own time or all for an input
  ring_t<stall_t> stalls_;  // in own time, after the last issue
  const action_t *blocking_ = nullptr;
};

}  // namespace timed
}  // namespace edgemoe
