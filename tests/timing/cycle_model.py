"""A plain cycle-stepped model of process networks: every cycle, every process, nothing clever.

It knows the rules of hls/timed only from their text: what happened in a cycle counts from the next one on, a pipeline
stands still in a cycle in which its oldest iteration can't write.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.timing.networks import (
    BEAT_BYTES,
    Constants,
    Loop,
    Outcome,
    Process,
    Read,
    Region,
    States,
    Write,
    port_directions,
)

PATIENCE = 400  # cycles without any event until it is a deadlock; more than any depth, II or number of states
Steps = Generator[None, None, None]


@dataclass
class Fifo:
    """Cycles of all writes and reads so far."""

    depth: int
    writes: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)

    def holds(self, cycle: int, wanted: int) -> bool:
        """Whether so many elements can be read in this cycle: written in an earlier one."""
        return sum(w < cycle for w in self.writes) - len(self.reads) >= wanted

    def has_room(self, cycle: int, wanted: int) -> bool:
        """Whether so many can be written: places read in an earlier cycle are free."""
        return self.depth - (len(self.writes) - sum(r < cycle for r in self.reads)) >= wanted

    @property
    def highest(self) -> int:
        """Most places in use, a place counting until the cycle of its read is over."""
        return max((n + 1 - sum(r < w for r in self.reads) for n, w in enumerate(self.writes)), default=0)


@dataclass
class Port:
    """An AXI port: beats that the open burst still has to ask for, and when beats were touched and delivered."""

    writes: bool
    opened: int = 0  # cycle
    remaining: int = 0
    asked: int = 0  # beats
    ends: list[int] = field(default_factory=list)  # number of the beat behind each requested burst
    gathered: int = 0  # writes: beats that are in no complete burst yet
    complete: list[tuple[int, int]] = field(default_factory=list)  # writes: bursts, by the cycle of their last beat
    touched: list[int] = field(default_factory=list)  # cycle of each beat's read or write
    delivered: list[int] = field(default_factory=list)  # first cycle in which a read beat is there, a written one gone

    def ready(self, cycle: int, capacity: int) -> bool:
        """Whether the next beat can be read, or written."""
        n = len(self.touched) - (capacity if self.writes else 0)
        return n < 0 or (n < len(self.delivered) and self.delivered[n] <= cycle)

    def write(self, cycle: int, burst: int) -> None:
        """A beat enters the buffer."""
        self.touched.append(cycle)
        self.gathered += 1
        self.remaining -= 1
        if self.gathered == burst or self.remaining == 0:
            self.complete.append((cycle, self.gathered))
            self.gathered = 0


@dataclass
class Place:
    """Where a process was last: a loop or region; the cycles of accesses and states since then; places met so far."""

    process: str
    name: str = "start"
    spent: int = 0
    met: int = 0

    def leave(self, name: str) -> None:
        """The process has been there."""
        self.name, self.spent = name, 0
        self.met += 1


class Ddr:
    """One server for all ports, stepped at the end of each cycle."""

    def __init__(self, constants: Constants, directions: list[int]) -> None:
        self.said = constants
        self.ports = [Port(bool(direction)) for direction in directions]
        self.free = Fraction(0)

    def step(self, cycle: int) -> bool:
        """The requests of a cycle, port after port; whether there was one."""
        found = False
        for port in self.ports:
            beats = self._wanted(port, cycle)
            if beats:
                self._serve(port, cycle, beats)
                found = True
        return found

    def _wanted(self, port: Port, cycle: int) -> int:
        before = sum(t < cycle - self.said.burst_next for t in port.touched)
        if port.writes:
            there = port.complete and port.complete[0][0] < cycle - self.said.burst_next
            return port.complete.pop(0)[1] if there else 0
        if cycle < port.opened + self.said.burst_start:
            return 0
        in_flight = sum(end > before for end in port.ends)
        return min(port.remaining, self.said.burst) if in_flight < self.said.outstanding else 0

    def _serve(self, port: Port, cycle: int, beats: int) -> None:
        self.free = max(self.free, Fraction(cycle + self.said.latency))
        for _ in range(beats):
            self.free += Fraction(BEAT_BYTES * self.said.ddr_bytes[1], self.said.ddr_bytes[0])
            last = port.delivered[-1] if port.delivered else -1
            port.delivered.append(max(math.ceil(self.free), last + 1))
        port.asked += beats
        port.ends.append(port.asked)
        if not port.writes:
            port.remaining -= beats


class CycleModel:
    """One run of a network."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.cycle = 0
        self.last_event = 0
        self.fifos: dict[int, Fifo] = {}
        self.highest: dict[int, int] = {}
        self.live: list[Steps] = []
        self.ends: list[tuple[int, int, int]] = []
        self.ddr = Ddr(constants, [])

    def run(self, region: Region) -> Outcome:
        """Steps until the region is over, or nothing has happened for long."""
        self.ddr = Ddr(self.constants, port_directions(region))
        root = self._region(region)
        finished = not self._step(root)
        while not finished and self.cycle - self.last_event < PATIENCE:
            if self.ddr.step(self.cycle):
                self._event()
            self.cycle += 1
            for process in reversed(list(self.live)):  # children first: a parent sees in the same cycle that all ended
                if process in self.live:
                    self._step(process)
            finished = not self._step(root)
        for number, fifo in self.fifos.items():
            self._note(number, fifo)
        highest = {number: fill for number, fill in self.highest.items() if fill}
        end = self.cycle
        if self.constants.acknowledged and finished:
            end = max([end, *(self._acknowledged(port) for port in self.ddr.ports if port.writes)])
        return Outcome(sorted(self.ends), highest, not finished, end if finished else 0)

    def _acknowledged(self, port: Port) -> int:
        """The cycle after which memory has all that a port wrote."""
        cycle = self.cycle
        while port.complete:
            self.ddr.step(cycle)
            cycle += 1
        return port.delivered[-1] + 1 if port.delivered else 0

    def _step(self, process: Steps) -> bool:
        try:
            next(process)
        except StopIteration:
            if process in self.live:
                self.live.remove(process)
            return False
        return True

    def _note(self, number: int, fifo: Fifo) -> None:
        self.highest[number] = max(self.highest.get(number, 0), fifo.highest)

    def _event(self) -> None:
        self.last_event = self.cycle

    def _idle(self, cycles: int) -> Steps:
        for _ in range(cycles):
            self._event()
            yield

    def _region(self, region: Region) -> Steps:
        for number, depth in region.fifos.items():
            self.fifos[number] = Fifo(depth)
        running = [self._process(process) for process in region.processes]
        self.live += running
        for process in running:
            self._step(process)
        while any(process in self.live for process in running):
            yield
        yield from self._idle(self.constants.region_end)
        for number in region.fifos:
            self._note(number, self.fifos.pop(number))

    def _process(self, process: Process) -> Steps:
        yield from self._idle(self.constants.process_start)
        start = self.cycle
        at = Place(f"p{process.name}")
        yield from self._body(process.body, at)
        yield from self._reach(at, "end")
        self._event()
        self.ends.append((process.name, start, self.cycle))

    def _reach(self, at: Place, name: str) -> Steps:
        """What is left of the cycles that lie before a place."""
        wanted = self.constants.between.get((at.process, at.name, name), 0)
        yield from self._idle(wanted - at.spent)
        at.leave(name)

    def _body(self, body: Sequence[Any], at: Place) -> Steps:
        for statement in body:
            if isinstance(statement, Loop):
                self._open(statement)
                yield from self._reach(at, f"l{statement.label}")
                yield from self._loop(statement)
                at.leave(f"l{statement.label}")
            elif isinstance(statement, States):
                if statement.iterations == 0:
                    yield from self._idle(self.constants.loop_skip)
                met = -1
                for _ in range(statement.iterations):
                    if at.met == met:
                        yield from self._reach(at, "again")
                    start, met = self.cycle, at.met
                    yield from self._body(statement.body, at)
                    at.spent += max(0, start + statement.states - self.cycle)
                    yield from self._idle(start + statement.states - self.cycle)
            elif isinstance(statement, Read):
                while not self.fifos[statement.fifo].holds(self.cycle, 1):
                    yield
                self.fifos[statement.fifo].reads.append(self.cycle)
                at.spent += 1
                yield from self._idle(1)
            elif isinstance(statement, Write):
                while not self.fifos[statement.fifo].has_room(self.cycle, 1):
                    yield
                self.fifos[statement.fifo].writes.append(self.cycle)
                at.spent += 1
                yield from self._idle(1)
            else:
                yield from self._reach(at, f"r{statement.name}")
                yield from self._region(statement)
                at.leave(f"r{statement.name}")

    def _open(self, loop: Loop) -> None:
        """Bursts are asked for before their loop begins."""
        for number in (loop.fetch, loop.store):
            if number >= 0:
                self.ddr.ports[number].remaining = loop.iterations
                self.ddr.ports[number].opened = self.cycle

    def _loop(self, loop: Loop) -> Steps:
        if loop.iterations == 0:
            yield from self._idle(self.constants.loop_skip)
        stages: list[int | None] = [None] * loop.depth  # the iteration in each stage
        issued, since_issue, done = 0, loop.ii, 0
        fetch, store = (self.ddr.ports[port] if port >= 0 else None for port in (loop.fetch, loop.store))
        capacity = self.constants.outstanding * self.constants.burst
        if loop.iterations:
            yield from self._idle(loop.begin)
        while done < loop.iterations:
            # What would this cycle be: everything one stage on.
            moved = [None, *stages[:-1]]
            leaving = moved[-1]
            writes = [
                a.fifo
                for a in loop.writes
                for iteration in [moved[a.stage or -1]]
                if iteration is not None and a.touches(iteration)
            ]
            reads = None
            if issued < loop.iterations and since_issue >= loop.ii:
                reads = [a.fifo for a in loop.reads if a.touches(issued)]
            here = fetch is None or fetch.ready(self.cycle, capacity)
            here = reads is not None and here and all(self.fifos[f].holds(self.cycle, reads.count(f)) for f in reads)
            full = leaving is not None and store is not None and not store.ready(self.cycle, capacity)
            starved = self.constants.stalling and reads is not None and not here
            if starved or full or not all(self.fifos[f].has_room(self.cycle, writes.count(f)) for f in writes):
                yield  # stands still
                continue
            stages = moved
            if leaving is not None:
                done += 1
                self._event()
                if store is not None:
                    store.write(self.cycle, self.constants.burst)
            for f in writes:
                self.fifos[f].writes.append(self.cycle)
            if reads is not None and here:
                if fetch is not None:
                    fetch.touched.append(self.cycle)
                for f in reads:
                    self.fifos[f].reads.append(self.cycle)
                stages[0] = issued
                issued, since_issue = issued + 1, 0
                self._event()
            since_issue += 1
            yield
        if loop.iterations:
            yield from self._idle(self.constants.loop_end)


def step_network(region: Region, constants: Constants | None = None) -> Outcome:
    """Runs a network cycle by cycle."""
    return CycleModel(constants or Constants()).run(region)
