"""`edgemoe-gen csim`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import CsimArguments, CsimKeywords
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.report.numbers import counted, error, seconds
from edgemoe_gen.sim.kernels import KERNELS, CaseResult

BROKEN = 1


@click.command("csim", cls=HelpfulCommand)
@checkpoint_argument()
@click.option(
    "--kernel",
    multiple=True,
    help=f"Kernel to check: {', '.join(KERNELS)}; repeatable [default: all kernels of the design].",
)
@keyword_options(
    CsimKeywords, CsimArguments, texts={"image": "Picture that inputs are recorded from, with CHECKPOINT."}
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    keywords: CsimKeywords,
    checkpoint: Path | None,
    kernel: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the kernels of a design in C simulation against float64, for CI; no vendor tool needed.

    Every kernel runs at the design's own sizes and widths on random and extreme inputs; with CHECKPOINT and --image
    also on inputs recorded from the network. Each case has its own error bound. Exit code 1 if a bound is broken.

    \b
    Examples:
      edgemoe-gen csim --board zcu104 --junit kernels.xml
      edgemoe-gen csim --kernel softmax --kernel gelu --knob exp_segments=64
    """
    with output.progress() as progress:
        progress("compiling the engine and checking kernels", 0, 1)
        done = 0

        def show(_: CaseResult) -> None:
            nonlocal done
            done += 1
            progress("cases", done, done)

        result = api.csim(checkpoint, kernel=kernel, progress=show, **keywords)
    for text in result.notes:
        output.note(text)
    if as_json:
        cases = [{**asdict(case), "passed": case.passed} for case in result.cases]
        output.as_json({"design": f"{result.design.identity:016x}", "tier": "C simulation", "passed": result.passed,
                        "cases": cases})  # fmt: skip
    else:
        _show(result)
    if not result.passed:
        context.exit(BROKEN)


def _show(result: api.CsimResult) -> None:
    rows = [(c.kernel, c.case, c.inputs, *_outcome(c)) for c in result.cases]
    columns = ["kernel", "case", "inputs", ">largest error", ">bound", ">time", "outcome"]
    output.table("Kernels in C simulation; the error shown is the one that comes closest to its bound", columns, rows)
    for case in result.cases:
        if not case.passed:
            output.line(f"{case.kernel}, {case.case}: {case.where}")
    for reason in dict.fromkeys(case.skipped for case in result.cases if case.skipped):
        output.note(f"skipped: {reason}")
    ran = [case for case in result.cases if case.skipped is None]
    broken = sum(not case.passed for case in ran)
    summary = (
        f"{broken} of {len(ran)} cases broke their bound"
        if broken
        else f"all {counted(len(ran), 'case')} kept their bounds"
    )
    output.line(f"{summary} (C simulation, design {result.design.identity:016x})")


def _outcome(case: CaseResult) -> tuple[str, str, str, str]:
    if case.skipped is not None:
        return "–", "–", "", "skipped"
    return error(case.largest_error), error(case.bound), seconds(case.seconds), "ok" if case.passed else "BROKEN"
