"""Times a compiled program: the timed library on a program's own buffers, and its result as records."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.pack import Bytes
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
    result: Mapping[str, Any] = importlib.import_module("edgemoe_gen.timing.library").run_timed(
        program, image, timing, record=record
    )
    return result


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
