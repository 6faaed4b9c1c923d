"""Undoes forms of the compiler that cost hardware: an addition that turns a range into one comparison.

The kernels test whether a shift loses bits by whether a value is neither 0 nor -1, which means that its bits differ.
The module also finds the possible values of registers, which the compiler keeps in more bits than they need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.widths import Range

VARIES = "varies"  # a node: whether the bits of a value are not all the same


def undo_ranges(trace: Trace, live: Iterable[int]) -> None:
    """Turns `x - 1 < -2` and `x + 1 < 2`, both unsigned, back into the test that they stand for."""
    graph = trace.graph
    for number in sorted(live):
        node = graph.nodes[number]
        if node.op != "icmp" or node.detail != "ult":
            continue
        shifted, limit = graph.nodes[node.args[0]], graph.signed(node.args[1])
        if shifted.op != "add" or shifted.width < 3:
            continue
        what = (graph.signed(shifted.args[1]), limit)
        if what == (-1, -2):
            node.op, node.args, node.detail = VARIES, (shifted.args[0],), 0
        elif what == (1, 2):
            varies = graph.add(VARIES, (shifted.args[0],), 1)
            node.op, node.args, node.detail = "not", (varies,), 0


def choose_before_adding(trace: Trace, live: Iterable[int], kept: Iterable[int]) -> None:
    """Makes `c ? x : a + x` a sum of x and `c ? 0 : a`: this choice is part of the adder's look-up tables."""
    graph = trace.graph
    nodes, chosen = graph.nodes, sorted(live)
    uses = Counter(arg for number in chosen for arg in nodes[number].args)
    uses.update(kept)
    for number in chosen:
        node = nodes[number]
        if node.op != "select" or node.width < 3:
            continue
        condition, first, second = node.args
        for value, total, when in ((first, second, False), (second, first, True)):
            added = nodes[total]
            if added.op == "add" and uses[total] == 1 and value in added.args and nodes[value].op != "const":
                other = added.args[value == added.args[0]]
                nothing = graph.const(0, node.width)
                left = graph.select(condition, *((other, nothing) if when else (nothing, other)))
                node.op, node.args = "add", (value, left)
                break


def set_ranges(traces: Iterable[Trace]) -> dict[str, Range]:
    """Possible values of registers outside of the loops that carry them, as far as forms tell."""
    found: dict[str, Range] = {}
    for trace in traces:
        nodes = trace.graph.nodes
        sets = [*trace.commits, *trace.live_outs.items(), *(one for out in trace.exits for one in out.sets)]
        for name, number in sets:
            if nodes[number].op in ("input", "carried") and nodes[number].name == name:
                continue  # it stays
            low, high = _form(trace, number)
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])
    return found


def _form(trace: Trace, number: int) -> Range:
    """What a value can be: of constants and widened values."""
    node = trace.graph.nodes[number]
    if node.op == "const":
        value = trace.graph.signed(number) or 0
        return value, value
    if node.op == "sext" and trace.graph.nodes[node.args[0]].width > 1:
        return _form(trace, node.args[0])
    if node.op == "concat" and trace.graph.constant(node.args[-1]) == 0:
        return 0, (1 << (node.width - trace.graph.nodes[node.args[-1]].width)) - 1
    return (0, 1) if node.width == 1 else (-(1 << (node.width - 1)), (1 << (node.width - 1)) - 1)


__all__ = ["VARIES", "choose_before_adding", "set_ranges", "undo_ranges"]
