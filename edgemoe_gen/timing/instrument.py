"""Rewrites rendered kernel sources for the timed build: their pragmas are the annotation.

Text is only inserted, on the lines that are there, so pragmas and line numbers stay. A pragma of a form that is not
known is an error: nothing goes untimed in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import SimulationError

# Files that hold no kernels: the runtime's own counterparts.
RUNTIME_FILES = ("src/fifo.h", "src/port.h", "src/memory.h")
MEMORY_FUNCTIONS = (
    "read_word", "write_word", "read_lane", "write_lane", "read_at", "write_at", "read_needed", "note_read",
    "note_write",
)  # fmt: skip

_PRAGMA = re.compile(r"^[ \t]*#pragma HLS (\w+)((?:[^\n\\]|\\\n|\\)*)", re.MULTILINE)
_LABEL = re.compile(r"^([ \t]*)([A-Za-z_]\w*):[ \t]*\n(?:[ \t]*\n)*[ \t]*for[ \t]*\(", re.MULTILINE)
_ANY_LOOP = re.compile(r"\b(for|while)[ \t]*\(")
_CALL = re.compile(r"([A-Za-z_]\w*)[ \t]*\(")
_MEMORY_CALL = re.compile(rf"\b({'|'.join(MEMORY_FUNCTIONS)})[ \t]*\(")
_PROGRESS = re.compile(r"\*progress\s*=\s*([^;=]+);")
_FUNCTION = re.compile(r"([A-Za-z_]\w*)\s*\([^{};]*$")
_NOT_LABELS = ("default", "public", "private", "protected")


@dataclass(frozen=True)
class LoopSite:
    """A timed loop of the sources: its initiation interval as the pragma says, 0 for a sequence of states."""

    label: str
    interval: int
    file: str
    line: int


@dataclass(frozen=True)
class Instrumented:
    """The sources of the timed build, and what was found in them."""

    sources: dict[str, str]
    loops: tuple[LoopSite, ...]
    regions: dict[str, tuple[str, ...]]  # dataflow function to the processes that it starts
    fifos: tuple[str, ...]  # with a depth of their own, as the sources name them
    memories: tuple[str, ...] = ()  # arrays whose accesses are told, as the sources name them


@dataclass
class _File:
    name: str
    text: str
    masked: str  # comments and strings blanked, so that every character that counts is code
    insertions: list[tuple[int, int, str]] = field(default_factory=list)
    rewritten: dict[str, int] = field(default_factory=dict)

    def insert(self, position: int, text: str) -> None:
        self.insertions.append((position, len(self.insertions), text))

    def count(self, pragma: str) -> None:
        self.rewritten[pragma] = self.rewritten.get(pragma, 0) + 1

    def line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def fault(self, position: int, problem: str, hint: str) -> SimulationError:
        return SimulationError(f"{self.name}, line {self.line(position)}: {problem}, so it can't be timed", hint)

    def closing(self, opening: int) -> int:
        """Position of the bracket that closes the one at `opening`."""
        pairs = {"(": ")", "{": "}"}
        first = self.masked[opening]
        depth = 0
        for position in range(opening, len(self.masked)):
            depth += (self.masked[position] == first) - (self.masked[position] == pairs[first])
            if depth == 0:
                return position
        raise self.fault(opening, f"a {first} is never closed", "this is a fault of the sources")

    def result(self) -> str:
        parts, at = [], 0
        for position, _, text in sorted(self.insertions):
            parts += [self.text[at:position], text]
            at = position
        return "".join([*parts, self.text[at:]])


def instrument(sources: Mapping[str, str]) -> Instrumented:
    """Rewrites `src/*.h` and `src/*.cpp` of a rendered project; other files go through as they are.

    Raises:
        SimulationError: a pragma or loop of a form that is not known; names file and line.
    """
    results = dict(sources)
    loops: list[LoopSite] = []
    regions: dict[str, tuple[str, ...]] = {}
    fifos: list[str] = []
    memories: dict[str, None] = {}
    for name in sorted(sources):
        if name in RUNTIME_FILES or not re.fullmatch(r"src/\w+\.(h|cpp)", name):
            continue
        file = _File(name, sources[name], _masked(sources[name]))
        loops += _loops(file)
        regions |= _regions(file)
        fifos += _depths(file)
        _operations(file)
        memories |= dict.fromkeys(_memories(file))
        _check_complete(file)
        results[name] = file.result()
    seen: dict[str, LoopSite] = {}
    for site in loops:
        other = seen.setdefault(site.label, site)
        if other is not site:
            raise SimulationError(
                f"two loops have the label {site.label}: {other.file}, line {other.line}, and {site.file}, "
                f"line {site.line}; the timing table could not tell them apart",
                "give one of them another label",
            )
    return Instrumented(results, tuple(loops), regions, tuple(fifos), tuple(memories))


def _masked(text: str) -> str:
    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found.group())

    pattern = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'"
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def _leading_pragmas(file: _File, opening: int) -> dict[str, tuple[int, str]]:
    """Pragmas between a body's opening brace and its first statement: kind to place and the rest of the line."""
    found: dict[str, tuple[int, str]] = {}
    at = opening + 1
    while True:
        blank = re.compile(r"\s*").match(file.masked, at)
        at = blank.end() if blank else at
        start = file.masked.rfind("\n", 0, at) + 1
        pragma = _PRAGMA.match(file.masked, start)
        if pragma is None or at >= len(file.masked) or file.masked[at] != "#":
            return found
        found[pragma.group(1).upper()] = (start, pragma.group(2).strip())
        at = pragma.end()


