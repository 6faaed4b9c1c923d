"""Runs a program on the simulated Verilog of a design and compares its result with C simulation, byte for byte.

In: the Verilog's texts, a compiled program, its pictures. Out: cycles of the run and the bytes that differ.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.base.files import check_writable
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import STATUSES
from edgemoe_gen.program.compile import Program
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.report.numbers import bytes_, count
from edgemoe_gen.rtl.engine import Engine as Verilog
from edgemoe_gen.rtl.simulation import LATENCY, Memory, Waves, build_simulation, program_buffers, simulate
from edgemoe_gen.rtl.verilator import INSTALL, simulator_missing
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.timing.table import NoTableError, load_timing

TIER = "RTL simulation"
UNWRITTEN = 0xA5  # what both sides find in the result's buffer
TRACED_CYCLES = 1_000  # of a run that no range is given for: a long one would fill the disk
SUFFIX = ".vcd"
MOST_LATENCY = 100_000  # cycles; a memory that is slower than that is none
_RANGE = re.compile(r"(\d*):(\d*)")
Progress = Callable[[str, int, int], None]


def _quiet(what: str, done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Compared:
    """Outcome of one run. Tier: RTL simulation.

    Attributes:
        program: the program, in a few words.
        frames: number of its frames.
        operations: number of its operations.
        status: status of the engine; 0 is success.
        result_bytes: number of compared bytes; `differing` of them differ from C simulation.
        cycles: from the engine's start to its end.
        clock_mhz: clock of the design.
        memory: memory behind the buses.
        kilocycles_per_second: speed of the simulation.
        trace: file that was written, or None.
    """

    program: str
    frames: int
    operations: int
    status: int
    result_bytes: int
    differing: int
    cycles: int
    clock_mhz: float
    memory: Memory
    kilocycles_per_second: float
    trace: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether the run ended well, with the bytes of C simulation."""
        return not self.status and not self.differing

    @property
    def milliseconds(self) -> float:
        """Milliseconds of the run, at the design's clock."""
        return self.cycles / self.clock_mhz / 1000

    @property
    def headline(self) -> str:
        """The important result in one line."""
        ended = "" if not self.status else f" · the engine ended with {list(STATUSES)[self.status]}"
        return (
            f"{count(self.differing)} of {count(self.result_bytes)} bytes differ from C simulation{ended} · "
            f"{self.program}: {count(self.cycles)} cycles, {self.milliseconds:.3f} ms at {self.clock_mhz:g} MHz "
            f"({TIER})"
        )

    def document(self) -> dict[str, Any]:
        """For JSON."""
        rate = self.memory.bytes_per_cycle
        return {
            "tier": TIER,
            "program": self.program,
            "frames": self.frames,
            "operations": self.operations,
            "passed": self.passed,
            "status": list(STATUSES)[self.status],
            "result_bytes": self.result_bytes,
            "differing_bytes": self.differing,
            "cycles": self.cycles,
            "clock_mhz": self.clock_mhz,
            "milliseconds": self.milliseconds,
            "memory": {
                "latency_cycles": self.memory.latency,
                "bytes_per_cycle": None if rate is None else float(rate),
                "ready_percent": self.memory.percent,
                "seed": self.memory.seed,
            },
            "kilocycles_per_second": round(self.kilocycles_per_second, 2),
            "trace": None if self.trace is None else str(self.trace),
            "headline": self.headline,
        }


def need_simulator() -> None:
    """Refuses to simulate where a package of the extra is missing.

    Raises:
        ConfigError: one is.
    """
    reason = simulator_missing()
    if reason:
        raise ConfigError(reason, INSTALL)


def memory_of(
    design: Design, sources: Mapping[str, str], latency: int | None = None, percent: int = 100, seed: int = 1
) -> Memory:
    """The memory of the timed simulation, unless options say otherwise.

    Raises:
        ConfigError: a latency below 1 or absurdly large, or a share outside 1 to 100 percent.
    """
    if latency is not None and not 1 <= latency <= MOST_LATENCY:
        raise ConfigError(f"--latency is {latency}", f"give a number of cycles from 1 to {MOST_LATENCY:,}")
    if not 1 <= percent <= 100:
        raise ConfigError(f"--ready is {percent}", "give a percentage from 1 to 100")
    try:
        timing = load_timing(design, sources)
    except NoTableError:  # no figures of this device: a beat a cycle and bus
        return Memory(LATENCY if latency is None else latency, None, percent, seed)
    return Memory(timing.axi_latency if latency is None else latency, Fraction(timing.ddr_bytes), percent, seed)


