"""The timed build of a design as a library: render, instrument, compile, run.

In: the engine's buffers and the timing. Out: the result buffer, equal to C simulation's, and the run's cycles as plain
values (docs in hls/timed/report.h).
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.sim.cache import load_library
from edgemoe_gen.sim.compiler import Build, compile_library
from edgemoe_gen.timing.instrument import Instrumented, instrument
from edgemoe_gen.timing.table import Timing

DEADLOCK = -2
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_locks: dict[Path, threading.Lock] = {}  # of each library: a process loads it once


@dataclass(frozen=True)
class TimedRun:
    """Outcome: result buffer, engine status (`DEADLOCK` after one), cycles, and all totals (hls/timed/report.h)."""

    result: Bytes
    status: int
    cycles: int
    totals: dict[str, Any]


class _CTiming(ctypes.Structure):
    """edgemoe_timing_t of hls/timed/table.h."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("loops", "depths", "memories", "constants")),
        *((name, ctypes.c_uint64) for name in ("ddr_bytes_numerator", "ddr_bytes_denominator")),
        *((name, ctypes.c_uint32) for name in ("axi_latency", "axi_outstanding", "axi_burst", "record")),
    )


class TimedEngine:
    """The timed build of a design. Runs one at a time; others wait."""

    def __init__(self, design: Design, library: Path, found: Instrumented) -> None:
        self.design = design
        self.found = found
        self._busy = _locks.setdefault(library.resolve(), threading.Lock())
        self._library = load_library(library)
        self._library.edgemoe_message.restype = ctypes.c_char_p
        self._library.edgemoe_timing_result.restype = ctypes.c_char_p

    @classmethod
    def compile(cls, design: Design) -> TimedEngine:
        """Renders, instruments and compiles a design, or takes it from the cache.

        Raises:
            SimulationError: the sources can't be instrumented or compiled.
        """
        found = timed_sources(design)
        return cls(design, compile_library(found.sources, Build(timed=True)), found)

    def run_timed(
        self,
        program: Bytes,
        weights: Sequence[Bytes],
        constants: Bytes,
        image: Bytes,
        result_beats: int,
        timing: Timing,
        record: bool = True,
    ) -> TimedRun:
        """Runs a program on buffers as in DDR, of any shape.

        Args:
            program, constants, image: contents; whole beats count.
            weights: weights of each port; all ports have as many beats as the shortest.
            result_beats: size of the result buffer.
            timing: timing of the loops, FIFOs, memories and the DDR.
            record: keep a record for every operation and process, not only totals.

        Returns:
            Result, status and cycles; `totals["deadlock"]` describes a deadlock.

        Raises:
            SimulationError: the program reaches beyond a buffer, or the table lacks a loop.
        """
        ports = [np.ascontiguousarray(port) for port in weights]
        buffers = [np.ascontiguousarray(buffer) for buffer in (program, constants, image)]
        result = np.zeros((result_beats, self.design.beat_bytes), np.uint8)
        pointers = (_BYTES * len(ports))(*(_pointer(port) for port in ports))
        cycles = ctypes.c_uint64()
        operation = ctypes.c_int32()  # that runs; nobody watches
        said = _c_timing(timing, record)
        with self._busy:
            status = self._library.edgemoe_time(
                *self._buffer(buffers[0]), pointers, self._beats(min(ports, key=lambda port: port.nbytes)),
                *self._buffer(buffers[1]), *self._buffer(buffers[2]), *self._buffer(result),
                ctypes.byref(said), ctypes.byref(operation), ctypes.byref(cycles),
            )  # fmt: skip
            if status < 0 and status != DEADLOCK:
                raise SimulationError(f"timed simulation failed: {self._library.edgemoe_message().decode()}")
            totals = json.loads(self._library.edgemoe_timing_result())
        return TimedRun(result, status, cycles.value, totals)

    def _beats(self, buffer: Bytes) -> ctypes.c_uint64:
        return ctypes.c_uint64(buffer.nbytes // self.design.beat_bytes)

    def _buffer(self, buffer: Bytes) -> tuple[ctypes._Pointer[ctypes.c_uint8], ctypes.c_uint64]:
        return _pointer(buffer), self._beats(buffer)


@lru_cache(maxsize=2)
def timed_sources(design: Design) -> Instrumented:
    """Sources of the timed build: the kernels instrumented, the runtime's headers, and the C entry instead of C
    simulation's. Kept, since a build hashes them before it compiles them."""
    sources = render_sources(design)
    del sources["sim/simulate.cpp"]
    environment = templates_of(resource_folder("templates"), html=False)
    ports = list(range(design.knobs.weight_ports))
    sources["sim/timed.cpp"] = environment.get_template("timed.cpp.j2").render(ports=ports)
    for header in sorted((resource_folder("hls") / "timed").glob("*.h")):
        sources[f"src/timed/{header.name}"] = header.read_text(encoding="utf-8")
    return instrument(sources)


def _c_timing(timing: Timing, record: bool) -> _CTiming:
    lines = (timing.loop_lines(), timing.depth_lines(), timing.memory_lines(), timing.constant_lines())
    return _CTiming(
        *(text.encode() for text in lines),
        timing.ddr_bytes.numerator, timing.ddr_bytes.denominator,
        timing.axi_latency, timing.axi_outstanding, timing.axi_burst, int(record),
    )  # fmt: skip


def _pointer(array: Bytes) -> ctypes._Pointer[ctypes.c_uint8]:
    return array.ctypes.data_as(_BYTES)
