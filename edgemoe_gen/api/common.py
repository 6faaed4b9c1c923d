"""What the functions of the API share beside their arguments."""

from __future__ import annotations

from edgemoe_gen.model import Model
from edgemoe_gen.model.random import random_model
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import TYPICAL, open_model


def open_network(config: Config, notes: list[str], warning: str = "") -> Model:
    """The project's network; without a checkpoint the typical one with random weights, which a note then says.

    Args:
        config: the project.
        notes: gets the note.
        warning: what random weights mean for the caller's result; it ends the note.

    Raises:
        CheckpointError, SpecError: see `load_model`.
    """
    if config.checkpoint is not None:
        return open_model(config)
    notes.append(f"no checkpoint is named: this is M3ViT tiny at 128 x 256 with random weights{warning}")
    return random_model(TYPICAL)
