"""A board without hardware: a PYNQ device that runs an overlay's own sources, in C simulation or in RTL.

It knows no more of an overlay than a chip does: the addresses of registers (from the .hwh), DDR, and the design in the
bitstream. It runs the programs that a driver starts by the registers, in a separate thread, so that waiting, timeouts
and double buffers behave as on a board.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from pynq.buffer import PynqBuffer
from pynq.interrupt import _InterruptController
from pynq.pl_server.device import Device
from pynq.ps import Clocks

from edgemoe_gen.design import Design
from edgemoe_gen.overlay.handoff import ENGINE_TYPE, IDENTITY_BLOCK
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.simulated.csim import CsimEngine
from edgemoe_gen.simulated.designs import find_design
from edgemoe_gen.simulated.engine import (
    CSIM,
    RTL,
    Faults,
    Progress,
    SimulatedEngine,
    Surroundings,
    check_kind,
    no_progress,
)  # fmt: skip
from edgemoe_gen.simulated.interrupts import SimulatedLine
from edgemoe_gen.simulated.memory import SimulatedMemory
from edgemoe_gen.simulated.registers import InterruptController

if TYPE_CHECKING:
    from edgemoe_gen.simulated.rtl import RtlDesign

Loadable: TypeAlias = "Engine | RtlDesign"

DDR_BYTES = 1 << 31  # of a ZCU104; only what is allocated takes memory of this machine
INTERRUPT_TYPE = "xilinx.com:ip:axi_intc"
# PLLs of the processing system, which PYNQ reckons the logic's clock from (UG1087, CRL_APB): 33.333 MHz times 45.
PLL_REGISTERS, PLL_MULTIPLIER = (0xFF5E0020, 0xFF5E0030), 45
PATIENCE_SECONDS = 24 * 3600.0
_log = logging.getLogger("edgemoe_gen.simulated")


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
        overlay: folder of an overlay that will be loaded: its design is read and compiled now, so that errors come
            early. None: at the load.
        ddr_bytes: size of DDR.
        latency: least seconds of a run.
        faults: faults of the board.
        engine: kind of engine: "csim" or "rtl".
        on_compile: called with text, steps done and steps in all, where a design is not in the cache.
        say: called with a line on the progress of a long run in RTL.

    Attributes:
        ddr: memory; its `buffers` are those in use.
        kind: kind of the engine.
        folder: folder of the overlay that it was made for, or None.
        loads: number of bitstreams loaded so far.
        runs: number of engine starts so far.

    Raises:
        ConfigError: there is no such engine, or a package that it needs is not installed.
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
        engine: str = CSIM,
        on_compile: Progress = no_progress,
        say: Callable[[str], object] = _log.info,
    ) -> None:
        super().__init__("simulated")
        self.name = "simulated"
        self.arch = "aarch64"
        self.capabilities = {"REGISTER_RW": True}
        self.bitfile_name = self.timestamp = ""
        self.ddr = SimulatedMemory(ddr_bytes)
        self.latency = latency
        self.faults = faults or Faults()
        self.kind = check_kind(engine)
        self.loads = self.runs = 0
        self._on_compile, self._say = on_compile, say
        self._engines: dict[Path, Loadable | None] = {}
        self._loaded: Loadable | None = None
        self._engine: SimulatedEngine | None = None
        self._problem = ""  # of an engine that is gone
        self._blocks: list[_Block] = []
        self._words: dict[int, int] = {}
        self._line = SimulatedLine(self._line_level)
        self._interrupts = InterruptController(self._engine_line, self._line.update)
        self._before: tuple[Any, Any] | None = None
        self.pll_multiplier = PLL_MULTIPLIER
        self.folder = None if overlay is None else Path(overlay)
        if self.folder is not None:
            self._engine_in(self.folder)

    @property
    def pll_multiplier(self) -> int:
        """Factor of the PLLs for the reference clock."""
        return self._words[PLL_REGISTERS[0]] >> 8 & 0x7F

    @pll_multiplier.setter
    def pll_multiplier(self, value: int) -> None:
        self._words.update(dict.fromkeys(PLL_REGISTERS, 2 * value << 8 | 1 << 16))

    @property
    def problem(self) -> str:
        """The reason why the engine hangs or fails, if the simulation knows it."""
        return self._problem if self._engine is None else self._engine.problem or self._problem

    @property
    def patience(self) -> float:
        """Least seconds that a driver should wait: RTL takes far longer than a chip."""
        return PATIENCE_SECONDS if self._engine is not None and self._engine.is_at_work else 0.0

    @property
    def operation(self) -> int:
        """Operation of an engine in RTL that runs, or that ran last; -1: none yet."""
        return int(getattr(self._engine, "operation", -1))

    @property
    def cycles(self) -> int | None:
        """Cycles of the last run of an engine in RTL, from start to end; None: no run has ended."""
        return getattr(self._engine, "run_cycles", None)

    @property
    def speed(self) -> str:
        """Amount and speed of simulation in RTL; "" for C simulation."""
        return str(getattr(self._engine, "speed", ""))

    # PYNQ's one and only board

    def plug_in(self) -> SimulatedBoard:
        """Makes this the only board that PYNQ finds; returns itself. `unplug` undoes it."""
        if self._before is None:
            self._before = (getattr(Device, "_devices", None), getattr(Device, "_active_device", None))
        _set_devices([self], self)
        return self

    def unplug(self) -> None:
        """Restores the boards that PYNQ had before."""
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
            self._engine = self._plug(self._loaded, registers)
            return _Block(base, size, self._engine.read, self._engine.write)
        if kind.startswith(INTERRUPT_TYPE):
            return _Block(base, size, self._interrupts.read, self._interrupts.write)
        if self._loaded is not None and name == IDENTITY_BLOCK:
            identity = self._loaded.design.identity if self.faults.identity is None else self.faults.identity
            words = {registers["GPIO_DATA"]: identity & 0xFFFFFFFF, registers["GPIO2_DATA"]: identity >> 32}
            return _Block(base, size, lambda offset: words.get(offset, 0), _ignore)
        return None

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
        return self._engine is not None and not self.faults.no_interrupts and self._engine.line

    def _line_level(self) -> bool:
        return self._interrupts.line

    # The engine

    def _engine_in(self, folder: Path) -> Loadable | None:
        folder = folder.resolve()
        if folder not in self._engines:
            design = find_design(folder)
            self._engines[folder] = None if design is None else self._compiled(design)
        return self._engines[folder]

    def _compiled(self, design: Design) -> Loadable:
        if self.kind == RTL:
            from edgemoe_gen.simulated.rtl import compile_rtl

            return compile_rtl(design, self._on_compile)
        return Engine.compile(design, on_compile=lambda: self._on_compile("compiling the simulation", 0, 1))

    def _plug(self, loaded: Loadable, registers: Mapping[str, int]) -> SimulatedEngine:
        around = Surroundings(
            registers, self.ddr, self.faults, lambda: self.latency, self._started, self._interrupts.update, self._say
        )
        if isinstance(loaded, Engine):
            return CsimEngine(loaded, around)
        from edgemoe_gen.simulated.rtl import RtlEngine

        return RtlEngine(loaded, around)

    def _started(self) -> None:
        self.runs += 1
        self._problem = ""

    def _reset(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            self._problem = engine.problem or self._problem
            engine.close()
        self._interrupts.reset()


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
