"""Effects of a region's instructions beside computing: loads and stores, FIFOs and ports, copies, calls of modules."""

from __future__ import annotations

from edgemoe_gen.rtl.objects import check_apart, plain, target_name
from edgemoe_gen.rtl.pointers import Pointers
from edgemoe_gen.rtl.trace import Port
from edgemoe_gen.scheduling.ir import Instruction
from edgemoe_gen.scheduling.places import AXI_READ, AXI_REQUEST, AXI_WRITE, FIFO_READ, FIFO_WRITE

_IGNORED = ("llvm.lifetime.end", "llvm.assume", "llvm.experimental.noalias", "llvm.dbg")
_EXTREMES = ("smax", "smin", "umax", "umin", "abs")


class Effects(Pointers):
    """Effects of one region."""

    def _load(self, i: Instruction) -> None:
        if i.type.kind != "int":
            raise self.state.refused(f"a {i.type.kind} is loaded")
        size = 8 * self.whole.module.layout.size(i.type)
        ways = [(c, self.state.load(place, size, self._whole(c))) for c, place in self.operand(i, 0)]
        self.put(i, self.graph.slice(self.trace.chosen(ways, self.condition), 0, i.type.bits))

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
            self.put(i, self.graph.shared(kind, values, i.type.bits))
        elif name in self.whole.objects.callees:
            self._start(i)
        elif not name.startswith(_IGNORED):
            raise self.state.refused(f"{name} is called, which a process can't do")

    def _start(self, i: Instruction) -> None:
        """A call of a module: its values as one element, the places of its pointers by name."""
        objects = self.whole.objects
        callee = self.whole.module.functions[i.detail]
        shapes = objects.callees[i.detail]
        lanes, data, targets = list[int](), list[int](), dict[str, tuple[str, str]]()
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
                name = target_name(place.variable, place.offset, own, shape, array)
                targets[parameter] = (place.variable, name)
        check_apart(callee.name, targets, shapes, self.graph.location)
        port = Port(callee.name, "call", i.detail, sum(lanes), tuple(lanes))
        node = self.trace.access("call", port, self.condition, data=tuple(data))
        access = next(access for access in self.trace.accesses if access.node == node)
        names = {parameter: name for parameter, (_, name) in targets.items()}
        access.sites.append((self.trace.whether(self.condition), names))

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


__all__ = ["Effects"]