def _loops(file: _File) -> list[LoopSite]:
    sites = []
    labelled = set()
    spans: list[tuple[int, int, str]] = []  # pipelined loops
    for found in _LABEL.finditer(file.masked):
        label, keyword = found.group(2), file.masked.rindex("for", 0, found.end())
        if label in _NOT_LABELS:
            continue
        labelled.add(keyword)
        end_of_header = file.closing(found.end() - 1)
        opening = _next(file, end_of_header + 1)
        if file.masked[opening] != "{":
            raise file.fault(keyword, f"the body of loop {label} has no braces", "put it into braces")
        pragmas = _leading_pragmas(file, opening)
        if "UNROLL" in pragmas:
            _check_unroll(file, pragmas["UNROLL"])
            continue
        interval = 0
        closing = file.closing(opening)
        if "PIPELINE" in pragmas:
            interval = _interval(file, pragmas["PIPELINE"])
            file.count("PIPELINE")
            spans.append((opening, closing, label))
        before = file.masked[: found.start()].rstrip()
        if before[-1:] not in (";", "{", "}", ":", "") and not _is_directive(file, len(before) - 1):
            raise file.fault(keyword, f"loop {label} is the branch of a statement without braces", "add braces")
        if re.search(r"\breturn\b", file.masked[opening:closing]):
            raise file.fault(opening, f"loop {label} is left by a return", "leave it by a break")
        file.insert(found.start(2), f'EDGEMOE_LOOP_BEGIN("{label}", {interval}); ')
        file.insert(opening + 1, " EDGEMOE_ITERATION();")
        file.insert(closing + 1, " EDGEMOE_LOOP_END();")
        sites.append(LoopSite(label, interval, file.name, file.line(keyword)))
    for found in _ANY_LOOP.finditer(file.masked):
        if found.start() not in labelled:
            _check_unlabelled(file, found)
    for site in sites:
        _check_nesting(file, site, spans)
    return sites


def _next(file: _File, position: int) -> int:
    found = re.compile(r"\s*").match(file.masked, position)
    return found.end() if found else position


def _is_directive(file: _File, position: int) -> bool:
    return file.masked[file.masked.rfind("\n", 0, position) + 1 :].lstrip().startswith("#")


def _interval(file: _File, pragma: tuple[int, str]) -> int:
    said = re.fullmatch(r"(?i:ii)\s*=\s*(\d+)", pragma[1])
    if said is None or int(said.group(1)) < 1:
        raise file.fault(pragma[0], f"PIPELINE {pragma[1]} is of a form that is not known", "write PIPELINE II = n")
    return int(said.group(1))


def _check_unroll(file: _File, pragma: tuple[int, str]) -> None:
    if pragma[1]:
        raise file.fault(
            pragma[0], f"UNROLL {pragma[1]} leaves a loop", "unroll it completely, or write it as two loops"
        )


def _check_unlabelled(file: _File, found: re.Match[str]) -> None:
    opening = _next(file, file.closing(found.end() - 1) + 1)
    if found.group(1) == "for" and file.masked[opening] == "{" and "UNROLL" in _leading_pragmas(file, opening):
        return
    raise file.fault(found.start(), "a loop without label", "every loop has a label, or is unrolled")


def _check_nesting(file: _File, site: LoopSite, spans: list[tuple[int, int, str]]) -> None:
    for opening, closing, label in spans:
        if file.line(opening) < site.line <= file.line(closing) and site.label != label:
            raise SimulationError(
                f"{file.name}, line {site.line}: loop {site.label} stands in the pipelined loop {label} and is not "
                "unrolled, so it can't be timed",
                "unroll it, or make one flat loop of both",
            )


def _enclosing(file: _File, position: int) -> int:
    """The brace that opens the block in which a position is."""
    depth = 0
    for at in range(position, -1, -1):
        depth += (file.masked[at] == "}") - (file.masked[at] == "{")
        if depth < 0:
            return at
    raise file.fault(position, "a pragma stands outside of all functions", "put it into the function that it rules")


