"""The instructions of a function's regions as graphs: branches become conditions, phis choices, accesses ports.

Values that cross from one region to another lie in registers between them: those of phis at a region's beginning, and
those that one region computes and a later one uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.counters import counter_limits
from edgemoe_gen.rtl.objects import Objects, plain, target_name
from edgemoe_gen.rtl.regions import Region, Regions, find_regions
from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.rtl.state import State
from edgemoe_gen.rtl.trace import Exit, Port, Trace
from edgemoe_gen.schedule.conditions import ALWAYS, NEVER
from edgemoe_gen.schedule.ir import Function, Instruction, Module
from edgemoe_gen.schedule.parse import BINARY
from edgemoe_gen.schedule.places import (
    AXI_READ,
    AXI_REQUEST,
    AXI_WRITE,
    FIFO_READ,
    FIFO_WRITE,
    Pointer,
    Variables,
    source_name,
    steps,
)

_IGNORED = ("llvm.lifetime.end", "llvm.assume", "llvm.experimental.noalias", "llvm.dbg")
_EXTREMES = ("smax", "smin", "umax", "umin", "abs")
_Places = list[tuple[int, Pointer]]


@dataclass(frozen=True)
class Elaborated:
    """A function: its regions in order. `objects` are what its pointers lead to."""

    function: Function
    regions: Regions
    traces: tuple[Trace, ...]
    objects: Objects


def elaborate(
    module: Module, function: Function, shapes: Mapping[str, Shape], variables: Variables,
    callees: Mapping[str, Mapping[str, Shape]] | None = None,
) -> Elaborated:  # fmt: skip
    """Elaborates a function. `callees` are parameters of the modules that it calls, by symbol.

    Raises:
        SimulationError: an instruction or access of a form that is not known; names file and line.
    """
    objects = Objects(module, function, variables, shapes, callees or {})
    first = _Elaboration(module, function, objects, {})
    first.all()
    # Once more with what the first time told of counters, so that indices reach fewer places.
    limits = {region.number: counter_limits(trace, first.starts(region)) for region, trace in first.traces.items()}
    return _Elaboration(module, function, objects, limits).all()


class _Elaboration:
    def __init__(
        self, module: Module, function: Function, objects: Objects, limits: Mapping[int, Mapping[str, int]]
    ) -> None:
        self.module = module
        self.function = function
        self.objects = objects
        self.regions = find_regions(function, objects.callees)
        self.traces = {region: Trace(region) for region in self.regions.regions}
        self.states = {
            region: State(trace, objects, limits.get(region.number, {})) for region, trace in self.traces.items()
        }
        self.parameters = {parameter.name: parameter for parameter in function.parameters}
        self.defined: dict[str, tuple[Region, Instruction]] = {}
        for region in self.regions.regions:
            for block in region.blocks:
                for i in function.blocks[block].instructions:
                    if i.name:
                        self.defined[i.name] = (region, i)

    def all(self) -> Elaborated:
        """All regions, then what passes from one to the next."""
        walks = {region: _Walk(self, region) for region in self.regions.regions}
        for walk in walks.values():
            walk.run()
        for walk in walks.values():
            walk.leave()
        read = {key for state in self.states.values() for key in state.first}
        for region, state in self.states.items():
            self._keep(self.traces[region], state, read)
        for trace in self.traces.values():
            trace.close()
        return Elaborated(self.function, self.regions, tuple(self.traces.values()), self.objects)

    def starts(self, region: Region) -> dict[str, tuple[int | None, ...]]:
        """What carried values are before a loop: constants, or None."""
        found = {}
        for i in self.function.blocks[region.header].instructions:
            if i.opcode == "phi" and i.type.kind == "int":
                outside = [
                    text for text, block in zip(i.operands, i.blocks, strict=True) if self.regions.of.get(block) != region
                ]
                found[plain(i.name)] = tuple(int(text) if text.lstrip("-").isdigit() else None for text in outside)
        return found

    def _keep(self, trace: Trace, state: State, read: set[tuple[str, int]]) -> None:
        """Registers of arrays that a region leaves changed."""
        for key, node in state.registers.items():
            if key not in read or key in state.undefined or node == state.first.get(key):
                if trace.region.is_loop and key in state.first:
                    trace.carried[state.first[key]] = state.first[key]
                continue
            name, n = key
            if not trace.region.is_loop:
                trace.commits.append((f"{plain(name)}__{n}", node))
            else:
                if key not in state.first:
                    width = trace.graph.nodes[node].width
                    state.first[key] = trace.graph.add("carried", (), width, 0, f"{plain(name)}__{n}")
                trace.carried[state.first[key]] = node


class _Walk:
    """Of one region."""

    def __init__(self, whole: _Elaboration, region: Region) -> None:
        self.whole = whole
        self.region = region
        self.trace = whole.traces[region]
        self.state = whole.states[region]
        self.graph = self.trace.graph
        self.conditions = self.trace.choices.conditions
        self.pointers: dict[str, _Places] = {}
        self.edges: dict[tuple[str, str], int] = {}
        self.condition = ALWAYS
        self.carried: list[Instruction] = []

    def run(self) -> None:
        """All instructions."""
        blocks = self.whole.function.blocks
        for name in self.region.blocks:
            if name != self.region.header:
                self.condition = NEVER
                for other in self.whole.regions.before[name]:
                    self.condition = self.conditions.either(self.condition, self.edges.get((other, name), NEVER))
            for i in blocks[name].instructions:
                self.graph.location = i.location or self.region.location
                self.step(name, i)
        if self.region.is_loop:
            self._close()

    def _close(self) -> None:
        """What carried values become, and that nothing happens in the iteration that leaves the loop."""
        header = self.region.header
        back = [(block, condition) for (block, target), condition in self.edges.items() if target == header]
        again = NEVER
        for _, condition in back:
            again = self.conditions.either(again, condition)
        for phi in self.carried:
            self.graph.location = phi.location
            ways = [
                (condition, self.value(text, phi.type.bits))
                for text, other in zip(phi.operands, phi.blocks, strict=True)
                for block, condition in back
                if block == other
            ]
            self.trace.carried[self.trace.values[phi.name]] = self.trace.chosen(ways, again)
        for access in self.trace.accesses:
            for condition, _, _, location in access.parts:
                if self.conditions.both(condition, self.conditions.inverse(again)) != NEVER and access.kind != "load":
                    raise SimulationError(
                        f"{location or self.region.location}: a {access.kind} of {access.port.name} takes place in the "
                        "iteration that leaves the loop",
                        "leave the loop before anything else",
                    )

    def leave(self) -> None:
        """What every way out assigns to registers."""
        for out in self.trace.exits:
            if out.target is None:
                continue
            for i in self.whole.function.blocks[out.target].instructions:
                if i.opcode != "phi":
                    break
                for text, other in zip(i.operands, i.blocks, strict=True):
                    if other == out.source and i.type.kind == "int":
                        self.graph.location = i.location
                        out.sets.append((plain(i.name), self.value(text, i.type.bits)))

    # Values.

    def value(self, text: str, width: int) -> int:
        """The node of an operand."""
        graph = self.graph
        if text[0] not in "%@":
            known = {"true": 1, "false": 0}.get(text, 0)
            return graph.const(int(text) if text.lstrip("-").isdigit() else known, width)
        if text not in self.trace.values:
            self.trace.values[text] = self._from_before(text, width)
        return self.trace.values[text]

    def _from_before(self, text: str, width: int) -> int:
        """A value that another region made: again where that only moves bits of a parameter, else a register."""
        if text in self.whole.parameters:
            return self.graph.shared("input", (), width, 0, plain(text))
        region, i = self.whole.defined[text]
        if i.opcode in ("sext", "zext", "trunc") and i.element is not None:
            return self._cast(i)
        if i.opcode == "load" and i.type.kind == "int":
            places = self.operand(i, 0)
            shape = self.whole.objects.shape(places[0][1]) if len(places) == 1 else None
            if shape is not None and shape.kind == "value" and not places[0][1].terms:
                return self.state.load(places[0][1], width, ALWAYS)
        other = self.whole.traces[region]
        known = other.graph.constant(other.values[text])
        if known is not None:
            return self.graph.const(known, width)
        other.live_outs[plain(text)] = other.values[text]
        return self.graph.shared("input", (), width, 0, plain(text))

    def step(self, block: str, i: Instruction) -> None:
        """One instruction."""
        if i.opcode == "phi":
            self._phi(block, i)
        elif i.opcode in ("br", "switch", "ret"):
            self._branch(block, i)
        elif i.opcode == "load":
            self._load(i)
        elif i.opcode == "store":
            size = 8 * self.whole.module.layout.size(i.type)
            if i.type.kind != "int":
                raise self.state.refused(f"a {i.type.kind} is stored")
            value = self.graph.sext(self.value(i.operands[0], i.type.bits), size)
            for condition, place in self.operand(i, 1):
                self.state.store(place, value, size, self._whole(condition))
        elif i.opcode == "call":
            self._call(i)
        elif i.type.kind == "ptr" and i.opcode in ("getelementptr", "alloca", "select"):
            if i.opcode == "select":
                self.value(i.operands[0], 1)
        elif i.opcode != "unreachable":
            self._set(i, self._operation(i))

    def _set(self, i: Instruction, node: int) -> None:
        self.trace.values[i.name] = node
        self.trace.names.setdefault(node, plain(source_name(i.name)))

    def _operation(self, i: Instruction) -> int:
        graph, width = self.graph, i.type.bits
        if i.opcode in BINARY:
            return graph.binary(i.opcode, *(self.value(text, width) for text in i.operands))
        if i.opcode in ("trunc", "zext", "sext", "freeze") and i.element is not None and i.element.kind == "int":
            return self._cast(i)
        if i.opcode == "icmp" and i.type.kind == "int":
            first, second = (self.value(text, width) for text in i.operands)
            if i.detail == "ne":
                return graph.inverse(graph.shared("icmp", (first, second), 1, "eq"))
            return graph.shared("icmp", (first, second), 1, i.detail)
        if i.opcode == "select":
            return self.trace.pick(self.value(i.operands[0], 1), *(self.value(text, width) for text in i.operands[1:]))
        raise self.state.refused(f"the compiler made a {i.opcode}, which a module does not know")

    def _cast(self, i: Instruction) -> int:
        assert i.element is not None
        value = self.value(i.operands[0], i.element.bits)
        if i.opcode == "trunc":
            return self.graph.slice(value, 0, i.type.bits)
        if i.opcode == "freeze":
            return value
        return (self.graph.sext if i.opcode == "sext" else self.graph.zext)(value, i.type.bits)

    def _phi(self, block: str, i: Instruction) -> None:
        if i.type.kind == "ptr":
            self.pointers[i.name] = self._chosen_place(block, i)
        elif block != self.region.header:
            ways = [
                (self.edges.get((other, block), NEVER), self.value(text, i.type.bits))
                for text, other in zip(i.operands, i.blocks, strict=True)
            ]
            self._set(i, self.trace.chosen(ways, self.condition))
        elif self.region.is_loop:
            self._set(i, self.graph.add("carried", (), i.type.bits, 0, plain(i.name)))
            self.carried.append(i)
        else:
            self._set(i, self.graph.shared("input", (), i.type.bits, 0, plain(i.name)))

    def _chosen_place(self, block: str, i: Instruction) -> _Places:
        ways = [(text, self.places(text)) for text in i.operands]
        if block == self.region.header:
            if all(places == ways[0][1] and len(places) == 1 for _, places in ways):
                return ways[0][1]
            raise self.state.refused("a pointer is kept from one loop to another")
        both, within = self.conditions.both, self.conditions.within
        return [
            (both(within(self.edges.get((other, block), NEVER), self.condition), condition), place)
            for (_, places), other in zip(ways, i.blocks, strict=True)
            for condition, place in places
        ]

    def _branch(self, block: str, i: Instruction) -> None:
        if i.opcode == "ret":
            self.trace.exits.append(Exit(self.condition, block, None))
            return
        if len(i.blocks) == 1:
            ways = [(i.blocks[0], ALWAYS)]
        elif i.opcode == "br":
            condition = self._holds(self.value(i.operands[0], 1))
            ways = [(i.blocks[0], condition), (i.blocks[1], self.conditions.inverse(condition))]
        else:
            value, rest = self.value(i.operands[0], i.type.bits), ALWAYS
            ways = []
            for case, target in zip(i.cases, i.blocks[1:], strict=True):
                case_node = self.graph.const(case, i.type.bits)
                same = self._holds(self.graph.shared("icmp", (value, case_node), 1, "eq"))
                ways.append((target, self.conditions.both(rest, same)))
                rest = self.conditions.both(rest, self.conditions.inverse(same))
            ways.append((i.blocks[0], rest))
        for target, condition in ways:
            inside = self.whole.regions.of[target] is self.region
            if inside and (target != self.region.header or self.region.is_loop):
                known = self.edges.get((block, target), NEVER)
                self.edges[block, target] = self.conditions.either(known, self._whole(condition))
            else:
                self.trace.exits.append(Exit(self._whole(condition), block, target))

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

    # Pointers and memory.

    def places(self, text: str) -> _Places:
        """Where a pointer leads to, by conditions within its block."""
        if text not in self.pointers:
            self.pointers[text] = self._found(text)
        return self.pointers[text]

    def operand(self, i: Instruction, number: int) -> _Places:
        """Where an operand leads to."""
        offset = i.offsets.get(number, 0)
        return [(condition, place.moved(offset)) for condition, place in self.places(i.operands[number])]

    def _found(self, text: str) -> _Places:
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

    def _element(self, i: Instruction) -> _Places:
        offset, terms = 0, []
        for step, index in steps(self.whole.module, i):
            if not index.startswith("%"):
                offset += step * int(index)
                continue
            node = self.value(index, 64)
            value = self.graph.signed(node)
            if value is not None:
                offset += step * value
                continue
            more, scale, node = self._term(step, node)
            offset += more
            terms.append((scale, node))
        return [(condition, place.moved(offset, terms)) for condition, place in self.operand(i, 0)]

    def _term(self, step: int, node: int) -> tuple[int, int, int]:
        """A scaled index as bytes, a scale and an index: without what only widens it or moves it up."""
        graph = self.graph
        found = graph.nodes[node]
        if found.op == "sext" and graph.nodes[found.args[0]].width > 1:
            return self._term(step, found.args[0])
        low = graph.constant(found.args[0]) if found.op == "concat" else None
        if low is None:
            return 0, step, node
        bits = graph.nodes[found.args[0]].width
        more, scale, rest = self._term(step << bits, graph.slice(node, bits, found.width - bits))
        return more + step * low, scale, rest

    def _load(self, i: Instruction) -> None:
        if i.type.kind != "int":
            raise self.state.refused(f"a {i.type.kind} is loaded")
        size = 8 * self.whole.module.layout.size(i.type)
        ways = [(c, self.state.load(place, size, self._whole(c))) for c, place in self.operand(i, 0)]
        self._set(i, self.graph.slice(self.trace.chosen(ways, self.condition), 0, i.type.bits))

    def _call(self, i: Instruction) -> None:
        name = i.detail
        if name in (FIFO_READ, FIFO_WRITE):
            for condition, place in self.operand(i, 0):
                cross = self.state.read if name == FIFO_READ else self.state.write
                cross(place, self._whole(condition))
        elif name in (AXI_READ, AXI_WRITE, AXI_REQUEST):
            self._burst(i)
        elif name.startswith("llvm.lifetime.start"):
            self.state.forget(i.operands[-1])
        elif name.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
            self._copy(i)
        elif name.startswith("llvm.") and name.split(".")[1] in _EXTREMES:
            kind = name.split(".")[1]
            values = [self.value(text, i.type.bits) for text in i.operands[: 1 if kind == "abs" else 2]]
            self._set(i, self.graph.shared(kind, values, i.type.bits))
        elif name in self.whole.objects.callees:
            self._start(i)
        elif not name.startswith(_IGNORED):
            raise self.state.refused(f"{name} is called, which a process can't do")

    def _start(self, i: Instruction) -> None:
        """A call of a module: its values as one element, the places of its pointers by name."""
        objects = self.whole.objects
        callee = self.whole.module.functions[i.detail]
        shapes = objects.callees[i.detail]
        lanes, data, targets = list[int](), list[int](), dict[str, str]()
        for n, (parameter, shape) in enumerate(shapes.items()):
            places = self.operand(i, n)
            if len(places) != 1 or places[0][1].terms:
                raise self.state.refused(f"{callee.name} is handed one of several places for {plain(parameter)}")
            place = places[0][1]
            if shape.kind == "value":
                data.append(self.state.packed(place, shape.leaves))
                lanes.append(shape.bits)
            else:
                own = objects.shapes.get(place.variable)
                array = own is not None and own.count > 1
                targets[parameter] = target_name(place.variable, place.offset, own, shape, array)
        port = Port(callee.name, "call", i.detail, sum(lanes), tuple(lanes))
        node = self.trace.access("call", port, self.condition, data=tuple(data))
        access = next(access for access in self.trace.accesses if access.node == node)
        access.sites.append((self.trace.whether(self.condition), targets))

    def _burst(self, i: Instruction) -> None:
        for condition, place in self.operand(i, 0):
            if i.detail == AXI_REQUEST:
                self.state.request(place, [self.value(text, 64) for text in i.operands[1:]], self._whole(condition))
            else:
                cross = self.state.read if i.detail == AXI_READ else self.state.write
                cross(place, self._whole(condition))

    def _copy(self, i: Instruction) -> None:
        if not i.operands[2].isdigit():
            raise self.state.refused("a copy has no fixed size")
        bits = 8 * int(i.operands[2])
        if i.detail.startswith("llvm.memset"):
            value = self.graph.const(0, bits)
            if i.operands[1] != "0":
                raise self.state.refused("memory is filled with something else than zeros")
        else:
            ways = [(c, self.state.load(place, bits, self._whole(c))) for c, place in self.operand(i, 1)]
            value = self.trace.chosen(ways, self.condition)
        for condition, place in self.operand(i, 0):
            self.state.store(place, value, bits, self._whole(condition))


__all__ = ["Elaborated", "elaborate"]
