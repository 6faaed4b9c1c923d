"""Banks of memories: inside an unrolled loop each access says its bank by a constant.

An array that is cut completely in one dimension has a bank for each index. If the tool can't compute a bank index, each
access goes to every bank. Then copies of a loop's body compete for the ports of all banks, unless the tool can prove
that they exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding
from edgemoe_gen.linting.tree import LOOPS, Cursor, Node, body, dimensions, key
from edgemoe_gen.linting.unit import Function, Unit

UNKNOWN = -1  # among what an index depends on: a variable; numbers from 0 are positions of parameters


@dataclass(frozen=True)
class Access:
    """An access to a bank: its place, its array, and the variables on which its index depends."""

    line: int
    array: str
    depends: frozenset[int]


def check_banks(unit: Unit) -> Iterator[Finding]:
    """Findings of the rule `constant-bank`."""
    banks = _Banks(unit)
    for function in unit.functions.values():
        for access in banks.within_unrolled(function):
            yield finding(
                "constant-bank", function.file, access.line,
                f"an unrolled loop of {function.name} accesses '{access.array}' by a bank that is no constant",
            )  # fmt: skip


class _Banks:
    """Accesses to banks by function, through all functions that it calls."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._cut = _cut_arrays(unit)
        self._found: dict[str, tuple[tuple[Access, ...], tuple[Access, ...]]] = {}

    def within_unrolled(self, function: Function) -> tuple[Access, ...]:
        """Those by an index that is no constant, inside an unrolled loop of the function."""
        return self._of(function)[0]

    def _of(self, function: Function) -> tuple[tuple[Access, ...], tuple[Access, ...]]:
        """Accesses inside unrolled loops, and all others; those by a constant are left out."""
        if function.identity not in self._found:
            self._found[function.identity] = (), ()  # of a recursion, which is a finding of its own
            inside: dict[Access, None] = {}
            outside: dict[Access, None] = {}
            for node, access in self._accesses(function):
                if access.depends:
                    (inside if _unrolled_around(self._unit, node) else outside)[access] = None
            self._found[function.identity] = tuple(inside), tuple(outside)
        return self._found[function.identity]

    def _accesses(self, function: Function) -> Iterator[tuple[Node, Access]]:
        positions = {key(parameter.cursor): place for place, parameter in enumerate(function.parameters)}
        for node in function.nodes:
            target = node.cursor.referenced if node.kind == "DECL_REF_EXPR" else None
            if target is not None and key(target) in self._cut:
                for index in _indices(node, self._cut[key(target)]):
                    yield node, Access(node.line, node.name, self._depends(index, positions))
        for call in function.calls:
            callee = self._unit.callee(call)
            if callee is None:
                continue
            arguments = _arguments(call)
            for access in self._of(callee)[1]:
                depends = {place for place in access.depends if place == UNKNOWN}
                for place in access.depends - {UNKNOWN}:
                    depends |= self._depends(arguments[place], positions) if place < len(arguments) else {UNKNOWN}
                yield call, Access(call.line, _given(callee, arguments, access.array), frozenset(depends))

    def _depends(self, index: Node, positions: dict[str, int]) -> frozenset[int]:
        """What an index depends on that is neither a constant nor the counter of an unrolled loop around it."""
        found: set[int] = set()
        for node in index.walk():
            target = node.cursor.referenced if node.kind == "DECL_REF_EXPR" else None
            if target is None or target.kind.name not in ("VAR_DECL", "PARM_DECL"):
                continue
            if key(target) in positions:
                found.add(positions[key(target)])
            elif target.kind.name == "VAR_DECL" and target.type.is_const_qualified():
                declaration = Node(target, None)
                for child in declaration.children:
                    found |= self._depends(_at(child, index), positions)
            elif not _counts_unrolled(self._unit, index, target):
                found.add(UNKNOWN)
        return frozenset(found)


