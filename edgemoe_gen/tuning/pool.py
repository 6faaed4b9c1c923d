"""Worker processes of this machine, each at the other end of a pair of sockets without a name: no port is opened.

In: a subject and calls of its methods, as for any runner. A call whose worker ends runs again on a new one.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.tuning.calls import LOST_WORKERS, Call, Hear
from edgemoe_gen.tuning.local_worker import CALL, FAILED, FUNCTION, GRACE_SECONDS, SUBJECT, TOLD

# Isolated (-I): modules are found where this process finds them, not in the folder that it happens to run in.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from edgemoe_gen.tuning.local_worker import main; main({descriptor})"
)
# A worker is one of many: libraries that start a thread a processor would fight.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class PoolRunner:
    """A number of workers, which live until `close`."""

    def __init__(self, jobs: int, subject: Any = None) -> None:
        self.width = jobs
        self._numbers = itertools.count()
        self._subject: bytes | None = None
        self._workers: list[_Process] = []
        try:
            for _ in range(jobs):
                self._workers.append(_Process())
            self.replace(subject)
        except BaseException:
            self.close()
            raise

    def replace(self, subject: Any) -> None:
        """Sends a subject to all workers, also to later ones; they close the subject before."""
        self._subject = pickle.dumps(subject, protocol=pickle.HIGHEST_PROTOCOL)
        for place in range(self.width):
            self._give_subject(place)

    def close(self) -> None:
        """Ends all workers, and the programs for which they wait."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.end()

    def each(self, function: Callable[[], Any]) -> dict[str, Any]:
        """See `Runner`."""
        return {
            f"worker {place + 1}": next(self._results({0: (FUNCTION, function)}, None, (place,)))[1]
            for place in range(self.width)
        }

    def results(self, calls: Sequence[Call], hear: Hear | None = None) -> Iterator[tuple[int, Any]]:
        """See `Runner`."""
        tells = hear is not None
        messages = {n: (CALL, call.method, call.arguments, tells) for n, call in enumerate(calls)}
        return self._results(messages, hear, range(self.width))

    def _results(
        self, messages: dict[int, tuple[Any, ...]], hear: Hear | None, places: Sequence[int]
    ) -> Iterator[tuple[int, Any]]:
        """Results of messages by their keys, in the order in which they end."""
        waiting = deque(messages)
        lost = dict.fromkeys(messages, 0)
        busy: dict[int, tuple[int, int]] = {}  # by worker: number of its message, and its key
        while waiting or busy:
            for place in places:
                if waiting and place not in busy:
                    key = waiting.popleft()
                    kind, *rest = messages[key]
                    number = next(self._numbers)
                    busy[place] = number, key
                    with suppress(OSError):  # lost: its end is found below
                        self._workers[place].connection.send((kind, number, *rest))
            there = {self._workers[place].connection: place for place in busy}
            for connection in wait(list(there)):
                place = there[connection]  # type: ignore[index]
                number, key = busy[place]
                try:
                    said, of, value = self._workers[place].connection.recv()
                except (EOFError, OSError):
                    del busy[place]
                    lost[key] += 1
                    self._renew(place)
                    if lost[key] > LOST_WORKERS:
                        raise ConfigError(
                            f"{lost[key]} workers were lost over one trial", "give workers more memory"
                        ) from None
                    waiting.appendleft(key)
                    continue
                if of != number:
                    continue  # of a subject, or of a call that nobody waits for any more
                if said == FAILED:
                    raise value
                if said == TOLD:
                    if hear is not None:
                        hear(key, value)
                    continue
                del busy[place]
                yield key, value

    def _renew(self, place: int) -> None:
        """A new worker in the place of a lost one."""
        self._workers[place].connection.close()
        self._workers[place].end()
        self._workers[place] = _Process()
        self._give_subject(place)

    def _give_subject(self, place: int) -> None:
        if self._subject is not None:
            with suppress(OSError):  # lost: found when it is given a call
                connection = self._workers[place].connection
                connection.send((SUBJECT, next(self._numbers)))
                connection.send_bytes(self._subject)


class _Process:
    """A worker, and the connection to it."""

    def __init__(self) -> None:
        mine, other = socket.socketpair()
        with other, _deaf_to_interrupts():
            code = _START.format(path=sys.path, descriptor=other.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what this process writes to stdout is its result
                env={**os.environ, **_ONE_THREAD},
                pass_fds=(other.fileno(),),
            )
        self.connection = Connection(mine.detach())

    def end(self) -> None:
        """Waits until it has ended, as it does when the connection is closed."""
        try:
            self._process.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that start here ignore Ctrl-C, which a terminal sends to all: this process ends them in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
