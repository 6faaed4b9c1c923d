"""Reads an engine's C++ as a synthesis tool must: its top, its ports and registers, its modules and their loops.

Nothing about the engine is known here: all is parsed from the sources that the stand-in was told to add.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "static_assert", "catch"}
CONTROL_BYTES = 0x10  # s_axilite: control, GIER, IP_IER and IP_ISR come first
WORD = 4


class SourceError(Exception):
    """What the front end refuses; the text is the tool's message."""


@dataclass(frozen=True)
class Port:
    """One argument of the top function; `bundle` is "" for a plain register."""

    name: str
    bundle: str
    writes: bool
    latency: int


@dataclass(frozen=True)
class Register:
    """One 32-bit register of the control port."""

    name: str
    offset: int
    access: str
    what: str


@dataclass(frozen=True)
class Loop:
    """A labelled loop that is not unrolled, with the loops in it."""

    name: str
    trips: int
    ii: int
    inner: tuple[Loop, ...]


@dataclass
class Function:
    """A function's definition."""

    name: str
    parameters: str
    body: str
    loops: tuple[Loop, ...] = ()
    calls: list[str] = field(default_factory=list)

    @property
    def dataflow(self) -> bool:
        """Whether it is a region of processes."""
        return "#pragma HLS DATAFLOW" in self.body

    @property
    def module(self) -> bool:
        """Whether it becomes RTL of its own: small functions are inlined."""
        return bool(self.loops) or self.dataflow or "#pragma HLS INLINE off" in self.body


@dataclass(frozen=True)
class Engine:
    """What the sources say."""

    top: str
    functions: dict[str, Function]
    constants: dict[str, int]
    ports: tuple[Port, ...]
    modules: tuple[str, ...]

    @property
    def bundles(self) -> dict[str, bool]:
        """AXI ports by name, with whether anything is written through each."""
        found: dict[str, bool] = {}
        for port in self.ports:
            if port.bundle:
                found[port.bundle] = found.get(port.bundle, False) or port.writes
        return found

    @property
    def registers(self) -> tuple[Register, ...]:
        """Arguments' registers: an address takes 12 bytes, an output a word and its valid bit (UG1399)."""
        found, offset = [], CONTROL_BYTES
        for port in self.ports:
            if port.bundle:
                for half in (1, 2):
                    what = f"Data signal of {port.name}"
                    found.append(Register(f"{port.name}_{half}", offset + WORD * (half - 1), "write-only", what))
                offset += 3 * WORD
            else:
                found.append(Register(port.name, offset, "read-only", f"Data signal of {port.name}"))
                valid = f"Control signal of {port.name}"
                found.append(Register(f"{port.name}_ctrl", offset + WORD, "read-only", valid))
                offset += 4 * WORD
        return tuple(found)


def read_engine(top: str, files: list[Path], include: list[Path]) -> Engine:
    """Parses the design files and all headers that they include.

    Raises:
        SourceError: a header is missing, the top is not there, or a port has no interface.
    """
    texts: dict[Path, str] = {}
    for file in files:
        _gather(file, include, texts)
    functions: dict[str, Function] = {}
    for text in texts.values():
        functions |= _functions(text)
    if top not in functions:
        raise SourceError(f"[HLS 214-157] Top function not found: there is no function named '{top}'")
    constants = _constants("\n".join(texts.values()))
    for function in functions.values():
        function.loops = _loops(function.body, constants)
        names = re.findall(r"\b(\w+)(?:<[\w\s,+*/-]*>)?\s*\(", function.body)
        function.calls = list(dict.fromkeys(name for name in names if name in functions and name != function.name))
    return Engine(top, functions, constants, _ports(functions[top]), tuple(_modules(top, functions)))


def _gather(path: Path, include: list[Path], texts: dict[Path, str]) -> None:
    if path in texts:
        return
    texts[path] = ""
    text = _synthesized(path.read_text(encoding="utf-8"), path)
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'#include "([^"]+)"', line)
        if match is None:
            continue
        for folder in (path.parent, *include):
            if (folder / match[1]).is_file():
                _gather((folder / match[1]), include, texts)
                break
        else:
            raise SourceError(f"[HLS 207-812] '{match[1]}' file not found ({path}:{number}:10)")
    texts[path] = text


