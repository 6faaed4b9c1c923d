"""Data flow of one iteration of a loop: equal nodes are one node, and moving bits takes no node.

Values are built bottom-up, so every node's arguments have lower numbers than the node. Integers that pack several
values (as LLVM makes of small structs) are concatenations here, and a node that takes one value out of them depends
only on this value. Widths are those of the compiler; `widths` finds how many bits count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgemoe_gen.scheduling.ir import Location
from edgemoe_gen.scheduling.node import Node, choices

_COMMUTATIVE = frozenset(("add", "mul", "and", "or", "xor"))


@dataclass
class Graph:
    """Nodes by number. `location` is given to nodes as they are made."""

    nodes: list[Node] = field(default_factory=list)
    location: Location | None = None
    _known: dict[tuple[str, tuple[int, ...], int, int | str, str], int] = field(default_factory=dict)

    def add(self, op: str, args: Sequence[int], width: int, detail: int | str = 0, name: str = "") -> int:
        """A new node, equal to no other."""
        number = len(self.nodes)
        self.nodes.append(Node(number, op, tuple(args), width, detail, name, self.location))
        return number

    def shared(self, op: str, args: Sequence[int], width: int, detail: int | str = 0, name: str = "") -> int:
        """The node of this operation on these arguments."""
        key = (op, tuple(args), width, detail, name)
        if key not in self._known:
            self._known[key] = self.add(op, args, width, detail, name)
        return self._known[key]

    def const(self, value: int, width: int) -> int:
        """A constant; its detail is the unsigned value of its bits."""
        return self.shared("const", (), width, value & ((1 << width) - 1))

    def constant(self, number: int) -> int | None:
        """Unsigned value of a constant, or None."""
        node = self.nodes[number]
        return int(node.detail) if node.op == "const" else None

    def signed(self, number: int) -> int | None:
        """Signed value of a constant, or None."""
        value, width = self.constant(number), self.nodes[number].width
        return value if value is None or value >> (width - 1) == 0 or width == 1 else value - (1 << width)

    # Bits that are only moved.

    def concat(self, parts: Sequence[int]) -> int:
        """Values one above the other, the lowest first."""
        flat: list[int] = []
        for part in parts:
            node = self.nodes[part]
            for piece in node.args if node.op == "concat" else (part,):
                before = self.constant(flat[-1]) if flat else None
                value = self.constant(piece)
                if before is not None and value is not None:
                    low = self.nodes[flat[-1]].width
                    flat[-1] = self.const(before | value << low, low + self.nodes[piece].width)
                elif flat and self._follows(flat[-1], piece):
                    flat[-1] = self._rejoined(flat[-1], piece)
                else:
                    flat.append(piece)
        if len(flat) == 1:
            return flat[0]
        return self.shared("concat", flat, sum(self.nodes[part].width for part in flat))

    def _follows(self, low: int, high: int) -> bool:
        """Whether two slices are neighbours in one value."""
        a, b = self.nodes[low], self.nodes[high]
        return a.op == b.op == "slice" and a.args == b.args and int(a.detail) + a.width == int(b.detail)

    def _rejoined(self, low: int, high: int) -> int:
        a, b = self.nodes[low], self.nodes[high]
        return self.slice(a.args[0], int(a.detail), a.width + b.width)

    def slice(self, number: int, first: int, width: int) -> int:
        """`width` bits of a value from bit `first` on."""
        node = self.nodes[number]
        if first == 0 and width == node.width:
            return number
        if node.op == "const":
            return self.const(int(node.detail) >> first, width)
        if node.op == "slice":
            return self.slice(node.args[0], int(node.detail) + first, width)
        if node.op == "concat":
            return self.concat(list(self._overlapping(node, first, width)))
        if node.op == "sext" and first < self.nodes[node.args[0]].width:
            inner = self.nodes[node.args[0]]
            if first + width <= inner.width:
                return self.slice(inner.number, first, width)
            return self.sext(self.slice(inner.number, first, inner.width - first), width)
        if node.op in ("select", "merge") and self._packs(node):
            return self._sliced_choice(node, first, width)
        return self.shared("slice", (number,), width, first)

    def _overlapping(self, node: Node, first: int, width: int) -> Sequence[int]:
        found, at = [], 0
        for part in node.args:
            size = self.nodes[part].width
            low, high = max(first, at), min(first + width, at + size)
            if low < high:
                found.append(self.slice(part, low - at, high - low))
            at += size
        return found

    def _packs(self, node: Node) -> bool:
        """Whether one of the values that are chosen from holds several others."""
        return any(
            self.nodes[value].op == "concat" and sum(self.nodes[p].op != "const" for p in self.nodes[value].args) > 1
            for value in choices(node)
        )

    def _sliced_choice(self, node: Node, first: int, width: int) -> int:
        values = [self.slice(value, first, width) for value in choices(node)]
        if node.op == "select":
            return self.select(node.args[0], values[0], values[1])
        return self.merge(values, node.args[len(values) :], width)

    def sext(self, number: int, width: int) -> int:
        """A signed value in more bits."""
        node = self.nodes[number]
        if node.width == width:
            return number
        if node.op == "const":
            value = self.signed(number) or 0
            return self.const(-value if node.width == 1 else value, width)
        if node.op == "sext":
            return self.sext(node.args[0], width)
        if node.op == "concat" and self.constant(node.args[-1]) == 0:
            return self.zext(number, width)
        return self.shared("sext", (number,), width)

    def zext(self, number: int, width: int) -> int:
        """An unsigned value in more bits."""
        missing = width - self.nodes[number].width
        return number if missing == 0 else self.concat([number, self.const(0, missing)])

    # Choices.

    def select(self, condition: int, first: int, second: int) -> int:
        """The first value where the condition holds, else the second."""
        known = self.constant(condition)
        if first == second or known is not None:
            return second if known == 0 and first != second else first
        if self.nodes[condition].op == "not":
            return self.select(self.nodes[condition].args[0], second, first)
        return self.shared("select", (condition, first, second), self.nodes[first].width)

    def merge(self, values: Sequence[int], choosing: Sequence[int], width: int) -> int:
        """One of several values, by conditions of `choosing`. Equal values need no choice between them."""
        if len(set(values)) == 1:
            return values[0]
        return self.shared("merge", (*values, *choosing), width, len(values))

    def inverse(self, number: int) -> int:
        """Not, of one bit."""
        node = self.nodes[number]
        if node.op == "not":
            return node.args[0]
        return self.const(1 - int(node.detail), 1) if node.op == "const" else self.shared("not", (number,), 1)

    # Arithmetic.

    def binary(self, op: str, first: int, second: int) -> int:
        """An operation of LLVM on two values of the same width."""
        width = self.nodes[first].width
        if op in _COMMUTATIVE and self.nodes[first].op == "const":
            first, second = second, first
        value = self.constant(second)
        moved = self._moved(op, first, second, value, width)
        if moved is not None:
            return moved
        if op in ("or", "add", "xor"):
            joined = self._joined(first, second)
            if joined is not None:
                return joined
        if op in ("add", "sub"):
            shifted = self._without_low_zeros(op, first, second, width)
            if shifted is not None:
                return shifted
        if op == "add":
            # The compiler's form of `c ? x + 1 : x`, which is what the sources say.
            for x, bit in ((first, second), (second, first)):
                condition = self._one_bit(bit)
                if condition is not None:
                    return self.select(condition, self.binary("add", x, self.const(1, width)), x)
        if value is not None and op in ("and", "or", "xor") and width > 1:
            return self.shared("mask", (first,), width, f"{op} {value}")
        return self.shared(op, (first, second), width)

    def _moved(self, op: str, first: int, second: int, value: int | None, width: int) -> int | None:
        """Operations with a constant that only move bits, or do nothing."""
        if value is None:
            return first if op in ("and", "or") and first == second else None
        everything = (1 << width) - 1
        if value == 0 and op in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
            return first
        if op == "shl":
            return self.concat([self.const(0, value), self.slice(first, 0, width - value)]) if value < width else None
        if op == "lshr":
            return self.zext(self.slice(first, value, width - value), width) if value < width else None
        if op == "ashr":
            return self.sext(self.slice(first, value, width - value), width) if value < width else None
        if op == "mul" and value and value & (value - 1) == 0:
            return self.binary("shl", first, self.const(value.bit_length() - 1, width))
        if (op in ("and", "mul") and value == 0) or (op == "or" and value == everything):
            return second
        if op == "and":
            low = (value & -value).bit_length() - 1
            run = (value >> low).bit_length()
            if value >> low == (1 << run) - 1:
                kept = self.slice(first, low, run)
                return self.zext(self.concat([self.const(0, low), kept]) if low else kept, width)
        if op == "xor" and width == 1:
            return self.inverse(first)
        return None

    def _joined(self, first: int, second: int) -> int | None:
        """Two values of which no bit is set in both, as far as their constant parts say."""
        a, b = self._parts(first), self._parts(second)
        if len(a) + len(b) < 3:
            return None
        joined: list[int] = []
        i = j = used_a = used_b = 0
        while i < len(a):
            wa, wb = self.nodes[a[i]].width - used_a, self.nodes[b[j]].width - used_b
            width = min(wa, wb)
            pa, pb = self.slice(a[i], used_a, width), self.slice(b[j], used_b, width)
            if self.constant(pa) == 0:
                joined.append(pb)
            elif self.constant(pb) == 0:
                joined.append(pa)
            else:
                return None
            used_a, used_b = used_a + width, used_b + width
            if wa == width:
                i, used_a = i + 1, 0
            if wb == width:
                j, used_b = j + 1, 0
        return self.concat(joined)

    def _parts(self, number: int) -> tuple[int, ...]:
        node = self.nodes[number]
        return node.args if node.op == "concat" else (number,)

    def _without_low_zeros(self, op: str, first: int, second: int, width: int) -> int | None:
        """A sum of values that both end in zeros is a sum of the rest."""
        zeros = min(self._low_zeros(first), self._low_zeros(second))
        if zeros == 0 or zeros >= width:
            return None
        high = [self.slice(number, zeros, width - zeros) for number in (first, second)]
        return self.concat([self.const(0, zeros), self.binary(op, high[0], high[1])])

    def _low_zeros(self, number: int) -> int:
        value = self.constant(self._parts(number)[0])
        if value is None:
            return 0
        return (value & -value).bit_length() - 1 if value else self.nodes[self._parts(number)[0]].width

    def _one_bit(self, number: int) -> int | None:
        """The condition that was widened to a number, or None."""
        node = self.nodes[number]
        if node.op != "concat" or len(node.args) != 2 or self.constant(node.args[1]) != 0:
            return None
        low = self.nodes[node.args[0]]
        return low.number if low.width == 1 and low.op not in ("const", "slice", "input", "field") else None


__all__ = ["Graph"]
