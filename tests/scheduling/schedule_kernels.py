"""Small kernels, compiled together once a session: each plants one thing that a schedule must see, or must not."""

from __future__ import annotations

from functools import cache

from edgemoe_gen.scheduling.result import LoopSchedule
from edgemoe_gen.scheduling.run import schedule_sources

PART, CLOCK_MHZ = "xczu7ev-ffvc1156-2-e", 300.0
KERNELS = """#include <ap_int.h>
#include <hls_stream.h>
constexpr int NEAR = 1;
constexpr int FAR = 4;
typedef hls::stream<int> numbers;

// A 32-bit compare, an addition that waits for it, and a compare of the sum.
void planted(int n, int limit, int step, numbers &in, numbers &out) {
  int level = 0;
planted_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const int by = in.read();
    const int next = level > limit ? level + by : level + step;
    level = next > n ? next - limit : next;
    out.write(level);
  }
}

void too_near(int n, numbers &in) {
  int cells[64];
#pragma HLS BIND_STORAGE variable = cells type = ram_2p impl = bram latency = 2
near_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = cells inter RAW distance = NEAR true
    const int at = in.read();
    cells[at & 63] = cells[at & 63] + 1;
  }
}
void far_enough(int n, numbers &in) {
  int cells[64];
#pragma HLS BIND_STORAGE variable = cells type = ram_2p impl = bram latency = 2
far_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = cells inter RAW distance = FAR true
    const int at = in.read();
    cells[at & 63] = cells[at & 63] + 1;
  }
}

// The compiler keeps this pair in one integer; its members have nothing to do with each other.
struct pair_t {
  ap_int<8> name;
  ap_int<11> count;
};
void packed(int n, hls::stream<pair_t> &in, hls::stream<pair_t> &out) {
  pair_t last[2] = {};
#pragma HLS ARRAY_PARTITION variable = last complete
packed_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    pair_t fresh = in.read();
    const ap_int<11> count = last[1].name == fresh.name ? last[1].count : fresh.count;
    last[1] = last[0];
    last[0].name = fresh.name;
    last[0].count = count + 1;
    out.write(last[0]);
  }
}

// A counter of 7 bits that takes part in additions of int.
void narrow(int n, int by, hls::stream<int> &out) {
  ap_int<7> lane = 0;
narrow_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    out.write(lane);
    lane = lane == 5 ? ap_int<7>(0) : ap_int<7>(lane + by + 1);
  }
}

// The compiler makes `x + (c ? 1 : 0)` of this choice.
void chosen(int n, int words, numbers &out) {
  int word = 0;
  int block = 0;
chosen_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const bool last = word == words;
    out.write(block);
    block = last ? block + 1 : block;
    word = last ? 0 : word + 1;
  }
}

typedef ap_int<18> factor_t;
struct factors_t {
  factor_t lane[8];
};
void summed_among(int n, hls::stream<factors_t> &in, hls::stream<ap_int<44>> &out) {
  ap_int<44> sum = 0;
among_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const factors_t f = in.read();
    if (i == 0) sum = 0;
  among_lanes:
    for (int lane = 0; lane < 8; ++lane) {
#pragma HLS UNROLL
      sum += f.lane[lane] * f.lane[(lane + 1) & 7];
    }
    if (i == n - 1) out.write(sum);
  }
}
void summed_last(int n, hls::stream<factors_t> &in, hls::stream<ap_int<44>> &out) {
  ap_int<44> sum = 0;
last_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const factors_t f = in.read();
    ap_int<44> partial = 0;
  last_lanes:
    for (int lane = 0; lane < 8; ++lane) {
#pragma HLS UNROLL
      partial += f.lane[lane] * f.lane[(lane + 1) & 7];
    }
    sum = i == 0 ? partial : ap_int<44>(sum + partial);
    if (i == n - 1) out.write(sum);
  }
}

// From FIFO to FIFO through a memory of two cycles, on one of two FIFOs of an array.
void through_memory(int n, const int table[256], numbers (&in)[2], numbers &out) {
memory_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    out.write(table[in[1].read() & 255]);
  }
}
void straight(int n, numbers (&in)[2], numbers &out) {
straight_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    out.write(in[1].read());
  }
}
// Two members of one struct, of which only one is read: what is written to the other is no recurrence.
struct queue_t {
  int by_token[64];
  int by_expert[64];
};
void members(int n, queue_t &queue) {
member_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    queue.by_expert[i] = queue.by_token[i] * queue.by_token[i];
  }
}
// Read, add and write of a memory without a stated distance: the next iteration may ask for the same place.
void unstated(int n, numbers &in) {
  int cells[64];
#pragma HLS BIND_STORAGE variable = cells type = ram_2p impl = bram latency = 1
unstated_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const int at = in.read();
    cells[at & 63] = cells[at & 63] + 1;
  }
}
void independent(int n, numbers &in) {
  int cells[64];
#pragma HLS BIND_STORAGE variable = cells type = ram_2p impl = bram latency = 1
independent_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = cells inter false
    const int at = in.read();
    cells[at & 63] = cells[at & 63] + 1;
  }
}
void twice(int n, numbers &in, numbers &out) {
twice_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const int first = in.read();
    out.write(first + in.read());
  }
}
void either(int n, int limit, numbers &in, numbers &out) {
either_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    int value = 0;
    if (i < limit) {
      value = in.read();
    } else {
      value = in.read() + limit;
    }
    out.write(value);
  }
}
// The largest so far of eight rows, in registers by an index that varies: a value of 18 bits that an int holds.
void largest_of_rows(int n, hls::stream<factor_t> &in, hls::stream<factor_t> &out) {
  factor_t largest[8] = {};
#pragma HLS ARRAY_PARTITION variable = largest complete
largest_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const factor_t fresh = in.read();
    const factor_t before = largest[i & 7];
    largest[i & 7] = fresh > before ? fresh : before;
    out.write(largest[(i + 1) & 7]);
  }
}
void top(int n, numbers (&in)[2], numbers &out, hls::stream<pair_t> &pairs, hls::stream<pair_t> &counted,
         hls::stream<factors_t> &factors, hls::stream<ap_int<44>> &sums, hls::stream<factor_t> &rows,
         hls::stream<factor_t> &largest) {
  static int table[256];
  static queue_t queue;
#pragma HLS BIND_STORAGE variable = table type = ram_2p impl = bram latency = 2
  planted(n, n, n, in[0], out);
  too_near(n, in[0]);
  far_enough(n, in[0]);
  packed(n, pairs, counted);
  narrow(n, n, out);
  chosen(n, n, out);
  summed_among(n, factors, sums);
  summed_last(n, factors, sums);
  through_memory(n, table, in, out);
  straight(n, in, out);
  members(n, queue);
  unstated(n, in[0]);
  independent(n, in[0]);
  twice(n, in[0], out);
  either(n, n, in[0], out);
  largest_of_rows(n, rows, largest);
}
"""
SOURCES = {"src/engine.cpp": KERNELS}


@cache
def loops() -> dict[str, LoopSchedule]:
    """Schedules of the kernels' loops by label."""
    return {loop.label: loop for loop in schedule_sources(SOURCES, PART, CLOCK_MHZ).loops}


def line_of(text: str, after: str = "") -> int:
    """Line of the kernels that holds a text, the first behind another."""
    at = KERNELS.index(text, KERNELS.index(after) if after else 0)
    return KERNELS.count("\n", 0, at) + 1
