"""Parses a project's sources as Vitis HLS would see them, and finds the functions reachable from the top function.

In: source texts. Out: a `Unit` with the pragmas in their places, the reachable functions as trees, and their calls.
Nothing is read from this machine: the headers of Vitis HLS are stand-ins (see `headers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.kernels.pragmas import Pragma
from edgemoe_gen.linting.headers import HEADERS
from edgemoe_gen.linting.pragmas import MARK, rewrite
from edgemoe_gen.linting.tree import Cursor, Node, body, is_stream, key

ROOT, INCLUDE = "/edgemoe/", "/edgemoe/include/"
ARGUMENTS = ("-std=c++14", "-nostdinc", "-nostdinc++", f"-I{INCLUDE}", "-D__SYNTHESIS__", "-w", "-ferror-limit=0")
KEEP_GOING = 0x200  # CXTranslationUnit_KeepGoing: a missing header does not end the parse
FUNCTIONS = ("FUNCTION_DECL", "CXX_METHOD", "CONSTRUCTOR", "DESTRUCTOR", "CONVERSION_FUNCTION", "FUNCTION_TEMPLATE")
ERROR = 3


@dataclass(frozen=True)
class Problem:
    """An error of the parser."""

    file: str
    line: int
    message: str


@dataclass(frozen=True, eq=False)
class Placed:
    """A pragma in the tree: its statement, the values of its options, its variable and its function."""

    pragma: Pragma
    node: Node
    numbers: Mapping[str, int | None]  # None: depends on a template's parameter
    targets: Mapping[str, Node]

    @property
    def block(self) -> Node | None:
        """The statement or declaration that it stands directly in."""
        return self.node.parent

    @property
    def variable(self) -> Cursor | None:
        """Declaration of its variable, or of the struct's variable whose member it names."""
        target = self.targets.get("variable", self.targets.get("port"))
        while target is not None:
            core = target.core
            if core.kind == "DECL_REF_EXPR":
                return core.cursor.referenced
            target = core.children[0] if core.children else None
        return None

    def number(self, option: str, default: int | None = None) -> int | None:
        """An option's value, `default` where it is not there, None where it is not known."""
        return self.numbers.get(option, default)


@dataclass(frozen=True, eq=False)
class Function:
    """One function with a body; each instance of a template is a separate function."""

    name: str
    identity: str
    node: Node
    file: str

    @property
    def body(self) -> Node:
        """Its block."""
        block = body(self.node)
        assert block is not None
        return block

    @cached_property
    def parameters(self) -> list[Node]:
        """Its parameters."""
        return [child for child in self.node.children if child.kind == "PARM_DECL"]

    @cached_property
    def nodes(self) -> list[Node]:
        """All nodes of its body."""
        return list(self.body.walk())

    @cached_property
    def calls(self) -> list[Node]:
        """All calls in its body."""
        return [node for node in self.nodes if node.kind == "CALL_EXPR"]


@dataclass
class Unit:
    """Facts of a project's sources for lint."""

    texts: dict[str, str]
    pragmas: tuple[Pragma, ...]
    problems: list[Problem] = field(default_factory=list)
    headers: list[tuple[str, int, str]] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    declarations: list[Node] = field(default_factory=list)
    top: Function | None = None

    def callee(self, call: Node) -> Function | None:
        """The function of the sources that a call calls."""
        target = call.cursor.referenced
        return None if target is None else self.functions.get(target.get_usr())

    def callers(self, function: Function) -> Iterator[tuple[Function, Node]]:
        """All reachable calls of a function."""
        for caller in self.functions.values():
            for call in caller.calls:
                if self.callee(call) is function:
                    yield caller, call

    def pragmas_in(self, block: Node, directive: str) -> list[Placed]:
        """Pragmas of one kind directly in a block (the same block of the text, in any instance of a template)."""
        place = _place(block)
        return [
            placed
            for placed in self.placed
            if placed.pragma.directive == directive and placed.block is not None and _place(placed.block) == place
        ]

    def pragmas_of(self, cursor: Cursor, *directives: str) -> list[Placed]:
        """Pragmas that name a variable."""
        wanted = key(cursor)
        return [
            placed
            for placed in self.placed
            if placed.pragma.directive in directives and placed.variable is not None and key(placed.variable) == wanted
        ]

    @cached_property
    def streams(self) -> list[tuple[Function, Node]]:
        """Declarations of streams in reachable functions, each once."""
        found: dict[str, tuple[Function, Node]] = {}
        for function in self.functions.values():
            for node in function.nodes:
                if node.kind == "VAR_DECL" and is_stream(node.cursor.type):
                    found.setdefault(key(node.cursor), (function, node))
        return list(found.values())


def file_of(cursor: Cursor) -> str:
    """Path of a cursor's file inside the project, or "" for another file."""
    place = cursor.location.file
    name = "" if place is None else str(place.name)
    return name[len(ROOT) :] if name.startswith(ROOT) and not name.startswith(INCLUDE) else ""


