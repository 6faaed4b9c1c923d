"""SIGTERM and SIGHUP as an exception, so that cleanup runs: child processes end, temporary files are removed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(SystemExit):
    """This program was told to end by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


@contextlib.contextmanager
def endings_raise() -> Iterator[None]:
    """A context in which a signal that would end this program raises `Ended` in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise Ended(number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    # One that is ignored stays so: `nohup edgemoe-gen build` survives its terminal.
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN and handler is not None]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


__all__ = ["Ended", "endings_raise"]
