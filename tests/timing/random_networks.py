"""Hypothesis strategies for process networks: most of them run to their end, some deadlock.

Every FIFO has a writer and a reader, each a `Slot`: a statement of a process. Both move the same number of elements,
unless `Draft.break_one` takes one away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from tests.timing.networks import Access, Constants, Loop, Process, Read, Region, States, Write

Draw = Any


@dataclass
class Slot:
    """A statement in the making: "loop", "states" (a sequence of states) or "region", repeated `times`."""

    kind: str
    times: int
    reads: list[tuple[int, int]] = field(default_factory=list)  # FIFO, elements each time
    writes: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Draft:
    """Numbers that networks give to labels, processes and FIFOs."""

    draw: Draw
    labels: int = 0
    processes: int = 0
    fifos: int = 0
    ports: int = 0
    break_one: int = -1  # FIFO whose reader wants one element more than is written

    def next_label(self) -> int:
        """A loop's number."""
        self.labels += 1
        return self.labels - 1

    def next_process(self) -> int:
        """A process's number."""
        self.processes += 1
        return self.processes - 1

    def next_fifo(self) -> int:
        """A FIFO's number."""
        self.fifos += 1
        return self.fifos - 1

    def next_port(self) -> int:
        """A port's number."""
        self.ports += 1
        return self.ports - 1

    def integer(self, least: int, most: int) -> int:
        """A random number."""
        return int(self.draw(st.integers(least, most)))

    def loop(self, reads: list[tuple[int, int]], writes: list[tuple[int, int]]) -> Loop:
        """A pipelined loop that is long enough for all of its accesses."""

        def access(fifo: int, elements: int) -> Access:
            return Access(fifo, self.integer(1, 3), self.integer(0, 3), elements)

        ins = tuple(access(f, n + (f == self.break_one)) for f, n in reads)
        depth = self.integer(2, 9)
        outs = tuple(replace(access(f, n), stage=self.integer(0, depth - 1)) for f, n in writes)
        needed = [a.phase + a.period * (a.limit - 1) + 1 for a in (*ins, *outs) if a.limit]
        iterations = max(needed, default=0) + self.integer(0, 2)
        first, second = (self.next_port() if self.integer(0, 3) == 3 else -1 for _ in range(2))
        label, interval = self.next_label(), self.integer(1, 4)
        return Loop(label, iterations, interval, depth, ins, outs, first, second, self.integer(0, 2))

    def statements(self, slot: Slot) -> tuple[Any, ...]:
        """A slot's statements."""
        if slot.kind == "loop":
            return (self.loop(slot.reads, slot.writes),)
        if slot.kind == "states":
            body: list[Any] = [Read(f) for f, n in slot.reads if n < 3 for _ in range(n)]
            rest = [(f, n) for f, n in slot.reads if n >= 3], [(f, n) for f, n in slot.writes if n >= 3]
            if rest[0] or rest[1] or self.integer(0, 1):
                body.append(self.loop(*rest))
            body += [Write(f) for f, n in slot.writes if n < 3 for _ in range(n)]
            return (States(self.next_label(), slot.times, self.integer(1, 9), tuple(body)),)
        return (States(self.next_label(), slot.times, self.integer(1, 3), (self.inner_region(slot),)),)

    def inner_region(self, slot: Slot) -> Region:
        """A region of its own with a chain of processes, which share the slot's FIFOs."""
        count = self.integer(1, 3)
        inner = [Slot("loop", 1) for _ in range(count)]
        for fifo in slot.reads:
            inner[self.integer(0, count - 1)].reads.append(fifo)
        for fifo in slot.writes:
            inner[self.integer(0, count - 1)].writes.append(fifo)
        local: dict[int, int] = {}
        for first in range(count - 1):
            extra, elements = self.next_fifo(), self.integer(0, 6)
            local[extra] = self.integer(1, 5)
            inner[first].writes.append((extra, elements))
            inner[first + 1].reads.append((extra, elements))
        name = self.next_label()
        processes = [Process(self.next_process(), (self.loop(s.reads, s.writes),)) for s in inner]
        return Region(name, local, tuple(processes))

    def between(self, processes: Sequence[Process]) -> dict[tuple[str, str, str], int]:
        """Cycles between some places of each process."""
        found = {}
        for process in processes:
            places = [*_places(process.body), "again", "end"]
            for place in ["start", *places[:-1]]:
                for other in places:
                    if self.integer(0, 2):
                        found[f"p{process.name}", place, other] = self.integer(0, 6)
        return found


def _places(body: Sequence[Any]) -> list[str]:
    found = []
    for statement in body:
        if isinstance(statement, States):
            found += _places(statement.body)
        elif isinstance(statement, Loop):
            found.append(f"l{statement.label}")
        elif isinstance(statement, Region):
            found.append(f"r{statement.name}")
    return found


@st.composite
def networks(draw: Draw) -> tuple[Region, Constants]:
    """One to six processes with up to eight FIFOs, backward ones too."""
    draft = Draft(draw)
    count = draw(st.sampled_from([3, 2, 4, 5, 1, 6]))
    slots = []
    for _ in range(count):
        kinds = draw(st.lists(st.sampled_from(["loop", "loop", "states", "region"]), min_size=1, max_size=2))
        slots.append([Slot(kind, 1 if kind == "loop" else draft.integer(1, 3)) for kind in kinds])
    fifos = {}
    for _ in range(draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8]))):
        ends = sorted((draft.integer(0, count - 1), draft.integer(0, count - 1)))
        if draft.integer(0, 9) == 0:
            ends.reverse()
        writer = draw(st.sampled_from(slots[ends[0]]))
        reader = draw(st.sampled_from(slots[ends[1]]))
        base = draft.integer(1, 6) if draft.integer(0, 9) else 0
        fifo = draft.next_fifo()
        fifos[fifo] = draft.integer(1, 5)
        writer.writes.append((fifo, base * reader.times))
        reader.reads.append((fifo, base * writer.times))
    if fifos and draft.integer(0, 9) == 0:
        draft.break_one = draw(st.sampled_from(sorted(fifos)))
    processes = []
    for own in slots:
        body = tuple(statement for slot in own for statement in draft.statements(slot))
        processes.append(Process(draft.next_process(), body))
    constants = Constants(
        process_start=draft.integer(0, 3), region_end=draft.integer(0, 3), loop_skip=draft.integer(0, 2),
        stalling=draft.integer(0, 1), ddr_bytes=(draft.integer(1, 20), draft.integer(1, 3)),
        latency=draft.integer(0, 12), outstanding=draft.integer(1, 3), burst=draft.integer(1, 4),
    )  # fmt: skip
    if draft.integer(0, 1):  # as an engine in RTL
        constants = replace(
            constants, loop_end=draft.integer(0, 2), burst_start=draft.integer(0, 3), burst_next=draft.integer(0, 2),
            acknowledged=draft.integer(0, 1), between=draft.between(processes),
        )  # fmt: skip
    return replace(Region(draft.next_label(), fifos, ()), processes=tuple(processes)), constants
