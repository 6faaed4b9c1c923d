"""Register blocks of the simulated board: the control block of an HLS engine, and an interrupt controller.

Bits behave as in the logic that Vitis HLS writes (UG1399, "S_AXILITE control register map") and as in PG099 for the
AXI interrupt controller. Both are used from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

START, DONE, IDLE, READY, AUTO_RESTART, INTERRUPT = 1, 2, 4, 8, 1 << 7, 1 << 9
DONE_INTERRUPT, READY_INTERRUPT = 1, 2
MASK = 0xFFFF_FFFF


class ControlBlock:
    """Registers of an engine with block-level control.

    Args:
        offsets: of all registers, by name.
        on_start: called when the engine begins; it answers later with `finish`.
        on_change: called when the interrupt line, `line`, may have changed.
    """

    def __init__(self, offsets: Mapping[str, int], on_start: Callable[[], None], on_change: Callable[[], None]) -> None:
        self._names = {offset: name for name, offset in offsets.items()}
        self._on_start, self._on_change = on_start, on_change
        self._lock = threading.RLock()
        self._values: dict[str, int] = {}
        self._control = IDLE

    def reset(self) -> None:
        """As the bitstream leaves it."""
        with self._lock:
            self._values.clear()
            self._control = IDLE
        self._on_change()

    def argument(self, name: str) -> int:
        """A 64-bit argument."""
        with self._lock:
            return self._values.get(f"{name}_1", 0) | self._values.get(f"{name}_2", 0) << 32

    def output(self, name: str, value: int) -> None:
        """The engine sets a scalar output, whose valid bit (`ap_vld`) rises with it."""
        with self._lock:
            self._values[name] = value & MASK
            self._values[f"{name}_ctrl"] = 1

    def finish(self) -> bool:
        """The engine has come to its end; True if it begins again at once (`auto_restart`)."""
        with self._lock:
            again = bool(self._control & AUTO_RESTART)
            # The handshake with `ap_ready` clears `ap_start`, unless the engine restarts itself.
            self._control = (self._control & AUTO_RESTART) | DONE | READY | (START if again else IDLE)
            enabled = self._values.get("IP_IER", 0)
            events = enabled & (DONE_INTERRUPT | READY_INTERRUPT)
            self._values["IP_ISR"] = self._values.get("IP_ISR", 0) | events
        self._on_change()
        return again

    def take_done(self) -> None:
        """Somebody else has read the control register."""
        with self._lock:
            self._control &= ~(DONE | READY)

    @property
    def line(self) -> bool:
        """Level of the interrupt line."""
        with self._lock:
            return bool(self._values.get("GIER", 0) & 1 and self._values.get("IP_ISR", 0))

    def read(self, offset: int) -> int:
        """What the processor reads; reading the control register clears `ap_done` and `ap_ready`."""
        with self._lock:
            name = self._names.get(offset, "")
            if name == "CTRL":
                value = self._control | (INTERRUPT if self.line else 0)
                self.take_done()
                return value
            value = self._values.get(name, 0)
            if name.endswith("_ctrl"):
                self._values[name] = 0  # clear on read
            # Addresses are write-only by the .hwh, but the logic gives them back.
            return value

    def write(self, offset: int, value: int) -> None:
        """What the processor writes. Setting `ap_start` while it is set does nothing, clearing it neither."""
        name = self._names.get(offset, "")
        starts = False
        with self._lock:
            if name == "CTRL":
                self._control = (self._control & ~AUTO_RESTART) | (value & AUTO_RESTART)
                if value & START and not self._control & START:
                    self._control = (self._control | START) & ~IDLE
                    starts = True
            elif name == "IP_ISR":
                self._values[name] = self._values.get(name, 0) ^ (value & (DONE_INTERRUPT | READY_INTERRUPT))
            elif name == "IP_IER":
                self._values[name] = value & (DONE_INTERRUPT | READY_INTERRUPT)
            elif name == "GIER":
                self._values[name] = value & 1
            elif name.endswith(("_1", "_2")):
                self._values[name] = value & MASK
        if name in ("IP_ISR", "GIER"):
            self._on_change()
        if starts:
            self._on_start()


class InterruptController:
    """An AXI interrupt controller with one level-sensitive input.

    Args:
        source: level of the input.
        on_change: called when the output, `line`, may have changed.
    """

    ISR, IPR, IER, IAR, SIE, CIE, IVR, MER = range(0, 32, 4)

    def __init__(self, source: Callable[[], bool], on_change: Callable[[], None]) -> None:
        self._source, self._on_change = source, on_change
        self._lock = threading.RLock()
        self._seen = self._enabled = self._master = 0

    def reset(self) -> None:
        """As the bitstream leaves it."""
        with self._lock:
            self._seen = self._enabled = self._master = 0
        self._on_change()

    def update(self) -> None:
        """The input may have changed. A level that was seen stays seen until it is acknowledged."""
        with self._lock:
            self._seen |= int(self._source())
        self._on_change()

    @property
    def line(self) -> bool:
        """Level of the output."""
        with self._lock:
            return bool(self._seen & self._enabled and self._master & 3 == 3)

    def read(self, offset: int) -> int:
        """What the processor reads."""
        with self._lock:
            pending = self._seen & self._enabled
            vector = 0 if pending else MASK
            known = {self.ISR: self._seen, self.IPR: pending, self.IER: self._enabled, self.IVR: vector}
            return {**known, self.MER: self._master}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """What the processor writes."""
        with self._lock:
            if offset == self.IER:
                self._enabled = value & 1
            elif offset == self.SIE:
                self._enabled |= value & 1
            elif offset == self.CIE:
                self._enabled &= ~value
            elif offset == self.MER:
                self._master = value & 3
            elif offset == self.IAR:
                self._seen &= ~value
                self._seen |= int(self._source())  # a level that is still high is seen again
        self._on_change()
