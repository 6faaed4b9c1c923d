"""Small process networks as data: for the timed runtime (by tests/timing/interpreter.cpp) and for the cycle model.

A network is one region with processes; a process is a list of statements.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.sim.cache import keep_library, load_library
from edgemoe_gen.sim.compiler import find_compiler

BEAT_BYTES = 4
HERE = Path(__file__).parent
FLAGS = ("-std=c++14", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-label", "-U_FORTIFY_SOURCE")


@dataclass(frozen=True)
class Access:
    """Iterations phase, phase + period, ... touch a FIFO, `limit` of them at most.

    stage: of the pipeline that a write is in; 0: the last.
    """

    fifo: int
    period: int = 1
    phase: int = 0
    limit: int = 1 << 20
    stage: int = 0

    def touches(self, iteration: int) -> bool:
        """Whether an iteration touches it."""
        past = iteration - self.phase
        return past >= 0 and past % self.period == 0 and past // self.period < self.limit


@dataclass(frozen=True)
class Loop:
    """A pipelined loop.

    fetch, store: number of the port of which every iteration reads or writes a beat, or -1. begin: cycles before the
    first iteration.
    """

    label: int
    iterations: int
    ii: int = 1
    depth: int = 2
    reads: tuple[Access, ...] = ()
    writes: tuple[Access, ...] = ()
    fetch: int = -1
    store: int = -1
    begin: int = 0


@dataclass(frozen=True)
class States:
    """A loop that is a sequence of states."""

    label: int
    iterations: int
    states: int
    body: tuple[Any, ...]


@dataclass(frozen=True)
class Read:
    """A read outside of pipelines."""

    fifo: int


@dataclass(frozen=True)
class Write:
    """A write outside of pipelines."""

    fifo: int


@dataclass(frozen=True)
class Process:
    """Name and statements."""

    name: int
    body: tuple[Any, ...]


@dataclass(frozen=True)
class Region:
    """Processes that start together, and the FIFOs (number to depth) that live as long."""

    name: int
    fifos: dict[int, int]
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Constants:
    """Cycles that regions and loops take; DDR in bytes a cycle (a fraction), latency, bursts of BEAT_BYTES.

    between: cycles from one place of a process to the next, by process and both places.
    """

    process_start: int = 0
    region_end: int = 0
    loop_skip: int = 0
    loop_end: int = 0
    stalling: int = 0
    burst_start: int = 0
    burst_next: int = 0
    acknowledged: int = 0
    between: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    ddr_bytes: tuple[int, int] = (4, 1)
    latency: int = 10
    outstanding: int = 2
    burst: int = 4


@dataclass(frozen=True)
class Outcome:
    """What both models must agree on: (process, start, end) of all that ended, highest fills, end."""

    ends: list[tuple[int, int, int]]
    highest: dict[int, int]
    deadlock: bool
    cycles: int
    details: dict[str, Any] = field(default_factory=dict, compare=False)


class Timing(ctypes.Structure):
    """edgemoe_timing_t."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("loops", "depths", "memories", "constants")),
        *((name, ctypes.c_uint64) for name in ("numerator", "denominator")),
        *((name, ctypes.c_uint32) for name in ("latency", "outstanding", "burst", "record")),
    )


def statements(body: Sequence[Any]) -> Iterator[Any]:
    """All statements of a body, outer before inner."""
    for statement in body:
        yield statement
        if isinstance(statement, States):
            yield from statements(statement.body)
        if isinstance(statement, Region):
            for process in statement.processes:
                yield from statements(process.body)


def used(body: Sequence[Any]) -> list[int]:
    """FIFOs that a body touches."""
    found: list[int] = []
    for statement in statements(body):
        if isinstance(statement, Loop):
            found += [a.fifo for a in (*statement.reads, *statement.writes)]
        if isinstance(statement, (Read, Write)):
            found.append(statement.fifo)
    return sorted(set(found))


@cache
def compiled(source: str) -> ctypes.CDLL:
    """A C++ file of this folder as a library, compiled once."""
    headers = sorted((resource_folder("hls") / "timed").glob("*.h"))
    texts = [path.read_bytes() for path in (HERE / source, *headers)]
    digest = hashlib.sha256(b"\0".join([*texts, " ".join(FLAGS).encode()])).hexdigest()[:24]

    def compile_in(folder: Path) -> Path:
        command = [find_compiler(), *FLAGS, "-shared", "-fPIC", f"-I{resource_folder('hls')}", str(HERE / source)]
        subprocess.run([*command, "-o", str(folder / "library.so")], check=True)
        return folder / "library.so"

    return load_library(keep_library(f"timing-test-{digest}", compile_in))


