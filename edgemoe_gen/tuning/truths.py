"""The float reference on the pictures of a search, and how far the frames of a simulated design are from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.numerics.decoder import evaluate
from edgemoe_gen.numerics.fixed import dequantise
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.sim.engine import FrameResult
from edgemoe_gen.sim.integers import double
from edgemoe_gen.tuning.prepared import Float32, Prepared
from edgemoe_gen.tuning.trial import CSIM, Figure


@dataclass(frozen=True, eq=False)
class Truth:
    """The float reference on one picture and task: final tokens [tokens, dim], and each token's experts, sorted."""

    image: int
    task: str
    tokens: Float32
    experts: NDArray[np.int64] | None


def simulated_figures(
    design: Design, prepared: Prepared, truths: Sequence[Truth], frames: Sequence[Mapping[str, FrameResult]]
) -> dict[str, Figure]:
    """Errors of a design: of its tokens, its maps and its choices of experts.

    Args:
        design: whose frames these are.
        prepared: the network.
        truths: what they should be.
        frames: of each picture, by task.
    """
    squares = power = 0.0
    maps: list[float] = []
    equal = sets = 0
    for truth in truths:
        frame = frames[truth.image][truth.task]
        wanted = truth.tokens
        if truth.experts is not None and frame.experts is not None:
            same = (np.sort(frame.experts, axis=-1) == truth.experts).all(axis=-1)
            equal, sets = equal + int(same.sum()), sets + same.size
            if not same.all():
                wanted = _forced(prepared.model, prepared.images[truth.image], truth.task, frame.experts)
        squares += float(np.mean(np.square(frame.tokens - wanted)))
        own = float(np.mean(np.square(truth.tokens, dtype=np.float64)))
        power += own
        if frame.decoded is not None:
            maps.append(_map_error(design, prepared, frame))
            squares += own * maps[-1]
    figures = {"error": squares / len(truths), "relative_rms": math.sqrt(squares / max(power, 1e-300))}
    if maps:
        figures["map_rms"] = math.sqrt(sum(maps) / len(maps))
    if sets:
        figures["sets_equal"] = equal / sets
    return {name: Figure(value, CSIM) for name, value in figures.items()}


def _map_error(design: Design, prepared: Prepared, frame: FrameResult) -> float:
    """Squared error of a decoder's map from its own rounding, relative to float's map of the engine's tokens."""
    assert frame.decoded is not None
    form = prepared.calibrated(design.knobs.widths, together=True).formats[f"{DECODERS}.{frame.task}.logits"]
    wanted = evaluate(prepared.network.decoders[frame.task], prepared.model.spec, frame.tokens)
    logits = frame.decoded >> design.knobs.residual_tail_bits  # a store brings the residual's finer bits
    error = float(np.square(dequantise(double(logits), form) - wanted).sum())
    return error / max(float(np.square(wanted).sum()), 1e-300)


def _forced(model: Model, image: Float32, task: str, experts: NDArray[np.int64]) -> Float32:
    """Float's result for a picture with the accelerator's choice of experts, as in a build's report.

    One near tie with another outcome changes a token by more than all rounding does. The share of equal sets counts
    such ties, which would hide all other errors.
    """
    return Reference(model).run(image, task, routes=experts, with_output=False).tokens
