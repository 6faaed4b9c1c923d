"""The syntax tree of one function, with parents: libclang's cursors, walked once.

libclang's Python binding has no types, so its objects are `Any` here; nothing outside of this module and `unit` asks
them for more than kind, spelling, type and referenced cursor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Cursor = Any
Type = Any

# Wrappers that libclang puts around an expression: implicit conversions and parentheses.
WRAPPERS = ("UNEXPOSED_EXPR", "PAREN_EXPR")
LOOPS = ("FOR_STMT", "WHILE_STMT", "DO_STMT", "CXX_FOR_RANGE_STMT")


class Node:
    """One cursor: its kind by name, its parent and its children."""

    __slots__ = ("children", "cursor", "kind", "parent")

    def __init__(self, cursor: Cursor, parent: Node | None) -> None:
        self.cursor = cursor
        self.kind: str = cursor.kind.name
        self.parent = parent
        self.children = [Node(child, self) for child in cursor.get_children()]

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def line(self) -> int:
        """Line in its file, from 1."""
        return int(self.cursor.location.line)

    @property
    def name(self) -> str:
        """Its spelling."""
        return str(self.cursor.spelling)

    @property
    def core(self) -> Node:
        """The expression inside conversions and parentheses."""
        node = self
        while node.kind in WRAPPERS and node.children:
            node = node.children[-1]
        return node

    @property
    def outer(self) -> Node:
        """The largest expression that is this one in conversions and parentheses."""
        node = self
        while node.parent is not None and node.parent.kind in WRAPPERS:
            node = node.parent
        return node

    @property
    def statements(self) -> list[Node]:
        """Children of a block."""
        return self.children if self.kind == "COMPOUND_STMT" else []


def body(node: Node) -> Node | None:
    """The block of a function or loop, where it has one."""
    return next((child for child in reversed(node.children) if child.kind == "COMPOUND_STMT"), None)


def key(cursor: Cursor) -> str:
    """A key that all cursors of one declaration share, in every instance of a template."""
    place = cursor.location
    return f"{place.file}:{place.offset}:{cursor.spelling}"


def plain(kind: Type) -> Type:
    """A type without reference, typedefs and const."""
    canonical = kind.get_canonical()
    if canonical.kind.name in ("LVALUEREFERENCE", "RVALUEREFERENCE"):
        canonical = canonical.get_pointee()
    return canonical


def dimensions(kind: Type) -> tuple[int, ...]:
    """Sizes of an array's dimensions, outermost first; empty for any other type.

    A size is 0 where there is none, and -1 where it depends on a template's parameter.
    """
    sizes: list[int] = []
    kind = plain(kind)
    while kind.kind.name in ("CONSTANTARRAY", "INCOMPLETEARRAY", "DEPENDENTSIZEDARRAY"):
        known = {"INCOMPLETEARRAY": 0, "DEPENDENTSIZEDARRAY": -1}.get(kind.kind.name)
        sizes.append(int(kind.element_count) if known is None else known)
        kind = kind.element_type.get_canonical()
    if kind.kind.name == "POINTER" and not sizes:
        return (0, *dimensions(kind.get_pointee()))
    return tuple(sizes)


def element(kind: Type) -> Type:
    """The type inside an array or behind a pointer."""
    kind = plain(kind)
    while kind.kind.name in ("CONSTANTARRAY", "INCOMPLETEARRAY", "POINTER"):
        inner = kind.get_pointee() if kind.kind.name == "POINTER" else kind.element_type
        kind = inner.get_canonical()
    return kind


def bits(kind: Type) -> int:
    """Bits of a value as hardware packs it: every field with its own width, and nothing between them."""
    kind = plain(kind)
    if kind.kind.name == "CONSTANTARRAY":
        return int(kind.element_count) * bits(kind.element_type)
    number = re.fullmatch(r"(?:const )?ap_u?int<(\d+)>", kind.spelling)
    if number is not None:
        return int(number[1])
    if kind.kind.name == "RECORD":
        return sum(bits(member.type) for member in kind.get_fields())
    return 1 if kind.kind.name == "BOOL" else 8 * max(0, int(kind.get_size()))


def is_stream(kind: Type) -> bool:
    """Whether it is a stream, an array of streams, or a reference to either."""
    return re.match(r"(const )?hls::stream<", element(kind).spelling) is not None


def is_constant(kind: Type) -> bool:
    """Whether a parameter refers to a constant."""
    return bool(element(kind).is_const_qualified())


def is_value(kind: Type) -> bool:
    """Whether a parameter of this type is a copy: no reference, array or pointer."""
    return kind.get_canonical().kind.name not in (
        "LVALUEREFERENCE", "RVALUEREFERENCE", "POINTER", "CONSTANTARRAY", "INCOMPLETEARRAY",
    )  # fmt: skip
