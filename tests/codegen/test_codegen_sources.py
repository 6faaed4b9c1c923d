"""The rendered C++: no warnings, one layout, and only what synthesis can take."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgemoe_gen.codegen import render_sources, write_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.sim.compiler import WARNINGS, find_compiler

ROOT = Path(__file__).parents[2]
PORTS = {
    1: Knobs(weight_ports=1, tokens_parallel=1, out_parallel=8, in_parallel=8),
    4: Knobs(),
    6: Knobs(
        weight_ports=6, tokens_parallel=3, out_parallel=24, in_parallel=8, weight_bits=12, max_dim=40, max_query=48
    ),
}
# Their plain halves stand in for hls::stream and AXI ports, which are no part of what is synthesised.
STAND_INS = ("fifo.h", "port.h")
NOT_FOR_HARDWARE = {
    "dynamic memory": r"\b(new|delete|malloc|calloc|realloc|free)\b|std::(vector|map|string|list|deque|unique_ptr)",
    "virtual functions": r"\bvirtual\b|\bdynamic_cast\b|\btypeid\b",
    "exceptions": r"\b(throw|try|catch)\b",
    "floating point": r"\b(float|double)\b",
    "reinterpreted layouts": r"\breinterpret_cast\b",
    "endless loops": r"\bwhile\b|\bgoto\b|for \(;;\)",
    "input and output": r"\b(printf|cout|fopen|iostream)\b",
}


@pytest.fixture(scope="module", params=PORTS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"ports_{request.param}")
    write_sources(make_design(PORTS[request.param], load_board("zcu104")), folder)
    return folder


@pytest.mark.parametrize("source", ["src/engine.cpp", "sim/simulate.cpp", "testbench/main.cpp"])
def test_the_compiler_has_nothing_to_warn_of(project: Path, source: str) -> None:
    command = [find_compiler(), "-std=c++14", *WARNINGS, "-Werror", "-DEDGEMOE_PLAIN_INTEGERS", "-Isrc"]
    done = subprocess.run([*command, "-fsyntax-only", source], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(WARNINGS) >= {"-Wall", "-Wextra"}


@pytest.mark.slow
def test_every_header_compiles_alone_as_plain_integers(tmp_path: Path) -> None:
    write_sources(make_design(Knobs(), load_board("zcu104")), tmp_path)
    (tmp_path / "src" / "lacks.h").write_text("inline edgemoe::act_t same(edgemoe::act_t x) { return x; }\n")
    headers = sorted(path.name for path in (tmp_path / "src").glob("*.h"))
    command = [find_compiler(), "-std=c++14", "-w", "-fsyntax-only", "-DEDGEMOE_PLAIN_INTEGERS", *headers]
    done = subprocess.run(command, cwd=tmp_path / "src", capture_output=True, text=True, check=False)
    assert len(headers) > 15
    assert set(re.findall(r"^([\w.]+):\d+:\d+: error", done.stderr, re.MULTILINE)) == {"lacks.h"}, done.stderr


def test_the_layout_is_that_of_clang_format(project: Path) -> None:
    beside_python = Path(sys.executable).with_name("clang-format")
    program = str(beside_python) if beside_python.is_file() else shutil.which("clang-format")
    if program is None:
        pytest.skip("clang-format is not installed")
    files = sorted(str(path) for path in project.rglob("*") if path.suffix in (".h", ".cpp"))
    assert len(files) > 15
    command = [program, f"--style=file:{ROOT / '.clang-format'}", "--dry-run", "-Werror", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kernels() -> dict[str, str]:
    """What is synthesised, without comments and strings."""
    sources = render_sources(make_design(Knobs(), load_board("zcu104")))
    return {
        name: re.sub(r'//[^\n]*|"[^"\n]*"', "", text)
        for name, text in sources.items()
        if name.startswith("src/") and Path(name).name not in STAND_INS
    }


@pytest.mark.parametrize("what", NOT_FOR_HARDWARE)
def test_kernels_have_no(what: str) -> None:
    for name, text in kernels().items():
        assert not re.search(NOT_FOR_HARDWARE[what], text), name


def test_no_function_calls_itself() -> None:
    # Functions stand at the left margin and end with a brace there.
    pattern = re.compile(r"^(?:inline |static )?[\w:<>,&* ]+?\b(\w+)\([^;{]*\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
    found = 0
    for name, text in kernels().items():
        for function, body in pattern.findall(text):
            found += 1
            # Another instance of a template is another function (UG1399, "Templates": recursion that synthesis knows).
            assert not re.search(rf"(?<!::)\b{function}\(", body), f"{name}: {function}"
    assert found > 20


def test_every_loop_has_a_name() -> None:
    for name, text in kernels().items():
        lines = text.split("\n")
        for place, line in enumerate(lines):
            if re.match(r"\s*for \(", line):
                assert re.fullmatch(r"\s*\w+:", lines[place - 1]), f"{name}: {line}"


def test_every_fifo_of_a_region_has_a_depth() -> None:
    text = kernels()["src/engine.cpp"] + kernels()["src/route.h"]
    names = set(re.findall(r"^\s+fifo<.*?> (\w+)[\[(;]", text, re.MULTILINE))
    depths = set(re.findall(r"#pragma HLS STREAM variable = (\w+) depth = ", text))
    assert names == depths and len(names) > 15


@pytest.mark.parametrize("width", [0, 32], ids=["no decoders", "decoders"])
def test_the_constants_of_a_design_are_all_in_use(width: int) -> None:
    # A size that nothing reads is one that nothing would notice to be wrong.
    sources = render_sources(make_design(Knobs(max_map_width=width), load_board("zcu104")))
    names = re.findall(r"constexpr (?:int|unsigned) (\w+) =", sources["src/config.h"])
    text = "\n".join(sources.values())
    unused = [name for name in names if len(re.findall(rf"\b{name}\b", text)) == 1]
    told = {"EXP_SEGMENTS", "GELU_SEGMENTS", "RECIPROCAL_SEGMENTS", "RSQRT_SEGMENTS"}  # in tables.h as their lengths
    told |= {"MAX_TOKENS", "MAX_DIM", "MAX_QUERY", "MAX_CACHE", "MAX_HIDDEN", "WEIGHT_BITS", "WEIGHT_FIFO_BEATS"}
    told |= {"EXPERT_WEIGHT_BITS", "FRAMES_PER_PASS"}  # as NARROW_BITS, and in the depths of memories
    told |= {"MAX_MAP_WIDTH", "MAX_MAP_CHANNELS", "SOURCE_WORDS", "RESULT_WORDS"}  # in depths and in widths of counts
    assert set(unused) <= told
