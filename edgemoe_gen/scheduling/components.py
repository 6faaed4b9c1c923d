"""Links between operations of a loop's iterations, and the sets of operations that wait for each other over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgemoe_gen.scheduling.sources import Dependence


@dataclass(frozen=True)
class Link:
    """`later` begins at least `gap` cycles after `earlier`, which is `distance` iterations before it.

    Attributes:
        from_start: `gap` counts from the cycle in which `earlier` begins; otherwise from that of its result.
        carrier: the memory or register in words.
        dependence: the pragma that states the distance, or None.
    """

    earlier: int
    later: int
    gap: int
    distance: int
    from_start: bool = False
    carrier: str = ""
    dependence: Dependence | None = None


def components(waits: Sequence[tuple[int, ...]], links: Sequence[Link]) -> list[list[int]]:
    """Sets of operations that wait for each other over iterations; operations in none of them have no time limit."""
    count = len(waits)
    targets: list[list[int]] = [list(others) for others in waits]
    for link in links:
        targets[link.later].append(link.earlier)
    index, low = [-1] * count, [0] * count
    stacked = [False] * count
    stack: list[int] = []
    found: list[list[int]] = []
    clock = 0
    alone = {link.earlier for link in links if link.earlier == link.later}
    for root in range(count):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            number, place = work.pop()
            if place == 0:
                index[number] = low[number] = clock
                clock += 1
                stack.append(number)
                stacked[number] = True
            descended = False
            for k in range(place, len(targets[number])):
                other = targets[number][k]
                if index[other] < 0:
                    work += [(number, k + 1), (other, 0)]
                    descended = True
                    break
                if stacked[other]:
                    low[number] = min(low[number], index[other])
            if descended:
                continue
            for other in targets[number]:
                if stacked[other]:
                    low[number] = min(low[number], low[other])
            if low[number] == index[number]:
                part = []
                while True:
                    other = stack.pop()
                    stacked[other] = False
                    part.append(other)
                    if other == number:
                        break
                if len(part) > 1 or part[0] in alone:
                    found.append(part)
    return found


__all__ = ["Link", "components"]
