"""What the functions of the API share: the caller's words as a configuration, and the project that they open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.model import Model, SpecOptions
from edgemoe_gen.model.random import random_model
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.early import NOTHING, Needs, check_early
from edgemoe_gen.project.opening import TYPICAL, Project, open_model, open_project

PathText = str | PathLike[str]
Paths = Sequence[PathText]
Values = Mapping[str, int | float]


def opened(words: Config, spec: PathText | None, config: PathText | None, needs: Needs = NOTHING) -> Project:
    """The project: what the caller says, over a spec file, over `edgemoe.toml`.

    Args:
        words: what the caller says.
        spec, config: files.
        needs: what the verb goes on with.

    Raises:
        EdgeMoEError: a file is malformed, or what is said can't be, as far as that is known without the checkpoint.
    """
    project = open_project(words, None if spec is None else Path(spec), None if config is None else Path(config))
    check_early(project.config, needs)
    return project


def open_network(words: Config, notes: list[str], warning: str = "") -> Model:
    """The project's network; without a checkpoint the typical one with random weights, which a note then says.

    Args:
        words: the project.
        notes: gets the note.
        warning: what random weights mean for the caller's result; it ends the note.

    Raises:
        CheckpointError, SpecError: see `load_model`.
    """
    if words.checkpoint is not None:
        return open_model(words)
    notes.append(f"no checkpoint is named: this is M3ViT tiny at 128 x 256 with random weights{warning}")
    return random_model(TYPICAL)


def said(
    checkpoint: PathText | None,
    options: SpecOptions | None,
    board: str | None = None,
    knobs: Values | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    output: PathText | None = None,
    class_names: Mapping[str, Sequence[str]] | None = None,
    name: str | None = None,
) -> Config:
    """What the caller says, as a project's configuration; see `init` for the arguments.

    Raises:
        ConfigError: the name or the output folder is empty, which would be taken for none, or for the current folder.
    """

    for option, text in (("--name", name), ("--output", None if output is None else fspath(output))):
        if text == "":
            raise ConfigError(f"{option} is empty", "leave it out to take the default")

    def path(value: PathText | None) -> Path | None:
        return None if value is None else Path(value)

    return Config(
        checkpoint=path(checkpoint),
        images=tuple(Path(p) for p in image) or None,
        labels=path(labels),
        tasks=tuple(task) or None,
        class_names={task: tuple(names) for task, names in (class_names or {}).items()},
        output=path(output),
        name=name,
        model=options or SpecOptions(),
        board=board,
        knobs=dict(knobs or {}),
        calibrate=tuple(Path(p) for p in calibrate) or None,
    )
