"""Notes of a build on decoders that stay on the host: the reason, and the time on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgemoe_gen.design import Design
from edgemoe_gen.model import Model, ModelSpec
from edgemoe_gen.model.macs import decoder_macs, total
from edgemoe_gen.numerics.lower import LoweredDecoder
from edgemoe_gen.numerics.placing import HOST, LOGITS, decoder_places
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.program.compile import Program

# Assumed of NumPy on four Cortex-A53, never measured: `bench` on the board says what it is.
HOST_MACS_PER_SECOND = 4e9


def lowered_macs(decoder: LoweredDecoder, spec: ModelSpec) -> int:
    """Multiply-accumulates of a decoder for one frame as the engine computes it.

    They are those of `model.macs.decoder_macs`, and of the feature of ones. Each convolution is on its map, the
    last one on that of the one before.
    """
    (rows, columns), last = spec.grid, len(decoder.layers) - 2
    return sum(layer.weight.size * (rows * columns << 2 * min(i, last)) for i, layer in enumerate(decoder.layers))


def without_decoders(program: Program) -> Program:
    """A program that ends with the tokens: for estimates of the backbone alone."""
    kept = [i for i, layer in enumerate(program.layers) if not layer.startswith(f"{DECODERS}.")]
    return replace(
        program,
        operations=tuple(program.operations[i] for i in kept),
        layers=tuple(program.layers[i] for i in kept),
    )


def decoder_notes(model: Model, tasks: Sequence[str], design: Design, chosen: bool = True) -> tuple[str, ...]:
    """A sentence for each task whose decoder is not on the engine as a whole.

    Args:
        model, tasks: the network and its tasks.
        design: the design on which they run.
        chosen: whether the user has said `max_map_width`; otherwise it is 0 where decoders do not fit.
    """
    knobs, notes = design.knobs, []
    no_room = f"the {design.board.title} has no room for decoders beside the backbone, so its decoder runs on the host"
    for task, place in decoder_places(model, tasks, knobs.max_map_width, knobs.max_map_channels).items():
        if place.where == LOGITS:
            notes.append(place.reason)
        elif place.where == HOST and task in model.decoders:
            macs = total(decoder_macs(model.spec, task))
            left = knobs.max_map_width == 0 and not chosen and not model.spec.align_corners
            reason = f"{task}: {no_room}" if left else place.reason
            notes.append(
                f"{reason}: {macs / 1e9:.3g} GMAC, about {macs / HOST_MACS_PER_SECOND:.2g} s of a frame on the "
                f"board's processor (assumed: {HOST_MACS_PER_SECOND / 1e9:g} GMAC a second)"
            )
    return tuple(notes)
