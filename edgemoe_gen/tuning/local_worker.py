"""A worker process of `tuning.pool`: runs calls of a subject, one at a time, until its parent or the connection ends.

Messages are pickles, which come from the parent alone: the connection is a pair of sockets without a name.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

# What a message is: (kind, number, ...).
SUBJECT, CALL, FUNCTION = "subject", "call", "function"
TOLD, DONE, FAILED = "told", "done", "failed"
GRACE_SECONDS = 10.0  # for what runs to end the programs that it waits for


def main(descriptor: int) -> None:
    """Works until the other end is closed."""
    worker = _Worker(Connection(descriptor))
    threading.Thread(target=worker.work, daemon=True).start()
    worker.listen()
    os._exit(0)  # a call that still runs has nobody to answer


class _Worker:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._subject: Any = None
        self._broken: Exception | None = None  # why the subject could not be taken
        self._tasks: SimpleQueue[tuple[int, Callable[[], Any]]] = SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()

    def listen(self) -> None:
        """Takes messages, also while a call runs: a replaced subject ends the programs for which it waits."""
        while True:
            try:
                kind, number, *rest = self._connection.recv()
                data = self._connection.recv_bytes() if kind == SUBJECT else b""
            except (EOFError, OSError):
                break
            if kind == SUBJECT:
                self._close()
                self._tasks.put((number, partial(self._take, data)))
            elif kind == FUNCTION:
                self._tasks.put((number, rest[0]))
            else:
                self._tasks.put((number, partial(self._call, number, *rest)))
        if self._close():
            self._idle.wait(GRACE_SECONDS)

    def work(self) -> None:
        """Runs the requests of messages, in their order."""
        while True:
            number, task = self._tasks.get()
            self._idle.clear()
            try:
                self._say((DONE, number, task()))
            except BaseException as error:
                self._fail(number, error)
            self._idle.set()

    def _take(self, data: bytes) -> None:
        self._subject = self._broken = None
        try:
            self._subject = pickle.loads(data)
        except Exception as error:  # a module that is not there: for whoever calls it
            self._broken = error

    def _call(self, number: int, method: str, arguments: tuple[Any, ...], tells: bool) -> Any:
        if self._broken is not None:
            raise self._broken
        bound = getattr(self._subject, method)
        return bound(*arguments, tell=partial(self._tell, number)) if tells else bound(*arguments)

    def _close(self) -> bool:
        """Ends the programs for which the subject waits, if it can."""
        closes = hasattr(self._subject, "close")
        if closes:
            self._subject.close()
        return closes

    def _tell(self, number: int, text: str) -> None:
        self._say((TOLD, number, text))

    def _fail(self, number: int, error: BaseException) -> None:
        try:
            self._say((FAILED, number, error))
        except Exception:  # an error that can't be sent: its words can
            self._say((FAILED, number, RuntimeError(f"{type(error).__name__}: {error}")))

    def _say(self, message: tuple[Any, ...]) -> None:
        """Sends a message, only from the working thread. If the parent is gone, `listen` ends all work."""
        with suppress(OSError):
            self._connection.send(message)
