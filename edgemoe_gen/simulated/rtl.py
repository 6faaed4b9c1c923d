"""The simulated board's engine in RTL: Verilator's model of the design, its own registers, interrupt line and buses.

The model's clock runs while the engine works, in a separate thread, and for the cycles of each register access; an
access makes the thread pause. A cycle of an idle engine changes nothing, so such cycles are left out.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.rtl.against_csim import memory_of, need_simulator
from edgemoe_gen.rtl.engine import Engine
from edgemoe_gen.rtl.generate import generate_rtl
from edgemoe_gen.rtl.model import EngineModel, bundles
from edgemoe_gen.rtl.simulation import QUIET_CYCLES, Memory, build_model
from edgemoe_gen.scheduling.compiler import need_compiler
from edgemoe_gen.simulated.engine import Progress, Surroundings, no_progress

if TYPE_CHECKING:  # it imports PYNQ
    from edgemoe_gen.simulated.memory import Bytes

STRETCH = 100_000  # cycles between two looks at what is wanted
SAY_SECONDS = 5.0  # between two lines on how a long run gets on
SILENT_CYCLES = 2_000  # without movement, after which an engine stands whose memory has fallen silent
CONTROL, START = "CTRL", 1
_log = logging.getLogger("edgemoe_gen.simulated")


@dataclass(frozen=True)
class RtlDesign:
    """A design whose simulation is compiled.

    Attributes:
        library: see `build_model`.
        memory: behind the buses.
    """

    design: Design
    library: Path
    memory: Memory


def compile_rtl(design: Design, progress: Progress = no_progress, memory: Memory | None = None) -> RtlDesign:
    """Makes and compiles a design's RTL, or takes it from the cache.

    Args:
        memory: behind the buses; None: that of the timed simulation.

    Raises:
        ConfigError: a package of the extra `rtl` is not installed.
        SimulationError: the design has no RTL, or it does not compile.
    """
    need_simulator()
    need_compiler("Verilog", "rtl")
    sources = render_sources(design)
    rtl = generate_rtl(design, sources, lambda what, done, total: progress(f"RTL: {what}", done, total))
    library = build_model(
        Engine(rtl.top, {}, rtl.sources), design, lambda what, done, total: progress(f"RTL: {what}", done, total)
    )
    return RtlDesign(design, library, memory or memory_of(design, sources))


class RtlEngine:
    """See `SimulatedEngine`.

    Attributes:
        problem: reason of a bad answer of the memory, or of a standing engine.
        run_cycles: cycles of the last run; None: no run has ended.
    """

    def __init__(self, compiled: RtlDesign, around: Surroundings) -> None:
        self._around = around
        self._bundles = bundles(compiled.design.knobs.weight_ports)
        self._clock_mhz = compiled.design.knobs.clock_mhz
        self._model = EngineModel(compiled.library, compiled.memory)
        self._lock = threading.Lock()  # of the model
        self._turn = threading.Condition()
        self._wanted = ctypes.c_int()  # accesses that wait; the model looks at it in every cycle
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._runs = 0
        self._seconds = 0.0
        self.is_at_work = self.line = False
        self.problem = ""
        self.run_cycles: int | None = None
        # Buffers come and go at any moment in any thread, by the garbage collector too: they wait for the next access.
        self._buffers: deque[tuple[int, Bytes | None]] = deque()
        around.ddr.watch(lambda address, content: self._buffers.append((address, content)))

    def read(self, offset: int) -> int:
        """What the processor reads."""
        faults, registers = self._around.faults, self._around.registers
        with self._access() as model:
            value = model.read(offset)
        self._changed()
        return faults.status if faults.status is not None and offset == registers.get("status") else value

    def write(self, offset: int, value: int) -> None:
        """What the processor writes."""
        with self._access() as model:
            if offset == self._around.registers[CONTROL] and value & START:
                self._set_faults(model)
            if model.write(offset, value) and not self.is_at_work:
                self.is_at_work, self.problem = True, ""
                self._thread = threading.Thread(target=self._work, name="simulated-engine", daemon=True)
                self._thread.start()
            self._count(model)
        self._changed()

    def close(self) -> None:
        """Stops in the middle of a run, if need be."""
        self._closing.set()
        self._around.ddr.watch(None)
        thread = self._thread
        with self._access():
            pass
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._model.close()
        self.line = False
        self._around.on_change()

    @property
    def operation(self) -> int:
        """The one that runs, or that ran last; -1: none yet."""
        with self._access() as model:
            return model.operation

    @property
    def speed(self) -> str:
        """How much has been simulated, and how fast."""
        with self._access() as model:
            return self._speed(model)

    def _speed(self, model: EngineModel) -> str:
        rate = f" at {model.clock / 1e3 / self._seconds:,.1f} kcycles/s" if self._seconds else ""
        return f"{model.clock:,} cycles{rate}"

    @contextmanager
    def _access(self) -> Iterator[EngineModel]:
        """The model, for a moment."""
        with self._turn:
            self._wanted.value += 1
        try:
            with self._lock:
                self._connect()
                yield self._model
        finally:
            with self._turn:
                self._wanted.value -= 1
                self._turn.notify_all()

    def _connect(self) -> None:
        """Tells the model what buffers DDR has."""
        while self._buffers:
            address, content = self._buffers.popleft()
            if content is None:
                self._model.disconnect(address)
            elif content.nbytes:
                self._model.connect(address, content)

    def _set_faults(self, model: EngineModel) -> None:
        faults = self._around.faults
        model.hang(faults.hang_after, QUIET_CYCLES if faults.hang_after is None else SILENT_CYCLES)
        bundle, burst, response = faults.bad_answer or (self._bundles[0], 0, 0)
        for port, name in enumerate(self._bundles):
            model.answer(port, burst if name == bundle else 0, response)

    def _count(self, model: EngineModel) -> None:
        for _ in range(model.runs - self._runs):
            self._around.on_start()
        self._runs = model.runs

    def _changed(self) -> None:
        """Hands on the interrupt line."""
        with self._lock:
            level = not self._closing.is_set() and self._model.line
        if level != self.line:
            self.line = level
            self._around.on_change()

    def _work(self) -> None:
        """Lets the clock run until nothing is left to do."""
        self._closing.wait(self._around.latency())
        said = time.perf_counter()
        goes_on = True
        while goes_on:
            with self._turn:
                self._turn.wait_for(lambda: not self._wanted.value)
            with self._lock:
                self._connect()
                goes_on = not self._closing.is_set() and self._stretch(self._model)
                if not goes_on:
                    self.is_at_work = False
                elif time.perf_counter() - said > SAY_SECONDS:
                    said = time.perf_counter()
                    self._around.say(f"RTL simulation: {self._speed(self._model)}, operation {self._model.operation:,}")
            self._changed()

    def _stretch(self, model: EngineModel) -> bool:
        """Some cycles; whether there is more to come."""
        since, runs, before = time.perf_counter(), model.runs, self.line
        try:
            is_busy, stands = model.run(STRETCH, self._wanted)
            if not is_busy or model.line != before:
                self.run_cycles = model.cycles
                if self._around.faults.takes_done:
                    model.read(self._around.registers[CONTROL])
        except SimulationError as error:
            return self._hangs(error.message)
        self._seconds += time.perf_counter() - since
        if model.runs > runs:
            self._count(model)
        if model.problem:
            self.problem = model.problem
        if stands:
            return self._hangs(f"nothing has moved for thousands of cycles, in operation {model.operation:,}")
        return is_busy

    def _hangs(self, why: str) -> bool:
        _log.error("simulated board: the engine hangs: %s", why)
        self.problem = why
        return False


__all__ = ["RtlDesign", "RtlEngine", "compile_rtl"]
