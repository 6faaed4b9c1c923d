"""Timing by the open schedule: it replaces the table's depths, and gives each write its own stage.

In: a schedule of the design's kernels. Out: a `Timing` that follows it, and differences from the table. A vendor's
report overrides both, see `vendor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.design import Design
from edgemoe_gen.scheduling.result import TIER, LoopSchedule, Schedule
from edgemoe_gen.scheduling.run import known_schedule
from edgemoe_gen.timing.differences import Difference
from edgemoe_gen.timing.table import LEAST_DEPTH, LoopTiming, Timing, load_timing
from edgemoe_gen.timing.vendor import with_csynth

SCHEDULE, TABLE = "schedule", "table"  # where depths come from
FLUSH, STALL = "flush", "stall"  # what a pipeline does that waits for an input


def known_timing(
    design: Design,
    sources: Mapping[str, str],
    *,
    depths: str = SCHEDULE,
    pipelines: str = FLUSH,
    ddr_gb_per_s: float | None = None,
    ddr_efficiency: float | None = None,
    csynth: Path | None = None,
) -> tuple[Timing, tuple[Difference, ...]]:
    """The timing of a design by the best source: C synthesis, else the schedule, else the table.

    Args:
        sources: rendered text of the design by path.
        depths: SCHEDULE, which is the table where the extra is not installed or no delays are known, or TABLE.
        pipelines: FLUSH or STALL.
        ddr_gb_per_s, ddr_efficiency: other figures than the board's.
        csynth: the vendor's report, or its folder.

    Returns:
        The timing, and every loop of the better source beside the table.

    Raises:
        NoTableError: no table has this device or clock.
        SimulationError: a loop of the sources is not in the table; or a recurrence forbids the interval of a loop.
        ConfigError: a choice is unknown, or the report has no loop of ours.
    """
    for name, said, choices in (("depths", depths, (SCHEDULE, TABLE)), ("pipelines", pipelines, (FLUSH, STALL))):
        if said not in choices:
            raise ConfigError(f"--{name} is '{said}'", f"give {' or '.join(choices)}")
    timing = load_timing(design, sources, ddr_gb_per_s=ddr_gb_per_s, ddr_efficiency=ddr_efficiency)
    timing = replace(timing, stalling=pipelines == STALL)
    rows: tuple[Difference, ...] = ()
    schedule = known_schedule(design, sources) if depths == SCHEDULE else None
    if schedule is not None:
        timing, rows = with_schedule(timing, schedule)
    return (timing, rows) if csynth is None else with_csynth(timing, csynth)


def with_schedule(timing: Timing, schedule: Schedule) -> tuple[Timing, tuple[Difference, ...]]:
    """The timing with intervals, depths and stages of a schedule; and every pipelined loop beside the table.

    Raises:
        SimulationError: the schedule writes a FIFO early that the table's design does not have.
    """
    loops: dict[str, LoopTiming] = dict(timing.loops)
    rows = []
    for found in schedule.loops:
        ours = loops.get(found.label)
        if ours is None or not ours.ii:
            continue
        loops[found.label] = loop = _scheduled(ours, found)
        rows.append(Difference(found.label, TIER, ours.ii, loop.ii, ours.depth, loop.depth))
    return replace(timing, loops=loops), tuple(rows)


def _scheduled(ours: LoopTiming, found: LoopSchedule) -> LoopTiming:
    """One loop. Its depth begins with the first read: an iteration waits for its inputs there."""
    begin = min((at["read"] for at in found.stages.values() if "read" in at), default=0)
    depth = max(found.depth - begin, LEAST_DEPTH)
    writes: dict[str, int] = {}
    for name, at in found.stages.items():
        if "write" in at:
            variable = name.partition("[")[0]
            writes[variable] = max(writes.get(variable, 1), at["write"] - begin)
    early = {variable: stage for variable, stage in writes.items() if stage < depth - 1}
    ii = max(found.ii, found.forced_ii)
    return replace(ours, ii=ii, depth=depth, writes=early, begin=begin, origin=TIER)
