"""What a project can be refused for before anything heavy is read: its checkpoint takes seconds, this none.

Every verb comes through here when it opens its project, so a mistake is found at the same place in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_folder
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.model.spec import unknown_task
from edgemoe_gen.pictures.found import find_pictures
from edgemoe_gen.pictures.truth import find_truth
from edgemoe_gen.project.arguments import ProjectArguments
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import (
    Project,
    check_pinned,
    checkpoint_there,
    open_board,
    open_project,
    picture_paths,
)
from edgemoe_gen.sim.compiler import find_compiler
from edgemoe_gen.timing.table import check_clock


@dataclass(frozen=True)
class Needs:
    """What a verb goes on with, so that what is missing of it is said first.

    Attributes:
        checkpoint: it can't do without one.
        pictures: it reads the project's pictures, where some are named.
        images: it can't do without those under `images`.
        labels: it reads their ground truth.
        others: pictures that it reads beside the project's, or folders of them.
        tasks: that it runs beside the project's.
        output: it writes to the project's output folder.
        compiler: it simulates in C.
        clock: its design is to run at the clock that it asks for.
    """

    checkpoint: bool = False
    pictures: bool = False
    images: bool = False
    labels: bool = False
    others: Sequence[Path] = ()
    tasks: Sequence[str] = ()
    output: bool = False
    compiler: bool = False
    clock: bool = False


NOTHING = Needs()


def check_early(config: Config, needs: Needs = NOTHING) -> None:
    """Refuses a project by what needs no checkpoint: paths, the board, single knobs, names of tasks, binary points.

    Raises:
        EdgeMoEError: the one that whoever uses the thing would raise later.
    """
    if needs.checkpoint or config.checkpoint is not None:
        checkpoint_there(config)
    board = open_board(config)
    knobs = Knobs(clock_mhz=board.clock_mhz).turned(dict(config.knobs))
    if needs.clock:
        check_clock(board, knobs.clock_mhz)
    check_pinned(config)
    known = config.model.tasks or ()
    for task in (*(config.tasks or ()), *needs.tasks):
        if known and task not in known:
            raise unknown_task(task, known)
    _check_pictures(config, needs)
    if config.name:
        from edgemoe_gen.overlay.package import check_name

        check_name(config.name)
    if needs.output:
        _check_output(config.output or Path(DEFAULT_OUTPUT))
    if needs.compiler:
        find_compiler()


def open_checked(arguments: ProjectArguments, needs: Needs = NOTHING) -> Project:
    """The project: what the caller says, over a spec file, over `edgemoe.toml`; refused as `check_early` does.

    Args:
        arguments: what the caller says.
        needs: what the verb goes on with.

    Raises:
        EdgeMoEError: a file is malformed, or what is said can't be, as far as that is known without the checkpoint.
    """
    project = open_project(arguments)
    check_early(project.config, needs)
    return project


def _check_pictures(config: Config, needs: Needs) -> None:
    found = find_pictures(needs.others)
    if needs.images:
        found += picture_paths(config)
    elif needs.pictures:
        found += find_pictures(config.images or ())
    if needs.pictures:
        find_pictures(config.calibrate or ())
    if needs.labels:
        find_truth(found, config.labels)


def _check_output(folder: Path) -> None:
    try:
        check_folder(folder)
    except ConfigError as error:
        raise ConfigError(
            f"the output folder {folder} cannot be written to: {error.message}", "choose another with --output"
        ) from error
