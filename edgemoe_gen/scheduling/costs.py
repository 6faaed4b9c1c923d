"""Costs of a loop's nodes, by the table of delays and the bits that count."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgemoe_gen.scheduling.delays import FREE, Cost, Delays
from edgemoe_gen.scheduling.memory import Access
from edgemoe_gen.scheduling.node import WIRES, Node
from edgemoe_gen.scheduling.widths import Widths

_SIGN_TESTS = {"slt": 0, "sge": 0, "sgt": -1, "sle": -1}


class Costs:
    """Costs of a loop's nodes.

    Args:
        merge_ns: delay of a choice between values of different branches.
        accesses: accesses by node.
    """

    def __init__(self, delays: Delays, widths: Widths, accesses: Mapping[int, Access], merge_ns: float) -> None:
        self._delays = delays
        self._widths = widths
        self._accesses = accesses
        self._merge = merge_ns

    def of(self, node: Node) -> Cost:
        """Cost of a node."""
        if node.op in WIRES:
            return FREE
        if node.number in self._accesses:
            return self._access(node, self._accesses[node.number])
        if node.op == "mul":
            return self._delays.product(*(self._widths.needed(number) for number in node.args))
        if node.op in ("sdiv", "srem", "udiv", "urem"):
            return self._division(node)
        return Cost(self._combinational(node))

    def _combinational(self, node: Node) -> float:
        delays, bits = self._delays, self._widths.bits(node.number)
        if node.op in ("add", "sub"):
            return delays.of("add", bits) if bits > 1 else delays.fixed("logic")
        if node.op == "icmp":
            return self._comparison(node)
        if node.op == "select":
            return self._choice(bits)
        if node.op == "merge":
            return self._merge
        if node.op == "mux":
            return self._element(int(node.detail))
        if node.op in ("shl", "lshr", "ashr"):
            return delays.of("shift", bits)
        if node.op in ("smax", "smin", "umax", "umin"):
            return delays.of("compare", self._widths.compared(node)) + self._choice(bits)
        if node.op in ("abs", "usub.sat", "uadd.sat"):
            return delays.of("add", bits) + self._choice(bits)
        if node.op == "count":
            return delays.fixed("count")
        return delays.fixed("logic")

    def _choice(self, bits: int) -> float:
        return self._delays.of("select", bits) if bits > 1 else self._delays.fixed("logic")

    def _comparison(self, node: Node) -> float:
        limit = self._widths.graph.signed(node.args[1])
        if limit is not None and _SIGN_TESTS.get(str(node.detail)) == limit:
            return 0.0  # the sign alone
        bits = self._widths.compared(node)
        return self._delays.of("compare", bits) if bits > 1 else self._delays.fixed("logic")

    def _element(self, elements: int) -> float:
        doublings = max(0.0, math.log2(max(2, elements)) - 1)
        return self._delays.fixed("mux") + doublings * self._delays.fixed("mux", "ns_a_doubling")

    def _division(self, node: Node) -> Cost:
        by = self._widths.graph.constant(node.args[1])
        bits = self._widths.bits(node.number)
        if by is not None and by & (by - 1) == 0:  # towards zero: something is added to negative values first
            return Cost(self._delays.of("add", bits) + self._choice(bits))
        ns = self._delays.fixed("divide")
        return Cost(ns, -(-bits // int(self._delays.fixed("divide", "bits_a_cycle"))), ns)

    def _access(self, node: Node, access: Access) -> Cost:
        variable = access.variable
        if variable.kind == "axi":
            return Cost(0.0, alone=True)
        if variable.kind == "fifo":
            return Cost(self._delays.of("fifo", 32))
        if variable.kind == "registers":
            if access.kind == "store":
                return Cost(self._delays.fixed("store"))
            return Cost(self._element(_elements(access))) if access.pointer.terms else FREE
        ns = self._delays.memory(variable.implementation, max(1, node.width))
        return Cost(ns, variable.latency, ns) if access.kind == "load" else Cost(ns)


def _elements(access: Access) -> int:
    """How many places the index of an access chooses from, as far as its scales say."""
    scales = sorted(scale for scale, _ in access.pointer.terms)
    inner = max(2, scales[0] // max(1, access.bytes)) if len(scales) == 1 else scales[-1] // scales[0]
    return max(2, min(64, inner if len(scales) > 1 else 8))


__all__ = ["Costs"]
