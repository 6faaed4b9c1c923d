"""Dataflow regions of a kernel's file: functions that only call processes, and those calls with their places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgemoe_gen.kernels.source import Function, Source

_CALL = re.compile(r"([A-Za-z_]\w*)[ \t]*\(")


@dataclass(frozen=True)
class Process:
    """A call in a dataflow function.

    Attributes:
        name: name of the called function.
        arguments: as written, on one line.
        start, end: positions of the call, without its semicolon.
    """

    name: str
    arguments: str
    start: int
    end: int


def read_regions(source: Source) -> Mapping[str, tuple[Function, tuple[Process, ...]]]:
    """The dataflow functions of a file with their processes, by name.

    Raises:
        KernelError: a region does more than call processes, or calls none.
    """
    regions = {}
    for pragma in source.of("DATAFLOW"):
        function = source.ruled(pragma)
        if not isinstance(function, Function):
            raise source.text.fault(
                pragma.start, "DATAFLOW does not rule a function", "move the region into a function"
            )
        if pragma.options:
            raise source.text.fault(pragma.start, f"{pragma.written} is of a form that is not known", "write DATAFLOW")
        processes = tuple(_processes(source, function))
        if not processes:
            problem = f"the dataflow function {function.name} calls no process"
            raise source.text.fault(pragma.start, problem, "give it one")
        regions[function.name] = function, processes
    return regions


def _processes(source: Source, function: Function) -> Iterator[Process]:
    text, code, closing = source.text, source.text.statements, function.body.closing
    at = function.body.opening + 1
    while (at := text.next(at)) < closing:
        end = at
        while end < closing and code[end] != ";":
            if code[end] == "{" and not _initialises(code[at:end]):
                raise text.fault(at, "a block stands in a dataflow function", "move it into a process of its own")
            if code[end] in "({":
                end = text.closing(end)
            end += 1
        call = _CALL.match(code, at)
        if re.match(r"(return|if|for|while|switch|goto)\b", code[at:end]):
            raise text.fault(at, "a dataflow function does more than to call processes", "move it into a process")
        if call is not None and text.closing(call.end() - 1) == end - 1:
            yield Process(call.group(1), " ".join(text.text[call.end() : end - 1].split()), at, end)
        elif call is not None:
            raise text.fault(at, "a statement of a dataflow function is of a form that is not known", "write one call")
        at = end + 1


def _initialises(statement: str) -> bool:
    return statement.rstrip().endswith("=") or bool(re.search(r"\w\s+\w+\s*$", statement))
