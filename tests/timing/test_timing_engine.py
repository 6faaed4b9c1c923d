"""The timed build of a real engine: its values are C simulation's, its cycles are the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.timing.library import DEADLOCK, TimedEngine, TimedRun
from edgemoe_gen.timing.table import LoopTiming, Timing
from tests.sim.engines import compiled, small_design

pytest.importorskip("torch")
DEPTH, STATES, LATENCY = 8, 3, 64


@dataclass(frozen=True)
class Short:
    """The short program on the small design, and what C simulation makes of it."""

    engine: TimedEngine
    buffers: tuple[Bytes, list[Bytes], Bytes, Bytes, int]
    expected: Bytes
    traffic: Mapping[str, int]

    def run(self, timing: Timing) -> TimedRun:
        """A timed run."""
        return self.engine.run_timed(*self.buffers, timing)

    @property
    def timing(self) -> Timing:
        """Every loop of one depth, DDR of 32 bytes a cycle."""
        loops = {loop.label: LoopTiming(loop.label, loop.ii, DEPTH, STATES) for loop in self.engine.found.loops}
        constants = {"process_start": 1, "region_end": 1, "loop_skip": 1}
        return Timing("made up", "any", 300.0, loops, constants, {}, Fraction(32), LATENCY, 16, 16)


@pytest.fixture(scope="module")
def short() -> Short:
    design = small_design()
    plain = compiled(design)
    program, spec, image = compile_short(design)
    packed = pack_image(program, spec, [image] * len(program.frames))
    run = plain.run_program(program, packed)
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8)
    buffers = (words, list(program.weights), program.constants, packed, program.result_beats)
    traffic = {
        "program": run.traffic.program, "weights": run.traffic.weights, "constants": run.traffic.constants,
        "image": run.traffic.image, "result": run.traffic.result,
    }  # fmt: skip
    return Short(TimedEngine.compile(design), buffers, run.result, traffic)


def test_a_timed_run_gives_the_bytes_of_c_simulation(short: Short) -> None:
    run = short.run(short.timing)
    assert short.expected.any()
    assert np.array_equal(run.result, short.expected)
    assert run.status == 0 and run.totals["deadlock"] is None


def test_a_timed_run_moves_the_bytes_of_c_simulation(short: Short) -> None:
    moved: dict[str, int] = {}
    for port in short.run(short.timing).totals["ports"]:
        name = port["name"].split("_")[0]
        moved[name] = moved.get(name, 0) + port["bytes"]
    assert moved == short.traffic


def test_equal_runs_take_equal_cycles(short: Short) -> None:
    assert short.run(short.timing).totals == short.run(short.timing).totals


def test_operations_follow_each_other_and_their_processes_stay_within(short: Short) -> None:
    totals = short.run(short.timing).totals
    operations = totals["operations"]
    assert [o["index"] for o in operations] == list(range(len(operations)))
    assert all(a["end"] == b["start"] for a, b in pairwise(operations))
    assert operations[-1]["end"] <= totals["cycles"]
    inner = [p for p in totals["processes"] if p["region"] == "operate"]
    assert sorted(p["name"] for p in inner) == sorted(short.engine.found.regions["operate"])
    for process in inner:
        for operation, start, end, *_ in process["records"]:
            assert operations[operation]["start"] <= start <= end <= operations[operation]["end"]


def test_cycles_of_a_process_add_up_to_the_run(short: Short) -> None:
    totals = short.run(short.timing).totals
    for p in totals["processes"]:
        assert p["busy"] + p["starved"] + p["blocked"] + p["ddr"] + p["idle"] == totals["cycles"]
        assert min(p[part] for part in ("busy", "starved", "blocked", "ddr", "idle")) >= 0
        assert sum(record[3] for record in p["records"]) == p["busy"]


def test_fifos_as_deep_as_their_highest_fill_cost_nothing(short: Short) -> None:
    totals = short.run(short.timing).totals
    depths = {fifo["name"]: max(fifo["highest"], 1) for fifo in totals["fifos"]}
    assert any(depths[fifo["name"]] < fifo["depth"] for fifo in totals["fifos"])
    assert short.run(replace(short.timing, depths=depths)).cycles == totals["cycles"]


def test_a_slower_ddr_takes_longer_and_never_less_than_its_bytes(short: Short) -> None:
    fast = short.run(short.timing)
    slow = short.run(replace(short.timing, ddr_bytes=Fraction(2)))
    assert slow.cycles > fast.cycles
    assert slow.cycles >= sum(short.traffic.values()) / 2
    assert slow.totals["ddr"]["bytes"] == sum(short.traffic.values())


def test_a_fifo_that_is_too_shallow_deadlocks_and_is_named(short: Short) -> None:
    # LayerNorm's words wait in `measured` until the token's sums are complete: a token has more words than one.
    run = short.run(replace(short.timing, depths={"measured": 1}))
    assert run.status == DEADLOCK
    deadlock = run.totals["deadlock"]
    assert deadlock["closed"] and deadlock["operation"] >= 0
    waits = {(link["process"], link["waits_for"], link["fifo"]) for link in deadlock["cycle"]}
    assert ("measure_tokens", "full", "measured") in waits
    assert short.run(short.timing).status == 0


def test_a_loop_missing_in_the_table_is_named(short: Short) -> None:
    loops = {label: rule for label, rule in short.timing.loops.items() if label != "multiply_steps"}
    with pytest.raises(SimulationError, match="does not know the loop multiply_steps"):
        short.run(replace(short.timing, loops=loops))


def test_a_program_that_reaches_beyond_its_buffers_is_an_error(short: Short) -> None:
    words, weights, constants, image, beats = short.buffers
    cut = [port[: len(port) // 2] for port in weights]
    with pytest.raises(SimulationError, match="AXI port weights_0 reaches beyond its buffer"):
        short.engine.run_timed(words, cut, constants, image, beats, short.timing)
    assert np.array_equal(short.run(short.timing).result, short.expected)
