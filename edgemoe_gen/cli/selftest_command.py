"""`edgemoe-gen selftest`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import chosen_engine, engine_option
from edgemoe_gen.report.numbers import count, counted, duration

BROKEN = 1


@click.command("selftest")
@click.argument("overlay", type=PATH)
@click.option("--simulated", is_flag=True, help="Run on the simulated board.")
@engine_option()
@json_option
@click.pass_context
def command(context: click.Context, /, overlay: Path, simulated: bool, as_json: bool) -> None:
    """Load an overlay and compare the chip's results with the simulated ones, byte for byte.

    OVERLAY is the name of an installed overlay, its folder, or a build's folder. The command
    compares the files with their checksums, the design on the chip with the overlay's, and every task's answer to a
    known picture with that of C simulation. Exit code 1: an answer is wrong; 2: the overlay or the board is wrong.

    \b
    Examples:
      edgemoe-gen selftest tiny_zcu104
      edgemoe-gen selftest build --simulated
      edgemoe-gen selftest build --engine rtl
    """
    with output.progress() as progress:
        result = api.selftest(overlay, simulated=simulated, engine=chosen_engine(), progress=progress)
    for text in result.notes:
        output.note(text)
    if as_json:
        output.as_json(result.as_dict())
    else:
        _show(result)
    if not result.passed:
        if result.failure:
            output.failure(result.failure, result.hint)
        context.exit(BROKEN)


def _show(result: api.SelftestResult) -> None:
    output.line(f"{result.overlay} {result.version}: {count(result.files)} files as packaged, design {result.identity}")
    for task in result.tasks:
        if task.passed:
            took = "" if task.seconds is None else f"  {duration(task.seconds)}"
            output.line(f"{task.task}: as expected{took}")
        else:
            output.line(f"{task.task}: {'not told' if task.passed is None else 'WRONG'}")
    if result.passed:
        output.line(f"all {counted(len(result.tasks), 'task')} as expected ({result.tier})")
