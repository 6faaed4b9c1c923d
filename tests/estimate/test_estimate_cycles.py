"""The closed-form estimate of cycles against the timed simulation, and against bounds that no engine can beat."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.cycles import PROGRAM, WAITS, CycleEstimate, estimate_cycles
from edgemoe_gen.estimate.tabled import engine_timing
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.macs import macs, total
from edgemoe_gen.timing.table import load_timing
from tests.estimate.timed_cases import compiled_case, deviation, knobs

pytest.importorskip("torch")

WITHIN = 0.05  # of the timed simulation's cycles: what the estimate promises
# Where FIFOs are shallow and the memory is slow, the order in which ports get their bursts decides: no formula has it.
WITHIN_BOTH_SHORT = 0.06
STARVED, FULL = {"weights": 32}, {"weights": 0}  # places behind each port; 0 is no limit

NETWORKS: dict[str, dict[str, Any]] = {
    "two frames of two tasks": {"frames": 2},
    "sixteen experts, four a token": {"experts": 16, "top_k": 4},
    "no experts": {"router": "none"},
    "four heads": {"heads": 4},
    "five tokens": {"image": (16, 16)},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "as the board is": {},
    "slow memory": {"ddr_gb_per_s": 4.0},
    "very slow memory": {"ddr_gb_per_s": 1.0},
    "shallow FIFOs": {"depths": STARVED},
    "deep FIFOs, slow memory": {"depths": FULL, "ddr_gb_per_s": 4.0},
    "shallow FIFOs, slow memory": {"depths": STARVED, "ddr_gb_per_s": 4.0},
    "half the clock": {"clock_mhz": 150.0},
}
UNIT = {"tokens_parallel": 4, "out_parallel": 16, "in_parallel": 16, "weight_ports": 4}
DESIGNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "larger unit, few beats of weights": (UNIT | {"weight_fifo_beats": 128}, {"experts": 16, "top_k": 4}),
    "73 tokens": (UNIT | {"max_tokens": 73, "weight_fifo_beats": 1024}, {"image": (48, 96)}),
    "one narrow port": ({"weight_ports": 1, "port_bits": 64, "fill_beats": 1, "in_parallel": 4}, {}),
    "odd tokens, wide outputs": ({"tokens_parallel": 3, "out_parallel": 16, "cache_lanes": 8, "score_rows": 3}, {}),
    "four beats a cycle": ({"fill_beats": 4}, {"frames": 2}),
    "three frames a pass": ({"frames_per_pass": 3}, {"frames": 3, "one_task": True, "experts": 16, "top_k": 4}),
}
PUSHED = ("odd tokens, wide outputs", "three frames a pass")  # the others are nightly


def estimate(frames: int = 1, **turned: Any) -> CycleEstimate:
    return estimate_cycles(compiled_case(frames, knobs(**turned)).program)


@pytest.mark.parametrize("said", SETTINGS.values(), ids=SETTINGS)
def test_estimate_is_near_the_timed_simulation_for_any_memory_and_clock(said: dict[str, Any]) -> None:
    short = said.get("depths") == STARVED and "ddr_gb_per_s" in said
    assert abs(deviation(compiled_case(), said)) <= (WITHIN_BOTH_SHORT if short else WITHIN)


@pytest.mark.parametrize("sizes", NETWORKS.values(), ids=NETWORKS)
def test_estimate_is_near_the_timed_simulation_for_any_network(sizes: dict[str, Any]) -> None:
    run = compiled_case(**sizes)
    assert abs(deviation(run, {})) <= WITHIN
    assert abs(deviation(run, {"ddr_gb_per_s": 4.0})) <= WITHIN


@pytest.mark.parametrize(
    ("turned", "sizes"),
    [
        pytest.param(*case, id=name, marks=pytest.mark.slow if name in PUSHED else pytest.mark.nightly)
        for name, case in DESIGNS.items()
    ],
)
def test_estimate_is_near_the_timed_simulation_for_any_design(turned: dict[str, Any], sizes: dict[str, Any]) -> None:
    run = compiled_case(turned=knobs(**turned), **sizes)
    assert abs(deviation(run, {})) <= WITHIN
    assert abs(deviation(run, {"ddr_gb_per_s": 4.0})) <= WITHIN


@pytest.mark.parametrize("turned", [{}, {"in_parallel": 32, "out_parallel": 64}, {"max_dim": 384, "clock_mhz": 150.0}])
def test_timing_without_rendering_is_that_of_the_rendered_sources(turned: dict[str, Any]) -> None:
    design = make_design(Knobs(**({"max_query": 384} | turned)), load_board("zcu104"))
    assert engine_timing(design) == load_timing(design, render_sources(design))


def test_no_estimate_is_below_what_multipliers_and_memory_need() -> None:
    run = compiled_case()
    program, cycles = run.program, estimate_cycles(run.program)
    assert cycles.total >= total(macs(run.case.model.spec)) / program.design.macs_per_cycle
    assert cycles.total >= cycles.weights
    # Whole cycles are counted, so they can be one short of the exact time.
    rate = float(engine_timing(program.design).ddr_bytes)
    assert cycles.weights + 1 >= program.weight_bytes_per_run / rate


def test_kinds_and_waits_add_up_to_the_total() -> None:
    cycles = estimate()
    assert sum(cycles.by_kind.values()) == cycles.total
    assert cycles.compute == cycles.total - cycles.by_kind[WAITS] - cycles.by_kind[PROGRAM]
    assert cycles.by_kind["product with expert weights"] > 0


def test_a_second_frame_takes_as_long_as_the_first_one_or_less() -> None:
    one, two = estimate(1), estimate(2)
    assert two.compute == 2 * one.compute
    assert 1.9 * one.total <= two.total <= 2 * one.total


def test_frames_of_a_pass_take_less_than_one_by_one_and_the_more_so_the_slower_memory_is() -> None:
    program = compiled_case(3, knobs(frames_per_pass=3), one_task=True).program
    alone = compiled_case(3, one_task=True).program
    timing = engine_timing(program.design)
    slower = replace(timing, ddr_bytes=Fraction(1))
    gains = [
        estimate_cycles(alone, timing=memory).total / estimate_cycles(program, timing=memory).total
        for memory in (timing, slower)
    ]
    # Weights are all that a slow memory waits for, and they come once instead of three times.
    assert 1 < gains[0] < gains[1] < 3
    assert 3 * program.weight_bytes_per_run == alone.weight_bytes_per_run


def test_a_slower_memory_costs_waits_and_no_computation() -> None:
    program = compiled_case().program
    timing = engine_timing(program.design)
    fast = estimate_cycles(program, timing=timing)
    slow = estimate_cycles(program, timing=replace(timing, ddr_bytes=Fraction(1)))
    assert slow.weights > fast.weights and slow.by_kind[WAITS] > fast.by_kind[WAITS]
    assert slow.compute == fast.compute
    assert (fast.limit, slow.limit) == ("compute", "DDR")


def test_more_parallelism_takes_fewer_cycles() -> None:
    assert estimate(tokens_parallel=4).compute < estimate().compute
    assert estimate(out_parallel=16).compute < estimate().compute


def test_queues_of_unlike_length_take_as_many_rows_as_they_have() -> None:
    program = compiled_case().program
    routings = sum(op.top_k > 0 and op.expert_end > 0 for op in program.operations)
    even, twice = ([[rows] * 4] * routings for rows in (8, 16))
    none = estimate_cycles(program, [[0] * 4] * routings).total
    assert none < estimate_cycles(program, even).total < estimate_cycles(program, twice).total


def test_time_is_cycles_by_the_clock() -> None:
    cycles = estimate()
    assert cycles.milliseconds(300.0) == pytest.approx(cycles.total / 300e3)
    assert cycles.milliseconds(150.0) == pytest.approx(2 * cycles.milliseconds(300.0))
