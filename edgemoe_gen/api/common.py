"""Helpers that functions of the API share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.model import Model
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import TYPICAL, Progress, open_calibration, open_model, open_numerics

Float32 = NDArray[np.float32]


def open_network(config: Config, notes: list[str], warning: str = "") -> Model:
    """The project's network; without a checkpoint the typical network with random weights, and a note says so.

    Args:
        config: the project.
        notes: gets the note.
        warning: end of the note: the effect of random weights on the caller's result.

    Raises:
        CheckpointError, SpecError: see `load_model`.
    """
    if config.checkpoint is not None:
        return open_model(config)
    notes.append(f"no checkpoint is named: this is M3ViT tiny at 128 x 256 with random weights{warning}")
    return random_model(TYPICAL)


def compile_frames(
    config: Config, model: Model, design: Design, tasks: Sequence[str], notes: list[str], progress: Progress
) -> tuple[Program, list[Float32], LoweredNetwork]:
    """A program with one frame for each task, in this order, its pictures in turn, and the network that was compiled.

    With one picture for all, tasks share the backbone where gates allow it.

    Args:
        config: the project; without a picture the frames are noise, and a note says so.
        tasks: tasks of the frames; a task may be repeated.
        notes: gets notes for the user.
    """
    for name in tasks:
        model.spec.task_index(name)
    if config.images:
        notes += left_out(config.images)
        found = find_pictures(config.images)[: len(tasks)]
        pictures = [open_picture(path, model.spec.image).values for path in found]
    else:
        pictures = [random_picture(model.spec)]
        notes.append("no picture is named, so noise is routed: give --image for the routes of a real one")
    calibration = open_calibration(config, model.spec, ()) if config.calibrate else pictures
    numerics = open_numerics(config, model, design.knobs, calibration, tuple(dict.fromkeys(tasks)), progress)
    program = compile_network(
        design, model, numerics.network, numerics.formats, tasks, decoders=numerics.decoders,
        one_picture=len(pictures) == 1,
    )  # fmt: skip
    return program, [pictures[i % len(pictures)] for i in range(len(tasks))], numerics.network
