"""The text of modules: the same from run to run, and clean for Verilator, slang and Yosys."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.rtl.layout import laid_out
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.rtl.verilator import lint
from tests.rtl.process_kernels import ALONE, SIZES, SMALL, process

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

HASHED = """
from hashlib import sha256
from tests.rtl.process_kernels import ALONE, SMALL, process
for name in {names}:
    print(name, sha256(process(SMALL, name).text.encode()).hexdigest())
"""
OFTEN = {(SMALL, "dispatch"), (SMALL, "score_choices")}  # the second one has tables
ALL = [
    pytest.param(size, name, marks=() if (size, name) in OFTEN else pytest.mark.nightly)
    for size in SIZES
    for name in ALONE
]


def files(size: str, name: str) -> dict[str, str]:
    """A process with the library's modules that it may have in it."""
    text = process(size, name).text
    return sources_for([text]) | {f"{name}.sv": text}


@pytest.mark.slow
def test_the_text_does_not_depend_on_the_hashes_of_a_run() -> None:
    names = ("choose_experts", "fill_queues", "load_operands", "store_results")
    made = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", HASHED.format(names=names)]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
        made.add(done.stdout)
    assert len(made) == 1 and next(iter(made)).count("\n") == len(names)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(("size", "name"), ALL)
def test_verilator_has_nothing_to_say(size: str, name: str, tmp_path: Path) -> None:
    assert lint(files(size, name), name, tmp_path) == ""


@pytest.mark.parametrize(("size", "name"), ALL)
def test_slang_says_at_most_notes(size: str, name: str, tmp_path: Path) -> None:
    driver = pytest.importorskip("pyslang.driver", reason="pyslang 12 is not installed: install the extra `dev`")
    for file, text in files(size, name).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    slang = driver.Driver()
    slang.addStandardArgs()
    given = " ".join(str(tmp_path / file) for file in files(size, name))
    assert slang.parseCommandLine(f"slang --top {name} {given}") and slang.processOptions() and slang.parseAllSources()
    compilation = slang.createCompilation()
    engine = slang.diagEngine
    found = [d for d in compilation.getAllDiagnostics() if engine.getSeverity(d.code, d.location).name in LOUD]
    assert [str(d.code) for d in found] == []


LOUD = ("Warning", "Error", "Fatal")


@pytest.mark.parametrize(("size", "name"), ALL)
def test_yosys_finds_no_problem(size: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("pyosys", reason="pyosys is not installed: install the extra `dev`")
    for file, text in files(size, name).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    passes = [
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v",  # the DSPs of sums of products
        f"read_verilog -sv {' '.join(files(size, name))}", f"hierarchy -check -top {name}", "proc", "check -assert",
    ]  # fmt: skip
    run = f"from pyosys import libyosys\nd = libyosys.Design()\nfor p in {passes!r}:\n    d.run_pass(p)\n"
    done = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]


@pytest.mark.parametrize("name", ("dispatch", "score_choices", "fill_queues"))
def test_no_line_is_longer_than_a_screen(name: str) -> None:
    """But for single words: the contents of tables."""
    long = [line for line in process(SMALL, name).text.splitlines() if len(line) > 120]
    assert all(max(map(len, line.split())) > 100 for line in long)


def test_how_text_is_laid_out() -> None:
    text = "  wire [0:0] one = two[5:5];\n  logic [0:0] two_s1;\n  wire [1:0] two = {one[0], two_s1[0:0]};"
    assert laid_out(text) == "  wire one = two[5];\n  logic two_s1;\n  wire [1:0] two = {one, two_s1};"
    many = " | ".join(f"value_{n:02}" for n in range(16))
    laid = laid_out(f"  assign any = {many};  // src/a.h:1").split("\n")
    assert len(laid) == 2 and all(len(line) <= 120 for line in laid) and laid[1].startswith("      value_")
    assert " ".join(line.strip() for line in laid) == f"assign any = {many};  // src/a.h:1"
