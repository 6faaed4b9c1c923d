"""The parameters that a function reads and writes, through all functions that it calls.

For arrays and pointers an access is of the whole; for arrays of streams it is of one element where the index is a
constant, and of every element otherwise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgemoe_gen.linting.headers import STREAM_READS, STREAM_WRITES
from edgemoe_gen.linting.tree import Cursor, Node, is_constant, is_stream, is_value, key
from edgemoe_gen.linting.unit import ROOT, Function, Unit

Extent = Any

READ, WRITE = "read", "write"
_ASSIGNMENTS = ("COMPOUND_ASSIGNMENT_OPERATOR",)
EVERY = None  # index of an access that is not of one element
_OPERATORS: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass(frozen=True)
class Place:
    """The place of an expression: a variable, or one element of it."""

    variable: Cursor
    member: str
    index: int | None

    @property
    def name(self) -> str:
        """Its name as in C++."""
        index = "" if self.index is None else f"[{self.index}]"
        return f"{self.variable.spelling}{self.member}{index}"


def constant(unit: Unit, node: Node) -> int | None:
    """Value of an integer expression of literals and constants, or None."""
    node = node.core
    if node.kind == "INTEGER_LITERAL":
        try:
            return int(_text(unit, node).replace("'", "").rstrip("uUlL"), 0)
        except ValueError:
            return None
    if node.kind == "DECL_REF_EXPR":
        target = node.cursor.referenced
        if target is None or target.kind.name == "ENUM_CONSTANT_DECL":
            return None if target is None else int(target.enum_value)
        if target.kind.name == "VAR_DECL" and target.type.is_const_qualified():
            children = [child for child in Node(target, None).children if child.kind != "TYPE_REF"]
            return constant(unit, children[-1]) if children else None
        return None
    values = [constant(unit, child) for child in node.children]
    if node.kind == "UNARY_OPERATOR" and values[0] is not None and _text(unit, node).startswith("-"):
        return -values[0]
    if node.kind == "BINARY_OPERATOR":
        left, right = values
        apply = _OPERATORS.get(_operator(unit, node))
        return apply(left, right) if apply is not None and left is not None and right is not None else None
    if node.kind in ("CXX_STATIC_CAST_EXPR", "CXX_FUNCTIONAL_CAST_EXPR", "CSTYLE_CAST_EXPR") and values:
        return values[-1]
    return None


def is_static(unit: Unit, node: Node) -> bool:
    """Whether the tool knows an expression's value: it is made of literals, constants and template arguments."""
    core = node.core
    if core.kind == "DECL_REF_EXPR" and core.cursor.referenced is not None:
        target = core.cursor.referenced
        if target.kind.name in ("ENUM_CONSTANT_DECL", "TEMPLATE_NON_TYPE_PARAMETER"):
            return True
        if target.kind.name != "VAR_DECL" or not target.type.is_const_qualified():
            return False
        children = [child for child in Node(target, None).children if child.kind != "TYPE_REF"]
        return bool(children) and is_static(unit, children[-1])
    if core.kind in ("CALL_EXPR", "MEMBER_REF_EXPR", "ARRAY_SUBSCRIPT_EXPR"):
        return False
    return all(is_static(unit, child) for child in core.children)


def _source(unit: Unit, extent: Extent) -> str:
    """Text of the file that an extent is of."""
    return unit.texts.get(str(extent.start.file).removeprefix(ROOT), "")


def _text(unit: Unit, node: Node) -> str:
    extent = node.cursor.extent
    return _source(unit, extent)[extent.start.offset : extent.end.offset]


def place(unit: Unit, node: Node) -> Place | None:
    """The place of an argument, or None for a value."""
    index: int | None = None
    member = ""
    node = node.core
    while True:
        if node.kind == "DECL_REF_EXPR":
            target = node.cursor.referenced
            return None if target is None else Place(target, member, index)
        if node.kind == "ARRAY_SUBSCRIPT_EXPR":
            index = constant(unit, node.children[1])
        elif node.kind == "MEMBER_REF_EXPR" and node.children:
            member = f".{node.name}{member}"
        elif not (node.kind == "UNARY_OPERATOR" and node.children):
            return None
        node = node.children[0].core


