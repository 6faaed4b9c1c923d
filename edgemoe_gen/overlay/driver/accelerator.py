"""The accelerator for its user: frames in, task maps out, any task at any time.

All programs and weights are copied to DDR once, so a change of the task is one pointer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .batch import Batch, batch_operations, batch_program
from .buffers import Buffer, filled
from .errors import FrameError, OverlayError
from .files import Files
from .hardware import Board
from .layouts import Operations, Task
from .manifest import Manifest, find_overlay, read_manifest
from .maps import CLASSES, MapFinisher
from .picture import FramePacker
from .result import Found, Result
from .stream import Stream
from .together import AT_ONCE, Programs, as_one, joint_answer, largest_result

Decode = Any  # True, False or "map"; boards' Python knows no union of types at run time
STREAM_BUFFERS = 2  # of images and of results: one for the engine, one for the processor


class Accelerator:
    """An overlay on the board. Use it in a `with` statement, or call `close`.

    Several threads may call its methods; the engine runs one program at a time. Only one accelerator can be open on a
    board, over all processes.

    Args:
        where: name of an installed overlay, or path of its folder.
        timeout: seconds that one frame may take in the engine.
        device: PYNQ's device; None = its active one.

    Attributes:
        manifest: facts of the overlay.

    Raises:
        OverlayError: the overlay is missing, damaged, or not of the design on the chip, or the board is in use; nothing
            has been started.
    """

    def __init__(self, where: str | Path, timeout: float = 10.0, device: Any = None) -> None:
        self.timeout = timeout
        self.manifest: Manifest = read_manifest(find_overlay(where))
        self._stuck = False
        self._engine = threading.RLock()
        self._board: Board | None = None
        self._stream: Stream | None = None
        files = Files(self.manifest)
        self._decoders = files.decoders
        self._maps = MapFinisher(self.image_size)
        self._packer = FramePacker(self.manifest.image)
        board = Board(self.manifest, device)
        try:
            self._fill(board, files)
        except BaseException:
            board.free()
            raise
        self._board = board

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(self.manifest.tasks)

    @property
    def design(self) -> str:
        """Identity of the design, 16 hexadecimal digits."""
        return f"{self.manifest.identity:016x}"

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the network's picture, in pixels."""
        return self.manifest.image.height, self.manifest.image.width

    @property
    def clock_mhz(self) -> float:
        """Clock that the bitstream was built for."""
        return self.manifest.clock_mhz

    @property
    def waits_by(self) -> str:
        """How the driver finds the end of a run: "interrupt" or "polling"."""
        if self._board is None:
            raise OverlayError(f"{self.manifest.name} is closed", "open it again")
        return self._board.waits_by

    def run(self, frame: Any, task: str, decode: Decode = True) -> Result:
        """Runs one frame.

        Args:
            frame: uint8 [height, width, 3], red first.
            task: name.
            decode: False leaves out the decoder, on the engine and on the host, where it takes longer than the engine;
                "map" gives `output` also where the engine gives class numbers.

        Raises:
            FrameError: the frame is not of the network's size or type, or there is no such task.
            EngineError: the engine fails. The next run loads the bitstream again.
        """
        return self.run_tasks(frame, (task,), decode)[0]

    def run_tasks(self, frame: Any, tasks: Sequence[str] | None = None, decode: Decode = True) -> list[Result]:
        """Runs one frame for several tasks; where no gate depends on the task, the backbone runs once for all.

        Args:
            frame: as in `run`.
            tasks: names; None = all tasks.
            decode: as in `run`.

        Returns:
            One result for each task, in this order.

        Raises:
            FrameError, EngineError: as in `run`.
        """
        names = self._names(tasks, "a frame")
        found = []
        with self._engine:
            self._ready()
            start = time.perf_counter()
            self.pack(frame, self._image)
            packing = time.perf_counter() - start
            for step in self.steps(names):
                seconds = self.execute(step, self._image, self._result, decode=decode)
                found += [(one, seconds / len(step)) for one in self._found(step, decode, self._result)]
        return [
            self._decoded(0, one, 0.0 if place else packing, seconds, decode)
            for place, (one, seconds) in enumerate(found)
        ]

    def stream(
        self,
        frames: Iterable[Any],
        tasks: Sequence[str] | None = None,
        alternate: bool = False,
        decode: Decode = True,
    ) -> Generator[Result, None, None]:
        """Runs frame after frame; packing of the next frame and decoding of the last frame overlap the engine.

        Args:
            frames: a camera, or any other iterable of frames. A separate thread reads it, and only when there is room
                for a frame.
            tasks: tasks that each frame runs, in this order, as in `run_tasks`; None = all tasks.
            alternate: run one of these tasks for each frame instead, in turn.
            decode: as in `run`.

        Returns:
            An iterator of results in order. To end the stream early, leave the loop, or call the iterator's `close`.

        Raises:
            FrameError: there is no such task, or `frames` can't be iterated; while streaming: a frame is wrong.
            OverlayError: a stream is running already.
            EngineError: while streaming: the engine fails.
        """
        names = self._names(tasks, "a stream")
        try:
            source = iter(frames)
        except TypeError as error:
            raise FrameError(f"frames are a {type(frames).__name__}, which gives no frames", "give a list") from error
        return self._streamed(source, names, alternate, decode)

    def batch(self, frames: Sequence[Any], task: Any, decode: Decode = True) -> list[Result]:
        """Runs several frames in one program: one start of the engine for all of them.

        On a design with `frames_per_pass`, this number of neighbouring frames shares a pass of the weights, which takes
        less time and traffic. The frames that are left over run one by one. With several tasks, all frames run one by
        one; tasks that share the backbone are in one program. Results have the same bits as those of `run`.

        Args:
            frames: uint8 [height, width, 3] each.
            task: name, or several names.
            decode: as in `run`; frames share a pass of the weights only with True.

        Returns:
            One result for each frame and task, ordered by frame, then by task.

        Raises:
            FrameError: a frame is wrong, there is none, or there are more than one program can hold.
            OverlayError: the board's memory is too small for these frames.
            EngineError: the engine fails.
        """
        names = self._names(task, "a batch")
        if not len(frames):
            raise FrameError("a batch needs a frame", "give one or more")
        for frame in frames:
            self._packer.check(frame)
        with self._engine:
            steps = [self._batched(frames, step, decode) for step in self.steps(names)]
        return [result for place in range(len(frames)) for step in steps for result in step[place]]

    def _batched(self, frames: Sequence[Any], names: tuple[str, ...], decode: Decode) -> list[list[Result]]:
        """Results of each frame for tasks that run in one program."""
        count, size = len(frames), self.manifest.image.size
        tasks = [self._task(name).to(decode) for name in names]
        data, whole, parts = as_one(tasks, self._files, self.manifest.layout)
        taken, passes = whole.result.size, self._passes.get(names[0])
        program = batch_program(data, passes, whole, self.manifest.layout, size, count)
        board = self._ready()
        buffers: list[Buffer] = []
        try:
            for what, length in (("program", len(program)), ("images", count * size), ("results", count * taken)):
                buffers.append(Buffer(board, f"the {what} of a batch of {count}", length))
            code, images, results = buffers
            code.bytes[:] = np.frombuffer(program, np.uint8)
            code.memory.flush()
            images.bytes[:] = 0
            start = time.perf_counter()
            for place, frame in enumerate(frames):
                self._packer.pack(frame, images.bytes[place * size : (place + 1) * size])
            packing = (time.perf_counter() - start) / count
            timeout = count * len(tasks) * self.timeout
            seconds = self._start(board, code, batch_operations(whole, count), images, results, timeout)
            found = [[Found(results.bytes[i * taken : (i + 1) * taken], one) for one in parts] for i in range(count)]
        finally:
            self._settle(board)  # an engine that still runs must not write to memory that is someone else's
            for buffer in buffers:
                board.release(buffer.memory)
        share = seconds / (count * len(tasks))
        return [
            [self._decoded(i, one, 0.0 if place else packing, share, decode) for place, one in enumerate(row)]
            for i, row in enumerate(found)
        ]

    def selftest(self) -> dict[str, float]:
        """Runs the overlay's own picture for every task; returns the engine's seconds by task.

        Where tasks share the backbone, all tasks also run at once.

        Raises:
            OverlayError: a result differs from the expected one, byte for byte.
            EngineError: the engine fails.
        """
        picture = np.frombuffer(self.manifest.read(self.manifest.selftest_image), np.uint8)
        seconds = {}
        for step in [*((name,) for name in self.tasks), *(step for step in self.steps(self.tasks) if len(step) > 1)]:
            expected = joint_answer(self.manifest, step)
            with self._engine:
                self._ready()
                self._image.bytes[:] = picture
                self._result.bytes[:] = 0
                self._result.memory.flush()
                took = self.execute(step, self._image, self._result)
                wrong = int(np.count_nonzero(self._result.bytes[: expected.size] != expected))
            if len(step) == 1:
                seconds[step[0]] = took
            if wrong:
                which = f"task '{step[0]}'" if len(step) == 1 else f"the tasks {', '.join(step)} {AT_ONCE}"
                raise OverlayError(
                    f"self-test of {self.manifest.name}: {wrong} of {expected.size} bytes of {which} are not as "
                    "expected",
                    "the chip does not compute what was simulated: check clock, power and cooling",
                )
        return seconds

    def close(self) -> None:
        """Gives the board and its memory back. A stream is stopped first.

        An engine that still runs is stopped by loading the bitstream again.
        """
        if self._stream is not None:
            self._stream.stop()
            self._stream = None
        with self._engine:
            board = self._board
            if board is None:
                return
            for buffer in (self._image, self._result, *self._images, *self._results):
                buffer.bytes = None
            try:
                if self._stuck:
                    board.load()
            finally:
                self._board = None
                board.free()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What a stream does with each frame

    def pack(self, frame: Any, image: Buffer) -> None:
        """Writes a frame into an image buffer."""
        self._packer.pack(frame, image.bytes)

    def steps(self, tasks: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Tasks of a frame by start of the engine."""
        return self.manifest.steps(tasks)

    def execute(
        self,
        tasks: tuple[str, ...],
        image: Buffer,
        result: Buffer,
        stop: threading.Event | None = None,
        decode: Decode = True,
    ) -> float:
        """Runs the program of a step on buffers; returns the engine's seconds."""
        with self._engine:
            board = self._ready()
            program, step = self._programs.of(tasks, decode)
            timeout = len(tasks) * self.timeout
            return self._start(board, program, step.operations, image, result, timeout, stop)

    def finish(
        self,
        frame: int,
        tasks: tuple[str, ...],
        result: Buffer,
        packing: float,
        seconds: float,
        decode: Decode,
        free: Callable[[], None],
    ) -> Iterator[Result]:
        """Takes a step's results out of a buffer, calls `free`, and does the host's part of decoding, task by task."""
        found = self._found(tasks, decode, result)
        free()
        for place, one in enumerate(found):
            yield self._decoded(frame, one, 0.0 if place else packing, seconds / len(found), decode)

    def _streamed(
        self, source: Iterator[Any], tasks: Sequence[str], alternate: bool, decode: Decode
    ) -> Generator[Result, None, None]:
        with self._engine:
            self._ready()
            if self._stream is not None:
                raise OverlayError(
                    f"{self.manifest.name} is streaming already", "end that stream first: call its close()"
                )
            stream = Stream(self, source, tasks, alternate, decode, self._images, self._results)
            self._stream = stream
        try:
            yield from stream.results()
        finally:
            if self._stream is stream:
                self._stream = None

    def _fill(self, board: Board, files: Files) -> None:
        """Copies all constant contents to DDR, and allocates buffers for images and results."""
        self._files, self._passes = files.programs, files.passes
        self._programs = Programs(board, self.manifest, files.programs)
        self._fixed = {name: filled(board, name, data).memory for name, data in files.weights.items()}
        size, most = self.manifest.image.size, largest_result(self.manifest)
        images = [filled(board, "the image", bytes(size)) for _ in range(1 + STREAM_BUFFERS)]
        results = [Buffer(board, "the result", most) for _ in range(1 + STREAM_BUFFERS)]
        self._image, *self._images = images
        self._result, *self._results = results
        self._point(board)

    def _point(self, board: Board) -> None:
        for name, memory in self._fixed.items():
            board.point(name, memory)

    def _names(self, tasks: Sequence[str] | None, what: str) -> tuple[str, ...]:
        """Tasks that a user names, or all."""
        names = self.tasks if tasks is None else (tasks,) if isinstance(tasks, str) else tuple(tasks)
        for name in names:
            self._task(name)
        if not names:
            raise FrameError(f"{what} needs a task", f"tasks: {', '.join(self.tasks)}")
        return names

    def _task(self, name: str) -> Task:
        if name not in self.manifest.tasks:
            raise FrameError(f"there is no task '{name}'", f"tasks: {', '.join(self.tasks)}")
        return self.manifest.tasks[name]

    def _ready(self) -> Board:
        """The board, whose engine waits for a start."""
        if self._board is None:
            raise OverlayError(f"{self.manifest.name} is closed", "open it again")
        self._settle(self._board)
        return self._board

    def _settle(self, board: Board) -> None:
        """Loads the bitstream again if the engine did not end properly."""
        if self._stuck:
            board.load()
            self._point(board)
            self._stuck = False

    def _start(
        self,
        board: Board,
        program: Buffer,
        operations: Operations | Batch,
        image: Buffer,
        result: Buffer,
        timeout: float,
        stop: threading.Event | None = None,
    ) -> float:
        board.point("program", program.memory)
        board.point("image", image.memory)
        board.point("result", result.memory)
        image.memory.flush()
        self._stuck = True  # until the engine has ended, whatever happens here, an interrupt included
        seconds = board.run(timeout, operations, stop)
        self._stuck = False
        result.memory.invalidate()
        return seconds

    def _found(self, tasks: tuple[str, ...], decode: Decode, result: Buffer) -> list[Found]:
        """Each task's results of a step's program."""
        return [Found(result.bytes, task) for task in self._programs.of(tasks, decode)[1].tasks]

    def _decoded(self, frame: int, found: Found, packing: float, seconds: float, decode: Decode) -> Result:
        start = time.perf_counter()
        task, layout = found.task, found.task.map
        decoder = self._decoders.get(task.name) if decode and layout is None else None
        output, ids = None, None
        if decoder is not None:
            output = decoder(found.tokens)
        elif layout is not None and layout.kind == CLASSES:
            ids = found.pixels
        elif layout is not None:
            output = self._maps(found.pixels, layout)
        stages = {"pack": packing, "engine": seconds, "decode": time.perf_counter() - start + found.seconds}
        return Result(frame, task.name, found.tokens, output, seconds, stages, ids)
