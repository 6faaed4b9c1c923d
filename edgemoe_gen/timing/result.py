"""Result of a timed run: the timed library's JSON as frozen records, and functions of it.

Every figure is in cycles of the kernel's clock, tier "timed simulation".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.timing.explain import GROUP_ORDER, OTHER, group_of, label_of

TIER = "timed simulation"
_WAITS = {"full": "is full", "empty": "is empty"}


@dataclass(frozen=True)
class Record:
    """One process during one operation; -1 is no operation. Times are cycles since the start of the run."""

    operation: int
    start: int
    end: int
    busy: int
    starved: int
    blocked: int
    ddr: int

    @property
    def cycles(self) -> int:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True)
class Process:
    """One process; `title` numbers parallel instances, `idle` counts cycles before its begin or after its end."""

    name: str
    region: str
    instance: int
    title: str
    busy: int
    starved: int
    blocked: int
    ddr: int
    idle: int
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Fifo:
    """One FIFO: its depth (0: unbounded), highest fill in elements, and waiting times of its ends."""

    name: str
    depth: int
    highest: int
    writes: int
    blocked: int
    starved: int
    writer: str
    reader: str

    @property
    def variable(self) -> str:
        """Its variable: "weights" of weights[2]."""
        return self.name.partition("[")[0]


@dataclass(frozen=True)
class Port:
    """One AXI port: its traffic, and the time that the kernel waited for it."""

    name: str
    beats: int
    bursts: int
    bytes: int
    busy_cycles: int
    waited: int


@dataclass(frozen=True)
class OperationTime:
    """Times of an operation of the program, and its layer."""

    index: int
    start: int
    end: int
    label: str

    @property
    def cycles(self) -> int:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True)
class LoopUse:
    """One loop: its iterations, and cycles in which it waited at its reads and at its writes."""

    label: str
    iterations: int
    ii: int
    depth: int
    wait_in: int
    wait_out: int


@dataclass(frozen=True)
class Wait:
    """One link of a deadlock: a process, and what it waits for: a FIFO ("full", "empty"), "ddr", or another's "end"."""

    process: str
    waits_for: str
    fifo: str


@dataclass(frozen=True)
class Deadlock:
    """Processes and FIFOs that wait for each other, during an operation of a layer.

    Attributes:
        operation: number of the operation; `label` names its layer.
        cycle: the links.
        closed: the last process waits for the first; otherwise for one that is already over.
    """

    operation: int
    label: str
    cycle: tuple[Wait, ...]
    closed: bool = True

    def sentence(self) -> str:
        """The links in plain words."""
        links = []
        for place, wait in enumerate(self.cycle):
            last = place == len(self.cycle) - 1
            whom = self.cycle[0 if last else place + 1].process
            if last and not self.closed:
                whom = "a process that is over"
            links.append(f"{wait.process} waits for {whom} ({_reason(wait)})")
        return f"deadlock in layer {self.label}: " + ", ".join(links)


def _reason(wait: Wait) -> str:
    if wait.waits_for in _WAITS:
        return f"FIFO {wait.fifo} {_WAITS[wait.waits_for]}"
    return "the memory has not answered" if wait.waits_for == "ddr" else f"for its {wait.waits_for}"


