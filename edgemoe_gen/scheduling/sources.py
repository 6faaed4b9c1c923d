"""Facts of rendered sources that no compiler keeps: pipelined loops and pragmas; and the text for clang.

The reader of kernels finds loops, pragmas and dataflow regions. Lines stay in place, so clang's line numbers are those
of the header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgemoe_gen.kernels import Loop, Pragma, Source, read_kernels
from edgemoe_gen.kernels.regions import read_regions

_KEPT_APART = "__attribute__((noinline)) "
_UNROLL, _KEEP = ('_Pragma("clang loop unroll(full)") ', '_Pragma("clang loop unroll(disable)") ')
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
    """A BIND_STORAGE pragma of a function's variable: `latency` is None if not stated."""

    function: str
    variable: str
    implementation: str
    latency: int | None


@dataclass(frozen=True)
class PipelinedLoop:
    """A pipelined loop of the sources. `function` is the function that contains its text."""

    label: str
    ii: int
    file: str
    line: int
    function: str
    dependences: tuple[Dependence, ...]


@dataclass(frozen=True)
class Prepared:
    """Sources for clang, and the facts of their pragmas.

    Attributes:
        texts: texts by path, without the port's header, which a shim replaces.
        loops: pipelined loops, in the order of the sources.
        storage: storage of memories.
        partitioned: functions and their variables that are cut into registers or banks.
        aggregated: functions and their variables whose elements are one word each.
        regions: dataflow functions with the processes that each starts.
        streams: depth and implementation ("" where none is said) of FIFOs, by function and variable.
    """

    texts: Mapping[str, str]
    loops: tuple[PipelinedLoop, ...]
    storage: tuple[Storage, ...]
    partitioned: frozenset[tuple[str, str]]
    aggregated: frozenset[tuple[str, str]]
    regions: Mapping[str, tuple[str, ...]]
    streams: Mapping[tuple[str, str], tuple[int, str]]

    def storage_of(self, variable: str, function: str = "") -> Storage | None:
        """Storage of a function's variable, or the slowest of all variables of that name."""
        named = [storage for storage in self.storage if storage.variable == variable]
        found = [storage for storage in named if function in ("", storage.function)]
        return max(found, key=lambda storage: storage.latency or 0, default=None)

    def is_partitioned(self, variable: str, function: str = "") -> bool:
        """Whether a pragma cuts a variable, of this function or of any."""
        return any(name == variable and function in ("", owner) for owner, name in self.partitioned)

    def is_aggregated(self, variable: str, function: str = "") -> bool:
        """Whether a pragma makes a variable's elements words, in this function or in any."""
        return any(name == variable and function in ("", owner) for owner, name in self.aggregated)


def prepare(sources: Mapping[str, str], whole: bool = False) -> Prepared:
    """Reads `src/` of a rendered project and makes the text that clang compiles.

    Args:
        whole: processes stay whole; otherwise their functions with pipelined loops stay separate.

    Raises:
        SimulationError: a loop or pragma has an unknown form; names file and line.
    """
    kernels = read_kernels(sources)
    regions = {
        name: tuple(process.name for process in processes)
        for source in kernels.sources.values()
        for name, (_, processes) in read_regions(source).items()
    }
    loops: list[PipelinedLoop] = []
    storage: list[Storage] = []
    partitioned: set[tuple[str, str]] = set()
    aggregated: set[tuple[str, str]] = set()
    streams: dict[tuple[str, str], tuple[int, str]] = {}
    for source in kernels.sources.values():
        reader = _Reader(source, kernels.constants)
        loops += [reader.loop(loop) for loop in source.timed_loops if loop.ii]
        storage += reader.storage()
        partitioned |= reader.owned("ARRAY_PARTITION")
        aggregated |= reader.owned("AGGREGATE")
        streams |= reader.streams()
    kept_apart = {*regions, *(name for names in regions.values() for name in names)}
    if not whole:
        kept_apart |= {loop.function for loop in loops}
    texts = {path: text for path, text in sources.items() if path.startswith("src/") and path != PORT}
    texts |= {path: _for_clang(source, kept_apart) for path, source in kernels.sources.items()}
    return Prepared(
        texts, tuple(loops), tuple(storage), frozenset(partitioned), frozenset(aggregated), regions, streams
    )


@dataclass(frozen=True)
class _Reader:
    """What pragmas of one file say."""

    source: Source
    constants: Mapping[str, int]

    def loop(self, loop: Loop) -> PipelinedLoop:
        dependences = tuple(self._dependence(pragma) for pragma in self.source.within(loop.body, "DEPENDENCE"))
        return PipelinedLoop(loop.label, loop.ii, loop.file, loop.line, loop.function, dependences)

    def storage(self) -> Iterator[Storage]:
        for pragma in self.source.of("BIND_STORAGE"):
            if pragma.value("type") == "fifo":
                continue
            latency = pragma.options.get("latency")
            yield Storage(
                self._function(pragma),
                pragma.subject,
                pragma.value("impl"),
                None if latency is None else self._number(pragma, latency),
            )

    def streams(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Depths of FIFOs, and what they are made of."""
        made = {
            (self._function(pragma), pragma.subject): pragma.value("impl")
            for pragma in self.source.of("BIND_STORAGE")
            if pragma.value("type") == "fifo"
        }
        return {
            (owner := self._function(pragma), pragma.subject): (
                self._number(pragma, pragma.options["depth"]),
                made.get((owner, pragma.subject), ""),
            )
            for pragma in self.source.of("STREAM")
            if "depth" in pragma.options
        }

    def owned(self, directive: str) -> set[tuple[str, str]]:
        """Functions and variables that pragmas of a directive name."""
        return {(self._function(pragma), pragma.subject) for pragma in self.source.of(directive)}

    def _function(self, pragma: Pragma) -> str:
        function = self.source.function_at(pragma.start)
        return "" if function is None else function.name

    def _dependence(self, pragma: Pragma) -> Dependence:
        distance = pragma.options.get("distance")
        dependent = pragma.value("dependent", "true")
        if pragma.value("type") != "inter" or (dependent == "true") == (distance is None):
            raise self.source.text.fault(
                pragma.start,
                f"{pragma.written} is of a form that is not known",
                "write variable = x inter RAW distance = d true, or inter false",
            )
        found = 0 if distance is None else self._number(pragma, distance)
        return Dependence(pragma.subject, pragma.value("direction").upper(), found, pragma.file, pragma.line)

    def _number(self, pragma: Pragma, text: str) -> int:
        if text.isdigit():
            return int(text)
        if text.lower() not in self.constants:
            raise self.source.text.fault(
                pragma.start,
                f"{text} is no constant whose value could be read",
                "define it as constexpr int with a number or a sum of such constants",
            )
        return self.constants[text.lower()]


def _for_clang(source: Source, kept_apart: set[str]) -> str:
    """The text with the unrolling that its pragmas ask for; kernels stay functions of their own."""
    text = source.text.text
    insertions = [(loop.keyword, _UNROLL if loop.unrolled else _KEEP) for loop in source.loops]
    for function in source.functions:
        start = function.body.start
        if function.name in kept_apart and not text.startswith("template", start):
            insertions.append((start, _KEPT_APART))
    parts, at = [], 0
    for place, inserted in sorted(insertions):
        parts += [text[at:place], inserted]
        at = place
    return "".join([*parts, text[at:]])


__all__ = ["PORT", "Dependence", "PipelinedLoop", "Prepared", "Storage", "prepare"]
