"""A stream of frames: packing, the engine and decoding work at the same time.

In: frames, and an accelerator's functions. Out: results in order. There are two images and two results in DDR: while
the engine works on one of each, the next frame is packed and the last frame is decoded. No step runs further ahead. So
a slow consumer stops the source, and a result is never older than a few frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import OverlayError
from .result import Result

SOURCE_SECONDS = 1.0  # a source that is asked for a frame may take so long to notice the end; then it is left behind
_END = object()


@dataclass(frozen=True)
class _Packed:
    """A frame in an image buffer, and its tasks."""

    frame: int
    image: Any
    tasks: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Finished:
    """A result buffer that the engine has filled."""

    frame: int
    tasks: tuple[str, ...]
    result: Any
    pack_seconds: float
    engine_seconds: float


class _Failure:
    """An error that goes to the consumer after the results of earlier frames."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _StoppedError(Exception):
    """The stream has been stopped, so no thread waits any more."""


class _Channel:
    """A queue to another thread, with at most `room` waiting items."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._things: deque[Any] = deque()
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, thing: Any) -> None:
        with self._changed:
            while len(self._things) >= self._room and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise _StoppedError
            self._things.append(thing)
            self._changed.notify()

    def get(self) -> Any:
        with self._changed:
            while not self._things and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise _StoppedError
            thing = self._things.popleft()
            self._changed.notify()
            return thing

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._things.clear()
            self._changed.notify_all()


class Stream:
    """One stream of frames through an accelerator.

    Args:
        work: the accelerator: `pack(frame, image)`, `steps(tasks)` by start of the engine, `execute(tasks, image,
            result, stop, decode)` of a step returning seconds, `finish(frame, tasks, result, pack, engine, decode,
            free)` giving a `Result` for each of its tasks.
        frames: frames of any source, read in a separate thread.
        tasks: names, in order.
        alternate: run one task for each frame, in turn, instead of all.
        decode: as in `Accelerator.run`.
        images, results: buffers, two of each.
    """

    def __init__(
        self,
        work: Any,
        frames: Iterator[Any],
        tasks: Sequence[str],
        alternate: bool,
        decode: Any,
        images: Sequence[Any],
        results: Sequence[Any],
    ) -> None:
        self._work = work
        self._frames = frames
        self._tasks = tuple(tasks)
        self._alternate = alternate
        self._decode = decode
        self._stop = threading.Event()
        self._packing = threading.Lock()
        self._images, self._results = _Channel(len(images)), _Channel(len(results))
        self._packed, self._finished = _Channel(len(images) + 1), _Channel(len(results) + 1)
        self._out = _Channel(1)
        for image in images:
            self._images.put(image)
        for result in results:
            self._results.put(result)
        self._threads = [
            threading.Thread(target=self._guard, args=(step, to), name=f"edgemoe-{step.__name__[1:]}", daemon=True)
            for step, to in ((self._pack, self._packed), (self._run, self._finished), (self._finish, self._out))
        ]

    def results(self) -> Iterator[Result]:
        """The results, in order. When the iteration ends for any reason, the threads end too."""
        try:
            for thread in self._threads:
                thread.start()
            while True:
                thing = self._out.get()
                if thing is _END:
                    return
                if isinstance(thing, _Failure):
                    raise thing.error
                yield thing
                del thing
        except _StoppedError:
            raise OverlayError("the accelerator was closed in the middle of a stream", "open it again") from None
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends all threads, and returns when no thread uses a buffer any more. May be called again."""
        self._stop.set()
        for channel in (self._images, self._results, self._packed, self._finished, self._out):
            channel.stop()
        source, engine, last = self._threads
        if threading.current_thread() in self._threads:
            return  # collected as garbage in one of them, which must not wait for itself
        with self._packing:
            pass  # from now on no frame is packed, even if the source comes back later
        for thread, seconds in ((engine, None), (last, None), (source, SOURCE_SECONDS)):
            if thread.is_alive():
                thread.join(seconds)

    def _guard(self, step: Any, to: _Channel) -> None:
        """Runs a step to its end; an error goes to the consumer in the order of results."""
        try:
            try:
                step()
                to.put(_END)
            except _StoppedError:
                raise
            except BaseException as error:
                to.put(_Failure(error))
        except _StoppedError:
            pass

    def _pack(self) -> None:
        number = 0
        while True:
            image = self._images.get()
            try:
                frame = next(self._frames)
            except StopIteration:
                return
            start = time.perf_counter()
            with self._packing:
                if self._stop.is_set():
                    return
                self._work.pack(frame, image)
            del frame
            tasks = (self._tasks[number % len(self._tasks)],) if self._alternate else self._tasks
            self._packed.put(_Packed(number, image, tasks, time.perf_counter() - start))
            number += 1

    def _run(self) -> None:
        while True:
            job = self._packed.get()
            if not isinstance(job, _Packed):
                return self._pass_on(job, self._finished)
            for place, step in enumerate(self._work.steps(job.tasks)):
                result = self._results.get()
                seconds = self._work.execute(step, job.image, result, self._stop, self._decode)
                packing = 0.0 if place else job.seconds
                self._finished.put(_Finished(job.frame, step, result, packing, seconds))
            self._images.put(job.image)

    def _finish(self) -> None:
        while True:
            job = self._finished.get()
            if not isinstance(job, _Finished):
                return self._pass_on(job, self._out)
            buffer = job.result
            for result in self._work.finish(
                job.frame,
                job.tasks,
                buffer,
                job.pack_seconds,
                job.engine_seconds,
                self._decode,
                lambda buffer=buffer: self._results.put(buffer),
            ):
                self._out.put(result)

    def _pass_on(self, thing: Any, to: _Channel) -> None:
        """Passes on the end, or an error; `_guard` passes on the end by itself."""
        if isinstance(thing, _Failure):
            to.put(thing)
