"""Times a compiled program: the timed library on a program's own buffers, and its result as records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.design import Design
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.timing.library import TimedEngine
from edgemoe_gen.timing.result import TimedResult, parse_result
from edgemoe_gen.timing.table import Timing


def run_timed(program: Program, image: Bytes, timing: Timing, *, record: bool) -> Mapping[str, Any]:
    """The timed library's JSON of one run.

    Args:
        program: program compiled for the timed design.
        image: contents of the image buffer [beats, bytes of a beat].
        timing: timing of the library.
        record: keep a record for every operation and process, not only totals.
    """
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8)
    engine = _engine(without_depths(program.design))
    check_arrays(timing, engine.found.memories)
    with_own_depths = timing.with_depths({**program.design.fifo_depths, **timing.depths})
    run = engine.run_timed(
        words, list(program.weights), program.constants, image, program.result_beats, with_own_depths, record
    )
    return run.totals


def check_arrays(timing: Timing, known: Collection[str]) -> None:
    """Checks that kernels report accesses of every array in a table's recurrences.

    Raises:
        SimulationError: an array is missing: a recurrence without measurement would always hold.
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
def _engine(design: Design) -> TimedEngine:
    """Sizing runs one engine many times."""
    return TimedEngine.compile(design)


def without_depths(design: Design) -> Design:
    """The design whose library is compiled: a run is told the project's depths of FIFOs, so that other ones compile
    nothing."""
    return replace(design, fifo_depths={})


def time_program(program: Program, image: Bytes, timing: Timing, *, record: bool = True) -> TimedResult:
    """One timed run of a program, operations named; see `run_timed`."""
    return parse_result(run_timed(program, image, timing, record=record), program.layers)
