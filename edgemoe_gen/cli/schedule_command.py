"""`edgemoe-gen schedule`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.project.arguments import DesignKeywords
from edgemoe_gen.report.numbers import counted
from edgemoe_gen.scheduling.result import TIER, LoopSchedule, RecurrenceReport, Schedule

FAILED = 1


@click.command("schedule", cls=HelpfulCommand)
@checkpoint_argument()
@keyword_options(DesignKeywords)
@click.option("--loop", metavar="NAME", help="Only this loop, with every operation of its recurrences.")
@json_option
@click.pass_context
def command(
    context: click.Context, /, keywords: DesignKeywords, checkpoint: Path | None, loop: str | None, as_json: bool
) -> None:
    """Schedule the pipelined loops of a design's kernels, without the vendor's tool.

    For each loop: interval, depth, and the slowest recurrence in nanoseconds of the budget, with the lines that it
    passes. Delays are those of public schedule reports. Exit code 1 if a recurrence is over budget or a stated distance
    is too short; 2 without the extra `[schedule]`, which brings the compiler.

    \b
    Examples:
      edgemoe-gen schedule --board zcu104
      edgemoe-gen schedule --knob out_parallel=32 --loop multiply_steps
    """
    result = api.schedule(checkpoint, loop=loop, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result.schedule, loop is not None)
    if not result.passed:
        context.exit(FAILED)


def _show(schedule: Schedule, details: bool) -> None:
    if details:
        for loop in schedule.loops:
            _details(loop)
    rows = [
        (loop.label, _interval(loop), loop.depth, f"{loop.ns:.2f}", _share(loop, schedule), _places(loop.recurrence))
        for loop in schedule.loops
    ]
    columns = ["loop", ">II", ">depth", ">slowest recurrence, ns", ">of budget", "lines"]
    fit = output.Fit(wraps="lines", least=20)
    output.table(f"Pipelined loops at {schedule.clock_mhz:g} MHz ({TIER})", columns, rows, fit=fit)
    for loop in schedule.loops:
        if loop.fault:
            output.line(f"fault: {loop.fault}")
    budget = f"{schedule.budget_ns:.3f} ns of {schedule.part}"
    if schedule.failed:
        named = ", ".join(loop.label for loop in schedule.failed)
        output.line(f"{counted(len(schedule.failed), 'loop')} over the budget of {budget}: {named}")
    else:
        output.line(f"all {counted(len(schedule.loops), 'loop')} within the budget of {budget}")


def _interval(loop: LoopSchedule) -> str:
    return str(loop.ii) if loop.forced_ii == loop.ii else f"{loop.ii}, needs {loop.forced_ii}"


def _share(loop: LoopSchedule, schedule: Schedule) -> str:
    return f"{100 * loop.ns / schedule.budget_ns:.0f} %" + (" over" if loop.ns > schedule.budget_ns else "")


def _places(recurrence: RecurrenceReport | None) -> str:
    return "" if recurrence is None else " ".join(recurrence.places)


def _details(loop: LoopSchedule) -> None:
    for recurrence in loop.over or ((loop.recurrence,) if loop.recurrence else ()):
        rows = [
            (step.operation, step.bits or "", f"{step.ns:.2f}", step.cycles or "", step.place, step.inner)
            for step in recurrence.steps
        ]
        through = ", ".join(recurrence.carriers)
        title = f"{loop.label}: {recurrence.ns:.2f} ns a cycle over {counted(recurrence.iterations, 'iteration')}"
        columns = ["operation", ">bits", ">ns", ">cycles", "line", "in a helper"]
        output.table(f"{title}, through {through} ({TIER})", columns, rows)
    stages = [(name, *(at.get(kind, "") for kind in ("read", "write"))) for name, at in loop.stages.items()]
    output.table(f"{loop.label}: stages of {loop.depth} ({TIER})", ["FIFO or port", ">read", ">written"], stages)
