"""`edgemoe-gen bench`."""

from __future__ import annotations

from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.failure import INTERRUPTED
from edgemoe_gen.measuring.bench_page import latency_rows, power_rows, stream_rows, switch_text


@click.command("bench")
@click.argument("overlay", type=PATH)
@click.option("--task", multiple=True, help="Task to measure; repeatable [default: all].")
@click.option(
    "--image", multiple=True, type=PATH,
    help="Picture or folder to run in turn; repeatable [default: the overlay's own picture].",
)  # fmt: skip
@click.option("--frames", type=int, help="Frames of each measurement [default: 100; 5 if simulated].")
@click.option(
    "--seconds", type=float, default=10.0, show_default=True,
    help="Time that a measurement may take; so long frames stream while power is read.",
)  # fmt: skip
@click.option("--simulated", is_flag=True, help="On the simulated board, whose times are those of C simulation.")
@click.option("--output", type=PATH, help="Write the result as a page too (.html).")
@json_option
@click.pass_context
def command(context: click.Context, /, as_json: bool, **given: Any) -> None:
    """Measure an overlay on its board, beside the estimate of its build.

    OVERLAY is the name of an installed overlay, its folder, or a build's folder. Latency is that of one frame after
    another, by stage, without the first frames; a stream overlaps the stages. A task switch is what a frame takes
    longer if the last one was of another task. Power is read from the board's rails, idle first. Ctrl-C shows what has
    been measured so far.

    \b
    Examples:
      edgemoe-gen bench m3vit_zcu104
      edgemoe-gen bench m3vit_zcu104 --task depth --frames 1000 --seconds 60 --output bench.html
    """
    with output.progress() as progress:
        result = api.bench(given.pop("overlay"), progress=progress, **given)
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
        output.table("Latency, one frame after another", columns, rows)
    if result.throughput:
        columns = ["tasks", ">frames a second", ">a frame", ">frames"]
        output.table("Streaming, one task a frame", columns, stream_rows(result.throughput))
    if result.switch is not None:
        output.line(switch_text(result.switch))
    if power := power_rows(result.throughput):
        columns = ["tasks", "rail", ">idle", ">load", ">above idle", ">a frame, above idle", ">resolution"]
        output.table("Power while streaming; idle: the overlay is loaded and its engine waits", columns, power)
