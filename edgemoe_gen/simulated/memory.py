"""DDR of the simulated board, and the processor's caches before it.

A buffer has two copies: the one that the processor sees and the one that the engine sees. `flush` and `invalidate` copy
between them, as on a board, whose memory ports do not look into the caches. So a driver that forgets one of them gets
wrong results here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynq.buffer import PynqBuffer

Bytes = NDArray[np.uint8]

DDR_BASE = 0x1000_0000  # buffers begin here: below it lives the operating system
PAGE = 4096
STALE = 0xA5  # what memory holds that nobody has written
ALIGNMENT = 64  # of both copies in this process: more than a beat


class SimulatedBuffer(PynqBuffer):  # type: ignore[misc]
    """A buffer in simulated DDR; PYNQ's own gives memory back in ways that only a board has."""

    def freebuffer(self) -> None:
        """Gives the memory back; a part of a buffer gives nothing back."""
        memory = self.__dict__.pop("memory_of_owner", None)
        if memory is not None:
            memory.free(self.bo)


@dataclass(frozen=True)
class _Piece:
    """One buffer: where it begins, and its two copies."""

    address: int
    processor: Bytes
    ddr: Bytes

    @property
    def end(self) -> int:
        return self.address + -(-self.ddr.nbytes // PAGE) * PAGE


class SimulatedMemory:
    """DDR of a size in bytes. `size` may be changed; what is in use stays."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pieces: dict[int, _Piece] = {}  # by address
        self._lock = threading.RLock()  # the garbage collector may free a buffer while another one is looked for
        self._watcher: Callable[[int, Bytes | None], None] = _nobody

    def watch(self, watcher: Callable[[int, Bytes | None], None] | None) -> None:
        """Sets a watcher of all buffers, as the engine sees them, and of freed ones (None); None: no watcher."""
        with self._lock:
            self._watcher = watcher or _nobody
            for address, piece in self._pieces.items():
                self._watcher(address, piece.ddr)

    @property
    def buffers(self) -> dict[int, int]:
        """Sizes of the buffers in use, by address."""
        with self._lock:
            return {address: piece.ddr.nbytes for address, piece in self._pieces.items()}

    @property
    def used(self) -> int:
        """Bytes in use."""
        return sum(self.buffers.values())

    def allocate(self, device: Any, shape: Any, dtype: Any) -> SimulatedBuffer:
        """A buffer of `device`, in the first gap that is large enough.

        Raises:
            RuntimeError: there is none; PYNQ raises the same on a board.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        with self._lock:
            address = self._gap(-(-max(size, 1) // PAGE) * PAGE)
            piece = _Piece(address, _aligned(size), _aligned(size))
            self._pieces[address] = piece
            self._watcher(address, piece.ddr)
        buffer = SimulatedBuffer(
            shape, dtype, buffer=piece.processor, device=device, device_address=address, bo=address, coherent=False
        )
        buffer.memory_of_owner = self
        return buffer

    def free(self, address: int) -> None:
        """Gives a buffer back."""
        with self._lock:
            if self._pieces.pop(address, None) is not None:
                self._watcher(address, None)

    def flush(self, address: int, virtual_address: int, size: int) -> None:
        """Makes the processor's writes to a part of a buffer visible to the engine."""
        piece = self._pieces.get(address)
        if piece is not None:
            part = _part(piece, virtual_address, size)
            piece.ddr[part] = piece.processor[part]

    def invalidate(self, address: int, virtual_address: int, size: int) -> None:
        """Makes the engine's writes visible to the processor."""
        piece = self._pieces.get(address)
        if piece is not None:
            part = _part(piece, virtual_address, size)
            piece.processor[part] = piece.ddr[part]

    def at(self, address: int) -> Bytes | None:
        """What the engine sees from an address to the end of its buffer; None where there is no buffer."""
        with self._lock:
            for first, piece in self._pieces.items():
                if first <= address < first + piece.ddr.nbytes:
                    return piece.ddr[address - first :]
        return None

    def _gap(self, size: int) -> int:
        address = DDR_BASE
        for piece in sorted(self._pieces.values(), key=lambda piece: piece.address):
            if piece.address - address >= size:
                break
            address = piece.end
        else:
            if address + size > DDR_BASE + self.size:
                raise RuntimeError(f"Allocate failed: no {size} bytes in one piece of {self.size} bytes of DDR")
        return address


def _nobody(address: int, content: Bytes | None) -> None:
    """Is told."""


def _part(piece: _Piece, virtual_address: int, size: int) -> slice:
    first = virtual_address - piece.processor.__array_interface__["data"][0]
    return slice(first, first + size)


def _aligned(size: int) -> Bytes:
    memory = np.full(size + ALIGNMENT, STALE, np.uint8)
    first = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[first : first + size]
