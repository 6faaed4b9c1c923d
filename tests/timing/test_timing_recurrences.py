"""What the real library measures of itself: arrays of the table, ports of banks, reads too soon after writes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.sim.compiler import Build, compile_library
from edgemoe_gen.timing.instrument import instrument
from edgemoe_gen.timing.library import DEADLOCK, TimedEngine, TimedRun, timed_sources
from edgemoe_gen.timing.result import TimedResult, parse_result
from edgemoe_gen.timing.run import check_arrays
from edgemoe_gen.timing.sizing import KNOBS
from edgemoe_gen.timing.table import LoopTiming, Timing, load_timing
from tests.sim.engines import small_design

pytest.importorskip("torch")
DESIGN = small_design()


@pytest.fixture(scope="module")
def table() -> Timing:
    return load_timing(DESIGN, render_sources(DESIGN))


def short_run(engine: TimedEngine, timing: Timing) -> tuple[TimedResult, TimedRun]:
    """The short program, which has an operation of every kind."""
    program, spec, image = compile_short(DESIGN)
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8)
    buffers = (
        words,
        list(program.weights),
        program.constants,
        pack_image(program, spec, [image] * len(program.frames)),
    )
    run = engine.run_timed(*buffers, program.result_beats, timing)
    return parse_result(run.totals, program.layers), run


@pytest.fixture(scope="module")
def run(table: Timing) -> tuple[TimedResult, TimedRun]:
    return short_run(TimedEngine.compile(DESIGN), table)


def test_the_kernels_touch_every_array_of_the_table_in_its_loop(
    table: Timing, run: tuple[TimedResult, TimedRun]
) -> None:
    touched = {(entry["loop"], entry["memory"]) for entry in run[1].totals["memories"]}
    named = {(loop.label, array) for loop in table.loops.values() for r in loop.recurrences for array in r.arrays}
    assert len(named) >= 7
    assert named <= touched


def test_an_array_that_the_kernels_do_not_name_is_an_error(table: Timing) -> None:
    known = timed_sources(DESIGN).memories
    check_arrays(table, known)
    with pytest.raises(SimulationError, match="names the array 'searches' in loop 'choose_words'"):
        check_arrays(table, [name for name in known if name != "searches"])


def test_the_shipped_kernels_keep_all_rules(run: tuple[TimedResult, TimedRun]) -> None:
    assert run[0].violations == () and run[0].passed


def test_every_fifo_but_those_of_knobs_has_a_depth_that_a_project_may_say() -> None:
    fifos = instrument(render_sources(DESIGN)).fifos
    assert set(fifos) == set(DESIGN.fifos)
    assert {name for name, fifo in DESIGN.fifos.items() if fifo.knob} == set(KNOBS)


def test_processes_of_the_whole_run_have_a_record_for_each_operation(
    run: tuple[TimedResult, TimedRun],
) -> None:
    result = run[0]
    outer = [process for process in result.processes if process.region == "edgemoe_engine"]
    assert {process.name for process in outer} >= {"read_program", "fetch_weights", "fetch_input", "write_result"}
    starts = {op.index: op.start for op in result.operations}
    for process in outer:
        records = process.records
        assert all(a.end == b.start for a, b in pairwise(records)), process.name
        assert all(record.start == starts[record.operation] for record in records[1:])
        for state in ("busy", "starved", "blocked", "ddr"):
            assert sum(getattr(record, state) for record in records) == getattr(process, state)
            assert all(getattr(record, state) >= 0 for record in records)
    fetching = next(process for process in outer if process.name == "fetch_weights")
    # Not the same all the time.
    assert len({round(record.busy / max(record.cycles, 1), 2) for record in fetching.records}) > 3


def slowed(loop: LoopTiming, array: str, cycles: int) -> LoopTiming:
    """A loop whose recurrences over an array take so many cycles."""
    recurrences = (replace(one, cycles=cycles) if array in one.arrays else one for one in loop.recurrences)
    return replace(loop, recurrences=tuple(recurrences))


def test_a_read_too_soon_after_its_write_gives_the_recurrences_message(table: Timing) -> None:
    slow = replace(table, loops={label: slowed(loop, "searches", 99) for label, loop in table.loops.items()})
    assert slow.memory_lines() != table.memory_lines()
    result, _ = short_run(TimedEngine.compile(DESIGN), slow)
    (said,) = result.violations
    # A token's next word comes when the others of its group have had theirs.
    assert said.startswith(
        "II = 1 of choose_words needs distance >= 99 between a write to searches and the read of the same address, "
        f"found {DESIGN.choose_tokens} (layer blocks."
    )
    assert not result.passed


def test_two_reads_of_one_bank_in_a_cycle_are_named_with_loop_memory_and_layer(table: Timing) -> None:
    found = timed_sources(DESIGN)
    once = 'EDGEMOE_MEMORY("shifts", read_at(shifts, word))'
    twice = f'{once}; EDGEMOE_MEMORY("shifts", read_at(shifts, word == 0 ? 1 : 0))'
    sources = dict(found.sources)
    assert sources["src/normalise.h"].count(once) == 1
    sources["src/normalise.h"] = sources["src/normalise.h"].replace(once, twice)
    engine = TimedEngine(DESIGN, compile_library(sources, Build(timed=True)), found)
    (said,) = short_run(engine, table)[0].violations
    assert "a bank of shifts serves 1 read a cycle, but apply_words makes it 2 (layer blocks." in said


def test_a_fifo_that_is_too_shallow_is_named_with_its_circle_of_waits_and_layer(table: Timing) -> None:
    result, run = short_run(TimedEngine.compile(DESIGN), table.with_depths({"measured": 1}))
    assert run.status == DEADLOCK and result.deadlock is not None and result.deadlock.closed
    sentence = result.deadlock.sentence()
    assert sentence.startswith("deadlock in layer blocks.0.norm1: ")
    assert "measure_tokens waits for apply_moments (FIFO measured is full)" in sentence
    assert "apply_moments waits for measure_tokens (FIFO token_moments is empty)" in sentence