def parse(sources: Mapping[str, str], top: str) -> Unit:
    """Parses the `.cpp` and `.h` files below src/.

    Raises:
        ConfigError: there is no such file that defines `top`.
    """
    from clang.cindex import Index

    texts: dict[str, str] = {}
    pragmas: list[Pragma] = []
    for name in sorted(sources):
        if name.startswith("src/") and name.endswith((".cpp", ".h")):
            made = rewrite(name, sources[name], len(pragmas))
            texts[name] = made.text
            pragmas += made.pragmas
    unit = Unit(texts, tuple(pragmas))
    files = [(ROOT + name, text) for name, text in texts.items()]
    files += [(INCLUDE + name, text) for name, text in HEADERS.items()]
    index = Index.create()
    for name in (name for name in texts if name.endswith(".cpp")):
        translation = index.parse(ROOT + name, args=list(ARGUMENTS), unsaved_files=files, options=KEEP_GOING)
        _read(unit, translation, top)
    if unit.top is None and not unit.problems:
        raise ConfigError(
            f"no source below src/ defines the top function '{top}'", "lint a folder that edgemoe-gen has rendered"
        )
    unit.placed.sort(key=lambda placed: (placed.pragma.file, placed.pragma.start))
    return unit


def _read(unit: Unit, translation: Any, top: str) -> None:
    for diagnostic in translation.diagnostics:
        if diagnostic.severity >= ERROR:
            place = diagnostic.location
            file = "" if place.file is None else str(place.file.name).removeprefix(ROOT)
            unit.problems.append(Problem(file, int(place.line), str(diagnostic.spelling)))
    for text_file, text in unit.texts.items():
        for found in re.finditer(r"^[ \t]*#[ \t]*include[ \t]*<([^>]*)>", text, re.MULTILINE):
            unit.headers.append((text_file, text.count("\n", 0, found.start()) + 1, found[1]))
    seen = {key(node.cursor) for node in unit.declarations}
    for child in translation.cursor.get_children():
        if file_of(child):
            node = Node(child, None)
            if key(child) + str(child.extent.end.offset) not in seen:
                unit.declarations.append(node)
    seen_pragmas = {(placed.pragma.file, placed.pragma.start) for placed in unit.placed}
    for declaration in unit.declarations:
        for node in declaration.walk():
            if node.kind == "ENUM_DECL":
                placed = _placed(unit, node)
                if placed is not None and (place := (placed.pragma.file, placed.pragma.start)) not in seen_pragmas:
                    seen_pragmas.add(place)
                    unit.placed.append(placed)
            if node.kind in FUNCTIONS and node.name == top and body(node) is not None:
                unit.top = _function(node)
    if unit.top is not None:
        _reach(unit, unit.top)


def _function(node: Node) -> Function:
    return Function(node.name, str(node.cursor.get_usr()), node, file_of(node.cursor))


def _reach(unit: Unit, top: Function) -> None:
    waiting = [top]
    while waiting:
        function = waiting.pop()
        if function.identity in unit.functions:
            continue
        unit.functions[function.identity] = function
        for call in function.calls:
            target = call.cursor.referenced
            definition = None if target is None else target.get_definition()
            if definition is None or definition.kind.name not in FUNCTIONS or not file_of(definition):
                continue
            if definition.get_usr() in unit.functions:
                continue
            node = Node(definition, None)
            if body(node) is not None:
                waiting.append(_function(node))


def _placed(unit: Unit, enumeration: Node) -> Placed | None:
    constants = [child for child in enumeration.children if child.kind == "ENUM_CONSTANT_DECL"]
    if not constants or not constants[0].name.startswith(MARK):
        return None
    mark = constants[0].name
    pragma = unit.pragmas[int(mark.removeprefix(MARK))]
    numbers: dict[str, int | None] = {}
    targets: dict[str, Node] = {}
    for constant in constants[1:]:
        option = constant.name.removeprefix(f"{mark}_")
        size = next((node for node in constant.walk() if node.kind == "CXX_UNARY_EXPR"), None)
        if size is not None and option in ("variable", "port", "instances"):
            targets[option] = _operand(size)
        else:
            # Inside a template nothing is computed: only what is written as a number is known.
            written = pragma.options[option]
            literal = int(written) if written.isdecimal() else None
            numbers[option] = literal if _is_template(enumeration) else int(constant.cursor.enum_value)
    statement = enumeration
    if statement.parent is not None and statement.parent.kind == "DECL_STMT":
        statement = statement.parent
    return Placed(pragma, statement, numbers, targets)


def _operand(size: Node) -> Node:
    operand = size.children[0].core if size.children else size
    return operand.children[0].core if operand.kind == "UNARY_OPERATOR" and operand.children else operand


def _is_template(node: Node) -> bool:
    above = node.parent
    while above is not None and above.kind not in ("FUNCTION_TEMPLATE", "CLASS_TEMPLATE"):
        above = above.parent
    return above is not None


def _place(node: Node) -> tuple[str, int, int]:
    extent = node.cursor.extent
    return str(extent.start.file), int(extent.start.offset), int(extent.end.offset)
