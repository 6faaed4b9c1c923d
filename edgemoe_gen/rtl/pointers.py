"""Targets of a region's pointers: a variable, a fixed offset, scaled indices; several places by condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.rtl.objects import Objects, readable
from edgemoe_gen.rtl.regions import Region, Regions
from edgemoe_gen.rtl.state import State
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER
from edgemoe_gen.scheduling.ir import Function, Instruction, Module, Parameter
from edgemoe_gen.scheduling.places import Pointer, steps

Places = list[tuple[int, Pointer]]
_ADDRESS_BITS = 64


@dataclass(frozen=True)
class Whole:
    """The function that a region belongs to.

    Attributes:
        defined: region and instruction that make a value, by its name.
    """

    module: Module
    function: Function
    objects: Objects
    regions: Regions
    traces: Mapping[Region, Trace]
    parameters: Mapping[str, Parameter]
    defined: Mapping[str, tuple[Region, Instruction]]


class Pointers(ABC):
    """Pointers of one region. The walk over its instructions sets `condition` and the edges between blocks."""

    def __init__(self, whole: Whole, region: Region, state: State) -> None:
        self.whole = whole
        self.region = region
        self.trace = whole.traces[region]
        self.state = state
        self.graph = self.trace.graph
        self.conditions = self.trace.choices.conditions
        self.pointers: dict[str, Places] = {}
        self.edges: dict[tuple[str, str], int] = {}
        self.condition = ALWAYS
        self.carried: list[Instruction] = []

    @abstractmethod
    def value(self, text: str, width: int) -> int:
        """The node of an operand."""

    def put(self, i: Instruction, node: int) -> None:
        self.trace.values[i.name] = node
        self.trace.names.setdefault(node, readable(i.name))

    def places(self, text: str) -> Places:
        """Places of a pointer, by conditions within its block."""
        if text not in self.pointers:
            self.pointers[text] = self._found(text)
        return self.pointers[text]

    def operand(self, i: Instruction, number: int) -> Places:
        """Places of an operand."""
        offset = i.offsets.get(number, 0)
        return [(condition, place.moved(offset)) for condition, place in self.places(i.operands[number])]

    def _found(self, text: str) -> Places:
        if text[0] == "@" or text in self.whole.parameters:
            return [(ALWAYS, Pointer(text))]
        if text[0] != "%":
            return []
        _, i = self.whole.defined[text]
        if i.opcode == "alloca":
            return [(ALWAYS, Pointer(text))]
        if i.opcode == "getelementptr":
            return self._element(i)
        if i.opcode == "select":
            condition = self._holds(self.value(i.operands[0], 1))
            both = self.conditions.both
            return [
                (both(c, way), place)
                for name, way in ((i.operands[1], condition), (i.operands[2], self.conditions.inverse(condition)))
                for c, place in self.places(name)
            ]
        raise self.state.refused(f"the pointer {text} comes from a {i.opcode}")

    def _element(self, i: Instruction) -> Places:
        offset, terms = 0, []
        for step, index in steps(self.whole.module, i):
            if not index.startswith("%"):
                offset += step * int(index)
                continue
            node = self.value(index, _ADDRESS_BITS)
            value = self.graph.signed(node)
            if value is not None:
                offset += step * value
                continue
            more, scale, node = self._term(step, node)
            offset += more
            terms.append((scale, node))
        return [(condition, place.moved(offset, terms)) for condition, place in self.operand(i, 0)]

    def _term(self, step: int, node: int) -> tuple[int, int, int]:
        """A scaled index as bytes, a scale and an index: without what only widens it, moves it up or multiplies it."""
        graph = self.graph
        found = graph.nodes[node]
        if found.op == "mul" and found.width == _ADDRESS_BITS:  # addresses wrap as it does
            many = graph.signed(found.args[1])
            if many is not None:
                return self._term(step * many, found.args[0])
        if found.op == "sext" and graph.nodes[found.args[0]].width > 1:
            return self._term(step, found.args[0])
        low = graph.constant(found.args[0]) if found.op == "concat" else None
        if low is None:
            return 0, step, node
        bits = graph.nodes[found.args[0]].width
        more, scale, rest = self._term(step << bits, graph.slice(node, bits, found.width - bits))
        return more + step * low, scale, rest

    def _chosen_place(self, block: str, i: Instruction) -> Places:
        header = block == self.region.header
        if header and any(self.whole.defined.get(text, (None,))[0] is self.region for text in i.operands):
            raise self.state.refused("a pointer is kept from one iteration to the next")
        ways = [(text, self.places(text)) for text in i.operands]
        if header:
            if all(places == ways[0][1] and len(places) == 1 for _, places in ways):
                return ways[0][1]
            raise self.state.refused("a pointer is kept from one loop to another")
        both, within = self.conditions.both, self.conditions.within
        return [
            (both(within(self.edges.get((other, block), NEVER), self.condition), condition), place)
            for (_, places), other in zip(ways, i.blocks, strict=True)
            for condition, place in places
        ]

    def _holds(self, node: int) -> int:
        """The condition of a one-bit node, seen through logic."""
        found, conditions = self.graph.nodes[node], self.conditions
        if found.op in ("and", "or"):
            join = conditions.both if found.op == "and" else conditions.either
            return join(self._holds(found.args[0]), self._holds(found.args[1]))
        if found.op == "not":
            return conditions.inverse(self._holds(found.args[0]))
        return self.trace.choices.holds(node)

    def _whole(self, condition: int) -> int:
        return self.conditions.both(self.condition, condition)


__all__ = ["Places", "Pointers", "Whole"]
