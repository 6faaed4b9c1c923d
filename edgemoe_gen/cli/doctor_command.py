"""`edgemoe-gen doctor`."""

from __future__ import annotations

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option


@click.command("doctor")
@click.option("--board", help="Look at what this board needs: a name of `edgemoe-gen boards`, or a board file.")
@json_option
def command(board: str | None, as_json: bool) -> None:
    """Look at this machine: what each stage needs, what is there, and what to do about each gap.

    Changes nothing. Vendor tools are needed from synthesis on, not before. They are looked for on PATH, then by the
    variables of AMD's settings64.sh, then in the usual install folders, or in those of EDGEMOE_TOOLS.

    \b
    Examples:
      edgemoe-gen doctor
      edgemoe-gen doctor --board kv260
    """
    found = api.doctor(board) if board else api.doctor()
    if as_json:
        output.as_json(found.as_dict())
        return
    ready = [name for name, stage in found.stages.items() if stage.ready]
    gaps = [name for name, stage in found.stages.items() if not stage.ready]
    output.line(f"ready: {', '.join(ready) or 'nothing'}" + (f"; not here: {', '.join(gaps)}" if gaps else ""))
    rows = [(check.name, check.status, check.found, check.needed_for) for check in found.checks]
    output.table("This machine", ["what", "status", "found", "needed for"], rows)
    stages = [
        (name, "yes" if stage.ready else "no", stage.uses or stage.missing) for name, stage in found.stages.items()
    ]
    output.table("Stages", ["stage", "ready", "would use, or lacks"], stages)
    for advice in dict.fromkeys(check.advice for check in found.checks if check.advice):
        names = ", ".join(check.name for check in found.checks if check.advice == advice)
        output.line(f"{names}: {advice}")
