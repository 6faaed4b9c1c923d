"""A run of operations against memory: weights stream into FIFOs ahead of the operations that take them.

Weights of each operation are one fetch, and fetches follow one another. A fetch begins when the fetch before is over
and the operation is known. Its beats come at the rate of memory. It ends when its last beat has found room in the FIFO,
which empties as operations take their weights. An operation ends when it has computed, and at least some time after its
last weights have come (`Step`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from edgemoe_gen.estimate.engine import Engine
from edgemoe_gen.estimate.operations import Step
from edgemoe_gen.estimate.unit import Need


class Stream:
    """The weight FIFOs and the ports before them, up to the point that has been followed.

    Beats are counted over the whole run. The taken beats over time are a line through points (`_times`, `_taken`).
    """

    def __init__(self, engine: Engine, beats: Sequence[int], known: Sequence[int], begin: float) -> None:
        """`beats`: weights of each operation that has some, behind each port; `known`: number of each operation;
        `begin`: cycle in which the first one is known."""
        self.e = engine
        self.beats = beats
        self.known = known
        self.begin = begin
        self.starts: list[float] = []  # of operations of the program so far
        self.next = 0  # fetch that is not over
        self.before = 0  # beats of all fetches that are over
        self.fetch = self._known(0) if beats else begin
        self._times = [0.0]
        self._taken = [0.0]
        self._at = 0

    def take(self, time: float, beats: float) -> None:
        """From the last point on, weights are taken evenly until `beats` have been taken at a time."""
        if beats > self._taken[-1]:
            self._times.append(max(time, self._times[-1]))
            self._taken.append(beats)

    def end(self, fetch: int, needs: Sequence[Need], end: float) -> float:
        """The end of an operation that needs weights of a fetch, as far as is known by now what is taken before it."""
        if self.next < fetch:
            self._advance(fetch)
        e = self.e
        rate = e.rate
        if fetch > self.next:
            # It waits for room, and the operation that makes it is still running.
            come = self._times[-1] + e.fetch_gap + e.latency
            return max(end, *(come + need.beats / rate + need.tail for need in needs))
        come = self.fetch + e.latency
        # No more beats are on their way than the FIFO and the port's window hold.
        room = self._taken[-1] + e.fifo_beats + e.window - self.before
        for need in needs:
            beats = need.beats
            after = come + beats / rate + need.tail
            if after > end:
                end = after
            if room < beats:
                end = max(end, self._times[-1] + e.latency + (beats - room) / rate + need.tail)
        return end

    def beside(self, begin: float, load: float) -> float:
        """Time when a number of beats of another port have come, requested from a cycle on, beside fetches of weights.

        Memory serves requests in their order, so each port's share is its share of open requests: a load always has a
        full window, a fetch at most its own beats. While a fetch waits, the load uses memory alone.
        """
        e = self.e
        self._advance(len(self.beats), begin)
        time, fetch, place, before = begin, self.fetch, self.next, self.before
        open_beats = self._taken[-1] + e.fifo_beats
        slower = 0.0
        # Also what the FIFO has no room for comes as far as the port's window; but no further fetch begins.
        while place < len(self.beats) and open_beats >= before:
            beats = self.beats[place]
            wanted = float(min(beats, open_beats + e.window - before))
            wanted -= min(max(time - fetch - e.latency, 0.0) * e.rate, wanted)  # what has come before
            begun = max(fetch, time)
            alone = begun - time + (e.latency if begun == fetch else 0) + wanted / e.rate
            work = e.ports * wanted
            cycles = max(alone, begun - time + (work + max(wanted, e.window)) * e.beat_time)
            served = min(cycles * e.port_rate, cycles / e.beat_time - work)
            if served >= load:
                share = load / served
                return self._slowed(time + share * cycles, slower + share * (cycles - alone))
            load -= served
            slower += cycles - alone
            time += cycles
            fetch = time + e.fetch_gap
            before += beats
            place += 1
        return self._slowed(time + load / e.load_rate, slower)

    def _slowed(self, end: float, cycles: float) -> float:
        self.fetch += cycles
        return end

    def _advance(self, fetch: int, until: float = inf) -> None:
        """Follows fetches up to one, or to a cycle, as far as the room that they find is known."""
        e, taken, times = self.e, self._taken, self._times
        at = self._at
        while self.next < fetch:
            beats = self.beats[self.next]
            over = self.before + beats
            end = self.fetch + e.latency + beats / e.rate
            freed = over - e.fifo_beats
            waited = e.stagger == 0
            if freed > 0:
                if freed > taken[-1]:
                    break
                while taken[at] < freed:
                    at += 1
                share = (taken[at] - freed) / (taken[at] - taken[at - 1])
                room = times[at] - share * (times[at] - times[at - 1])
                if room > end:
                    end, waited = room, True
            if end > until:
                break
            self.before = over
            self.next += 1
            if self.next < len(self.beats):
                idle = e.fetch_gap if waited else self._idle() - e.latency
                self.fetch = max(end + idle, self._known(self.next))
        self._at = at

    def _idle(self) -> float:
        """Cycles between two fetches in which a busy memory does nothing for weights.

        The weight ports end and begin one after another, a burst apart. Meanwhile memory serves the program's port.
        """
        e, at = self.e, self.next + self.e.orders
        read = self.known[at] - self.known[at - 1] if at < len(self.known) else 0
        return max(e.fetch_gap + e.latency - e.stagger, read * e.operation_beats * e.beat_time)

    def _known(self, fetch: int) -> float:
        """When the operation of a fetch is known: as soon as it is read, and so many operations ahead."""
        number = self.known[fetch]
        place = number - self.e.ahead
        if 0 <= place < len(self.starts):
            return self.starts[place]
        return self.begin + number * self.e.operation_beats


class Loads:
    """The port of loads: it runs ahead of the engine as far as its FIFO and window allow."""

    def __init__(self, engine: Engine, begin: float) -> None:
        self.e = engine
        self.over = begin

    def arrival(self, beats: int, now: float, stream: Stream) -> float:
        """When the last beat of a load has come, of an operation that begins now. Weights lose what loads take."""
        e = self.e
        begin = max(self.over + e.latency, now - (e.input_beats + e.window) / e.load_rate)
        self.over = stream.beside(begin, beats)
        return self.over


def run(engine: Engine, steps: Sequence[Step]) -> tuple[float, list[float]]:
    """A program's operations one after another.

    Args:
        steps: its operations.

    Returns:
        The cycle in which the first operation begins, and the cycles that each one takes.
    """
    e = engine
    # The header, then the first operation: each is a burst.
    begin = 2.0 * (e.latency + e.operation_beats / e.load_rate) + e.depth.program_beats
    weighted = [i for i, step in enumerate(steps) if step.beats]
    # What of the program is read at once comes before all else: until the orders of weights fill their FIFO.
    read = min(len(steps), e.ahead, weighted[e.orders] if len(weighted) > e.orders else len(steps))
    first = begin + read * e.operation_beats * e.beat_time
    stream = Stream(e, [steps[i].beats for i in weighted], weighted, first)
    loads = Loads(e, first)
    now = begin
    fetch = 0  # of the operation that runs, or of the next one that has weights
    before = 0  # beats of weights of operations that are over
    durations = []
    for step in steps:
        stream.starts.append(now)
        end = now + step.cycles
        if step.plain:
            durations.append(step.cycles)
            now = end
            continue
        if step.load_beats:
            end = max(end, loads.arrival(step.load_beats, now, stream) + step.load_tail)
        if step.stored_beats:
            end = max(end, now + (step.stored_beats - e.input_beats - e.window) / e.load_rate)
        if step.beats:
            end = stream.end(fetch, step.needs, end)
            late = end - now - step.cycles
            cycles, beats = step.greedy
            if 0 < beats < step.beats:
                stream.take(now + late + cycles, before + beats)
            before += step.beats
            stream.take(now + late + step.taken, before)
            fetch += 1
        if step.following:
            end = stream.end(fetch, step.following, end)
            stream.take(end, before + step.following[0].beats)
        durations.append(end - now)
        now = end
    return begin, durations
