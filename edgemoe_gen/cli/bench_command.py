"""`edgemoe-gen bench`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import BenchArguments, BenchKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.failure import INTERRUPTED
from edgemoe_gen.cli.options import keyword_options
from edgemoe_gen.measuring.bench_page import latency_rows, power_rows, stream_rows, switch_text


@click.command("bench")
@click.argument("overlay", type=PATH)
@keyword_options(BenchKeywords, BenchArguments)
@json_option
@click.pass_context
def command(context: click.Context, /, keywords: BenchKeywords, overlay: Path, as_json: bool) -> None:
    """Measure an overlay on its board, beside the estimate of its build.

    OVERLAY is the name of an installed overlay, its folder, or a build's folder. Latency is measured
    frame by frame, by stage, without the first frames; a stream overlaps the stages. The cost of a task switch is the
    extra time of a frame after a frame of another task. Power is read from the board's rails, idle first. Ctrl-C shows
    the measurements so far.

    \b
    Examples:
      edgemoe-gen bench tiny_zcu104
      edgemoe-gen bench tiny_zcu104 --task depth --frames 1000 --seconds 60 --output bench.html
    """
    with output.progress() as progress:
        result = api.bench(overlay, progress=progress, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result)
    if not result.complete:
        context.exit(INTERRUPTED)


def _show(result: api.BenchResult) -> None:
    output.line(f"{result.overlay} {result.version} on the {result.board}: {result.tier}")
    rows = [row for one in result.latencies for row in latency_rows(one)]
    if rows:
        foretold = f">{result.estimate_tier or 'estimate'}"
        columns = ["task", "stage", ">median", ">5 %", ">95 %", ">frames", foretold, ">measured / estimate"]
        fit = output.Fit(("frames", "5 %", "95 %"))
        output.table("Latency, one frame after another", columns, rows, fit=fit)
    if result.throughput:
        columns = ["tasks", ">frames a second", ">a frame", ">frames"]
        output.table("Streaming, one task a frame", columns, stream_rows(result.throughput))
    if result.switch is not None:
        output.line(switch_text(result.switch))
    if power := power_rows(result.throughput):
        columns = ["tasks", "rail", ">idle", ">load", ">above idle", ">a frame, above idle", ">resolution"]
        title = "Power while streaming; idle: the overlay is loaded and its engine waits"
        output.table(title, columns, power, fit=output.Fit(("resolution",)))
