"""FIFOs of a design: the rule that no stalling pipeline waits for itself, and that it knows every loop that could."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design import fifos as module
from edgemoe_gen.design.fifos import Fifo
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.latency import most_cycles
from edgemoe_gen.timing.table import load_timing

BOARD = load_board("zcu104")
DESIGN = make_design(Knobs(), BOARD)
LAGGING = [fifo for fifo in DESIGN.fifos.values() if fifo.lag]


@pytest.mark.parametrize("fifo", LAGGING, ids=lambda fifo: fifo.name)
def test_a_depth_below_the_least_is_refused_with_name_value_and_least(fifo: Fifo) -> None:
    make_design(DESIGN.knobs, BOARD, {fifo.name: fifo.least})
    with pytest.raises(KnobError) as refused:
        make_design(DESIGN.knobs, BOARD, {fifo.name: fifo.least - 1})
    said = f"{refused.value.message} {refused.value.hint}"
    assert f"fifo_depths.{fifo.name}" in said and f"{fifo.least - 1}" in said and f"{fifo.least}" in said


def test_a_token_and_the_pipeline_behind_it_fit_before_the_moments() -> None:
    measured = DESIGN.fifos["measured"]
    # By the table: multiply 3, adder_tree 4, accumulate 1, moments 41 and the write, at its tightest clock.
    assert measured.least == DESIGN.dim_words + 3 + 4 + 1 + 41 + 1
    assert measured.least < measured.depth <= 512


def test_the_designs_own_depths_are_held_against_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = module._operate

    def shallow(design: Design) -> tuple[Fifo, ...]:
        return tuple(replace(row, depth=24) if row.name == "measured" else row for row in whole(design))

    monkeypatch.setattr(module, "_operate", shallow)
    with pytest.raises(KnobError, match=r"the FIFO measured is 24 deep .*needs 62: .*pipeline measure_words before"):
        make_design(DESIGN.knobs, BOARD)


@pytest.mark.parametrize("board", ["zcu104", "kv260"])
@pytest.mark.parametrize("knobs", [{}, {"in_parallel": 8, "out_parallel": 8, "tokens_parallel": 1}], ids=str)
def test_the_distance_is_no_shorter_than_the_pipeline_at_the_designs_clock(board: str, knobs: dict[str, Any]) -> None:
    found = load_board(board)
    design = make_design(Knobs(**knobs, clock_mhz=found.clock_mhz), found)
    timing = load_timing(design, render_sources(design))
    sizes = tuple((name, getattr(design, name)) for name in ("variance_bits", "exp_sum_bits"))
    for fifo in design.fifos.values():
        if fifo.lag:
            whole = most_cycles(fifo.lag.loop, "", (("in_parallel", design.knobs.in_parallel), *sizes))
            assert timing.loops[fifo.lag.loop].depth <= whole
            assert fifo.lag.elements < fifo.least <= fifo.lag.elements + whole


def writes_by_loop(sources: dict[str, str]) -> dict[str, set[str]]:
    """Names of the FIFOs that each pipelined loop writes, by its label."""
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        if not re.fullmatch(r"src/\w+\.h", name):
            continue
        for loop in re.finditer(r"^( *)(\w+):\n\1  for \(.*\{\n#pragma HLS PIPELINE", text, re.MULTILINE):
            body = text[loop.end() : text.index(f"\n{loop[1]}  }}\n", loop.end())]
            found[loop[2]] = set(re.findall(r"(\w+)(?:\[\w+\])?\.write\(", body))
    return found


def test_every_loop_that_fills_two_fifos_is_known_to_the_rule() -> None:
    loops = {label: names for label, names in writes_by_loop(render_sources(DESIGN)).items() if len(names) > 1}
    assert set(loops) == {
        "program_beats", "dispatch_rows", "weight_steps", "product_tiles", "multiply_steps", "measure_words",
        "weigh_routes",
    }  # fmt: skip
    for label, names in loops.items():
        lags = {name: DESIGN.fifos[name].lag for name in names}
        lagging = {name: lag for name, lag in lags.items() if lag is not None}
        assert len(names - set(lagging)) <= 1, f"{label} fills {sorted(names)}"
        assert all(lag.beside in names for lag in lagging.values()), label
