"""`edgemoe-gen import-results`."""

from __future__ import annotations

from pathlib import Path

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import PATH, json_option
from edgemoe_gen.cli.options import HelpfulCommand, project_option
from edgemoe_gen.report.numbers import seconds


@click.command("import-results", cls=HelpfulCommand)
@click.argument("folder", type=PATH)
@project_option("config")
@click.option("--output", "destination", type=PATH, help="Folder of the build [default: build].")
@json_option
def command(folder: Path, config: Path | None, destination: Path | None, as_json: bool) -> None:
    """Take the results of an exported FOLDER, which ran on a machine with the vendor's tools, into the build.

    The folder must come from this very build: every source and script is compared. The next `edgemoe-gen build`
    continues after the last imported stage. Differences between C synthesis and the design's assumptions (instances,
    initiation intervals, clock, resources, messages) are listed, worst first, and kept in differences.json.

    \b
    Example:
      edgemoe-gen build --export kit      (here)
      kit/run.sh                          (there; then copy kit back)
      edgemoe-gen import-results kit
      edgemoe-gen build
    """

    def show(stage: api.StageResult) -> None:
        if not as_json:
            output.line(f"{stage.name:<9} {seconds(stage.seconds):>8}  {stage.detail}")

    result = api.import_results(folder, config=config, output=destination, on_stage=show)
    for text in result.notes:
        output.note(text)
    if as_json:
        stages = [stage.name for stage in result.stages]
        found = result.differences
        output.as_json(
            {
                "output": str(result.output),
                "stages": stages,
                "notes": list(result.notes),
                "differences": None if found is None else found.facts(),
            }
        )
        return
    if result.differences is not None:
        _show(result.differences)
    output.line(f"imported into {result.output}; go on with: edgemoe-gen build")


def _show(found: api.Differences) -> None:
    """What differs, the worst first; and what that was not asked of."""
    for text in found.not_compared:
        output.note(f"not compared: {text}")
    if not found.rows:
        output.line("nothing differs from what was assumed")
        return
    rows = [
        [row.what, row.expected, row.found, "" if row.factor is None else f"{row.factor:.2f}", row.note]
        for row in found.rows
    ]
    columns = ["what", ">assumed", ">found", ">ratio", "note"]
    fit = output.Fit(leave_out=["ratio"], wraps="note")
    output.table("Differences from the assumptions, the worst first", columns, rows, fit=fit)
