"""Helpers of the verbs that evaluate designs: a project opened for designs, in two steps, and names of tiers.

The first step reads the network and the space of points. The second step runs the float reference, which takes long.
Workers are looked for between both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.api.common import open_network
from edgemoe_gen.api.tuning_arguments import Choices
from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.base.names import near
from edgemoe_gen.design import Knobs
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.model import Model
from edgemoe_gen.model.random import random_picture
from edgemoe_gen.numerics.widths import TOGETHER
from edgemoe_gen.pictures.found import left_out
from edgemoe_gen.project.arguments import ProjectArguments
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, open_board, open_calibration, open_tasks
from edgemoe_gen.tuning.asked import Asked
from edgemoe_gen.tuning.evaluate import Evaluator, make_evaluator
from edgemoe_gen.tuning.limits import Limit
from edgemoe_gen.tuning.space import Dimension, is_knob
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, SYNTHESIS, TIMED, Value, timed_task

TIER_NAMES = {"estimate": ESTIMATE, "timed": TIMED, "csim": CSIM}
SYNTHESIS_NAMES = ("synthesis", "vendor", "hls", SYNTHESIS)  # what a user may call the tier that --tier does not name


@dataclass(frozen=True)
class Setting:
    """A project opened for designs.

    Attributes:
        config: all arguments of the project.
        asked: the caller's arguments that name the project.
        model, board, tasks: those of the project.
        chosen: knobs that the project fixes.
        turned: knobs that the caller varies.
        images: network inputs for measuring errors.
        notes: notes for the user.
    """

    config: Config
    asked: Asked
    model: Model
    board: Board
    tasks: tuple[str, ...]
    chosen: Mapping[str, Value]
    turned: tuple[Dimension, ...]
    images: tuple[NDArray[np.float32], ...]
    notes: list[str]

    @property
    def defaults(self) -> Knobs:
        """Knobs of a build with this project."""
        return default_knobs(self.model.spec, self.board, dict(self.chosen))

    def evaluator(self, limits: Sequence[Limit], progress: Progress) -> Evaluator:
        """The evaluator of points; runs the float reference."""
        return make_evaluator(
            self.model, self.images, self.tasks, self.board, self.chosen, limits, self.config.fifo_depths,
            self.config.pinned, progress, self.config.rounding or TOGETHER,
        )  # fmt: skip


def open_setting(arguments: ProjectArguments, knobs: Choices | None = None, pictures: bool = True) -> Setting:
    """Opens a project, and its pictures where `pictures` says so.

    Args:
        arguments: the caller's arguments.
        knobs: values to try by knob.
        pictures: whether pictures will be run.
    """
    turned = _dimensions(knobs)
    project = open_checked(arguments, Needs(pictures=pictures))
    config, notes = project.config, list(project.notes)
    model = open_network(config, notes, ", so errors mean little")
    tasks = open_tasks(config, model.spec)
    chosen = {name: value for name, value in config.knobs.items() if name not in {d.name for d in turned}}
    # A knob with one value is fixed, so the default design has it too.
    chosen |= {d.name: d.values[0] for d in turned if len(d.values) == 1 and is_knob(d.name)}
    images = _images(config, model, notes) if pictures else []
    if said := timed_task(tasks):
        notes.append(f"{said}; --task chooses another")
    asked = Asked(arguments.config, arguments.spec_file, config.source)
    return Setting(config, asked, model, open_board(config), tasks, chosen, turned, tuple(images), notes)


def _dimensions(knobs: Choices | None) -> tuple[Dimension, ...]:
    return tuple(
        Dimension(name, tuple(values) if isinstance(values, Sequence) else (values,))
        for name, values in (knobs or {}).items()
    )


def _images(config: Config, model: Model, notes: list[str]) -> list[NDArray[np.float32]]:
    paths = config.calibrate or config.images
    if paths:
        notes += left_out(paths)
        return open_calibration(replace(config, calibrate=paths), model.spec, ())
    notes.append("no picture is named, so errors are taken on noise: give --image")
    return [random_picture(model.spec)]


def tier_of(name: str) -> str:
    """The tier of a name.

    Raises:
        KnobError: there is none.
    """
    if name in SYNTHESIS_NAMES:
        raise KnobError(
            f"--tier does not go up to '{name}': vendor synthesis takes hours a point",
            "synthesise the first points of a search's front: edgemoe-gen tune --synthesise N",
        )
    if name not in TIER_NAMES:
        raise KnobError(f"there is no tier '{name}'", near(name, TIER_NAMES, "known tiers"))
    return TIER_NAMES[name]
