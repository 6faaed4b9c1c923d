"""Builds: the stages, what they would do, and results from another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.api.common import Paths, PathText, Values, opened, said
from edgemoe_gen.base.files import check_folder
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.pipeline.fingerprint import is_kept, recall
from edgemoe_gen.pipeline.options import BuildOptions, BuildResult
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.stages import StageResult, open_stages
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.early import Needs
from edgemoe_gen.project.opening import Progress, no_progress, open_project, picture_notes

if TYPE_CHECKING:  # what a build with nothing to do need not import
    from edgemoe_gen.pipeline.exchange import ImportResult
    from edgemoe_gen.pipeline.plan import PlannedStage


def build(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    class_names: Mapping[str, Sequence[str]] | None = None,
    output: PathText | None = None,
    first: str = "",
    until: str = "",
    only: str = "",
    cosim: bool = False,
    retry_clock: bool = False,
    export: PathText | None = None,
    name: str | None = None,
    force: bool = False,
    progress: Progress = no_progress,
    on_stage: Callable[[StageResult], None] = lambda _: None,
) -> BuildResult:
    """Renders, simulates, synthesises and packages, as far as this machine can; see `init` for the other options.

    Args:
        first: run from this stage on, all of them anew ("--from").
        until: run up to this stage, included.
        only: run this stage alone.
        cosim: also run RTL co-simulation.
        retry_clock: where timing fails, implement again at the clock that would meet it.
        export: folder to write the vendor's stages to, for another machine, instead of running them.
        name: of the overlay; default: after the board.
        force: where files in a stage's folder were changed or added by hand, move it to FOLDER.edited-N and go on.
        progress: called with text, steps done, steps in all (0 where that is not known).
        on_stage: called after each stage.
    """
    kit = None if export is None else Path(export)
    how = BuildOptions(Selection.of(first, until, only, cosim), retry_clock, kit, force)
    words = said(checkpoint, options, board, knobs, image, calibrate, labels, task, output, class_names, name)
    project = opened(words, spec, config, _needs(how))
    result = _unchanged(project.config, how, on_stage)
    if result is None:
        from edgemoe_gen.pipeline.builder import build as run_stages

        result = run_stages(project.config, how, progress, on_stage)
    return replace(result, notes=(*project.notes, *picture_notes(project.config), *result.notes))


def _needs(how: BuildOptions) -> Needs:
    """What a build can be refused for at once."""
    if how.export is not None:
        check_folder(how.export)
    simulates = how.selection.wants("compile")
    return Needs(checkpoint=True, pictures=True, images=True, labels=True, output=True, compiler=simulates)


def _unchanged(config: Config, how: BuildOptions, on_stage: Callable[[StageResult], None]) -> BuildResult | None:
    """What the last build left, where there is nothing to do."""
    output = config.output or Path(DEFAULT_OUTPUT)
    if not is_kept(output):
        return None
    with open_stages(output, on_stage):  # refuses where another build is at work
        known = recall(config, how)
    if known is None:
        return None
    for stage in known.result.stages:
        on_stage(stage)
    return known.result


def plan(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    class_names: Mapping[str, Sequence[str]] | None = None,
    output: PathText | None = None,
    first: str = "",
    until: str = "",
    only: str = "",
    cosim: bool = False,
    retry_clock: bool = False,
    export: PathText | None = None,
    name: str | None = None,
    force: bool = False,
) -> tuple[PlannedStage, ...]:
    """What `build` with the same arguments would do, stage by stage; changes nothing ("--dry-run")."""
    kit = None if export is None else Path(export)
    how = BuildOptions(Selection.of(first, until, only, cosim), retry_clock, kit, force)
    words = said(checkpoint, options, board, knobs, image, calibrate, labels, task, output, class_names, name)
    project = opened(words, spec, config, _needs(how))
    from edgemoe_gen.pipeline.plan import plan as plan_stages

    return plan_stages(project.config, how)


def import_results(
    folder: PathText,
    *,
    config: PathText | None = None,
    output: PathText | None = None,
    on_stage: Callable[[StageResult], None] = lambda _: None,
) -> ImportResult:
    """Takes the results of an exported folder that ran on another machine into the build; the next build goes on.

    Args:
        folder: what `build(export=...)` wrote.
        config: the project's file, which names the build's folder.
        output: the build's folder; default: of the project, or "build".
    """
    from edgemoe_gen.pipeline.exchange import import_results as take_results

    project = open_project(said(None, None, output=output), None, None if config is None else Path(config))
    return take_results(Path(folder), project.config.output or Path(DEFAULT_OUTPUT), on_stage)
