"""Forbidden constructs in functions that become hardware: memory, recursion, run-time types, endless loops."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgemoe_gen.codegen.synthesis import COMPLETE_THRESHOLD
from edgemoe_gen.linting.access import constant, is_static, place
from edgemoe_gen.linting.headers import HEADERS
from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding
from edgemoe_gen.linting.tree import LOOPS, Cursor, Node, body, dimensions, element, is_stream, is_value, key
from edgemoe_gen.linting.unit import Function, Placed, Unit, file_of

_ALLOCATORS = frozenset({"malloc", "calloc", "realloc", "free", "alloca", "aligned_alloc"})
_CONTAINERS = r"'(vector|map|set|string|list|deque|queue|stack|unordered_\w+|unique_ptr|shared_ptr|function)'"
_BY_KIND = {
    "CXX_NEW_EXPR": ("dynamic-memory", "'new' allocates memory"),
    "CXX_DELETE_EXPR": ("dynamic-memory", "'delete' frees memory"),
    "CXX_THROW_EXPR": ("exception", "'throw' raises an exception"),
    "CXX_TRY_STMT": ("exception", "'try' waits for an exception"),
    "CXX_DYNAMIC_CAST_EXPR": ("run-time-type", "dynamic_cast asks for a type at run time"),
    "CXX_TYPEID_EXPR": ("run-time-type", "typeid asks for a type at run time"),
    "CXX_REINTERPRET_CAST_EXPR": ("pointer-cast", "reinterpret_cast reads memory as another type"),
    "GOTO_STMT": ("goto", "'goto' leaves the structure of loops"),
    "INDIRECT_GOTO_STMT": ("goto", "'goto' leaves the structure of loops"),
}


def check_language(unit: Unit) -> Iterator[Finding]:
    """Findings of every rule about the language, in reachable functions."""
    for function in unit.functions.values():
        yield from _statements(unit, function)
        yield from _loops(unit, function)
    yield from _recursion(unit)
    yield from _virtual(unit)
    yield from _statics(unit)
    yield from _parameters(unit)
    yield from _shared(unit)


def check_problems(unit: Unit) -> Iterator[Finding]:
    """Errors of the parser, under the rule that they break."""
    for file, line, name in unit.headers:
        if name not in HEADERS and not _is_inactive(unit, file, line):
            yield finding("known-header", file, line, f"<{name}> has no hardware behind it")
    places = {(placed.file, placed.line): placed for placed in unit.pragmas}
    for problem in unit.problems:
        if "file not found" in problem.message:
            continue
        pragma = places.get((problem.file, problem.line))
        message = problem.message
        unknown = re.search(r"undeclared identifier '(\w+)'|no member named '(\w+)' in namespace 'std'|"
                            r"no (?:type|template) named '(\w+)'", message)  # fmt: skip
        name = "" if unknown is None else next(group for group in unknown.groups() if group)
        if pragma is not None:
            subject = name and name in pragma.subject
            rule = "pragma-variable" if subject else "pragma-value" if "constant" in message or name else "pragma-place"
            yield finding(rule, problem.file, problem.line, f"{pragma.directive}: {message}")
        elif name in _ALLOCATORS or (name and re.search(_CONTAINERS, f"'{name}'")):
            yield finding("dynamic-memory", problem.file, problem.line, f"'{name}' works on memory from a heap")
        elif name:
            text = f"'{name}' is neither defined in the sources nor a type of Vitis HLS"
            yield finding("known-name", problem.file, problem.line, text)
        else:
            yield finding("compiles", problem.file, problem.line, message)


def _is_inactive(unit: Unit, file: str, line: int) -> bool:
    """Whether an #include stands in a part that the preprocessor skips, where no missing header is reported."""
    missing = {(problem.file, problem.line) for problem in unit.problems if "file not found" in problem.message}
    return (file, line) not in missing


def _statements(unit: Unit, function: Function) -> Iterator[Finding]:
    for node in function.nodes:
        if node.kind in _BY_KIND:
            rule, message = _BY_KIND[node.kind]
            yield finding(rule, function.file, node.line, f"{message}, in {function.name}")
        elif node.kind == "CSTYLE_CAST_EXPR" and _casts_pointers(node):
            yield finding("pointer-cast", function.file, node.line, f"a cast of pointers, in {function.name}")
        elif node.kind in ("VAR_DECL", "FIELD_DECL") and _is_function_pointer(node):
            yield finding("function-pointer", function.file, node.line, f"'{node.name}' points to a function")
        elif node.kind == "CALL_EXPR":
            yield from _call(unit, function, node)
    for parameter in function.parameters:
        if _is_function_pointer(parameter):
            yield finding("function-pointer", function.file, parameter.line, f"'{parameter.name}' points to a function")


