"""What an iteration reads and writes: memories, registers by index, FIFOs and ports, in the order of the program."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.scheduling.choosing import Choices
from edgemoe_gen.scheduling.conditions import NEVER
from edgemoe_gen.scheduling.places import (
    AXI_READ,
    AXI_REQUEST,
    FIFO_READ,
    Pointer,
    Variable,
    Variables,
)

_LARGEST_PACKED = 128  # bits of an integer that the compiler packs a struct into


@dataclass(frozen=True)
class Access:
    """A load, store, read or write, in the order of the program.

    Attributes:
        node: its number in the graph.
        kind: "load", "store", "read", "write" or "request".
        variable: what it goes to; `channel` is the FIFO's name, else "".
        pointer: the place.
        bytes: how many.
        condition: under which it takes place.
    """

    node: int
    kind: str
    variable: Variable
    channel: str
    pointer: Pointer
    bytes: int
    condition: int


class Memory:
    """The accesses of one iteration as they are made. Conditions are whole: of the block and of the pointer."""

    def __init__(self, choices: Choices, variables: Variables) -> None:
        self.accesses: list[Access] = []
        self._choices = choices
        self._graph = choices.graph
        self._conditions = choices.conditions
        self._variables = variables
        self._waiting: dict[tuple[str, int], list[int]] = {}  # values put at the tail of a FIFO
        self._reads: dict[tuple[str, int], list[int]] = {}  # reads of a FIFO so far
        self._stores: dict[str, list[Access]] = {}  # to each variable so far

    def load(self, place: Pointer, size: int, width: int, condition: int) -> int:
        """The node of a value of `size` bytes at a place."""
        return self._narrowed(self._loaded(place, size, width, condition), place)

    def _narrowed(self, number: int, place: Pointer) -> int:
        """A loaded value as the widths of its parts make it: the bits above them repeat the sign."""
        graph, parts, at = self._graph, list[int](), 0
        width = graph.nodes[number].width
        while at < width:
            exact = self._variables.exact(place, at)
            step = width - at if exact is None else min(exact.container, width - at)
            if exact is None and width > _LARGEST_PACKED:
                return number
            if exact is None:
                step = min(8, step)
            part = graph.slice(number, at, step)
            if exact is not None and exact.bits < step == exact.container:
                extend = graph.sext if exact.signed else graph.zext
                part = extend(graph.slice(part, 0, exact.bits), step)
            parts.append(part)
            at += step
        return graph.concat(parts)

    def _loaded(self, place: Pointer, size: int, width: int, condition: int) -> int:
        variable = self._variables[place.variable]
        indices = [node for _, node in place.terms]
        if variable.kind in ("fifo", "axi"):
            start, name = variable.channel(place.offset)
            reads = self._reads.get((place.variable, start), [])
            value = self._graph.shared("field", (*reads, *indices), width, place.offset, name)
            if not indices:
                return value
            return self._graph.shared("mux", (value, *indices), width, _elements(place, variable))
        if variable.kind == "values":
            value = self._graph.shared("input", (), width, place.offset, f"{place.variable}+")
            return self._graph.shared("mux", (value, *indices), width, 2) if indices else value
        if variable.kind == "registers" and not indices:
            return self._kept(place, size, width, condition)
        node = self._graph.add("load", indices, width, len(self.accesses), variable.name)
        self.accesses.append(Access(node, "load", variable, "", place, size, condition))
        return node

    def _kept(self, place: Pointer, size: int, width: int, condition: int) -> int:
        """What a place of registers holds: of the stores before it those that may have been the last."""
        rest, found = condition, list[tuple[int, int]]()
        for access in reversed(self._stores.get(place.variable, [])):
            at = access.pointer
            if at.terms:
                break
            if at.offset + access.bytes <= place.offset or place.offset + size <= at.offset:
                continue
            first = 8 * (place.offset - at.offset)
            value = self._graph.nodes[access.node].args[0]
            if first < 0 or first + width > self._graph.nodes[value].width:
                break
            reaches = self._conditions.both(rest, access.condition)
            if reaches != NEVER:
                found.append((reaches, self._graph.slice(value, first, width)))
                rest = self._conditions.both(rest, self._conditions.inverse(access.condition))
            if rest == NEVER:
                return self._choices.chosen(found, condition, width)
        node = self._graph.add("load", (), width, len(self.accesses), self._variables[place.variable].name)
        self.accesses.append(Access(node, "load", self._variables[place.variable], "", place, size, rest))
        return self._choices.chosen([*found, (rest, node)], condition, width) if found else node

    def store(self, place: Pointer, size: int, value: int, condition: int) -> None:
        """Puts a node's value at a place."""
        variable = self._variables[place.variable]
        indices = [node for _, node in place.terms]
        if variable.kind in ("fifo", "axi"):
            start, _ = variable.channel(place.offset)
            self._waiting.setdefault((place.variable, start), []).extend(
                [value, *indices, *self._choices.guards(condition)]
            )
            return
        node = self._graph.add(
            "store", (value, *indices, *self._choices.guards(condition)), 0, len(self.accesses), variable.name
        )
        self.accesses.append(Access(node, "store", variable, "", place, size, condition))
        self._stores.setdefault(place.variable, []).append(self.accesses[-1])

    def cross(self, callee: str, place: Pointer, condition: int) -> None:
        """A call of an access function: an element of a FIFO or a beat of a port comes or goes."""
        variable = self._variables[place.variable]
        start, name = variable.channel(place.offset)
        key = (place.variable, start)
        kind = "read" if callee in (FIFO_READ, AXI_READ) else "request" if callee == AXI_REQUEST else "write"
        arguments = self._choices.guards(condition)
        if callee not in (FIFO_READ, AXI_READ, AXI_REQUEST):
            arguments = [*self._waiting.pop(key, []), *arguments]
        node = self._graph.add(kind, arguments, 0, len(self.accesses), name)
        if kind == "read":
            self._reads.setdefault(key, []).append(node)
        self.accesses.append(Access(node, kind, variable, name, place, 0, condition))


def _elements(place: Pointer, variable: Variable) -> int:
    """How many elements an index chooses from, as far as the scales of its terms say."""
    scales = sorted(scale for scale, _ in place.terms)
    return max(2, min(64, scales[-1] // scales[0])) if len(scales) > 1 else 4 if variable.channels else 8


__all__ = ["Access", "Memory"]
