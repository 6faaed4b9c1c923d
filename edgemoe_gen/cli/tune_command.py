"""`edgemoe-gen tune`."""

from __future__ import annotations

from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.failure import INTERRUPTED
from edgemoe_gen.cli.options import (
    PATH,
    HelpfulCommand,
    checkpoint_argument,
    config_option,
    json_option,
    network_options,
    spec_options,
)
from edgemoe_gen.cli.tuning_view import (
    CELLS,
    LEGEND,
    choices,
    differences,
    front_rows,
    picture_options,
    rejected_lines,
    watching,
    workers_options,
)
from edgemoe_gen.tuning.front import FRONT
from edgemoe_gen.tuning.trial import SYNTHESIS


@click.command("tune", short_help="Search designs: a front of latency, error, resources.", cls=HelpfulCommand)
@checkpoint_argument()
@network_options
@config_option
@click.option("--board", help="Board: a name of `edgemoe-gen boards`, or a board file [default: zcu104].")
@click.option(
    "--knob", "knobs", multiple=True, metavar="NAME=A[,B...]",
    help="Values to try of a knob, such as tokens_parallel=2,4,6; one value fixes it; repeatable. Knobs that are not "
    "named take the values of the default space, or follow from network and board.",
)  # fmt: skip
@picture_options
@click.option(
    "--objective", default=FRONT[0], show_default=True,
    help="What the front is ordered by: latency, throughput, energy, error, dsp, memory, ddr_bytes, lut.",
)  # fmt: skip
@click.option(
    "--front", default=",".join(FRONT), show_default=True, metavar="A,B,...", help="All objectives of the front."
)
@click.option(
    "--limit", multiple=True, metavar="FIGURE=BOUND",
    help="Refuse points beyond: dsp=0.8 (a share of the board), uram=80 (a count), latency_ms=3, error=1e-5; "
    "repeatable.",
)  # fmt: skip
@click.option("--budget", metavar="TIME", help="Wall time: 90s, 10m, 1h [default: 2m, without --trials].")
@click.option("--trials", type=int, help="Feasible points to estimate [default: 128, or as many as the budget allows].")
@click.option(
    "--confirm", type=int, default=8, show_default=True, help="Points of the front to simulate at most, best first."
)
@click.option(
    "--tier", default="csim", show_default=True,
    help="How far they climb: estimate, timed (timed simulation), csim (C simulation too).",
)  # fmt: skip
@click.option(
    "--synthesise", type=int, default=0, metavar="N",
    help="Then synthesise the first N confirmed points with the vendor's tools (Vitis), hours each, beyond the budget "
    "[default: 0].",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sampler.")
@workers_options
@click.option(
    "--output", type=PATH, default="tune", show_default=True, help="Folder of results; a search in it goes on."
)
@click.option("--storage", metavar="URL", help="Database instead of the folder's journal, such as sqlite:///search.db.")
@click.option("--apply", type=int, metavar="N", help="Write point N of the front into edgemoe.toml.")
@json_option
@click.pass_context
def command(context: click.Context, /, knobs: tuple[str, ...], front: str, as_json: bool, **given: Any) -> None:
    """Search knobs for a checkpoint and board: a Pareto front over latency, error, DSP, memory and DDR traffic.

    Points that break a rule or a limit are rejected before anything is evaluated. The others get an estimate; those on
    the front climb on to the timed simulation, and to C simulation for the error on your pictures; with --synthesise
    the first of them to C synthesis by the vendor's tools, for resources and the clock. Ctrl-C keeps what was found;
    the same command goes on where it stopped. Without CHECKPOINT it takes M3ViT tiny with random weights.
    Exit codes: 2 something that you can mend; 3 a vendor's tool failed, all else was found and is kept.

    \b
    Examples:
      edgemoe-gen tune checkpoint.pth.tar --spec spec.toml --image images/ --budget 10m --limit dsp=0.8
      edgemoe-gen tune --knob tokens_parallel=2,4,6,8 --knob weight_bits=8,12,16 --objective energy
      edgemoe-gen tune --apply 3                     (write point 3 of the front into edgemoe.toml)
      edgemoe-gen tune --jobs 8 --trials 2000
      edgemoe-gen tune --synthesise 3                (with Vitis on PATH; --scheduler for many at once)
    """
    options = spec_options(given)
    names = tuple(name.strip() for name in front.split(",") if name.strip())
    with watching() as (watch, progress):
        result = api.tune(
            given.pop("checkpoint"), options=options, knobs=choices(knobs), front=names, progress=progress,
            watch=watch, **given,
        )  # fmt: skip
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.document)
    else:
        _show(result)
    if result.state.stopped == "interrupted":
        output.note("interrupted: what was found is kept, the same command goes on")
        context.exit(INTERRUPTED)
    if result.failed:
        many = f"{len(result.failed)} point{'s' if len(result.failed) > 1 else ''} of the front"
        output.note(f"{many} could not be synthesised; what was found is kept, the same command tries again")
        raise result.failed[0]


def _show(result: api.TuneResult) -> None:
    state = result.state
    columns = ["", *CELLS, "unlike the default design"]
    output.table(f"Front of {len(result.front)} ({LEGEND})", columns, front_rows(result.front, result.default))
    rejected_lines(state.rejected, len(state.outcomes))
    for outcome in state.outcomes.values():
        if outcome.tier == SYNTHESIS and not outcome.feasible:
            output.line(f"synthesised, but infeasible ({differences(outcome, result.default)}): {outcome.detail}")
    if state.resumed:
        output.line(f"resumed: {state.resumed:,} points were known from an earlier run")
    for entry in result.document["front"]:
        if "synthesis" in entry:
            output.line(f"synthesis of point {entry['number']}: {entry['synthesis']}")
    for path in result.written:
        output.line(f"written: {path}")
    output.line(_headline(result))


def _headline(result: api.TuneResult) -> str:
    tried = f"{len(result.state.outcomes):,} points tried"
    if not result.front:
        return f"{tried}, none is feasible"
    best = result.front[0]
    latency = best.figures["latency_ms"]
    text = f"point 1: {latency.value:.3f} ms {best.latency_words} ({latency.tier})"
    own = None if result.default is None else result.default.figures.get("latency_ms")
    if own is not None and result.default is not None:
        whole = f" {result.default.latency_words}" if result.default.frames != best.frames else ""
        text += f", the default design {own.value:.3f} ms{whole} ({own.tier})"
    return f"{text} · {tried} · ended by: {result.state.stopped}"
