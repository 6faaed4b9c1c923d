"""Several frames in one program: a task's operations repeated, with images and results one behind another.

In: a task's programs, for one frame and for a full pass of the weights. Out: the program for a batch, which reads the
same weights: as many full passes as its frames fill, then the rest frame by frame.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import FrameError
from .layouts import Operations, ProgramLayout, Task


@dataclass(frozen=True)
class Batch:
    """Operations of programs one behind another."""

    steps: tuple[Operations, ...]

    @property
    def total(self) -> int:
        """Number of operations."""
        return sum(step.total for step in self.steps)

    def place(self, done: int) -> str:
        """Place of the engine after a number of operations: ", in block 7, expert 3, frame 2"."""
        frame = 0
        for step in self.steps:
            if 0 <= done < step.total:
                if len(self.steps) == 1 and step.frames == 1:
                    return step.place(done)
                last = frame + step.frames - 1
                return step.place(done) + (f", frame {frame}" if last == frame else f", frames {frame} to {last}")
            done -= step.total
            frame += step.frames
        return ""


def batch_operations(task: Task, frames: int) -> Batch:
    """Operations of a batch's program: full passes of the weights, then single frames."""
    if task.shared is None:
        return Batch((task.operations,) * frames)
    passes, rest = divmod(frames, task.shared.operations.frames)
    return Batch((task.shared.operations,) * passes + (task.operations,) * rest)


def batch_program(
    data: bytes, shared: bytes | None, task: Task, layout: ProgramLayout, image_bytes: int, frames: int
) -> bytes:
    """The program of a batch.

    Args:
        data: program of one frame.
        shared: program of a full pass of the weights, if the task has one.
        task: task of the programs.
        layout: layout of programs.
        image_bytes: size of one frame's image buffer.
        frames: number of frames.

    Raises:
        FrameError: the program would be too long.
    """
    batch = batch_operations(task, frames)
    if batch.total > layout.most_operations:
        most = _most_frames(task, layout.most_operations)
        raise FrameError(f"a batch of {frames} frames is too long for one program", f"give at most {most} frames")
    parts = []
    frame = 0
    for several in (True, False):
        steps = [step for step in batch.steps if (step.frames > 1) == several]
        words = data if not several else shared
        if not steps or words is None:
            continue
        parts.append(_repeated(words, steps[0], layout, len(steps), frame, image_bytes, task.result.size))
        frame += len(steps) * steps[0].frames
    return with_header(data, layout, b"".join(parts), frames)


def with_header(data: bytes, layout: ProgramLayout, operations: bytes, frames: int) -> bytes:
    """A program of these operations, for the weights of another program."""
    header = np.frombuffer(data, "<u4")[: layout.header_words].copy()
    header[layout.operations_word] = len(operations) // (4 * layout.operation_words)
    header[layout.frames_word] = frames
    header[layout.checksum_word] = 0
    header[layout.checksum_word] = zlib.crc32(header.tobytes() + operations)
    return header.tobytes() + operations


def _repeated(
    data: bytes, operations: Operations, layout: ProgramLayout, times: int, frame: int, image: int, result: int
) -> bytes:
    """A program's operations repeated, the first for the frames from `frame` on; sizes in bytes."""
    words: Any = np.frombuffer(data, "<u4")
    one = words[layout.header_words :].reshape(operations.total, layout.operation_words)
    every = np.tile(one, (times, 1)).reshape(times, operations.total, -1)
    number = frame + operations.frames * np.arange(times, dtype="<u4")[:, None]
    for moved, size in ((operations.image, image), (operations.result, result)):
        every[:, list(moved), layout.transfer_word] += (number * (size // layout.beat_bytes)).astype("<u4")
    return every.tobytes()


def _most_frames(task: Task, operations: int) -> int:
    """Frames of the longest batch within a number of operations."""
    if task.shared is None:
        return operations // task.operations.total
    shared = task.shared.operations
    passes, left = divmod(operations, shared.total)
    return passes * shared.frames + min(left // task.operations.total, shared.frames - 1)
