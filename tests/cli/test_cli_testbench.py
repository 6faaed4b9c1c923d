"""The testbench of RTL on what the flow leaves: a build up to the IP, whose Verilog a stand-in has "synthesised"."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl import verilator
from tests.cli.conftest import KNOBS, LARGEST, Outcome, Project
from tests.cli.flow_runs import arguments
from tests.flow.standin_vitis import tclsh
from tests.rtl.test_testbench import TESTS, write_rtl

pytestmark = [
    pytest.mark.skipif(tclsh() is None, reason="the stand-ins of the vendor's tools need tclsh"),
    pytest.mark.skipif(bool(verilator.missing()), reason="the extra `rtl` is not installed"),
]


@pytest.mark.nightly
def test_verilog_of_the_exported_ip_passes_the_testbench(
    run: Callable[..., Outcome], project: Project, with_tools: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Files as Vitis HLS names them, taken from where the build has put them; its adapters do not tell errors."""
    knobs = {name: int(value) for name, _, value in (knob.partition("=") for knob in (*KNOBS, *LARGEST))}
    write_rtl(make_design(Knobs(**knobs), load_board("zcu104")), tmp_path / "synthesised")
    monkeypatch.setenv("EDGEMOE_STANDIN_RTL", str(tmp_path / "synthesised"))
    with_tools("classic")
    output = tmp_path / "a build"
    outcome = run(*arguments(project, output, "--board", "zcu104", "--until", "ip"))
    assert outcome.code == 0, outcome.err
    verilog = output / "ip" / "hdl" / "verilog"
    assert (verilog / "edgemoe_engine.v").is_file() and not list(verilog.glob("*.sv"))
    monkeypatch.setenv("MAKEFLAGS", "OPT_FAST=-O0")  # most of the time is the compiler's
    command = [sys.executable, str(output / "accelerator" / "cocotb" / "run.py"), "--rtl", str(verilog)]
    command += ["--work", str(tmp_path / "sim_build")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"0 of {len(TESTS)} tests failed" in done.stdout, done.stdout[-2000:] + done.stderr
    assert re.search(r"bad_answers +SKIP", done.stdout)
