"""Compares the accelerator's frames, from C simulation, with those of the float reference.

Two comparisons: *free-running*, where each side chooses its own experts; and *forced*, where the float side takes the
accelerator's routes, so that only arithmetic differs. Decoders run in float on the tokens of each side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import Model, Reference, decode
from edgemoe_gen.sim.engine import FrameResult

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class FrameErrors:
    """Errors of one frame of the accelerator against float; mean squared errors in squared units of the tokens.

    Attributes:
        image, task: those of the frame.
        mse_free, mse_forced: of the last block's tokens.
        blocks_free, blocks_forced: of every block's output.
        power: mean square of every block's output in float, to relate errors to.
        largest: largest absolute error of a final token's value, routes forced.
        sets_equal, sets: token-layers with equal sets of experts, and all token-layers.
        score_error: largest absolute difference of a router's score, routes forced; 0 without experts.
    """

    image: str
    task: str
    mse_free: float
    mse_forced: float
    blocks_free: tuple[float, ...]
    blocks_forced: tuple[float, ...]
    power: tuple[float, ...]
    largest: float
    sets_equal: int
    sets: int
    score_error: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Errors of a frame, and results of the task's decoder or head for the tokens of each side (None without one)."""

    errors: FrameErrors
    float_output: Floats | None
    engine_output: Floats | None


def compare(
    model: Model, reference: Reference, image_name: str, image: NDArray[np.float32], frame: FrameResult
) -> Comparison:
    """Compares one simulated frame, which must have been run with taps.

    Args:
        model, reference: the network in float.
        image_name: for the table.
        image: network input [3, height, width].
        frame: the simulation's results.
    """
    assert frame.blocks is not None, "the program must store every block"
    free = reference.run(image, frame.task)
    forced = free
    equal = sets = 0
    score_error = 0.0
    if frame.experts is not None and frame.scores is not None and free.routes is not None:
        forced = reference.run(image, frame.task, routes=frame.experts, with_output=False)
        assert forced.routes is not None
        same = (np.sort(frame.experts, axis=-1) == np.sort(free.routes.experts, axis=-1)).all(axis=-1)
        equal, sets = int(same.sum()), int(same.size)
        score_error = float(np.abs(frame.scores - forced.routes.scores).max(initial=0.0))
    errors = FrameErrors(
        image=image_name,
        task=frame.task,
        mse_free=_mse(frame.tokens, free.tokens),
        mse_forced=_mse(frame.tokens, forced.tokens),
        blocks_free=_by_block(frame.blocks, free.blocks),
        blocks_forced=_by_block(frame.blocks, forced.blocks),
        power=tuple(float(np.mean(np.square(block, dtype=np.float64))) for block in free.blocks),
        largest=float(np.abs(frame.tokens - forced.tokens).max()),
        sets_equal=equal,
        sets=sets,
        score_error=score_error,
    )
    return Comparison(errors, free.output, decode(model, frame.tokens.astype(np.float32), frame.task))


def _mse(a: Floats, b: Floats) -> float:
    return float(np.mean(np.square(a.astype(np.float64) - b)))


def _by_block(a: Floats, b: Floats) -> tuple[float, ...]:
    return tuple(_mse(x, y) for x, y in zip(a, b, strict=True))
