// The totals of a run as JSON text.
#pragma once

#include "scheduler.h"

#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace edgemoe {
namespace timed {

class report_t {
 public:
  explicit report_t(const run_t &run) : run_(run), totals_(run.totals) {}

  std::string text(int status) {
    out_ << "{\"cycles\":" << totals_.cycles << ",\"status\":" << status;
    list("operations", totals_.operations, [this](const operation_record_t &o) {
      out_ << "{\"index\":" << o.index << ",\"start\":" << o.start << ",\"end\":" << o.end << "}";
    });
    std::vector<process_totals_t> started;  // all but the outermost, which only waits for the others
    for (const process_totals_t &p : totals_.processes) {
      if (!p.region.empty()) started.push_back(p);
    }
    list("processes", started, [this](const process_totals_t &p) { process(p); });
    list("fifos", totals_.fifos, [this](const fifo_totals_t &f) { fifo(f); });
    list("ports", run_.ddr.ports, [this](const axi_t &p) {
      out_ << "{\"name\":" << quoted(p.name) << ",\"beats\":" << p.served << ",\"bursts\":" << p.bursts
           << ",\"bytes\":" << p.served * p.beat_bytes << ",\"busy_cycles\":" << run_.ddr.cycles(p.units)
           << ",\"waited\":" << p.waited << "}";
    });
    out_ << ",\"ddr\":{\"busy\":" << run_.ddr.cycles(run_.ddr.units) << ",\"bytes\":" << run_.ddr.bytes << "}";
    list("loops", totals_.loops, [this](const loop_t &l) {
      out_ << "{\"label\":" << quoted(l.label) << ",\"iterations\":" << l.iterations << ",\"ii\":" << l.rule.ii
           << ",\"depth\":" << l.rule.depth << ",\"wait_in\":" << l.wait_in << ",\"wait_out\":" << l.wait_out << "}";
    });
    list("memories", totals_.memories, [this](const touched_t &t) {
      out_ << "{\"loop\":" << quoted(t.loop) << ",\"memory\":" << quoted(t.memory) << "}";
    });
    list("violations", totals_.violations, [this](const violation_t &v) {
      out_ << "{\"kind\":" << quoted(v.kind) << ",\"loop\":" << quoted(v.loop) << ",\"memory\":" << quoted(v.memory)
           << ",\"cycle\":" << v.cycle << ",\"operation\":" << v.operation << ",\"count\":" << v.count
           << ",\"message\":" << quoted(v.message) << "}";
    });
    out_ << ",\"deadlock\":";
    if (totals_.deadlock) {
      out_ << "{\"operation\":" << totals_.deadlock_operation
           << ",\"closed\":" << (totals_.deadlock_closed ? "true" : "false");
      list("cycle", totals_.links, [this](const wait_link_t &link) {
        out_ << "{\"process\":" << quoted(link.process) << ",\"waits_for\":" << quoted(link.waits_for)
             << ",\"fifo\":" << quoted(link.fifo) << "}";
      });
      out_ << "}";
    } else {
      out_ << "null";
    }
    out_ << "}";
    return out_.str();
  }

 private:
  static std::string quoted(const std::string &text) {
    std::string result = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') result += '\\';
      result += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    return result + "\"";
  }

  template <typename LIST, typename F>
  void list(const char *name, const LIST &values, F write) {
    out_ << ",\"" << name << "\":[";
    bool first = true;
    for (const auto &value : values) {
      if (!first) out_ << ",";
      first = false;
      write(value);
    }
    out_ << "]";
  }

  void waits(cycle_t span, const waits_t &waits, const char *separator) {
    const cycle_t busy = span - waits.starved - waits.blocked - waits.ddr;
    const bool named = separator == nullptr;
    out_ << (named ? "\"busy\":" : "") << busy << (named ? ",\"starved\":" : separator) << waits.starved
         << (named ? ",\"blocked\":" : separator) << waits.blocked << (named ? ",\"ddr\":" : separator) << waits.ddr;
  }

  void process(const process_totals_t &p) {
    out_ << "{\"name\":" << quoted(p.name) << ",\"region\":" << quoted(p.region) << ",\"instance\":" << p.instance
         << ",";
    waits(p.span, p.waits, nullptr);
    out_ << ",\"idle\":" << totals_.cycles - p.span << ",\"end\":" << p.last_end;
    list("records", p.records, [this](const record_t &r) {
      out_ << "[" << r.operation << "," << r.start << "," << r.end << ",";
      waits(r.end - r.start, r.waits, ",");
      out_ << "]";
    });
    out_ << "}";
  }

  void fifo(const fifo_totals_t &f) {
    out_ << "{\"name\":" << quoted(f.name) << ",\"region\":" << quoted(f.region) << ",\"depth\":" << f.depth
         << ",\"highest\":" << f.highest << ",\"writes\":" << f.writes << ",\"blocked\":" << f.blocked
         << ",\"starved\":" << f.starved << ",\"writer\":" << quoted(totals_.title(f.writer))
         << ",\"reader\":" << quoted(totals_.title(f.reader)) << "}";
  }

  const run_t &run_;
  const totals_t &totals_;
  std::ostringstream out_;
};

}  // namespace timed
}  // namespace edgemoe
