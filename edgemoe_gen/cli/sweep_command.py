"""`edgemoe-gen sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import SweepArguments, SweepKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, choices, keyword_options
from edgemoe_gen.cli.tuning_view import (
    CELLS,
    NARROWER,
    PICTURE_TEXTS,
    legend,
    outcome_cells,
    rejected_lines,
)
from edgemoe_gen.tuning.sweep import followed

MOST_ROWS = 200  # on the screen; a file has all


@click.command("sweep", cls=HelpfulCommand)
@checkpoint_argument()
@click.option(
    "--knob", "knobs", multiple=True, required=True, metavar="NAME=A[,B...]",
    help="Values of a knob; repeatable: all combinations are evaluated.",
)  # fmt: skip
@keyword_options(SweepKeywords, SweepArguments, texts=PICTURE_TEXTS)
@json_option
def command(keywords: SweepKeywords, checkpoint: Path | None, knobs: tuple[str, ...], as_json: bool) -> None:
    """Evaluate every combination of some knobs' values; all other knobs follow from network and board.

    Without CHECKPOINT it takes M3ViT tiny with random weights: cycles and resources are the same, errors mean little.

    \b
    Examples:
      edgemoe-gen sweep --knob tokens_parallel=1,2,3,4,5,6 --knob weight_bits=8,16 --output grid.csv
      edgemoe-gen sweep checkpoint.pth.tar --spec spec.toml --image images/ --knob weight_bits=8,12,16 --tier csim
    """
    with output.progress() as progress:
        result = api.sweep(checkpoint, knobs=choices(knobs), progress=progress, **keywords)
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
        f"{len(feasible):,} feasible points of {len(result.outcomes):,} ({legend(feasible)})",
        [*names, *CELLS, *(f">{name}" for name in others)], rows, fit=output.Fit((*reversed(others), *NARROWER)),
    )  # fmt: skip
    if others:
        output.line(f"not in the grid, but not the same in all rows, as they follow from it: {', '.join(others)}")
    if len(feasible) > MOST_ROWS:
        output.line(f"{len(feasible) - MOST_ROWS:,} more: write them with --output grid.csv")
    rejected_lines(result.outcomes)
    for path in result.written:
        output.line(f"written: {path}")