def _regions(file: _File) -> dict[str, tuple[str, ...]]:
    regions = {}
    for pragma in _PRAGMA.finditer(file.masked):
        if pragma.group(1).upper() != "DATAFLOW":
            continue
        opening = _enclosing(file, pragma.start())
        header = _FUNCTION.search(_without_directives(file.masked[:opening]).rstrip())
        if header is None or header.group(1) in ("for", "if", "while", "switch"):
            raise file.fault(pragma.start(), "DATAFLOW does not rule a function", "move the region into a function")
        function, closing = header.group(1), file.closing(opening)
        regions[function] = tuple(_processes(file, opening, closing))
        if not regions[function]:
            raise file.fault(pragma.start(), f"the dataflow function {function} calls no process", "give it one")
        file.insert(opening + 1, f' EDGEMOE_REGION("{function}");')
        file.insert(closing, "EDGEMOE_JOIN(); ")
        file.count("DATAFLOW")
    return regions


def _without_directives(text: str) -> str:
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\)*", "", text, flags=re.MULTILINE)


def _processes(file: _File, opening: int, closing: int) -> Iterator[str]:
    """The calls at the top level of a dataflow function, each made a process."""
    at = opening + 1
    while (at := _next(file, at)) < closing:
        if file.masked[at] == "#":
            directive = re.compile(r"#(?:[^\n\\]|\\\n|\\)*").match(file.masked, at)
            at = directive.end() if directive else closing
            continue
        end = at
        while end < closing and file.masked[end] != ";":
            if file.masked[end] == "(":
                end = file.closing(end)
            elif file.masked[end] == "{" and not _initialises(file.masked[at:end]):
                raise file.fault(at, "a block stands in a dataflow function", "move it into a process of its own")
            elif file.masked[end] == "{":
                end = file.closing(end)
            end += 1
        call = _CALL.match(file.masked, at)
        if re.match(r"(return|if|for|while|switch|goto)\b", file.masked[at:end]):
            raise file.fault(at, "a dataflow function does more than to call processes", "move it into a process")
        if call is not None and file.closing(call.end() - 1) == end - 1:
            arguments = " ".join(file.text[call.end() : end - 1].split())
            file.insert(at, f'EDGEMOE_PROCESS("{call.group(1)}", ')
            file.insert(end, f", {arguments or '0'})")
            yield call.group(1)
        elif call is not None:
            raise file.fault(at, "a statement of a dataflow function is of a form that is not known", "write one call")
        at = end + 1


def _initialises(statement: str) -> bool:
    return statement.rstrip().endswith("=") or bool(re.search(r"\w\s+\w+\s*$", statement))


def _depths(file: _File) -> list[str]:
    names = []
    for pragma in _PRAGMA.finditer(file.masked):
        if pragma.group(1).upper() != "STREAM":
            continue
        said = re.fullmatch(r"variable\s*=\s*(\w+)\s+depth\s*=\s*([\w *+]+)", " ".join(pragma.group(2).split()))
        if said is None:
            raise file.fault(
                pragma.start(),
                f"STREAM{pragma.group(2)} is of a form that is not known",
                "write variable = x depth = d",
            )
        file.insert(_statement_after(file, pragma.end()), f"EDGEMOE_DEPTH({said.group(1)}, {said.group(2)}); ")
        file.count("STREAM")
        names.append(said.group(1))
    return names


def _statement_after(file: _File, position: int) -> int:
    """Start of the next line that is no directive and begins outside of comments."""
    at = position
    while True:
        at = file.masked.index("\n", at) + 1
        line = file.masked[at:].split("\n", 1)[0]
        if line.lstrip().startswith("#"):
            directive = _PRAGMA.match(file.masked, at)
            at = directive.end() if directive else at
        elif line.strip() or not file.text[at:].split("\n", 1)[0].strip():
            return at


def _operations(file: _File) -> None:
    for found in _PROGRESS.finditer(file.masked):
        file.insert(found.end(), f" EDGEMOE_OPERATION({found.group(1).strip()});")


def _memories(file: _File) -> list[str]:
    names = []
    end_of_last = -1
    for found in _MEMORY_CALL.finditer(file.masked):
        closing = file.closing(found.end() - 1)
        if found.start() < end_of_last:
            raise file.fault(
                found.start(), "an access to a memory stands in another's arguments", "name its value first"
            )
        end_of_last = closing
        array = re.match(r"\s*([A-Za-z_][\w.]*)", file.masked[found.end() :])
        if array is None:
            raise file.fault(found.start(), f"{found.group(1)} does not begin with an array's name", "name the array")
        file.insert(found.start(), f'EDGEMOE_MEMORY("{array.group(1)}", ')
        file.insert(closing + 1, ")")
        names.append(array.group(1))
    return names


def _check_complete(file: _File) -> None:
    for kind in ("PIPELINE", "DATAFLOW", "STREAM"):
        places = [pragma.start() for pragma in _PRAGMA.finditer(file.masked) if pragma.group(1).upper() == kind]
        if len(places) != file.rewritten.get(kind, 0):
            raise file.fault(
                places[0] if len(places) == 1 else 0,
                f"{len(places)} pragmas {kind}, but {file.rewritten.get(kind, 0)} of a form that is known",
                "a PIPELINE stands at the head of a labelled loop, a DATAFLOW in a function, a STREAM behind its FIFO",
            )
