"""Schedules all pipelined loops of a design: sources, compiler, graphs, scheduler, result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.base.installed import PACKAGE
from edgemoe_gen.base.names import meant
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.boards import speed_grade
from edgemoe_gen.scheduling.body import Body
from edgemoe_gen.scheduling.building import build_body
from edgemoe_gen.scheduling.compiler import compile_ir, compiler_version, shims, ziglang_missing
from edgemoe_gen.scheduling.costs import Costs
from edgemoe_gen.scheduling.delays import Delays, NoDelaysError, family_delays
from edgemoe_gen.scheduling.flow import NaturalLoop, innermost_loops
from edgemoe_gen.scheduling.ir import Function, Module
from edgemoe_gen.scheduling.kept import kept
from edgemoe_gen.scheduling.parse import parse_module
from edgemoe_gen.scheduling.periods import Loop
from edgemoe_gen.scheduling.places import Variables, bind
from edgemoe_gen.scheduling.problem import make_problem
from edgemoe_gen.scheduling.report import Reporter
from edgemoe_gen.scheduling.result import LoopSchedule, Schedule
from edgemoe_gen.scheduling.scheduler import Recurrence
from edgemoe_gen.scheduling.sources import PipelinedLoop, Prepared, prepare
from edgemoe_gen.scheduling.widths import Widths, measure

KEPT = 500  # schedules in the cache, 30 kB each


@dataclass(frozen=True)
class Found:
    """A pipelined loop of the sources, and its form in the compiler's output."""

    source: PipelinedLoop
    function: Function
    loop: NaturalLoop
    body: Body
    widths: Widths


def schedule_design(design: Design, loop: str | None = None, sources: Mapping[str, str] | None = None) -> Schedule:
    """The schedule of a design's kernels on its board, or of one named loop. Kept by content.

    Args:
        design: gives part and clock.
        loop: label of the only loop to schedule.
        sources: its rendered text by path, if it is rendered already.

    Raises:
        ConfigError: the compiler is not installed, or there is no such loop.
        SimulationError: there is no table of delays for the part; or a kernel has an unknown form.
    """
    texts, part, clock_mhz = sources or render_sources(design), design.board.part, design.knobs.clock_mhz
    if loop is not None:
        return schedule_sources(texts, part, clock_mhz, loop=loop)
    kernels = [f"{name}\0{texts[name]}" for name in sorted(texts) if name.startswith("src/")]
    words = [_of_package(), part, repr(clock_mhz), repr(budget_ns(clock_mhz)), *kernels]
    return kept(
        f"{hashlib.sha256(chr(0).join(words).encode()).hexdigest()}.json",
        KEPT,
        lambda: schedule_sources(texts, part, clock_mhz),
        lambda schedule: json.dumps(schedule.document()),
        lambda text: Schedule.from_document(json.loads(text)),
    )


def known_schedule(design: Design, sources: Mapping[str, str]) -> Schedule | None:
    """The schedule, or None where the compiler is not installed or no delays of the part are known."""
    if ziglang_missing():
        return None
    try:
        return schedule_design(design, sources=sources)
    except NoDelaysError:
        return None


@cache
def _of_package() -> str:
    """A hash of what makes schedules: the compiler, this room and the one that reads kernels, shims and delays."""
    files = [
        *sorted((PACKAGE / "scheduling").glob("*.py")),
        *sorted((PACKAGE / "kernels").glob("*.py")),
        *sorted((PACKAGE / "timing" / "families").glob("*.toml")),
    ]
    digest = hashlib.sha256(f"{__version__}\0{compiler_version()}\0{shims()}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def schedule_sources(
    sources: Mapping[str, str], part: str, clock_mhz: float, unit: str = "src/engine.cpp", loop: str | None = None
) -> Schedule:
    """The schedule of rendered sources, by path.

    Args:
        unit: the source that includes all others.
        loop: label of the only loop to schedule; None: all.
    """
    delays = family_delays(part)
    budget = budget_ns(clock_mhz)
    prepared = prepare(sources)
    if loop is not None:
        prepared = _only(prepared, loop)
    module = parse_module(compile_ir(prepared.texts, unit))
    loops = tuple(schedule_loop(found, delays, budget) for found in find_loops(module, prepared))
    return Schedule(part, clock_mhz, budget, delays.source, compiler_version(), loops, _notes(delays, part))


