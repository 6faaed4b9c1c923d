"""Parameters of a function with exact widths, from the compiler's description of types for debuggers.

LLVM IR shows an integer of 18 bits only as the 32 bits that it takes in memory, and of a pointer's target nothing. Here
every FIFO, memory and struct is a list of leaves: the place of a value in memory, and its bits that count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgemoe_gen.base.errors import SimulationError

_STREAM = re.compile(r"stream<")
_FIELD = {
    "base": re.compile(r"\bbaseType: !(\d+)"),
    "elements": re.compile(r"\belements: !(\d+)"),
    "types": re.compile(r"\btypes: !(\d+)"),
    "type": re.compile(r"\btype: !(\d+)"),
    "size": re.compile(r"\bsize: (\d+)"),
    "data": re.compile(r"\bdataSize: (\d+)"),
    "offset": re.compile(r"\boffset: (\d+)"),
    "count": re.compile(r"\bcount: (\d+)"),
    "name": re.compile(r'\bname: "([^"]*)"'),
    "linkage": re.compile(r'\blinkageName: "([^"]*)"'),
    "tag": re.compile(r"\btag: DW_TAG_(\w+)"),
    "encoding": re.compile(r"\bencoding: DW_ATE_(\w+)"),
}
_PORTS = {"axi_read_t": "axi_read", "axi_write_t": "axi_write"}


@dataclass(frozen=True)
class Leaf:
    """One number of a struct: it lies at bit `offset` of it in `container` bits; `bits` of these count."""

    offset: int
    container: int
    bits: int
    signed: bool
    name: str = ""


@dataclass(frozen=True)
class Shape:
    """A parameter.

    Attributes:
        kind: "fifo", "axi_read", "axi_write", "memory", "memories" (a struct of them) or "value".
        leaves: leaves of an element of a FIFO, of a word of a memory, or of the value.
        bytes: bytes from one element to the next.
        count: number of FIFOs in an array of them.
        depth: words of a memory; 0 where its type does not say.
        banks: for a memory whose elements are arrays: each of their places is a separate memory.
        members: members of a struct of memories, by the byte at which each begins.
        type: C++ type of an element.
    """

    kind: str
    leaves: tuple[Leaf, ...] = ()
    bytes: int = 0
    count: int = 1
    depth: int = 0
    banks: int = 1
    members: Mapping[int, tuple[str, Shape]] | None = None
    type: str = ""

    @property
    def bits(self) -> int:
        """Bits of an element or word, without padding."""
        return sum(leaf.bits for leaf in self.leaves)


class Shapes:
    """The parameters of all functions of a module that was compiled with `compiler.DESCRIBED`."""

    def __init__(self, text: str) -> None:
        self._metadata: dict[int, str] = {}
        for line in text.split("\n"):
            if line.startswith("!") and line[1:2].isdigit():
                number, _, content = line.partition(" = ")
                self._metadata[int(number[1:])] = content

    @cached_property
    def _functions(self) -> dict[str, int]:
        found = {}
        for number, text in self._metadata.items():
            if "!DISubprogram(" in text and "DISPFlagDefinition" in text:
                found[self._word(text, "linkage") or self._word(text, "name")] = number
        return found

    def of(self, symbol: str) -> tuple[Shape, ...]:
        """The parameters of a function in their order, by its mangled name.

        Raises:
            SimulationError: the function is unknown, or a parameter is of a type that no kernel has had so far.
        """
        if symbol not in self._functions:
            raise SimulationError(f"the compiler says nothing of {symbol}", "this is a fault of the program")
        signature = self._at(self._functions[symbol], "type")
        types = self._list(self._at(signature, "types"))
        return tuple(self._parameter(number) for number in types[1:] if number is not None)

    # Metadata.

    def _word(self, text: str, field: str) -> str:
        found = _FIELD[field].search(text)
        return found[1] if found is not None else ""

    def _get(self, number: int, field: str) -> str:
        return self._word(self._metadata[number], field)

    def _at(self, number: int, field: str) -> int:
        return int(self._get(number, field))

    def _list(self, number: int) -> list[int | None]:
        inside = self._metadata[number].partition("{")[2].rpartition("}")[0]
        parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
        return [None if part == "null" else int(part[1:]) for part in parts]

    # Types.

    def _plain(self, number: int) -> int:
        """A type without typedefs and qualifiers."""
        while self._get(number, "tag") in ("typedef", "const_type", "volatile_type", "member"):
            number = self._at(number, "base")
        return number

    def _parameter(self, number: int) -> Shape:
        number = self._plain(number)
        tag = self._get(number, "tag")
        if tag in ("reference_type", "pointer_type"):
            return self._referred(self._plain(self._at(number, "base")), tag == "pointer_type")
        return self._value(number)

    def _referred(self, number: int, pointer: bool) -> Shape:
        count = 1
        if not pointer and self._get(number, "tag") == "array_type":
            count, number = self._dimensions(number)[0], self._plain(self._at(number, "base"))
        name = self._get(number, "name")
        if _STREAM.match(name):
            element = self._plain(self._members(number)[0])
            return Shape("fifo", self._leaves(element), self._bytes(element), count, type=self._get(element, "name"))
        if name in _PORTS:
            beat = self._plain(self._members(number)[0])
            return Shape(_PORTS[name], self._leaves(beat), self._bytes(beat), count, type=self._get(beat, "name"))
        if not pointer:
            members = {self._offset(m) // 8: m for m in self._members(number)}
            if members and all(self._get(self._plain(m), "tag") == "array_type" for m in members.values()):
                shapes = {at: (self._get(m, "name"), self._array(self._plain(m))) for at, m in members.items()}
                return Shape("memories", members=shapes, bytes=self._bytes(number), type=name)
            return self._value(number)
        return self._memory(number, 0)

    def _array(self, number: int) -> Shape:
        depth = self._dimensions(number)[0]
        return self._memory(self._plain(self._at(number, "base")), depth)

    def _memory(self, element: int, depth: int) -> Shape:
        banks, word = 1, element
        if self._get(element, "tag") == "array_type":
            banks, word = self._dimensions(element)[0], self._plain(self._at(element, "base"))
        size = self._bytes(word)
        return Shape(
            "memory", self._leaves(word), banks * size, depth=depth, banks=banks, type=self._get(word, "name") or "int"
        )

    def _value(self, number: int) -> Shape:
        return Shape("value", self._leaves(number), self._bytes(number), type=self._get(number, "name"))

    def _members(self, number: int) -> list[int]:
        elements = self._get(number, "elements")
        found = [] if not elements else [m for m in self._list(int(elements)) if m is not None]
        return [m for m in found if self._get(m, "tag") == "member" and "DIFlagStaticMember" not in self._metadata[m]]

    def _dimensions(self, number: int) -> list[int]:
        return [self._at(n, "count") for n in self._list(self._at(number, "elements")) if n is not None]

    def _offset(self, member: int) -> int:
        return int(self._get(member, "offset") or 0)

    def _bytes(self, number: int) -> int:
        return self._at(self._plain(number), "size") // 8

    def _leaves(self, number: int, offset: int = 0, name: str = "") -> tuple[Leaf, ...]:
        number = self._plain(number)
        tag = self._get(number, "tag")
        if tag == "array_type":
            places, element = 1, self._plain(self._at(number, "base"))
            for count in self._dimensions(number):
                places *= count
            size = 8 * self._bytes(element)
            return tuple(
                leaf for k in range(places) for leaf in self._leaves(element, offset + k * size, f"{name}_{k}")
            )
        if tag in ("structure_type", "class_type"):
            found: list[Leaf] = []
            for member in self._members(number):
                inner = self._get(member, "name")
                lanes = inner == "lane" and self._get(self._plain(member), "tag") == "array_type"
                inner = name if lanes or inner == "value" else f"{name}_{inner}" if name else inner
                found += self._leaves(self._at(member, "base"), offset + self._offset(member), inner)
            return tuple(found)
        text = self._metadata[number]
        if "!DIBasicType(" not in text and tag != "enumeration_type":
            raise SimulationError(
                f"a parameter is of the type {self._get(number, 'name') or tag}, which a module can't have as a port",
                "hand over integers, structs, FIFOs or memories",
            )
        size = self._at(number, "size")
        encoding = self._get(number, "encoding")
        bits = 1 if encoding == "boolean" else int(self._get(number, "data") or size)
        return (Leaf(offset, size, bits, encoding in ("signed", "signed_char"), name),)


__all__ = ["Leaf", "Shape", "Shapes"]
