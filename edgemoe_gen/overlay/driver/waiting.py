"""Waiting for the engine: by its interrupt where PYNQ delivers it, else by polling its control register.

In: the engine's registers and the name of its interrupt pin. Out: a wait of limited time. An interrupt only makes the
driver look at the register. So an interrupt too many or too few costs time, but never a result.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

POLL_SECONDS = 100e-6
LOOK_SECONDS = 0.02  # the register is looked at as often as this while an interrupt is waited for
RING_SECONDS = 0.2  # an interrupt that is asked for takes at most so long, or does not come at all
LOST_INTERRUPTS = 3  # so many in a row that never came, and polling takes over
INTERRUPT_REGISTERS = ("GIER", "IP_IER", "IP_ISR")  # of an HLS control block (UG1399)
DONE_INTERRUPT = 1  # bit of AP_DONE in IP_IER and IP_ISR


class Poller:
    """Sleeps for short times between looks at the register."""

    name = "polling"

    def prepare(self) -> None:
        """Called before the engine starts."""

    def pause(self) -> None:
        """Sleeps for a short time."""
        time.sleep(POLL_SECONDS)

    def finished(self) -> None:
        """Called when the engine is seen to have ended."""

    def settle(self) -> None:
        """Called before the bitstream is loaded again."""


class InterruptWaiter:
    """Sleeps until the engine's interrupt.

    A register can trigger the engine's interrupt, so the constructor tests at once whether it arrives.

    Args:
        pynq: the module.
        registers: registers of the engine.
        pin: full name of its interrupt.

    Raises:
        Exception: PYNQ does not deliver interrupts here, for any reason.
    """

    name = "interrupt"

    def __init__(self, pynq: Any, registers: Any, pin: str) -> None:
        self._registers = registers
        self._loop = _event_loop()
        # PYNQ ties the interrupt's file to the event loop of the thread that asks first.
        self._interrupt = self._call(_made(pynq.Interrupt, pin), 5.0)
        self._woken = self._in_vain = False
        self._lost = 0
        registers.write("IP_IER", DONE_INTERRUPT)
        registers.write("GIER", 1)
        if not self._ring():
            raise RuntimeError("the interrupt does not arrive")

    @property
    def lost(self) -> bool:
        """Whether interrupts have stopped coming."""
        return self._lost >= LOST_INTERRUPTS

    def prepare(self) -> None:
        """Forgets an interrupt of an earlier run."""
        self._clear()
        self._woken = self._in_vain = False

    def pause(self) -> None:
        """Waits for the interrupt for a limited time."""
        self._woken = bool(self._call(_waited(self._interrupt, LOOK_SECONDS), 10 * LOOK_SECONDS))
        self._in_vain = not self._woken

    def finished(self) -> None:
        """Clears the interrupt, and counts if it did not come."""
        if self._woken:
            self._lost = 0
        elif self._in_vain and self._pending():
            self._lost += 1
        self._clear()

    def settle(self) -> None:
        """Ends an open wait, which would otherwise get the next interrupt of the newly loaded bitstream."""
        if getattr(self._interrupt, "waiting", False):
            self._ring()

    def _ring(self) -> bool:
        """Triggers the interrupt by its register; whether it arrives."""
        self._clear()
        self._registers.write("IP_ISR", DONE_INTERRUPT)  # writing 1 toggles the bit
        came = bool(self._call(_waited(self._interrupt, RING_SECONDS), 5 * RING_SECONDS))
        self._clear()
        return came

    def _pending(self) -> bool:
        """Whether the engine has an interrupt pending that PYNQ has not delivered yet."""
        return bool(self._registers.read("IP_ISR") & DONE_INTERRUPT)

    def _clear(self) -> None:
        if self._pending():
            self._registers.write("IP_ISR", DONE_INTERRUPT)

    def _call(self, coroutine: Any, seconds: float) -> Any:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds)
        except FutureTimeoutError:
            future.cancel()
            return None


async def _made(kind: Callable[[str], Any], pin: str) -> Any:
    return kind(pin)


async def _waited(interrupt: Any, seconds: float) -> bool:
    try:
        await asyncio.wait_for(interrupt.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


_loop: asyncio.AbstractEventLoop | None = None
_loop_lock = threading.Lock()


def _event_loop() -> asyncio.AbstractEventLoop:
    """An event loop in a separate thread for the whole process, since a notebook's own loop is busy."""
    global _loop
    with _loop_lock:
        if _loop is None:
            loop = asyncio.new_event_loop()
            threading.Thread(target=_serve, args=(loop,), name="edgemoe-interrupts", daemon=True).start()
            _loop = loop
        return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
