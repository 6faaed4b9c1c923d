"""What the text of rendered sources says and no compiler keeps: loops, pragmas, processes; and the text for clang.

The only module of this package that reads C++ as text. Loops and dataflow regions come from `timing.instrument`, which
refuses what it does not know. Lines stay where they are, so that what clang says of a line is true of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.timing.instrument import instrument
from edgemoe_gen.timing.loops import source_constants

_PRAGMA = re.compile(r"^[ \t]*#pragma HLS (\w+)((?:[^\n\\]|\\\n|\\)*)", re.MULTILINE)
_FUNCTION = re.compile(r"^(?:template <[^\n]*>\n)?(?:(?:static|inline) )*[\w:<>]+ (\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
_FOR = re.compile(r"\bfor[ \t]*\(")
_KEPT_APART = "__attribute__((noinline)) "
PORT = "src/port.h"  # replaced by a shim


@dataclass(frozen=True)
class Dependence:
    """A DEPENDENCE pragma: `distance` iterations lie between two accesses, or 0: they never meet."""

    variable: str
    kind: str  # RAW, WAR, WAW, or "" for all
    distance: int
    file: str
    line: int


@dataclass(frozen=True)
class Storage:
    """A BIND_STORAGE pragma, of a function's variable: `latency` is None where it says none."""

    function: str
    variable: str
    implementation: str
    latency: int | None


@dataclass(frozen=True)
class PipelinedLoop:
    """A pipelined loop of the sources. `function` is the function whose text it stands in."""

    label: str
    ii: int
    file: str
    line: int
    function: str
    dependences: tuple[Dependence, ...]


@dataclass(frozen=True)
class Prepared:
    """Sources as clang takes them, and what their pragmas say.

    Attributes:
        texts: by path, without the port's header, which a shim stands in for.
        loops: pipelined ones, in the order of the sources.
        storage: of memories.
        partitioned: functions and their variables that are cut into registers or banks.
        aggregated: functions and their variables whose elements are one word each.
        regions: dataflow functions with the processes that each starts.
    """

    texts: Mapping[str, str]
    loops: tuple[PipelinedLoop, ...]
    storage: tuple[Storage, ...]
    partitioned: frozenset[tuple[str, str]]
    aggregated: frozenset[tuple[str, str]]
    regions: Mapping[str, tuple[str, ...]]

    def storage_of(self, variable: str, function: str = "") -> Storage | None:
        """What is said of a variable; of a function's own, or the slowest of all of that name."""
        named = [storage for storage in self.storage if storage.variable == variable]
        found = [storage for storage in named if function in ("", storage.function)]
        return max(found, key=lambda storage: storage.latency or 0, default=None)

    def is_partitioned(self, variable: str, function: str = "") -> bool:
        """Whether a pragma cuts a variable, of this function or of any."""
        return any(name == variable and function in ("", owner) for owner, name in self.partitioned)

    def is_aggregated(self, variable: str, function: str = "") -> bool:
        """Whether a pragma makes a variable's elements words, in this function or in any."""
        return any(name == variable and function in ("", owner) for owner, name in self.aggregated)


def prepare(sources: Mapping[str, str]) -> Prepared:
    """Reads `src/` of a rendered project and makes the text that clang compiles.

    Raises:
        SimulationError: a loop or pragma of a form that is not known; names file and line.
    """
    found = instrument(sources)
    constants = source_constants(sources)
    processes = {process for names in found.regions.values() for process in names}
    texts: dict[str, str] = {}
    loops: list[PipelinedLoop] = []
    storage: list[Storage] = []
    partitioned: set[tuple[str, str]] = set()
    aggregated: set[tuple[str, str]] = set()
    for path, text in sources.items():
        if not re.fullmatch(r"src/\w+\.(h|cpp)", path) or path == PORT:
            continue
        source = _Source(path, text)
        sites = [site for site in found.loops if site.file == path]
        for site in sites:
            if site.interval:
                loops.append(_loop(source, site.label, site.interval, site.line, constants))
        storage += _storage(source, constants)
        partitioned |= _owned(source, "ARRAY_PARTITION")
        aggregated |= _owned(source, "AGGREGATE")
        kept_apart = processes | set(found.regions) | {loop.function for loop in loops}
        texts[path] = _for_clang(source, {site.line for site in sites}, kept_apart)
    return Prepared(texts, tuple(loops), tuple(storage), frozenset(partitioned), frozenset(aggregated), found.regions)