def _at(node: Node, place: Node) -> Node:
    """An expression of a declaration as if it stood at another place: with the loops around that."""
    node.parent = place
    return node


def _cut_arrays(unit: Unit) -> dict[str, frozenset[int]]:
    """Dimensions, from 1, that are cut completely, of arrays that are memories: of which another one is not."""
    cut: dict[str, frozenset[int]] = {}
    for placed in unit.placed:
        pragma, dim, variable = placed.pragma, placed.number("dim", 1), placed.variable
        complete = pragma.directive == "ARRAY_PARTITION" and pragma.value("type", "complete") == "complete"
        target = placed.targets.get("variable")
        whole = target is not None and target.core.kind == "DECL_REF_EXPR"
        if complete and whole and variable is not None and dim and dim <= len(dimensions(variable.type)):
            cut[key(variable)] = cut.get(key(variable), frozenset()) | {dim}
    given = {(_whole(argument), key(parameter.cursor)) for parameter, argument in _bindings(unit)}
    moved = True
    while moved:
        moved = False
        for argument, parameter in given:
            both = cut.get(argument, frozenset()) | cut.get(parameter, frozenset())
            if both != cut.get(parameter, frozenset()):
                cut[parameter] = both
                moved = True
    return {
        key(node.cursor): cut[key(node.cursor)]
        for function in unit.functions.values()
        for node in (*function.parameters, *(node for node in function.nodes if node.kind == "VAR_DECL"))
        if key(node.cursor) in cut and len(dimensions(node.cursor.type)) > len(cut[key(node.cursor)])
    }


def _bindings(unit: Unit) -> Iterator[tuple[Node, Node]]:
    """Every parameter of a function with every argument that it is called with."""
    for function in unit.functions.values():
        for call in function.calls:
            callee = unit.callee(call)
            if callee is not None:
                yield from zip(callee.parameters, _arguments(call), strict=False)


def _whole(argument: Node) -> str:
    """Key of the variable that an argument is, or ""."""
    core = argument.core
    target = core.cursor.referenced if core.kind == "DECL_REF_EXPR" else None
    return "" if target is None else key(target)


def _arguments(call: Node) -> list[Node]:
    count = len(list(call.cursor.get_arguments()))
    return call.children[len(call.children) - count :] if count else []


def _given(callee: Function, arguments: list[Node], array: str) -> str:
    """Name of the array that a caller gives for a parameter."""
    for parameter, argument in zip(callee.parameters, arguments, strict=False):
        if parameter.name == array:
            return argument.core.name
    return array


def _indices(node: Node, cuts: frozenset[int]) -> Iterator[Node]:
    """The indices of a mention of an array in the dimensions that are cut."""
    node, dim = node.outer, 1
    while node.parent is not None and node.parent.kind == "ARRAY_SUBSCRIPT_EXPR" and node.parent.children[0] is node:
        if dim in cuts:
            yield node.parent.children[1]
        node, dim = node.parent.outer, dim + 1


def _unrolled(unit: Unit, loop: Node) -> bool:
    block = body(loop)
    return block is not None and bool(unit.pragmas_in(block, "UNROLL"))


def _around(node: Node) -> Iterator[Node]:
    """The loops around a node, from the inside."""
    above = node.parent
    while above is not None:
        if above.kind in LOOPS:
            yield above
        above = above.parent


def _unrolled_around(unit: Unit, node: Node) -> bool:
    return any(_unrolled(unit, loop) for loop in _around(node))


def _counts_unrolled(unit: Unit, place: Node, variable: Cursor) -> bool:
    """Whether a variable is the counter of a loop around a place that is unrolled completely."""
    for loop in _around(place):
        counters = [child for part in loop.children if part.kind == "DECL_STMT" for child in part.children]
        if any(key(counter.cursor) == key(variable) for counter in counters):
            block = body(loop)
            pragmas = unit.pragmas_in(block, "UNROLL") if block is not None else []
            return any("factor" not in placed.pragma.options for placed in pragmas)
    return False