def _notes(delays: Delays, part: str) -> tuple[str, ...]:
    grade = speed_grade(part)
    if grade in delays.grades:
        return ()
    return (
        f"{delays.source} is of speed grade {' and '.join(delays.grades)}; {part} is of grade {grade or 'unknown'}, "
        "whose delays no report tells: these are those of the table",
    )


def _only(prepared: Prepared, label: str) -> Prepared:
    loops = tuple(loop for loop in prepared.loops if loop.label == label)
    if not loops:
        labels = [loop.label for loop in prepared.loops]
        hint = meant(label, labels).strip() or f"pipelined loops are {', '.join(labels)}"
        raise ConfigError(f"there is no pipelined loop '{label}'", hint)
    return replace(prepared, loops=loops)


def find_loops(module: Module, prepared: Prepared) -> list[Found]:
    """The graphs of all pipelined loops, in the order of the sources.

    Raises:
        SimulationError: the compiler's output has no such loop, or one that contains others.
    """
    bindings = bind(module)
    sites = {(loop.file, loop.line): loop for loop in prepared.loops}
    found: dict[str, Found] = {}
    for function in module.functions.values():
        variables = Variables(module, function, prepared, bindings)
        for loop in innermost_loops(function):
            place = loop.location
            source = sites.get((place.file, place.line)) if place is not None else None
            if source is None or source.label in found:
                continue
            body = build_body(module, function, loop, variables)
            roots = [*body.exits, *(access.node for access in body.accesses if access.kind != "load")]
            found[source.label] = Found(
                source, function, loop, body, measure(body.graph, body.carried, body.initial, roots)
            )
    missing = next((loop for loop in prepared.loops if loop.label not in found), None)
    if missing is not None:
        raise SimulationError(
            f"{missing.file}:{missing.line}: the pipelined loop {missing.label} holds other loops after compiling, "
            "or nothing is left of it",
            "unroll the loops in it; call the function that it stands in",
        )
    return [found[loop.label] for loop in prepared.loops]


def schedule_loop(found: Found, delays: Delays, budget: float) -> LoopSchedule:
    """The schedule of one loop within a budget of nanoseconds a cycle."""
    body, source = found.body, found.source
    accesses = {access.node: access for access in body.accesses}
    store = delays.fixed("store")
    low, high = (
        Loop(make_problem(body, Costs(delays, found.widths, accesses, delays.fixed("merge", key)), store, source))
        for key in ("low_ns", "high_ns")
    )
    reporter = Reporter(source, body, found.widths, high.problem)
    forced, reason = high.forced(source.ii)
    slowest, longest = high.limit(forced), high.longest()
    over = high.over(forced, budget) if slowest.ns > budget else []
    period = max(budget, slowest.ns, longest.ns)
    if longest.recurrence is not None and longest.ns > budget:  # no cycle is long enough for it
        over.append((longest.ns, longest.recurrence))
        slowest = max(slowest, longest, key=lambda limit: limit.ns)
    times = high.schedule(forced, period + 1e-6)
    if isinstance(times, Recurrence):
        raise SimulationError(f"{source.file}:{source.line}: the loop {source.label} has no schedule", "report this")
    return LoopSchedule(
        label=source.label,
        file=source.file,
        line=source.line,
        function=source.function,
        ii=source.ii,
        forced_ii=forced,
        budget_ii=high.interval(forced, budget) if over else forced,
        depth=max(times.cycles) + 1,
        ns=round(slowest.ns, 3),
        low_ns=round(max(low.limit(forced).ns, longest.ns if longest.ns > budget else 0.0), 3),
        recurrence=None if slowest.recurrence is None else reporter.recurrence(slowest.ns, slowest.recurrence),
        over=reporter.distinct([reporter.recurrence(ns, recurrence) for ns, recurrence in over]),
        stages=reporter.stages(times),
        fault="" if reason is None else reporter.fault(reason, forced),
    )


__all__ = ["Found", "find_loops", "known_schedule", "schedule_design", "schedule_loop", "schedule_sources"]
