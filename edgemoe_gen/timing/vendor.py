"""Timing by C synthesis: it replaces the table's interval and depth, and the differences are shown.

In: a csynth XML report, or a folder of them. Out: a `Timing` that follows the vendor for all loops of the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.flow.reports.csynth import Loop, read_csynth
from edgemoe_gen.timing.differences import Difference
from edgemoe_gen.timing.table import LEAST_DEPTH, LoopTiming, Timing

VENDOR = "C synthesis"


def with_csynth(timing: Timing, path: Path) -> tuple[Timing, tuple[Difference, ...]]:
    """The timing by C synthesis, and every pipelined loop that both sources know, side by side.

    If several modules have a loop, the slowest counts.

    Args:
        timing: of the table or a schedule.
        path: a csynth XML file, or a folder of them.

    Raises:
        ConfigError: there is no readable report, or none of its loops is ours.
    """
    found: dict[str, tuple[int, int]] = {}
    for loop in _loops(path):
        ours = timing.loops.get(loop.name)
        depth = loop.iteration.most
        if ours is None or not ours.ii or loop.ii is None or depth is None:
            continue
        ii, deepest = found.get(loop.name, (0, 0))
        found[loop.name] = max(ii, loop.ii), max(deepest, depth, LEAST_DEPTH)
    if not found:
        raise ConfigError(
            f"{path} has no pipelined loop of this design",
            "give the csynth.xml of this design's C synthesis, or the folder syn/report of its solution",
        )
    loops: dict[str, LoopTiming] = {}
    rows = []
    for label, ours in timing.loops.items():
        if label not in found:
            loops[label] = ours
            continue
        ii, depth = found[label]
        writes = {fifo: min(stage, depth - 1) for fifo, stage in ours.writes.items()}  # a report gives no stages
        loops[label] = replace(ours, ii=ii, depth=depth, origin=VENDOR, writes=writes)
        rows.append(Difference(label, VENDOR, ours.ii, ii, ours.depth, depth))
    return replace(timing, loops=loops), tuple(rows)


def _loops(path: Path) -> Iterator[Loop]:
    files = sorted(path.glob("*csynth.xml")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path} holds no *csynth.xml", "give the folder syn/report of the solution")
    for file in files:
        report = read_csynth(file)
        modules = (report.module, *report.modules)
        if report.module is None and not report.modules:
            why = "; ".join(report.warnings) or "no module in it"
            raise ConfigError(f"{file} is not a report of C synthesis: {why}", "give a *csynth.xml")
        for module in modules:
            if module is not None:
                yield from module.loops
