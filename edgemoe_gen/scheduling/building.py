"""Makes the graph of an iteration from the compiler's instructions, block after block with their conditions."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.scheduling.body import Body
from edgemoe_gen.scheduling.choosing import Choices
from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER
from edgemoe_gen.scheduling.flow import NaturalLoop, block_order, predecessors
from edgemoe_gen.scheduling.intrinsics import arithmetic, is_arithmetic
from edgemoe_gen.scheduling.ir import Function, Instruction, Module
from edgemoe_gen.scheduling.memory import Memory
from edgemoe_gen.scheduling.packing import carried_pieces, cut_places
from edgemoe_gen.scheduling.parse import BINARY
from edgemoe_gen.scheduling.places import CHANNEL_CALLS, Pointer, Variables, steps

_IGNORED = ("llvm.lifetime", "llvm.assume", "llvm.experimental.noalias", "llvm.dbg")


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
        self._choices = Choices()
        self._graph = self._choices.graph
        self._conditions = self._choices.conditions
        self._memory = Memory(self._choices, variables)
        self._defined = {
            instruction.name: instruction
            for block in function.blocks.values()
            for instruction in block.instructions
            if instruction.name
        }
        self._before = predecessors(function, block_order(function))
        self._values: dict[str, int] = {}
        self._pointers: dict[str, _Places] = {}
        self._edges: dict[tuple[str, str], int] = {}
        self._condition = ALWAYS

    def build(self) -> Body:
        function, loop = self._function, self._loop
        header = function.blocks[loop.header]
        heads = [i for i in header.instructions if i.opcode == "phi"]
        cuts = cut_places(function, loop)
        pieces: dict[str, list[int]] = {}
        for phi in heads:
            if phi.type.kind == "int":
                self._graph.location = phi.location
                pieces[phi.name] = carried_pieces(self._graph, phi, cuts.get(phi.name, ()))
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
        carried, initial = self._close(heads, pieces)
        return Body(self._graph, self._conditions, self._memory.accesses, carried, initial, frozenset(exits))

    def _close(
        self, heads: list[Instruction], pieces: Mapping[str, list[int]]
    ) -> tuple[dict[int, int], dict[int, int]]:
        """What every carried value is after the iteration, and before the first."""
        carried: dict[int, int] = {}
        initial: dict[int, int] = {}
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
            value = self._choices.chosen(alternatives, again, phi.type.bits)
            before = [
                self._value(value, phi.type.bits)
                for value, block in zip(phi.operands, phi.blocks, strict=True)
                if block not in self._loop.latches
            ]
            start = before[0] if len(before) == 1 else self._graph.shared("input", (), phi.type.bits, name=phi.name)
            at = 0
            for piece in pieces[phi.name]:
                width = self._graph.nodes[piece].width
                carried[piece] = self._graph.slice(value, at, width)
                initial[piece] = self._graph.slice(start, at, width)
                at += width
        return carried, initial

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
        value = None if found is None else self._moved(found)
        if value is None:
            value = graph.shared("input", (), width, name=text)
        self._values[text] = value
        return value

    def _moved(self, i: Instruction) -> int | None:
        """What is known before the loop and only moves bits of something else, so that its own width is seen."""
        if i.opcode in ("sext", "zext", "trunc") and i.element is not None and i.element.kind == "int":
            return self._operation(i)
        if i.opcode in ("shl", "lshr", "ashr", "and") and i.operands[1].isdigit():
            return self._operation(i)
        return None

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
            condition = self._choices.holds(self._value(i.operands[0], 1))
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
            "write the kernel without it, or add it to edgemoe_gen/scheduling",
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
        self._values[i.name] = self._choices.chosen(alternatives, self._condition, i.type.bits)

    def _branch(self, block: str, i: Instruction) -> None:
        if len(i.blocks) == 1:
            ways = [(i.blocks[0], ALWAYS)]
        elif i.opcode == "br":
            condition = self._choices.holds(self._value(i.operands[0], 1))
            ways = [(i.blocks[0], condition), (i.blocks[1], self._conditions.inverse(condition))]
        else:
            value, width = self._value(i.operands[0], i.type.bits), i.type.bits
            ways, rest = [], ALWAYS
            for case, target in zip(i.cases, i.blocks[1:], strict=True):
                same = self._choices.holds(self._graph.shared("icmp", (value, self._graph.const(case, width)), 1, "eq"))
                ways.append((target, self._conditions.both(rest, same)))
                rest = self._conditions.both(rest, self._conditions.inverse(same))
            ways.append((i.blocks[0], rest))
        for target, condition in ways:
            whole = self._whole(condition)
            self._edges[block, target] = self._conditions.either(self._edges.get((block, target), NEVER), whole)

    def _whole(self, condition: int) -> int:
        """A condition within the block that is at hand."""
        return self._conditions.both(self._condition, condition)

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
            (condition, self._memory.load(place, size, i.type.bits, self._whole(condition)))
            for condition, place in self._places(i.operands[0])
        ]
        self._values[i.name] = (
            self._choices.chosen(found, ALWAYS, i.type.bits) if found else self._graph.const(0, i.type.bits)
        )

    def _store(self, i: Instruction) -> None:
        size = self._module.layout.size(i.type)
        value = self._value(i.operands[0], i.type.bits) if i.type.kind == "int" else self._graph.const(0, 64)
        for condition, place in self._places(i.operands[1]):
            self._memory.store(place, size, value, self._whole(condition))

    def _call(self, i: Instruction) -> None:
        if i.detail in CHANNEL_CALLS:
            for condition, place in self._places(i.operands[0]):
                self._memory.cross(i.detail, place, self._whole(condition))
        elif i.detail.startswith(_IGNORED):
            return
        elif i.detail.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset")):
            self._copy(i)
        elif is_arithmetic(i.detail):
            values = [self._value(text, i.type.bits) for text in i.operands]
            self._values[i.name] = arithmetic(self._graph, i.detail, values, i.type.bits)
        else:
            raise SimulationError(
                f"{i.location or self._function.name}: a pipelined loop calls {i.detail}, which was not inlined",
                "write it so that it can be, or unroll the loop around it",
            )

    def _copy(self, i: Instruction) -> None:
        size = int(i.operands[2]) if i.operands[2].isdigit() else 8
        if i.detail.startswith("llvm.memset"):
            value = self._graph.const(0, 8 * size)
        else:
            places = self._places(i.operands[1])
            found = [(c, self._memory.load(place, size, 8 * size, self._whole(c))) for c, place in places]
            value = self._choices.chosen(found, ALWAYS, 8 * size)
        for condition, place in self._places(i.operands[0]):
            self._memory.store(place, size, value, self._whole(condition))


__all__ = ["build_body"]
