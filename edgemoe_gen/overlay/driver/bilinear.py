"""Bilinear resizing of float maps as in PyTorch; the sampling points of each size are computed once."""

from __future__ import annotations

from typing import Any

import numpy as np


class Bilinear:
    """Resizes float32 maps."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bool], tuple[Any, Any, Any]] = {}

    def __call__(self, x: Any, size: tuple[int, int], align_corners: bool, axes: tuple[int, int] = (0, 1)) -> Any:
        """A map with its two `axes` resized to `size`: down first, then across."""
        for axis, wanted in ((axes[0], size[0]), (axes[1], size[1])):
            if x.shape[axis] == wanted:
                continue  # both ways of sampling leave it as it is
            key = (x.shape[axis], wanted, align_corners)
            if key not in self._known:
                self._known[key] = sampling(*key)
            low, high, share = self._known[key]
            shape = [1] * x.ndim
            shape[axis] = -1
            below = x.take(low, axis=axis)
            above = x.take(high, axis=axis)
            above -= below
            above *= share.reshape(shape)
            above += below
            x = above
        return x


def sampling(size: int, wanted: int, align_corners: bool) -> tuple[Any, Any, Any]:
    """Places of the new pixels of a bilinear resize among the old ones, as in PyTorch.

    Returns:
        For every new pixel the old pixels before and after it, int [wanted], and the share of the second, float32
        [wanted].
    """
    place = np.arange(wanted, dtype=np.float64)
    if align_corners:
        place *= (size - 1) / (wanted - 1) if wanted > 1 else 0.0
    else:
        place = np.maximum((place + 0.5) * (size / wanted) - 0.5, 0)
    low = np.minimum(place.astype(np.int64), size - 1)
    return low, np.minimum(low + 1, size - 1), (place - low).astype(np.float32)
