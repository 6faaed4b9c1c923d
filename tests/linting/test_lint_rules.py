"""Every rule is broken by a small change to sources that break none."""

# ruff: noqa: E501  a change is one row of a table

from __future__ import annotations

import pytest

from edgemoe_gen.linting import RULES, lint
from tests.linting.lint_sources import PARTS, SMALL, broken, places, small

pytest.importorskip("clang.cindex")

BEGIN = "  int first[DEPTH];\n"  # of a reachable function's body
CALL = "  fill(words, table);\n"
WORDS = '  hls::stream<word_t> words("words");\n'
LOOP = "  for (int i = 0; i < count; ++i) {\n"
II = "#pragma HLS PIPELINE II = 1\n#pragma HLS LOOP_TRIPCOUNT max = DEPTH\n"

# Elements of 128-bit words and an odd one; a memory of four banks, which an unrolled loop accesses.
WIDE = "struct wide_t {{ word_t word[{}]; bool last; }};"
BANKS = """  int banked[DEPTH][4];
#pragma HLS ARRAY_PARTITION variable = banked complete dim = 2
  const int group = count;
  for (int l = 0; l < 2; ++l) {{
#pragma HLS UNROLL
    const int lane = group + l;
    banked[0][{}] = lane;
  }}
"""
THROUGH = """  int banked[DEPTH][4];
#pragma HLS ARRAY_PARTITION variable = banked complete dim = 2
  for (int l = 0; l < 2; ++l) {{
#pragma HLS UNROLL
    put(banked, 3, {});
  }}
"""
PUT = """template <int LANES>
inline void put(int (*bank)[LANES], int row, int lane) {
#pragma HLS INLINE
  bank[row][lane] = lane;
}"""

