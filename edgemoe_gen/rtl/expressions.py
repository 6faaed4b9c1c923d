"""Nodes of a region as SystemVerilog expressions: bit vectors that are as wide as their values need.

A node's vector has `Widths.bits` bits. Where more bits are needed, the vector is extended, by its sign if it can be
negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.dots import OP
from edgemoe_gen.rtl.forms import VARIES
from edgemoe_gen.rtl.trace import Trace
from edgemoe_gen.scheduling.node import Node
from edgemoe_gen.scheduling.widths import Widths

_BITWISE = {"and": "&", "or": "|", "xor": "^"}
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}


def vector(bits: int) -> str:
    """The range of a declaration."""
    return f"[{bits - 1}:0]"


class Expressions:
    """Expressions of one region. `named` gives the identifier of a node's value; `held` declares one."""

    def __init__(self, trace: Trace, widths: Widths) -> None:
        self._nodes = trace.graph.nodes
        self._graph = trace.graph
        self._widths = widths

    def bits(self, number: int) -> int:
        """Bits of a node's vector."""
        return self._widths.bits(number)

    def signed(self, number: int) -> bool:
        """Whether a node's vector is extended by its sign."""
        return self._nodes[number].width > 1 and self._widths.ranges[number][0] < 0

    def fitted(self, number: int, width: int, name: Callable[[int], str]) -> str:
        """A node's value in a number of bits."""
        value = self._graph.constant(number)
        if value is not None:
            known = self._nodes[number].width
            if width > known > 1 and value >> (known - 1):
                value -= 1 << known
            return f"{width}'h{value & ((1 << width) - 1):x}"
        return extended(name(number), self.bits(number), width, self.signed(number))

    def of(self, node: Node, name: Callable[[int], str], held: Callable[[str, int], str]) -> str:
        """The value of an operation in the bits of its node.

        Raises:
            SimulationError: there is no such operation in hardware.
        """
        width = self.bits(node.number)
        op, args = node.op, node.args

        def fit(place: int, bits: int = width) -> str:
            return self.fitted(args[place], bits, name)

        if op in ("add", "sub"):
            return f"{fit(0)} {'+' if op == 'add' else '-'} {fit(1)}"
        if op in _BITWISE:
            return f"{fit(0)} {_BITWISE[op]} {fit(1)}"
        if op == "mask":
            kind, _, value = str(node.detail).partition(" ")
            return f"{fit(0)} {_BITWISE[kind]} {width}'h{int(value) & ((1 << width) - 1):x}"
        if op == "not":
            return f"~{fit(0)}"
        if op == "select":
            return f"{fit(0, 1)} ? {fit(1)} : {fit(2)}"
        if op == "slice":
            return self._slice(node, width, name, held)
        if op == "concat":
            return self._concat(node, width, name)
        if op == "sext":
            return f"{{{width}{{{fit(0, 1)}}}}}" if self._nodes[args[0]].width == 1 else fit(0)
        if op == "icmp":
            return self._compared(args, str(node.detail), name)
        if op in ("smax", "smin", "umax", "umin"):
            wins = self._compared(args, f"{op[0]}{'ge' if op.endswith('max') else 'le'}", name)
            return f"({wins}) ? {fit(0)} : {fit(1)}"
        if op == "abs":
            all_bits = self._nodes[args[0]].width
            whole = held(fit(0, all_bits), all_bits)
            return f"{whole}[{all_bits - 1}] ? {extended(held(f'-{whole}', all_bits), all_bits, width, False)} : " + (
                extended(whole, all_bits, width, False)
            )
        if op == "mul":
            return self._product(args, width, name, held)
        if op == VARIES:
            return (
                f"(|{fit(0, self.bits(args[0]))}) & ~(&{fit(0, self.bits(args[0]))})"
                if self.signed(args[0])
                else (f"|{fit(0, self.bits(args[0]))}")
            )
        if op == OP:
            return self._dot(node, width, name, held)
        if op in ("shl", "lshr", "ashr"):
            return self._shifted(node, width, name, held)
        raise SimulationError(f"{node.location}: there is no hardware for {op}", "write it another way")

    def _slice(self, node: Node, width: int, name: Callable[[int], str], held: Callable[[str, int], str]) -> str:
        first, argument = int(node.detail), node.args[0]
        has = self.bits(argument)
        if self._graph.constant(argument) is None and first + width <= has:
            return f"{name(argument)}[{first + width - 1}:{first}]"
        whole = held(self.fitted(argument, first + width, name), first + width)
        return f"{whole}[{first + width - 1}:{first}]"

    def _concat(self, node: Node, width: int, name: Callable[[int], str]) -> str:
        parts, at = [], 0
        for number in node.args:
            taken = min(self._nodes[number].width, width - at)
            if taken > 0:
                parts.append(self.fitted(number, taken, name))
            at += self._nodes[number].width
        return f"{{{', '.join(reversed(parts))}}}"

    def _compared(self, args: Sequence[int], predicate: str, name: Callable[[int], str]) -> str:
        first, second = args
        signs = [self._widths.ranges[number][0] < 0 and self._nodes[number].width > 1 for number in args]
        if predicate[0] == "u" and any(signs):
            width, signs = self._nodes[first].width, [False, False]
        elif any(signs):
            width = max(self._least(number) + (not negative) for number, negative in zip(args, signs, strict=True))
        else:
            width = max(self._least(number) for number in args)
        a = self.fitted(first, width, name)
        signed = any(signs) and predicate not in ("eq", "ne")
        limit = self._graph.constant(second)
        if limit is not None and predicate not in ("eq", "ne"):
            known = self._nodes[second].width
            limit -= (1 << known) if signed and known > 1 and limit >> (known - 1) else 0
            return _against(a, width, predicate[-2:], limit, signed)
        sign, b = _COMPARED[predicate[-2:]], self.fitted(second, width, name)
        return f"$signed({a}) {sign} $signed({b})" if signed else f"{a} {sign} {b}"

    def _least(self, number: int) -> int:
        return self._widths.needed(number) if self._graph.constant(number) is not None else self.bits(number)

    def _product(
        self, args: Sequence[int], width: int, name: Callable[[int], str], held: Callable[[str, int], str]
    ) -> str:
        sizes = [self.signed_bits(number) for number in args]
        full = sum(sizes)
        parts = [
            f"{full}'($signed({self.fitted(number, size, name)}))" for number, size in zip(args, sizes, strict=True)
        ]
        return extended(held(f"{parts[0]} * {parts[1]}", full), full, width, True)

    def _dot(self, node: Node, width: int, name: Callable[[int], str], held: Callable[[str, int], str]) -> str:
        """A sum of products without registers, as behind a loop."""
        factors = node.args[: 2 * int(node.detail)]
        pairs = zip(factors[::2], factors[1::2], strict=True)
        terms = [held(self._product(pair, width, name, held), width) for pair in pairs]
        return " + ".join([*terms, *(self.fitted(n, width, name) for n in node.args[len(factors) :])])

    def signed_bits(self, number: int) -> int:
        """Bits of a value with its sign."""
        return self._least(number) + (not self.signed(number))

    def _shifted(self, node: Node, width: int, name: Callable[[int], str], held: Callable[[str, int], str]) -> str:
        value, amount = node.args
        by = self.fitted(amount, min(self.bits(amount), max(1, node.width.bit_length())), name)
        if node.op == "shl":
            return f"{self.fitted(value, width, name)} << {by}"
        signed = self.signed(value)
        full = max(width, node.width if node.op == "lshr" and signed else self._least(value))
        whole = self.fitted(value, full, name)
        shifted = f"$signed({whole}) >>> {by}" if node.op == "ashr" and signed else f"{whole} >> {by}"
        return extended(held(shifted, full), full, width, False)


