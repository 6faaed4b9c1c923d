"""An engine in RTL that moves cycle by cycle: its registers, its interrupt line, and memory behind its buses.

In: the library that `build_model` gives, and buffers of this process. The text of the library is
`hls/rtl/simulation/board.cpp`. Calls come from one thread at a time; during a call, other threads of the process run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.hardware.axi import READ, axi_ports
from edgemoe_gen.rtl.simulation import Memory
from edgemoe_gen.sim.cache import load_library

OKAY, SLVERR, DECERR = 0, 2, 3  # responses of AXI
_BUSY, _STANDS = 1, 4
_HANDLE, _LONG, _WIDE, _INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_uint64, ctypes.c_int
_SIGNATURES: Mapping[str, tuple[type, list[type]]] = {
    "open": (_HANDLE, [_LONG, _WIDE, _WIDE, _INT, _WIDE]),
    "close": (_INT, [_HANDLE]),
    "reset": (_INT, [_HANDLE]),
    "connect": (_INT, [_HANDLE, _WIDE, ctypes.c_void_p, _WIDE]),
    "read": (_LONG, [_HANDLE, _INT]),
    "write": (_INT, [_HANDLE, _INT, ctypes.c_uint32]),
    "run": (_INT, [_HANDLE, _LONG, ctypes.c_void_p]),
    "line": (_INT, [_HANDLE]),
    "clock": (_LONG, [_HANDLE]),
    "operation": (_LONG, [_HANDLE]),
    "runs": (_LONG, [_HANDLE]),
    "cycles": (_LONG, [_HANDLE]),
    "error": (ctypes.c_char_p, [_HANDLE]),
    "problem": (ctypes.c_char_p, [_HANDLE]),
    "hang": (_INT, [_HANDLE, _LONG, _LONG]),
    "answer": (_INT, [_HANDLE, _INT, _LONG, _INT]),
}


def bundles(weight_ports: int) -> tuple[str, ...]:
    """AXI masters of an engine in the order of the library's numbers: those that read, then those that write."""
    ports = axi_ports(weight_ports)
    found = [dict.fromkeys(p.bundle for p in ports if (p.direction == READ) == reads) for reads in (True, False)]
    return tuple(name for names in found for name in names)


class EngineModel:
    """One engine in its state after loading a bitstream.

    Args:
        library: result of `build_model`.
        memory: memory behind the buses; its seed also sets registers without an initial value.

    Raises:
        SimulationError: the library can't be loaded.
    """

    def __init__(self, library: Path, memory: Memory | None = None) -> None:
        memory = memory or Memory()
        loaded = load_library(library)
        self._call = {name: getattr(loaded, f"edgemoe_{name}") for name in _SIGNATURES}
        for name, (result, arguments) in _SIGNATURES.items():
            self._call[name].restype, self._call[name].argtypes = result, arguments
        rate = memory.bytes_per_cycle
        top, bottom = (0, 1) if rate is None else (rate.numerator, rate.denominator)
        self._handle = self._call["open"](memory.latency, top, bottom, memory.percent, memory.seed)
        if not self._handle:
            raise SimulationError("the RTL simulation can't begin", "compile it again: empty the cache")
        self._buffers: dict[int, NDArray[np.uint8]] = {}  # kept alive

    def close(self) -> None:
        """Ends the simulation; nothing may be called any more."""
        handle, self._handle = self._handle, None
        if handle:
            self._call["close"](handle)
        self._buffers.clear()

    def reset(self) -> None:
        """The reset of the block design, which also resets memory and interconnect."""
        self._checked(self._call["reset"](self._handle))

    def connect(self, address: int, content: NDArray[np.uint8]) -> None:
        """Connects a buffer to an address. The buffer is read and written in place."""
        self._buffers[address] = content
        self._call["connect"](self._handle, address, content.ctypes.data, content.nbytes)

    def disconnect(self, address: int) -> None:
        """Disconnects a buffer: requests to its addresses are answered with DECERR."""
        self._call["connect"](self._handle, address, None, 0)
        self._buffers.pop(address, None)

    def read(self, offset: int) -> int:
        """Reads a register, over the bus; the clock moves."""
        return self._checked(self._call["read"](self._handle, offset))

    def write(self, offset: int, value: int) -> bool:
        """Writes a register, over the bus; returns whether the engine runs then."""
        return bool(self._checked(self._call["write"](self._handle, offset, value)) & _BUSY)

    def run(self, cycles: int, stop: ctypes.c_int) -> tuple[bool, bool]:
        """Runs the clock until `stop` is set, the interrupt line changes, nothing is left to do, or a number of cycles
        is over.

        Returns:
            Whether the engine is busy, and whether it stands: nothing has moved for the time set by `hang`.
        """
        found = self._checked(self._call["run"](self._handle, cycles, ctypes.byref(stop)))
        return bool(found & _BUSY), bool(found & _STANDS)

    @property
    def line(self) -> bool:
        """Level of the interrupt line."""
        return bool(self._call["line"](self._handle))

    @property
    def clock(self) -> int:
        """Cycles so far."""
        return int(self._call["clock"](self._handle))

    @property
    def operation(self) -> int:
        """The operation that runs, or that ran last; -1: none yet."""
        return int(self._call["operation"](self._handle))

    @property
    def runs(self) -> int:
        """Number of starts of the engine."""
        return int(self._call["runs"](self._handle))

    @property
    def cycles(self) -> int | None:
        """Cycles of the last run, from start to end; None: none has ended."""
        found = int(self._call["cycles"](self._handle))
        return None if found < 0 else found

    @property
    def problem(self) -> str:
        """The reason of a bad answer of the memory; "" without one."""
        return str(self._call["problem"](self._handle).decode())

    def hang(self, operation: int | None, quiet_cycles: int) -> None:
        """Makes the memory silent when this operation begins; None: never.

        Args:
            operation: by its number; 0: at the start.
            quiet_cycles: cycles without any movement after which the engine counts as standing.
        """
        self._call["hang"](self._handle, -1 if operation is None else operation, quiet_cycles)

    def answer(self, port: int, burst: int, response: int) -> None:
        """Gives a burst of a port, by its place in `bundles`, this answer; 1 is the next burst, 0 none."""
        self._call["answer"](self._handle, port, burst, response)

    def _checked(self, found: int) -> int:
        if found < 0:
            reason = self._call["error"](self._handle).decode()
            raise SimulationError(f"RTL simulation: {reason}", "trace the program with `edgemoe-gen rtl --simulate`")
        return found


__all__ = ["DECERR", "OKAY", "SLVERR", "EngineModel", "bundles"]
