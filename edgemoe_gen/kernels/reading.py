"""Reads a kernel's source. An unknown form is an error, with file and line.

A loop has a label or is unrolled, a pipelined loop states its interval, and a pragma stands where it applies to
something. So no user of a `Source` takes a part of a kernel for the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from edgemoe_gen.kernels.directives import DIRECTIVES, IN_BLOCK, IN_FUNCTION, IN_LOOP
from edgemoe_gen.kernels.pragmas import Pragma, read_pragmas
from edgemoe_gen.kernels.source import Body, Function, Loop, Source
from edgemoe_gen.kernels.text import KernelError, Text

_LOOP = re.compile(r"\b(for|while|do)\b")
_LABEL = re.compile(r"^[ \t]*([A-Za-z_]\w*):[ \t]*\n\s*\Z", re.MULTILINE)
_NAME = re.compile(r"(operator\s*[^\s\w(]+|[A-Za-z_~]\w*)\s*\Z")
_ACCESS = re.compile(r"\s*(?:(?:public|private|protected)\s*:\s*)*")
_SCOPE = re.compile(r"\b(namespace|struct|class|union|extern)\b")
_NO_NAMES = ("for", "if", "while", "switch", "catch", "return", "sizeof", "alignas", "decltype", "noexcept")
_NO_LABELS = ("default", "public", "private", "protected")
_BEHIND_A_NAME = re.compile(r"(?<!:):(?!:)|(?<![=<>!])=(?!=)")  # a constructor's members, or a variable's value
_MEMBER = re.compile(r"(?<!:):(?!:).*\w\s*\Z", re.DOTALL)
_COMMENT_ABOVE = re.compile(r"(?:^[ \t]*//[^\n]*\n)+\Z", re.MULTILINE)
_UNLABELLED = ("a loop without label", "every loop has a label, or is unrolled")


@lru_cache(maxsize=128)  # the headers of all designs are the same
def read_source(name: str, text: str) -> Source:
    """Reads a kernel's file.

    Args:
        name: its path, for messages.
        text: what it holds.

    Raises:
        KernelError: a pragma, loop or bracket has an unknown form, or a wrong place.
    """
    read = Text(name, text)
    pragmas = read_pragmas(read)
    for pragma in pragmas:
        _check_form(read, pragma)
    functions = tuple(_functions(read, pragmas))
    loops: list[Loop] = []
    for keyword in _LOOP.finditer(read.statements):
        loops.append(_loop(read, keyword, pragmas, functions, loops))
    source = Source(read, pragmas, functions, tuple(loops))
    for pragma in pragmas:
        _check_place(source, pragma)
    return source


def _check_form(text: Text, pragma: Pragma) -> None:
    if pragma.faults:
        hint = "write it as the guide of Vitis HLS says; what is known of it is in edgemoe_gen/kernels/directives.py"
        raise text.fault(pragma.start, pragma.faults[0].message, hint)
    if pragma.directive == "PIPELINE":
        ii = pragma.options.get("ii", "")
        if set(pragma.options) != {"ii"} or not ii.isdecimal() or int(ii) < 1:
            raise text.fault(
                pragma.start, f"{pragma.written} is of a form that is not known", "write PIPELINE II = n, n a number"
            )
    if pragma.directive == "UNROLL" and pragma.options:
        raise text.fault(
            pragma.start, f"{pragma.written} leaves a loop", "unroll it completely, or write it as two loops"
        )


def _check_place(source: Source, pragma: Pragma) -> None:
    owner = source.ruled(pragma)
    if owner is None and source.function_at(pragma.start) is None:
        problem = f"{pragma.directive} stands outside of all functions"
        raise source.text.fault(pragma.start, problem, "put it into the function that it rules")
    places = DIRECTIVES[pragma.directive].places
    here = IN_LOOP if isinstance(owner, Loop) else IN_FUNCTION if isinstance(owner, Function) else IN_BLOCK
    if here not in places and IN_BLOCK not in places:
        problem = f"{pragma.directive} does not stand directly in the body of a {' or '.join(places)}"
        raise source.text.fault(pragma.start, problem, "put it where it rules something")
    if pragma.directive in ("PIPELINE", "UNROLL", "LOOP_TRIPCOUNT") and (
        not isinstance(owner, Loop) or pragma not in owner.body.pragmas
    ):
        problem = f"{pragma.directive} does not stand at the head of a loop"
        raise source.text.fault(pragma.start, problem, "put it below the loop's opening brace, above its statements")


def _functions(text: Text, pragmas: tuple[Pragma, ...]) -> Iterator[Function]:
    scopes = {-1}  # braces of namespaces and classes, in which functions stand
    for opening in text.blocks:
        around = text.enclosing(opening)
        if around not in scopes:
            continue
        access = _ACCESS.match(text.statements, text.behind(opening))
        start = access.end() if access else opening
        name = _function_name(text, start, opening)
        if name:
            body = Body(start, opening, text.closing(opening), _directly_in(text, opening, pragmas))
            yield Function(name, text.name, text.line(start), _comment_above(text, start), body)
        elif _SCOPE.search(text.statements, start, opening):
            scopes.add(opening)


def _function_name(text: Text, start: int, opening: int) -> str:
    """Name of the function whose head lies between two positions, or "" if that is none."""
    for first in text.parentheses(start, opening):
        name = _NAME.search(text.statements, start, first)
        known = name is not None and name[1] not in _NO_NAMES
        if name and known and not _BEHIND_A_NAME.search(text.statements, start, name.start()):
            if _MEMBER.search(text.statements, text.closing(first), opening):
                raise text.fault(opening, "a member is initialised in braces", "write its value in parentheses")
            return name[1]
    return ""


def _comment_above(text: Text, start: int) -> str:
    above = _COMMENT_ABOVE.search(text.text, 0, text.text.rfind("\n", 0, start) + 1)
    return "" if above is None else "\n".join(line.strip().lstrip("/").strip() for line in above[0].splitlines())


def _directly_in(text: Text, opening: int, pragmas: tuple[Pragma, ...]) -> tuple[Pragma, ...]:
    return tuple(pragma for pragma in pragmas if text.enclosing(pragma.start) == opening)


def _at_head_of(text: Text, opening: int, pragmas: tuple[Pragma, ...]) -> tuple[Pragma, ...]:
    """Pragmas between a block's opening brace and its first statement."""
    first = text.next(opening + 1)
    return tuple(pragma for pragma in pragmas if opening < pragma.start and pragma.end <= first)


