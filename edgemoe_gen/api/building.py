"""Builds: the stages, what they would do, and results from another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.api.common import Paths, PathText, Values, opened, said
from edgemoe_gen.config import DEFAULT_OUTPUT
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.pipeline import BuildOptions, BuildResult, ImportResult, PlannedStage, Selection, StageResult
from edgemoe_gen.pipeline import build as run_stages
from edgemoe_gen.pipeline import import_results as take_results
from edgemoe_gen.pipeline import plan as plan_stages
from edgemoe_gen.project import Progress, no_progress, picture_notes


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
    project = opened(words, spec, config)
    result = run_stages(project.config, how, progress, on_stage)
    return replace(result, notes=(*project.notes, *picture_notes(project.config), *result.notes))


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
    return plan_stages(opened(words, spec, config).config, how)


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
    project = opened(said(None, None, output=output), None, config)
    return take_results(Path(folder), project.config.output or Path(DEFAULT_OUTPUT), on_stage)
