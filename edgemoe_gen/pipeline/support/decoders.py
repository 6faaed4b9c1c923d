"""What a build says of decoders that stay on the host: why, and what time of a frame that costs."""

from __future__ import annotations

from collections.abc import Sequence

from edgemoe_gen.design import Knobs
from edgemoe_gen.model import Model
from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS
from edgemoe_gen.numerics.placing import HOST, LOGITS, decoder_places

# Assumed of NumPy on four Cortex-A53, never measured: `bench` on the board says what it is.
HOST_MACS_PER_SECOND = 4e9


def decoder_macs(model: Model, task: str) -> int:
    """Multiply-accumulates of a task's decoder for one frame."""
    rows, columns = model.spec.grid
    total = 0
    for i in range(DECODER_CONVOLUTIONS):
        level = min(i, DECODER_CONVOLUTIONS - 2)  # the last convolution has the map of the one before
        total += model.decoders[task][f"conv_{i}.weight"].size * (rows << level) * (columns << level)
    return total


def decoder_notes(model: Model, tasks: Sequence[str], knobs: Knobs) -> tuple[str, ...]:
    """A sentence for each task whose decoder is not on the engine as a whole."""
    notes = []
    for task, place in decoder_places(model, tasks, knobs.max_map_width, knobs.max_map_channels).items():
        if place.where == LOGITS:
            notes.append(place.reason)
        elif place.where == HOST and task in model.decoders:
            macs = decoder_macs(model, task)
            notes.append(
                f"{place.reason}: {macs / 1e9:.3g} GMAC, about {macs / HOST_MACS_PER_SECOND:.2g} s of a frame on the "
                f"board's processor (assumed: {HOST_MACS_PER_SECOND / 1e9:g} GMAC a second)"
            )
    return tuple(notes)
