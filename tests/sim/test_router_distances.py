"""What the router's pragmas claim: how many iterations lie between a write and the read that needs it.

A pipeline may read a memory before the writes of the iterations just before have arrived. Here the memories are
exchanged for ones that show a write late, by as many iterations as the pragmas allow: results must stay the same. One
iteration later they must not, or the claim would be weaker than it could be and the test blind.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.sim.compiler import compile_library
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernels import run_kernels

# Three words of experts, and a token count that fills no whole group.
SIZES = {
    "tokens_parallel": 3, "in_parallel": 8, "out_parallel": 8, "max_tokens": 45, "max_dim": 24, "max_query": 32,
    "max_cache": 64, "max_hidden": 48, "max_experts": 20, "max_top_k": 3,
}  # fmt: skip

MEMORY = """
#include <deque>
#include <stdexcept>

namespace edgemoe {

// Shows a write only after so many further writes: one an iteration. A search that saw too little may name no expert,
// whose counter is nowhere: it stays 0.
template <typename T, int N>
class late_memory {
 public:
  explicit late_memory(int lateness) : lateness_(static_cast<std::size_t>(lateness)) {}
  struct cell_t {
    late_memory &memory;
    int index;
    operator T() const { return index >= 0 && index < N ? memory.seen_[index] : T(); }
    void operator=(const T &value) { memory.write(index, value); }
  };
  cell_t operator[](int index) { return cell_t{*this, index}; }
  void arrive() { while (!late_.empty()) show(); }

 private:
  struct write_t {
    int index;
    T value;
  };
  void write(int index, const T &value) {
    late_.push_back(write_t{index, value});
    if (late_.size() > lateness_) show();
  }
  void show() {
    const int index = late_.front().index;
    if (index >= 0 && index < N) seen_[index] = late_.front().value;
    late_.pop_front();
  }
  std::size_t lateness_;
  std::deque<write_t> late_;
  T seen_[N] = {};
};

template <typename T, int N>
T read_at(late_memory<T, N> &memory, int index) { return memory[index]; }
template <typename T, int N>
T read_needed(late_memory<T, N> &memory, int index, bool) { return memory[index]; }
template <typename T, int N>
void write_at(late_memory<T, N> &memory, int index, const T &value) { memory[index] = value; }
}  // namespace edgemoe

namespace edgemoe {"""

ENDS = "      route_tokens(op, hidden, queue);\n"
PLACES = """      for (int i = 0; i < op.tokens * op.top_k; ++i) {
        const place_t place = queue.by_expert[i].place;
        if (queue.places[i].block != place.block || queue.places[i].lane != place.lane) {
          throw std::logic_error("places and queues differ");
        }
      }
"""


def _late(sources: dict[str, str]) -> dict[str, str]:
    """Sources whose router has late memories; between its loops everything arrives, as between those of hardware."""
    changed = dict(sources)
    counters = "sint<ROUTE_BITS>"
    for file, old, new in (
        ("src/route.h", "\nnamespace edgemoe {", MEMORY),
        ("src/route.h", "search_t searches[CHOOSE_TOKENS];",
         "late_memory<search_t, CHOOSE_TOKENS> searches(CHOOSE_TOKENS - 1 + extra_lateness[0]);"),
        ("src/route.h", "exp_sum_t sums[CHOOSE_TOKENS];",
         "late_memory<exp_sum_t, CHOOSE_TOKENS> sums(CHOOSE_TOKENS - 1 + extra_lateness[1]);"),
        ("src/route.h", f"{counters} counters[MAX_EXPERTS]", f"late_memory<{counters}, MAX_EXPERTS> &counters"),
        *(("src/route.h", f"  {counters} {name}[MAX_EXPERTS];",
           f"  late_memory<{counters}, MAX_EXPERTS> {name}(COUNTER_DISTANCE - 1 + extra_lateness[2]);")
          for name in ("count", "next")),
        ("src/route.h", "count_routes:", "count.arrive();\ncount_routes:"),
        ("src/route.h", "place_queues:", "count.arrive();\nplace_queues:"),
        ("src/route.h", "sort_routes:", "next.arrive();\nsort_routes:"),
        ("src/engine.cpp", ENDS, ENDS + PLACES),
    ):  # fmt: skip
        assert changed[file].count(old) == 1, old
        changed[file] = changed[file].replace(old, new)
    changed["src/config.h"] += "\nnamespace edgemoe {\ninline int extra_lateness[3] = {0, 0, 0};\n}\n"
    changed["sim/simulate.cpp"] += (
        '\nextern "C" void edgemoe_delay(int memory, int more) { edgemoe::extra_lateness[memory] = more; }\n'
    )
    return changed


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(Knobs(**SIZES), load_board("zcu104"))


@pytest.fixture(scope="module")
def library(design: Design) -> Path:
    return compile_library(_late(render_sources(design)))


@pytest.mark.parametrize("kernel", ["router", "moe"])
def test_the_router_never_reads_what_a_pipeline_may_not_have_written_yet(
    design: Design, library: Path, kernel: str
) -> None:
    results = run_kernels(design, [kernel], engine=Engine(design, library))
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize(("memory", "kernel"), [(0, "router"), (1, "router"), (2, "moe")])
def test_one_iteration_more_would_be_too_late(design: Design, library: Path, memory: int, kernel: str) -> None:
    delay = ctypes.CDLL(str(library)).edgemoe_delay
    delay(memory, 1)
    try:
        results = run_kernels(design, [kernel], engine=Engine(design, library))
    finally:
        delay(memory, 0)
    assert [result.case for result in results if not result.passed]
