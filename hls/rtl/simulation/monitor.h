// What is looked at inside the engine: how full its FIFOs get, and when it begins, ends, and takes up an operation. An
// element that is written while another one is read needs a place beside that.
//
// Verilator keeps the signals that `visible.vlt` names, and tells their places by name.
#pragma once

#include "verilated.h"
#include "verilated_sym_props.h"
#include "verilated_syms.h"

#include <cstdint>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

class monitor_t {
 public:
  struct operation_t {
    std::uint32_t index;
    long start, end;
  };
  std::vector<operation_t> operations;  // of the run that is under way, or that was last
  std::vector<long> cycles;  // of each run that is over
  bool running = false;

  explicit monitor_t(VerilatedContext &context) {
    for (const auto &scope : *context.scopeNameMap()) {
      if (scope.second->varsp() == nullptr) continue;
      for (auto &named : *scope.second->varsp()) find(*scope.second, named.first, named.second);
    }
    if (started_ == nullptr || done_ == nullptr || begins_ == nullptr || index_ == nullptr) {
      throw std::runtime_error("the top module has not the signals that say when a run begins and ends");
    }
  }

  // In every cycle before the edge at its end. Whether a FIFO takes an element, or a run begins or ends.
  bool look(long now) {
    bool moves = *started_ || *begins_ || *done_;
    moves |= fills(bytes_);
    moves |= fills(shorts_);
    moves |= fills(words_);
    if (*started_) {
      running = true;
      ++runs_;
      begun_ = now;
      if (first_ < 0) first_ = now;
      operations.clear();
    }
    if (!running) return moves;
    if (*begins_) {
      if (!operations.empty()) operations.back().end = now - begun_;
      operations.push_back({*index_, now - begun_, now - begun_});
    }
    if (*done_) {
      running = false;
      cycles.push_back(now - begun_);
      if (!operations.empty()) operations.back().end = now - begun_;
    }
    return moves;
  }

  // Of the operation that runs; -1: none yet.
  long operation() const { return operations.empty() ? -1 : static_cast<long>(operations.back().index); }
  bool started() const { return first_ >= 0; }
  long runs() const { return runs_; }  // that have begun
  long first() const { return first_; }  // cycle of the first start

  void report(std::ostream &out) const {
    out << "\"fifos\":{";
    bool first = true;
    report(out, bytes_, first);
    report(out, shorts_, first);
    report(out, words_, first);
    out << "},\"cycles\":[";
    for (std::size_t i = 0; i < cycles.size(); ++i) out << (i ? "," : "") << cycles[i];
    out << "],\"operations\":[";
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const operation_t &o = operations[i];
      out << (i ? "," : "") << "[" << o.index << "," << o.start << "," << o.end << "]";
    }
    out << "]";
  }

 private:
  template <typename T>
  struct fill_t {
    std::string name;
    const T *occupancy;
    const CData *write, *full_n;
    T highest;
  };

  void find(const VerilatedScope &scope, const std::string &name, const VerilatedVar &variable) {
    if (name == "engine_ap_start") started_ = static_cast<const CData *>(variable.datap());
    if (name == "done") done_ = static_cast<const CData *>(variable.datap());
    if (name == "engine_progress_write_enable") begins_ = static_cast<const CData *>(variable.datap());
    if (name == "engine_progress_write_data") index_ = static_cast<const IData *>(variable.datap());
    const std::string suffix = "_occupancy";
    if (name.size() <= suffix.size() || name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) return;
    const std::string fifo = name.substr(0, name.size() - suffix.size());
    if (variable.vltype() == VLVT_UINT8) add(bytes_, scope, fifo, variable);
    if (variable.vltype() == VLVT_UINT16) add(shorts_, scope, fifo, variable);
    if (variable.vltype() == VLVT_UINT32) add(words_, scope, fifo, variable);
  }

  template <typename T>
  static void add(std::vector<fill_t<T>> &fills, const VerilatedScope &scope, const std::string &fifo,
                  const VerilatedVar &variable) {
    const std::string path = scope.name();
    fills.push_back({path.substr(path.rfind('.') + 1) + "." + fifo, static_cast<const T *>(variable.datap()),
                     wire(scope, fifo + "_write"), wire(scope, fifo + "_full_n"), 0});
  }
  static const CData *wire(const VerilatedScope &scope, const std::string &name) {
    const VerilatedVar *found = scope.varFind(name.c_str());
    if (found == nullptr) throw std::runtime_error("there is no signal " + name);
    return static_cast<const CData *>(found->datap());
  }
  template <typename T>
  static bool fills(std::vector<fill_t<T>> &fills) {
    bool moves = false;
    for (fill_t<T> &fill : fills) {
      if (!*fill.write || !*fill.full_n) continue;
      moves = true;
      if (*fill.occupancy >= fill.highest) fill.highest = *fill.occupancy + 1;
    }
    return moves;
  }
  template <typename T>
  static void report(std::ostream &out, const std::vector<fill_t<T>> &fills, bool &first) {
    for (const fill_t<T> &fill : fills) {
      out << (first ? "" : ",") << "\"" << fill.name << "\":" << static_cast<std::uint32_t>(fill.highest);
      first = false;
    }
  }

  std::vector<fill_t<CData>> bytes_;
  std::vector<fill_t<SData>> shorts_;
  std::vector<fill_t<IData>> words_;
  const CData *started_ = nullptr;
  const CData *done_ = nullptr;
  const CData *begins_ = nullptr;
  const IData *index_ = nullptr;
  long begun_ = 0;
  long first_ = -1;
  long runs_ = 0;
};