def _against(value: str, width: int, kind: str, limit: int, signed: bool) -> str:
    """A comparison with a constant: x > c is x >= c + 1, of which only the bits above the limit's zeros count."""
    least = limit + (kind in ("gt", "le"))  # the comparison is x >= least, or its opposite
    sign = ">=" if kind in ("gt", "ge") else "<"
    low, high = (-(1 << (width - 1)), 1 << (width - 1)) if signed else (0, 1 << width)
    if not low < least < high:
        return f"1'b{int((least <= low) == (sign == '>='))}"
    zeros = (least & -least).bit_length() - 1 if least else width - 1
    top, left = f"{value}", width - zeros
    if zeros:
        top = f"{left}'({value} >> {zeros})" if not value.isidentifier() else f"{value}[{width - 1}:{zeros}]"
    against = f"{left}'h{(least >> zeros) & ((1 << left) - 1):x}"
    return f"$signed({top}) {sign} $signed({against})" if signed else f"{top} {sign} {against}"


def extended(name: str, has: int, width: int, signed: bool) -> str:
    """A vector in more or fewer bits."""
    if width == has:
        return name
    if width < has:
        return f"{name}[{width - 1}:0]"
    filling = f"{name}[{has - 1}]" if signed else "1'b0"
    return f"{{{{{width - has}{{{filling}}}}}, {name}}}"


__all__ = ["Expressions", "extended", "vector"]
