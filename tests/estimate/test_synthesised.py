"""The estimate beside open synthesis: every process and every part of arithmetic has its place."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.resources import arithmetic_parts
from edgemoe_gen.estimate.synthesised import GROUPS, PROCESSES, compare
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import compile_kernels
from edgemoe_gen.rtl.synthesis import counted

DESIGN = make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))
BETWEEN = {"channels", "outputs"}  # FIFOs, which lie between processes
STARTS = {"operate", "execute", "route_tokens", "edgemoe_engine"}  # functions that start others


def test_every_part_of_arithmetic_is_of_some_process() -> None:
    named = [part for _, parts in GROUPS for part in parts]
    assert sorted(named) == sorted({part.name for part in arithmetic_parts(DESIGN)} - BETWEEN)


@pytest.mark.skipif(find_spec("ziglang") is None, reason="the compiler of the extra [schedule] is not installed")
def test_every_process_of_the_kernels_has_its_place() -> None:
    kernels = compile_kernels(render_sources(DESIGN), DESIGN.board.part, budget_ns(DESIGN.knobs.clock_mhz))
    assert sorted(PROCESSES) == sorted({f.name for f in kernels.module.functions.values()} - STARTS)


def test_a_ratio_is_only_said_of_whole_rows() -> None:
    parts = {part.name: part for part in arithmetic_parts(DESIGN)}
    found = {
        name: counted(name, {"LUT6": 100, "SRL16E": 20, "DSP48E2": 3, "FDRE": 7})
        for name in ("multiply", "measure_tokens")
    }
    unit, norm = compare(DESIGN, found)
    assert unit.parts == ("compute unit",) and unit.ratio == 120 / parts["compute unit"].lut
    assert (unit.estimate_dsp, unit.open_dsp, unit.open_ff) == (parts["compute unit"].dsp, 3, 7)
    assert norm.missing == ("apply_moments",) and norm.ratio is None
