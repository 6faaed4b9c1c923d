"""What no module is made of: hazards that no pragma covers, and forms of loops that are not known."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_process

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
TEXT = "#include <ap_int.h>\n#include <hls_stream.h>\ntypedef hls::stream<int> numbers;\n" + "".join(
    f"void {name}(int n, numbers &in, numbers &out) {{\n{body}}}\n" for name, body in BODIES.items()
)


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