@dataclass(frozen=True)
class GroupRow:
    """Cycles of a group of layers.

    Attributes:
        group: its title.
        operations: number of operations.
        cycles: cycles of all of them; `share` is their share of the run.
        compute: cycles in which the busiest process of each operation worked.
        weights: cycles beyond that in which the operation waited for weights.
        start_up: the rest: filling and draining, and one operation's start after the other's end.
    """

    group: str
    operations: int
    cycles: int
    share: float
    compute: int
    weights: int
    start_up: int

    @property
    def limit(self) -> str:
        """The largest part of its cycles."""
        parts = {"compute": self.compute, "weights": self.weights, "start-up": self.start_up}
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True)
class TimedResult:
    """One timed run.

    Attributes:
        cycles: cycles of the whole run.
        status: status of the engine.
        operations: operations in order.
        processes, fifos, ports, loops: in the order of the timed library.
        ddr_busy, ddr_bytes: cycles in which the memory delivered, and its bytes.
        violations: sentences on schedules that the hardware could not keep.
        deadlock: the circle of waits that ended the run; None where it ran to its end.
    """

    cycles: int
    status: int
    operations: tuple[OperationTime, ...]
    processes: tuple[Process, ...]
    fifos: tuple[Fifo, ...]
    ports: tuple[Port, ...]
    loops: tuple[LoopUse, ...]
    ddr_busy: float
    ddr_bytes: int
    violations: tuple[str, ...]
    deadlock: Deadlock | None

    @property
    def passed(self) -> bool:
        """Whether the run came to its end within the limits of the hardware."""
        return self.deadlock is None and not self.violations

    def milliseconds(self, clock_mhz: float) -> float:
        """Time of the run at a clock."""
        return self.cycles / (clock_mhz * 1e3)

    def by_group(self) -> tuple[GroupRow, ...]:
        """Cycles by group of layers, in the order of the data path."""
        inner, readers = self._records_by_operation(), self._weight_readers()
        grouped: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for op in self.operations:
            records = inner.get(op.index, [])
            compute = min(max((record.busy for _, record in records), default=0), op.cycles)
            waited = max((record.starved + record.ddr for name, record in records if name in readers), default=0)
            grouped[group_of(op.label)].append((op.cycles, compute, min(waited, op.cycles - compute)))
        between = self.cycles - sum(op.cycles for op in self.operations)
        if between > 0 and self.operations:
            # Reading the program, and what the last results take to DDR.
            grouped[OTHER].append((between, 0, 0))
        order = [*(title for title in GROUP_ORDER if title in grouped), *(g for g in grouped if g not in GROUP_ORDER)]
        rows = []
        for title in order:
            parts = grouped[title]
            cycles, compute, weights = (sum(part[i] for part in parts) for i in range(3))
            share = cycles / self.cycles if self.cycles else 0.0
            count = sum(group_of(op.label) == title for op in self.operations)
            rows.append(GroupRow(title, count, cycles, share, compute, weights, cycles - compute - weights))
        return tuple(rows)

    def _records_by_operation(self) -> dict[int, list[tuple[str, Record]]]:
        """Records of the processes that work on one operation at a time, by operation."""
        # The outermost region's processes run through the whole program, each at its own pace.
        outer = self._outer_region()
        found: dict[int, list[tuple[str, Record]]] = defaultdict(list)
        for process in self.processes:
            if process.region != outer:
                for record in process.records:
                    found[record.operation].append((process.title, record))
        return found

    def _outer_region(self) -> str:
        return self.processes[0].region if self.processes else ""

    def _weight_readers(self) -> frozenset[str]:
        return frozenset(fifo.reader for fifo in self.fifos if fifo.variable == "weights")


def parse_result(data: Mapping[str, Any], labels: Sequence[str] = ()) -> TimedResult:
    """The timed library's JSON as records.

    Args:
        data: parsed JSON of a run.
        labels: name of the layer of each operation.

    Raises:
        SimulationError: a key is missing or of the wrong kind.
    """
    try:
        return _parsed(data, labels)
    except (KeyError, TypeError, ValueError) as error:
        raise SimulationError(
            f"the timed library's result is not as expected: {type(error).__name__}: {error}",
            "this is a fault of edgemoe-gen: please report it",
        ) from error


def _parsed(data: Mapping[str, Any], labels: Sequence[str]) -> TimedResult:
    deadlock = data["deadlock"]
    return TimedResult(
        cycles=int(data["cycles"]),
        status=int(data["status"]),
        operations=tuple(
            OperationTime(int(op["index"]), int(op["start"]), int(op["end"]), label_of(labels, int(op["index"])))
            for op in data["operations"]
        ),
        processes=_processes(data["processes"]),
        fifos=tuple(Fifo(**{name: fifo[name] for name in Fifo.__annotations__}) for fifo in data["fifos"]),
        ports=tuple(Port(**{name: port[name] for name in Port.__annotations__}) for port in data["ports"]),
        loops=tuple(LoopUse(**{name: loop[name] for name in LoopUse.__annotations__}) for loop in data["loops"]),
        ddr_busy=float(data["ddr"]["busy"]),
        ddr_bytes=int(data["ddr"]["bytes"]),
        violations=tuple(_violation(entry, labels) for entry in data["violations"]),
        deadlock=None
        if deadlock is None
        else Deadlock(
            int(deadlock["operation"]),
            label_of(labels, int(deadlock["operation"])),
            tuple(Wait(str(w["process"]), str(w["waits_for"]), str(w.get("fifo") or "")) for w in deadlock["cycle"]),
            bool(deadlock.get("closed", True)),
        ),
    )


def _processes(entries: Sequence[Mapping[str, Any]]) -> tuple[Process, ...]:
    several = {(entry["region"], entry["name"]) for entry in entries if int(entry["instance"]) > 0}
    return tuple(_process(entry, (entry["region"], entry["name"]) in several) for entry in entries)


def _process(entry: Mapping[str, Any], numbered: bool) -> Process:
    totals = {name: int(entry[name]) for name in ("instance", "busy", "starved", "blocked", "ddr", "idle")}
    records = tuple(Record(*(int(value) for value in row)) for row in entry.get("records", ()))
    name = str(entry["name"])
    title = f"{name}[{totals['instance']}]" if numbered else name
    return Process(name=name, region=str(entry["region"]), title=title, records=records, **totals)


def _violation(entry: Mapping[str, Any], labels: Sequence[str]) -> str:
    """A sentence with the layer, and how often it happened."""
    count = int(entry.get("count", 1))
    often = f", {count:,} times in all" if count > 1 else ""
    return f"{entry['message']} (layer {label_of(labels, int(entry['operation']))}{often})"