def run_network(region: Region, constants: Constants | None = None) -> Outcome:
    """Runs a network on the timed runtime."""
    library = compiled("interpreter.cpp")
    library.network_result.restype = ctypes.c_char_p
    ports = port_directions(region)
    data = [1 + max([*_all_fifos(region), 0]), len(ports), *ports, 1, *_encode(region)]
    said = constants or Constants()
    timing = Timing(
        "".join(f"l{label} {rule}\n" for label, rule in sorted(_rules(region).items())).encode(), b"", b"",
        _constant_lines(said).encode(),
        *said.ddr_bytes, said.latency, said.outstanding, said.burst, 1,
    )  # fmt: skip
    status = library.run_network((ctypes.c_int32 * len(data))(*data), ctypes.byref(timing))
    text = library.network_result().decode()
    assert status == 0, text
    found = json.loads(text)
    return Outcome(
        sorted((int(p["name"][1:]), r[1], r[2]) for p in found["processes"] for r in p["records"]),
        {int(f["name"][1:]): f["highest"] for f in found["fifos"] if f["highest"]},
        found["deadlock"] is not None,
        0 if found["deadlock"] else found["cycles"],
        found,
    )


def _constant_lines(said: Constants) -> str:
    names = ("process_start", "region_end", "loop_skip", "loop_end", "stalling", "burst_start", "burst_next",
             "acknowledged")  # fmt: skip
    lines = [f"{name} {getattr(said, name)}\n" for name in names]
    return "".join(lines + [f"between {' '.join(places)} {cycles}\n" for places, cycles in said.between.items()])


def _all_fifos(region: Region) -> list[int]:
    inner = [s for process in region.processes for s in statements(process.body) if isinstance(s, Region)]
    return [f for r in (region, *inner) for f in r.fifos]


def port_directions(region: Region) -> list[int]:
    """Of every port, in order of their numbers: 1 where it writes."""
    loops = [s for process in region.processes for s in statements(process.body) if isinstance(s, Loop)]
    found = {loop.fetch: 0 for loop in loops} | {loop.store: 1 for loop in loops}
    return [found.get(port, 0) for port in range(max(found, default=-1) + 1)]


def _rules(region: Region) -> dict[int, str]:
    rules = {}
    for process in region.processes:
        for statement in statements(process.body):
            if isinstance(statement, Loop):
                early = "".join(f" f{a.fifo} {a.stage}" for a in statement.writes if a.stage)
                rules[statement.label] = f"{statement.ii} {statement.depth} 0 {statement.begin}{early}"
            if isinstance(statement, States):
                rules[statement.label] = f"0 0 {statement.states} 0"
    return rules


def _encode(statement: Any) -> list[int]:
    if isinstance(statement, Loop):
        patterns = [
            [len(accesses), *(n for a in accesses for n in (a.fifo, a.period, a.phase, a.limit))]
            for accesses in (statement.reads, statement.writes)
        ]
        return [0, statement.label, statement.iterations, statement.fetch, statement.store, *patterns[0], *patterns[1]]
    if isinstance(statement, States):
        body = _encode_body(statement.body)
        return [1, statement.label, statement.iterations, len(body), *body]
    if isinstance(statement, (Read, Write)):
        return [2 if isinstance(statement, Read) else 3, statement.fifo]
    assert isinstance(statement, Region)
    numbers = [4, statement.name, len(statement.fifos), *(n for item in statement.fifos.items() for n in item)]
    numbers.append(len(statement.processes))
    for process in statement.processes:
        fifos, body = used(process.body), _encode_body(process.body)
        inner = [f for s in statements(process.body) if isinstance(s, Region) for f in s.fifos]
        fifos = [f for f in fifos if f not in inner]
        numbers += [process.name, len(fifos), *fifos, len(body), *body]
    return numbers


def _encode_body(body: Sequence[Any]) -> list[int]:
    return [len(body), *(n for statement in body for n in _encode(statement))]
