"""A board without hardware: a PYNQ device that runs the C simulation of an overlay's own sources.

It knows no more of an overlay than a chip does: the addresses of registers (from the .hwh), DDR, and the design in the
bitstream. What a driver writes to the registers, it runs, in a thread of its own, so that waiting, timeouts and double
buffers behave as on a board.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pynq.buffer import PynqBuffer
from pynq.interrupt import _InterruptController
from pynq.pl_server.device import Device
from pynq.ps import Clocks

from edgemoe_gen.base.errors import OverlayError, ProgramError, SimulationError
from edgemoe_gen.overlay.handoff import ENGINE_TYPE, IDENTITY_BLOCK
from edgemoe_gen.program.file import program_in
from edgemoe_gen.program.verify import Room, verify_program
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.simulated.designs import find_design
from edgemoe_gen.simulated.interrupts import SimulatedLine
from edgemoe_gen.simulated.memory import SimulatedMemory
from edgemoe_gen.simulated.registers import ControlBlock, InterruptController

DDR_BYTES = 1 << 31  # of a ZCU104; only what is allocated takes memory of this machine
INTERRUPT_TYPE = "xilinx.com:ip:axi_intc"
# PLLs of the processing system, which PYNQ reckons the logic's clock from (UG1087, CRL_APB): 33.333 MHz times 45.
PLL_REGISTERS, PLL_MULTIPLIER = (0xFF5E0020, 0xFF5E0030), 45
_log = logging.getLogger("edgemoe_gen.simulated")


@dataclass
class Faults:
    """What is wrong with the board, for tests of drivers. All of it may be changed at any time.

    Attributes:
        hang_after: the engine stops for good after so many operations; None: it does not.
        status: what the engine ends with instead of running; None: what it finds.
        identity: what the chip says that it holds; None: the design.
        takes_done: somebody else reads the control register first.
        no_interrupts: the line is cut.
    """

    hang_after: int | None = None
    status: int | None = None
    identity: int | None = None
    takes_done: bool = False
    no_interrupts: bool = False


@dataclass(frozen=True)
class _Block:
    """Registers at an address."""

    base: int
    size: int
    read: Callable[[int], int]
    write: Callable[[int, int], None]


class SimulatedBoard(Device):  # type: ignore[misc]
    """One board.

    Args:
        overlay: folder of an overlay that is going to be loaded: its design is read and compiled now, so that errors
            come early. None: when it is loaded.
        ddr_bytes: size of DDR.
        latency: seconds that a run takes at least.
        faults: what is wrong with it.
        on_compile: called before the compiler, where a design is not in the cache of compiled ones.

    Attributes:
        ddr: memory; its `buffers` are those in use.
        loads: bitstreams loaded so far.
        runs: engines started so far.
        problem: why the engine hangs, where the simulation knows.

    Raises:
        OverlayError: see `find_design`.
        SimulationError: the design does not compile.
    """

    is_simulated = True

    def __init__(
        self,
        overlay: Path | str | None = None,
        *,
        ddr_bytes: int = DDR_BYTES,
        latency: float = 0.0,
        faults: Faults | None = None,
        on_compile: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__("simulated")
        self.name = "simulated"
        self.arch = "aarch64"
        self.capabilities = {"REGISTER_RW": True}
        self.bitfile_name = self.timestamp = ""
        self.ddr = SimulatedMemory(ddr_bytes)
        self.latency = latency
        self.faults = faults or Faults()
        self.loads = self.runs = 0
        self.problem = ""
        self._on_compile = on_compile
        self._engines: dict[Path, Engine | None] = {}
        self._loaded: Engine | None = None
        self._blocks: list[_Block] = []
        self._words: dict[int, int] = {}
        self._control: ControlBlock | None = None
        self._line = SimulatedLine(self._line_level)
        self._interrupts = InterruptController(self._engine_line, self._line.update)
        self._progress = ctypes.c_int32()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._before: tuple[Any, Any] | None = None
        self.pll_multiplier = PLL_MULTIPLIER
        if overlay is not None:
            self._engine_in(Path(overlay))

    @property
    def pll_multiplier(self) -> int:
        """What the PLLs make of the reference clock."""
        return self._words[PLL_REGISTERS[0]] >> 8 & 0x7F

    @pll_multiplier.setter
    def pll_multiplier(self, value: int) -> None:
        self._words.update(dict.fromkeys(PLL_REGISTERS, 2 * value << 8 | 1 << 16))

    # PYNQ's one and only board

    def plug_in(self) -> SimulatedBoard:
        """Makes this the only board that PYNQ finds; returns itself. `unplug` undoes it."""
        if self._before is None:
            self._before = (getattr(Device, "_devices", None), getattr(Device, "_active_device", None))
        _set_devices([self], self)
        return self

    def unplug(self) -> None:
        """Gives PYNQ the boards back that it had before."""
        self._reset()
        for number, line in list(_InterruptController._uio_devices.items()):
            if line is self._line:
                del _InterruptController._uio_devices[number]
        if self._before is not None and Device.__dict__.get("_active_device") is self:
            _set_devices(*self._before)
        self._before = None

    def __enter__(self) -> SimulatedBoard:
        return self.plug_in()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    # What PYNQ asks of a device

    def get_bitfile_metadata(self, bitfile_name: str, *_: Any, **__: Any) -> Any:
        """The .hwh beside a .bit, as PYNQ reads it."""
        handoff = Path(bitfile_name).with_suffix(".hwh")
        if not handoff.is_file():
            raise FileNotFoundError(f"there is no {handoff.name} beside {bitfile_name}")
        parser = _parsed(handoff)
        parser.bin_data = parser.xclbin_data = parser.dtbo_data = None
        parser.refresh_hierarchy_dict()
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Loads a bitstream: everything in logic begins anew."""
        self._reset()
        self._loaded = self._engine_in(Path(bitstream.bitfile_name).parent)
        parser = parser or self.get_bitfile_metadata(bitstream.bitfile_name)
        self._words = {address: value for address, value in self._words.items() if address >= 0xF0000000}
        self._blocks = list(filter(None, (self._block(name, facts) for name, facts in parser.ip_dict.items())))
        for facts in parser.interrupt_controllers.values():
            if not facts["parent"]:  # straight at the processing system
                _InterruptController._uio_devices[facts["raw_irq"]] = self._line
        self.loads += 1
        self.post_download(bitstream, parser)

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> PynqBuffer:
        """A buffer in DDR."""
        return self.ddr.allocate(self, shape, dtype)

    def flush(self, bo: int, offset: int, virtual_address: int, nbytes: int) -> None:  # noqa: ARG002
        """See `SimulatedMemory.flush`."""
        self.ddr.flush(bo, virtual_address, nbytes)

    def invalidate(self, bo: int, offset: int, virtual_address: int, nbytes: int) -> None:  # noqa: ARG002
        """See `SimulatedMemory.invalidate`."""
        self.ddr.invalidate(bo, virtual_address, nbytes)

    def read_registers(self, address: int, length: int) -> bytes:
        """Registers as little-endian bytes."""
        words = (self._read(place) for place in range(address & ~3, address + length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)[address & 3 :][:length]

    def write_registers(self, address: int, data: Any) -> None:
        """Writes whole registers."""
        content = bytes(data)
        for place in range(0, len(content), 4):
            self._write(address + place, int.from_bytes(content[place : place + 4], "little"))

    # Registers

    def _block(self, name: str, facts: dict[str, Any]) -> _Block | None:
        if "phys_addr" not in facts:  # the processing system, a SmartConnect
            return None
        base, size, kind = facts["phys_addr"], facts["addr_range"], str(facts.get("type", ""))
        registers = {n: int(r["address_offset"]) for n, r in (facts.get("registers") or {}).items()}
        if self._loaded is not None and kind.startswith(ENGINE_TYPE.rpartition(":")[0]):
            self._control = ControlBlock(registers, self._begin, self._interrupts.update)
            return _Block(base, size, self._read_control(registers.get("progress")), self._control.write)
        if kind.startswith(INTERRUPT_TYPE):
            return _Block(base, size, self._interrupts.read, self._interrupts.write)
        if self._loaded is not None and name == IDENTITY_BLOCK:
            identity = self._loaded.design.identity if self.faults.identity is None else self.faults.identity
            words = {registers["GPIO_DATA"]: identity & 0xFFFFFFFF, registers["GPIO2_DATA"]: identity >> 32}
            return _Block(base, size, lambda offset: words.get(offset, 0), _ignore)
        return None

    def _read_control(self, progress: int | None) -> Callable[[int], int]:
        control = self._control
        assert control is not None

        def read(offset: int) -> int:
            if offset == progress:
                control.output("progress", self._progress.value)
            return control.read(offset)

        return read

    def _read(self, address: int) -> int:
        for block in self._blocks:
            if block.base <= address < block.base + block.size:
                return block.read(address - block.base)
        return self._words.get(address, 0)

    def _write(self, address: int, value: int) -> None:
        for block in self._blocks:
            if block.base <= address < block.base + block.size:
                block.write(address - block.base, value)
                return
        self._words[address] = value

    def _engine_line(self) -> bool:
        return self._control is not None and not self.faults.no_interrupts and self._control.line

    def _line_level(self) -> bool:
        return self._interrupts.line

    # The engine

    def _engine_in(self, folder: Path) -> Engine | None:
        folder = folder.resolve()
        if folder not in self._engines:
            design = find_design(folder)
            self._engines[folder] = None if design is None else Engine.compile(design, on_compile=self._on_compile)
        return self._engines[folder]

    def _reset(self) -> None:
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()  # a simulation can't be stopped halfway; it is short
        self._thread, self._stop = None, threading.Event()
        self._progress.value = 0
        if self._control is not None:
            self._control.reset()
        self._control = None
        self._interrupts.reset()

    def _begin(self) -> None:
        self.runs += 1
        self.problem = ""
        assert self._control is not None and self._loaded is not None
        arguments = (self._control, self._loaded, self._stop)
        self._thread = threading.Thread(target=self._work, args=arguments, name="simulated-engine", daemon=True)
        self._thread.start()

    def _work(self, control: ControlBlock, engine: Engine, stop: threading.Event) -> None:
        again = True
        while again:
            begun = time.perf_counter()
            try:
                status = self._run(control, engine)
            except (SimulationError, OverlayError, ProgramError) as error:
                _log.error("simulated board: the engine hangs: %s", error.message)
                self.problem = error.message
                return
            if status is None or stop.wait(max(0.0, self.latency - (time.perf_counter() - begun))):
                return
            control.output("status", status)
            again = control.finish()
            if self.faults.takes_done:
                control.take_done()

    def _run(self, control: ControlBlock, engine: Engine) -> int | None:
        """Runs the program that the registers point to; None if it never ends."""
        self._progress.value = 0
        if self.faults.hang_after is not None:
            self._progress.value = self.faults.hang_after
            return None
        if self.faults.status is not None:
            return self.faults.status

        def pointed(name: str) -> Any:
            address = control.argument(name)
            buffer = self.ddr.at(address)
            if buffer is None:
                raise OverlayError(f"the register {name} points to {address:#x}, where no buffer is")
            return buffer

        weights = [pointed(f"weights_{port}") for port in range(engine.design.knobs.weight_ports)]
        program, constants, image, result = (pointed(name) for name in ("program", "constants", "image", "result"))
        words = program_in(program, engine.design)
        if words is not None:
            sizes = (min(port.nbytes for port in weights), constants.nbytes, image.nbytes, result.nbytes)
            verify_program(words, engine.design, Room(*(size // engine.design.beat_bytes for size in sizes)))
        status, _ = engine.execute(program, weights, constants, image, result, self._progress)
        return status


def _parsed(handoff: Path) -> Any:
    """A .hwh as PYNQ reads it; the parser moved between PYNQ 3.1 and 4.0."""
    metadata = importlib.import_module("pynqmetadata.frontends").Metadata(input=str(handoff))
    try:
        views = importlib.import_module("pynqmetadata.views.runtime")
    except ImportError:
        views = importlib.import_module("pynq.metadata.runtime_metadata_parser")
    return views.RuntimeMetadataParser(metadata)


def _ignore(offset: int, value: int) -> None:
    """A write to what can only be read."""


def _set_devices(devices: Any, active: Any) -> None:
    """What PYNQ keeps of boards; it also keeps the clocks of the first one it saw."""
    for name, value in (("_devices", devices), ("_active_device", active)):
        if value is not None:
            setattr(Device, name, value)
        elif name in Device.__dict__:
            delattr(Device, name)
    if hasattr(Clocks, "_real_instance"):
        del Clocks._real_instance
    _InterruptController._controllers.clear()
