"""Buffers in the board's DDR, and the same bytes as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .hardware import Board


class Buffer:
    """A buffer in DDR, and the same bytes as a plain array."""

    def __init__(self, board: Board, what: str, size: int) -> None:
        self.memory = board.allocate(what, size)
        self.bytes: Any = np.asarray(self.memory)


def filled(board: Board, what: str, data: Any) -> Buffer:
    """A buffer with these bytes in it."""
    buffer = Buffer(board, what, len(data))
    buffer.bytes[:] = np.frombuffer(data, np.uint8)
    buffer.memory.flush()
    return buffer
