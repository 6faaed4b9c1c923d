"""Functions of LLVM that stand for arithmetic."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgemoe_gen.scheduling.graph import Graph

_EXTREMES = re.compile(r"llvm\.(smax|smin|umax|umin|abs|usub\.sat|uadd\.sat)\.")
_FUNNELS = re.compile(r"llvm\.fsh[lr]\.")
_COUNTS = re.compile(r"llvm\.(ctlz|cttz|ctpop)\.")
_ORDERS = re.compile(r"llvm\.(bswap|bitreverse)\.")


def is_arithmetic(function: str) -> bool:
    """Whether `arithmetic` knows a function."""
    return any(kind.match(function) for kind in (_EXTREMES, _FUNNELS, _COUNTS, _ORDERS))


def arithmetic(graph: Graph, function: str, values: Sequence[int], width: int) -> int:
    """The node of a call, given those of its arguments, the one-bit flags of some functions among them."""
    extreme = _EXTREMES.match(function)
    if extreme is not None:
        return graph.shared(extreme[1], values[:1] if extreme[1] == "abs" else values, width)
    if _COUNTS.match(function):
        return graph.shared("count", values[:1], width)
    if _ORDERS.match(function) or graph.constant(values[-1]) is not None:
        return graph.shared("field", values, width)  # bits that are only moved
    return graph.shared("shl", values, width)


__all__ = ["arithmetic", "is_arithmetic"]
