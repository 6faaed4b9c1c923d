"""Metrics of dense predictions: mean intersection over union of labels, mean absolute error of depths.

For one image there are functions; over many images a `ConfusionMatrix` adds up counts first, because the mean over
classes of a whole set is not the mean of the images' means. Pixels without ground truth are left out (`masks`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemoe_gen.pictures.masks import known_depth, known_labels, known_values


class ConfusionMatrix:
    """Counts of pixels by true and predicted class, added up over images.

    Args:
        classes: number of classes; labels are 0 .. classes - 1.
    """

    def __init__(self, classes: int) -> None:
        if classes < 1:
            raise ValueError(f"a confusion matrix needs at least one class, not {classes}")
        self.counts: npt.NDArray[np.int64] = np.zeros((classes, classes), np.int64)  # [true, predicted]

    def add(self, labels: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer]) -> None:
        """Count one image or a stack of images, two arrays of one shape.

        A pixel whose true label is not a class (such as 255, the usual mark for "ignore") is left out.

        Raises:
            ValueError: the shapes differ, or a prediction is not a class.
        """
        if labels.shape != predicted.shape:
            raise ValueError(f"labels are {labels.shape} but predictions are {predicted.shape}; they must be equal")
        classes = len(self.counts)
        counted = known_labels(labels, classes)
        true, guess = labels[counted].astype(np.int64), predicted[counted].astype(np.int64)
        if guess.size and (guess.min() < 0 or guess.max() >= classes):
            raise ValueError(f"predictions lie in {guess.min()} .. {guess.max()}, outside of 0 .. {classes - 1}")
        pairs = np.bincount(true * classes + guess, minlength=classes * classes)
        self.counts += pairs.reshape(classes, classes)

    def iou(self) -> npt.NDArray[np.float64]:
        """Intersection over union a class [classes]; NaN for a class that is neither present nor predicted."""
        hits = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits
        iou: npt.NDArray[np.float64] = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
        return iou

    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that are present or predicted; NaN before the first pixel."""
        values = self.iou()
        known = values[~np.isnan(values)]
        return float(known.mean()) if known.size else math.nan

    def accuracy(self) -> float:
        """Share of pixels with the right class; NaN before the first pixel."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else math.nan


def mean_iou(labels: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> float:
    """Mean intersection over union of two label maps of one shape, in 0 .. 1.

    Classes that neither map holds do not count; true labels outside 0 .. classes - 1 are ignored pixels.

    Raises:
        ValueError: the shapes differ, or a prediction is not a class.
    """
    matrix = ConfusionMatrix(classes)
    matrix.add(labels, predicted)
    return matrix.mean_iou()


def absolute_error(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> tuple[float, int]:
    """Sum of the absolute errors of a map, in its unit, and how many pixels it is over: those where `truth` is known.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the truth is {truth.shape}, the prediction {predicted.shape}; they must be equal")
    known = known_values(truth)
    gaps = np.abs(truth[known].astype(np.float64) - predicted[known].astype(np.float64))
    return float(gaps.sum()), int(known.sum())


def depth_error(depth: npt.NDArray[np.floating], predicted: npt.NDArray[np.floating]) -> float:
    """Mean absolute error of two depth maps of one shape, in their unit (metres), where the depth was measured.

    Raises:
        ValueError: the shapes differ, or no pixel of `depth` was measured.
    """
    total, pixels = absolute_error(np.where(known_depth(depth), depth, np.nan), predicted)
    if not pixels:
        raise ValueError(f"depth is {depth.shape}, but empty of pixels that were measured")
    return total / pixels
