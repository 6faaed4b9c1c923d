"""Quick checks that can refuse a project before its checkpoint is read, which takes seconds.

Every verb opens its project here, so all verbs find a mistake at the same place.
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
    """Needs of a verb; a missing one is reported first.

    Attributes:
        checkpoint: the verb needs a checkpoint.
        pictures: the verb reads the project's pictures, where some are named.
        images: the verb needs the pictures under `images`.
        labels: the verb reads their ground truth.
        others: pictures, or folders, that the verb reads beside the project's.
        tasks: tasks that the verb runs beside the project's.
        output: the verb writes to the project's output folder.
        compiler: the verb simulates in C.
        clock: the verb runs its design at the design's clock, which must be known for the device.
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
    """Checks a project without its checkpoint: paths, the board, single knobs, names of tasks, binary points.

    Raises:
        EdgeMoEError: the error that a user of the faulty value would raise later.
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
    """The project: the caller's arguments, over a spec file, over `edgemoe.toml`; checked by `check_early`.

    Args:
        arguments: the caller's arguments.
        needs: the needs of the verb.

    Raises:
        EdgeMoEError: a file is malformed, or an argument is wrong, as far as the checkpoint is not needed to know.
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
