"""The feed: the newest frame of the chosen source, read by a separate thread.

A source that blocks, fails or ends stops nothing else: the feed says so, and another source can be chosen. Frames of a
live source that were not taken in time are dropped and counted; pictures of a folder wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edgemoe_gen.serving.sources import Shot, Source, SourceError

SourceState = Literal["waiting", "opening", "running", "ended", "failed"]
LETTING_GO = 2.0  # seconds that a source may take to close before the next one is opened


@dataclass(frozen=True)
class SourceStatus:
    """How a source is; `message` is for the user, "" where there is nothing to say."""

    state: SourceState = "waiting"
    message: str = ""


class Feed:
    """Reads the chosen source. `choose` and `close` may be called from any thread, `take` from one.

    Args:
        sources: to choose from; none is read before `choose`.
        changed: is called, from any thread, when a status is another.
    """

    def __init__(self, sources: Sequence[Source], changed: Callable[[], None] = lambda: None) -> None:
        self.sources = tuple(sources)
        self.dropped = 0
        self._changed = changed
        self._condition = threading.Condition()
        self._statuses = [SourceStatus() for _ in self.sources]
        self._chosen = -1
        self._shot: Shot | None = None
        self._wanted = False
        self._reader: _Reader | None = None

    @property
    def chosen(self) -> int:
        """Number of the chosen source; -1 before the first."""
        return self._chosen

    @property
    def statuses(self) -> tuple[SourceStatus, ...]:
        """Of every source."""
        with self._condition:
            return tuple(self._statuses)

    def choose(self, number: int) -> None:
        """Goes over to another source, or begins the same one again."""
        with self._condition:
            before = self._reader
            if before is not None:
                before.stopping = True
                self._statuses[before.number] = SourceStatus()
            self._chosen, self._shot, self.dropped = number, None, 0
            self._statuses[number] = SourceStatus("opening")
            self._reader = _Reader(self, number, before)
            self._condition.notify_all()
            self._reader.start()
        self._changed()

    def take(self, timeout: float) -> tuple[int, Shot] | None:
        """The number of the source and its newest frame, which nobody else gets; None if there is none in time."""
        with self._condition:
            self._wanted = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._shot is not None, timeout)
            shot, self._shot = self._shot, None
            self._wanted = shot is None
            return None if shot is None else (self._chosen, shot)

    def close(self) -> None:
        """Stops reading; a source that blocks is left behind."""
        with self._condition:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.stopping = True
            self._condition.notify_all()
        if reader is not None:
            reader.join(LETTING_GO)

    def _report(self, reader: _Reader, status: SourceStatus) -> None:
        with self._condition:
            if reader.stopping:
                return
            self._statuses[reader.number] = status
        self._changed()

    def _put(self, reader: _Reader, shot: Shot) -> None:
        with self._condition:
            if reader.stopping:
                return
            self.dropped += self._shot is not None
            self._shot = shot
            self._condition.notify_all()

    def _rest(self, reader: _Reader, until: float, live: bool) -> bool:
        """Waits for the time of the next frame and, unless the source is live, for somebody to want it."""
        with self._condition:
            left = until - time.monotonic()
            if left > 0:
                self._condition.wait_for(lambda: reader.stopping, left)
            if not live:
                self._condition.wait_for(lambda: reader.stopping or (self._wanted and self._shot is None))
            return not reader.stopping


class _Reader(threading.Thread):
    """Reads one source from its start to its end, or until it is told to stop."""

    def __init__(self, feed: Feed, number: int, before: _Reader | None) -> None:
        super().__init__(name=f"source {number}", daemon=True)
        self.feed, self.number, self.before = feed, number, before
        self.stopping = False

    def run(self) -> None:
        """Ends with the source closed."""
        feed, source = self.feed, self.feed.sources[self.number]
        if self.before is not None:
            self.before.join(LETTING_GO)  # it may hold the same device
            self.before = None
        frames = source.frames()
        try:
            self._read(source, frames)
        except SourceError as error:
            message = f"{error.message}: {error.hint}" if error.hint else error.message
            feed._report(self, SourceStatus("failed", message))
        except Exception as error:  # of OpenCV or a driver: the page must say it, and the others stay usable
            feed._report(self, SourceStatus("failed", f"{source.name}: {type(error).__name__}: {error}"))
        finally:
            frames.close()

    def _read(self, source: Source, frames: Iterator[Shot]) -> None:
        due, running = time.monotonic(), False
        while self.feed._rest(self, due, source.live):
            shot = next(frames, None)
            if shot is None:
                self.feed._report(
                    self, SourceStatus("ended", f"{source.name} has ended: choose it again to restart it")
                )
                return
            if not running:
                running = True
                self.feed._report(self, SourceStatus("running"))
            self.feed._put(self, shot)
            # A source that is late goes on from now, it does not catch up.
            due = max(due + source.interval, time.monotonic())