class Accesses:
    """Accesses of parameters, each function's once."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._known: dict[tuple[str, int], frozenset[tuple[int | None, str]]] = {}

    def of(self, function: Function, position: int) -> frozenset[tuple[int | None, str]]:
        """Index and kind (`READ` or `WRITE`) of every access to a parameter."""
        asked = function.identity, position
        if asked not in self._known:
            self._known[asked] = frozenset()  # of a recursion, which is a finding of its own
            self._known[asked] = frozenset(self._collect(function, function.parameters[position].cursor))
        return self._known[asked]

    def argument(self, call: Node, position: int, node: Node) -> set[tuple[int | None, str]]:
        """Accesses of a call to the place of an argument."""
        target = call.cursor.referenced
        kinds = [] if target is None else list(target.type.argument_types())
        kind = kinds[position] if position < len(kinds) else node.cursor.type
        if is_value(kind) and not is_stream(kind):
            return {(EVERY, READ)}
        callee = self._unit.callee(call)
        if callee is not None and position < len(callee.parameters):
            return set(self.of(callee, position))
        return {(EVERY, READ)} if is_constant(kind) else {(EVERY, READ), (EVERY, WRITE)}

    def _collect(self, function: Function, parameter: Cursor) -> set[tuple[int | None, str]]:
        wanted = key(parameter)
        found: set[tuple[int | None, str]] = set()
        for node in function.nodes:
            target = node.cursor.referenced if node.kind == "DECL_REF_EXPR" else None
            if target is not None and key(target) == wanted:
                found |= self._use(node)
        return found

    def _use(self, node: Node) -> set[tuple[int | None, str]]:
        """Accesses by one mention of a variable: climbs to what is done with it."""
        index: int | None = EVERY
        node = node.outer
        while node.parent is not None:
            above = node.parent
            if above.kind == "ENUM_CONSTANT_DECL" or above.kind == "CXX_UNARY_EXPR":
                return set()
            if above.kind == "ARRAY_SUBSCRIPT_EXPR" and above.children[0] is node:
                if is_stream(above.cursor.type):
                    index = constant(self._unit, above.children[1])
            elif above.kind == "MEMBER_REF_EXPR" and above.parent is not None and above.parent.kind == "CALL_EXPR":
                return self._method(above, index)
            elif above.kind == "CALL_EXPR":
                return self._call(above, node, index)
            elif above.kind not in ("MEMBER_REF_EXPR",) and not (
                above.kind == "UNARY_OPERATOR" and _text(self._unit, above).startswith("*")
            ):
                return self._value(above, node, index)
            node = above.outer
        return {(index, READ)}

    def _method(self, member: Node, index: int | None) -> set[tuple[int | None, str]]:
        name = member.name
        if member.children and is_stream(member.children[0].cursor.type):
            kinds = {READ} if name in STREAM_READS else {WRITE} if name in STREAM_WRITES else {READ, WRITE}
            return {(index, kind) for kind in kinds}
        target = member.cursor.referenced
        if target is not None and target.is_const_method():
            return {(index, READ)}
        return {(index, READ), (index, WRITE)}

    def _call(self, call: Node, node: Node, index: int | None) -> set[tuple[int | None, str]]:
        arguments = [child.get_usr() or key(child) for child in call.cursor.get_arguments()]
        name = call.name
        if name == "operator[]" and call.children and call.children[0] is node:
            return self._use_of_call(call, index)
        if name.startswith("operator") and call.children and call.children[0] is node:
            if name == "operator=":
                return {(index, WRITE)}
            if name.endswith("=") and name not in ("operator==", "operator!=", "operator<=", "operator>="):
                return {(index, READ), (index, WRITE)}
            return {(index, READ)}
        operands = call.children[len(call.children) - len(arguments) :]
        if node in operands:
            found = self.argument(call, operands.index(node), node)
            return {(index if index is not None else inner, kind) for inner, kind in found}
        return {(index, READ)}

    def _use_of_call(self, call: Node, index: int | None) -> set[tuple[int | None, str]]:
        return {(index, kind) for _, kind in self._use(call)}

    def _value(self, above: Node, node: Node, index: int | None) -> set[tuple[int | None, str]]:
        first = bool(above.children) and above.children[0] is node
        text = _text(self._unit, above)
        if above.kind in _ASSIGNMENTS and first:
            return {(index, READ), (index, WRITE)}
        if above.kind == "BINARY_OPERATOR" and first and _operator(self._unit, above) == "=":
            return {(index, WRITE)}
        if above.kind == "UNARY_OPERATOR" and (text.startswith(("++", "--", "&")) or text.endswith(("++", "--"))):
            return {(index, READ), (index, WRITE)}
        return {(index, READ)}


def _operator(unit: Unit, node: Node) -> str:
    """Sign of a binary operator: what stands between its operands."""
    left, right = node.children[0].cursor.extent, node.children[1].cursor.extent
    return _source(unit, left)[left.end.offset : right.start.offset].strip(" \t\n()")
