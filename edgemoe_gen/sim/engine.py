"""Runs programs on a compiled engine, and turns its result buffer back into matrices."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import STATUSES
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.fixed import Integers, dequantise
from edgemoe_gen.program.compile import Program, pack_image
from edgemoe_gen.program.file import WeightFile, program_words
from edgemoe_gen.program.pack import Bytes, unpack_words
from edgemoe_gen.program.places import Region
from edgemoe_gen.sim.cache import load_library
from edgemoe_gen.sim.compiler import Build, compile_library

_BYTES = ctypes.POINTER(ctypes.c_uint8)
_locks: dict[Path, threading.Lock] = {}  # of each library: a process loads it once


@dataclass(frozen=True)
class Traffic:
    """Bytes that crossed each AXI port in one run, counted by the simulation's memory model."""

    program: int
    weights: int
    constants: int
    image: int
    result: int

    @property
    def total(self) -> int:
        """Bytes of all ports."""
        return self.program + self.weights + self.constants + self.image + self.result


@dataclass(frozen=True)
class Run:
    """Outcome of a run: the result buffer and the traffic of the ports."""

    result: Bytes
    traffic: Traffic


class Engine:
    """A compiled design. Its memories are static, as on the chip, so one run is possible at a time; others wait."""

    def __init__(self, design: Design, library: Path) -> None:
        self.design = design
        self._busy = _locks.setdefault(library.resolve(), threading.Lock())
        self._library = load_library(library)
        self._library.edgemoe_message.restype = ctypes.c_char_p

    @classmethod
    def compile(
        cls, design: Design, build: Build | None = None, on_compile: Callable[[], object] = lambda: None
    ) -> Engine:
        """Renders and compiles a design, or takes it from the cache; `on_compile` is called before the compiler."""
        return cls(design, compile_library(render_sources(design), build, on_compile))

    def run(self, program: NDArray[np.uint32], weights: WeightFile, image: Bytes, result_beats: int) -> Run:
        """Runs a program.

        Args:
            program: words, header included.
            weights: contents of the weight file.
            image: [beats, bytes of a beat].
            result_beats: size of the result buffer.

        Raises:
            SimulationError: the engine refuses the program or fails; says why.
        """
        result = np.zeros((result_beats, self.design.beat_bytes), np.uint8)
        words = np.ascontiguousarray(program, "<u4").view(np.uint8)
        status, traffic = self.execute(words, list(weights.weights), weights.constants, image, result)
        if status > 0:
            name, meaning = list(STATUSES.items())[status]
            raise SimulationError(f"the engine ended with {name}: {meaning}")
        return Run(result, traffic)

    def execute(
        self,
        program: Bytes,
        weights: Sequence[Bytes],
        constants: Bytes,
        image: Bytes,
        result: Bytes,
        progress: ctypes.c_int32 | None = None,
    ) -> tuple[int, Traffic]:
        """Runs a program on buffers as in DDR, of any shape; the result is written in place.

        Args:
            program, constants, image, result: contents; whole beats count.
            weights: weights of each port; all ports have as many beats as the shortest.
            progress: receives the number of finished operations, while the engine runs.

        Returns:
            The engine's status, and the traffic of the ports.

        Raises:
            SimulationError: the engine reads or writes outside a buffer, or the simulation fails otherwise.
        """
        beat_bytes = self.design.beat_bytes

        def beats(buffer: Bytes) -> ctypes.c_uint64:
            return ctypes.c_uint64(buffer.nbytes // beat_bytes)

        ports = [np.ascontiguousarray(port) for port in weights]
        program, constants, image = (np.ascontiguousarray(buffer) for buffer in (program, constants, image))
        pointers = (_BYTES * len(ports))(*(_pointer(port) for port in ports))
        traffic = (ctypes.c_uint64 * 5)()
        count = ctypes.c_int32() if progress is None else progress
        with self._busy:
            status = self._library.edgemoe_simulate(
                _pointer(program), beats(program), pointers, beats(min(ports, key=lambda port: port.nbytes)),
                _pointer(constants), beats(constants), _pointer(image), beats(image),
                _pointer(result), beats(result), traffic, ctypes.byref(count),
            )  # fmt: skip
            if status < 0:
                raise SimulationError(f"C simulation failed: {self._library.edgemoe_message().decode()}")
        return status, Traffic(*(int(moved) * beat_bytes for moved in traffic))

    def run_program(self, program: Program, image: Bytes) -> Run:
        """Runs a compiled program."""
        return self.run(
            program_words(program), WeightFile(program.weights, program.constants), image, program.result_beats
        )

    def evaluate(self, function: str, *arguments: Integers | int, outputs: int = 1) -> list[Integers]:
        """Evaluates `gelu`, `exp2`, `reciprocal` or `reciprocal_root` on integers; arrays of the same size."""
        arrays = [np.ascontiguousarray(a, np.int64) if isinstance(a, np.ndarray) else a for a in arguments]
        size = next(a.size for a in arrays if isinstance(a, np.ndarray))
        results = [np.zeros(size, np.int64) for _ in range(outputs)]
        values = [a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else ctypes.c_int(a) for a in arrays]
        targets = [r.ctypes.data_as(ctypes.c_void_p) for r in results]
        getattr(self._library, f"edgemoe_{function}")(*values, *targets, ctypes.c_uint64(size))
        return results


@dataclass(frozen=True)
class FrameResult:
    """One frame's results as values: the engine's counterpart of the reference's."""

    task: str
    tokens: NDArray[np.float64]
    blocks: NDArray[np.float64] | None
    experts: NDArray[np.int64] | None
    scores: NDArray[np.float64] | None
    decoded: Integers | None = None  # as `Decoded.unpack`


def run_frames(
    engine: Engine, program: Program, spec: ModelSpec, images: Sequence[NDArray[np.float32]]
) -> tuple[list[FrameResult], Traffic]:
    """Runs one picture [3, H, W] for each frame of the program."""
    run = engine.run_program(program, pack_image(program, spec, images))
    results = []
    for frame in program.frames:
        taps = [region for name, region in frame.regions.items() if name.startswith("blocks.")]
        routes = [region for name, region in frame.regions.items() if name.startswith("routes.")]
        experts = [stored_routes(run, region) for region in routes]
        results.append(
            FrameResult(
                frame.task,
                stored_matrix(run, frame.regions["tokens"]),
                np.stack([stored_matrix(run, region) for region in taps]) if taps else None,
                np.stack([e for e, _ in experts]) if experts else None,
                np.stack([s for _, s in experts]) if experts else None,
                None if frame.decoded is None else frame.decoded.unpack(run.result),
            )
        )
    return results, run.traffic


def stored_matrix(run: Run, region: Region) -> NDArray[np.float64]:
    """Values of a stored matrix [tokens, columns]."""
    beats = run.result[region.first : region.first + region.beats]
    return dequantise(unpack_words(beats, region.tokens, region.columns), region.form)


def stored_routes(run: Run, region: Region) -> tuple[Integers, NDArray[np.float64]]:
    """Stored routes: experts and scores [tokens, top_k]."""
    beats = np.ascontiguousarray(run.result[region.first : region.first + region.beats])
    words = beats.view("<i4").reshape(region.tokens, region.columns, -1).astype(np.int64)
    return words[:, :, 0], dequantise(words[:, :, 1], region.form)


def _pointer(array: NDArray[np.generic]) -> ctypes._Pointer[ctypes.c_uint8]:
    return array.ctypes.data_as(_BYTES)
