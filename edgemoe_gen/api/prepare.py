"""What comes before a build: looking at the checkpoint, the project's file, the sources alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgemoe_gen.api.common import Paths, PathText, Values, opened, said
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.design import Design
from edgemoe_gen.estimate import Resources, check_fits, estimate_resources
from edgemoe_gen.linting import LintResult
from edgemoe_gen.linting.run import lint_folder, lint_project
from edgemoe_gen.model import ModelSpec, SpecOptions
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.pipeline.generate import generate_sources
from edgemoe_gen.project.config import FILE_NAME, config_to_toml
from edgemoe_gen.project.early import Needs, check_early
from edgemoe_gen.project.inspection import Inspection, bits_worth
from edgemoe_gen.project.inspection import inspect as inspect_checkpoint
from edgemoe_gen.project.opening import (
    Progress,
    checkpoint_of,
    network_options,
    no_progress,
    open_design,
    open_model,
    open_pictures,
    open_tasks,
    picture_notes,
    with_spec,
)


@dataclass(frozen=True)
class InitResult:
    """The file written, and the network and design that it describes."""

    path: Path
    spec: ModelSpec
    design: Design
    resources: Resources
    notes: tuple[str, ...]


@dataclass(frozen=True)
class GenerateResult:
    """The folder written, its design, and the design's estimate."""

    folder: Path
    files: int
    design: Design
    resources: Resources
    notes: tuple[str, ...]


def init(
    checkpoint: PathText,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    class_names: Mapping[str, Sequence[str]] | None = None,
    output: PathText | None = None,
    file: PathText = FILE_NAME,
    force: bool = False,
) -> InitResult:
    """Writes `edgemoe.toml`: network, board, knobs and numerics of a project, every key explained.

    Args:
        checkpoint: file or folder of shards.
        spec: spec file, .toml of ours or .yml of the authors'.
        options: what neither checkpoint nor spec file tells.
        board: name or file; the default is zcu104.
        knobs: values by name, over those that suit network and board.
        image: pictures, or folders of them, to simulate and report on.
        calibrate: pictures that binary points are chosen from, if others.
        labels: folder of ground truth, if not beside the pictures.
        task: tasks to build for, if not all.
        class_names: names of a task's classes in the order of their numbers, by task, over those of the spec.
        output: folder that builds will write to.
        file: what to write.
        force: replace a file that is there.
    """
    target = Path(file)
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already", "add --force to replace it")
    check_writable(target)
    words = said(checkpoint, options, board, knobs, image, calibrate, labels, task, output, class_names)
    words = with_spec(words, None if spec is None else Path(spec))
    check_early(words, Needs(checkpoint=True, pictures=True, labels=True))
    model = open_model(words)
    open_tasks(words, model.spec)
    notes = (*model.notes, *picture_notes(words))
    if words.images:
        open_pictures(words, model.spec)
    for path in find_pictures(words.calibrate or ()):
        open_picture(path, model.spec.image)
    design = open_design(words, model.spec)
    if output is None:
        words = replace(words, output=target.parent / "build")
    suits = f"this network on the {design.board.title.removeprefix('AMD ')}"
    text = config_to_toml(words, target.parent, model.spec, design.knobs, suits)
    write_text_whole(target, text)
    return InitResult(target, model.spec, design, estimate_resources(design), notes)


def inspect(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    narrow: Sequence[int] = (),
    image: Paths = (),
    calibrate: Paths = (),
    task: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Inspection:
    """The architecture found in a checkpoint; see `Inspection`.

    Args:
        checkpoint: file or folder of shards.
        spec: spec file, .toml of ours or .yml of the authors'.
        options: what neither checkpoint nor spec file tells.
        config: the project's file.
        narrow: widths of weights, less than the project's `weight_bits`; says which weights' bits to spend first, if
            the network is complete.
        image: pictures that `narrow` runs.
        calibrate: pictures that it runs instead.
        task: its task, the first one.
        progress: called with text, steps done and all.
    """
    project = opened(
        said(checkpoint, options, None, None, image, calibrate, task=task),
        spec,
        config,
        Needs(checkpoint=True, pictures=bool(narrow)),
    )
    found = inspect_checkpoint(checkpoint_of(project.config), network_options(project.config))
    notes = [*found.notes, *project.notes]
    if narrow and found.complete:
        notes += left_out(project.config.calibrate or project.config.images or ())
        found = replace(found, worth=bits_worth(project.config, narrow, progress))
    elif narrow:
        notes.append("what bits are worth is not measured: the network is not complete")
    return replace(found, notes=tuple(notes))


def generate(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    output: PathText | None = None,
    force: bool = False,
) -> GenerateResult:
    """Renders the accelerator's sources to OUTPUT/accelerator, without program and weights.

    With a checkpoint the largest network follows from it, and PyTorch is needed; without one the knobs say it. A folder
    with files that were changed or added by hand is refused; with `force` it is moved to accelerator.edited-N.
    """
    project = opened(said(checkpoint, options, board, knobs, output=output), spec, config, Needs(output=True))
    words = project.config
    design = open_design(words, None if words.checkpoint is None else open_model(words).spec)
    resources = check_fits(design)
    folder, files, notes = generate_sources(design, words, force)
    return GenerateResult(folder, files, design, resources, (*project.notes, *notes))


def lint(
    folder: PathText | None = None,
    *,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
) -> LintResult:
    """Checks rendered C++ against what Vitis HLS accepts.

    Args:
        folder: of sources that `generate` or `build` has written; None renders those of the other arguments in memory.
        config: the project's file.
        board: name or file.
        knobs: values by name.
    """
    if folder is not None:
        return lint_folder(Path(folder))
    return lint_project(None if config is None else Path(config), board, knobs)
