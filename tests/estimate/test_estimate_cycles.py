"""The closed-form estimate of cycles against bounds that no engine can beat, and what turning a knob does to it."""

from __future__ import annotations

from typing import Any

import pytest

from edgemoe_gen.boards import load_board
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.cycles import START, CycleEstimate, estimate_cycles
from edgemoe_gen.model.macs import macs, total
from edgemoe_gen.program.compile import Program, compile_network
from tests.sim.engines import SMALL, random_case

pytest.importorskip("torch")


def program_for(tasks: int = 1, board_name: str = "zcu104", **turned: Any) -> Program:
    case = random_case(seed=60)
    design = make_design(Knobs(**(dict(SMALL) | turned)), load_board(board_name))
    names = ("semseg", "depth") * tasks
    return compile_network(design, case.model, case.network, case.formats(design), names[:tasks])


def estimate(tasks: int = 1, board_name: str = "zcu104", **turned: Any) -> CycleEstimate:
    return estimate_cycles(program_for(tasks, board_name, **turned))


def test_no_estimate_is_below_what_multipliers_and_memory_need() -> None:
    program, cycles = program_for(), estimate()
    needed = total(macs(random_case(seed=60).model.spec))
    assert cycles.total >= needed / program.design.macs_per_cycle
    board = program.design.board
    seconds = cycles.total / (program.design.knobs.clock_mhz * 1e6)
    # The estimate counts whole cycles, so it can be one short of the exact time.
    assert (seconds + 1 / 300e6) * board.ddr_gb_per_s * 1e9 >= program.weight_bytes_per_run
    assert cycles.compute == sum(cycles.by_kind.values())
    assert cycles.total == max(cycles.compute, cycles.weights)


def test_frames_add_up() -> None:
    one, two = estimate(1), estimate(2)
    assert two.total == 2 * one.total


def test_a_slower_memory_costs_cycles_only_beyond_the_computation() -> None:
    fast = estimate()
    slow = estimate(board_name="ultra96v2", clock_mhz=300.0)
    assert slow.weights > fast.weights
    assert slow.compute == fast.compute
    starved = estimate(weight_ports=1, port_bits=64, in_parallel=4)
    assert starved.weights > fast.weights


def test_more_parallelism_takes_fewer_cycles() -> None:
    assert estimate(tokens_parallel=4).compute < estimate().compute
    assert estimate(out_parallel=16).compute < estimate().compute


def test_time_is_cycles_by_the_clock() -> None:
    cycles = estimate()
    assert cycles.milliseconds(300.0) == pytest.approx(cycles.total / 300e3)
    assert cycles.milliseconds(150.0) == pytest.approx(2 * cycles.milliseconds(300.0))
    assert cycles.limit in ("compute", "DDR")
    assert cycles.compute > START * len(cycles.by_kind)