# Rule, what is changed in the small accelerator, and what is put before its processes.
BREAKS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("compiles", {BEGIN: BEGIN + "  int broken = \n"}, ""),
    ("known-header", {"#include <cstdint>": "#include <cstdio>"}, ""),
    ("known-name", {BEGIN: BEGIN + '  printf("%d", count);\n'}, ""),
    ("known-name", {BEGIN: BEGIN + "  std::thread worker;\n"}, ""),
    ("function-body", {BEGIN: BEGIN + "  host(count);\n"}, "void host(int value);"),
    ("function-body", {BEGIN: BEGIN + "  printf(\"x\");\n"}, 'extern "C" int printf(const char *, ...);'),
    ("dynamic-memory", {BEGIN: BEGIN + "  int *made = new int[count];\n"}, ""),
    ("dynamic-memory", {BEGIN: BEGIN + "  int *made = nullptr;\n  delete made;\n"}, ""),
    ("dynamic-memory", {BEGIN: BEGIN + "  free(status);\n"}, ""),
    ("dynamic-memory", {BEGIN: BEGIN + "  std::vector<int> made;\n"}, ""),
    ("recursion", {"return 2 * value;": "return value ? twice(value - 1) : 0;"}, ""),
    ("recursion", {"return 2 * value;": "return half(value);"},
     "int twice(int); inline int half(int value) { return value ? twice(value - 1) : 0; }"),
    ("recursion", {"return 2 * value;": "return down<3>(value);"},
     "template <int N> int down(int value) { return value ? down<N>(value - 1) : 0; }"),
    ("virtual-function", {BEGIN: BEGIN + "  shape_t shape;\n"}, "struct shape_t { virtual int area() { return 1; } };"),
    ("exception", {BEGIN: BEGIN + "  if (count < 0) throw 1;\n"}, ""),
    ("exception", {BEGIN: BEGIN + "  try { count = 1; } catch (...) {}\n"}, ""),
    ("run-time-type", {BEGIN: BEGIN + "  two_t two; bool is = dynamic_cast<two_t *>(static_cast<one_t *>(&two)) != nullptr;\n"},
     "struct one_t { virtual ~one_t() {} }; struct two_t : one_t {};"),
    ("function-pointer", {BEGIN: BEGIN + "  int (*chosen)(int) = twice;\n"}, ""),
    ("function-pointer", {"return 2 * value;": "return apply(same, value);"},
     "inline int same(int v) { return v; } inline int apply(int (*f)(int), int v) { return f(v); }"),
    ("pointer-cast", {BEGIN: BEGIN + "  short *half = reinterpret_cast<short *>(status);\n"}, ""),
    ("pointer-cast", {BEGIN: BEGIN + "  short *half = (short *)status;\n"}, ""),
    ("goto", {BEGIN: BEGIN + "again:\n  if (*status) goto again;\n"}, ""),
    ("endless-loop", {BEGIN: BEGIN + "  while (true) {\n    if (*status) break;\n  }\n"}, ""),
    ("endless-loop", {BEGIN: BEGIN + "  for (;;) {\n    if (*status) break;\n  }\n"}, ""),
    ("endless-loop", {BEGIN: BEGIN + "  do {\n    if (*status) break;\n  } while (1);\n"}, ""),
    ("loop-bound", {II: "#pragma HLS PIPELINE II = 1\n"}, ""),
    ("loop-bound", {BEGIN: BEGIN + "  while (count > 0) {\n    --count;\n  }\n"}, ""),
    ("static-local", {"  for (int i = 0; i < DEPTH; ++i) {\n#pragma HLS PIPELINE II = 1\n    sums":
                      "  static int kept;\n  kept += 1;\n  for (int i = 0; i < DEPTH; ++i) {\n    sums"}, ""),
    ("array-size", {"inline void add(const int rows[DEPTH]": "inline void add(const int *rows"}, ""),
    ("array-size", {"inline void add(const int rows[DEPTH]": "inline void add(const int rows[]"}, ""),
    ("stream-reference", {"fill(hls::stream<word_t> &words": "fill(hls::stream<word_t> words"}, ""),
    ("shared-arrays", {"variable = second cyclic factor = 2": "variable = second cyclic factor = 4"}, ""),
    ("shared-arrays", {"variable = third type = ram_2p impl = lutram latency = 2":
                       "variable = third type = ram_2p impl = lutram latency = 1"}, ""),
    ("shared-arrays", {"int third[DEPTH]": "int third[1]", "#pragma HLS ARRAY_PARTITION variable = third cyclic factor = 2": ""}, ""),
    ("pragma-form", {"#pragma HLS DATAFLOW": "#pragma AP DATAFLOW"}, ""),
    ("pragma-form", {BEGIN: BEGIN + '  _Pragma("HLS INLINE")\n'}, ""),
    ("pragma-name", {"#pragma HLS DATAFLOW": "#pragma HLS DATA_FLOW"}, ""),
    ("pragma-option", {"variable = words depth = 4": "variable = words length = 4"}, ""),
    ("pragma-option", {"variable = words depth = 4": "variable = words depth = 4 depth = 5"}, ""),
    ("pragma-option", {"#pragma HLS DATAFLOW": "#pragma HLS DATAFLOW fast"}, ""),
    ("pragma-required", {"variable = words depth = 4": "depth = 4"}, ""),
    ("pragma-required", {"LOOP_TRIPCOUNT max = DEPTH": "LOOP_TRIPCOUNT min = 1"}, ""),
    ("pragma-required", {"variable = first cyclic factor = 2": "variable = first cyclic"}, ""),
    ("pragma-required", {"inter RAW distance = 2 true": "inter RAW true"}, ""),
    ("pragma-value", {"LOOP_TRIPCOUNT max = DEPTH": "LOOP_TRIPCOUNT max = count"}, ""),
    ("pragma-value", {"LOOP_TRIPCOUNT max = DEPTH": "LOOP_TRIPCOUNT max = LENGTH"}, ""),
    ("pragma-value", {"LOOP_TRIPCOUNT max = DEPTH": "LOOP_TRIPCOUNT min = DEPTH max = DEPTH - 1"}, ""),
    ("pragma-value", {II: "#pragma HLS PIPELINE II = 0\n#pragma HLS LOOP_TRIPCOUNT max = DEPTH\n"}, ""),
    ("pragma-value", {"variable = words depth = 4": "variable = words depth = 4 type = queue"}, ""),
    ("pragma-value", {"bundle = gmem_in offset = slave": "bundle = gmem_in offset = master"}, ""),
    ("pragma-place", {LOOP + II: "#pragma HLS PIPELINE II = 1\n" + LOOP + "#pragma HLS LOOP_TRIPCOUNT max = DEPTH\n    if (i) {\n#pragma HLS UNROLL\n    }\n"}, ""),
    ("pragma-place", {BEGIN: BEGIN + "#pragma HLS LOOP_TRIPCOUNT max = 4\n"}, ""),
    ("pragma-place", {BEGIN: BEGIN + "#pragma HLS INLINE\n"}, ""),
    ("pragma-place", {}, "#pragma HLS INLINE"),
    ("pragma-place", {"    output[i] = table[i]": "#pragma HLS BIND_STORAGE variable = pair.value type = ram_2p\n    output[i] = table[i]"}, ""),
    ("pragma-variable", {"variable = words depth = 4": "variable = word depth = 4"}, ""),
    ("pragma-variable", {"variable = words depth = 4": "variable = input depth = 4"}, ""),
    ("pragma-variable", {"variable = pair.value complete": "variable = pair complete"}, ""),
    ("pragma-variable", {BEGIN: BEGIN + "#pragma HLS ARRAY_PARTITION variable = TABLE complete\n"}, "const int TABLE[4] = {1, 2, 3, 4};"),
    ("pragma-dimension", {"variable = first cyclic factor = 2": "variable = first cyclic factor = 3"}, ""),
    ("pragma-dimension", {"variable = first cyclic factor = 2": "variable = first cyclic factor = 2 dim = 2"}, ""),
    ("pragma-dimension", {"variable = pair.value complete": "variable = pair.value complete factor = 2"}, ""),
    ("pragma-binding", {"variable = first type = ram_2p impl = bram": "variable = first type = ram_2p impl = srl"}, ""),
    ("pragma-binding", {"variable = first type = ram_2p impl = bram": "variable = first type = ram_3p impl = bram"}, ""),
    ("pragma-binding", {"impl = bram latency = 2": "impl = bram latency = 4"}, ""),
    ("pragma-binding", {BEGIN: BEGIN + "#pragma HLS BIND_OP variable = count op = mul impl = bram\n"}, ""),
    ("pragma-binding", {"return 2 * value;": "return any(value);"},
     "template <typename T> T any(T v) {\n  T a[4] = {};\n#pragma HLS BIND_STORAGE variable = a type = ram_2p latency = 9\n  return a[v]; }"),
    ("pragma-conflict", {"variable = words depth = 4": "variable = words depth = 4\n#pragma HLS STREAM variable = words depth = 8"}, ""),
    ("pragma-conflict", {II: II + "#pragma HLS PIPELINE II = 2\n"}, ""),
    ("pragma-conflict", {II: II + "#pragma HLS UNROLL\n"}, ""),
    ("pragma-conflict", {"variable = pair.value complete": "variable = pair.value complete\n#pragma HLS ARRAY_RESHAPE variable = pair.value complete"}, ""),
    ("pragma-conflict", {"#pragma HLS DATAFLOW": "#pragma HLS DATAFLOW\n#pragma HLS INLINE"}, ""),
    ("stream-depth", {"#pragma HLS STREAM variable = words depth = 4\n": ""}, ""),
    ("stream-depth", {"#pragma HLS STREAM variable = words depth = 4": "#pragma HLS STREAM variable = words type = fifo"}, ""),
    ("stream-width", {"hls::stream<word_t> &words, hls": "hls::stream<wide_t> &words, hls", WORDS: WORDS.replace("word_t", "wide_t"),
                      "words.write(input[i]);": "words.write(wide_t());", "void fill(hls::stream<word_t>": "void fill(hls::stream<wide_t>",
                      "table[i] = words.read();": "table[i] = words.read().word[0];"}, WIDE.format(32)),
    ("constant-bank", {"int *status) {\n  int first": f"int *status) {{\n{BANKS.format('l + count')}  int first"}, ""),
    ("constant-bank", {"int *status) {\n  int first": f"int *status) {{\n{BANKS.format('group * 2 + l')}  int first"}, ""),
    ("constant-bank", {"int *status) {\n  int first": f"int *status) {{\n{BANKS.format('lane')}  int first"}, ""),
    ("constant-bank", {"int *status) {\n  int first": f"int *status) {{\n{THROUGH.format('count')}  int first"}, PUT),
    ("dataflow-body", {CALL: "  if (count) fill(words, table);\n"}, ""),
    ("dataflow-body", {CALL: CALL + "  for (int i = 0; i < 2; ++i) twice(i);\n"}, ""),
    ("dataflow-body", {CALL: CALL + "  if (count) return;\n"}, ""),
    ("dataflow-body", {CALL: CALL + "  twice(count);\n"}, ""),
    ("dataflow-body", {CALL: CALL + "  *status = 1;\n"}, ""),
    ("dataflow-body", {CALL: CALL + "  int two = twice(count);\n"}, ""),
    ("dataflow-static", {"  word_t table[DEPTH];": "  static word_t table[DEPTH];"}, ""),
    ("dataflow-channel", {CALL: CALL + CALL}, ""),
    ("dataflow-channel", {CALL: ""}, ""),
    ("dataflow-channel", {"    lanes[1].write(input[i]);\n": ""}, ""),
    ("dataflow-channel", {" + lanes[1].read()": ""}, ""),
    ("dataflow-channel", {WORDS: WORDS + "  hls::stream<int> spare;\n#pragma HLS STREAM variable = spare depth = 2\n"}, ""),
    ("dataflow-feedback", {"  load(input, count, words, lanes);\n": "", CALL: CALL + "  load(input, count, words, lanes);\n"}, ""),
    ("dataflow-self", {"    words.write(input[i]);": "    words.write(words.read());"}, ""),
    ("dataflow-bypass", {CALL: CALL + "  idle(count);\n"}, "inline void idle(int count) {}"),
    ("dataflow-argument", {CALL: CALL + "  peek(output);\n"}, "inline void peek(ap_uint<128> *output) { output[0] = 1; }"),
    ("dataflow-argument", {CALL: CALL + "  mark(status);\n"}, "inline void mark(int *status) { *status = 1; }"),
    ("dataflow-bundle", {"bundle = gmem_out": "bundle = gmem_in"}, ""),
    ("interface-mode", {"#pragma HLS INTERFACE s_axilite port = count bundle = control\n": ""}, ""),
    ("interface-mode", {"#pragma HLS DATAFLOW": "#pragma HLS INTERFACE ap_none port = input\n#pragma HLS DATAFLOW"}, ""),
    ("interface-mode", {"#pragma HLS DATAFLOW": "#pragma HLS INTERFACE m_axi port = count bundle = gmem_count\n#pragma HLS DATAFLOW"}, ""),
    ("interface-axi", {"depth = DEPTH latency = 64": "depth = 1 latency = 64"}, ""),
    ("interface-axi", {"depth = DEPTH latency = 64": "latency = 64"}, ""),
    ("interface-axi", {"depth = DEPTH latency = 64": "depth = DEPTH"}, ""),
    ("interface-axi", {"port = input bundle = gmem_in": "port = input"}, ""),
    ("interface-axi", {"bundle = gmem_in offset = slave": "bundle = gmem_in offset = off"}, ""),
    ("interface-axi", {"num_read_outstanding = 16": "num_write_outstanding = 16"}, ""),
    ("interface-axi", {"max_write_burst_length = 16": "max_read_burst_length = 16"}, ""),
    ("interface-burst", {"max_read_burst_length = 16": "max_read_burst_length = 257"}, ""),
    ("interface-burst", {"max_read_burst_length = 16": "max_read_burst_length = 256", "ap_uint<128>": "ap_uint<256>"}, ""),
    ("interface-width", {"ap_uint<128>": "ap_uint<96>"}, ""),
    ("interface-width", {"max_read_burst_length = 16 max_widen_bitwidth = 128": "max_read_burst_length = 16 max_widen_bitwidth = 512"}, ""),
    ("interface-control", {"port = count bundle = control": "port = count bundle = other"}, ""),
    ("interface-control", {"#pragma HLS INTERFACE s_axilite port = return bundle = control\n": ""}, ""),
)  # fmt: skip


