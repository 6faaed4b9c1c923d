"""Builds: run the stages, plan them, and take results from another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.api.arguments import BuildArguments, BuildKeywords
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.files import check_folder
from edgemoe_gen.base.quiet import nothing
from edgemoe_gen.flow.rtl_source import VITIS, check_choice
from edgemoe_gen.pipeline.fingerprint import is_kept, recall
from edgemoe_gen.pipeline.options import BuildOptions, BuildResult
from edgemoe_gen.pipeline.support.folders import StageResult, open_stages
from edgemoe_gen.project.arguments import PROJECT, PathText, project_arguments
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, Project, no_progress, open_project, picture_notes

if TYPE_CHECKING:  # what a build with nothing to do need not import, and what is for the type checker alone
    from typing_extensions import Unpack

    from edgemoe_gen.pipeline.exchange import ImportResult
    from edgemoe_gen.pipeline.plan import PlannedStage


@takes(BuildKeywords, *PROJECT, BuildArguments)
def build(
    checkpoint: PathText | None = None,
    *,
    progress: Progress = no_progress,
    on_stage: Callable[[StageResult], None] = nothing,
    on_note: Callable[[str], None] = nothing,
    **keywords: Unpack[BuildKeywords],
) -> BuildResult:
    """Renders, simulates, synthesises and packages, as far as the tools of this machine allow.

    Args:
        checkpoint: file or folder of shards.
        first: run from this stage on, all of them anew ("--from").
        until: run up to this stage, included.
        only: run only this stage.
        cosim: also run RTL co-simulation.
        rtlsim: also simulate the Verilog of the stage rtl.
        retry_clock: where timing fails, implement again at the clock that would meet it.
        export: folder to write the vendor's stages to, for another machine, instead of running them.
        force: where files in a stage's folder were changed or added by hand, move it to FOLDER.edited-N and go on.
        progress: called with text, steps done and steps in all (0: unknown).
        on_stage: called after each stage.
        on_note: called with each note of the result, where possible before the stages start.
    """
    options, project = _open(checkpoint, keywords)
    first = (*project.notes, *picture_notes(project.config))
    for text in first:
        on_note(text)
    result = _unchanged(project.config, options, on_stage)
    if result is None:
        from edgemoe_gen.pipeline.builder import build as run_stages

        result = run_stages(project.config, options, progress, on_stage, on_note)
    else:
        for text in result.notes:
            on_note(text)
    return replace(result, notes=(*first, *result.notes))


@takes(BuildKeywords, *PROJECT, BuildArguments)
def plan(checkpoint: PathText | None = None, **keywords: Unpack[BuildKeywords]) -> tuple[PlannedStage, ...]:
    """The plan of `build` with the same arguments, stage by stage; changes nothing ("--dry-run").

    Args:
        checkpoint: file or folder of shards.
        first: run from this stage on, all of them anew.
        until: last stage, included.
        only: the only stage.
        cosim: include RTL co-simulation.
        rtlsim: include simulation of the Verilog.
        retry_clock: include another implementation where timing fails.
        export: folder for the vendor's stages.
        force: move files away that were changed by hand.
    """
    options, project = _open(checkpoint, keywords)
    from edgemoe_gen.pipeline.plan import plan as plan_stages

    return plan_stages(project.config, options)


def _open(checkpoint: PathText | None, keywords: BuildKeywords) -> tuple[BuildOptions, Project]:
    arguments, left = split(BuildArguments, keywords)
    options = arguments.options
    check_choice(keywords.get("hls") or VITIS, "--hls")
    project = open_checked(project_arguments(left, checkpoint), _needs(options))
    options.selection.refuse_replaced(project.config.hls or VITIS)
    return options, project


def _needs(options: BuildOptions) -> Needs:
    """What a build can be refused for at once."""
    if options.export is not None:
        check_folder(options.export)
    simulates = options.selection.wants("compile")
    return Needs(checkpoint=True, pictures=True, images=True, labels=True, output=True, compiler=simulates, clock=True)


def _unchanged(config: Config, options: BuildOptions, on_stage: Callable[[StageResult], None]) -> BuildResult | None:
    """What the last build left, where there is nothing to do."""
    output = config.output or Path(DEFAULT_OUTPUT)
    if not is_kept(output):
        return None
    with open_stages(output, on_stage):  # refuses where another build is at work
        known = recall(config, options)
    if known is None:
        return None
    for stage in known.result.stages:
        on_stage(stage)
    return known.result


def import_results(
    folder: PathText,
    *,
    config: PathText | None = None,
    output: PathText | None = None,
    on_stage: Callable[[StageResult], None] = nothing,
) -> ImportResult:
    """Takes the results of an exported folder, which ran on another machine, into the build; the next build continues.

    Args:
        folder: the folder that `build(export=...)` wrote.
        config: the project's file, which names the build's folder.
        output: the build's folder; default: of the project, or "build".
        on_stage: called after each stage.
    """
    from edgemoe_gen.pipeline.exchange import import_results as take_results

    project = open_project(project_arguments({"config": config, "output": output}))
    return take_results(Path(folder), project.config.output or Path(DEFAULT_OUTPUT), on_stage)
