"""What the timed simulation is told of RTL: cycles between places, stages; and the two side by side."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.cycles import compare_cycles, kind_of
from edgemoe_gen.rtl.process import Process, Stages
from edgemoe_gen.rtl.simulation import EngineRun, OperationCycles
from edgemoe_gen.rtl.timing import with_rtl
from edgemoe_gen.timing.result import Fifo, OperationTime, TimedResult
from edgemoe_gen.timing.table import LoopTiming, Timing

NS = 2.4  # of a cycle; plays no part here


def timing() -> Timing:
    loops = {"words": LoopTiming("words", 1, 40, 0), "beats": LoopTiming("beats", 1, 9, 0),
             "orders": LoopTiming("orders", 0, 0, 7)}  # fmt: skip
    return Timing("a family", "a band", 300.0, loops, {"process_start": 5, "other": 3}, {}, Fraction(8), 54, 16, 16)


def piece(number: int, depth: int, *follow: int | None, calls: tuple[str, ...] = ()) -> Stages:
    return Stages(f"part_{number}", False, depth, NS, None, {}, calls, follow)


def module(name: str, *stages: Stages) -> Process:
    return Process(name, "", (), {}, {}, stages)


def test_pieces_between_loops_become_cycles_by_every_way() -> None:
    loop = Stages("words", True, 6, NS, 1, {"sums": 3, "results": 5}, (), (3,))
    # Either over a piece of its own or at once; and round again behind the loop.
    told = with_rtl(
        timing(),
        {"move": module("move", piece(0, 4, 1, 2), piece(1, 2, 2), loop, piece(3, 1, 2, None))},
    )
    assert told.between == {
        ("move", "start", "words"): 6, ("move", "words", "words"): 1, ("move", "words", "end"): 1,
    }  # fmt: skip
    assert told.loops["words"] == LoopTiming("words", 1, 5, 0, origin="RTL", writes={"sums": 2}, begin=1)
    assert told.loops["orders"].states == 1  # its pieces say what it takes
    assert told.constants["process_start"] == 1 and told.constants["other"] == 3


def test_a_call_lies_in_the_last_stage_of_its_piece() -> None:
    control = module("execute_control", piece(0, 1, 1), piece(1, 6, 2, None, calls=("operate",)), piece(2, 1, 1))
    told = with_rtl(timing(), {"execute_control": control})
    met = {places: cycles for places, cycles in told.between.items() if "again" not in places}
    assert met == {
        ("execute", "start", "operate"): 6, ("execute", "start", "end"): 7, ("execute", "operate", "operate"): 6,
        ("execute", "operate", "end"): 7,
    }  # fmt: skip


def test_a_way_round_that_meets_no_loop_is_a_place_of_its_own() -> None:
    loop = Stages("words", True, 6, NS, 1, {}, (), (3,))
    # A loop of states (its head is 1) whose iterations may leave out the pipelined loop.
    told = with_rtl(timing(), {"move": module("move", piece(0, 4, 1), piece(1, 6, 2, 3, None), loop, piece(3, 1, 1))})
    assert told.between == {
        ("move", "start", "words"): 10, ("move", "start", "again"): 11, ("move", "start", "end"): 10,
        ("move", "again", "words"): 6, ("move", "again", "again"): 7, ("move", "again", "end"): 6,
        ("move", "words", "words"): 7, ("move", "words", "again"): 8, ("move", "words", "end"): 7,
    }  # fmt: skip


def test_a_loop_that_the_design_does_not_pipeline_is_refused() -> None:
    for name in ("orders", "tiles"):
        with pytest.raises(SimulationError, match=f"the loop {name} of the RTL is no pipelined loop of the design"):
            with_rtl(timing(), {"move": module("move", Stages(name, True, 3, NS, None, {}, (), (None,)))})


def test_operations_are_compared_by_kind_and_fifos_by_name() -> None:
    labels = ["blocks.0.scores.0", "blocks.0.scores.1", "blocks.1.experts.3.fc1.0", "result"]
    spans = [(0, 10), (10, 25), (25, 60), (60, 64)]
    theirs = tuple(OperationTime(n, *span, label) for n, (span, label) in enumerate(zip(spans, labels, strict=True)))
    ours = [OperationCycles(n, start + n, end + n + 1) for n, (start, end) in enumerate(spans)]
    fifos = tuple(Fifo(name, depth, fill, 0, 0, 0, "", "") for name, depth, fill in
                  (("sums[0]", 4, 3), ("scales", 64, 8)))  # fmt: skip
    timed = TimedResult(65, 0, theirs, (), fifos, (), (), 0.0, 0, (), None)
    fills = {"operate.sums_0": 4, "operate.scales": 8, "axi.buffer": 9}
    run = EngineRun(0, np.zeros(0, np.uint8), (90, 70), (*ours, OperationCycles(4, 68, 70)), fills)
    found = compare_cycles(run, timed, 4)
    assert (found.rtl, found.timed, found.share) == (70, 65, pytest.approx(5 / 65))
    assert [(row.kind, row.operations, row.rtl, row.timed, row.least, row.most) for row in found.kinds] == [
        ("scores", 2, 27, 25, 1, 1), ("experts.fc1", 1, 36, 35, 1, 1), ("result", 1, 5, 4, 1, 1),
    ]  # fmt: skip
    assert [(row.name, row.depth, row.rtl, row.timed) for row in found.fifos] == [
        ("scales", 64, 8, 8), ("sums[0]", 4, 4, 3),
    ]  # fmt: skip
    assert kind_of("blocks.11.router.depth") == "router.depth"
