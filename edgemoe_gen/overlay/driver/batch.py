"""Several frames in one program: a task's operations again and again, with images and results one behind another.

In: a task's program for one frame. Out: the program for a batch, which reads the same weights.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from .errors import FrameError
from .manifest import Operations, ProgramLayout, Task


def batch_program(data: bytes, task: Task, layout: ProgramLayout, image_bytes: int, frames: int) -> bytes:
    """The program of a batch.

    Args:
        data: program of one frame.
        task: whose it is.
        layout: of programs.
        image_bytes: size of one frame's image buffer.
        frames: how many.

    Raises:
        FrameError: no program may be so long.
    """
    operations = task.operations
    if frames * operations.total > layout.most_operations:
        most = layout.most_operations // operations.total
        raise FrameError(f"a batch of {frames} frames is too long for one program", f"give at most {most} frames")
    words = np.frombuffer(data, "<u4")
    header = words[: layout.header_words].copy()
    one = words[layout.header_words :].reshape(operations.total, layout.operation_words)
    every = np.tile(one, (frames, 1)).reshape(frames, operations.total, -1)
    number = np.arange(frames, dtype="<u4")[:, None]
    for moved, size in ((operations.image, image_bytes), (operations.result, task.result.size)):
        every[:, list(moved), layout.transfer_word] += number * np.uint32(size // layout.beat_bytes)
    header[layout.operations_word] = frames * operations.total
    header[layout.frames_word] = frames
    header[layout.checksum_word] = zlib.crc32(every.tobytes())
    return header.tobytes() + every.tobytes()


def batch_operations(operations: Operations, frames: int) -> Operations:
    """What is in that program."""
    return replace(operations, total=frames * operations.total, frames=frames)