def test_the_small_accelerator_breaks_no_rule() -> None:
    result = lint(small())
    assert result.findings == ()
    assert (result.streams, result.loops) == (2, 4)
    assert result.pragmas == (SMALL + PARTS).count("#pragma HLS")
    assert result.functions == 7


@pytest.mark.parametrize("lane", ["l", "3 - l", "2 * l + DEPTH % 2", "half"])
def test_banks_by_what_the_tool_can_compute_break_no_rule(lane: str) -> None:
    text = BANKS.format(lane).replace("const int lane", "const int half = l / 2;\n    const int lane")
    assert broken(small({"int *status) {\n  int first": f"int *status) {{\n{text}  int first"})) == set()
    through = THROUGH.format(lane.replace("half", "l"))
    assert broken(small({"int *status) {\n  int first": f"int *status) {{\n{through}  int first"}, PUT)) == set()


def test_an_element_of_exactly_the_limit_breaks_no_rule() -> None:
    changes = next(changes for rule, changes, _ in BREAKS if rule == "stream-width")
    assert broken(small(changes, WIDE.format(31).replace("bool last", "bool last[128]"))) == set()


@pytest.mark.parametrize(
    ("rule", "changes", "more"), BREAKS, ids=[f"{rule}-{n}" for n, (rule, *_) in enumerate(BREAKS)]
)
def test_a_change_breaks_its_rule(rule: str, changes: dict[str, str], more: str) -> None:
    assert rule in broken(small(changes, more))


