"""The operating system's part of the simulated board's interrupt line, in the form that PYNQ needs.

On a board the line is a UIO device, whose file PYNQ reads in an event loop; here the line wakes the same events itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any


class SimulatedLine:
    """Takes the place of `pynq.uio.UioController`.

    Args:
        level: of the line.
    """

    def __init__(self, level: Callable[[], bool]) -> None:
        self._level = level
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, Any]] = []

    def add_event(self, event: Any, number: int) -> None:  # noqa: ARG002
        """Calls `event.set()` in this thread's event loop once the line is high; it may be high already."""
        with self._lock:
            self._waiting.append((asyncio.get_event_loop(), event))
        self.update()

    def update(self) -> None:
        """The line may have changed."""
        with self._lock:
            # Linux masks the interrupt when it comes, until somebody waits for it again: one wakes everybody, once.
            woken, self._waiting = (self._waiting, []) if self._waiting and self._level() else ([], self._waiting)
        for loop, event in woken:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
