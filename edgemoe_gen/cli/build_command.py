"""`edgemoe-gen build`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgemoe_gen import api
from edgemoe_gen.api.arguments import BuildArguments, BuildKeywords
from edgemoe_gen.base.build_files import REPORT, REPORT_PAGE
from edgemoe_gen.cli import output
from edgemoe_gen.cli.basics import json_option
from edgemoe_gen.cli.options import HelpfulCommand, checkpoint_argument, keyword_options
from edgemoe_gen.cli.tables import format_table, kernel_table, knob_lines, quality_line
from edgemoe_gen.pipeline.stages.table import help_lines
from edgemoe_gen.report.numbers import count, seconds


@click.command("build", cls=HelpfulCommand)
@checkpoint_argument()
@keyword_options(BuildKeywords, BuildArguments)
@click.option("--dry-run", is_flag=True, help="Show what each stage would do and the exact commands; change nothing.")
@json_option
def command(keywords: BuildKeywords, checkpoint: Path | None, dry_run: bool, as_json: bool) -> None:
    """Build the accelerator: from a checkpoint to an overlay for the board.

    Stages run in this order; a stage whose inputs have not changed is skipped:

    \b
      STAGES

    With --hls open, rtl takes the place of hls, and Vivado alone makes ip and bitstream.
    Without the vendor's tools the build ends before hls. OUTPUT/logs holds the tools' output, OUTPUT/vendor their
    projects.
    Exit codes: 1 an error bound, a lint rule, co-simulation or the clock is missed, or the engine deadlocks; 2 a
    mistake that you can fix; 3 a vendor's tool failed.

    \b
    Examples:
      edgemoe-gen build checkpoint.pth.tar --spec spec.toml --image images/ --board zcu104
      edgemoe-gen build --knob tokens_parallel=6          (with edgemoe.toml in this folder)
      edgemoe-gen build --until bitstream --retry-clock
      edgemoe-gen build --hls open                (RTL by edgemoe-gen, Vivado alone)
      edgemoe-gen build --export kit                      (run kit/run.sh where Vitis is)
    """
    if dry_run:
        _show_plan(api.plan(checkpoint, **keywords), as_json)
        return

    lines = _StageLines(quiet=as_json or output.is_quiet())
    with output.progress() as progress:
        result = api.build(checkpoint, progress=progress, on_stage=lines.show, on_note=output.note, **keywords)
    lines.end()
    if lines.ran:  # else they were said when something ran
        output.checkpoint_notes(result.report.get("network", {}).get("notes", ()))
    if as_json:
        stages = [
            {"name": s.name, "seconds": s.seconds, "skipped": s.skipped, "left_out": s.left_out} for s in result.stages
        ]
        output.as_json(
            {
                "output": str(result.output),
                "headline": result.headline,
                "stages": stages,
                "stopped_before": result.stopped_before,
                "stopped_why": result.stopped_why,
                "timing": _timed_figures(result.report),
                "report": str(result.output / REPORT.name) if result.report else None,
                "overlay": None if result.overlay is None else str(result.overlay),
            }
        )
        return
    _show(result, with_report=lines.ran or bool(keywords["first"] or keywords["only"]))


command.help = str(command.help).replace("      STAGES", "\n".join(f"      {line}" for line in help_lines()))


_DETAIL = 20  # columns before what a stage says of itself


class _StageLines:
    """A line for each stage that ran or was left out, and one line for neighbouring stages that had nothing to do.

    If no stage ran, this one line also names the stages that were left out; an earlier build has told the reasons.
    """

    def __init__(self, quiet: bool) -> None:
        self.ran = False
        self._quiet = quiet
        self._unchanged: list[str] = []
        self._left_out: list[api.StageResult] = []

    def show(self, stage: api.StageResult) -> None:
        if stage.skipped:
            self._unchanged.append(stage.name)
            return
        if stage.left_out:
            self._left_out.append(stage)
            return
        self.ran = True
        self.end()
        self._of(stage)

    def end(self) -> None:
        """Says what was skipped and left out since the last line."""
        apart = self.ran or not self._unchanged
        gone = "" if apart or not self._left_out else "; left out: " + ", ".join(s.name for s in self._left_out)
        if self._unchanged:
            self._line(f"unchanged: {', '.join(dict.fromkeys(self._unchanged))}{gone}")
        for stage in self._left_out if apart else ():
            self._of(stage)
        self._unchanged.clear()
        self._left_out.clear()

    def _of(self, stage: api.StageResult) -> None:
        self._line(f"{stage.name:<9} {seconds(stage.seconds):>8}  {stage.detail}", _DETAIL)

    def _line(self, text: str, indent: int = 2) -> None:
        if not self._quiet:
            output.line(text, indent)


def _timed_figures(report: Mapping[str, Any]) -> dict[str, Any] | None:
    timed = report.get("timing")
    return timed and {key: timed[key] for key in ("tier", "clock_mhz", "cycles_per_frame", "milliseconds_per_frame")}


def _show(result: api.BuildResult, with_report: bool) -> None:
    if result.report:
        if with_report:
            _show_report(result.report)
        output.line(result.headline)
        output.line(f"report: {result.output / REPORT_PAGE}")
    if result.overlay is not None:
        output.line(f"overlay: {result.overlay}")
    if result.stopped_before:
        why = result.stopped_why or "not asked for"
        output.line(f'stopped before stage "{result.stopped_before}": {why}')


def _show_report(report: Mapping[str, Any]) -> None:
    format_table(report["formats"]["rows"])
    kernel_table(report["kernels"]["rows"])
    knob_lines(report["knobs"])
    for row in report["quality"]:
        output.line(quality_line(row["task"], row["metric"], row["accelerator"], row["float"], row))
    _show_time(report)


def _show_time(report: Mapping[str, Any]) -> None:
    """A frame's milliseconds by each tier."""
    estimate, timed = report["cycles"], report["timing"]
    found = [(estimate, estimate["limit"])]
    if timed is not None and timed["passed"]:
        found.insert(0, (timed, timed["roofline"]["limit"]))
    rows = []
    for facts, limit in found:
        backbone, decoder = (facts["by_stage"][stage] / (facts["clock_mhz"] * 1e3) for stage in ("backbone", "decoder"))
        times = [f"{time:.3f}" for time in (facts["milliseconds_per_frame"], backbone)]
        beside = f"{decoder:.3f}" if decoder else "host" if report["network"]["decoders"] else "–"
        rows.append((facts["tier"], count(round(facts["cycles_per_frame"])), *times, beside, limit))
    for facts in (timed or {}, estimate):
        if together := facts.get("together"):
            tier = f"{together['tier']}, all tasks at once"
            rows.append((tier, count(together["cycles"]), f"{together['milliseconds']:.3f}", "", "", ""))
    output.table(
        f"A frame at {estimate['clock_mhz']:g} MHz on the engine, mean of the tasks",
        ["tier", ">cycles", ">ms", ">backbone", ">decoder", "limited by"],
        rows,
    )


def _show_plan(stages: tuple[api.PlannedStage, ...], as_json: bool) -> None:
    if as_json:
        rows = [{**asdict(s), "folder": None if s.folder is None else str(s.folder)} for s in stages]
        output.as_json({"stages": rows})
        return
    for stage in stages:
        output.line(f"{stage.name:<9}  {stage.state}" + (f": {stage.why}" if stage.why else ""))
        for line in stage.commands:
            output.line(f"           cd {shlex.quote(str(stage.folder))} && {line}", whole=True)
