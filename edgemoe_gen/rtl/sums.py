"""Sums of several values as trees: the compiler leaves them as chains in the order of the sources.

A loop-carried value is added last, so that only one adder lies on its path.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence

from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.components import Link, components
from edgemoe_gen.scheduling.node import Node

_LEVELS = {"mul": 12, "add": 2, "sub": 2, "icmp": 2, "load": 4}  # about how late a value comes
_FREE = frozenset(("const", "input", "carried", "concat", "slice", "sext", "not", "mask"))


def balance_sums(trace: Trace, live: Collection[int], kept: Collection[int]) -> dict[int, int]:
    """Makes trees of chains of additions. Values in `kept` are used beside their users in the graph.

    Returns:
        Number of the recurrence that a node is part of, where it is.
    """
    nodes = trace.graph.nodes
    uses = Counter(arg for number in live for arg in nodes[number].args)
    uses.update(kept)
    inner = {
        arg
        for number in live
        for arg in nodes[number].args
        if nodes[number].op == nodes[arg].op == "add" and nodes[number].width == nodes[arg].width and uses[arg] == 1
    }
    waits = [node.args if node.number in live else () for node in nodes]
    links = [Link(following, node, 1, 1) for node, following in trace.carried.items() if node in live]
    round_ = {number: n for n, part in enumerate(components(waits, links)) for number in part}
    levels: dict[int, int] = {}
    for root in sorted(live):
        if nodes[root].op == "add" and root not in inner:
            _balance(trace, root, inner, round_, levels)
    return round_


def terms_of(nodes: Sequence[Node], root: int, inner: Collection[int]) -> tuple[list[int], list[int]]:
    """Adders and leaves of the sum that ends in `root`."""
    adders, leaves, waiting = list[int](), list[int](), [root]
    while waiting:
        number = waiting.pop()
        if number == root or number in inner:
            adders.append(number)
            waiting += reversed(nodes[number].args)
        else:
            leaves.append(number)
    return adders, leaves


def _balance(trace: Trace, root: int, inner: Collection[int], round_: dict[int, int], levels: dict[int, int]) -> None:
    nodes = trace.graph.nodes
    adders, leaves = terms_of(nodes, root, inner)
    if len(leaves) < 3:
        return
    back = [leaf for leaf in leaves if leaf in round_ and round_[leaf] == round_.get(root)]
    early = [(_level(trace, leaf, levels), n, leaf) for n, leaf in enumerate(leaves) if leaf not in back]
    free = [adder for adder in adders if adder != root]  # as many adders as before; the root keeps its place
    heapq.heapify(early)
    count = len(leaves)

    def added(first: int, second: int) -> int:
        adder = free.pop() if free else root
        nodes[adder].args = (first, second)
        return adder

    while len(early) > 1:
        (_, _, first), (late, _, second) = heapq.heappop(early), heapq.heappop(early)
        count += 1
        heapq.heappush(early, (late + _LEVELS["add"], count, added(first, second)))
    total = early[0][2] if early else back.pop()
    for leaf in back:
        total = added(total, leaf)


def _level(trace: Trace, number: int, levels: dict[int, int]) -> int:
    """About how late a value comes within an iteration."""
    waiting = [number]
    nodes = trace.graph.nodes
    while waiting:
        at = waiting[-1]
        missing = [arg for arg in nodes[at].args if arg not in levels and nodes[at].op not in ("load", "read")]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        own = 0 if nodes[at].op in _FREE else _LEVELS.get(nodes[at].op, 1)
        levels[at] = own + max((levels.get(arg, 0) for arg in nodes[at].args), default=0)
    return levels[number]


__all__ = ["balance_sums", "terms_of"]
