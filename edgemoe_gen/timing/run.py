"""Times a compiled program: the timed library on a program's own buffers, and its result as records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.errors import SimulationError
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.timing import library
from edgemoe_gen.timing.explain import fallback_labels
from edgemoe_gen.timing.result import TimedResult, parse_result
from edgemoe_gen.timing.table import Timing


def run_timed(program: Program, image: Bytes, timing: Timing, *, record: bool) -> Mapping[str, Any]:
    """The timed library's JSON of one run.

    Args:
        program: compiled for the design that is timed.
        image: contents of the image buffer [beats, bytes of a beat].
        timing: what the library is told.
        record: keep a record for every operation and process, not only totals.
    """
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8)
    engine = _engine(program.design)
    check_arrays(timing, engine.found.memories)
    run = engine.run_timed(
        words, list(program.weights), program.constants, image, program.result_beats, _told(timing, record)
    )
    return run.totals


def check_arrays(timing: Timing, known: Collection[str]) -> None:
    """Holds the arrays of a table's recurrences against those whose accesses the kernels tell.

    Raises:
        SimulationError: an array is not among them: a recurrence that nobody measures would always hold.
    """
    for loop in timing.loops.values():
        for recurrence in loop.recurrences:
            for array in recurrence.arrays:
                if array not in known:
                    raise SimulationError(
                        f"the timing table names the array '{array}' in loop '{loop.label}' ({recurrence.name}), but "
                        "the kernels tell of no access to it",
                        f"name it as the kernel does; those that it tells: {', '.join(sorted(known))}",
                    )


@lru_cache(maxsize=2)
def _engine(design: Design) -> library.TimedEngine:
    """Sizing runs one engine many times."""
    return library.TimedEngine.compile(design)


def _told(timing: Timing, record: bool) -> library.Timing:
    """The table's figures in the library's terms."""
    return library.Timing(
        loops={loop.label: library.LoopTiming(loop.ii, loop.depth, loop.states) for loop in timing.loops.values()},
        ddr_bytes=timing.ddr_bytes,
        axi_latency=timing.axi_latency,
        axi_outstanding=timing.axi_outstanding,
        axi_burst=timing.axi_burst,
        depths=timing.depths,
        memories=[
            library.MemoryTiming(loop.label, array, recurrence.cycles)
            for loop in timing.loops.values()
            for recurrence in loop.recurrences
            for array in recurrence.arrays
        ],
        constants=timing.constants,
        record=record,
    )


def time_program(
    program: Program, image: Bytes, timing: Timing, labels: Sequence[str] = (), *, record: bool = True
) -> TimedResult:
    """One timed run of a program, operations named; see `run_timed`."""
    names = labels or program_labels(program)
    return parse_result(run_timed(program, image, timing, record=record), names)


def program_labels(program: Program) -> tuple[str, ...]:
    """Name of the layer of each operation: the program's own, or by the operations' fields."""
    named: Sequence[str] = getattr(program, "layers", ())
    return tuple(named) or fallback_labels(program.operations)
