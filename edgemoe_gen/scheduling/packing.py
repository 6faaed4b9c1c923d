"""Cuts integers that pack several values: the compiler keeps small structs in registers as one integer."""

from __future__ import annotations

import itertools

from edgemoe_gen.scheduling.flow import NaturalLoop
from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.ir import Function, Instruction


def cut_places(function: Function, loop: NaturalLoop) -> dict[str, tuple[int, ...]]:
    """Bits at which carried integers are cut, by the name of their phi.

    Integers that are chosen from each other are cut at the same places: where one of them is built or taken apart.
    Integers that are never built from parts pack nothing.
    """
    instructions = [i for name in loop.blocks for i in function.blocks[name].instructions]
    web = _Web()
    for i in instructions:
        if i.type.kind == "int" and i.opcode in ("phi", "select", "freeze"):
            for operand in i.operands[1 if i.opcode == "select" else 0 :]:
                if operand.startswith("%"):
                    web.join(i.name, operand)
    packed = {web.of(i.name) for i in instructions if i.opcode == "or" and i.type.bits > 1}
    cuts: dict[str, set[int]] = {}
    for i in instructions:
        for name, places in _cuts(i):
            if web.of(name) in packed:
                cuts.setdefault(web.of(name), set()).update(places)
    header = function.blocks[loop.header].instructions
    return {i.name: tuple(sorted(cuts[web.of(i.name)])) for i in header if i.opcode == "phi" and web.of(i.name) in cuts}


def carried_pieces(graph: Graph, phi: Instruction, cuts: tuple[int, ...]) -> list[int]:
    """The nodes that a carried integer is made of, the lowest first."""
    bounds = [0, *(cut for cut in cuts if 0 < cut < phi.type.bits), phi.type.bits]
    return [graph.add("carried", (), high - low, low, phi.name) for low, high in itertools.pairwise(bounds)]


def _cuts(i: Instruction) -> list[tuple[str, tuple[int, ...]]]:
    """Values that an instruction takes apart, and where."""
    if i.opcode == "trunc":
        return [(i.operands[0], (i.type.bits,))]
    amount = i.operands[1] if len(i.operands) == 2 else ""
    if i.opcode in ("lshr", "ashr") and amount.isdigit():
        return [(i.operands[0], (int(amount),))]
    if i.opcode == "and" and amount.lstrip("-").isdigit():
        mask = int(amount) & ((1 << i.type.bits) - 1)
        low = (mask & -mask).bit_length() - 1
        return [(i.operands[0], tuple(place for place in (low, mask.bit_length()) if 0 < place < i.type.bits))]
    return []


class _Web:
    """Names that are joined."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        while self._above.get(name, name) != name:
            name = self._above[name]
        return name

    def join(self, a: str, b: str) -> None:
        self._above[self.of(a)] = self.of(b)


__all__ = ["carried_pieces", "cut_places"]
