"""Indices with few possible values: counters of the form `x == K ? 0 : x + 1`, and values computed from them.

An array by a variable index is a multiplexer over all places that the index reaches. Types alone would let a counter of
32 bits reach all of them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping

from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.graph import Graph

MOST = 64  # values that are told apart
_SMALL = 5  # bits of something unknown whose values are all taken
_COMPUTED = frozenset(("add", "sub", "mul", "and", "or", "xor", "sdiv", "srem", "udiv", "urem", "shl", "smax", "smin"))


def counter_limits(trace: Trace, starts: Mapping[str, tuple[int | None, ...]]) -> dict[str, int]:
    """The largest value of each of a loop's counters that begins at 0 or above, by name.

    Args:
        starts: values that carried values have before the first iteration, None where they are not constants.
    """
    found = {}
    compared = _compared(trace.graph)
    for node, following in trace.carried.items():
        name = trace.graph.nodes[node].name
        for limit in compared[node]:
            begins = starts.get(name, (None,))
            fits = all(value is not None and 0 <= value <= limit for value in begins)
            if fits and _stays(trace.graph, node, limit, following, False):
                found[name] = limit
    return found


def _compared(graph: Graph) -> Mapping[int, list[int]]:
    """Constants that each value is compared with."""
    found: dict[int, list[int]] = defaultdict(list)
    for test in graph.nodes:
        if test.op == "icmp" and test.detail == "eq":
            value = graph.signed(test.args[1])
            if value is not None and 0 <= value < 1 << 20:
                found[test.args[0]].append(value)
    return found


def _stays(graph: Graph, node: int, limit: int, following: int, below: bool) -> bool:
    """Whether a value stays within 0 and a limit, given whether it is known not to be the limit."""
    if following == node:
        return True
    found = graph.nodes[following]
    value = graph.signed(following)
    if value is not None:
        return 0 <= value <= limit
    if found.op == "add" and found.args[0] == node and graph.signed(found.args[1]) == 1:
        return below
    if found.op == "select":
        condition, first, second = found.args
        holds, fails = _tells(graph, node, limit, condition)
        return _stays(graph, node, limit, first, below or holds) and _stays(graph, node, limit, second, below or fails)
    return False


def _tells(graph: Graph, node: int, limit: int, condition: int) -> tuple[bool, bool]:
    """Whether a condition says that a value is not the limit, where it holds and where it fails."""
    found = graph.nodes[condition]
    if found.op == "icmp" and found.detail == "eq" and found.args[0] == node and graph.signed(found.args[1]) == limit:
        return False, True
    if found.op == "not":
        holds, fails = _tells(graph, node, limit, found.args[0])
        return fails, holds
    if found.op in ("and", "or"):
        parts = [_tells(graph, node, limit, part) for part in found.args]
        if found.op == "and":
            return any(holds for holds, _ in parts), all(fails for _, fails in parts)
        return all(holds for holds, _ in parts), any(fails for _, fails in parts)
    return False, False


def values(graph: Graph, number: int, limits: Mapping[str, int], known: dict[int, frozenset[int] | None]) -> (
    frozenset[int] | None
):  # fmt: skip
    """The values that a node can have, as the numbers of its bits; None: too many. `known` holds what was found."""
    if number not in known:
        found = _values(graph, number, limits, known)
        known[number] = found if found is not None and len(found) <= MOST else None
    return known[number]


def _values(
    graph: Graph, number: int, limits: Mapping[str, int], known: dict[int, frozenset[int] | None]
) -> frozenset[int] | None:
    node = graph.nodes[number]
    mask = (1 << node.width) - 1
    if node.op == "const":
        return frozenset((int(node.detail),))
    if node.op == "carried" and node.name in limits:
        return frozenset(range(limits[node.name] + 1))
    if node.op == "select":
        parts = [values(graph, arg, limits, known) for arg in node.args[1:]]
        if parts[0] is not None and parts[1] is not None:
            return parts[0] | parts[1]
    elif node.op in ("concat", "slice", "sext") or node.op in _COMPUTED:
        parts = [values(graph, arg, limits, known) for arg in node.args]
        full = [part for part in parts if part is not None]
        if len(full) == len(parts) and _product(full) <= MOST * MOST:
            widths = [graph.nodes[arg].width for arg in node.args]
            every = (_computed(node.op, chosen, widths, int(node.detail or 0)) for chosen in itertools.product(*full))
            results = list(every)
            if None not in results:
                return frozenset(value & mask for value in results if value is not None)
    return frozenset(range(mask + 1)) if node.width <= _SMALL else None


def _product(parts: list[frozenset[int]]) -> int:
    total = 1
    for part in parts:
        total *= len(part)
    return total


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if width > 1 and value >> (width - 1) else value


def _computed(op: str, bits: tuple[int, ...], widths: list[int], first: int) -> int | None:
    """The value of an operation on the bits of its arguments."""
    if op == "concat":
        at = total = 0
        for value, width in zip(bits, widths, strict=True):
            total |= value << at
            at += width
        return total
    if op == "slice":
        return bits[0] >> first
    if op == "sext":
        return _signed(bits[0], widths[0]) if widths[0] > 1 else -bits[0]
    a, b = (_signed(value, width) for value, width in zip(bits, widths, strict=True))
    if op in ("add", "sub", "mul"):
        return {"add": a + b, "sub": a - b, "mul": a * b}[op]
    if op in ("and", "or", "xor"):
        return {"and": a & b, "or": a | b, "xor": a ^ b}[op]
    if op == "shl":
        return bits[0] << bits[1] if bits[1] < widths[0] else None
    if op in ("smax", "smin"):
        return max(a, b) if op == "smax" else min(a, b)
    if op[0] == "u":
        a, b = bits
    if b == 0:
        return None
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient if op.endswith("div") else a - quotient * b


__all__ = ["counter_limits", "values"]
