"""The schedule of a whole design: every pipelined loop, every FIFO, within the time that it may take."""

from __future__ import annotations

import time
from functools import cache

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.kernels import read_kernels
from edgemoe_gen.scheduling.result import LoopSchedule, Schedule
from edgemoe_gen.scheduling.run import schedule_design

pytest.importorskip("ziglang", reason="the compiler of the extra [schedule] is not installed")

MOST_CPU_S = 30  # of the analysis, which takes about a tenth of it


@cache
def design() -> Design:
    return make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))


@cache
def schedule() -> Schedule:
    return schedule_design(design())


def test_every_pipelined_loop_is_there() -> None:
    expected = [(loop.label, loop.ii) for loop in read_kernels(render_sources(design())).loops if loop.ii]
    assert sorted((loop.label, loop.ii) for loop in schedule().loops) == sorted(expected)


def test_no_interval_is_forced_and_no_distance_is_too_short() -> None:
    assert {loop.label: loop.fault for loop in schedule().loops if loop.fault or loop.forced_ii != loop.ii} == {}


def test_counters_alone_fit_the_budget() -> None:
    by_label = {loop.label: loop for loop in schedule().loops}
    for label in ("header_beats", "constant_burst", "image_burst", "output_burst", "clear_counts", "place_queues"):
        assert 0 < by_label[label].ns < schedule().budget_ns


def test_every_fifo_is_written_and_read_by_name() -> None:
    accesses = {(channel.split("[")[0], kind) for loop in schedule().loops for channel, kind in _accesses(loop)}
    # As the processes name them: who writes a FIFO may call it otherwise than who reads it.
    for name in ("tiles", "operands", "sums", "biases", "new_biases", "results", "scores", "words", "destinations"):
        assert {(name, "read"), (name, "write")} <= accesses, name
    assert {("weights", "read"), ("image", "read"), ("result", "write")} <= accesses  # ports


def _accesses(loop: LoopSchedule) -> list[tuple[str, str]]:
    return [(channel, kind) for channel, stages in loop.stages.items() for kind in stages]


def test_stages_lie_within_the_depth_and_reads_before_writes() -> None:
    for loop in schedule().loops:
        stages = [stage for accesses in loop.stages.values() for stage in accesses.values()]
        assert all(0 <= stage < loop.depth for stage in stages), loop.label
    multiply = next(loop for loop in schedule().loops if loop.label == "multiply_steps")
    # A product takes three cycles in a DSP, and is summed before it leaves.
    assert multiply.stages["sums[0]"]["write"] - multiply.stages["tiles"]["read"] > 3


def test_recurrences_name_lines_of_the_headers() -> None:
    sources = render_sources(design())
    for loop in schedule().loops:
        assert loop.recurrence is not None
        for place in loop.recurrence.places:
            file, _, line = place.partition(":")
            assert 1 <= int(line) <= sources[file].count("\n"), place


def test_the_analysis_takes_seconds() -> None:
    schedule()  # compiles, which its cache spares from then on
    begun = time.process_time()
    schedule_design(design())
    assert time.process_time() - begun < MOST_CPU_S
