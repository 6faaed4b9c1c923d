"""The hub: passes the newest frame and the newest state to every viewer, at each viewer's own pace.

A viewer has a mailbox with one place for a frame and one for the state; newer contents replace older ones. A frame is
sent only while few are on the way to the page, which reports each drawn frame. So a slow viewer skips frames instead of
falling behind, and costs the worker nothing.
"""

from __future__ import annotations

import asyncio
import threading

MOST_VIEWERS = 64
FRAMES_ON_THE_WAY = 2  # one is drawn while the next one travels


class Mailbox:
    """One viewer's. Used by the event loop only."""

    def __init__(self) -> None:
        self.skipped = 0
        self._frame: bytes | None = None
        self._state: str | None = None
        self._on_the_way = 0
        self._something = asyncio.Event()

    def put_frame(self, frame: bytes) -> None:
        """Replaces the frame that waits."""
        self.skipped += self._frame is not None
        self._frame = frame
        self._something.set()

    def put_state(self, state: str) -> None:
        """Replaces the state that waits."""
        self._state = state
        self._something.set()

    def drawn(self) -> None:
        """The page has drawn a frame: there is room for another."""
        self._on_the_way = max(0, self._on_the_way - 1)
        self._something.set()

    async def take(self) -> str | bytes:
        """What is to be sent next: the state, which is text, before the frame."""
        while True:
            if self._state is not None:
                state, self._state = self._state, None
                return state
            if self._frame is not None and self._on_the_way < FRAMES_ON_THE_WAY:
                frame, self._frame = self._frame, None
                self._on_the_way += 1
                return frame
            self._something.clear()
            await self._something.wait()


class Hub:
    """All viewers. `frame` and `state` may be called from any thread, the rest from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mailboxes: set[Mailbox] = set()
        self._frame: bytes | None = None
        self._state: str | None = None
        self._pending = False  # whether the loop already knows that there is something
        self._new_frame = self._new_state = False

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return len(self._mailboxes)

    def start(self) -> None:
        """Takes the running event loop as the one that viewers live in."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._new_frame = self._new_state = False  # who joins gets the last ones anyway

    def stop(self) -> None:
        """Hands out nothing more: the loop is about to end."""
        with self._lock:
            self._loop = None

    def join(self) -> Mailbox | None:
        """A new viewer, who gets the last state and frame at once; None if there are too many."""
        if len(self._mailboxes) >= MOST_VIEWERS:
            return None
        mailbox = Mailbox()
        with self._lock:
            if self._state is not None:
                mailbox.put_state(self._state)
            if self._frame is not None:
                mailbox.put_frame(self._frame)
        self._mailboxes.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """A viewer has gone."""
        self._mailboxes.discard(mailbox)

    def frame(self, frame: bytes | None) -> None:
        """Hands out a frame; None forgets the last one, for viewers to come."""
        with self._lock:
            self._frame, self._new_frame = frame, frame is not None
            self._wake()

    def state(self, state: str) -> None:
        """Hands out a state."""
        with self._lock:
            self._state, self._new_state = state, True
            self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._pending:
            self._pending = True
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            frame = self._frame if self._new_frame else None
            state = self._state if self._new_state else None
            self._pending = self._new_frame = self._new_state = False
        for mailbox in self._mailboxes:
            if state is not None:
                mailbox.put_state(state)
            if frame is not None:
                mailbox.put_frame(frame)
