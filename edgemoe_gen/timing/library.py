"""The timed build of a design as a library: render, instrument, compile, run.

In go the engine's buffers and what the timing table says, out come the result buffer, equal to C simulation's, and the
run's cycles as plain values (docs in hls/timed/report.h).
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.errors import SimulationError
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.resources import resource_folder
from edgemoe_gen.sim.compiler import Build, compile_library
from edgemoe_gen.templating import templates_of
from edgemoe_gen.timing.instrument import Instrumented, LoopSite, instrument

DEADLOCK = -2
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_locks: dict[Path, threading.Lock] = {}  # of each library: a process loads it once


@dataclass(frozen=True)
class LoopTiming:
    """A loop's initiation interval (0: a sequence of states), depth of its pipeline, and states; in cycles."""

    interval: int
    depth: int = 2
    states: int = 1


@dataclass(frozen=True)
class MemoryTiming:
    """Rules of an array in a loop; "*" stands for all. Latency: cycles from the issue of the iteration that writes to
    the first issue that may read it, 0 where nothing limits it."""

    loop: str
    array: str
    latency: int = 0
    read_ports: int = 1
    write_ports: int = 1


@dataclass(frozen=True)
class Timing:
    """All that a timed run is told. Depths: FIFO (or whole array of FIFOs) to places, 0 unbounded."""

    loops: Mapping[str, LoopTiming]
    ddr_bytes: Fraction  # a cycle, of all ports together
    axi_latency: int
    axi_outstanding: int = 16
    axi_burst: int = 16
    depths: Mapping[str, int] = field(default_factory=dict)
    memories: Sequence[MemoryTiming] = ()
    constants: Mapping[str, int] = field(default_factory=dict)  # process_start, region_end, loop_skip
    record: bool = True  # of every operation and process


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
        self._library = ctypes.CDLL(str(library))
        self._library.edgemoe_message.restype = ctypes.c_char_p
        self._library.edgemoe_timing_result.restype = ctypes.c_char_p

    @classmethod
    def compile(cls, design: Design, found: Instrumented | None = None) -> TimedEngine:
        """Renders, instruments and compiles a design, or takes it from the cache.

        Args:
            design: what is timed.
            found: its timed sources, where they are there already.

        Raises:
            SimulationError: the sources can't be instrumented or compiled.
        """
        found = found or timed_sources(design)
        return cls(design, compile_library(found.sources, Build(timed=True)), found)

    @property
    def loops(self) -> tuple[LoopSite, ...]:
        """The loops that a table has to know."""
        return self.found.loops

    def run_timed(
        self,
        program: Bytes,
        weights: Sequence[Bytes],
        constants: Bytes,
        image: Bytes,
        result_beats: int,
        timing: Timing,
        progress: ctypes.c_int32 | None = None,
    ) -> TimedRun:
        """Runs a program on buffers as they lie in DDR, of any shape.

        Args:
            program, constants, image: contents; whole beats count.
            weights: of each port; all ports have as many beats as the shortest.
            result_beats: size of the result buffer.
            timing: what the loops, FIFOs, memories and the DDR take.
            progress: receives the number of the operation that runs.

        Returns:
            Result, status and cycles; a deadlock is told in `totals["deadlock"]`.

        Raises:
            SimulationError: the program reaches beyond a buffer, or the table does not know a loop.
        """
        ports = [np.ascontiguousarray(port) for port in weights]
        buffers = [np.ascontiguousarray(buffer) for buffer in (program, constants, image)]
        result = np.zeros((result_beats, self.design.beat_bytes), np.uint8)
        pointers = (_BYTES * len(ports))(*(_pointer(port) for port in ports))
        cycles = ctypes.c_uint64()
        count = ctypes.c_int32() if progress is None else progress
        said = _c_timing(timing)
        with self._busy:
            status = self._library.edgemoe_time(
                *self._buffer(buffers[0]), pointers, self._beats(min(ports, key=lambda port: port.nbytes)),
                *self._buffer(buffers[1]), *self._buffer(buffers[2]), *self._buffer(result),
                ctypes.byref(said), ctypes.byref(count), ctypes.byref(cycles),
            )  # fmt: skip
            if status < 0 and status != DEADLOCK:
                raise SimulationError(f"timed simulation failed: {self._library.edgemoe_message().decode()}")
            totals = json.loads(self._library.edgemoe_timing_result())
        return TimedRun(result, status, cycles.value, totals)

    def _beats(self, buffer: Bytes) -> ctypes.c_uint64:
        return ctypes.c_uint64(buffer.nbytes // self.design.beat_bytes)

    def _buffer(self, buffer: Bytes) -> tuple[ctypes._Pointer[ctypes.c_uint8], ctypes.c_uint64]:
        return _pointer(buffer), self._beats(buffer)


def timed_sources(design: Design) -> Instrumented:
    """Sources of the timed build: the kernels instrumented, the runtime's headers, and the C entry instead of C
    simulation's."""
    sources = render_sources(design)
    del sources["sim/simulate.cpp"]
    environment = templates_of(resource_folder("templates"), html=False)
    ports = list(range(design.knobs.weight_ports))
    sources["sim/timed.cpp"] = environment.get_template("timed.cpp.j2").render(ports=ports)
    for header in sorted((resource_folder("hls") / "timed").glob("*.h")):
        sources[f"src/timed/{header.name}"] = header.read_text(encoding="utf-8")
    return instrument(sources)


def _c_timing(timing: Timing) -> _CTiming:
    loops = "".join(f"{name} {t.interval} {t.depth} {t.states}\n" for name, t in timing.loops.items())
    depths = "".join(f"{name} {depth}\n" for name, depth in timing.depths.items())
    memories = "".join(f"{m.loop} {m.array} {m.latency} {m.read_ports} {m.write_ports}\n" for m in timing.memories)
    constants = "".join(f"{name} {value}\n" for name, value in timing.constants.items())
    return _CTiming(
        *(text.encode() for text in (loops, depths, memories, constants)),
        timing.ddr_bytes.numerator, timing.ddr_bytes.denominator,
        timing.axi_latency, timing.axi_outstanding, timing.axi_burst, int(timing.record),
    )  # fmt: skip


def _pointer(array: Bytes) -> ctypes._Pointer[ctypes.c_uint8]:
    return array.ctypes.data_as(_BYTES)
