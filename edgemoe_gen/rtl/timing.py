"""Timing for the timed simulation with which it counts the cycles of an engine in RTL.

In: the modules with their regions and stages. Out: a `Timing` with RTL's own depths instead of another schedule's, and
with the cycles that state machines, handshakes and AXI masters take. Each constant follows from a module of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.process import Process, Stages
from edgemoe_gen.timing.table import LEAST_DEPTH, LoopTiming, Timing

TIER = "RTL"
CONTROL = "_control"  # the process of a function that starts others
CONSTANTS = {
    "process_start": 1,  # a start is taken by IDLE: the first region begins in the next cycle (process.py)
    # `ap_done` comes when a process has left its last region; the region keeps it in a register (structure.py), which
    # the caller sees in the cycle after.
    "region_end": 2,
    "loop_skip": 2,  # the state of the loop finds that it leaves; the next one that nothing is under way
    "loop_end": 1,  # the state behind a loop finds that nothing is under way any more
    "burst_start": 3,  # FIFO of requests, burst, address on the bus (axi_bursts.sv, axi_read.sv)
    "burst_next": 1,  # room is counted in a register
    "acknowledged": 1,  # a run has ended when memory has acknowledged all that it wrote (top.py)
}


def with_rtl(timing: Timing, modules: Mapping[str, Process]) -> Timing:
    """A timing that follows made modules.

    Args:
        timing: timing of the same design: its loops, FIFOs and memory.
        modules: all modules of the engine.

    Raises:
        SimulationError: a loop of the modules is not in the design.
    """
    # A loop without a pipeline is pieces and loops, whose cycles are known.
    loops = {label: loop if loop.ii else replace(loop, states=1) for label, loop in timing.loops.items()}
    between: dict[tuple[str, str, str], int] = {}
    for name, module in modules.items():
        process = name.removesuffix(CONTROL)
        for stages in module.stages:
            if stages.is_loop:
                loops[stages.name] = _loop(loops, stages)
        heads = _heads(module.stages)
        for place, start in [*_places(module.stages), *(("again", head) for head in sorted(heads))]:
            for other, cycles in _reached(module.stages, heads, start):
                key = (process, place, other)
                between[key] = max(between.get(key, 0), cycles)
    constants = {**timing.constants, **CONSTANTS}
    return replace(timing, loops=loops, constants=constants, between=between)


def _loop(loops: Mapping[str, LoopTiming], stages: Stages) -> LoopTiming:
    ours = loops.get(stages.name)
    if ours is None or not ours.ii:
        raise SimulationError(
            f"the loop {stages.name} of the RTL is no pipelined loop of the design",
            "this is a fault of edgemoe-gen: please report it",
        )
    begin = stages.reads or 0
    depth = max(stages.depth - begin, LEAST_DEPTH)
    writes = {variable: max(1, stage - begin) for variable, stage in stages.writes.items()}
    early = {variable: stage for variable, stage in writes.items() if stage < depth - 1}
    return replace(ours, ii=1, depth=depth, writes=early, begin=begin, origin=TIER)


def _places(stages: Sequence[Stages]) -> Iterator[tuple[str, int | None]]:
    """Places of a process that something follows, with the region that does."""
    if stages:
        yield "start", 0
    for region in stages:
        for place in [region.name] if region.is_loop else region.calls:
            for follows in dict.fromkeys(region.follow):
                yield place, follows


def _heads(stages: Sequence[Stages]) -> frozenset[int]:
    """Pieces that begin a loop of states: where a way over pieces alone comes round, as the process meets it first."""
    heads: set[int] = set()

    def follow(region: int | None, way: tuple[int, ...]) -> None:
        if region is None or stages[region].is_loop:
            return
        if region in way:
            if not heads.intersection(way[way.index(region) :]):
                heads.add(region)
            return
        for follows in dict.fromkeys(stages[region].follow):
            follow(follows, (*way, region))

    for _, start in _places(stages):
        follow(start, ())
    return frozenset(heads)


def _reached(
    stages: Sequence[Stages], heads: frozenset[int], region: int | None, cycles: int = 0,
    passed: frozenset[int] = frozenset(),
) -> Iterator[tuple[str, int]]:  # fmt: skip
    """The next places from the beginning of a region on, with the cycles until then.

    Args:
        heads: of loops of states; one that is met again is an iteration without a place.
        cycles, passed: of the pieces before; the heads among them.
    """
    if region is None:
        yield "end", cycles
        return
    found = stages[region]
    if found.is_loop:
        yield found.name, cycles
        return
    if region in passed:
        yield "again", cycles
        return
    for callee in found.calls:  # from the last stage, which holds until the module has ended
        yield callee, cycles + found.depth - 1
    for follows in dict.fromkeys(found.follow):
        yield from _reached(stages, heads, follows, cycles + found.depth, passed | ({region} & heads))


__all__ = ["CONSTANTS", "with_rtl"]
