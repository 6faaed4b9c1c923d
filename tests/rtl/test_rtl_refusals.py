"""What no module is made of: hazards that no pragma covers, memories used twice, and forms that are not known."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_module, compile_process

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

PART, BUDGET_NS = "xczu7ev-ffvc1156-2-e", 2.43
MEMORY = "#pragma HLS BIND_STORAGE variable = cells type = ram_2p impl = bram latency = 2"
COUNTING = """  int cells[64];
{memory}
{name}_steps:
  for (int i = 0; i < n; ++i) {{
#pragma HLS PIPELINE II = 1
{pragma}
    const int at = in.read();
    cells[at & 63] = cells[at & 63] + 1;
    out.write(at);
  }}
"""
BODIES = {
    "near": COUNTING.format(
        name="near", memory=MEMORY, pragma="#pragma HLS DEPENDENCE variable = cells inter RAW distance = 1 true"
    ),
    "unsaid": COUNTING.format(name="unsaid", memory=MEMORY, pragma=""),
    "far": COUNTING.format(
        name="far", memory=MEMORY, pragma="#pragma HLS DEPENDENCE variable = cells inter RAW distance = 8 true"
    ),
    "never": COUNTING.format(name="never", memory=MEMORY, pragma="#pragma HLS DEPENDENCE variable = cells inter false"),
    "twice": """
twice_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    out.write(in.read() - in.read());
  }
""",
    "until": """
until_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    const int value = in.read();
    if (value == 0) break;
    out.write(value);
  }
""",
    "either": """
either_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    if (i & 1) {
      out.write(in.read());
    } else {
      out.write(-in.read());
    }
  }
""",
    "slow": """
slow_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 2
    out.write(in.read());
  }
""",
}
# Functions with memories that others hand over.
HANDED = """
struct pair_t {
  int first;
  int second;
};
void indexed(int n, const int *from, numbers &out) {
indexed_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    out.write(from[i]);
  }
}
void fixed(int n, int *to, numbers &in) {
  *to = in.read();
}
void half(int n, hls::stream<pair_t> &out) {
half_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    pair_t pair;
    pair.second = i;
    out.write(pair);
  }
}
inline void move(int n, const int *from, int *to, numbers &out) {
move_steps:
  for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 1
    to[i] = from[i];
    out.write(i);
  }
}
inline void moving(int n, const int *from, int *to, numbers &out) {
#pragma HLS DATAFLOW
  move(n, from, to, out);
}
void apart(int n, numbers &in, numbers &out) {
  static int cells[48], others[40];
  if (in.read() > 0) {
    moving(n, cells, others, out);
  } else {
    moving(n, others, cells, out);
  }
}
inline void sharing(int n, const int *from, int *to, int *too, numbers &one, numbers &two) {
#pragma HLS DATAFLOW
  move(n, from, to, one);
  move(n, from, too, two);
}
void shared(int n, numbers &one, numbers &two) {
  static int cells[64], others[64], more[64];
  sharing(n, cells, others, more, one, two);
}
void doubled(int n, numbers &out) {
  static int single[64];
  moving(n, single, single, out);
}
"""
STEPS = """
{name}_steps:
  for (int i = 0; i < n; ++i) {{
#pragma HLS PIPELINE II = 1
    {body}
  }}
