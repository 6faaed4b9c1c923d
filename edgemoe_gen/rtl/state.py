"""Loads and stores of one region: registers as values that change, memories and FIFOs as accesses.

Registers by a variable index are multiplexers over all places that the index can reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.counters import values
from edgemoe_gen.rtl.objects import Objects, Words, covering, plain
from edgemoe_gen.rtl.shapes import Leaf
from edgemoe_gen.rtl.trace import Port, Trace
from edgemoe_gen.scheduling.conditions import ALWAYS
from edgemoe_gen.scheduling.places import Pointer

_MOST_PLACES = 4096


class State:
    """Contents of registers and of the tails of FIFOs at a point of a region. Conditions include block and pointer."""

    def __init__(self, trace: Trace, objects: Objects, limits: Mapping[str, int]) -> None:
        self.trace = trace
        self.objects = objects
        self.registers: dict[tuple[str, int], int] = {}  # by array and leaf
        self.first: dict[tuple[str, int], int] = {}  # what they held when the region began, where that was asked for
        self.undefined: set[tuple[str, int]] = set()  # registers whose value nobody may rely on
        self._tails: dict[tuple[str, int], int] = {}
        self.unknown: dict[tuple[str, int], SimulationError] = {}  # leaves of elements that this region never sets
        self.pending: set[tuple[str, int]] = set()  # those that were set since the last write
        self._heads: dict[str, int] = {}  # node of the last read of a FIFO
        self._graph = trace.graph
        self._counters = limits
        self._values: dict[int, frozenset[int] | None] = {}

    # What kinds of places there are.

    def load(self, place: Pointer, width: int, condition: int) -> int:
        """`width` bits at a place."""
        objects = self.objects
        if place.variable.startswith("@") and place.variable not in objects.shapes:
            return self._from_table(place, width, condition)
        if objects.is_memory(place):
            return self._from_memory(place, width, condition)
        shape = objects.shape(place)
        if shape is None:
            array = objects.array(place.variable)
            return self._indexed(place, width, array.bytes, lambda at: self._held(place.variable, at, width))
        if shape.kind == "value":
            name = plain(place.variable)
            fields = shape.leaves
            return self._indexed(
                place,
                width,
                shape.bytes,
                lambda at: self._assembled(fields, at, width, lambda n: self._input(name, fields, n)),
            )
        port, shape, offset = objects.channel(place)
        if shape.kind == "fifo" and offset >= shape.bytes:
            raise self.refused(f"{port.name} is read where it is written")
        if port.name not in self._heads:
            raise self.refused(f"{port.name} is looked at where nothing was read from it")
        head = self._heads[port.name]
        inner = Pointer(place.variable, offset, place.terms)
        return self._indexed(
            inner,
            width,
            shape.bytes,
            lambda at: self._assembled(shape.leaves, at, width, lambda n: self._cut(head, shape.leaves, n)),
        )

    def store(self, place: Pointer, value: int, width: int, condition: int) -> None:
        """Puts `width` bits at a place."""
        objects = self.objects
        if objects.is_memory(place):
            self._to_memory(place, value, width, condition)
            return
        shape = objects.shape(place)
        if shape is not None and shape.kind in ("fifo", "axi_write"):
            port, shape, offset = objects.channel(place)
            at = offset - shape.bytes if shape.kind == "fifo" else offset
            if at < 0:
                raise self.refused(f"{port.name} is written where it is read")
            tail = Pointer(port.name, at, place.terms)
            self._put(tail, shape.leaves, shape.bytes, value, width, ALWAYS, self._tails)
            self.pending |= {key for key in self._tails if key[0] == port.name}
        elif shape is None and not place.variable.startswith("@"):
            array = objects.array(place.variable)
            self._put(place, array.leaves, array.bytes, value, width, condition, self.registers)
        else:
            raise self.refused(f"{plain(place.variable)} is written, which a module can only read")

    def read(self, place: Pointer, condition: int) -> None:
        """Takes an element out of a FIFO."""
        port, shape, _ = self.objects.channel(place)
        self._heads[port.name] = self.trace.access("read", port, condition, width=shape.bits)

    def write(self, place: Pointer, condition: int) -> None:
        """Puts the element at its tail into a FIFO."""
        port, shape, _ = self.objects.channel(place)
        data = []
        for n, leaf in enumerate(shape.leaves):
            held = self._tails.get((port.name, n))
            if held is None:
                self.unknown[port.name, n] = self.refused(
                    f"an element of {port.name} is written whose {leaf.name or 'value'} is not known"
                )
            data.append(self._graph.const(0, leaf.bits) if held is None else self._graph.slice(held, 0, leaf.bits))
        self.pending -= {(port.name, n) for n in range(len(data))}
        self.trace.access("write", port, condition, data=tuple(data))

    def packed(self, place: Pointer, leaves: Sequence[Leaf]) -> int:
        """A struct's numbers, one after another."""
        parts = []
        for leaf in leaves:
            value = self.load(place.moved(leaf.offset // 8), leaf.container, ALWAYS)
            parts.append(self._graph.slice(value, 0, leaf.bits))
        return self._graph.concat(parts)

    def request(self, place: Pointer, values: Sequence[int], condition: int) -> None:
        """Requests a burst of an AXI port: its first beat and its beats."""
        port, _, _ = self.objects.channel(place)
        bits = tuple(self._graph.nodes[value].width for value in values)
        asked = Port(f"{port.name}_request", "fifo", port.variable, sum(bits), bits)
        self.trace.access("write", asked, condition, data=tuple(values))

    def forget(self, name: str) -> None:
        """The contents of a local array end."""
        if self.objects.is_array(name) and not self.objects.is_memory(Pointer(name)):
            for n in range(len(self.objects.array(name).leaves)):
                leaf = self.objects.array(name).leaves[n]
                self.registers[name, n] = self._graph.const(0, leaf.container)
                self.undefined.add((name, n))

    def refused(self, why: str) -> SimulationError:
        """An error at the current line."""
        return SimulationError(f"{self._graph.location or self.objects.function.name}: {why}", "write it another way")

    # Values of leaves.

    def _input(self, name: str, leaves: Sequence[Leaf], n: int) -> int:
        bits = leaves[n].bits
        first = sum(leaf.bits for leaf in leaves[:n])
        return self._wide(self._graph.shared("input", (), bits, first, name), leaves[n])

    def _cut(self, word: int, leaves: Sequence[Leaf], n: int) -> int:
        first = sum(leaf.bits for leaf in leaves[:n])
        node = self._graph.slice(word, first, leaves[n].bits)
        if leaves[n].name:
            self.trace.names.setdefault(node, plain(leaves[n].name))
        return self._wide(node, leaves[n])

    def _wide(self, node: int, leaf: Leaf) -> int:
        extended = self._graph.sext if leaf.signed and leaf.bits > 1 else self._graph.zext
        return extended(node, leaf.container)

    def _assembled(self, leaves: Sequence[Leaf], offset: int, width: int, leaf_node: Callable[[int], int]) -> int:
        parts, at = [], offset
        for n in covering(leaves, offset, width):
            leaf = leaves[n]
            if leaf.offset > at:
                parts.append(self._graph.const(0, leaf.offset - at))
                at = leaf.offset
            high = min(offset + width, leaf.offset + leaf.container)
            parts.append(self._graph.slice(leaf_node(n), at - leaf.offset, high - at))
            at = high
        if at < offset + width:
            parts.append(self._graph.const(0, offset + width - at))
        return self._graph.concat(parts)

    def _held(self, name: str, offset: int, width: int) -> int:
        leaves = self.objects.array(name).leaves
        return self._assembled(leaves, offset, width, lambda n: self._register(name, n))

    def _register(self, name: str, n: int) -> int:
        key = (name, n)
        if key not in self.registers:
            leaf = self.objects.array(name).leaves[n]
            register = f"{plain(name)}__{n}"
            op = "carried" if self.trace.region.is_loop else "input"
            self.registers[key] = self.first[key] = self._graph.add(op, (), leaf.container, 0, register)
        return self.registers[key]

    def _put(
        self, place: Pointer, leaves: Sequence[Leaf], size: int, value: int, width: int, condition: int,
        held: dict[tuple[str, int], int],
    ) -> None:  # fmt: skip
        for where, offset in self._places(place, width, size):
            for n in covering(leaves, offset, width):
                leaf = leaves[n]
                low, high = max(offset, leaf.offset), min(offset + width, leaf.offset + leaf.container)
                piece = self._graph.slice(value, low - offset, high - low)
                before = self._before(place.variable, n, leaf, held, condition, where, (low, high))
                if before is not None and (low, high) != (leaf.offset, leaf.offset + leaf.container):
                    below = self._graph.slice(before, 0, low - leaf.offset) if low > leaf.offset else None
                    end = leaf.offset + leaf.container
                    above = self._graph.slice(before, high - leaf.offset, end - high) if high < end else None
                    piece = self._graph.concat([p for p in (below, piece, above) if p is not None])
                if before is not None:
                    if where is not None:
                        piece = self.trace.pick(where, piece, before)
                    if condition != ALWAYS:
                        piece = self.trace.pick(self.trace.whether(condition), piece, before)
                held[place.variable, n] = piece
                self.undefined.discard((place.variable, n))

    def _before(
        self, name: str, n: int, leaf: Leaf, held: dict[tuple[str, int], int], condition: int, where: int | None,
        part: tuple[int, int],
    ) -> int | None:  # fmt: skip
        """What a leaf holds before a store, where that matters."""
        if condition == ALWAYS and where is None and part == (leaf.offset, leaf.offset + leaf.container):
            return None
        if held is self.registers:
            return self._register(name, n)
        return held.get(
            (name, n),
            self._graph.const(0, leaf.container) if where is not None or part[1] - part[0] < leaf.container else None,
        )

    # Places by index.

    def _indexed(self, place: Pointer, width: int, size: int, at: Callable[[int], int]) -> int:
        if not place.terms:
            return at(8 * place.offset)
        places = self._places(place, width, size)
        if not places:  # it lies beyond the array, so what depends on it never counts
            return self._graph.const(0, width)
        result = at(places[-1][1])
        for where, offset in reversed(places[:-1]):
            assert where is not None
            result = self.trace.pick(where, at(offset), result)
        return result

    def _places(self, place: Pointer, width: int, size: int) -> list[tuple[int | None, int]]:
        """Every bit offset that an access may begin at, with the one-bit node that says so."""
        graph = self._graph
        found: list[tuple[int | None, int]] = [(None, 8 * place.offset)]
        terms = sorted(place.terms, key=lambda term: -term[0])
        for k, (scale, node) in enumerate(terms):
            span = size if k == 0 else terms[k - 1][0]
            low, high = self._limits(node)
            few = values(graph, node, self._counters, self._values)
            mask = (1 << graph.nodes[node].width) - 1
            following: list[tuple[int | None, int]] = []
            for where, offset in found:
                for index in range(max(low, -(span // scale)), min(high, span // scale) + 1):
                    at = offset + 8 * scale * index
                    last = 8 * size - (width if k == len(terms) - 1 else 1)
                    if few is not None and index & mask not in few:
                        continue
                    if not 0 <= at <= last or (k > 0 and not 0 <= index < span // scale):
                        continue
                    same = graph.shared("icmp", (node, graph.const(index, graph.nodes[node].width)), 1, "eq")
                    following.append((same if where is None else graph.binary("and", where, same), at))
            found = following
            if len(found) > _MOST_PLACES:
                raise self.refused(f"an index of {plain(place.variable)} reaches {len(found)} places")
        return found

    def _limits(self, node: int) -> tuple[int, int]:
        """What an index can be, by its width alone."""
        found = self._graph.nodes[node]
        if found.op == "concat" and self._graph.constant(found.args[-1]) == 0:
            return 0, (1 << (found.width - self._graph.nodes[found.args[-1]].width)) - 1
        return -(1 << (found.width - 1)), (1 << (found.width - 1)) - 1

    # Memories.

    def _from_table(self, place: Pointer, width: int, condition: int) -> int:
        table = self.objects.table(place.variable)
        if len(place.terms) > 1 or width != 8 * table.bytes:
            raise self.refused(f"the table {table.port.name} is read in parts")
        if not place.terms:
            return self._graph.const(table.values[place.offset // table.bytes], width)
        index = self._scaled(place, table.bytes)
        word = self.trace.access("load", table.port, condition, index, width=table.port.bits)
        return self._wide(word, Leaf(0, width, table.port.bits, table.signed))

    def _scaled(self, place: Pointer, size: int) -> int:
        """The element that a place of one term begins at."""
        scale, node = place.terms[0]
        graph = self._graph
        if scale < size and size % scale == 0 and (size // scale) & (size // scale - 1) == 0:
            # The compiler counts in bytes and knows that these are whole elements.
            shift = (size // scale).bit_length() - 1
            node = graph.slice(node, shift, graph.nodes[node].width - shift)
        elif scale % size:
            raise self.refused(f"{plain(place.variable)} is not accessed by elements")
        elif scale > size:
            node = graph.binary("mul", node, graph.const(scale // size, graph.nodes[node].width))
        return self._plus(node, place.offset // size)

    def _plus(self, node: int, number: int) -> int:
        return self._graph.binary("add", node, self._graph.const(number, self._graph.nodes[node].width))

    def _sum(self, nodes: Sequence[int]) -> int:
        width = max((self._graph.nodes[node].width for node in nodes), default=32)
        total = self._graph.const(0, width)
        for node in nodes:
            total = self._graph.binary("add", self._graph.sext(node, width), total)
        return total

    def _located(self, place: Pointer) -> tuple[Words, int, int | None, int, int]:
        """Memory, address, node of the bank (or None and its number), and the bit within the word."""
        words, place = self.objects.words(place)
        word = words.bytes // words.banks
        if len(place.terms) == 1 and place.terms[0][0] < word:
            first, inside = divmod(place.offset, words.bytes)
            if words.banks > 1:
                raise self.refused(f"a place within a word of {words.name} is chosen by an index")
            address = self._scaled(Pointer(place.variable, first * words.bytes, place.terms), words.bytes)
            return words, address, None, 0, 8 * inside
        rows: list[int] = []
        banks: list[int] = []
        for scale, node in place.terms:
            unit, kind = (words.bytes, rows) if scale % words.bytes == 0 else (word, banks)
            if scale % unit:
                raise self.refused(f"a place within a word of {words.name} is chosen by an index")
            many = self._graph.const(scale // unit, self._graph.nodes[node].width)
            kind.append(self._graph.binary("mul", node, many) if scale != unit else node)
        row, rest = divmod(place.offset, words.bytes)
        bank, inside = divmod(rest, word)
        address = self._plus(self._sum(rows), row)
        if not banks:
            return words, address, None, bank, 8 * inside
        return words, address, self._plus(self._sum(banks), bank), 0, 8 * inside

    def _banked(self, words: Words, choice: int | None, number: int) -> list[tuple[int | None, Port]]:
        if choice is None:
            return [(None, words.ports[number])]
        graph = self._graph
        width = graph.nodes[choice].width
        return [
            (graph.shared("icmp", (choice, graph.const(k, width)), 1, "eq"), port) for k, port in enumerate(words.ports)
        ]

    def _from_memory(self, place: Pointer, width: int, condition: int) -> int:
        words, address, choice, number, inside = self._located(place)
        result = None
        for where, port in reversed(self._banked(words, choice, number)):
            whole = condition
            if where is not None:
                whole = self.trace.choices.conditions.both(condition, self.trace.choices.holds(where))
            word = self.trace.access("load", port, whole, address, width=port.bits)
            value = self._assembled(words.leaves, inside, width, lambda n, word=word: self._cut(word, words.leaves, n))  # type: ignore[misc]
            result = value if result is None or where is None else self.trace.pick(where, value, result)
        assert result is not None
        return result

    def _to_memory(self, place: Pointer, value: int, width: int, condition: int) -> None:
        words, address, choice, number, inside = self._located(place)
        data: list[int | None] = []
        for n, leaf in enumerate(words.leaves):
            at = leaf.offset - inside
            touched = n in covering(words.leaves, inside, width)
            if touched and not (at >= 0 and at + leaf.bits <= width):
                raise self.refused(f"a part of a number of {words.name} is written")
            data.append(self._graph.slice(value, at, leaf.bits) if touched else None)
        for where, port in self._banked(words, choice, number):
            whole = condition
            if where is not None:
                whole = self.trace.choices.conditions.both(condition, self.trace.choices.holds(where))
            if not self._merged(port, whole, address, data):
                self.trace.access("store", port, whole, address, tuple(data))

    def _merged(self, port: Port, condition: int, address: int, data: Sequence[int | None]) -> bool:
        """Whether another store to the same word under the same condition took these leaves in."""
        for access in self.trace.accesses:
            if access.kind == "store" and access.port == port:
                for k, (other, at, leaves, location) in enumerate(access.parts):
                    if (other, at) == (condition, address):
                        joined = tuple(b if b is not None else a for a, b in zip(leaves, data, strict=True))
                        access.parts[k] = (other, at, joined, location)
                        return True
        return False


__all__ = ["State"]
