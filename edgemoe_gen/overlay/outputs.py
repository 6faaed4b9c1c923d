"""A task's output from the engine's results of a frame, by the same code as on the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model
from edgemoe_gen.numerics.fixed import Integers
from edgemoe_gen.overlay.decoders import model_decoder
from edgemoe_gen.overlay.driver.maps import CLASSES, MapFinisher
from edgemoe_gen.overlay.results import map_layout
from edgemoe_gen.program.compile import Program


@dataclass(frozen=True, eq=False)
class TaskOutput:
    """A float map [classes, height, width] or scores [classes], or class numbers uint8 [height, width], or neither."""

    output: NDArray[np.float32] | None
    ids: NDArray[np.uint8] | None = None

    @property
    def shown(self) -> NDArray[Any] | None:
        """The output in either form."""
        return self.output if self.ids is None else self.ids


def task_output(
    model: Model, program: Program, place: int, tokens: NDArray[np.floating], decoded: Integers | None
) -> TaskOutput:
    """The output of a program's frame.

    Args:
        model: the network.
        program: that ran.
        place: number of the frame.
        tokens: [tokens, dim] that it left.
        decoded: what its decoder left on the engine, as of `Decoded.unpack`; None where the host decodes.
    """
    frame = program.frames[place]
    if frame.decoded is None or decoded is None:
        decoder = model_decoder(model, frame.task)
        return TaskOutput(None if decoder is None else decoder(tokens.astype(np.float32)))
    if frame.decoded.kind == CLASSES:
        return TaskOutput(None, decoded.astype(np.uint8))
    image = model.spec.image
    return TaskOutput(MapFinisher((image.height, image.width))(decoded, map_layout(program.design, frame.decoded)))
