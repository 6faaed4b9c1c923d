"""The instructions of a region, block by block: branches become conditions, phis choices."""

from __future__ import annotations

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.effects import Effects
from edgemoe_gen.rtl.objects import plain
from edgemoe_gen.rtl.trace import Exit
from edgemoe_gen.scheduling.conditions import ALWAYS, NEVER
from edgemoe_gen.scheduling.ir import Instruction
from edgemoe_gen.scheduling.parse import BINARY


class Walk(Effects):
    """Walk over one region."""

    def run(self) -> None:
        """Walks over all instructions."""
        blocks = self.whole.function.blocks
        for name in self.region.blocks:
            if name != self.region.header:
                self.condition = NEVER
                for other in self.whole.regions.before[name]:
                    self.condition = self.conditions.either(self.condition, self.edges.get((other, name), NEVER))
            for i in blocks[name].instructions:
                self.graph.location = self.whole.objects.location = i.location or self.region.location
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
        """Assigns the registers of every exit."""
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
        """Walks over one instruction."""
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
            self.put(i, self._operation(i))

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
            self.put(i, self.trace.chosen(ways, self.condition))
        elif self.region.is_loop:
            self.put(i, self.graph.add("carried", (), i.type.bits, 0, plain(i.name)))
            self.carried.append(i)
        else:
            self.put(i, self.graph.shared("input", (), i.type.bits, 0, plain(i.name)))

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


__all__ = ["Walk"]
