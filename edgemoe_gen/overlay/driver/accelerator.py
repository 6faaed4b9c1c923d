"""The accelerator as a user sees it: frames in, tokens out, any task at any time.

All programs and weights are copied to DDR once, so a change of the task is one pointer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .errors import FrameError, OverlayError
from .hardware import Board
from .manifest import Manifest, ResultLayout, Task, find_overlay, read_manifest
from .picture import FramePacker


@dataclass(frozen=True, eq=False)
class Result:
    """Outcome of a frame.

    Attributes:
        task: name.
        tokens: final tokens, float32 [tokens, dim]; the class token, where there is one, is row 0.
        seconds: from start to end of the engine, without packing the frame.
    """

    task: str
    tokens: Any
    seconds: float


class Accelerator:
    """An overlay on the board. Use it in a `with` statement, or call `close`.

    Args:
        where: name of an installed overlay, or path of its folder.
        timeout: seconds that one frame may take.

    Raises:
        OverlayError: the overlay is missing, damaged, or not of the design on the chip; nothing has been started.
    """

    def __init__(self, where: str | Path, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self.manifest: Manifest = read_manifest(find_overlay(where))
        self._stuck = False
        self._board: Board | None = None
        self._image: Any = None
        self._result: Any = None
        files = _Files(self.manifest)
        self._packer = FramePacker(self.manifest.image)
        board = Board(self.manifest)
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

    def run(self, frame: Any, task: str) -> Result:
        """Runs one frame.

        Args:
            frame: uint8 [height, width, 3], red first.
            task: name.

        Raises:
            FrameError: the frame is not of the network's size or type, or there is no such task.
            EngineError: the engine fails. The next run starts afresh.
        """
        chosen = self._task(task)
        board = self._ready()
        self._packer.pack(frame, self._image)
        seconds = self._execute(board, chosen)
        return Result(task, decode(self._result, chosen.result), seconds)

    def selftest(self) -> dict[str, float]:
        """Runs the picture that came with the overlay for every task; returns the engine's seconds by task.

        Raises:
            OverlayError: a result differs from the expected one, byte for byte.
            EngineError: the engine fails.
        """
        picture = np.frombuffer(self.manifest.read(self.manifest.selftest_image), np.uint8)
        seconds = {}
        for task in self.manifest.tasks.values():
            expected = np.frombuffer(self.manifest.read(task.expected), np.uint8)
            board = self._ready()
            self._image[:] = picture
            self._result[:] = 0
            self._result_buffer.flush()
            seconds[task.name] = self._execute(board, task)
            wrong = int(np.count_nonzero(self._result[: task.result.size] != expected))
            if wrong:
                raise OverlayError(
                    f"self-test of {self.manifest.name}: {wrong} of {expected.size} bytes of task '{task.name}' are "
                    "not as expected",
                    "the chip does not compute what was simulated: check clock, power and cooling",
                )
        return seconds

    def close(self) -> None:
        """Gives the board's memory back. An engine that still runs is stopped first, by loading the bitstream again."""
        board, self._board = self._board, None
        if board is None:
            return
        self._image = self._result = None
        try:
            if self._stuck:
                board.load()
        finally:
            board.free()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, board: Board, files: _Files) -> None:
        """Copies everything that does not change to DDR."""
        self._programs = {name: _filled(board, f"the program of {name}", data) for name, data in files.programs.items()}
        self._fixed = {name: _filled(board, name, data) for name, data in files.weights.items()}
        self._image_buffer = board.allocate("the image", self.manifest.image.size)
        self._result_buffer = board.allocate("the result", max(t.result.size for t in self.manifest.tasks.values()))
        self._fixed["image"], self._fixed["result"] = self._image_buffer, self._result_buffer
        self._image, self._result = np.asarray(self._image_buffer), np.asarray(self._result_buffer)
        self._image[:] = 0
        self._point(board)

    def _point(self, board: Board) -> None:
        for name, buffer in self._fixed.items():
            board.point(name, buffer)

    def _task(self, name: str) -> Task:
        if name not in self.manifest.tasks:
            raise FrameError(f"there is no task '{name}'", f"tasks: {', '.join(self.tasks)}")
        return self.manifest.tasks[name]

    def _ready(self) -> Board:
        if self._board is None:
            raise OverlayError(f"{self.manifest.name} is closed", "open it again")
        if self._stuck:
            self._board.load()
            self._point(self._board)
            self._stuck = False
        return self._board

    def _execute(self, board: Board, task: Task) -> float:
        board.point("program", self._programs[task.name])
        self._image_buffer.flush()
        self._stuck = True  # until the engine has ended, whatever happens here, an interrupt included
        seconds = board.run(self.timeout)
        self._stuck = False
        self._result_buffer.invalidate()
        return seconds


def decode(buffer: Any, layout: ResultLayout) -> Any:
    """Tokens in a result buffer, uint8 [bytes], as float32 [tokens, dim]."""
    region = buffer[layout.first : layout.first + layout.tokens * layout.row_bytes]
    integers = region.view("<i4").reshape(layout.tokens, -1)[:, : layout.dim]
    return (integers * 2.0**-layout.fraction).astype(np.float32)


class _Files:
    """Contents of an overlay's files, all of them verified before the chip is touched."""

    def __init__(self, manifest: Manifest) -> None:
        manifest.read(manifest.bitstream)
        manifest.read(manifest.handoff)
        self.programs = {name: manifest.read(task.program) for name, task in manifest.tasks.items()}
        layout = manifest.weights
        data = memoryview(manifest.read(layout.file))
        self.weights: dict[str, Any] = {}
        place = layout.header_bytes
        for port in range(layout.ports):
            self.weights[f"weights_{port}"] = data[place : place + layout.port_bytes]
            place += layout.port_bytes
        self.weights["constants"] = data[place : place + layout.constant_bytes]


def _filled(board: Board, what: str, data: Any) -> Any:
    buffer = board.allocate(what, len(data))
    buffer[:] = np.frombuffer(data, np.uint8)
    buffer.flush()
    return buffer
