"""Rewrites rendered kernel sources for the timed build: their pragmas are the annotation.

Text is only inserted into existing lines, so pragmas and line numbers stay. The reader of kernels refuses unknown
forms; this module refuses known forms that can't be timed. So no part of the kernels goes untimed silently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.kernels import Loop, Pragma, Source, Text, read_kernels
from edgemoe_gen.kernels.regions import read_regions

MEMORY_FUNCTIONS = (
    "read_word", "write_word", "read_lane", "write_lane", "read_at", "write_at", "read_needed", "note_read",
    "note_write",
)  # fmt: skip

_MEMORY_CALL = re.compile(rf"\b({'|'.join(MEMORY_FUNCTIONS)})[ \t]*\(")
_PROGRESS = re.compile(r"\*progress\s*=\s*([^;=]+);")


@dataclass(frozen=True)
class Instrumented:
    """The sources of the timed build, and the loops, FIFOs and regions found in them."""

    sources: dict[str, str]
    loops: tuple[Loop, ...]
    regions: dict[str, tuple[str, ...]]  # dataflow function to the processes that it starts
    fifos: tuple[str, ...]  # with a depth of their own, as the sources name them
    memories: tuple[str, ...] = ()  # arrays whose accesses are told, as the sources name them


@dataclass
class _File:
    source: Source
    insertions: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def text(self) -> Text:
        return self.source.text

    def insert(self, position: int, text: str) -> None:
        self.insertions.append((position, len(self.insertions), text))

    def fault(self, position: int, problem: str, hint: str) -> SimulationError:
        return self.text.fault(position, f"{problem}, so it can't be timed", hint)

    def result(self) -> str:
        parts, at = [], 0
        for position, _, text in sorted(self.insertions):
            parts += [self.text.text[at:position], text]
            at = position
        return "".join([*parts, self.text.text[at:]])


def instrument(sources: Mapping[str, str]) -> Instrumented:
    """Rewrites `src/*.h` and `src/*.cpp` of a rendered project; other files go through as they are.

    Raises:
        SimulationError: a pragma or loop has an unknown form, or can't be timed; names file and line.
    """
    kernels = read_kernels(dict(sorted(sources.items())))
    results = dict(sources)
    regions: dict[str, tuple[str, ...]] = {}
    fifos: list[str] = []
    memories: dict[str, None] = {}
    for name, source in kernels.sources.items():
        file = _File(source)
        _loops(file)
        regions |= _regions(file)
        fifos += _depths(file)
        _operations(file)
        memories |= dict.fromkeys(_memories(file))
        results[name] = file.result()
    return Instrumented(results, kernels.loops, regions, tuple(fifos), tuple(memories))


def _loops(file: _File) -> None:
    code = file.text.statements
    for loop in file.source.timed_loops:
        body = loop.body
        before = code[: body.start].rstrip()
        if before[-1:] not in (";", "{", "}", ":", ""):
            problem = f"loop {loop.label} is the branch of a statement without braces"
            raise file.fault(loop.keyword, problem, "add braces")
        if re.search(r"\breturn\b", code[body.opening : body.closing]):
            raise file.fault(body.opening, f"loop {loop.label} is left by a return", "leave it by a break")
        file.insert(body.start, f'EDGEMOE_LOOP_BEGIN("{loop.label}", {loop.ii}); ')
        file.insert(body.opening + 1, " EDGEMOE_ITERATION();")
        file.insert(body.closing + 1, " EDGEMOE_LOOP_END();")


def _regions(file: _File) -> dict[str, tuple[str, ...]]:
    regions = {}
    for name, (function, processes) in read_regions(file.source).items():
        file.insert(function.body.opening + 1, f' EDGEMOE_REGION("{name}");')
        for process in processes:
            file.insert(process.start, f'EDGEMOE_PROCESS("{process.name}", ')
            file.insert(process.end, f", {process.arguments or '0'})")
        file.insert(function.body.closing, "EDGEMOE_JOIN(); ")
        regions[name] = tuple(process.name for process in processes)
    return regions


def _depths(file: _File) -> list[str]:
    names = []
    for pragma in file.source.of("STREAM"):
        if set(pragma.options) != {"variable", "depth"} or not _is_depth(pragma):
            problem = f"{pragma.written} is of a form that is not known"
            raise file.fault(pragma.start, problem, "write variable = x depth = d")
        macro = f"EDGEMOE_DEPTH({pragma.subject}, {pragma.options['depth']}); "
        file.insert(file.source.statement_after(pragma), macro)
        names.append(pragma.subject)
    return names


def _is_depth(pragma: Pragma) -> bool:
    return bool(re.fullmatch(r"\w+", pragma.subject) and re.fullmatch(r"[\w *+]+", pragma.options["depth"]))


def _operations(file: _File) -> None:
    for found in _PROGRESS.finditer(file.text.statements):
        file.insert(found.end(), f" EDGEMOE_OPERATION({found.group(1).strip()});")


def _memories(file: _File) -> list[str]:
    names = []
    end_of_last = -1
    code = file.text.statements
    for found in _MEMORY_CALL.finditer(code):
        closing = file.text.closing(found.end() - 1)
        if found.start() < end_of_last:
            raise file.fault(
                found.start(), "an access to a memory stands in another's arguments", "name its value first"
            )
        end_of_last = closing
        array = re.match(r"\s*([A-Za-z_][\w.]*)", code[found.end() :])
        if array is None:
            raise file.fault(found.start(), f"{found.group(1)} does not begin with an array's name", "name the array")
        file.insert(found.start(), f'EDGEMOE_MEMORY("{array.group(1)}", ')
        file.insert(closing + 1, ")")
        names.append(array.group(1))
    return names