def _call(unit: Unit, function: Function, call: Node) -> Iterator[Finding]:
    target = call.cursor.referenced
    if target is None or not target.kind.name.startswith(("FUNCTION", "CXX_METHOD", "CON", "DES")):
        return
    name = str(target.spelling)
    if name in _ALLOCATORS:
        yield finding("dynamic-memory", function.file, call.line, f"'{name}' works on memory from a heap")
        return
    written = file_of(target) and not target.is_default_method() and not name.startswith("__builtin_")
    if written and unit.callee(call) is None and not _is_implicit(target):
        yield finding("function-body", function.file, call.line, f"'{name}' has no body in the sources")


def _is_implicit(target: Cursor) -> bool:
    """Whether the compiler makes a member function itself: it stands where its class stands."""
    return bool(target.location.offset == target.semantic_parent.location.offset)


def _casts_pointers(node: Node) -> bool:
    inside = node.children[-1].core.cursor.type.get_canonical() if node.children else None
    outside = node.cursor.type.get_canonical()
    return inside is not None and outside.kind.name == "POINTER" and inside.kind.name in ("POINTER", "CONSTANTARRAY")


def _is_function_pointer(node: Node) -> bool:
    inside = node.cursor.type.get_canonical()
    while inside.kind.name in ("POINTER", "LVALUEREFERENCE", "CONSTANTARRAY"):
        inside = inside.element_type.get_canonical() if inside.kind.name == "CONSTANTARRAY" else inside.get_pointee()
    return inside.kind.name in ("FUNCTIONPROTO", "FUNCTIONNOPROTO", "MEMBERPOINTER")


def _loops(unit: Unit, function: Function) -> Iterator[Finding]:
    for node in function.nodes:
        if node.kind not in LOOPS or node.kind == "CXX_FOR_RANGE_STMT":
            continue
        condition = _condition(unit, node)
        if condition is None or _is_true(unit, condition):
            yield finding("endless-loop", function.file, node.line, f"nothing ends this loop of {function.name}")
            continue
        inside = body(node)
        counted = bool(inside) and any(
            unit.pragmas_in(block, "LOOP_TRIPCOUNT") for block in ([inside] if inside is not None else [])
        )
        if not counted and not (node.kind == "FOR_STMT" and _is_bounded(unit, condition)):
            message = f"this loop of {function.name} has a variable bound and no LOOP_TRIPCOUNT"
            yield finding("loop-bound", function.file, node.line, message)


def _condition(unit: Unit, loop: Node) -> Node | None:
    if loop.kind == "WHILE_STMT":
        return loop.children[0]
    if loop.kind == "DO_STMT":
        return loop.children[-1]
    text = unit.texts[file_of(loop.cursor)]
    place_ = text.index("(", loop.cursor.extent.start.offset)
    depth, stops = 0, []
    for offset in range(place_, len(text)):
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if text[offset] == ";" and depth == 1:
            stops.append(offset)
        if depth == 0:
            break
    if len(stops) < 2:
        return None
    return next((c for c in loop.children if stops[0] < c.cursor.extent.start.offset < stops[1]), None)


def _is_true(unit: Unit, condition: Node) -> bool:
    core = condition.core
    if core.kind == "CXX_BOOL_LITERAL_EXPR":
        extent = core.cursor.extent
        return unit.texts[file_of(core.cursor)][extent.start.offset : extent.end.offset] == "true"
    value = constant(unit, core)
    return value is not None and value != 0


def _is_bounded(unit: Unit, condition: Node) -> bool:
    """Whether the counter is compared with what the tool knows."""
    core = condition.core
    if core.kind == "BINARY_OPERATOR" and len(core.children) == 2:
        return is_static(unit, core.children[1]) or is_static(unit, core.children[0])
    return False


def _recursion(unit: Unit) -> Iterator[Finding]:
    graph = {
        name: {callee.identity for callee in map(unit.callee, function.calls) if callee is not None}
        for name, function in unit.functions.items()
    }
    for name, function in unit.functions.items():
        seen: set[str] = set()
        waiting = list(graph[name])
        while waiting:
            other = waiting.pop()
            if other not in seen:
                seen.add(other)
                waiting += graph[other]
        if name in seen:
            through = sorted({unit.functions[o].name for o in graph[name] if o in seen and o != name})
            way = f" by way of {', '.join(through)}" if through and name not in graph[name] else ""
            yield finding("recursion", function.file, function.node.line, f"{function.name} calls itself{way}")


def _virtual(unit: Unit) -> Iterator[Finding]:
    for declaration in unit.declarations:
        for node in declaration.walk():
            if node.kind in ("CXX_METHOD", "DESTRUCTOR") and node.cursor.is_virtual_method():
                yield finding("virtual-function", file_of(node.cursor), node.line, f"'{node.name}' is virtual")


