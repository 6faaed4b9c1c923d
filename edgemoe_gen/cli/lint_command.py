"""`edgemoe-gen lint`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, knob_values, project_option
from edgemoe_gen.linting import RULES, TOP, LintResult
from edgemoe_gen.report.numbers import counted

BROKEN = 1


@click.command("lint", cls=HelpfulCommand)
@click.argument("folder", required=False, type=PATH)
@project_option("config")
@project_option("board")
@project_option("knobs")
@click.option("--rules", is_flag=True, help="List all rules with the guide that each comes from.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    folder: Path | None,
    config: Path | None,
    board: str | None,
    knobs: tuple[str, ...],
    rules: bool,
    as_json: bool,
) -> None:
    """Check rendered C++ against the rules of Vitis HLS, without Vitis.

    Checks the sources in FOLDER, which `generate` or `build` has written; without FOLDER, the sources of the board and
    the knobs. Exit code 1 if a rule is broken, 2 if there is nothing to check.

    \b
    Examples:
      edgemoe-gen lint --board kv260 --knob tokens_parallel=2
      edgemoe-gen lint build
    """
    if rules:
        _show_rules(as_json)
        return
    if folder is not None and (board or knobs or config):
        raise click.UsageError("FOLDER has its board and knobs already: leave out --board, --knob and --config")
    result = api.lint(folder, config=config, board=board, knobs=knob_values(knobs))
    if as_json:
        output.as_json(asdict(result))
    else:
        _show(result)
    if result.findings:
        context.exit(BROKEN)


def _show(result: LintResult) -> None:
    looked = (
        f"{result.rules} rules, {result.pragmas} pragmas, {result.functions} functions reachable from {TOP}, "
        f"{result.loops} loops, {result.streams} streams"
    )
    if not result.findings:
        output.line(f"no findings: {looked}")
        return
    output.line(f"{counted(len(result.findings), 'finding')}: {looked}")
    rows = [(f"{found.file}:{found.line}", found.rule, found.message, found.source) for found in result.findings]
    output.table("What Vitis HLS would refuse, ignore or build wrongly", ["place", "rule", "finding", "source"], rows)


def _show_rules(as_json: bool) -> None:
    if as_json:
        output.as_json([asdict(rule) for rule in RULES])
    else:
        rows = [(rule.name, rule.meaning, rule.source) for rule in RULES]
        output.table("Rules", ["rule", "what it asks for", "source"], rows)
