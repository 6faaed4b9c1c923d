"""Sums of many values as trees: the compiler leaves chains in the order of the source, the vendor's tool balances them.

As public reports show, a loop-carried value that is summed among others ends up at a leaf of such a tree. A
loop-carried value that is added last, to a separate sum, stays last. A sum that is used twice stays a separate value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgemoe_gen.scheduling.body import Body
from edgemoe_gen.scheduling.delays import Cost

_FEWEST = 3  # summands of which the order matters


def balance_sums(
    costs: Sequence[Cost],
    waits: list[tuple[int, ...]],
    body: Body,
    add: Callable[[str, Cost, Sequence[int], int], int],
    together: Mapping[int, int],
) -> None:
    """Rewrites the dependences of operations, so that chains of additions become trees.

    Args:
        costs, waits: costs and dependences of the graph's nodes, by number.
        add: makes a further operation.
        together: for operations that wait for each other over iterations, the number of their set.
    """
    nodes = body.graph.nodes
    uses = [0] * len(nodes)
    for node in nodes:
        for number in node.args:
            uses[number] += 1
    for number in [*body.carried.values(), *body.exits]:
        uses[number] += 1
    inner = {
        number
        for node in nodes
        if node.op == "add"
        for number in node.args
        if nodes[number].op == "add" and uses[number] == 1 and nodes[number].width == node.width
    }
    for node in nodes:
        if node.op != "add" or node.number in inner:
            continue
        leaves = _leaves(node.number, inner, body)
        if len(leaves) < _FEWEST:
            continue
        home = together.get(node.number)
        carried = [leaf for leaf in node.args if leaf not in inner and together.get(leaf, -1) == home]
        last = carried if home is not None and len(carried) == 1 else []
        level = [leaf for leaf in leaves if leaf not in last]
        level.sort(key=lambda leaf: home is None or together.get(leaf) != home)  # the carried one passes every level
        while len(level) > 2 - len(last):
            pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
            level = [pair[0] if len(pair) == 1 else add("add", costs[node.number], pair, node.number) for pair in pairs]
        waits[node.number] = (*last, *level)


def _leaves(root: int, inner: set[int], body: Body) -> list[int]:
    """Summands of a chain in the order of the source."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        number = waiting.pop()
        if number == root or number in inner:
            waiting += reversed(body.graph.nodes[number].args)
        else:
            found.append(number)
    return found


__all__ = ["balance_sums"]