@dataclass(frozen=True)
class _Source:
    path: str
    text: str

    def line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def pragmas(self, kind: str) -> Iterator[tuple[int, str]]:
        """Place and rest of every pragma of a kind."""
        for pragma in _PRAGMA.finditer(self.text):
            if pragma.group(1).upper() == kind:
                yield pragma.start(), " ".join(pragma.group(2).replace("\\\n", " ").split())

    def function_at(self, place: int) -> str:
        """Name of the function that a place lies in."""
        heads = [head for head in _FUNCTION.finditer(self.text) if head.start() <= place]
        return heads[-1].group(1) if heads else ""


def _loop(source: _Source, label: str, ii: int, line: int, constants: Mapping[str, int]) -> PipelinedLoop:
    start = 0
    for _ in range(line - 1):
        start = source.text.index("\n", start) + 1
    end = _end_of_block(source.text, source.text.index("{", start))
    dependences = tuple(
        _dependence(source, place, rest, constants)
        for place, rest in source.pragmas("DEPENDENCE")
        if start <= place < end
    )
    return PipelinedLoop(label, ii, source.path, line, source.function_at(start), dependences)


def _end_of_block(text: str, opening: int) -> int:
    depth = 0
    for found in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if found.group() == "{" else -1
        if depth == 0:
            return found.end()
    return len(text)


def _dependence(source: _Source, place: int, rest: str, constants: Mapping[str, int]) -> Dependence:
    said = re.fullmatch(
        r"variable ?= ?(\w+) inter(?: (RAW|WAR|WAW))?(?: (false)| distance ?= ?(\w+) true)", rest, re.IGNORECASE
    )
    if said is None:
        raise SimulationError(
            f"{source.path}, line {source.line(place)}: DEPENDENCE {rest} is of a form that is not known",
            "write variable = x inter RAW distance = d true, or inter false",
        )
    distance = 0 if said[3] else _number(source, place, said[4], constants)
    return Dependence(said[1], (said[2] or "").upper(), distance, source.path, source.line(place))


def _number(source: _Source, place: int, text: str, constants: Mapping[str, int]) -> int:
    if text.isdigit():
        return int(text)
    if text.lower() not in constants:
        raise SimulationError(
            f"{source.path}, line {source.line(place)}: {text} is no constant whose value could be read",
            "define it as constexpr int with a number or a sum of such constants",
        )
    return constants[text.lower()]


def _variable(source: _Source, place: int, rest: str) -> str:
    said = re.match(r"variable ?= ?(\w+)", rest)
    if said is None:
        raise SimulationError(
            f"{source.path}, line {source.line(place)}: the pragma names no variable", "write variable = x first"
        )
    return said[1]


def _owned(source: _Source, kind: str) -> set[tuple[str, str]]:
    """Functions and variables that pragmas of a kind name."""
    return {(source.function_at(place), _variable(source, place, rest)) for place, rest in source.pragmas(kind)}


def _storage(source: _Source, constants: Mapping[str, int]) -> Iterator[Storage]:
    for place, rest in source.pragmas("BIND_STORAGE"):
        kind = re.search(r"\btype ?= ?(\w+)", rest)
        if kind is not None and kind[1].lower() == "fifo":
            continue
        implementation = re.search(r"\bimpl ?= ?(\w+)", rest)
        latency = re.search(r"\blatency ?= ?(\w+)", rest)
        yield Storage(
            source.function_at(place),
            _variable(source, place, rest),
            implementation[1].lower() if implementation else "",
            None if latency is None else _number(source, place, latency[1], constants),
        )


def _for_clang(source: _Source, loop_lines: set[int], kept_apart: set[str]) -> str:
    """The text with the unrolling that its pragmas ask for; kernels stay functions of their own."""
    insertions: list[tuple[int, str]] = []
    unrolled = {_loop_before(source.text, place) for place, _ in source.pragmas("UNROLL")}
    for found in _FOR.finditer(source.text):
        if found.start() in unrolled:
            insertions.append((found.start(), '_Pragma("clang loop unroll(full)") '))
        elif source.line(found.start()) in loop_lines:
            insertions.append((found.start(), '_Pragma("clang loop unroll(disable)") '))
    for head in _FUNCTION.finditer(source.text):
        if head.group(1) in kept_apart and not head.group().startswith("template"):
            insertions.append((head.start(), _KEPT_APART))
    parts, at = [], 0
    for place, text in sorted(insertions):
        parts += [source.text[at:place], text]
        at = place
    return "".join([*parts, source.text[at:]])


def _loop_before(text: str, place: int) -> int:
    return max((found.start() for found in _FOR.finditer(text, 0, place)), default=-1)


__all__ = ["PORT", "Dependence", "PipelinedLoop", "Prepared", "Storage", "prepare"]
