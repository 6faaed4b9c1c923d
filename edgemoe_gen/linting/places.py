"""Pragmas in the tree: their places, values and variables, and conflicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from edgemoe_gen.kernels.directives import (
    ARRAY,
    DIRECTIVES,
    IN_BLOCK,
    IN_FUNCTION,
    IN_LOOP,
    OPERATIONS,
    PARAMETER,
    STATIC,
    STORAGE,
    STORAGE_LATENCY,
    STREAM,
    STRUCT,
)
from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding
from edgemoe_gen.linting.tree import LOOPS, Cursor, Node, dimensions, is_stream, key, plain
from edgemoe_gen.linting.unit import FUNCTIONS, Placed, Unit

_RULES_A_LOOP_OR_FUNCTION = ("PIPELINE", "UNROLL", "DATAFLOW", "INLINE", "LOOP_TRIPCOUNT", "LOOP_FLATTEN", "LATENCY",
                             "LOOP_MERGE", "EXPRESSION_BALANCE", "PROTOCOL", "OCCURRENCE", "PERFORMANCE")  # fmt: skip
_ONE_A_VARIABLE = ("STREAM", "BIND_STORAGE", "AGGREGATE", "DISAGGREGATE", "RESET", "STABLE")
_TOGETHER_WRONG = (("PIPELINE", "DATAFLOW"), ("PIPELINE", "UNROLL"), ("INLINE", "DATAFLOW"))


def check_pragmas(unit: Unit) -> Iterator[Finding]:
    """Findings of every rule about pragmas that needs the tree."""
    for placed in unit.placed:
        for fault in placed.pragma.faults:
            yield finding(fault.rule, placed.pragma.file, placed.pragma.line, fault.message)
        if placed.pragma.directive not in DIRECTIVES:
            continue
        yield from _place(placed)
        yield from _values(placed)
        yield from _variable(placed)
        yield from _binding(placed)
    yield from _conflicts(unit)


def _say(rule: str, placed: Placed, message: str) -> Finding:
    pragma = placed.pragma
    return finding(rule, pragma.file, pragma.line, f"{pragma.directive} {message}")


def _kind_of_block(block: Node | None) -> str:
    """What block a pragma stands directly in, or "" where it stands in none."""
    if block is None or block.kind != "COMPOUND_STMT" or block.parent is None:
        return ""
    if block.parent.kind in FUNCTIONS or block.parent.kind == "LAMBDA_EXPR":
        return IN_FUNCTION
    return IN_LOOP if block.parent.kind in LOOPS else IN_BLOCK


def _place(placed: Placed) -> Iterator[Finding]:
    where = _kind_of_block(placed.block)
    wanted = DIRECTIVES[placed.pragma.directive].places
    if not where:
        yield _say("pragma-place", placed, "stands outside of any block of a function")
    elif where not in wanted and IN_BLOCK not in wanted:
        yield _say("pragma-place", placed, f"must stand directly in the body of a {' or '.join(wanted)}")
    elif placed.pragma.directive in ("INTERFACE", "INLINE", "DATAFLOW") and where == IN_FUNCTION:
        assert placed.block is not None
        before = placed.block.statements[: placed.block.statements.index(placed.node)]
        if any(not _is_pragma(node) for node in before):
            yield _say("pragma-place", placed, "must stand at the top of the function, above all else")


def _is_pragma(statement: Node) -> bool:
    return any(
        node.kind == "ENUM_CONSTANT_DECL" and node.name.startswith("edgemoe_pragma_") for node in statement.walk()
    )


def _values(placed: Placed) -> Iterator[Finding]:
    least = DIRECTIVES[placed.pragma.directive].least
    for option, value in placed.numbers.items():
        if value is not None and value < least.get(option, 0):
            yield _say(
                "pragma-value", placed, f"gets {option} = {value}, but it must be at least {least.get(option, 0)}"
            )
    low, high = placed.number("min", 0), placed.number("max")
    if low is not None and high is not None and low > high:
        yield _say("pragma-value", placed, f"gets min = {low} above max = {high}")
    name = placed.pragma.directive
    if name == "DEPENDENCE" and "variable" not in placed.pragma.options and "class" not in placed.pragma.options:
        yield _say("pragma-required", placed, "lacks a variable or a class")
    carried = placed.pragma.value("dependent") == "true" and placed.pragma.value("type") == "inter"
    if name == "DEPENDENCE" and carried and "distance" not in placed.pragma.options:
        yield _say("pragma-required", placed, "lacks the distance of a true dependence between iterations")
    offset, master = placed.pragma.value("offset", "slave"), placed.pragma.value("mode") == "m_axi"
    if name == "INTERFACE" and master and offset not in ("slave", "direct", "off"):
        yield _say("pragma-value", placed, f"gets offset = {offset}, but takes slave, direct or off")


def _variable(placed: Placed) -> Iterator[Finding]:
    variable = placed.variable
    target = placed.targets.get("variable")
    if variable is None or target is None:
        return
    name = placed.pragma.subject
    subject = DIRECTIVES[placed.pragma.directive].subject
    kind = target.cursor.type
    if variable.kind.name == "PARM_DECL" and target.kind == "DECL_REF_EXPR":
        kind = variable.type
    if variable.kind.name not in ("VAR_DECL", "PARM_DECL") or not _is_local(placed, variable):
        yield _say("pragma-variable", placed, f"names '{name}', which is no variable of this function")
        return
    sizes = dimensions(kind)
    record = plain(kind).kind.name == "RECORD"
    fits = {
        STREAM: is_stream(kind), ARRAY: bool(sizes) and sizes[0] != 0,
        STRUCT: record and not is_stream(kind), PARAMETER: variable.kind.name == "PARM_DECL",
        STATIC: variable.storage_class.name == "STATIC",
    }  # fmt: skip
    if not any(fits.get(what, True) for what in subject):
        yield _say("pragma-variable", placed, f"names '{name}', which is no {' or '.join(subject)}")
        return
    if (
        variable.kind.name == "VAR_DECL"
        and placed.pragma.directive != "DEPENDENCE"
        and not _same_block(placed, variable)
    ):
        yield _say("pragma-place", placed, f"stands in another block than the declaration of '{name}'")
    if placed.pragma.directive in ("ARRAY_PARTITION", "ARRAY_RESHAPE"):
        yield from _dimension(placed, sizes)


def _is_local(placed: Placed, variable: Cursor) -> bool:
    above: Node | None = placed.node
    while above is not None and above.kind not in FUNCTIONS:
        above = above.parent
    if above is None:
        return False
    extent, place = above.cursor.extent, variable.location
    return (
        str(place.file) == str(extent.start.file) and extent.start.offset <= place.offset <= extent.end.offset
    )  # fmt: skip


def _same_block(placed: Placed, variable: Cursor) -> bool:
    wanted = key(variable)
    assert placed.block is not None
    for statement in placed.block.children:
        if statement.kind == "DECL_STMT" and any(key(child.cursor) == wanted for child in statement.children):
            return True
    return False


def _dimension(placed: Placed, sizes: tuple[int, ...]) -> Iterator[Finding]:
    name, dim, factor = placed.pragma.subject, placed.number("dim", 1), placed.number("factor", 0)
    cut = placed.pragma.value("type", "complete")
    if dim is None or factor is None:
        return
    if dim > len(sizes):
        yield _say("pragma-dimension", placed, f"gets dim = {dim}, but '{name}' has {len(sizes)}")
        return
    if cut == "complete":
        if factor:
            yield _say("pragma-dimension", placed, "of type complete takes no factor")
        return
    if not factor:
        yield _say("pragma-required", placed, f"of type {cut} lacks its factor")
        return
    for size in sizes if dim == 0 else sizes[dim - 1 : dim]:
        if size > 0 and size % factor:
            yield _say("pragma-dimension", placed, f"cuts {size} elements of '{name}' into {factor} unequal parts")


def _binding(placed: Placed) -> Iterator[Finding]:
    pragma = placed.pragma
    table = {"BIND_STORAGE": STORAGE, "BIND_OP": OPERATIONS}.get(pragma.directive)
    what = pragma.value("type" if pragma.directive == "BIND_STORAGE" else "op")
    if table is None or not what:
        return
    unit = pragma.value("impl")
    if what not in table:
        yield _say("pragma-binding", placed, f"knows no '{what}', but {', '.join(sorted(table))}")
    elif unit and unit not in table[what]:
        yield _say("pragma-binding", placed, f"has no {what} of '{unit}', but of {', '.join(sorted(table[what]))}")
    latency = placed.number("latency", -1)
    if pragma.directive == "BIND_STORAGE" and what != "fifo" and latency not in (None, -1, *STORAGE_LATENCY):
        yield _say("pragma-binding", placed, f"gets latency = {latency}, but memories take 1 to 3 cycles")


def _conflicts(unit: Unit) -> Iterator[Finding]:
    groups: dict[tuple[object, ...], list[Placed]] = defaultdict(list)
    for placed in unit.placed:
        for group in _groups(placed):
            groups[group].append(placed)
    for group, members in groups.items():
        names = {member.pragma.directive for member in members}
        for later in members[1:]:
            first = members[0]
            if len(names) == 1 or group[0] == "variable":
                text = f"stands against {first.pragma.directive} of line {first.pragma.line}"
                yield _say("pragma-conflict", later, text)
    for placed in unit.placed:
        if placed.block is None or placed.pragma.off:
            continue
        for one, other in _TOGETHER_WRONG:
            if placed.pragma.directive != one:
                continue
            against = [p for p in unit.pragmas_in(placed.block, other) if not p.pragma.off]
            if one == "PIPELINE" and other == "UNROLL":
                against = [p for p in against if "factor" not in p.pragma.options]
            for found in against:
                yield _say("pragma-conflict", placed, f"stands against {other} of line {found.pragma.line}")


def _groups(placed: Placed) -> Iterator[tuple[object, ...]]:
    """Under which heads only one pragma may stand."""
    pragma, variable = placed.pragma, placed.variable
    name = pragma.directive
    if name in _RULES_A_LOOP_OR_FUNCTION and placed.block is not None:
        extent = placed.block.cursor.extent
        yield "block", str(extent.start.file), extent.start.offset, name
    if name == "INTERFACE":
        mode = pragma.value("mode")
        yield "port", mode, pragma.subject
    if variable is None:
        return
    subject = key(variable), pragma.subject
    if name in _ONE_A_VARIABLE:
        yield "same", name, *subject
    if name in ("ARRAY_PARTITION", "ARRAY_RESHAPE"):
        yield "variable", "cut", *subject, placed.number("dim", 1)
    if name in ("AGGREGATE", "DISAGGREGATE"):
        yield "variable", "struct", *subject
    if name == "DEPENDENCE":
        extent = placed.block.cursor.extent if placed.block is not None else None
        yield (
            "same", name, *subject, extent.start.offset if extent is not None else 0,
            pragma.value("type"), pragma.value("direction"),
        )  # fmt: skip
