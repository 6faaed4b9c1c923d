"""The whole engine as modules, with its buses: the short program gives the bytes of C simulation, twice."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import compile_kernels
from tests.rtl.engine_bench import build_top, run_engine, write_short

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

MOST_CYCLES = 100_000


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
def test_the_short_program_gives_the_bytes_of_c_simulation(tmp_path: Path) -> None:
    design = make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))
    kernels = compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))
    executable = build_top(kernels, design)
    written = write_short(design, tmp_path / "right")
    for percent in (100, 60, 10):
        outcome = run_engine(executable, tmp_path / "right", percent, MOST_CYCLES)
        assert outcome == outcome | {"status": 0, "runs": 2, "bytes": written, "bad": 0}

    shutil.copytree(tmp_path / "right", tmp_path / "wrong")
    weights = bytearray((tmp_path / "wrong" / "weights_1").read_bytes())
    weights[len(weights) // 2] ^= 0x10
    (tmp_path / "wrong" / "weights_1").write_bytes(weights)
    assert run_engine(executable, tmp_path / "wrong", 100, MOST_CYCLES)["bad"] > 0
