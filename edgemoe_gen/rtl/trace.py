"""A region after elaboration: values as a graph, accesses with their conditions, exits.

Accesses of a loop to one FIFO or memory bank that exclude each other are one access; other pairs are refused in loops.
In a region that is passed once, they take place one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.regions import Region
from edgemoe_gen.scheduling.choosing import Choices
from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER
from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.ir import Location


@dataclass(frozen=True)
class Port:
    """The port of an access: a FIFO, or one bank of a memory.

    Attributes:
        name: name of the module's ports.
        kind: "fifo", "memory", "table" or "call" (a module that this one starts).
        variable: name in the IR of its variable.
        bits: bits of an element or word.
        lanes: bits of each of its leaves.
        depth: words; 0 where the instance sets them.
        latency: cycles of a read.
        implementation: of a memory.
        local: whether it lies in the module itself.
    """

    name: str
    kind: str
    variable: str
    bits: int
    lanes: tuple[int, ...]
    depth: int = 0
    latency: int = 0
    implementation: str = ""
    local: bool = False


@dataclass
class Access:
    """Accesses of one kind to one port that exclude each other.

    Attributes:
        kind: "read", "write", "load", "store" or "call".
        node: in the graph; its arguments are its condition, its address if any, and its data.
        sites: places of a call: nodes of conditions, and names of the variables for each parameter.
        parts: condition, address (-1 without), data by leaf (None: not written), source line.
    """

    kind: str
    port: Port
    node: int
    parts: list[tuple[int, int, tuple[int | None, ...], Location | None]] = field(default_factory=list)
    mask: tuple[int | None, ...] = ()  # of a store: nodes that say whether a leaf is written; None: all of them
    sites: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)

    def condition(self, trace: Trace) -> int:
        """The condition that any of its parts takes place."""
        found = NEVER
        for condition, *_ in self.parts:
            found = trace.choices.conditions.either(found, condition)
        return found


@dataclass
class Exit:
    """An exit of a region: to block `target` from block `source`; None: the function ends.

    `sets` are registers with the nodes of their values.
    """

    condition: int
    source: str
    target: str | None
    sets: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Trace:
    """One region.

    Attributes:
        carried: nodes of loop-carried values, each with the node of its next value.
        commits: registers that a region without loop sets, at every exit.
        values: nodes by the names of the IR.
        names: names of nodes, for people.
    """

    region: Region
    choices: Choices = field(default_factory=Choices)
    accesses: list[Access] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    carried: dict[int, int] = field(default_factory=dict)
    commits: list[tuple[str, int]] = field(default_factory=list)
    values: dict[str, int] = field(default_factory=dict)
    live_outs: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    _nodes: dict[int, int] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """Its nodes."""
        return self.choices.graph

    def whether(self, condition: int) -> int:
        """The one-bit node of a condition."""
        if condition in (ALWAYS, NEVER):
            return self.graph.const(condition, 1)
        if condition not in self._nodes:
            atom, no, yes = self.choices.conditions.parts(condition)
            self._nodes[condition] = self.pick(atom, self.whether(yes), self.whether(no))
        return self._nodes[condition]

    def pick(self, condition: int, first: int, second: int) -> int:
        """One of two values by a one-bit node; of one bit each, as logic where one is known."""
        graph = self.graph
        if graph.nodes[first].width == 1 and first != second:
            one, other = graph.constant(first), graph.constant(second)
            if one is not None and other is not None:
                return condition if one else graph.inverse(condition)
            if one is not None:
                return graph.binary("or", condition, second) if one else self._both(graph.inverse(condition), second)
            if other is not None:
                return graph.binary("or", graph.inverse(condition), first) if other else self._both(condition, first)
        return graph.select(condition, first, second)

    def _both(self, first: int, second: int) -> int:
        return self.graph.binary("and", first, second)

    def chosen(self, alternatives: Sequence[tuple[int, int]], care: int) -> int:
        """One of several values by the conditions of their paths, one of which holds where `care` does."""
        result = alternatives[-1][1]
        for condition, value in reversed(alternatives[:-1]):
            if value != result:
                needed = self.choices.conditions.within(condition, care)
                result = self.pick(self.whether(needed), value, result)
        return result

    def access(
        self,
        kind: str,
        port: Port,
        condition: int,
        address: int = -1,
        data: tuple[int | None, ...] = (),
        width: int = 0,
    ) -> int:
        """Adds an access and gives its node, which it may share with others."""
        conditions = self.choices.conditions
        same = [access for access in self.accesses if access.kind == kind and access.port == port]
        for access in same:
            if access.kind == "load" and access.parts[0][1] == address and len(access.parts) == 1:
                access.parts[0] = (conditions.either(access.parts[0][0], condition), *access.parts[0][1:])
                return access.node
        clash = any(conditions.both(condition, other) != NEVER for access in same for other, *_ in access.parts)
        part = (condition, address, data, self.graph.location)
        if not same or clash:
            if clash and self.region.is_loop and port.kind != "table":
                raise SimulationError(
                    f"{self.graph.location or self.region.location}: an iteration has two {kind}s of {port.name} that "
                    "do not exclude each other",
                    f"give it one {kind} an iteration: the module has one port for them",
                )
            node = self.graph.add(kind, (), width, port.name)
            self.accesses.append(Access(kind, port, node, [part]))
        else:
            same[-1].parts.append(part)
        return self.accesses[-1].node if not same or clash else same[-1].node

    def close(self) -> None:
        """Gives every access the nodes that it waits for."""
        for access in self.accesses:
            arguments = [self.whether(access.condition(self))]
            if access.parts[0][1] >= 0:
                arguments.append(self.chosen([(c, address) for c, address, *_ in access.parts], access.condition(self)))
            leaves = len(access.parts[0][2])
            if access.kind == "store" and any(None in data for _, _, data, _ in access.parts):
                access.mask = tuple(self._written(access, leaf) for leaf in range(leaves))
            for leaf in range(leaves):
                found = [(c, data[leaf]) for c, _, data, _ in access.parts]
                known = [(c, value) for c, value in found if value is not None]
                arguments.append(self.chosen(known, access.condition(self)) if known else self._nothing(access, leaf))
            self.graph.nodes[access.node].args = (*arguments, *(bit for bit in access.mask if bit is not None))

    def _written(self, access: Access, leaf: int) -> int:
        found = NEVER
        for condition, _, data, _ in access.parts:
            if data[leaf] is not None:
                found = self.choices.conditions.either(found, condition)
        return self.whether(self.choices.conditions.within(found, access.condition(self)))

    def _nothing(self, access: Access, leaf: int) -> int:
        return self.graph.const(0, access.port.lanes[leaf])


__all__ = ["Access", "Exit", "Port", "Trace"]
