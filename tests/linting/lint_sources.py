"""A small accelerator without findings, and what tests of lint do to it and to the rendered one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.linting import LintResult, lint

# Two processes, a stream, an array of streams, an array channel, a shared function and four ports.
SMALL = """#include "parts.h"
extern "C" void edgemoe_engine(const word_t *input, word_t *output, int count, int *status) {
#pragma HLS INTERFACE m_axi port = input bundle = gmem_in offset = slave depth = DEPTH latency = 64 \\
    num_read_outstanding = 16 max_read_burst_length = 16 max_widen_bitwidth = 128
#pragma HLS INTERFACE m_axi port = output bundle = gmem_out offset = slave depth = 2 * DEPTH latency = 64 \\
    num_write_outstanding = 16 max_write_burst_length = 16 max_widen_bitwidth = 128
#pragma HLS INTERFACE s_axilite port = input bundle = control
#pragma HLS INTERFACE s_axilite port = output bundle = control
#pragma HLS INTERFACE s_axilite port = count bundle = control
#pragma HLS INTERFACE s_axilite port = status bundle = control
#pragma HLS INTERFACE s_axilite port = return bundle = control
#pragma HLS DATAFLOW
  hls::stream<word_t> words("words");
  hls::stream<word_t> lanes[2];
  word_t table[DEPTH];
#pragma HLS STREAM variable = words depth = 4
#pragma HLS STREAM variable = lanes depth = DEPTH / 2
  load(input, count, words, lanes);
  fill(words, table);
  store(table, lanes, output, count, status);
}
"""
PARTS = """#pragma once
#include <ap_int.h>
#include <cstdint>
#include <hls_stream.h>
constexpr int DEPTH = 8;
using word_t = ap_uint<128>;
struct pair_t {
  int value[4];
};
inline int twice(int value) {
#pragma HLS INLINE off
  return 2 * value;
}
inline void add(const int rows[DEPTH], int sums[DEPTH]) {
#pragma HLS INLINE off
  for (int i = 0; i < DEPTH; ++i) {
#pragma HLS PIPELINE II = 1
    sums[i] = rows[i] + twice(i);
  }
}
inline void load(const word_t *input, int count, hls::stream<word_t> &words, hls::stream<word_t> (&lanes)[2]) {
  for (int i = 0; i < count; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT max = DEPTH
    words.write(input[i]);
    lanes[0].write(input[i]);
    lanes[1].write(input[i]);
  }
}
inline void fill(hls::stream<word_t> &words, word_t table[DEPTH]) {
  for (int i = 0; i < DEPTH; ++i) {
#pragma HLS PIPELINE II = 1
    table[i] = words.read();
  }
}
inline void store(const word_t table[DEPTH], hls::stream<word_t> (&lanes)[2], word_t *output, int count, int *status) {
  int first[DEPTH];
  int second[DEPTH];
  int third[DEPTH];
  pair_t pair;
#pragma HLS ARRAY_PARTITION variable = first cyclic factor = 2
#pragma HLS ARRAY_PARTITION variable = second cyclic factor = 2
#pragma HLS ARRAY_PARTITION variable = third cyclic factor = 2
#pragma HLS ARRAY_PARTITION variable = pair.value complete
#pragma HLS BIND_STORAGE variable = first type = ram_2p impl = bram latency = 2
#pragma HLS BIND_STORAGE variable = second type = ram_2p impl = lutram latency = 2
#pragma HLS BIND_STORAGE variable = third type = ram_2p impl = lutram latency = 2
#pragma HLS ALLOCATION function instances = add limit = 1
  add(first, second);
  add(second, third);
  for (int i = 0; i < DEPTH; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = third inter RAW distance = 2 true
    output[i] = table[i] + lanes[0].read() + lanes[1].read() + third[i] + pair.value[i % 4];
  }
  *status = count;
}
"""


def small(changes: Mapping[str, str] | None = None, more: str = "") -> dict[str, str]:
    """The small accelerator with texts replaced, each once; `more` goes in front of its processes."""
    files = {"src/engine.cpp": SMALL, "src/parts.h": PARTS.replace("inline int twice", f"{more}\ninline int twice", 1)}
    for old, new in (changes or {}).items():
        homes = [name for name, text in files.items() if old in text]
        assert len(homes) == 1, f"{old!r} stands in {homes}"
        files[homes[0]] = files[homes[0]].replace(old, new, 1)
    return files


@cache
def rendered() -> Mapping[str, str]:
    """The sources of the default design."""
    return render_sources(make_design(Knobs(), load_board("zcu104")))


def broken(sources: Mapping[str, str]) -> set[str]:
    """Names of the rules that sources break."""
    return {found.rule for found in lint(sources).findings}


def places(result: LintResult, rule: str) -> list[tuple[str, int]]:
    """Where a rule is broken."""
    return [(found.file, found.line) for found in result.findings if found.rule == rule]
