"""A task's output from what the engine left of a frame, by the very code that the board runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model
from edgemoe_gen.overlay.decoders import model_decoder
from edgemoe_gen.overlay.driver.maps import CLASSES, MapFinisher
from edgemoe_gen.overlay.results import map_layout
from edgemoe_gen.program.compile import Program
from edgemoe_gen.sim.engine import FrameResult


@dataclass(frozen=True, eq=False)
class TaskOutput:
    """A float map [classes, height, width] or scores [classes], or class numbers uint8 [height, width], or neither."""

    output: NDArray[np.float32] | None
    ids: NDArray[np.uint8] | None = None

    @property
    def shown(self) -> NDArray[Any] | None:
        """Whichever there is."""
        return self.output if self.ids is None else self.ids


def task_output(model: Model, program: Program, place: int, frame: FrameResult) -> TaskOutput:
    """The output of a program's frame number `place`: of its decoder on the engine, else of the host's."""
    decoded = program.frames[place].decoded
    if decoded is None or frame.decoded is None:
        decoder = model_decoder(model, frame.task)
        return TaskOutput(None if decoder is None else decoder(frame.tokens.astype(np.float32)))
    if decoded.kind == CLASSES:
        return TaskOutput(None, frame.decoded.astype(np.uint8))
    image = model.spec.image
    return TaskOutput(MapFinisher((image.height, image.width))(frame.decoded, map_layout(program.design, decoded)))
