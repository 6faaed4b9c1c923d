"""Sums of products as chains of DSPs: the choice of a region's sums, and the arrangement of their products.

A DSP48E2 multiplies, and adds the sum of the DSP before it and a value from outside (UG579). So a chain forms a sum of
any length without look-up tables, one cycle a product. Side chains keep it short: their sums enter the DSPs of the main
chain from outside just when these add. Six DSPs in a row then sum up sixteen products.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgemoe_gen.rtl.sums import terms_of
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.node import Node
from edgemoe_gen.scheduling.widths import Widths

WIDE, NARROW, SUM = 27, 18, 48  # bits of a DSP48E2: of the factors, signed, and of the adder
OP = "dot"  # a node: factors by twos, then what is added; its detail is the number of products
ADDEND_STAGE = 1  # behind the first one: where a chain takes what is added to its first product


@dataclass(frozen=True)
class Chain:
    """Products in a row. `takes` are the chains whose sums come into its DSPs, by the place of the DSP."""

    products: tuple[int, ...]
    takes: tuple[tuple[int, Chain], ...] = ()

    @property
    def stages(self) -> int:
        """From its first factors to its sum."""
        return len(self.products) + 2


def chain_of(count: int) -> Chain:
    """The shortest chain for a number of products, with its side chains.

    The DSP at place k of the main chain adds in stage k + 3. The sum that it adds there left its side chain two stages
    before, so the side chain has k - 1 products.
    """
    length = 1
    while length + sum(place - 1 for place in range(2, length)) < count:
        length += 1
    sides, used = list[tuple[int, Chain]](), length
    for place in range(length - 1, 1, -1):
        side = tuple(range(used, min(used + place - 1, count)))
        used += len(side)
        if side:
            sides.append((place, Chain(side)))
    return Chain(tuple(range(length)), tuple(sides))


def form_dots(
    trace: Trace, live: Collection[int], kept: Collection[int], round_: Mapping[int, int], widths: Widths
) -> bool:
    """Makes nodes of sums of products that fit DSPs. Values in `kept` are used beside their users in the graph.

    Args:
        round_: number of the recurrence that a node is part of. A loop-carried value is added after a chain.

    Returns:
        Whether there are any.
    """
    nodes = trace.graph.nodes
    found_any = False

    def bits(number: int) -> int:
        """Bits of a value with its sign."""
        return min(nodes[number].width, widths.needed(number)) + (widths.ranges[number][0] >= 0)

    uses = Counter(arg for number in live for arg in nodes[number].args)
    uses.update(kept)

    def product(number: int) -> tuple[int, int] | None:
        """Factors of a value that is a product for this sum only, the wider factor first."""
        node = nodes[number]
        # A slice that all values fit drops only copies of the sign.
        while uses[node.number] == 1 and (
            node.op == "sext" or (node.op == "slice" and node.detail == 0 and bits(node.args[0]) <= node.width)
        ):
            node = nodes[node.args[0]]
        if node.op != "mul" or uses[node.number] != 1:
            return None
        sizes = [bits(arg) for arg in node.args]
        first, second = node.args if sizes[0] >= sizes[1] else reversed(node.args)
        fits = max(sizes) <= WIDE and min(sizes) <= NARROW and sum(sizes) <= node.width
        return (first, second) if fits else None

    def inside(number: int, user: Node) -> bool:
        node = nodes[number]
        return node.op == "add" and node.width == user.width and uses[number] == 1

    inner = {arg for n in live if nodes[n].op == "add" for arg in nodes[n].args if inside(arg, nodes[n])}
    for root in sorted(live):
        if nodes[root].op == "add" and root not in inner:
            adders, leaves = terms_of(nodes, root, inner)
            back = {leaf for leaf in leaves if leaf in round_ and round_[leaf] == round_.get(root)}
            found = {leaf: product(leaf) for leaf in leaves if leaf not in back}
            factors = [pair for pair in found.values() if pair is not None]
            if len(found) + len(back) < len(leaves) or widths.bits(root) > SUM:
                continue  # a value that is added twice, or a sum of which too many bits count
            others = [leaf for leaf, pair in found.items() if pair is None]
            if factors and len(factors) + len(others) > 1:
                _replace(trace, root, adders, factors, others[:1], others[1:] + sorted(back))
                found_any = True
    return found_any


def _replace(
    trace: Trace, root: int, adders: list[int], factors: list[tuple[int, int]], addends: list[int], behind: list[int]
) -> None:
    """The sum's nodes anew: a chain, and what is added behind it."""
    nodes = trace.graph.nodes
    free = [adder for adder in adders if adder != root]
    at = root if not behind else free.pop()
    nodes[at].op, nodes[at].detail = OP, len(factors)
    nodes[at].args = (*(factor for pair in factors for factor in pair), *addends)
    while behind:
        leaf = behind.pop(0)
        adder = free.pop() if behind else root
        nodes[adder].args = (at, leaf)
        at = adder


__all__ = ["ADDEND_STAGE", "NARROW", "OP", "SUM", "WIDE", "Chain", "chain_of", "form_dots"]
