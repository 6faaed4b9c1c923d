"""The loaded bitstream: its registers by the names of the .hwh, and buffers in the board's DDR.

In: a manifest. Out: a `Board`, which sets the engine's pointers, starts the engine and waits for it. Registers are
    found
by name; nothing here knows an address.
"""

from __future__ import annotations

import importlib
import threading
import time
from contextlib import suppress
from typing import Any

from .batch import Batch
from .errors import EngineError, OverlayError
from .layouts import Operations
from .lock import lock_board
from .manifest import Manifest
from .waiting import INTERRUPT_REGISTERS, InterruptWaiter, Poller

CONTROL, STATUS, PROGRESS = "CTRL", "status", "progress"
# By what the engine ends with, where other files would not help.
_HINTS = {"BUS_ERROR": "an address lies in no memory: give the engine's ports all of DDR in the block design"}
INTERRUPT_PIN = "interrupt"
IDENTITY_WORDS = ("GPIO_DATA", "GPIO2_DATA")  # low word first: both channels of an AXI GPIO (PG144)
POINTERS = ("program", "constants", "image", "result")
ABANDON_SECONDS = 1.0  # an engine that is not wanted any more may take so long to end
CLOCK_TOLERANCE = 1.02  # PYNQ reckons with a reference of 33.333 MHz, Vivado with what the board says


def pointer_arguments(weight_ports: int) -> list[str]:
    """The engine's arguments that point to buffers."""
    return [*POINTERS, *(f"weights_{port}" for port in range(weight_ports))]


def engine_registers(weight_ports: int) -> list[str]:
    """Registers that the driver needs. Vitis HLS splits a 64-bit pointer into NAME_1, the low word, and NAME_2."""
    pointers = [f"{name}_{half}" for name in pointer_arguments(weight_ports) for half in (1, 2)]
    return [CONTROL, *pointers, STATUS]


class Registers:
    """Registers of one block, by name."""

    def __init__(self, pynq: Any, device: Any, description: dict[str, Any]) -> None:
        self._registers = description["registers"]
        self._mmio = pynq.MMIO(description["phys_addr"], description["addr_range"], device=device)

    def read(self, name: str) -> int:
        """A register's value."""
        return int(self._mmio.read(self._registers[name]["address_offset"]))

    def write(self, name: str, value: int) -> None:
        """Sets a whole register, never a field: a field would be read first, and reading clears AP_DONE (UG1399)."""
        self._mmio.write(self._registers[name]["address_offset"], int(value))

    def has(self, name: str) -> bool:
        """Whether there is such a register."""
        return name in self._registers

    def mask(self, name: str, field: str) -> int:
        """Mask of a field of one bit."""
        return 1 << int(self._registers[name]["fields"][field]["bit_offset"])


