"""Exact widths of values in memory: an `ap_int<18>` takes 32 bits there; debug metadata tells how many count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_BASE = re.compile(r"\bbaseType: !(\d+)")
_ELEMENTS = re.compile(r"\belements: !(\d+)")
_SIZE = re.compile(r"\bsize: (\d+)")
_OFFSET = re.compile(r"\boffset: (\d+)")
_TAG = re.compile(r"\btag: DW_TAG_(\w+)")
_EXACT = re.compile(r'\bname: "ap_base<(\d+), (true|false)>"')
_ARGUMENT = re.compile(r"DILocalVariable\(.*\barg: (\d+), scope: !(\d+).*\btype: !(\d+)")
_VARIABLE_TYPE = re.compile(r"DILocalVariable\(.*\btype: !(\d+)")
_NAMES = ("typedef", "const_type", "volatile_type", "member")
_POINTERS = ("pointer_type", "reference_type", "rvalue_reference_type")


@dataclass(frozen=True)
class Exact:
    """An integer of exact width: `bits` of it in `container` bits of memory."""

    bits: int
    signed: bool
    container: int


class Elements:
    """Types of a module's variables, by their number in the metadata."""

    def __init__(self, metadata: Mapping[int, str]) -> None:
        self._metadata = metadata
        self._arguments: dict[tuple[int, int], int] = {}
        for text in metadata.values():
            found = _ARGUMENT.search(text)
            if found is not None:
                self._arguments[int(found[2]), int(found[1])] = int(found[3])

    def argument(self, subprogram: int, place: int) -> int | None:
        """Type of a function's parameter; the first has place 1."""
        return self._arguments.get((subprogram, place))

    def variable(self, number: int) -> int | None:
        """Type of a variable that a declaration names."""
        found = _VARIABLE_TYPE.search(self._metadata.get(number, ""))
        return int(found[1]) if found else None

    def exact(self, type_: int | None, offset: int) -> Exact | None:
        """The integer of exact width that begins `offset` bits behind the start of a variable of a type, or None."""
        while type_ is not None:
            text = self._metadata.get(type_, "")
            tag = _TAG.search(text)
            known = _EXACT.search(text)
            if known is not None:
                return Exact(int(known[1]), known[2] == "true", self._size(type_)) if offset == 0 else None
            if tag is None:
                return None
            if tag[1] in _NAMES:
                type_ = _number(_BASE, text)
            elif tag[1] in _POINTERS or tag[1] == "array_type":
                type_ = _number(_BASE, text)
                size = self._size(type_)
                offset = offset % size if size else offset
            elif tag[1] in ("structure_type", "class_type"):
                member = self._member(text, offset)
                if member is None:
                    return None
                type_, offset = member
            else:
                return None
        return None

    def _member(self, text: str, offset: int) -> tuple[int, int] | None:
        """The member of a struct that a place lies in, and the rest of the way."""
        for number in self._parts(text):
            part = self._metadata.get(number, "")
            if "DW_TAG_member" not in part:
                continue
            start, size = _number(_OFFSET, part) or 0, _number(_SIZE, part) or 0
            if start <= offset < start + size:
                return number, offset - start
        return None

    def _parts(self, text: str) -> list[int]:
        elements = _number(_ELEMENTS, text)
        return [int(number) for number in re.findall(r"!(\d+)", self._metadata.get(elements or -1, ""))]

    def _size(self, type_: int | None) -> int:
        """In bits; 0 where it is not known."""
        while type_ is not None:
            text = self._metadata.get(type_, "")
            size = _number(_SIZE, text)
            if size is not None:
                return size
            type_ = _number(_BASE, text)
        return 0


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1]) if found else None


__all__ = ["Elements", "Exact"]
