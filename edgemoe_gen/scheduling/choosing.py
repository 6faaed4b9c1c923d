"""Choices between values of different branches, as nodes of a graph and conditions over them."""

from __future__ import annotations

from collections.abc import Sequence

from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER, Conditions
from edgemoe_gen.scheduling.graph import Graph


class Choices:
    """Choices of one loop: its graph, and the conditions over its one-bit nodes."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.conditions = Conditions()

    def chosen(self, alternatives: Sequence[tuple[int, int]], care: int, width: int) -> int:
        """One of several values, by the conditions of their branches."""
        by_value: dict[int, int] = {}
        for condition, value in alternatives:
            by_value[value] = self.conditions.either(by_value.get(value, NEVER), condition)
        if len(by_value) == 1:
            return next(iter(by_value))
        choosing: set[int] = set()
        simplest = [self.conditions.atoms(self.conditions.within(c, care)) for c in by_value.values()]
        longest = max(range(len(simplest)), key=lambda i: len(simplest[i]))
        for i, atoms in enumerate(simplest):
            if i != longest:  # it is the one that is left
                choosing |= atoms
        return self.graph.merge(list(by_value), sorted(choosing), width)

    def holds(self, node: int) -> int:
        """The condition that a one-bit value is true."""
        graph = self.graph
        value = graph.constant(node)
        if value is not None:
            return ALWAYS if value else NEVER
        if graph.nodes[node].op == "not":
            return self.conditions.inverse(self.holds(graph.nodes[node].args[0]))
        if graph.nodes[node].op == "icmp" and graph.nodes[node].detail == "ne":
            same = graph.shared("icmp", graph.nodes[node].args, 1, "eq")
            return self.conditions.inverse(self.conditions.atom(same))
        return self.conditions.atom(node)

    def guards(self, condition: int) -> list[int]:
        """The one-bit nodes that a condition waits for."""
        return sorted(self.conditions.atoms(condition))


__all__ = ["Choices"]
