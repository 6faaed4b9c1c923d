"""`edgemoe-gen doctor`."""

from __future__ import annotations

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.options import json_option


@click.command("doctor", short_help="Look at this machine: what is there, what is missing.")
@json_option
def command(as_json: bool) -> None:
    """Look at this machine: what each stage needs, what is there, and what to do about each gap.

    Changes nothing. Vendor tools are needed from synthesis on, not before.

    \b
    Example:
      edgemoe-gen doctor
    """
    found = api.doctor()
    if as_json:
        output.as_json(found.as_dict())
        return
    ready = [stage for stage, works in found.stages.items() if works]
    gaps = [stage for stage, works in found.stages.items() if not works]
    output.line(f"ready: {', '.join(ready) or 'nothing'}" + (f"; not here: {', '.join(gaps)}" if gaps else ""))
    rows = [(check.name, check.status, check.found, check.needed_for) for check in found.checks]
    output.table("This machine", ["what", "status", "found", "needed for"], rows)
    for advice in dict.fromkeys(check.advice for check in found.checks if check.advice):
        names = ", ".join(check.name for check in found.checks if check.advice == advice)
        output.line(f"{names}: {advice}")