class Board:
    """A bitstream on the board, with its buffers.

    Args:
        manifest: manifest of the overlay.
        device: PYNQ's device; None = its active one.

    Attributes:
        waits_by: "interrupt" or "polling".

    Raises:
        OverlayError: PYNQ is missing or refuses; another process has the board; the .hwh is not of this engine; the
            design on the chip is not the manifest's, or is clocked faster than it was built for.
    """

    def __init__(self, manifest: Manifest, device: Any = None) -> None:
        self.manifest = manifest
        self.pynq = _import_pynq()
        self._buffers: list[Any] = []
        bitfile = manifest.folder / manifest.bitstream
        if device is None:
            device = self._asking_pynq("find a board", lambda: self.pynq.Device.active_device)
        if not manifest.has_bitstream and not getattr(device, "is_simulated", False):
            raise OverlayError(
                f"{manifest.name} has no bitstream: it was made before synthesis, for the simulated board only",
                "run it with `edgemoe-gen sim-board`; for a board, build the bitstream and install that overlay",
            )
        self._lock = lock_board(device, manifest.name)
        try:
            self.overlay = self._asking_pynq(
                f"read {bitfile}", self.pynq.Overlay, str(bitfile), download=False, device=device
            )
            engine = self._block(manifest.engine, engine_registers(manifest.weights.ports))
            identity = self._block(manifest.identity_block, list(IDENTITY_WORDS))
            self.engine = Registers(self.pynq, device, engine)
            self._identity = Registers(self.pynq, device, identity)
            self._start = self.engine.mask(CONTROL, "AP_START")
            self._done = self.engine.mask(CONTROL, "AP_DONE")
            self._idle = self.engine.mask(CONTROL, "AP_IDLE")
            self._waiter: Poller | InterruptWaiter = Poller()
            self.load()
        except BaseException:
            self._lock.release()
            raise

    @property
    def waits_by(self) -> str:
        """How the driver finds the end of a run."""
        return self._waiter.name

    def load(self) -> None:
        """Loads the bitstream, which also resets the engine, and checks the design on the chip."""
        bitfile = self.manifest.folder / self.manifest.bitstream
        with suppress(Exception):  # PYNQ's interrupts, which polling can do without
            self._waiter.settle()
        self._asking_pynq(f"load {bitfile}", self.overlay.download)
        low, high = (self._identity.read(name) for name in IDENTITY_WORDS)
        found = low | high << 32
        if found != self.manifest.identity:
            raise OverlayError(
                f"the chip says that it holds design {found:016x}, but {bitfile} is of design "
                f"{self.manifest.identity:016x}",
                "use the .bit and the .hwh of one build",
            )
        self._check_clock()
        self._waiter = self._best_waiter()

    def allocate(self, what: str, size: int) -> Any:
        """A buffer in DDR, uint8 [size].

        Raises:
            OverlayError: no memory.
        """
        try:
            buffer = self.pynq.allocate((size,), dtype="u1", target=self.overlay.device)
        except (MemoryError, OSError, RuntimeError) as error:
            held = sum(int(buffer.nbytes) for buffer in self._buffers)
            raise OverlayError(
                f"the board's DDR has no {size:,} bytes in one piece for {what}, beside the {held:,} bytes that "
                f"{self.manifest.name} has already: {error}",
                "free the buffers of other notebooks, or start the board with more memory for CMA",
            ) from error
        self._buffers.append(buffer)
        return buffer

    def release(self, buffer: Any) -> None:
        """Gives one buffer back."""
        self._buffers = [kept for kept in self._buffers if kept is not buffer]
        buffer.freebuffer()

    def free(self) -> None:
        """Releases all buffers and the board; the buffers may not be used any more."""
        try:
            while self._buffers:
                self._buffers.pop().freebuffer()
        finally:
            self._lock.release()

    def point(self, argument: str, buffer: Any) -> None:
        """Tells the engine where a buffer is.

        Raises:
            OverlayError: the buffer begins within a beat; the engine would read from the beat's begin.
        """
        address, beat = int(buffer.device_address), self.manifest.layout.beat_bytes
        if address % beat:
            raise OverlayError(
                f"the buffer of '{argument}' begins at {address:#x}, which is no multiple of a beat's {beat} bytes",
                "take buffers as pynq.allocate gives them, not parts of them",
            )
        self.engine.write(f"{argument}_1", address & 0xFFFFFFFF)
        self.engine.write(f"{argument}_2", address >> 32)

    def run(self, timeout: float, operations: Operations | Batch, stop: threading.Event | None = None) -> float:
        """Starts the engine and waits; returns the seconds that it took.

        Args:
            timeout: in seconds.
            operations: operations of the program, for the place in messages.
            stop: once it is set, the engine gets `ABANDON_SECONDS` to end.

        Raises:
            EngineError: the engine is busy, does not end in time, or ends with an error.
        """
        if not self.engine.read(CONTROL) & self._idle:
            raise EngineError("the engine is busy", "another program may be using it: end that first")
        self._waiter.prepare()
        start = time.perf_counter()
        is_wanted = True
        self.engine.write(CONTROL, self._start)
        while True:
            # A simulated engine says how long it is worth to wait for it. It is asked first: it may end meanwhile.
            patience = getattr(self.overlay.device, "patience", 0.0) if is_wanted else 0.0
            control = self.engine.read(CONTROL)
            seconds = time.perf_counter() - start
            # Reading clears AP_DONE. Whoever else reads the register may take it, so idle and not started counts too.
            if control & self._done or (control & self._idle and not control & self._start):
                break
            if seconds > max(timeout, patience):
                raise EngineError(
                    f"the engine did not end within {timeout:g} s (its {CONTROL} reads {control:#x})"
                    + self._whereabouts(operations),
                    "the next run loads the bitstream again; if it happens again, check clock and power",
                )
            if stop is not None and stop.is_set():
                timeout = min(max(timeout, patience), seconds + ABANDON_SECONDS)
                stop, is_wanted = None, False
            self._pause()
        self._finished()
        status = self.engine.read(STATUS)
        if status:
            known = self.manifest.statuses
            name, meaning = known[status] if status < len(known) else (f"status {status}", "unknown")
            hint = _HINTS.get(name, "use the files of one build together")
            raise EngineError(f"the engine ended with {name}: {meaning}", hint)
        return seconds

    def _pause(self) -> None:
        try:
            self._waiter.pause()
        except Exception:  # whatever PYNQ's interrupts may raise, the register can still be read
            self._waiter = Poller()

    def _finished(self) -> None:
        self._waiter.finished()
        if isinstance(self._waiter, InterruptWaiter) and self._waiter.lost:
            self._waiter = Poller()

    def _whereabouts(self, operations: Operations | Batch) -> str:
        """Place of the engine, for a message; "" where the design has no such register."""
        if not self.engine.has(PROGRESS):
            return ""
        done = self.engine.read(PROGRESS)
        return f": it stopped after operation {done:,} of {operations.total:,}{operations.place(done)}"

    def _best_waiter(self) -> Poller | InterruptWaiter:
        """The waiter: by interrupt where the design connects it and PYNQ delivers it, else by polling."""
        pin = f"{self.manifest.engine}/{INTERRUPT_PIN}"
        try:
            connected = pin in self.overlay.interrupt_pins and all(map(self.engine.has, INTERRUPT_REGISTERS))
            return InterruptWaiter(self.pynq, self.engine, pin) if connected else Poller()
        except Exception:  # no UIO device, no line in /proc/interrupts, an old image: all of that is no reason to fail
            return Poller()

    def _check_clock(self) -> None:
        """Sets the engine's clock to that of its build.

        PYNQ 4.0 computes the divisors for the .hwh's frequency again and rounds them, so 299.97 MHz become 250 or 375
        MHz.
        """
        clocks, built_mhz = self.pynq.Clocks, self.manifest.clock_mhz
        if abs(clocks.fclk0_mhz - built_mhz) > (CLOCK_TOLERANCE - 1) * built_mhz:
            built = self.overlay.clock_dict[0]
            clocks.set_pl_clk(0, int(built["divisor0"]), int(built["divisor1"]))
        if clocks.fclk0_mhz > CLOCK_TOLERANCE * built_mhz:
            raise OverlayError(
                f"the board clocks the engine at {clocks.fclk0_mhz:.1f} MHz, but it was built for {built_mhz:.1f} MHz",
                "use a board whose PLLs are set up as its PYNQ image does",
            )

    def _block(self, instance: str, registers: list[str]) -> dict[str, Any]:
        handoff = self.manifest.folder / self.manifest.handoff
        blocks: dict[str, dict[str, Any]] = dict(self.overlay.ip_dict)
        if instance not in blocks:
            found = ", ".join(sorted(blocks)) or "none"
            raise OverlayError(f"{handoff} has no block '{instance}'; it has: {found}", "use the .hwh of this build")
        missing = [name for name in registers if name not in blocks[instance]["registers"]]
        if missing:
            raise OverlayError(
                f"the block '{instance}' in {handoff} has no register {', '.join(missing)}",
                "use the .hwh of this build",
            )
        return blocks[instance]

    def _asking_pynq(self, what: str, function: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Exception as error:  # PYNQ raises bare errors of every kind
            raise OverlayError(
                f"PYNQ could not {what}: {type(error).__name__}: {error}",
                "run as root in PYNQ's environment, on the board that this overlay is for",
            ) from error


def _import_pynq() -> Any:
    try:
        return importlib.import_module("pynq")
    except ImportError as error:
        raise OverlayError(
            f"pynq can't be imported: {error}", "run this on a board with PYNQ, in its Python"
        ) from error