"""
BEFORE = """extern "C" int other(int);
static int kept;
struct pair_t { int a; short b; };
static const pair_t pairs[3] = {{1, 2}, {3, 4}, {5, 6}};
"""
# Forms that are not known: what stands in front of the loop, its body, and what is said of it.
FORMS = {
    "called": ("", "out.write(other(in.read()));", "other is called, which a process can't do"),
    "counted": ("", "out.write(__builtin_popcount(in.read()));", "llvm.ctpop.i32 is called"),
    "floating": ("", "out.write(static_cast<int>(in.read() * 1.5f));", "an instruction that a schedule does not know"),
    "atomic": (
        "",
        "out.write(__atomic_fetch_add(&kept, in.read(), 5));",
        "an instruction that a schedule does not know",
    ),
    "assembly": ("", 'int x = in.read(); asm volatile("nop" : "+r"(x)); out.write(x);', "a call of no known function"),
    "remembered": ("", "kept += in.read(); out.write(kept);", "kept is no table of integers"),
    "structured": ("", "out.write(pairs[in.read() % 3u].a);", "pairs is no table of integers"),
    "filled": ("int a[16];", "__builtin_memset(a, 85, 64); a[3] = in.read(); out.write(a[i & 15]);", "than zeros"),
    "copied": (
        "int a[16] = {}; int b[16] = {};",
        "a[i & 15] = i; __builtin_memcpy(b, a, in.read() & 63); out.write(b[i & 15]);",
        "a copy has no fixed size",
    ),
    "walking": (
        "int a[16] = {}; int *p = a;",
        "*p = in.read(); p = *p ? p + 1 : a; out.write(a[i & 15]);",
        "a pointer is kept from one iteration to the next",
    ),
    "wide": (
        "int a[8192] = {};",
        "a[in.read() & 8191] = i; out.write(a[i & 8191]);",
        "an index of a reaches 8192 places",
    ),
    "scalar": (
        f"int a = n;\n{MEMORY.replace('cells', 'a')}\nint *volatile q = &a;",
        "out.write(*q + in.read());",
        "the memory a is no array",
    ),
    "turned": ("", "out.write(in.read()); in.write(i);", "in is both read and written"),
    "unread": ("", "out.write(in.head);", "in is looked at where nothing was read from it"),
}


UNREADABLE = ("floating", "atomic", "assembly")  # which end the reading of the IR, so each needs a source of its own


def source(*names: str) -> str:
    """A source with a function for each of these forms."""
    head = f"#include <ap_int.h>\n#include <hls_stream.h>\ntypedef hls::stream<int> numbers;\n{BEFORE}"
    return head + "".join(
        f"void {name}(int n, numbers &in, numbers &out) {{\n{FORMS[name][0]}\n"
        f"{STEPS.format(name=name, body=FORMS[name][1])}}}\n"
        for name in names
    )


@cache
def formed(*names: str) -> Kernels:
    return compile_kernels({"src/engine.cpp": source(*names)}, PART, BUDGET_NS)


TEXT = "#include <ap_int.h>\n#include <hls_stream.h>\ntypedef hls::stream<int> numbers;\n" + "".join(
    f"void {name}(int n, numbers &in, numbers &out) {{\n{body}}}\n" for name, body in BODIES.items()
) + HANDED  # fmt: skip


@cache
def kernels() -> Kernels:
    return compile_kernels({"src/engine.cpp": TEXT}, PART, BUDGET_NS)


def line_of(text: str, after: str) -> int:
    """The first line with a text behind another one."""
    lines = TEXT.split("\n")
    start = next(n for n, line in enumerate(lines) if after in line)
    return next(n for n in range(start, len(lines)) if text in lines[n]) + 1


@pytest.mark.parametrize("name", ("near", "unsaid"))
def test_a_memory_that_is_read_too_soon_after_it_was_written(name: str) -> None:
    line = line_of("for (", f"{name}_steps")
    with pytest.raises(SimulationError, match=rf"src/engine.cpp:{line}: .* through cells too early") as error:
        compile_process(kernels(), name)
    assert "DEPENDENCE" in str(error.value.hint)


@pytest.mark.parametrize("name", ("far", "never", "either"))
def test_what_excludes_each_other_or_is_far_enough_apart_is_made(name: str) -> None:
    assert f"module {name} (" in compile_process(kernels(), name).text


@pytest.mark.parametrize(
    "name, text, says",
    (
        ("twice", "in.read() - in.read()", "two reads of in that do not exclude each other"),
        ("until", "in.read()", "in the iteration that leaves the loop"),
        ("slow", "for (", "slow_steps has the interval 2"),
    ),
)
def test_forms_that_are_not_known_are_refused_with_their_line(name: str, text: str, says: str) -> None:
    line = line_of(text, f"{name}_steps")
    with pytest.raises(SimulationError, match=rf"src/engine.cpp:{line}: .*{says}"):
        compile_process(kernels(), name)


def test_a_memory_that_is_handed_over_for_two_parameters() -> None:
    line = line_of("moving(", "static int single")
    says = rf"src/engine.cpp:{line}: moving is handed the memory \w*single\w* for from and for to"
    with pytest.raises(SimulationError, match=says):
        compile_module(kernels(), "doubled", {})


def test_a_memory_that_two_processes_of_a_region_read() -> None:
    line = line_of("move(n, from, too, two)", "sharing(")
    with pytest.raises(SimulationError, match=rf"src/engine.cpp:{line}: sharing: two processes use from_read_address"):
        compile_module(kernels(), "shared", {})


def test_a_memory_s_addresses_are_as_wide_as_the_longest_that_is_handed_over() -> None:
    modules: dict[str, Any] = {}
    compile_module(kernels(), "apart", modules)
    bits = {signal.name: signal.bits for signal in modules["move"].signals}
    assert bits["from_read_address"] == bits["to_write_address"] == 6


def test_a_memory_of_unknown_length_that_is_accessed_by_an_index() -> None:
    with pytest.raises(
        SimulationError, match=rf"src/engine.cpp:{line_of('from[i]', 'indexed_steps')}: from .* how long"
    ):
        compile_process(kernels(), "indexed")


def test_a_single_word_needs_no_length() -> None:
    bits = {signal.name: signal.bits for signal in compile_process(kernels(), "fixed").signals}
    assert bits["to_write_address"] == 1


def test_what_the_sources_leave_unset_may_be_anything() -> None:
    text = compile_process(kernels(), "half").text
    assert "assign out_din" in text


@pytest.mark.parametrize("name", FORMS)
def test_every_form_that_is_not_known_is_refused_with_file_and_line(name: str) -> None:
    with pytest.raises(SimulationError, match=rf"src/engine.cpp:\d+: .*{FORMS[name][2]}") as error:
        readable = [form for form in FORMS if form not in UNREADABLE]
        compile_process(formed(name) if name in UNREADABLE else formed(*readable), name)
    assert error.value.hint
