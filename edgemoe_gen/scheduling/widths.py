"""Bits of a node that count: by the possible values, and by the bits that its users need.

Only types are used: a growing carried value can have any value that its update and its type allow. No vendor's tool
    sees
that a counter stays below its limit, so it is not used here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemoe_gen.scheduling.graph import Graph
from edgemoe_gen.scheduling.node import Node

Range = tuple[int, int]
_PATIENCE = 3  # iterations after which a carried value that still grows can be anything of its type


@dataclass(frozen=True)
class Widths:
    """Bits of every node, by its number."""

    ranges: Sequence[Range]
    demanded: Sequence[int]
    graph: Graph

    def bits(self, number: int) -> int:
        """Bits of a value that count: bits that it can have and that a user needs."""
        node = self.graph.nodes[number]
        return max(1, min(node.width, self.demanded[number], self.needed(number)))

    def needed(self, number: int) -> int:
        """Bits that hold all possible values, with a sign only if the value can be negative."""
        low, high = self.ranges[number]
        if low >= 0:
            return max(1, high.bit_length())
        return max((-low - 1).bit_length(), high.bit_length()) + 1

    def compared(self, node: Node) -> int:
        """Bits of a comparison: of the wider operand."""
        return max(1, *(min(self.graph.nodes[a].width, self.needed(a)) for a in node.args))


def measure(
    graph: Graph, carried: Mapping[int, int], initial: Mapping[int, int], roots: Sequence[int],
    order: Sequence[int] | None = None, known: Mapping[int, Range] | None = None,
) -> Widths:  # fmt: skip
    """Ranges and demanded bits of a loop's nodes.

    Args:
        carried: node of a carried value to that of its next value.
        initial: node of a carried value to that of its first.
        roots: nodes whose arguments count whole: accesses, exits.
        order: all nodes, each after its arguments; None: by their numbers.
        known: possible carried values before the first iteration, where they are more than `initial`.
    """
    ranges: list[Range] = [(0, 0)] * len(graph.nodes)
    ordered = graph.nodes if order is None else [graph.nodes[number] for number in order]

    def compute(held: Mapping[int, Range]) -> None:
        for node in ordered:
            ranges[node.number] = held[node.number] if node.number in held else _range(node, graph, ranges)

    compute({number: _everything(graph.nodes[number].width) for number in carried})
    held = {number: ranges[first] for number, first in initial.items()} | dict(known or {})
    rounds = 0
    while True:
        compute(held)
        grown = {number: _both(held[number], ranges[following]) for number, following in carried.items()}
        if grown == held:
            break
        rounds += 1
        if rounds > _PATIENCE:
            grown = {n: r if r == held[n] else _everything(graph.nodes[n].width) for n, r in grown.items()}
        held = grown
    return Widths(ranges, _demanded(graph, carried, roots), graph)


def _everything(width: int) -> Range:
    """Of a signed value; of one bit, which is a truth value, 0 and 1."""
    return (0, 1) if width <= 1 else (-(1 << (width - 1)), (1 << (width - 1)) - 1)


def _both(first: Range, second: Range) -> Range:
    """All that one of two values can be."""
    return min(first[0], second[0]), max(first[1], second[1])


def _range(node: Node, graph: Graph, ranges: Sequence[Range]) -> Range:
    everything = _everything(node.width)
    found = _computed(node, graph, [ranges[number] for number in node.args])
    if found is None or found[0] < everything[0] or found[1] > everything[1]:
        return everything
    return found


def _computed(node: Node, graph: Graph, of: Sequence[Range]) -> Range | None:
    op = node.op
    if op == "const":
        value = graph.signed(node.number) or 0
        return value, value
    if op == "add":
        return of[0][0] + of[1][0], of[0][1] + of[1][1]
    if op == "sub":
        return of[0][0] - of[1][1], of[0][1] - of[1][0]
    if op == "mul":
        products = [a * b for a in of[0] for b in of[1]]
        return min(products), max(products)
    if op == "dot":  # factors by twos, then what is added
        count = int(node.detail)
        terms = [[a * b for a in of[2 * n] for b in of[2 * n + 1]] for n in range(count)]
        terms += [list(added) for added in of[2 * count :]]
        return sum(map(min, terms)), sum(map(max, terms))
    if op == "select":
        return min(of[1][0], of[2][0]), max(of[1][1], of[2][1])
    if op == "merge":
        values = of[: int(node.detail)]
        return min(low for low, _ in values), max(high for _, high in values)
    if op == "sext":
        return of[0] if graph.nodes[node.args[0]].width > 1 else (-of[0][1], -of[0][0])
    if op == "slice":
        return _sliced(node, of[0])
    if op == "concat":
        return _concatenated(node, graph, of)
    if op in ("smax", "smin"):
        choose = max if op == "smax" else min
        return choose(of[0][0], of[1][0]), choose(of[0][1], of[1][1])
    if op == "abs":
        return 0, max(abs(of[0][0]), abs(of[0][1]))
    if op == "and":
        highest = [high for low, high in of if low >= 0]
        return (0, min(highest)) if highest else None
    if op in ("or", "xor") and all(low >= 0 for low, _ in of):
        return 0, (1 << max(high.bit_length() for _, high in of)) - 1
    if op in ("ashr", "lshr") and (of[0][0] >= 0 or op == "ashr"):
        return min(of[0][0], 0), max(of[0][1], -1)
    if op in ("sdiv", "srem", "udiv", "urem") and of[0][0] >= 0:
        return 0, of[0][1]
    return None


def _sliced(node: Node, of: Range) -> Range | None:
    first, width = int(node.detail), node.width
    low, high = of[0] >> first, of[1] >> first
    everything = _everything(width)
    if everything[0] <= low and high <= everything[1]:
        return low, high
    return None


def _concatenated(node: Node, graph: Graph, of: Sequence[Range]) -> Range | None:
    """Signed by its highest part."""
    below = node.width - graph.nodes[node.args[-1]].width
    top = graph.nodes[node.args[-1]]
    low, high = of[-1]
    if top.op == "const":
        value = graph.signed(top.number) or 0
        if value != 0:
            return None
        widest = graph.nodes[node.args[-2]]
        under = below - widest.width
        bottom = of[-2]
        if bottom[0] >= 0:
            return 0, (bottom[1] << under) + (1 << under) - 1
        return 0, (1 << below) - 1
    if top.width == 1:
        return None
    return low << below, (high << below) + (1 << below) - 1


def _demanded(graph: Graph, carried: Mapping[int, int], roots: Sequence[int]) -> list[int]:
    """How many low bits of a node anybody asks for."""
    demanded = [0] * len(graph.nodes)
    for number in roots:
        demanded[number] = graph.nodes[number].width
    changed = True
    while changed:
        changed = False
        for node in reversed(graph.nodes):
            asked = demanded[node.number]
            if node.number in carried:
                following = carried[node.number]
                if demanded[following] < asked:
                    demanded[following] = asked
                    changed = True
                continue
            if asked == 0 and node.width:
                continue
            for place, number in enumerate(node.args):
                wanted = min(_asked_of(node, place, asked, graph), graph.nodes[number].width)
                if wanted > demanded[number]:
                    demanded[number] = wanted
                    changed = True
    return demanded


def _asked_of(node: Node, place: int, asked: int, graph: Graph) -> int:
    """Low bits that a node asks of an argument so that `asked` of its own are right."""
    everything = graph.nodes[node.args[place]].width
    if node.op in ("add", "sub", "mul", "dot", "and", "or", "xor", "mask"):
        return asked
    if node.op == "select":
        return everything if place == 0 else asked
    if node.op == "merge":
        return asked if place < int(node.detail) else everything
    if node.op == "slice":
        return int(node.detail) + asked
    if node.op == "sext":
        return asked
    if node.op == "concat":
        below = sum(graph.nodes[number].width for number in node.args[:place])
        return max(0, asked - below)
    if node.op == "shl" and place == 0:
        return asked
    return everything


__all__ = ["Widths", "measure"]
