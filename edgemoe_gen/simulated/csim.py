"""The simulated board's engine by C simulation: a control block, and a thread that runs the overlay's own sources."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from typing import Any

from edgemoe_gen.base.errors import OverlayError, ProgramError, SimulationError
from edgemoe_gen.hardware.descriptor import STATUSES
from edgemoe_gen.program.file import program_in
from edgemoe_gen.program.verify import Room, verify_program
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.simulated.engine import Surroundings
from edgemoe_gen.simulated.registers import ControlBlock

BUS_ERROR = list(STATUSES).index("BUS_ERROR")
_log = logging.getLogger("edgemoe_gen.simulated")


class CsimEngine:
    """See `SimulatedEngine`. Runs are in a separate thread, so that waiting is as on a board."""

    is_at_work = False  # a run takes no longer than the driver is told to wait

    def __init__(self, engine: Engine, around: Surroundings) -> None:
        self._engine, self._around = engine, around
        self._control = ControlBlock(around.registers, self._begin, around.on_change)
        self._progress_offset = around.registers.get("progress")
        self._progress = ctypes.c_int32()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem = ""

    @property
    def line(self) -> bool:
        """Level of the interrupt line."""
        return self._control.line

    def read(self, offset: int) -> int:
        """What the processor reads."""
        if offset == self._progress_offset:
            self._control.output("progress", self._progress.value)
        return self._control.read(offset)

    def write(self, offset: int, value: int) -> None:
        """What the processor writes."""
        self._control.write(offset, value)

    def close(self) -> None:
        """Waits for the run that is under way."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()  # a simulation can't be stopped halfway; it is short
        self._control.reset()

    def _begin(self) -> None:
        self.problem = ""
        self._around.on_start()
        self._thread = threading.Thread(target=self._work, name="simulated-engine", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        again = True
        while again:
            begun = time.perf_counter()
            try:
                status = self._run()
            except (SimulationError, OverlayError, ProgramError) as error:
                _log.error("simulated board: the engine hangs: %s", error.message)
                self.problem = error.message
                return
            rest = max(0.0, self._around.latency() - (time.perf_counter() - begun))
            if status is None or self._stop.wait(rest):
                return
            self._control.output("status", status)
            again = self._control.finish()
            if self._around.faults.takes_done:
                self._control.take_done()

    def _run(self) -> int | None:
        """Runs the program that the registers point to; None if it never ends."""
        faults, design = self._around.faults, self._engine.design
        self._progress.value = 0
        if faults.hang_after is not None:
            self._progress.value = faults.hang_after
            return None
        if faults.status is not None:
            return faults.status
        if faults.bad_answer is not None:
            return BUS_ERROR

        def pointed(name: str) -> Any:
            address = self._control.argument(name)
            buffer = self._around.ddr.at(address)
            if buffer is None:
                raise OverlayError(f"the register {name} points to {address:#x}, where no buffer is")
            return buffer

        weights = [pointed(f"weights_{port}") for port in range(design.knobs.weight_ports)]
        program, constants, image, result = (pointed(name) for name in ("program", "constants", "image", "result"))
        words = program_in(program, design)
        if words is not None:
            sizes = (min(port.nbytes for port in weights), constants.nbytes, image.nbytes, result.nbytes)
            verify_program(words, design, Room(*(size // design.beat_bytes for size in sizes)))
        status, _ = self._engine.execute(program, weights, constants, image, result, self._progress)
        return status


__all__ = ["CsimEngine"]
