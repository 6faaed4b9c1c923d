"""Recurrences, stages and faults of a loop in the words and lines of its source."""

from __future__ import annotations

from collections.abc import Sequence

from edgemoe_gen.scheduling.body import Body
from edgemoe_gen.scheduling.ir import Location
from edgemoe_gen.scheduling.node import WIRES
from edgemoe_gen.scheduling.places import source_name
from edgemoe_gen.scheduling.problem import Problem
from edgemoe_gen.scheduling.result import RecurrenceReport, Step
from edgemoe_gen.scheduling.scheduler import Recurrence, Times
from edgemoe_gen.scheduling.sources import PipelinedLoop
from edgemoe_gen.scheduling.widths import Widths

_WORDS = {
    "icmp": "compare", "merge": "choose", "select": "select", "mux": "index", "ashr": "shift", "lshr": "shift",
    "shl": "shift", "mul": "multiply", "smax": "larger", "umax": "larger", "smin": "smaller", "umin": "smaller",
    "sub": "subtract",
}  # fmt: skip


class Reporter:
    """Reporter of one loop."""

    def __init__(self, source: PipelinedLoop, body: Body, widths: Widths, problem: Problem) -> None:
        self._source = source
        self._body = body
        self._widths = widths
        self._problem = problem

    def recurrence(self, ns: float, found: Recurrence) -> RecurrenceReport:
        """A recurrence with its lines."""
        steps = tuple(self._step(number) for number in found.operations if self._counts(number))
        carriers = dict.fromkeys(_plain(link.carrier) for link in found.links if link.distance)
        places = dict.fromkeys(step.place for step in steps if step.place)
        iterations = sum(link.distance for link in found.links) if found.closed else 1
        return RecurrenceReport(round(ns, 3), max(1, iterations), tuple(carriers), tuple(places), steps)

    def distinct(self, reports: Sequence[RecurrenceReport]) -> tuple[RecurrenceReport, ...]:
        """Recurrences, once for each set of lines: lanes of one statement are many recurrences."""
        kept: dict[tuple[str, ...], RecurrenceReport] = {}
        for report in reports:
            kept.setdefault(report.places, report)
        return tuple(kept.values())

    def stages(self, times: Times) -> dict[str, dict[str, int]]:
        """Stage in which each FIFO and port is read and written; of several accesses the first read and last write."""
        found: dict[str, dict[str, int]] = {}
        for access in self._body.accesses:
            if access.kind not in ("read", "write"):
                continue
            stage = times.starts[access.node]
            known = found.setdefault(access.channel, {})
            first = access.kind == "read"
            known[access.kind] = (min if first else max)(known.get(access.kind, stage), stage)
        return found

    def fault(self, reason: Recurrence, forced: int) -> str:
        """The reason why an interval can't be kept, in one sentence."""
        report = self.recurrence(0.0, reason)
        stated = next((link.dependence for link in reason.links if link.dependence is not None), None)
        where = f"{self._source.file}:{self._source.line}"
        through = ", ".join(report.carriers) or "its operations"
        if stated is not None:
            where = f"{stated.file}:{stated.line}"
            return (
                f"{where}: DEPENDENCE states a distance of {stated.distance} for {stated.variable}, but what one "
                f"iteration leaves there is not ready so soon: the loop {self._source.label} needs II = {forced}"
            )
        return f"{where}: latencies through {through} force II = {forced} on the loop {self._source.label}"

    def _counts(self, number: int) -> bool:
        cost = self._problem.costs[number]
        if cost.ns or cost.latency or cost.alone:
            return True
        return number < len(self._body.graph.nodes) and self._body.graph.nodes[number].op not in WIRES

    def _step(self, number: int) -> Step:
        cost = self._problem.costs[number]
        nodes = self._body.graph.nodes
        if number >= len(nodes):
            name = _plain(self._problem.names[number])
            before = self._problem.nodes.get(number)
            place, inner = self._place(None if before is None else nodes[before].location)
            bits = self._widths.bits(before) if before is not None else 0
            return Step(name, bits, cost.ns, cost.latency, place, inner)
        node = nodes[number]
        words = _WORDS.get(node.op, node.op)
        if node.op in ("load", "store", "read", "write", "request"):
            words += f" {node.name}"
        location = node.location
        for other in node.args:
            location = location or nodes[other].location
        place, inner = self._place(location)
        bits = self._widths.compared(node) if node.op == "icmp" else self._widths.bits(number) if node.width else 0
        return Step(words, bits, round(cost.ns + cost.after_ns * (cost.latency > 0), 3), cost.latency, place, inner)

    def _place(self, location: Location | None) -> tuple[str, str]:
        """The line in the loop's own file, and the one in a helper."""
        if location is None:
            return "", ""
        at: Location | None = location
        while at is not None and at.file != self._source.file:
            at = at.caller
        return (str(at), str(location) if at is not location else "") if at is not None else (str(location), "")


def _plain(carrier: str) -> str:
    """A register's name as the sources have it."""
    kind, _, name = carrier.partition(" ")
    return f"{kind} {source_name(name)}" if name.startswith("%") else carrier


__all__ = ["Reporter"]
