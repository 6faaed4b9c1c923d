"""Divisions in hardware: by a constant, as a product with its reciprocal, exact for all possible values.

Let x lie within -X and X, and m = ceil(2^s / d) be so that X (m d - 2^s) < 2^s. Then the floor of x m / 2^s is x / d
rounded towards zero, less one where x is negative. A divisor that is a power of two needs no product. A divisor
that is no constant is refused: a divider takes as many cycles as it has bits, which no pipeline of the kernels states.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.widths import Range, Widths

DIVISIONS = frozenset(("sdiv", "udiv", "srem", "urem"))


def replace_divisions(trace: Trace, live: Collection[int], measured: Callable[[], Widths]) -> bool:
    """Replaces divisions in a region's graph; whether there were any. `measured` tells what values can be.

    Raises:
        SimulationError: a divisor is no constant; names file and line.
    """
    graph = trace.graph
    found = sorted(number for number in live if graph.nodes[number].op in DIVISIONS)
    if not found:
        return False
    ranges = measured().ranges
    for number in found:
        node = graph.nodes[number]
        graph.location = node.location
        by = graph.constant(node.args[1]) if node.op[0] == "u" else graph.signed(node.args[1])
        if not by:
            raise SimulationError(
                f"{node.location or trace.region.location}: something is divided by a value that is no constant",
                "divide by a constant, or let the program's compiler divide",
            )
        x, width, reach = node.args[0], node.width, ranges[node.args[0]]
        if node.op[0] == "u" and reach[0] < 0:  # the same bits as a number without sign
            x, width, reach = graph.zext(x, node.width + 1), node.width + 1, (0, (1 << node.width) - 1)
        magnitude = abs(by)
        if node.op.endswith("rem"):
            result = _remainder(trace, x, width, magnitude, reach)
        else:
            result = _quotient(trace, x, width, magnitude, reach)
            result = result if by > 0 else graph.binary("sub", graph.const(0, width), result)
        # It stays the node that others wait for.
        node.op, node.args, node.detail = "slice", (graph.sext(result, width + 1),), 0
    return True


def _quotient(trace: Trace, x: int, width: int, by: int, reach: Range) -> int:
    """x / by towards zero, in as many bits as x."""
    graph = trace.graph
    shift = by.bit_length() - 1
    if by == 1 << shift:
        up = graph.binary("add", x, _bias(trace, x, width, shift, reach, width)) if shift else x
        return graph.binary("ashr", up, graph.const(shift, width))
    factor, shift = reciprocal(by, max(reach[1], -reach[0], 1))
    wide = width + factor.bit_length() + 1
    product = graph.binary("mul", graph.sext(x, wide), graph.const(factor, wide))
    floor = graph.slice(graph.binary("ashr", product, graph.const(shift, wide)), 0, width)
    return graph.binary("add", floor, graph.zext(_negative(trace, x, width, reach), width))


def _remainder(trace: Trace, x: int, width: int, by: int, reach: Range) -> int:
    """What x / by leaves, with the sign of x."""
    graph = trace.graph
    shift = by.bit_length() - 1
    if by != 1 << shift:
        back = graph.binary("mul", _quotient(trace, x, width, by, reach), graph.const(by, width))
        return graph.binary("sub", x, back)
    if shift == 0:
        return graph.const(0, width)
    low, bits = graph.slice(x, 0, shift), shift + 1
    if reach[0] >= 0:
        return graph.zext(low, width)
    bias = _bias(trace, x, width, shift, reach, bits)
    up = graph.slice(graph.binary("add", graph.zext(low, bits), bias), 0, shift)
    return graph.sext(graph.binary("sub", graph.zext(up, bits), bias), width)


def _negative(trace: Trace, x: int, width: int, reach: Range) -> int:
    """The bit that says so."""
    return trace.graph.slice(x, width - 1, 1) if reach[0] < 0 else trace.graph.const(0, 1)


def _bias(trace: Trace, x: int, width: int, shift: int, reach: Range, bits: int) -> int:
    """What makes a shift round towards zero: 2^shift - 1 where x is negative."""
    ones = trace.graph.sext(_negative(trace, x, width, reach), shift)
    return trace.graph.zext(ones, bits)


def reciprocal(by: int, most: int) -> tuple[int, int]:
    """The smallest factor and shift that divide all that is at most `most` away from zero."""
    shift = by.bit_length() - 1
    while True:
        factor = -(-(1 << shift) // by)
        if most * (factor * by - (1 << shift)) < 1 << shift:
            return factor, shift
        shift += 1


__all__ = ["DIVISIONS", "reciprocal", "replace_divisions"]
