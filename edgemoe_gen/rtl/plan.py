"""The cycles of a region: the stage of every computation and access, by the open scheduler.

Exits of a loop are decided in its first stage, in one cycle, since the next iteration begins one cycle later. Where an
exit or a recurrence needs more than the clock's budget, the region is scheduled for a longer period, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.divisions import replace_divisions
from edgemoe_gen.rtl.dots import OP, chain_of, form_dots
from edgemoe_gen.rtl.forms import choose_before_adding, undo_ranges
from edgemoe_gen.rtl.sums import balance_sums
from edgemoe_gen.rtl.trace import Access, Trace
from edgemoe_gen.scheduling.components import Link
from edgemoe_gen.scheduling.costs import Costs
from edgemoe_gen.scheduling.delays import FREE, Cost, Delays
from edgemoe_gen.scheduling.node import Node
from edgemoe_gen.scheduling.places import source_name
from edgemoe_gen.scheduling.problem import Problem
from edgemoe_gen.scheduling.scheduler import Recurrence, Times, solve, sorted_operations
from edgemoe_gen.scheduling.sources import PipelinedLoop
from edgemoe_gen.scheduling.widths import Range, Widths, measure

_LONGEST_NS = 60.0
_LONGER = 1.08
MOVED = frozenset(("const", "input", "concat", "slice", "sext", "not", "mask"))


@dataclass(frozen=True)
class Plan:
    """A region's schedule.

    Attributes:
        starts: the stage in which each node begins; `cycles`: the stage of its value.
        depth: number of stages.
        ns: the period of the schedule.
        live: nodes on which anything depends.
        stable: live nodes that keep their value while the region runs.
        leaving: one-bit nodes of the exits, in the order of the trace.
        accesses: accesses in the order of the sources.
    """

    trace: Trace
    loop: PipelinedLoop | None
    widths: Widths
    starts: Sequence[int]
    cycles: Sequence[int]
    depth: int
    ns: float
    live: frozenset[int]
    stable: frozenset[int]
    leaving: tuple[int, ...]
    accesses: tuple[Access, ...]

    @property
    def name(self) -> str:
        """Name of the loop, or number of a piece without loops."""
        return self.loop.label if self.loop is not None else f"part_{self.trace.region.number}"


class _Costs(Costs):
    """What nodes cost, accesses among them."""

    def __init__(self, delays: Delays, widths: Widths, accesses: Mapping[int, Access]) -> None:
        super().__init__(delays, widths, {}, delays.fixed("merge", "high_ns"))
        self._table = delays
        self._by_node = accesses

    def of(self, node: Node) -> Cost:
        """What a node costs."""
        access = self._by_node.get(node.number)
        if node.op == OP:
            ns = self._table.fixed("dsp")
            return Cost(ns, chain_of(int(node.detail)).stages, ns)
        if access is None:
            return super().of(node)
        if access.port.kind == "call":
            return FREE
        port = access.port
        if port.kind == "fifo":
            return Cost(self._table.of("fifo", 32))
        ns = self._table.memory(port.implementation, max(1, port.bits))
        return Cost(ns, port.latency, ns) if access.kind == "load" else Cost(ns)


def plan_region(
    trace: Trace,
    loop: PipelinedLoop | None,
    delays: Delays,
    budget: float,
    shared: Collection[str],
    given: Mapping[str, Range],
) -> Plan:
    """Schedules a region.

    Args:
        loop: facts of the sources, if it is a pipelined loop there.
        shared: registers that other regions use.
        given: possible values of registers from elsewhere.

    Raises:
        SimulationError: a hazard that no pragma covers, or an exit that depends on values that the iteration reads.
    """
    if loop is not None and loop.ii != 1:
        raise SimulationError(f"{loop.file}:{loop.line}: {loop.label} has the interval {loop.ii}", "only 1 is known")
    graph = trace.graph
    leaving = tuple(trace.whether(out.condition) for out in trace.exits)
    kept = [node for _, node in trace.commits] + list(trace.live_outs.values())
    kept += [node for out in trace.exits for _, node in out.sets]
    effects = [access.node for access in trace.accesses if access.kind != "load"]
    effects += [node for access in trace.accesses for node, _ in access.sites]
    carried = {node: following for node, following in trace.carried.items() if node != following}
    roots = [*effects, *leaving, *kept, *(node for node in carried if graph.nodes[node].name in shared)]
    undo_ranges(trace, _live(trace, roots, carried))
    choose_before_adding(trace, _live(trace, roots, carried), [*roots, *carried.values()])
    live = _live(trace, roots, carried)
    used = {node: following for node, following in carried.items() if node in live}
    initial = {node: _anything(trace, node) for node in used}
    known = {node: given[graph.nodes[node].name] for node in used if graph.nodes[node].name in given}

    def measured() -> Widths:
        order = sorted_nodes(trace, range(len(graph.nodes)))
        return measure(graph, used, initial, roots, order, known)

    if replace_divisions(trace, live, measured):
        live = _live(trace, roots, carried)
    around = balance_sums(trace, live, [*roots, *used.values()])
    widths = measured()
    if form_dots(trace, live, [*roots, *used.values()], around, widths):
        live = _live(trace, roots, carried)
        widths = measured()
    accesses = tuple(access for access in trace.accesses if access.node in live)
    costs = _Costs(delays, widths, {access.node: access for access in accesses})
    # Values behind a loop are computed when it has ended; they have no stage.
    timed = _live(trace, [*effects, *leaving, *used] if trace.region.is_loop else roots, carried)
    problem = Problem(
        [costs.of(node) if node.number in timed else FREE for node in graph.nodes],
        [node.args if node.number in timed else () for node in graph.nodes],
    )
    problem.links.extend(
        Link(following, node, 1, 1, carrier=graph.nodes[node].name) for node, following in used.items()
    )
    _orders(problem, trace, accesses, loop)
    _check_exits(trace, leaving, carried)
    first = set(leaving) if trace.region.is_loop else set()
    times, ns = _solved(problem, sorted(timed), first, budget, trace, loop)
    sites = [node for access in accesses for node, _ in access.sites]
    last = (
        [times.cycles[node] for node in sites]
        + [times.starts[access.node] for access in accesses]
        + [times.cycles[node] for node in used if node in timed]
    )
    if not trace.region.is_loop:
        last += [times.cycles[node] for node in (*leaving, *kept)]
    stable = _stable(trace, live)
    depth = max(last, default=0) + 1
    # A call takes place when all else is done: its stage holds until it has ended.
    starts = list(times.starts)
    for access in accesses:
        if access.kind == "call":
            starts[access.node] = depth - 1
    return Plan(
        trace, loop, widths, starts, times.cycles, depth, ns, frozenset(live), stable, leaving,
        accesses,
    )  # fmt: skip


def _live(trace: Trace, roots: Sequence[int], carried: Mapping[int, int]) -> set[int]:
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += trace.graph.nodes[node].args
            if node in carried:
                waiting.append(carried[node])
    return found


def _stable(trace: Trace, live: Collection[int]) -> frozenset[int]:
    found: set[int] = set()
    for number in sorted_nodes(trace, live):
        node = trace.graph.nodes[number]
        fixed = node.op in ("const", "input") or (node.op == "carried" and number not in _changing(trace))
        if fixed or (node.op in MOVED and node.args and all(arg in found for arg in node.args)):
            found.add(number)
    return frozenset(found)


def _changing(trace: Trace) -> set[int]:
    return {node for node, following in trace.carried.items() if node != following}


def sorted_nodes(trace: Trace, live: Collection[int]) -> list[int]:
    """Nodes, each after its arguments."""
    problem = Problem([FREE] * len(trace.graph.nodes), [node.args for node in trace.graph.nodes])
    return sorted_operations(problem, sorted(live))


def _anything(trace: Trace, node: int) -> int:
    """What a carried value is before the first iteration: nothing is known of it."""
    found = trace.graph.nodes[node]
    return trace.graph.shared("input", (), found.width, 0, f"{found.name} before")


def _check_exits(trace: Trace, leaving: Sequence[int], carried: Mapping[int, int]) -> None:
    if not trace.region.is_loop:
        return
    nodes = trace.graph.nodes
    kept = [node for out in trace.exits for _, node in out.sets] + list(trace.live_outs.values())
    for roots, follow, what in ((leaving, carried, "way out of the loop"), (kept, {}, "value behind the loop")):
        for number in _live(trace, roots, follow):
            if nodes[number].op in ("read", "load"):
                raise SimulationError(
                    f"{nodes[number].location or trace.region.location}: a {what} depends on what is read "
                    f"from {nodes[number].detail} in the same iteration",
                    "let it depend on counters, or on what an iteration before has read",
                )


def _orders(problem: Problem, trace: Trace, accesses: Sequence[Access], loop: PipelinedLoop | None) -> None:
    """Which access to a memory comes before which, in an iteration and between them."""
    for n, later in enumerate(accesses):
        for earlier in accesses[:n]:
            if earlier.port != later.port or earlier.port.kind == "table":
                continue
            if earlier.kind == later.kind:  # in a piece without loop: one after the other
                problem.links.append(Link(earlier.node, later.node, 1, 0, True, earlier.port.name))
                continue
            if earlier.port.kind != "memory":
                raise SimulationError(
                    f"{earlier.parts[0][3]}: {earlier.port.name} is both read and written", "use two FIFOs"
                )
            if _may_meet(trace, earlier, later):
                problem.links.append(Link(earlier.node, later.node, 1, 0, True, earlier.port.name))
    if not trace.region.is_loop:
        return
    for store in accesses:
        for load in accesses:
            if store.kind == "store" and load.kind == "load" and store.port == load.port:
                raw, war = _distance(loop, store, "RAW"), _distance(loop, store, "WAR")
                if raw:
                    problem.links.append(Link(store.node, load.node, 1, raw, True, store.port.name))
                if war:
                    problem.links.append(Link(load.node, store.node, 1, war, True, store.port.name))


def _may_meet(trace: Trace, first: Access, second: Access) -> bool:
    both = trace.choices.conditions.both
    return both(first.condition(trace), second.condition(trace)) != 0


def _distance(loop: PipelinedLoop | None, access: Access, kind: str) -> int:
    """Iterations between two accesses to a memory; 0: they never meet."""
    if loop is not None:
        for dependence in loop.dependences:
            if dependence.variable == source_name(access.port.variable) and dependence.kind in (kind, ""):
                return dependence.distance
    return 1


def _solved(
    problem: Problem,
    timed: Sequence[int],
    first: Collection[int],
    budget: float,
    trace: Trace,
    loop: PipelinedLoop | None,
) -> tuple[Times, float]:
    order = sorted_operations(problem, timed)
    chosen = set(timed)
    links = [link for link in problem.links if link.earlier in chosen and link.later in chosen]
    ns = budget
    times = solve(problem, order, links, 1, ns)
    while isinstance(times, Recurrence) or any(times.cycles[node] > 0 for node in first):
        ns *= _LONGER
        if ns > _LONGEST_NS:
            place = f"{loop.file}:{loop.line}" if loop is not None else str(trace.region.location)
            memories = {link.carrier for link in times.links} if isinstance(times, Recurrence) else set()
            through = f" through {', '.join(sorted(memories))}" if memories else ""
            raise SimulationError(
                f"{place}: the loop can't begin an iteration every cycle: each would need what the one before leaves"
                f"{through} too early",
                "state the distance between iterations that meet with a DEPENDENCE pragma, or let counters decide",
            )
        times = solve(problem, order, links, 1, ns)
    return times, ns


__all__ = ["MOVED", "Plan", "plan_region", "sorted_nodes"]