def _synthesized(text: str, path: Path) -> str:
    """Without comments and without what is only for simulation; continued lines joined. Lines keep their numbers.

    None of the sources' own macros is defined in synthesis, so only whether a name is defined may be asked.
    """
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"(?:[^\n]*\\\n)+[^\n]*", lambda m: m[0].replace("\\\n", " ") + "\n" * m[0].count("\n"), text)
    kept: list[str] = []
    stack: list[list[bool]] = []  # of each open condition: whether this branch is taken, whether any was
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        directive = words[0] if words and words[0].startswith("#") else ""
        taken = all(state[0] for state in stack)
        if directive in ("#if", "#ifdef", "#ifndef"):
            holds = _holds(words, path, number)
            stack.append([holds, holds])
        elif directive == "#elif":
            holds = not stack[-1][1] and _holds(words, path, number)
            stack[-1] = [holds, stack[-1][1] or holds]
        elif directive == "#else":
            stack[-1] = [not stack[-1][1], True]
        elif directive == "#endif":
            stack.pop()
        elif taken:
            kept.append(line)
            continue
        kept.append("")
    return "\n".join(kept)


def _holds(words: list[str], path: Path, number: int) -> bool:
    match = re.fullmatch(r"#if(n?)def EDGEMOE_\w+|#(?:el)?if (!?)defined\(EDGEMOE_\w+\)", " ".join(words))
    if match is None:
        raise SourceError(f"[HLS 207-1186] a condition that can't be told: {' '.join(words)} ({path}:{number}:1)")
    return bool(match[1] or match[2])


def _functions(text: str) -> dict[str, Function]:
    found = {}
    for match in re.finditer(r"^[A-Za-z][\w:<>,&*\s]*?\b(\w+)\s*\(", text, re.MULTILINE):
        if match[1] in KEYWORDS:
            continue
        close = _closing(text, match.end() - 1, "()")
        after = re.match(r"\s*(?:const\s*)?\{", text[close + 1 :])
        if after is None:
            continue
        start = close + after.end()
        found[match[1]] = Function(match[1], text[match.end() : close], text[start + 1 : _closing(text, start, "{}")])
    return found


def _closing(text: str, opening: int, pair: str) -> int:
    depth = 0
    for i in range(opening, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    raise SourceError(f"[HLS 207-1186] expected '{pair[1]}'")


def _constants(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in re.findall(r"constexpr (?:int|unsigned) (\w+) = (-?\w+);", text):
        number = value.rstrip("u")
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", number):
            found[name] = int(number, 0)
        elif number in found:
            found[name] = found[number]
    return found


def _loops(body: str, constants: dict[str, int]) -> tuple[Loop, ...]:
    found, position = [], 0
    while match := re.compile(r"(\w+):\s*\n\s*for \(").search(body, position):
        header = _closing(body, match.end() - 1, "()")
        start = body.index("{", header)
        end = _closing(body, start, "{}")
        inside, bounds = body[start + 1 : end], body[match.end() : header]
        position = end
        own = re.split(r"\n\s*\w+:\s*\n", inside)[0]
        if "#pragma HLS UNROLL" in own:
            continue
        said = re.search(r"LOOP_TRIPCOUNT [^\n]*max\s*=\s*(\w+)", own) or re.search(r"<\s*(\w+)", bounds)
        limit = said[1] if said else "1"
        trips = int(limit) if limit.isdigit() else constants.get(limit, 1)
        pipelined = re.search(r"#pragma HLS PIPELINE II\s*=\s*(\d+)", own)
        found.append(Loop(match[1], trips, int(pipelined[1]) if pipelined else 0, _loops(inside, constants)))
    return tuple(found)


def _ports(function: Function) -> tuple[Port, ...]:
    memory: dict[str, dict[str, str]] = {}
    control: set[str] = set()
    for line in re.findall(r"#pragma HLS INTERFACE ([^\n]*)", function.body):
        words = re.sub(r"\s*=\s*", "=", line).split()
        options = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        if words[0] == "m_axi":
            memory[options["port"]] = options
        elif words[0] == "s_axilite":
            control.add(options["port"])
    if "return" not in control:
        raise SourceError("[HLS 214-208] The control protocol of the top function has no s_axilite port")
    found = []
    for parameter in function.parameters.split(","):
        name = re.findall(r"\w+", parameter)[-1]
        if name not in memory and name not in control:
            raise SourceError(f"[HLS 214-208] The INTERFACE pragma of argument '{name}' is missing")
        options = memory.get(name, {})
        writes = "num_write_outstanding" in options
        found.append(Port(name, options.get("bundle", ""), writes, int(options.get("latency", "0"))))
    return tuple(found)


def _modules(top: str, functions: dict[str, Function]) -> list[str]:
    """Functions that become modules, callees first: the processes of a region, and what is too large to inline."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str, process: bool) -> None:
        if name not in seen:
            seen.add(name)
            for callee in functions[name].calls:
                visit(callee, functions[name].dataflow)
        if name not in order and (functions[name].module or process):
            order.append(name)

    visit(top, process=True)
    return order
