"""`edgemoe-gen build`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.cli import output
from edgemoe_gen.cli.options import (
    HelpfulCommand,
    checkpoint_argument,
    config_option,
    design_options,
    image_options,
    json_option,
    knob_values,
    network_options,
    spec_options,
)
from edgemoe_gen.cli.tables import format_table, kernel_table, knob_lines
from edgemoe_gen.report.numbers import seconds

VENDOR_TOOLS = ("vitis-run", "vitis_hls", "v++")


@click.command("build", short_help="Render, compile, simulate, report.", cls=HelpfulCommand)
@checkpoint_argument()
@network_options
@config_option
@design_options
@image_options
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write to [default: build].")
@json_option
def command(knobs: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Build the accelerator: render its sources, compile them, simulate the project's pictures, report.

    Stages run in this order: render, compile, csim, report. One whose inputs have not changed is skipped. csim first
    checks every kernel against float64; a broken error bound ends the build with exit code 1. OUTPUT then holds
    accelerator/ (C++ sources, program and packed weights), csim/, report.html and report.json. Synthesis comes next
    and needs Vitis.

    \b
    Examples:
      edgemoe-gen build checkpoint.pth.tar --spec spec.toml --image images/ --board zcu104
      edgemoe-gen build --knob tokens_parallel=6          (with edgemoe.toml in this folder)
    """
    options = spec_options(given)

    def show(stage: api.StageResult) -> None:
        if not as_json:
            state = "unchanged: skipped" if stage.skipped else stage.detail
            output.line(f"{stage.name:<8} {seconds(stage.seconds):>8}  {state}")

    with output.progress() as progress:
        result = api.build(
            given.pop("checkpoint"),
            options=options,
            knobs=knob_values(knobs),
            progress=progress,
            on_stage=show,
            **given,
        )
    for text in result.notes:
        output.note(text)
    output.checkpoint_notes(result.report["network"]["notes"])
    if as_json:
        stages = [{"name": s.name, "seconds": s.seconds, "skipped": s.skipped} for s in result.stages]
        output.as_json(
            {
                "output": str(result.output),
                "headline": result.headline,
                "stages": stages,
                "stopped_before": result.stopped_before,
                "report": str(result.output / "report.json"),
            }
        )
        return
    format_table(result.report["formats"]["rows"])
    kernel_table(result.report["kernels"]["rows"])
    knob_lines(result.report["knobs"])
    for row in result.report["quality"]:
        output.line(
            f"{row['task']}: {row['metric']} {row['accelerator']:.4f} (C simulation), {row['float']:.4f} (float)"
        )
    output.line(result.headline)
    output.line(f"report: {result.output / 'report.html'}")
    found = [tool for tool in VENDOR_TOOLS if shutil.which(tool)]
    why = f"this version does not run {found[0]} yet" if found else "Vitis is not on PATH"
    output.line(
        f'stopped before synthesis (stage "{result.stopped_before}"): {why}; all stages up to "report" are done'
    )
