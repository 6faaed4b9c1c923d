"""`edgemoe-gen trace`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import TraceArguments, TraceKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.model.images import KINDS
from edgemoe_gen.pipeline.tracing import TraceRow
from edgemoe_gen.report.numbers import error, percent, plain

MOST_ROWS = 20


@click.command("trace", cls=HelpfulCommand)
@checkpoint_argument()
@click.option("--image", required=True, type=PATH, help=f"Picture: {KINDS}.")
@click.option(
    "--all", "every", is_flag=True, help=f"Show all tensors in the order of layers, not the {MOST_ROWS} worst."
)
@keyword_options(
    TraceKeywords,
    TraceArguments,
    texts={"calibrate": "Picture or folder for choosing binary points [default: the project's, else --image]."},
)
@json_option
def command(keywords: TraceKeywords, checkpoint: Path | None, image: Path, every: bool, as_json: bool) -> None:
    """Run one picture and show, layer by layer, where two runs differ: worst first.

    Without --against, the float reference is compared with the C simulation, and takes its experts. With --against, the
    reference is compared with tensors of your own code, saved as numpy.savez("mine.npz", **{"blocks.0.output": ...}).

    --output writes the reference's tensors. Yours must have the same names and shapes: embed, blocks.I.norm1, .q, .k,
    .v, .scores, .attention, .middle, .output and so on; tokens is the last block's output, output the task's.

    \b
    Examples:
      edgemoe-gen trace checkpoint.pth.tar --spec spec.toml --image street.png --task semseg
      edgemoe-gen trace checkpoint.pth.tar --spec spec.toml --image street.png --task semseg --against mine.npz
    """
    with output.progress() as progress:
        result = api.trace(checkpoint, image=image, progress=progress, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(asdict(result))
        return
    shown = result.rows if every else result.worst[:MOST_ROWS]
    columns = ["tensor", "shape", ">relative error (RMS)", ">largest", ">at", ">there"]
    routed = any(row.routes is not None for row in shown)
    output.table(
        f"{result.task}: {result.ours} / {result.theirs}, " + ("in order" if every else "worst first"),
        [*columns, ">same experts"] if routed else columns,
        [_cells(row)[: len(columns) + routed] for row in shown],
        fit=output.Fit(("there", "shape", "at")),
    )
    if not every and len(result.rows) > MOST_ROWS:
        output.line(f"{len(result.rows) - MOST_ROWS:,} more: --all")
    if result.missing:
        output.line(f"not in {result.theirs}: {', '.join(result.missing)}")


def _cells(row: TraceRow) -> tuple[str, ...]:
    return (
        row.name,
        " × ".join(map(str, row.shape)),
        error(row.error),
        plain(row.largest),
        ", ".join(map(str, row.where)),
        f"{plain(row.ours)} / {plain(row.theirs)}",
        "" if row.routes is None else percent(row.routes, 2),
    )
