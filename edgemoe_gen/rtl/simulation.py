"""Simulates an engine in RTL with Verilator, behind a memory on its AXI ports and a driver at its registers.

In: the engine's modules, and buffers as in DDR. Out: the result, and cycles of runs and operations. The text of the
executable is in `hls/rtl/simulation`; it is built once for an engine, by content.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import READ, WEIGHTS, axi_ports
from edgemoe_gen.hardware.registers import engine_registers
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.rtl.engine import Engine
from edgemoe_gen.rtl.verilator import LEVEL, build_program

RESULT = "result"
LATENCY = 40  # cycles
UNWRITTEN = 0xA5  # a byte of the result that the engine has not written
MOST_CYCLES = 100_000_000
# Longer than any loop of the kernels that moves nothing: it takes an iteration a cycle, at most one for each token.
QUIET_CYCLES = 200_000
EVERY_CYCLES = 10_000  # from one word on progress to the next
_GRACE_SECONDS = 10.0
# Looked at from outside (hls/rtl/simulation/monitor.h).
_VISIBLE = """\
public_flat_rd -module "*" -var "fifo_*_occupancy"
public_flat_rd -module "*" -var "fifo_*_write"
public_flat_rd -module "*" -var "fifo_*_full_n"
public_flat_rd -module "{top}" -var "engine_ap_start"
public_flat_rd -module "{top}" -var "engine_progress_write_*"
public_flat_rd -module "{top}" -var "done"
"""


@dataclass(frozen=True)
class Memory:
    """The memory behind the ports.

    Attributes:
        latency: cycles from a burst's request to its first beat.
        bytes_per_cycle: rate of all ports together, as in the timed simulation; None: each port moves a beat a cycle.
        percent: share of the cycles in which a bus is ready or valid, for each bus.
        seed: seed of gaps, and of the first contents of registers and memories.
    """

    latency: int = LATENCY
    bytes_per_cycle: Fraction | None = None
    percent: int = 100
    seed: int = 1


@dataclass(frozen=True)
class Waves:
    """A trace of every signal (VCD), from a cycle of the first run to another one; None: to its end."""

    path: Path
    first: int = 0
    last: int | None = None


@dataclass(frozen=True)
class OperationCycles:
    """An operation: from the cycle in which the engine takes it up to the next one's, counted from the run's start."""

    index: int
    start: int
    end: int

    @property
    def cycles(self) -> int:
        """Its number of cycles."""
        return self.end - self.start


@dataclass(frozen=True)
class EngineRun:
    """Outcome of a simulation.

    Attributes:
        status: of the engine after the last run.
        result: the result buffer after the last run; unwritten bytes are UNWRITTEN.
        cycles: cycles of each run, from the engine's start to its end.
        operations: operations of the last run.
        fills: the depth that each FIFO needs so that no write waits longer, as in the timed simulation, by module
            instance and name.
        clocks: number of simulated clocks, in `seconds`.
    """

    status: int
    result: Bytes
    cycles: tuple[int, ...]
    operations: tuple[OperationCycles, ...]
    fills: Mapping[str, int] = field(default_factory=dict)
    clocks: int = 0
    seconds: float = 0.0

    def bad(self, expected: Bytes) -> int:
        """Bytes of the result that are not the expected ones."""
        flat = np.ascontiguousarray(expected).reshape(-1).view(np.uint8)
        return int(np.count_nonzero(flat != self.result)) if flat.size == self.result.size else flat.size

    @property
    def kilocycles_per_second(self) -> float:
        """Speed of the simulation."""
        return self.clocks / 1e3 / self.seconds if self.seconds else 0.0


def build_simulation(
    engine: Engine, design: Design, *, trace: bool = False, level: str = LEVEL,
    progress: Callable[[str, int, int], object] | None = None,
) -> Path:  # fmt: skip
    """The executable that simulates an engine, from the cache where possible.

    Args:
        trace: whether the executable can write a trace, which makes it slower.
        level: see `build_program`.
        progress: called with text, files compiled and all, where it has to be built.

    Raises:
        SimulationError: a package of the extra `rtl` is not installed, there is no compiler, or a source is refused.
    """
    return _build(engine, design, "engine.cpp", progress, trace=trace, level=level)


def build_model(engine: Engine, design: Design, progress: Callable[[str, int, int], object] | None = None) -> Path:
    """The library that simulates an engine for `rtl.model`; see `build_simulation`."""
    return _build(engine, design, "board.cpp", progress, shared=True)


def _build(
    engine: Engine, design: Design, main: str, progress: Callable[[str, int, int], object] | None,
    *, trace: bool = False, shared: bool = False, level: str = LEVEL,
) -> Path:  # fmt: skip
    folder = resource_folder("hls") / "rtl" / "simulation"
    headers = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.h"))}
    headers["design.h"] = _design_header(design)
    return build_program(
        engine.sources, engine.top, (folder / main).read_text(encoding="utf-8"), headers,
        config=_VISIBLE.format(top=engine.top), trace=trace, shared=shared, level=level,
        progress=progress or (lambda *_: None),
    )  # fmt: skip


def _design_header(design: Design) -> str:
    ports = axi_ports(design.knobs.weight_ports)
    bundles = {port.bundle: "READ" if port.direction == READ else "WRITE" for port in ports}
    reading, writing = (
        ", ".join(f"{kind}_PORT({bundle})" for bundle, found in bundles.items() if found == kind)
        for kind in ("READ", "WRITE")
    )
    status = next(r.offset for r in engine_registers(design.knobs.weight_ports) if r.name == "status")
    names = ", ".join(f'"{port.name}"' for port in ports)
    return (
        "// The buses, buffers and registers of the design that is simulated.\n#pragma once\n\n"
        f"#define READERS {reading}\n#define WRITERS {writing}\n#define BUFFERS {names}\n"
        f"constexpr int BEAT = {design.beat_bytes};\nconstexpr int STATUS = {status};\n"
    )


def program_buffers(program: Program, image: Bytes) -> dict[str, Bytes]:
    """The buffers of a compiled program by the engine's ports, but the result's; `image` as `pack_image` gives it."""
    beat = program.design.beat_bytes
    words = np.ascontiguousarray(program_words(program), "<u4").view(np.uint8).reshape(-1)
    words = np.pad(words, (0, -words.nbytes % beat))
    weights = {f"{WEIGHTS}_{port}": content for port, content in enumerate(program.weights)}
    return {"program": words, **weights, "constants": program.constants, "image": image}


def simulate(
    executable: Path, buffers: Mapping[str, Bytes], result_bytes: int, folder: Path, *, memory: Memory | None = None,
    runs: int = 1, most_cycles: int = MOST_CYCLES, quiet_cycles: int = QUIET_CYCLES, waves: Waves | None = None,
    clock_mhz: float = 500.0, on_progress: Callable[[int, int], None] | None = None,
) -> EngineRun:  # fmt: skip
    """Runs an engine.

    Args:
        executable: result of `build_simulation`; with `trace`, if there are `waves`.
        buffers: contents by the engine's ports, see `program_buffers`.
        result_bytes: size of the result buffer.
        folder: to work in; buffers and result stay there.
        memory: memory behind the ports.
        runs: number of starts of the engine, one run after the other.
        most_cycles: clocks after which the simulation gives up.
        quiet_cycles: cycles without movement of any bus or FIFO, beyond the memory's latency, after which it gives up.
        waves: signals and cycles to trace.
        clock_mhz: clock for the times in the trace.
        on_progress: called every now and then with clocks so far, and the operation that runs (-1: none yet).

    Raises:
        SimulationError: the engine did not end, or asked for what is in no buffer.
        KeyboardInterrupt: Ctrl-C; the program is gone by then, and the trace closed.
    """
    memory = memory or Memory()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in buffers.items():
        (folder / name).write_bytes(np.ascontiguousarray(content).tobytes())
    given: dict[str, object] = {
        "result": result_bytes, "runs": runs, "most": most_cycles, "quiet": quiet_cycles + memory.latency,
        "every": EVERY_CYCLES if on_progress else 0, "latency": memory.latency, "percent": memory.percent,
        "seed": memory.seed,
    }  # fmt: skip
    if memory.bytes_per_cycle is not None:
        given |= {"numerator": memory.bytes_per_cycle.numerator, "denominator": memory.bytes_per_cycle.denominator}
    if waves is not None:
        given |= {"trace": waves.path, "from": waves.first, "to": -1 if waves.last is None else waves.last}
        given |= {"half": round(5e5 / clock_mhz)}
    command = [str(executable), str(folder), *(f"{name}={value}" for name, value in given.items())]
    said = _watched(command, on_progress)
    if "moved" in said:
        raise SimulationError(
            f"the engine stands: no bus and no FIFO has moved since cycle {said['moved']:,} of the run; operation "
            f"{said['unended']} is under way",
            "trace the cycles before that one to see what waits",
        )
    if "unended" in said:
        raise SimulationError(
            f"the engine has not ended after {most_cycles:,} clocks; operation {said['unended']} is under way",
            "simulate more clocks, or trace the last ones to see what waits",
        )
    if "error" in said:
        raise SimulationError(f"RTL simulation: {said['error']}", "trace the run to see what leads there")
    operations = tuple(OperationCycles(*row) for row in said["operations"])
    result = np.frombuffer((folder / RESULT).read_bytes(), np.uint8)
    fills = {_fifo_name(name): highest for name, highest in said["fifos"].items()}
    return EngineRun(
        said["status"], result, tuple(said["cycles"]), operations, fills, said["clocks"], said["seconds"]
    )  # fmt: skip


def _fifo_name(name: str) -> str:
    """Such as "operate.fifo_scores_0": the region, and the FIFO as the kernels call it with its number."""
    region, _, fifo = name.rpartition(".")
    return f"{region}.{fifo.removeprefix('fifo_')}"


def _watched(command: Sequence[str], on_progress: Callable[[int, int], None] | None) -> dict[str, Any]:
    """The last line of JSON that a simulation says; what comes before is progress."""
    # In a session of its own: a Ctrl-C of the terminal reaches this program alone, which then ends the simulation.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        last = ""
        try:
            for line in process.stdout:
                last = line
                if on_progress is not None and line.startswith('{"clock"'):
                    so_far = json.loads(line)
                    on_progress(so_far["clock"], so_far["operation"])
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE_SECONDS)
                process.kill()
    with contextlib.suppress(json.JSONDecodeError):
        found = json.loads(last)
        if isinstance(found, dict) and "clock" not in found:
            return found
    code = process.returncode
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    raise SimulationError(f"the RTL simulation ended without a result ({ended}): {last.strip()[:300]}")


__all__ = [
    "EngineRun", "Memory", "OperationCycles", "Waves", "build_model", "build_simulation", "program_buffers", "simulate",
]  # fmt: skip
