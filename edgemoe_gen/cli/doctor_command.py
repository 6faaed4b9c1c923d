"""`edgemoe-gen doctor`."""

from __future__ import annotations

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.pipeline.diagnosis import ExtraFound, Stage


@click.command("doctor")
@click.option("--board", help="Check the needs of this board: a name of `edgemoe-gen boards`, or a board file.")
@json_option
def command(board: str | None, as_json: bool) -> None:
    """Check this machine: tools and packages of each stage and command, and what to do about missing ones.

    Changes nothing. Extras are the optional packages of edgemoe-gen: install those whose commands you use. Vendor tools
    are needed only from synthesis on. doctor looks on PATH, then at the variables of AMD's settings64.sh,
    then in the usual install folders, or in those of EDGEMOE_TOOLS.

    \b
    Examples:
      edgemoe-gen doctor
      edgemoe-gen doctor --board kv260
    """
    found = api.doctor(board) if board else api.doctor()
    if as_json:
        output.as_json(found.as_dict())
        return
    gaps = [name for name, stage in (found.stages | found.commands).items() if not stage.ready]
    ready = [name for name, stage in (found.stages | found.commands).items() if stage.ready]
    absent = [one.extra for one in found.extras if one.lacks]
    output.line(
        f"ready: {', '.join(ready) or 'nothing'}"
        + (f"; not here: {', '.join(gaps)}" if gaps else "")
        + (f"; extras not installed: {', '.join(extra.name for extra in absent)}" if absent else "")
    )
    rows = [(check.name, check.status, check.found, check.needed_for) for check in found.checks]
    output.table("This machine", ["what", "status", "found", "needed for"], rows)
    extras = [(one.extra.name, _lacks(one), one.extra.purpose, one.extra.needed_by) for one in found.extras]
    output.table("Extras", ["extra", "installed", "for", "needed by"], extras)
    for title, stages in (("Stages", found.stages), ("Commands", found.commands)):
        lines = [(name, "yes" if stage.ready else "no", _uses(stage)) for name, stage in stages.items()]
        output.table(title, [title[:-1].lower(), "ready", "would use, or lacks"], lines)
    for advice in dict.fromkeys(check.advice for check in found.checks if check.advice):
        names = ", ".join(check.name for check in found.checks if check.advice == advice)
        output.line(f"{names}: {advice}")
    for extra in absent:
        output.line(extra.advice)


def _lacks(one: ExtraFound) -> str:
    if not one.lacks:
        return "yes"
    return "no" if len(one.lacks) == len(one.extra.packages) else f"in part, without {', '.join(one.lacks)}"


def _uses(stage: Stage) -> str:
    return stage.uses if stage.ready else stage.missing or stage.uses
