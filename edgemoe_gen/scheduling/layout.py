"""Types of LLVM IR and where their parts lie in memory, by the rules of the target that kernels are compiled for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_TOKEN = re.compile(r'%"[^"]*"|%[-\w.$]+|\d+|\w+|[\[\]{}<>,*]')
POINTER_BYTES = 8
_LARGEST_ALIGNMENT = 16  # of x86-64, for integers of more than 64 bits


@dataclass(frozen=True)
class Type:
    """A type: kind "int" with `bits`, "ptr", "void", "array" of `count` elements, "struct", or "named"."""

    kind: str
    bits: int = 0
    count: int = 0
    parts: tuple[Type, ...] = ()
    packed: bool = False
    name: str = ""


POINTER = Type("ptr")
VOID = Type("void")


class Layout:
    """Sizes of types, given the text of the named ones."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self._texts = dict(named)
        self._types: dict[str, Type] = {}
        self._parsed: dict[str, Type] = {}

    def parse(self, text: str) -> Type:
        """The type that a text spells."""
        if text not in self._parsed:
            self._parsed[text] = _Reader(_TOKEN.findall(text)).type()
        return self._parsed[text]

    def resolved(self, type_: Type) -> Type:
        """A named type's definition; any other type itself."""
        while type_.kind == "named":
            if type_.name not in self._types:
                self._types[type_.name] = self.parse(self._texts[type_.name])
            type_ = self._types[type_.name]
        return type_

    def alignment(self, type_: Type) -> int:
        """In bytes."""
        type_ = self.resolved(type_)
        if type_.kind == "int":
            return min(_power_of_two(max(1, -(-type_.bits // 8))), 8 if type_.bits <= 64 else _LARGEST_ALIGNMENT)
        if type_.kind == "array":
            return self.alignment(type_.parts[0])
        if type_.kind == "struct":
            return 1 if type_.packed else max((self.alignment(part) for part in type_.parts), default=1)
        return POINTER_BYTES

    def size(self, type_: Type) -> int:
        """In bytes, padding included."""
        type_ = self.resolved(type_)
        if type_.kind == "int":
            return _rounded(-(-type_.bits // 8), self.alignment(type_))
        if type_.kind == "array":
            return type_.count * self.size(type_.parts[0])
        if type_.kind == "struct":
            end = 0 if not type_.parts else self.offset(type_, len(type_.parts) - 1) + self.size(type_.parts[-1])
            return _rounded(end, self.alignment(type_))
        return POINTER_BYTES

    def offset(self, type_: Type, index: int) -> int:
        """Bytes before a part of a struct."""
        type_ = self.resolved(type_)
        at = 0
        for i, part in enumerate(type_.parts):
            if not type_.packed:
                at = _rounded(at, self.alignment(part))
            if i == index:
                return at
            at += self.size(part)
        raise IndexError(index)


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @cached_property
    def _simple(self) -> dict[str, Type]:
        return {"ptr": POINTER, "void": VOID, "label": VOID, "metadata": VOID, "opaque": VOID}

    def type(self) -> Type:
        token = self._take()
        if token in self._simple:
            return self._simple[token]
        if re.fullmatch(r"i\d+", token):
            return Type("int", bits=int(token[1:]))
        if token == "[":
            count = int(self._take())
            self._take()  # x
            element = self.type()
            self._take()  # ]
            return Type("array", count=count, parts=(element,))
        if token == "<" and self._tokens[self._at] == "{":
            self._take()
            parts = self._parts()
            self._take()  # >
            return Type("struct", parts=parts, packed=True)
        if token == "{":
            return Type("struct", parts=self._parts())
        if token.startswith("%"):
            return Type("named", name=token[1:].strip('"'))
        raise ValueError(f"no type begins with {token}")

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _parts(self) -> tuple[Type, ...]:
        parts = []
        while self._tokens[self._at] != "}":
            parts.append(self.type())
            if self._tokens[self._at] == ",":
                self._take()
        self._take()
        return tuple(parts)


def _power_of_two(value: int) -> int:
    return 1 << (value - 1).bit_length()


def _rounded(value: int, step: int) -> int:
    return -(-value // step) * step


__all__ = ["POINTER", "VOID", "Layout", "Type"]
