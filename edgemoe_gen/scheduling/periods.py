"""The shortest period at which a loop keeps its interval, and the recurrence that forbids a shorter period."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.scheduling.components import Link, components
from edgemoe_gen.scheduling.problem import Problem
from edgemoe_gen.scheduling.scheduler import Recurrence, Times, solve, sorted_operations

PRECISION_NS = 0.001
_ENDLESS_NS = 1e6
MOST_II = 64


@dataclass(frozen=True)
class Limit:
    """Limit of a loop.

    Attributes:
        ns: the shortest period that a cycle can have; 0 without recurrences.
        recurrence: the recurrence that forbids a shorter period, or None.
    """

    ns: float
    recurrence: Recurrence | None


@dataclass(frozen=True)
class _Part:
    """Operations that wait for each other over iterations."""

    order: list[int]
    links: list[Link]


class Loop:
    """A problem with its parts."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._parts: list[_Part] = []
        for numbers in components(problem.waits, problem.links):
            inside = set(numbers)
            links = [link for link in problem.links if link.earlier in inside and link.later in inside]
            self._parts.append(_Part(sorted_operations(problem, numbers), links))

    def limit(self, ii: int) -> Limit:
        """Limit of the loop at an interval that latencies allow."""
        ns, recurrence = 0.0, None
        for part in self._parts:
            found = self._shortest(part, ii, ns)
            if found is not None:
                ns, recurrence = found
        return Limit(ns, recurrence)

    def longest(self) -> Limit:
        """The single operation with the longest time, whatever else is in its cycle."""
        costs = self.problem.costs
        alone = [number for number, cost in enumerate(costs) if not cost.alone]
        if not alone:
            return Limit(0.0, None)
        number = max(alone, key=lambda n: costs[n].ns)
        return Limit(costs[number].ns, Recurrence((number,), (), closed=False))

    def over(self, ii: int, period: float) -> list[tuple[float, Recurrence]]:
        """Every set of operations that needs more than a period: the time and the reason, worst first."""
        found = [self._shortest(part, ii, period) for part in self._parts]
        return sorted((one for one in found if one is not None), key=lambda one: -one[0])

    def interval(self, ii: int, period: float) -> int:
        """The least interval, from `ii` on, that a period allows."""
        for wider in range(ii, MOST_II):
            if not any(isinstance(self._solved(part, wider, period), Recurrence) for part in self._parts):
                return wider
        return MOST_II

    def schedule(self, ii: int, period: float) -> Times | Recurrence:
        """All operations at an interval and period."""
        return solve(self.problem, sorted_operations(self.problem), self.problem.links, ii, period)

    def _solved(self, part: _Part, ii: int, period: float) -> Times | Recurrence:
        return solve(self.problem, part.order, part.links, ii, period)

    def forced(self, ii: int) -> tuple[int, Recurrence | None]:
        """The least interval, from `ii` on, that latencies allow, and the recurrence that forbids `ii` itself."""
        reason = None
        for part in self._parts:
            while ii < MOST_II:
                found = self._solved(part, ii, _ENDLESS_NS)
                if isinstance(found, Times):
                    break
                ii, reason = ii + 1, reason or found
        return ii, reason

    def _shortest(self, part: _Part, ii: int, known: float) -> tuple[float, Recurrence] | None:
        """The shortest period of a part and what forbids a shorter one, where it is longer than a known one."""
        reason = self._solved(part, ii, known)
        if isinstance(reason, Times):
            return None
        low, high = known, sum(self.problem.costs[n].ns + self.problem.costs[n].after_ns for n in part.order)
        while high - low > PRECISION_NS:
            middle = (low + high) / 2
            found = self._solved(part, ii, middle)
            if isinstance(found, Times):
                high = middle
            else:
                low, reason = middle, found
        return high, reason if reason.closed else self._tightest(part, ii, high)

    def _tightest(self, part: _Part, ii: int, period: float) -> Recurrence:
        """The longest chain within a cycle at a period that is just held: it is what bounds it."""
        times = self._solved(part, ii, period)
        if isinstance(times, Recurrence):
            return times
        last = max(part.order, key=lambda number: times.ns[number])
        chain = [last]
        inside = set(part.order)
        while True:
            before = [n for n in self.problem.waits[chain[-1]] if n in inside]
            before = [n for n in before if times.cycles[n] == times.starts[chain[-1]]]
            if not before:
                break
            chain.append(max(before, key=lambda number: times.ns[number]))
        links = tuple(link for link in part.links if link.earlier in chain or link.later in chain)
        return Recurrence(tuple(chain[::-1]), links, closed=False)


__all__ = ["MOST_II", "Limit", "Loop"]
