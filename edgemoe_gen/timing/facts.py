"""A timed run as JSON, for `simulate --json` and for the pictures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgemoe_gen.timing.differences import Difference
from edgemoe_gen.timing.explain import block_of, group_of, of_decoder
from edgemoe_gen.timing.result import TIER, Process, TimedResult
from edgemoe_gen.timing.roofline import Roofline
from edgemoe_gen.timing.sizing import Sizing
from edgemoe_gen.timing.table import Timing

BINS = 300  # columns of the picture
STATES = ("busy", "ddr", "starved", "blocked")


@dataclass(frozen=True)
class TimedRun:
    """A timed run with its explanation.

    Attributes:
        board: title of the board.
        tasks: tasks of its frames, in order, or tasks that share a frame and its backbone.
        timing: timing of the library.
        result: result of the library.
        roofline: roofline of the design.
        frames: number of pictures.
        differences: differences to C synthesis, where its report was given.
        sizing: sizing of FIFOs, where requested.
        frames_per_pass: most frames of one task that share a pass of the weights.
        decoders: moved and needed bytes of a frame's decoders, and their ratio; None without decoders on the engine.
    """

    board: str
    tasks: tuple[str, ...]
    timing: Timing
    result: TimedResult
    roofline: Roofline
    frames: int
    differences: tuple[Difference, ...] = ()
    sizing: Sizing | None = None
    frames_per_pass: int = 1
    decoders: Mapping[str, float] | None = None

    @property
    def milliseconds(self) -> float:
        """Time of the run."""
        return self.result.milliseconds(self.timing.clock_mhz)

    @property
    def milliseconds_per_frame(self) -> float:
        """Time of a frame."""
        return self.milliseconds / max(self.frames, 1)

    @property
    def decoder_cycles_per_frame(self) -> float:
        """Average cycles of the engine's decoders in a frame."""
        cycles = sum(op.cycles for op in self.result.operations if of_decoder(group_of(op.label)))
        return cycles / max(self.frames, 1)

    @property
    def headline(self) -> str:
        """The important result in one line."""
        if self.result.deadlock is not None:
            return self.result.deadlock.sentence()
        if self.result.violations:
            return f"the schedule asks for more than the hardware has: {self.result.violations[0]}"
        whole = ""
        if self.frames_per_pass > 1:
            whole = f", {self.frames} in {self.milliseconds:.3f} ms"
        at = f"on the {self.board} at {self.timing.clock_mhz:g} MHz ({TIER})"
        decoders = self.decoder_cycles_per_frame / (self.timing.clock_mhz * 1e3)
        of_it = f", of it decoders {decoders:.3f} ms" if decoders else ""
        tasks = f" of {', '.join(self.tasks)}" if len(self.tasks) > self.frames else ""
        return (
            f"{self.milliseconds_per_frame:.3f} ms a frame{tasks}{whole} {at}{of_it}"
            f" · {self.roofline.ratio:.2f} × the bound, which is {self.roofline.limit}"
        )


def timing_facts(run: TimedRun) -> dict[str, Any]:
    """Facts for a report: totals, tables and a timeline of `BINS` columns, without records."""
    result = run.result
    return {
        "tier": TIER,
        "headline": run.headline,
        "board": run.board,
        "family": run.timing.family,
        "band": run.timing.band,
        "clock_mhz": run.timing.clock_mhz,
        "tasks": list(run.tasks),
        "frames": run.frames,
        "frames_per_pass": run.frames_per_pass,
        "cycles": result.cycles,
        "cycles_per_frame": result.cycles / max(run.frames, 1),
        "milliseconds_per_frame": run.milliseconds_per_frame,
        "by_stage": {
            "backbone": result.cycles / max(run.frames, 1) - run.decoder_cycles_per_frame,
            "decoder": run.decoder_cycles_per_frame,
        },
        "passed": result.passed,
        "violations": list(result.violations),
        "deadlock": None
        if result.deadlock is None
        else {**asdict(result.deadlock), "sentence": result.deadlock.sentence()},
        "groups": [{**asdict(row), "limit": row.limit} for row in result.by_group()],
        "processes": [_process(process, result.cycles) for process in result.processes],
        "fifos": [asdict(fifo) for fifo in result.fifos],
        "ports": [asdict(port) for port in result.ports],
        "ddr": {
            "busy": result.ddr_busy,
            "bytes": result.ddr_bytes,
            "bytes_per_cycle": float(run.timing.ddr_bytes),
            "share": result.ddr_busy / result.cycles if result.cycles else 0.0,
        },
        "loops": [
            {**asdict(use), "origin": known.origin if (known := run.timing.loops.get(use.label)) else "table"}
            for use in result.loops
        ],
        "decoders": None if run.decoders is None else dict(run.decoders),
        "roofline": run.roofline.as_dict(),
        "differences": [{**asdict(row), "differs": row.differs} for row in run.differences],
        "sizing": None if run.sizing is None else asdict(run.sizing),
        "timeline": timeline(result),
    }


def full_facts(run: TimedRun) -> dict[str, Any]:
    """All facts, also the times of every operation, and of every process during each operation."""
    facts = timing_facts(run)
    facts.pop("timeline")
    facts["operations"] = [
        {**asdict(op), "cycles": op.cycles, "group": group_of(op.label)} for op in run.result.operations
    ]
    for entry, process in zip(facts["processes"], run.result.processes, strict=True):
        entry["records"] = [asdict(record) for record in process.records]
    return facts


def _process(process: Process, cycles: int) -> dict[str, Any]:
    totals = {state: getattr(process, state) for state in (*STATES, "idle")}
    shares = {f"{state}_share": value / cycles if cycles else 0.0 for state, value in totals.items()}
    return {"name": process.title, "region": process.region, **totals, **shares}


def timeline(result: TimedResult, bins: int = BINS) -> dict[str, Any]:
    """States of each process over the run, as shares of `bins` equal spans of time; and the spans of the layers."""
    rows = [
        {"name": process.title, "region": process.region, **_binned(process, result.cycles, bins)}
        for process in result.processes
    ]
    return {"bins": bins, "rows": rows, "layers": _layers(result)}


def _layers(result: TimedResult) -> list[dict[str, Any]]:
    """Neighbouring operations of one block and group as one span."""
    spans: list[dict[str, Any]] = []
    for op in result.operations:
        key = {"block": block_of(op.label), "group": group_of(op.label)}
        if spans and all(spans[-1][name] == value for name, value in key.items()):
            spans[-1]["end"] = op.end
        else:
            spans.append({**key, "start": op.start, "end": op.end})
    return spans


def _binned(process: Process, cycles: int, bins: int) -> dict[str, list[float]]:
    """Shares of each span by state; a record's states are spread evenly over it."""
    columns: dict[str, list[float]] = {state: [0.0] * bins for state in STATES}
    if not cycles:
        return columns
    width = cycles / bins
    for record in process.records:
        if record.cycles <= 0:
            continue
        for i, share in _overlaps(record.start, record.end, width, bins):
            for state in STATES:
                columns[state][i] += share * getattr(record, state) / record.cycles
    return {state: [round(min(value, 1.0), 3) for value in values] for state, values in columns.items()}


def _overlaps(start: int, end: int, width: float, bins: int) -> Sequence[tuple[int, float]]:
    """Columns that a span touches, and which share of each it fills."""
    first, last = min(int(start / width), bins - 1), min(int((end - 1e-9) / width), bins - 1)
    return [(i, max(min(end, (i + 1) * width) - max(start, i * width), 0.0) / width) for i in range(first, last + 1)]
