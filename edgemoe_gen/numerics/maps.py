"""Maps of pixels [rows, columns, features]: sums of convolutions and doublings, in integers or in floats."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.numerics.fixed import Floats, Integers

T = TypeVar("T", Integers, NDArray[np.float64])


def tap_sums(pixels: Integers | Floats, weight: Integers | Floats) -> NDArray[np.float64]:
    """A 3x3 convolution with zeros around, without bias, in float64.

    Args:
        pixels: [rows, columns, inputs].
        weight: [outputs, 9 * inputs], taps row by row.

    Returns:
        [rows, columns, outputs].
    """
    rows, columns, inputs = pixels.shape
    around = np.zeros((rows + 2, columns + 2, inputs))
    around[1:-1, 1:-1] = pixels
    columns_of = weight.T.astype(np.float64)
    sums = np.zeros((rows * columns, weight.shape[0]))
    for tap in range(9):
        down, across = divmod(tap, 3)
        moved = around[down : down + rows, across : across + columns].reshape(-1, inputs)
        sums += moved @ columns_of[tap * inputs : (tap + 1) * inputs]
    return sums.reshape(rows, columns, -1)


def doubled_sixteenths(pixels: T) -> T:
    """16 times the doubled map, bilinear without aligned corners.

    A new pixel lies a quarter of a step from its nearest old one, so 16 times it is 9 near + 3 beside + 3 above or
    below + far. Border pixels repeat beyond the border.
    """
    return _between(_between(pixels, 0), 1)


def _between(values: T, axis: int) -> T:
    """Along an axis, 3 x the nearer of two neighbours plus the other, which doubles the length."""
    values = np.moveaxis(values, axis, 0)
    before, behind = np.concatenate([values[:1], values[:-1]]), np.concatenate([values[1:], values[-1:]])
    pairs = np.stack([3 * values + before, 3 * values + behind], axis=1)
    return np.moveaxis(pairs.reshape(-1, *values.shape[1:]), 0, axis)