def _statics(unit: Unit) -> Iterator[Finding]:
    for function in unit.functions.values():
        statics = [n for n in function.nodes if n.kind == "VAR_DECL" and n.cursor.storage_class.name == "STATIC"]
        kept = [node for node in statics if not element(node.cursor.type).is_const_qualified()]
        if kept and _instances(unit, function, frozenset()) > 1:
            for node in kept:
                message = f"'{node.name}' is static, but {function.name} is called from more than one place"
                yield finding("static-local", function.file, node.line, message)


def _instances(unit: Unit, function: Function, above: frozenset[str]) -> int:
    """From how many places, counted along all ways from the top, a function is called."""
    if function is unit.top:
        return 1
    if function.identity in above:
        return 0
    inside = above | {function.identity}
    return sum(_instances(unit, caller, inside) for caller, _ in unit.callers(function))


def _parameters(unit: Unit) -> Iterator[Finding]:
    top = unit.top
    assert top is not None
    ports = {key(parameter.cursor) for parameter in top.parameters}
    for function in unit.functions.values():
        inlined = any(not placed.pragma.off for placed in unit.pragmas_in(function.body, "INLINE"))
        for position, parameter in enumerate(function.parameters):
            kind = parameter.cursor.type
            if is_stream(kind) and is_value(kind):
                message = f"{function.name} takes the stream '{parameter.name}' by value"
                yield finding("stream-reference", function.file, parameter.line, message)
            # A function that dissolves in its callers has no interface.
            if function is top or inlined or 0 not in dimensions(kind)[:1]:
                continue
            if not _is_port(unit, function, position, ports, frozenset()):
                message = f"{function.name} takes the array '{parameter.name}' without its size"
                yield finding("array-size", function.file, parameter.line, message)


def _is_port(unit: Unit, function: Function, position: int, ports: set[str], above: frozenset[str]) -> bool:
    """Whether all that a parameter stands for are ports of the top function."""
    if function.identity in above:
        return True
    for caller, call in unit.callers(function):
        arguments = list(call.children[len(call.children) - len(list(call.cursor.get_arguments())) :])
        found = place(unit, arguments[position]) if position < len(arguments) else None
        if found is None:
            return False
        if key(found.variable) in ports:
            continue
        own = [key(parameter.cursor) for parameter in caller.parameters]
        if key(found.variable) not in own:
            return False
        if not _is_port(unit, caller, own.index(key(found.variable)), ports, above | {function.identity}):
            return False
    return True


def _shared(unit: Unit) -> Iterator[Finding]:
    for placed in unit.placed:
        target = placed.targets.get("instances")
        limit = placed.number("limit")
        if placed.pragma.directive != "ALLOCATION" or target is None or limit is None:
            continue
        function = unit.functions.get(target.core.cursor.referenced.get_usr())
        calls = [] if function is None else list(unit.callers(function))
        if function is None or len(calls) <= limit:
            continue
        for position, parameter in enumerate(function.parameters):
            if not dimensions(parameter.cursor.type) or is_stream(parameter.cursor.type):
                continue
            layouts: dict[tuple[object, ...], str] = {}
            for _, call in calls:
                found = place(unit, list(call.children[-len(function.parameters) :])[position])
                if found is not None:
                    layouts.setdefault(_layout(unit, found.variable, found.member), found.name)
            if len(layouts) > 1:
                message = f"the one instance of {function.name} gets arrays of unlike layout as '{parameter.name}': "
                yield finding(
                    "shared-arrays", placed.pragma.file, placed.pragma.line, message + ", ".join(layouts.values())
                )


def _layout(unit: Unit, variable: Cursor, member: str) -> tuple[object, ...]:
    """What decides the ports of an array: its inner dimensions, and how it is cut, packed and timed."""
    kind = variable.type
    sizes = () if member else dimensions(kind)
    pragmas = [] if member else unit.pragmas_of(
        variable, "ARRAY_PARTITION", "ARRAY_RESHAPE", "AGGREGATE", "BIND_STORAGE"
    )  # fmt: skip
    cut = sorted(_ports(placed) for placed in pragmas)
    return (bool(sizes) and sizes[0] >= COMPLETE_THRESHOLD, sizes[1:], tuple(cut))


def _ports(placed: Placed) -> tuple[str, ...]:
    pragma = placed.pragma
    if pragma.directive == "BIND_STORAGE":
        return pragma.directive, pragma.value("type"), str(placed.number("latency", -1))
    dim = str(placed.number("dim", 1))
    return pragma.directive, pragma.value("type", "complete"), dim, str(placed.number("factor", 0))
