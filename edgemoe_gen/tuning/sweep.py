"""A full grid: every point of a space to one tier, for plots; as rows of CSV or JSON.

Rows are in the order of the space, whatever the order of evaluation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.tuning.front import FIGURES
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.trial import ESTIMATE, Outcome

MOST_POINTS = 100_000


def run_sweep(space: Space, tier: str, runner: Runner, watch: Callable[[int, int], object]) -> tuple[Outcome, ...]:
    """Evaluates every point. After an interruption, gives the finished points, in the order of the space.

    Args:
        space: the grid.
        tier: tier to which every feasible point climbs.
        runner: runner of the points.
        watch: called with points done and points in all.

    Raises:
        KnobError: the grid is absurdly large.
    """
    if space.size > MOST_POINTS:
        raise KnobError(
            f"the grid has {space.size:,} points, more than {MOST_POINTS:,}",
            "name fewer values, or search it: edgemoe-gen tune",
        )
    points = list(space.points())
    found: dict[int, Outcome] = {}
    try:
        for number, outcome in runner.results([Call("outcome", (p, tier), heavy=tier != ESTIMATE) for p in points]):
            found[number] = outcome
            watch(len(found), len(points))
    except KeyboardInterrupt:
        if not found:
            raise
    return tuple(found[number] for number in sorted(found))


def followed(outcomes: Sequence[Outcome]) -> list[str]:
    """Knobs outside the grid that differ between its outcomes, because they follow from knobs of the grid."""
    if not outcomes:
        return []
    grid, first = outcomes[0].point.as_dict(), outcomes[0].knobs
    return [name for name in first if name not in grid and any(o.knobs[name] != first[name] for o in outcomes)]


def to_csv(outcomes: Sequence[Outcome]) -> str:
    """One line for each point: choices, whether it is feasible, the reason if not, every figure and its tier."""
    names = list(outcomes[0].point.as_dict()) if outcomes else []
    figures = [name for name in FIGURES if any(name in outcome.figures for outcome in outcomes)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [column for name in figures for column in (name, f"{name}_tier")]
    writer.writerow([*names, "feasible", "reason", "tier", *columns])
    for outcome in outcomes:
        values = outcome.point.as_dict()
        cells = []
        for name in figures:
            figure = outcome.figures.get(name)
            cells += ["", ""] if figure is None else [repr(figure.value), figure.tier]
        row = [*(values[name] for name in names), int(outcome.feasible), outcome.reason, outcome.tier]
        writer.writerow([*row, *cells])
    return text.getvalue()