def _loop(
    text: Text,
    keyword: re.Match[str],
    pragmas: tuple[Pragma, ...],
    functions: tuple[Function, ...],
    before: list[Loop],
) -> Loop:
    at, code = keyword.start(), text.statements
    label = _label(text, at)
    head = text.next(keyword.end())
    opening = text.next(text.closing(head) + 1) if code[head : head + 1] == "(" else head
    braces = code[opening : opening + 1] == "{"
    if keyword[1] != "for" or not (label or braces):
        raise text.fault(at, *_UNLABELLED)
    if not braces:
        raise text.fault(at, f"the body of loop {label[0] if label else ''} has no braces", "put it into braces")
    name, start = label or ("", at)
    body = Body(start, opening, text.closing(opening), _at_head_of(text, opening, pragmas))
    pipeline, unrolled = body.pragma("PIPELINE"), body.pragma("UNROLL") is not None
    if not label and not unrolled:
        raise text.fault(at, *_UNLABELLED)
    around = [loop for loop in before if loop.body.holds(at)]
    _check_nest(text, at, name, unrolled, around)
    return Loop(
        label=name,
        ii=0 if pipeline is None or unrolled else int(pipeline.options["ii"]),
        unrolled=unrolled,
        file=text.name,
        line=text.line(at),
        function=next((function.name for function in functions if function.body.holds(at)), ""),
        inside=tuple(loop.label for loop in around),
        keyword=at,
        body=body,
    )


def _label(text: Text, keyword: int) -> tuple[str, int] | None:
    """Label of a loop and its position: it stands alone on its line."""
    line = text.statements.rfind("\n", 0, len(text.statements[:keyword].rstrip())) + 1
    label = _LABEL.match(text.statements, line, keyword)
    return None if label is None or label[1] in _NO_LABELS else (label[1], label.start(1))


def _check_nest(text: Text, keyword: int, label: str, unrolled: bool, around: list[Loop]) -> None:
    pipelined = next((loop for loop in around if loop.ii), None)
    if pipelined is not None and not unrolled:
        raise text.fault(
            keyword,
            f"loop {label} stands in the pipelined loop {pipelined.label} and is not unrolled",
            "unroll it, or make one flat loop of both",
        )


__all__ = ["KernelError", "read_source"]