def waves_of(trace: Path, cycles: str | None) -> Waves:
    """The trace that an option's texts request.

    Raises:
        ConfigError: the file is of another kind or can't be written, or the range is none.
    """
    if trace.suffix.lower() != SUFFIX:
        hint = f"end it with {SUFFIX}; GTKWave's vcd2fst makes an .fst of it" if trace.suffix == ".fst" else ""
        raise ConfigError(f"--trace is '{trace}', but a {SUFFIX} file is written", hint or f"end it with {SUFFIX}")
    check_writable(trace)
    if cycles is None:
        return Waves(trace, 0, TRACED_CYCLES)
    match = _RANGE.fullmatch(cycles)
    if match is None or cycles == ":":
        raise ConfigError(f"--trace-cycles is '{cycles}', no range of cycles", "give FROM:TO, FROM: or :TO")
    first, last = int(match[1] or 0), int(match[2]) if match[2] else None
    if last is not None and last < first:
        raise ConfigError(f"--trace-cycles is '{cycles}', which ends before it begins", "give FROM:TO")
    return Waves(trace, first, last)


def run_against_csim(
    verilog: Mapping[str, str], top: str, program: Program, image: Bytes, title: str, memory: Memory,
    *, waves: Waves | None = None, progress: Progress = _quiet,
) -> Compared:  # fmt: skip
    """Runs RTL and C simulation and compares the results.

    Args:
        verilog: texts by file name.
        top: its top module.
        program: compiled for the design.
        image: as `pack_image` gives it.
        title: the program, in a few words.
        memory: memory behind the buses.
        waves: file and cycles of a trace, which is written whole or not at all.
        progress: called with text, steps done, steps in all.

    Raises:
        SimulationError: either simulation can't be built or does not end.
    """
    design = program.design
    buffers = program_buffers(program, image)
    progress("RTL: C simulation", 0, 0)
    expected = np.full((program.result_beats, design.beat_bytes), UNWRITTEN, np.uint8)
    status, _ = Engine.compile(design).execute(
        buffers["program"], list(program.weights), program.constants, buffers["image"], expected
    )
    if status:
        raise SimulationError(f"C simulation ended with {list(STATUSES)[status]}", "report this")
    executable = build_simulation(
        Verilog(top, {}, verilog), design, trace=waves is not None,
        progress=lambda what, done, total: progress(f"RTL: {what}", done, total),
    )  # fmt: skip
    operations = len(program.operations)
    with tempfile.TemporaryDirectory(prefix="edgemoe-rtl-") as place:
        partial = None
        if waves is not None:
            waves.path.parent.mkdir(parents=True, exist_ok=True)
            partial = waves.path.with_name(f".{waves.path.name}.{os.getpid()}.partial")
        try:
            run = simulate(
                executable, buffers, expected.nbytes, Path(place), memory=memory,
                waves=None if waves is None or partial is None else Waves(partial, waves.first, waves.last),
                clock_mhz=design.knobs.clock_mhz,
                on_progress=lambda _, operation: progress("RTL: simulating", max(0, operation), operations),
            )  # fmt: skip
            written = _keep(partial, waves)
        finally:
            if partial is not None:
                partial.unlink(missing_ok=True)
    progress("RTL: simulating", operations, operations)
    return Compared(
        title, len(program.pictures), operations, run.status, expected.nbytes, run.bad(expected), run.cycles[-1],
        design.knobs.clock_mhz, memory, run.kilocycles_per_second, written,
    )  # fmt: skip


def _keep(partial: Path | None, waves: Waves | None) -> Path | None:
    """Moves a whole trace into place.

    Raises:
        ConfigError: the run had ended before the cycles that were asked for.
    """
    if partial is None or waves is None:
        return None
    if not partial.exists():
        raise ConfigError(f"the run ends before cycle {waves.first:,}, so there is no trace", "trace earlier cycles")
    partial.replace(waves.path)
    return waves.path


def speed(found: Compared) -> str:
    """How fast it went, and how large the trace is."""
    trace = "" if found.trace is None else f"; trace of {bytes_(found.trace.stat().st_size)}: {found.trace}"
    return f"simulated at {found.kilocycles_per_second:,.1f} kcycles/s{trace}"


__all__: Sequence[str] = ["TIER", "Compared", "memory_of", "need_simulator", "run_against_csim", "speed", "waves_of"]
