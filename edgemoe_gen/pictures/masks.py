"""Pixels of ground truth that count: data sets mark the others by impossible labels and depths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def known_labels(labels: NDArray[Any], classes: int) -> Mask:
    """Labels that are classes, 0 to `classes` - 1; others (255, negative, NaN) mark pixels to ignore."""
    mask: Mask = (labels >= 0) & (labels < classes)
    return mask


def known_values(values: NDArray[Any]) -> Mask:
    """Values that are numbers; NaN and infinity mark holes."""
    mask: Mask = np.isfinite(values)
    return mask


def known_depth(depth: NDArray[Any]) -> Mask:
    """Depths or disparities that were measured; those of 0 or less, NaN and infinity mark holes."""
    mask: Mask = known_values(depth) & (depth > 0)
    return mask
