"""`edgemoe-gen tune`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.tuning_arguments import TuneArguments, TuneKeywords
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.failure import INTERRUPTED
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.cli.tuning_view import (
    PICTURE_TEXTS,
    differences,
    front_table,
    headline,
    rejected_lines,
    watching,
)
from edgemoe_gen.report.numbers import counted, plain
from edgemoe_gen.tuning.front import FIGURES, figure_title
from edgemoe_gen.tuning.trial import SYNTHESIS

WITH_APPLY = ("apply", "output", "config", "as_json")


class TuneCommand(HelpfulCommand):
    """`tune --apply` writes a point of the last search: it searches nothing and reads no options of a search."""

    def invoke(self, ctx: click.Context) -> object:
        """Applies, or searches."""
        number: int | None = ctx.params.pop("apply")
        if number is not None:
            _apply(ctx, number)
            return None
        return super().invoke(ctx)


@click.command("tune", cls=TuneCommand)
@checkpoint_argument()
@keyword_options(TuneKeywords, TuneArguments, texts=PICTURE_TEXTS)
@click.option(
    "--apply", type=int, metavar="N",
    help="Search nothing: write point N of the last search in --output into edgemoe.toml (or --config).",
)  # fmt: skip
@json_option
@click.pass_context
def command(context: click.Context, /, keywords: TuneKeywords, checkpoint: Path | None, as_json: bool) -> None:
    """Search knobs for a checkpoint and board: a Pareto front over latency, error, DSP, memory and DDR traffic.

    Points that break a rule or a limit are rejected before anything is evaluated. The others get an estimate. Points of
    the front climb to the timed simulation, and to C simulation for the error on your pictures. With --synthesise, the
    first of them climb to C synthesis by the vendor's tools, for resources and the clock. Ctrl-C keeps all results, and
    the same command continues where it stopped. Without CHECKPOINT, tune takes M3ViT tiny with random weights.
    Exit codes: 2 a mistake that you can fix; 3 a vendor's tool failed, all other results are kept.

    \b
    Examples:
      edgemoe-gen tune checkpoint.pth.tar --spec spec.toml --image images/ --budget 10m --limit dsp=0.8
      edgemoe-gen tune --knob tokens_parallel=2,4,6,8 --knob weight_bits=8,12,16 --objective energy
      edgemoe-gen tune --apply 3                     (write point 3 of the front into edgemoe.toml)
      edgemoe-gen tune --jobs 8 --trials 2000
      edgemoe-gen tune --synthesise 3                (with Vitis on PATH; --scheduler for many at once)
    """
    with watching() as (watch, progress):
        result = api.tune(checkpoint, progress=progress, watch=watch, **keywords)
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


def _apply(context: click.Context, number: int) -> None:
    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in WITH_APPLY and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            word = parameter.opts[0] if isinstance(parameter, click.Option) else "CHECKPOINT"
            raise ConfigError(
                f"--apply writes a point of the last search and searches nothing, so it takes no {word}",
                "it takes --output, --config and --json; search first, without --apply",
            )
    folder: Path = context.params["output"]
    result = api.apply_tuned(number, output=folder, config=context.params["config"])
    if context.params["as_json"]:
        output.as_json(result.as_dict())
        return
    for text in result.notes:
        output.note(text)
    figures = result.outcome.figures
    rows = [(figure_title(name, figures), plain(f.value), f.tier) for name, f in figures.items() if name in FIGURES]
    output.table(f"Point {number}", ["figure", ">value", "tier"], rows)
    for name, before, now in result.changes:
        was = "as the design needs" if before is None else format(before, "g")
        output.line(f"{name}: {was} -> {now:g}" if before != now else f"{name}: {now:g}, as before, but held")
    keys = f"{len(result.changes)} key" + ("" if len(result.changes) == 1 else "s")
    output.line(f"{keys} written; all else follows from network and board, as in a build without them")
    output.line(f"{'written' if result.new else 'changed'}: {result.path}, point {number} of {folder}")


def _show(result: api.TuneResult) -> None:
    state = result.state
    if result.front:
        front_table(result.front, result.default, result.document["tasks"])
    rejected_lines(list(state.outcomes.values()))
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
    if not state.outcomes:
        output.line("no point was tried")
        return
    best = headline(result.front, result.default, result.document["objectives"], result.document["plan"]["tier"])
    output.line(f"{best} · {counted(len(state.outcomes), 'point')} tried · ended by: {state.stopped}")
