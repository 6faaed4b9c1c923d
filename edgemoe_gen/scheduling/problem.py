"""A loop for the scheduler: operations with their costs, their dependences, and links between iterations.

Loop-carried registers, and points at which accesses meet, are separate operations here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgemoe_gen.scheduling.balance import balance_sums
from edgemoe_gen.scheduling.body import Body
from edgemoe_gen.scheduling.components import Link, components
from edgemoe_gen.scheduling.conditions import NEVER
from edgemoe_gen.scheduling.costs import Costs
from edgemoe_gen.scheduling.delays import FREE, Cost
from edgemoe_gen.scheduling.groups import Group, access_groups
from edgemoe_gen.scheduling.memory import Access
from edgemoe_gen.scheduling.sources import Dependence, PipelinedLoop


@dataclass
class Problem:
    """Operations by number: the graph's nodes first, then registers and meeting points.

    Attributes:
        costs: cost of each operation.
        waits: for each operation, those whose results it takes in the same iteration.
        links: links between iterations, and orders that no value keeps.
        names: names of the operations after the graph's nodes; `nodes` are the graph's nodes that they represent or
            follow.
    """

    costs: list[Cost] = field(default_factory=list)
    waits: list[tuple[int, ...]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    nodes: dict[int, int] = field(default_factory=dict)

    def add(self, name: str, cost: Cost, waits: Sequence[int], node: int | None = None) -> int:
        """Adds an operation after the graph's nodes."""
        self.costs.append(cost)
        self.waits.append(tuple(waits))
        self.names[len(self.costs) - 1] = name
        if node is not None:
            self.nodes[len(self.costs) - 1] = node
        return len(self.costs) - 1


def make_problem(body: Body, costs: Costs, store_ns: float, loop: PipelinedLoop) -> Problem:
    """The problem of a loop."""
    graph = body.graph
    problem = Problem([costs.of(node) for node in graph.nodes], [node.args for node in graph.nodes])
    exits = sorted(body.exits)
    for carried, following in body.carried.items():
        name = graph.nodes[carried].name
        register = problem.add(f"register {name}", Cost(store_ns), [following, *exits], following)
        problem.links.append(Link(register, carried, 1, 1, carrier=f"register {name}"))
    for group in access_groups(body.accesses):
        if group.kind in ("fifo", "axi"):
            _in_order(problem, body, group)
        else:
            _through_memory(problem, body, group, loop)
    together = {number: i for i, part in enumerate(components(problem.waits, problem.links)) for number in part}
    balance_sums(problem.costs, problem.waits, body, problem.add, together)
    return problem


def _in_order(problem: Problem, body: Body, group: Group) -> None:
    """Accesses to one FIFO keep the order of the program, one a cycle, but for those that exclude each other."""
    accesses = group.accesses
    for i, access in enumerate(accesses):
        for other in accesses[:i]:
            if body.conditions.both(access.condition, other.condition) != NEVER:
                problem.links.append(Link(other.node, access.node, 1, 0, carrier=f"FIFO {group.name}"))
    for first in accesses:
        for last in accesses[accesses.index(first) + 1 :]:
            problem.links.append(Link(last.node, first.node, 1, 1, True, f"FIFO {group.name}"))


def _through_memory(problem: Problem, body: Body, group: Group, loop: PipelinedLoop) -> None:
    loads = [access for access in group.accesses if access.kind == "load"]
    stores = [access for access in group.accesses if access.kind == "store"]
    if not loads or not stores:
        return
    _within_iteration(problem, body, group)
    raw, war = _distance(loop, group.name, "RAW"), _distance(loop, group.name, "WAR")
    carrier = f"{'memory' if group.kind == 'memory' else 'registers'} {group.name}"
    if raw is not None:
        written = problem.add(f"writes of {group.name}", FREE, [access.node for access in stores])
        distance, dependence = raw
        for access in loads:
            problem.links.append(Link(written, access.node, 1, distance, carrier=carrier, dependence=dependence))
    if war is not None and group.kind == "memory":
        begun = problem.add(f"reads of {group.name}", FREE, [])
        distance, dependence = war
        for access in loads:
            problem.links.append(Link(access.node, begun, 0, 0, True, carrier))
        for access in stores:
            problem.links.append(Link(begun, access.node, 0, distance, True, carrier, dependence))


def _within_iteration(problem: Problem, body: Body, group: Group) -> None:
    """A load sees the stores before it in the program, unless they exclude each other."""
    pending: list[Access] = []
    meeting: int | None = None
    for access in group.accesses:
        if access.kind == "store":
            pending.append(access)
            meeting = None
            continue
        if not pending:
            continue
        if all(body.conditions.both(access.condition, store.condition) == NEVER for store in pending):
            continue
        if meeting is None:
            meeting = problem.add(f"writes of {group.name}", FREE, [store.node for store in pending])
        gap = 1 if group.kind == "memory" else 0
        if gap:
            problem.links.append(Link(meeting, access.node, gap, 0, carrier=f"memory {group.name}"))
        else:
            problem.waits[access.node] = (*problem.waits[access.node], meeting)


def _distance(loop: PipelinedLoop, name: str, kind: str) -> tuple[int, Dependence | None] | None:
    """Iterations between two accesses and the pragma that says so; None: they never meet."""
    for dependence in loop.dependences:
        if dependence.variable == name and dependence.kind in (kind, ""):
            return (dependence.distance, dependence) if dependence.distance else None
    return 1, None


__all__ = ["Problem", "make_problem"]
