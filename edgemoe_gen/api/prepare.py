"""Verbs before a build: look at the checkpoint, write the project's file, render or check the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.api.arguments import GenerateKeywords, InspectKeywords
from edgemoe_gen.base.arguments import takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.design import Design
from edgemoe_gen.estimate import Resources, check_fits, estimate_resources
from edgemoe_gen.linting import LintResult
from edgemoe_gen.linting.run import lint_folder, lint_project
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.pipeline.generate import generate_sources
from edgemoe_gen.project.arguments import PROJECT, NewProjectKeywords, PathText, Values, project_arguments
from edgemoe_gen.project.config import FILE_NAME
from edgemoe_gen.project.early import Needs, check_early, open_checked
from edgemoe_gen.project.inspection import Inspection, bits_worth
from edgemoe_gen.project.inspection import inspect as inspect_checkpoint
from edgemoe_gen.project.opening import (
    Progress,
    check_pinned_names,
    checkpoint_of,
    config_with_spec,
    network_options,
    no_progress,
    open_design,
    open_model,
    open_pictures,
    open_tasks,
    picture_notes,
)
from edgemoe_gen.project.writing import config_to_toml

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True, repr=False)
class InitResult(Brief):
    """The file written, and the network and design that it describes."""

    path: Path
    spec: ModelSpec
    design: Design
    resources: Resources
    notes: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class GenerateResult(Brief):
    """The folder written, its design, and the design's estimate."""

    folder: Path
    files: int
    design: Design
    resources: Resources
    notes: tuple[str, ...]


@takes(NewProjectKeywords, *PROJECT)
def init(
    checkpoint: PathText,
    *,
    file: PathText = FILE_NAME,
    force: bool = False,
    **keywords: Unpack[NewProjectKeywords],
) -> InitResult:
    """Writes `edgemoe.toml`: network, board, knobs and numerics of a project, every key explained.

    Args:
        checkpoint: file or folder of shards.
        file: path of the file to write.
        force: replace an existing file.
    """
    target = Path(file)
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already", "add --force to replace it")
    check_writable(target)
    config = config_with_spec(project_arguments(keywords, checkpoint))
    check_early(config, Needs(checkpoint=True, pictures=True, labels=True))
    model = open_model(config)
    open_tasks(config, model.spec)
    notes = (*model.notes, *picture_notes(config))
    if config.images:
        open_pictures(config, model.spec)
    for path in find_pictures(config.calibrate or ()):
        open_picture(path, model.spec.image)
    design = open_design(config, model.spec)
    if config.output is None:
        config = replace(config, output=target.parent / "build")
    suits = f"this network on the {design.board.title.removeprefix('AMD ')}"
    text = config_to_toml(config, target.parent, model.spec, design.knobs, suits)
    write_text_whole(target, text)
    return InitResult(target, model.spec, design, estimate_resources(design), notes)


@takes(InspectKeywords, *PROJECT)
def inspect(
    checkpoint: PathText | None = None,
    *,
    narrow: Sequence[int] = (),
    progress: Progress = no_progress,
    **keywords: Unpack[InspectKeywords],
) -> Inspection:
    """The architecture found in a checkpoint; see `Inspection`.

    Args:
        checkpoint: file or folder of shards.
        narrow: widths of weights, less than the project's `weight_bits`; for a complete network, ranks weights by the
            worth of their bits.
        image: pictures for `narrow`.
        calibrate: pictures for `narrow` instead of `image`.
        task: task for `narrow`; default: the first.
        progress: called with text, steps done and steps in all.
    """
    needs = Needs(checkpoint=True, pictures=bool(narrow))
    project = open_checked(project_arguments(keywords, checkpoint), needs)
    config = project.config
    found = inspect_checkpoint(checkpoint_of(config), network_options(config))
    notes = [*found.notes, *project.notes]
    if narrow and found.complete:
        notes += left_out(config.calibrate or config.images or ())
        found = replace(found, worth=bits_worth(config, narrow, progress))
    elif narrow:
        notes.append("what bits are worth is not measured: the network is not complete")
    return replace(found, notes=tuple(notes))


@takes(GenerateKeywords, *PROJECT)
def generate(
    checkpoint: PathText | None = None, *, force: bool = False, **keywords: Unpack[GenerateKeywords]
) -> GenerateResult:
    """Renders the accelerator's sources to OUTPUT/accelerator, without program and weights.

    A checkpoint gives the largest network, and needs PyTorch; without a checkpoint the knobs give it.

    Args:
        checkpoint: file or folder of shards.
        output: folder to write to; default: of the project, or "build".
        force: move a folder with files that were changed or added by hand to accelerator.edited-N; otherwise such a
            folder is refused.
    """
    project = open_checked(project_arguments(keywords, checkpoint), Needs(output=True, clock=True))
    config = project.config
    model = None if config.checkpoint is None else open_model(config)
    design = open_design(config, None if model is None else model.spec)
    if model is not None:
        check_pinned_names(config, model, design.knobs)
    resources = check_fits(design)
    folder, files, notes = generate_sources(design, config, force)
    return GenerateResult(folder, files, design, resources, (*project.notes, *notes))


def lint(
    folder: PathText | None = None,
    *,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
) -> LintResult:
    """Checks rendered C++ against the rules of Vitis HLS.

    Args:
        folder: sources by `generate` or `build`; None: sources of the other arguments, rendered in memory.
        config: the project's file.
        board: name or file.
        knobs: values by name.
    """
    if folder is not None:
        return lint_folder(Path(folder))
    return lint_project(project_arguments({"config": config, "board": board, "knobs": knobs}))
