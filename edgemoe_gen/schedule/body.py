"""One iteration of an innermost loop as a graph: its instructions with their conditions, and its accesses in order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.schedule.conditions import ALWAYS, NEVER, Conditions
from edgemoe_gen.schedule.flow import NaturalLoop, block_order, predecessors
from edgemoe_gen.schedule.graph import Graph
from edgemoe_gen.schedule.ir import Function, Instruction, Module
from edgemoe_gen.schedule.packing import cut_places
from edgemoe_gen.schedule.parse import BINARY
from edgemoe_gen.schedule.places import (
    AXI_READ,
    AXI_REQUEST,
    AXI_WRITE,
    CHANNEL_CALLS,
    FIFO_READ,
    Pointer,
    Variable,
    Variables,
    steps,
)

_IGNORED = ("llvm.lifetime", "llvm.assume", "llvm.experimental.noalias", "llvm.dbg")
_EXTREMES = re.compile(r"llvm\.(smax|smin|umax|umin|abs|usub\.sat|uadd\.sat)\.")
_ROTATIONS = re.compile(r"llvm\.(fshl|fshr|ctlz|cttz|ctpop|bswap|bitreverse)\.")


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


@dataclass
class Body:
    """An iteration.

    Attributes:
        graph: its nodes.
        conditions: what `Access.condition` refers to.
        accesses: in the order of the program.
        carried: node of a carried value to the node of its value after the iteration.
        exits: one-bit nodes that decide whether there is another iteration.
    """

    graph: Graph = field(default_factory=Graph)
    conditions: Conditions = field(default_factory=Conditions)
    accesses: list[Access] = field(default_factory=list)
    carried: dict[int, int] = field(default_factory=dict)
    exits: frozenset[int] = frozenset()


def build_body(module: Module, function: Function, loop: NaturalLoop, variables: Variables) -> Body:
    """The graph of a loop.

    Raises:
        SimulationError: an instruction or pointer that a schedule does not know.
    """
    return _Builder(module, function, loop, variables).build()


_Places = list[tuple[int, Pointer]]  # condition, place


class _Builder:
    def __init__(self, module: Module, function: Function, loop: NaturalLoop, variables: Variables) -> None:
        self._module = module
        self._function = function
        self._loop = loop
        self._variables = variables
        self.body = Body()
        self._graph = self.body.graph
        self._conditions = self.body.conditions
        self._defined = {
            instruction.name: instruction
            for block in function.blocks.values()
            for instruction in block.instructions
            if instruction.name
        }
        inside = set(loop.blocks)
        self._inside = {i.name for name in inside for i in function.blocks[name].instructions if i.name}
        self._before = predecessors(function, block_order(function))
        self._values: dict[str, int] = {}
        self._pointers: dict[str, _Places] = {}
        self._edges: dict[tuple[str, str], int] = {}
        self._condition = ALWAYS
        self._waiting: dict[tuple[str, int], list[int]] = {}  # values put at the tail of a FIFO
        self._reads: dict[tuple[str, int], list[int]] = {}  # reads of a FIFO so far
        self._stores: dict[str, list[Access]] = {}  # to each variable so far

    def build(self) -> Body:
        function, loop = self._function, self._loop
        header = function.blocks[loop.header]
        heads = [i for i in header.instructions if i.opcode == "phi"]
        cuts = cut_places(function, loop)
        pieces: dict[str, list[int]] = {}
        for phi in heads:
            if phi.type.kind == "int":
                self._graph.location = phi.location
                pieces[phi.name] = self._carried(phi, cuts.get(phi.name, ()))
                self._values[phi.name] = self._graph.concat(pieces[phi.name])
            else:
                self._pointers[phi.name] = [(ALWAYS, Pointer(phi.name))]
        exits: set[int] = set()
        for name in loop.blocks:
            block = function.blocks[name]
            if name == loop.header:
                self._condition = ALWAYS
            else:
                self._condition = NEVER
                for other in self._before[name]:
                    self._condition = self._conditions.either(self._condition, self._edges.get((other, name), NEVER))
            for instruction in block.instructions:
                if not (instruction.opcode == "phi" and name == loop.header):
                    self._graph.location = instruction.location
                    self._step(name, instruction)
            for target in block.successors:
                if target not in loop.blocks:
                    exits |= self._conditions.atoms(self._edges[name, target])
        self._close(heads, pieces)
        self.body.exits = frozenset(exits)
        return self.body

    def _carried(self, phi: Instruction, cuts: tuple[int, ...]) -> list[int]:
        bounds = [0, *(cut for cut in cuts if 0 < cut < phi.type.bits), phi.type.bits]
        return [self._graph.add("carried", (), high - low, low, phi.name) for low, high in itertools.pairwise(bounds)]

    def _close(self, heads: list[Instruction], pieces: Mapping[str, list[int]]) -> None:
        """What every carried value is after the iteration."""
        again = NEVER
        for latch in self._loop.latches:
            again = self._conditions.either(again, self._edges[latch, self._loop.header])
        for phi in heads:
            if phi.type.kind != "int":
                continue
            self._graph.location = phi.location
            alternatives = [
                (self._edges[block, self._loop.header], self._value(value, phi.type.bits))
                for value, block in zip(phi.operands, phi.blocks, strict=True)
                if block in self._loop.latches
            ]
            value = self._chosen(alternatives, again, phi.type.bits)
            at = 0
            for piece in pieces[phi.name]:
                width = self._graph.nodes[piece].width
                self.body.carried[piece] = self._graph.slice(value, at, width)
                at += width

    # Values.

    def _value(self, text: str, width: int) -> int:
        graph = self._graph
        if text[0] not in "%@":
            return graph.const(
                {"true": 1, "false": 0}.get(text, 0) if text[0] not in "-0123456789" else int(text), width
            )
        if text in self._values:
            return self._values[text]
        found = self._defined.get(text)
        if found is not None and found.opcode in ("sext", "zext") and found.element is not None:
            inner = self._value(found.operands[0], found.element.bits)
            value = (graph.sext if found.opcode == "sext" else graph.zext)(inner, width)
        else:
            value = graph.shared("input", (), width, name=text)
        self._values[text] = value
        return value

    def _chosen(self, alternatives: list[tuple[int, int]], care: int, width: int) -> int:
        """One of several values by the conditions of the ways that they come on."""
        by_value: dict[int, int] = {}
        for condition, value in alternatives:
            by_value[value] = self._conditions.either(by_value.get(value, NEVER), condition)
        if len(by_value) == 1:
            return next(iter(by_value))
        choosing: set[int] = set()
        simplest = [self._conditions.atoms(self._conditions.within(c, care)) for c in by_value.values()]
        longest = max(range(len(simplest)), key=lambda i: len(simplest[i]))
        for i, atoms in enumerate(simplest):
            if i != longest:  # it is the one that is left
                choosing |= atoms
        return self._graph.merge(list(by_value), sorted(choosing), width)

    def _holds(self, node: int) -> int:
        """The condition that a one-bit value is true."""
        graph = self._graph
        value = graph.constant(node)
        if value is not None:
            return ALWAYS if value else NEVER
        if graph.nodes[node].op == "not":
            return self._conditions.inverse(self._holds(graph.nodes[node].args[0]))
        if graph.nodes[node].op == "icmp" and graph.nodes[node].detail == "ne":
            same = graph.shared("icmp", graph.nodes[node].args, 1, "eq")
            return self._conditions.inverse(self._conditions.atom(same))
        return self._conditions.atom(node)

    def _guards(self, condition: int) -> list[int]:
        return sorted(self._conditions.atoms(condition))

    # Instructions.

    def _step(self, block: str, i: Instruction) -> None:
        if i.opcode == "phi":
            self._phi(block, i)
        elif i.opcode in ("br", "switch"):
            self._branch(block, i)
        elif i.opcode == "getelementptr":
            self._pointers[i.name] = self._element(i)
        elif i.opcode == "load":
            self._load(i)
        elif i.opcode == "store":
            self._store(i)
        elif i.opcode == "call":
            self._call(i)
        elif i.opcode == "select" and i.type.kind == "ptr":
            condition = self._holds(self._value(i.operands[0], 1))
            both = self._conditions.both
            self._pointers[i.name] = [
                (both(c, way), place)
                for text, way in ((i.operands[1], condition), (i.operands[2], self._conditions.inverse(condition)))
                for c, place in self._places(text)
            ]
        elif i.opcode not in ("alloca", "ret", "unreachable"):
            self._values[i.name] = self._operation(i)

    def _operation(self, i: Instruction) -> int:
        graph, width = self._graph, i.type.bits
        if i.opcode in BINARY:
            return graph.binary(i.opcode, *(self._value(text, width) for text in i.operands))
        if i.opcode in ("trunc", "zext", "sext", "freeze") and i.element is not None:
            value = self._value(i.operands[0], i.element.bits)
            if i.opcode == "trunc":
                return graph.slice(value, 0, width)
            return value if i.opcode == "freeze" else getattr(graph, i.opcode)(value, width)
        if i.opcode == "icmp" and i.type.kind == "int":
            return graph.shared("icmp", [self._value(text, width) for text in i.operands], 1, i.detail)
        if i.opcode == "select":
            return graph.select(self._value(i.operands[0], 1), *(self._value(text, width) for text in i.operands[1:]))
        raise SimulationError(
            f"{i.location or self._function.name}: the compiler made a {i.opcode}, which a schedule does not know",
            "write the kernel without it, or add it to edgemoe_gen/schedule",
        )

    def _phi(self, block: str, i: Instruction) -> None:
        ways = [
            (self._edges.get((other, block), NEVER), text) for text, other in zip(i.operands, i.blocks, strict=True)
        ]
        if i.type.kind == "ptr":
            within, both = self._conditions.within, self._conditions.both
            self._pointers[i.name] = [
                (both(within(condition, self._condition), c), place)
                for condition, text in ways
                for c, place in self._places(text)
            ]
            return
        alternatives = [(condition, self._value(text, i.type.bits)) for condition, text in ways]
        self._values[i.name] = self._chosen(alternatives, self._condition, i.type.bits)

    def _branch(self, block: str, i: Instruction) -> None:
        if len(i.blocks) == 1:
            ways = [(i.blocks[0], ALWAYS)]
        elif i.opcode == "br":
            condition = self._holds(self._value(i.operands[0], 1))
            ways = [(i.blocks[0], condition), (i.blocks[1], self._conditions.inverse(condition))]
        else:
            value, width = self._value(i.operands[0], i.type.bits), i.type.bits
            ways, rest = [], ALWAYS
            for case, target in zip(i.cases, i.blocks[1:], strict=True):
                same = self._holds(self._graph.shared("icmp", (value, self._graph.const(case, width)), 1, "eq"))
                ways.append((target, self._conditions.both(rest, same)))
                rest = self._conditions.both(rest, self._conditions.inverse(same))
            ways.append((i.blocks[0], rest))
        for target, condition in ways:
            whole = self._conditions.both(self._condition, condition)
            self._edges[block, target] = self._conditions.either(self._edges.get((block, target), NEVER), whole)

    # Places.

    def _places(self, text: str) -> _Places:
        if text in self._pointers:
            return self._pointers[text]
        found = self._defined.get(text)
        if found is not None and found.opcode == "getelementptr" and not self._variables.is_root(text):
            self._pointers[text] = self._element(found)
            return self._pointers[text]
        return [(ALWAYS, Pointer(text))] if text[0] in "%@" else []

    def _element(self, i: Instruction) -> _Places:
        offset, terms = 0, []
        for step, index in steps(self._module, i):
            if not index.startswith("%"):
                offset += step * int(index)
                continue
            node = self._value(index, 64)
            value = self._graph.signed(node)
            if value is None:
                terms.append((step, node))
            else:
                offset += step * value
        return [(condition, place.moved(offset, terms)) for condition, place in self._places(i.operands[0])]

    def _load(self, i: Instruction) -> None:
        if i.type.kind == "ptr":
            self._pointers[i.name] = [(ALWAYS, Pointer(i.name))]
            return
        size = self._module.layout.size(i.type)
        found = [
            (condition, self._loaded(place, size, i.type.bits, condition))
            for condition, place in self._places(i.operands[0])
        ]
        self._values[i.name] = self._chosen(found, ALWAYS, i.type.bits) if found else self._graph.const(0, i.type.bits)

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
        both = self._conditions.both(self._condition, condition)
        if variable.kind == "registers" and not indices:
            return self._kept(place, size, width, both)
        node = self._graph.add("load", indices, width, len(self.body.accesses), variable.name)
        self.body.accesses.append(Access(node, "load", variable, "", place, size, both))
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
                return self._chosen(found, condition, width)
        node = self._graph.add("load", (), width, len(self.body.accesses), self._variables[place.variable].name)
        self.body.accesses.append(Access(node, "load", self._variables[place.variable], "", place, size, rest))
        return self._chosen([*found, (rest, node)], condition, width) if found else node

    def _store(self, i: Instruction) -> None:
        size = self._module.layout.size(i.type)
        value = self._value(i.operands[0], i.type.bits) if i.type.kind == "int" else self._graph.const(0, 64)
        for condition, place in self._places(i.operands[1]):
            self._stored(place, size, value, condition)

    def _stored(self, place: Pointer, size: int, value: int, condition: int) -> None:
        variable = self._variables[place.variable]
        both = self._conditions.both(self._condition, condition)
        indices = [node for _, node in place.terms]
        if variable.kind in ("fifo", "axi"):
            start, _ = variable.channel(place.offset)
            self._waiting.setdefault((place.variable, start), []).extend([value, *indices, *self._guards(both)])
            return
        node = self._graph.add(
            "store", (value, *indices, *self._guards(both)), 0, len(self.body.accesses), variable.name
        )
        self.body.accesses.append(Access(node, "store", variable, "", place, size, both))
        self._stores.setdefault(place.variable, []).append(self.body.accesses[-1])

    def _call(self, i: Instruction) -> None:
        graph = self._graph
        extreme = _EXTREMES.match(i.detail)
        if i.detail in CHANNEL_CALLS:
            for condition, place in self._places(i.operands[0]):
                self._channel(i.detail, place, self._conditions.both(self._condition, condition))
        elif i.detail.startswith(_IGNORED):
            return
        elif i.detail.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
            self._copy(i)
        elif extreme is not None:
            operands = i.operands[:1] if extreme[1] == "abs" else i.operands
            values = [self._value(text, i.type.bits) for text in operands]
            self._values[i.name] = graph.shared(extreme[1], values, i.type.bits)
        elif _ROTATIONS.match(i.detail):
            values = [self._value(text, i.type.bits) for text in i.operands]
            op = "shl" if ".fsh" in i.detail else "count"
            if ".fsh" in i.detail and graph.constant(values[-1]) is not None:
                op = "field"
            self._values[i.name] = graph.shared(op, values, i.type.bits)
        else:
            raise SimulationError(
                f"{i.location or self._function.name}: a pipelined loop calls {i.detail}, which was not inlined",
                "write it so that it can be, or unroll the loop around it",
            )

    def _channel(self, callee: str, place: Pointer, condition: int) -> None:
        variable = self._variables[place.variable]
        start, name = variable.channel(place.offset)
        key = (place.variable, start)
        kind = "read" if callee in (FIFO_READ, AXI_READ) else "request" if callee == AXI_REQUEST else "write"
        arguments = self._guards(condition)
        if callee not in (FIFO_READ, AXI_READ, AXI_REQUEST):
            arguments = [*self._waiting.pop(key, []), *arguments]
        node = self._graph.add(kind, arguments, 0, len(self.body.accesses), name)
        if kind == "read":
            self._reads.setdefault(key, []).append(node)
        self.body.accesses.append(Access(node, kind, variable, name, place, 0, condition))

    def _copy(self, i: Instruction) -> None:
        size = int(i.operands[2]) if i.operands[2].isdigit() else 8
        if i.detail.startswith("llvm.memset"):
            value = self._graph.const(0, 8 * size)
        else:
            places = self._places(i.operands[1])
            found = [(condition, self._loaded(place, size, 8 * size, condition)) for condition, place in places]
            value = self._chosen(found, ALWAYS, 8 * size)
        for condition, place in self._places(i.operands[0]):
            self._stored(place, size, value, condition)


def _elements(place: Pointer, variable: Variable) -> int:
    """How many elements an index chooses from, as far as the scales of its terms say."""
    scales = sorted(scale for scale, _ in place.terms)
    return max(2, min(64, scales[-1] // scales[0])) if len(scales) > 1 else 4 if variable.channels else 8


__all__ = ["AXI_WRITE", "Access", "Body", "build_body"]
