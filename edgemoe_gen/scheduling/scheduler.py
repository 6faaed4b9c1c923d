"""The schedule of a loop at an initiation interval: as soon as possible, in whole cycles of a period.

Operations chain within a cycle while they fit. Loop-carried values are there at the start of a cycle. If the interval
can't be kept at a period, the result is the circle of operations that wait for each other: the recurrence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgemoe_gen.scheduling.components import Link
from edgemoe_gen.scheduling.problem import Problem

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Times:
    """For every operation: cycle of its start, cycle of its result, and nanoseconds in that cycle until the result."""

    starts: Sequence[int]
    cycles: Sequence[int]
    ns: Sequence[float]


@dataclass(frozen=True)
class Recurrence:
    """Operations in the order in which each waits for the one before; the first waits for the last.

    Attributes:
        operations: operations by number; links lead into some of them.
        links: links between iterations on it.
        closed: False where no single circle was found; the operations are then all that were delayed.
    """

    operations: tuple[int, ...]
    links: tuple[Link, ...]
    closed: bool = True


def solve(problem: Problem, order: Sequence[int], links: Sequence[Link], ii: int, period: float) -> Times | Recurrence:
    """Schedules operations.

    Args:
        order: operations to schedule, each after those for which it waits; others are there from the start.
        links: links between these operations.
        ii: initiation interval, cycles.
        period: nanoseconds of a cycle for operations.
    """
    count = len(problem.costs)
    starts, cycles, ns = [0] * count, [0] * count, [0.0] * count
    least = [0] * count
    pushed: dict[int, Link] = {}  # the link that an operation waits for most
    waited: list[int] = [-1] * count
    chosen = set(order)
    waits = {number: [other for other in problem.waits[number] if other in chosen] for number in order}
    costs = problem.costs
    longest = sum(costs[number].latency + 2 for number in order) + 2 * len(links)
    while True:
        for number in order:
            cost = costs[number]
            cycle, at, why = least[number], 0.0, -1
            for other in waits[number]:
                if cycles[other] > cycle or (cycles[other] == cycle and ns[other] > at):
                    cycle, at, why = cycles[other], ns[other], other
            if cost.alone:
                if at > _TOLERANCE:
                    cycle, at = cycle + 1, 0.0
                starts[number], cycles[number], ns[number] = cycle, cycle, period
            else:
                if at + cost.ns > period + _TOLERANCE:
                    if cost.ns > period + _TOLERANCE:
                        return Recurrence((number,), (), closed=False)
                    cycle, at = cycle + 1, 0.0
                starts[number] = cycle
                if cost.latency:
                    cycles[number], ns[number] = cycle + cost.latency, cost.after_ns
                else:
                    cycles[number], ns[number] = cycle, at + cost.ns
            waited[number] = why
        changed = False
        for link in links:
            begun = starts[link.earlier] if link.from_start else cycles[link.earlier]
            needed = begun + link.gap - link.distance * ii
            if needed > starts[link.later]:
                least[link.later] = needed
                pushed[link.later] = link
                changed = True
        if not changed:
            return Times(starts, cycles, ns)
        found = _chase(problem, pushed, waited, ii, period)
        if found is not None:
            return found
        if max(least) > longest:  # no chain of reasons shows it, but nothing can be so late
            return Recurrence(tuple(sorted(pushed)), tuple(pushed.values()), closed=False)


def _chase(
    problem: Problem, pushed: dict[int, Link], waited: Sequence[int], ii: int, period: float
) -> Recurrence | None:
    """A chain of reasons that comes back to itself later than it began, or None."""
    done: set[int] = set()
    for first in pushed:
        path: dict[int, None] = {}
        number = first
        while number not in done and number not in path:
            path[number] = None
            if waited[number] >= 0:
                number = waited[number]
            elif number in pushed:
                number = pushed[number].earlier
            else:
                break
        else:
            if number in path:
                ring = list(path)
                ring = ring[ring.index(number) :][::-1]
                found = _gaining(problem, ring, pushed, waited, ii, period)
                if found is not None:
                    return found
        done |= set(path)
    return None


def _gaining(
    problem: Problem, ring: list[int], pushed: dict[int, Link], waited: Sequence[int], ii: int, period: float
) -> Recurrence | None:
    """A ring of reasons, where going round it once takes longer than the iterations that it spans."""
    first = next((i for i, number in enumerate(ring) if waited[number] < 0), None)
    if first is None:
        return None
    ring = ring[first:] + ring[:first]
    used = [pushed[number] for number in ring if waited[number] < 0]
    cycle, at, start = 0, 0.0, 0
    for i, number in enumerate(ring):
        if i and waited[number] < 0:
            link = pushed[number]
            cycle, at = (start if link.from_start else cycle) + link.gap - link.distance * ii, 0.0
        cost = problem.costs[number]
        if (cost.alone and at > _TOLERANCE) or at + cost.ns > period + _TOLERANCE:
            cycle, at = cycle + 1, 0.0
        start = cycle
        cycle, at = (cycle + cost.latency, cost.after_ns) if cost.latency else (cycle, at + cost.ns)
    link = pushed[ring[0]]
    back = (start if link.from_start else cycle) + link.gap - link.distance * ii
    return Recurrence(tuple(ring), tuple(used)) if back > 0 else None


def sorted_operations(problem: Problem, chosen: Sequence[int] | None = None) -> list[int]:
    """Operations, each after those for which it waits."""
    wanted = set(range(len(problem.costs)) if chosen is None else chosen)
    done: set[int] = set()
    order: list[int] = []
    for first in sorted(wanted):
        if first in done:
            continue
        stack = [(first, iter(problem.waits[first]))]
        done.add(first)
        while stack:
            number, rest = stack[-1]
            for other in rest:
                if other in wanted and other not in done:
                    done.add(other)
                    stack.append((other, iter(problem.waits[other])))
                    break
            else:
                order.append(number)
                stack.pop()
    return order


__all__ = ["Recurrence", "Times", "solve", "sorted_operations"]
