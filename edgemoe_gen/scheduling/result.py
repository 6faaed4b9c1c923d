"""The outcome of a schedule: interval, depth and limit of every pipelined loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

SCHEMA = 1
TIER = "schedule (open)"


@dataclass(frozen=True)
class Step:
    """One operation of a recurrence.

    Attributes:
        operation: its kind, with the name of its register, memory or FIFO if it has one.
        bits: bits that count.
        ns: combinational time; `cycles` is its latency.
        place: file and line in the kernel; `inner` in the helper that was inlined there, or "".
    """

    operation: str
    bits: int
    ns: float
    cycles: int
    place: str
    inner: str


@dataclass(frozen=True)
class RecurrenceReport:
    """A recurrence: the chain by which an iteration waits for an earlier one.

    Attributes:
        ns: the shortest period that fits it at the interval, at the higher price of a choice.
        iterations: number of iterations that it spans.
        carriers: registers and memories that carry it.
        places: files and lines on it, each once.
        steps: its operations.
    """

    ns: float
    iterations: int
    carriers: tuple[str, ...]
    places: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class LoopSchedule:
    """One pipelined loop.

    Attributes:
        label, file, line, function: its place.
        ii: initiation interval of its pragma.
        forced_ii: the least that latencies and stated distances allow; more than `ii` is a fault of the design.
        budget_ii: the least at which every recurrence fits the budget.
        depth: cycles of an iteration, first and last included.
        ns: time of its slowest recurrence, choices at their higher price; `low_ns` at their lower price; 0 without a
            recurrence. If a single operation exceeds the budget and takes longer, its time.
        recurrence: the slowest, or None.
        over: recurrences over the budget, once for each set of lines.
        stages: for every FIFO and port, the stage in which it is read and the stage in which it is written.
        fault: the reason why the interval can't be kept, with file and line; "" if it can.
    """

    label: str
    file: str
    line: int
    function: str
    ii: int
    forced_ii: int
    budget_ii: int
    depth: int
    ns: float
    low_ns: float
    recurrence: RecurrenceReport | None
    over: tuple[RecurrenceReport, ...]
    stages: Mapping[str, Mapping[str, int]]
    fault: str


@dataclass(frozen=True)
class Schedule:
    """All pipelined loops of a design.

    Attributes:
        part, clock_mhz: those of the design; `budget_ns` is the period less the uncertainty.
        table: file of the delays; `compiler`: version of the package that compiled the kernels.
        notes: limits of the figures for this part.
    """

    part: str
    clock_mhz: float
    budget_ns: float
    table: str
    compiler: str
    loops: tuple[LoopSchedule, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[LoopSchedule, ...]:
        """Loops over the budget or with a fault, the slowest first."""
        bad = [loop for loop in self.loops if loop.fault or loop.ns > self.budget_ns]
        return tuple(sorted(bad, key=lambda loop: (not loop.fault, -loop.ns)))

    @property
    def slowest(self) -> LoopSchedule | None:
        """The loop with the slowest recurrence."""
        return max(self.loops, key=lambda loop: loop.ns, default=None)

    @property
    def headline(self) -> str:
        """The slowest recurrence beside the budget, in a few words."""
        slowest = self.slowest
        if slowest is None or slowest.recurrence is None:
            return f"no recurrence in {len(self.loops)} loops ({TIER})"
        place = slowest.recurrence.places[0].rpartition("/")[2] if slowest.recurrence.places else slowest.file
        over = "" if slowest.ns <= self.budget_ns else ", over the budget"
        return (
            f"slowest recurrence {slowest.ns:.2f} of {self.budget_ns:.2f} ns{over}, {slowest.label}, {place} ({TIER})"
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Schedule:
        """The schedule of a `document`.

        Raises:
            ValueError, KeyError, TypeError: the document has another schema.
        """
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        values = {each.name: document[each.name] for each in fields(cls)}
        loops = tuple(_loop(loop) for loop in values.pop("loops"))
        return cls(loops=loops, notes=tuple(values.pop("notes")), **values)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"schema": SCHEMA, "tier": TIER, **asdict(self), "failed": [loop.label for loop in self.failed]}


def _loop(values: Mapping[str, Any]) -> LoopSchedule:
    slowest = values["recurrence"]
    changed = {
        "recurrence": None if slowest is None else _recurrence(slowest),
        "over": tuple(map(_recurrence, values["over"])),
    }
    return LoopSchedule(**{**values, **changed})


def _recurrence(values: Mapping[str, Any]) -> RecurrenceReport:
    changed = {name: tuple(values[name]) for name in ("carriers", "places")}
    return RecurrenceReport(**{**values, **changed, "steps": tuple(Step(**step) for step in values["steps"])})


__all__ = ["SCHEMA", "TIER", "LoopSchedule", "RecurrenceReport", "Schedule", "Step"]
