"""`edgemoe-gen sweep`."""

from __future__ import annotations

from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, config_option, network_options, spec_options
from edgemoe_gen.cli.tuning_view import (
    CELLS,
    LEGEND,
    NARROWER,
    choices,
    outcome_cells,
    picture_options,
    rejected_lines,
    workers_options,
)
from edgemoe_gen.tuning.sweep import followed

MOST_ROWS = 200  # on the screen; a file has all


@click.command("sweep", cls=HelpfulCommand)
@checkpoint_argument()
@network_options
@config_option
@click.option("--board", help="Board: a name of `edgemoe-gen boards`, or a board file [default: zcu104].")
@click.option(
    "--knob", "knobs", multiple=True, required=True, metavar="NAME=A[,B...]",
    help="Values of a knob; repeatable: all combinations are evaluated.",
)  # fmt: skip
@picture_options
@click.option("--limit", multiple=True, metavar="FIGURE=BOUND", help="Refuse points beyond, such as dsp=0.8.")
@click.option(
    "--tier", default="estimate", show_default=True,
    help="How far every point climbs: estimate, timed (timed simulation), csim (C simulation too, for errors).",
)  # fmt: skip
@workers_options
@click.option("--output", type=PATH, metavar="FILE.csv", help="Write all points, as .csv or .json.")
@json_option
def command(knobs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Evaluate every combination of some knobs' values; all other knobs follow from network and board.

    Without CHECKPOINT it takes M3ViT tiny with random weights: cycles and resources are the same, errors mean little.

    \b
    Examples:
      edgemoe-gen sweep --knob tokens_parallel=1,2,3,4,5,6 --knob weight_bits=8,16 --output grid.csv
      edgemoe-gen sweep checkpoint.pth.tar --spec spec.toml --image images/ --knob weight_bits=8,12,16 --tier csim
    """
    options = spec_options(given)
    with output.progress() as progress:
        result = api.sweep(given.pop("checkpoint"), options=options, knobs=choices(knobs), progress=progress, **given)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.document)
        return
    feasible = [outcome for outcome in result.outcomes if outcome.feasible]
    others = followed(feasible)
    rows = [
        [*(f"{value:g}" for _, value in o.point.values), *outcome_cells(o), *(f"{o.knobs[name]:g}" for name in others)]
        for o in feasible[:MOST_ROWS]
    ]
    names = [f">{dimension.name}" for dimension in result.space.dimensions]
    output.table(
        f"{len(feasible):,} feasible points of {len(result.outcomes):,} ({LEGEND})",
        [*names, *CELLS, *(f">{name}" for name in others)], rows, fit=output.Fit((*NARROWER, *others)),
    )  # fmt: skip
    if others:
        output.line(f"not in the grid, but not the same in all rows, as they follow from it: {', '.join(others)}")
    if len(feasible) > MOST_ROWS:
        output.line(f"{len(feasible) - MOST_ROWS:,} more: write them with --output grid.csv")
    rejected_lines(result.outcomes)
    for path in result.written:
        output.line(f"written: {path}")
