"""One iteration of an innermost loop: its graph, its accesses in order, and its loop-carried values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.scheduling.conditions import Conditions
from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.memory import Access


@dataclass(frozen=True)
class Body:
    """An iteration.

    Attributes:
        graph: its nodes.
        conditions: what `Access.condition` refers to.
        accesses: in the order of the program.
        carried: node of a carried value to the node of its value after the iteration.
        initial: node of a carried value to the node of its value before the first iteration.
        exits: one-bit nodes that decide whether there is another iteration.
    """

    graph: Graph
    conditions: Conditions
    accesses: Sequence[Access]
    carried: Mapping[int, int]
    initial: Mapping[int, int]
    exits: frozenset[int]


__all__ = ["Body"]