def test_every_rule_is_broken_by_a_test() -> None:
    assert {rule for rule, _, _ in BREAKS} == {rule.name for rule in RULES}


def test_a_finding_names_file_line_and_the_rule_with_its_source() -> None:
    result = lint(small({"variable = words depth = 4": "variable = words length = 4"}))
    line = SMALL[: SMALL.index("variable = words depth")].count("\n") + 1
    assert places(result, "pragma-option") == [("src/engine.cpp", line)]
    found = next(found for found in result.findings if found.rule == "pragma-option")
    assert "length" in found.message
    assert found.source == next(rule.source for rule in RULES if rule.name == "pragma-option")


GOOD: tuple[tuple[dict[str, str], str], ...] = (
    # What looks like a fault and is none.
    ({"return 2 * value;": "return down<3>(value);"},
     "template <int N> int down(int value) { return down<N - 1>(value); } template <> int down<0>(int v) { return v; }"),
    ({BEGIN: BEGIN + "  while (count > 0) {\n#pragma HLS LOOP_TRIPCOUNT max = 8\n    --count;\n  }\n"}, ""),
    ({BEGIN: BEGIN + "  const int limit = 2 * DEPTH;\n  for (int i = 0; i < limit; ++i) *status += i;\n"}, ""),
    ({"depth = DEPTH / 2": "depth = ( DEPTH +\\\n 2 )"}, ""),
    ({"variable = words depth = 4": "variable=words depth=4  // of the loader"}, ""),
    ({"#pragma HLS DATAFLOW": "// #pragma HLS NOTHING\n/* #pragma HLS NOTHING\n */\n#pragma HLS DATAFLOW"}, ""),
    ({"#pragma HLS DATAFLOW": "#ifdef NEVER\n#pragma HLS NOTHING variable = nobody\n#endif\n#pragma HLS dataflow"}, ""),
    ({"LOOP_TRIPCOUNT max = DEPTH": "LOOP_TRIPCOUNT max = MACRO"}, "#define MACRO 7"),
    ({"inter RAW distance = 2 true": "type = inter direction = RAW distance = 2 dependent = true"}, ""),
    ({"    lanes[1].write(input[i]);": "    lanes[(DEPTH - 7) * 1].write(input[i]);"}, ""),
    ({"return 2 * value;": "return look(TABLE, value);"},
     "template <typename T, int N> int look(const T (&table)[N], int i) {\n"
     "#pragma HLS BIND_STORAGE variable = table type = rom_np impl = lutram latency = N - 3\n"
     "#pragma HLS ARRAY_PARTITION variable = table cyclic factor = 2\n"
     "  return table[i];\n}\nconst int TABLE[4] = {1, 2, 3, 4};"),
    ({}, "inline void unreachable() { int *made = new int; while (true) {} }"),
)  # fmt: skip


@pytest.mark.parametrize(("changes", "more"), GOOD, ids=range(len(GOOD)))
def test_what_is_legal_is_no_finding(changes: dict[str, str], more: str) -> None:
    assert lint(small(changes, more)).findings == ()
