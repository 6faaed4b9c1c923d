"""Rounds a layer's weights together: weights that are rounded later compensate the errors of earlier ones.

GPTQ (Frantar et al., arXiv 2210.17323). In: weights, the second moments of the layer's inputs, and each output's step.
Out: integers whose error on such inputs is as small as rounding column by column can make it. An output for which
rounding to nearest is better keeps the nearest weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.numerics.fixed import FINEST_OUTPUT, Floats, Format, Integers, finer_outputs
from edgemoe_gen.numerics.lower import Array

# Added to the diagonal, in parts of its mean: inputs that never vary would leave the moments singular.
DAMPING = 0.03
_COLUMNS = 32  # rounded before the columns behind them are corrected, in one product


@dataclass(frozen=True)
class Moments:
    """Moments of a layer's inputs.

    Attributes:
        count: number of tokens, or pixels.
        mean: [inputs].
        centred: [inputs, inputs] mean of the products of deviations from the mean.
    """

    count: int
    mean: Array
    centred: Array

    @classmethod
    def of(cls, inputs: Floats) -> Moments:
        """Moments of [tokens, inputs], in float64."""
        values = np.asarray(inputs, np.float64)
        if not len(values):
            return cls(0, np.zeros(values.shape[1]), np.zeros((values.shape[1],) * 2))
        mean = values.mean(axis=0)
        values = values - mean
        return cls(len(values), mean, values.T @ values / len(values))


class Metric:
    """Cost of an error of weights: the damped moments of the inputs, and their factorisation for GPTQ.

    Layers that read the same inputs share it.

    Args:
        moments: mean squares [inputs, inputs], positive semidefinite.
        damping: see `DAMPING`.

    Raises:
        EdgeMoEError: the moments hold NaN or infinite values.
    """

    def __init__(self, moments: Array, damping: float = DAMPING) -> None:
        if not np.isfinite(moments).all():
            raise EdgeMoEError("a layer's inputs hold NaN or infinite values", "check the pictures for calibration")
        diagonal = np.diag(moments)
        ridge = damping * float(diagonal.mean()) if len(diagonal) else 0.0
        self.values = (moments + moments.T) / 2 + np.eye(len(moments)) * (ridge or 1.0)
        self.order = np.argsort(-np.diag(self.values), kind="stable")
        ordered = self.values[np.ix_(self.order, self.order)]
        # The upper factor of the inverse; row by row it is what is left of a column's error for those behind it.
        self.factor = np.linalg.cholesky(np.linalg.inv(ordered)).T

    @property
    def left(self) -> Array:
        """[inputs] mean square of the error that later weights cannot compensate, for each input."""
        found = np.empty(len(self.order))
        found[self.order] = 1.0 / np.square(np.diag(self.factor))
        return found

    def cost(self, error: Array) -> Array:
        """[outputs] mean squared error of results, from errors of weights [outputs, inputs]."""
        cost: Array = np.einsum("oi,oi->o", error @ self.values, error)
        return cost


@dataclass(frozen=True)
class Grid:
    """Possible values of weights: whole multiples, up to `limit`, of each output's step.

    Attributes:
        steps: [outputs], powers of two; of several solutions [solutions, outputs].
        limit: the largest multiple.
    """

    steps: Array
    limit: int

    @classmethod
    def of(cls, weight: Floats, form: Format) -> Grid:
        """The grid of a program: each output as fine as its own largest weight allows."""
        finer = finer_outputs(weight, form, FINEST_OUTPUT)
        return cls(form.step * np.exp2(-finer.astype(np.float64)), (1 << (form.bits - 1)) - 1)

    def nearest(self, weight: Floats) -> Integers:
        """Multiples nearest to weights [outputs, inputs]."""
        multiples = np.floor(weight / self.steps[:, None] + 0.5)
        return np.clip(multiples, -self.limit, self.limit).astype(np.int64)

    def values(self, multiples: Integers) -> Array:
        """Values of multiples [outputs, inputs]."""
        return multiples * self.steps[:, None]


def nearest(weight: Array, form: Format) -> Array:
    """Weights [outputs, inputs] rounded one by one, as in a program without calibration."""
    grid = Grid.of(weight, form)
    return grid.values(grid.nearest(weight))


def round_together(weight: Array, form: Format, metric: Metric) -> Array:
    """Weights [outputs, inputs] on grids of `form`; no output's cost is above that of `nearest`.

    Args:
        weight: weights to round.
        form: format that holds the weights; each output is finer by whole bits where its largest weight allows it.
        metric: metric of the layer's inputs.
    """
    best = nearest(weight, form)
    cost = metric.cost(best - weight)
    whole = Grid.of(weight, form)
    # With half the step the largest weights saturate, which pays for an output with few large ones.
    half = np.maximum(whole.steps / 2, form.step * 2.0**-FINEST_OUTPUT)
    for found in _one_after_another(weight, Grid(np.stack([whole.steps, half]), whole.limit), metric):
        found_cost = metric.cost(found - weight)
        better = found_cost < cost
        best[better], cost[better] = found[better], found_cost[better]
    return best


def _one_after_another(weight: Array, grid: Grid, metric: Metric) -> Array:
    """GPTQ: rounds column after column, those of large inputs first, and lets the rest compensate.

    Returns one solution for each row of the grid's steps [solutions, outputs], all found at once.
    """
    solutions, outputs = grid.steps.shape
    steps, factor = grid.steps.reshape(-1), metric.factor
    # [inputs, solutions * outputs]: what is worked on lies together.
    left = np.tile(weight[:, metric.order], (solutions, 1)).T.copy()
    rounded = np.empty_like(left)
    for first in range(0, len(left), _COLUMNS):
        end = min(first + _COLUMNS, len(left))
        errors = np.empty((end - first, left.shape[1]))
        for column in range(first, end):
            rounded[column] = np.clip(np.rint(left[column] / steps), -grid.limit, grid.limit) * steps
            error = (left[column] - rounded[column]) / factor[column, column]
            left[column + 1 : end] -= factor[column, column + 1 : end, None] * error
            errors[column - first] = error
        left[end:] -= factor[first:end, end:].T @ errors
    found = np.empty((solutions, *weight.shape))
    found[:, :, metric.order] = rounded.T.reshape(solutions, outputs, -1)
    return found
