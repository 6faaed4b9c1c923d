"""Metrics on maps small enough to count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.report.metrics import ConfusionMatrix, absolute_error, depth_error, mean_iou


def test_mean_iou_counted_by_hand() -> None:
    labels, predicted = np.array([[0, 0, 1], [1, 1, 1]]), np.array([[0, 1, 1], [1, 1, 0]])
    # Class 0: one hit, union 3; class 1: three hits, union 5.
    assert mean_iou(labels, predicted, 2) == pytest.approx((1 / 3 + 3 / 5) / 2)


def test_absent_class_does_not_count_but_a_wrongly_predicted_one_does() -> None:
    labels = np.zeros((2, 2), int)
    assert mean_iou(labels, labels, 5) == 1.0
    assert mean_iou(labels, np.array([[0, 0], [0, 4]]), 5) == pytest.approx((3 / 4 + 0) / 2)


def test_ignored_pixels_do_not_count() -> None:
    labels = np.array([0, 1, 255, -1])
    assert mean_iou(labels, np.array([0, 1, 0, 1]), 2) == 1.0


def test_counts_over_images_equal_counts_over_their_stack_and_not_the_mean_of_means() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, (2, 5, 8, 9)).astype(np.uint8)
    predicted[0] = labels[0]
    matrix = ConfusionMatrix(4)
    for true, guess in zip(labels, predicted, strict=True):
        matrix.add(true, guess)
    assert matrix.mean_iou() == pytest.approx(mean_iou(labels, predicted, 4))
    assert matrix.accuracy() == pytest.approx(float((labels == predicted).mean()))
    means = [mean_iou(true, guess, 4) for true, guess in zip(labels, predicted, strict=True)]
    assert abs(matrix.mean_iou() - float(np.mean(means))) > 0.01


def test_nothing_counted_is_nan_not_zero() -> None:
    assert math.isnan(ConfusionMatrix(3).mean_iou()) and math.isnan(ConfusionMatrix(3).accuracy())


def test_shapes_and_predictions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        mean_iou(np.zeros(2, int), np.zeros(3, int), 2)
    with pytest.raises(ValueError, match="7"):
        mean_iou(np.zeros(2, int), np.array([0, 7]), 2)
    with pytest.raises(ValueError, match="equal"):
        depth_error(np.zeros((2, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="empty"):
        depth_error(np.zeros(0), np.zeros(0))


def test_depth_error_is_the_mean_absolute_difference_in_full_precision() -> None:
    assert depth_error(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0])) == pytest.approx(1.0)
    half = np.full(4, 60000.0, np.float16)  # a sum of these overflows float16
    assert depth_error(half, np.zeros(4, np.float16)) == pytest.approx(60000.0, rel=1e-3)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_holes_change_a_figure_as_if_their_pixels_were_not_there(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    labels, guess = rng.integers(0, 3, (2, 6, 7))
    depth, predicted = rng.uniform(1, 9, (2, 6, 7))
    hole = rng.random(labels.shape) < share
    marked = np.where(hole, rng.choice([255, -1, 3, 77], labels.shape), labels)
    kept = mean_iou(labels[~hole], guess[~hole], 3)
    assert mean_iou(marked, guess, 3) == pytest.approx(kept, nan_ok=True)
    gone = np.where(hole, rng.choice([0.0, np.nan, np.inf, -np.inf, -1.0], labels.shape), depth)
    if hole.all():
        with pytest.raises(ValueError, match="empty"):
            depth_error(gone, predicted)
    else:
        assert depth_error(gone, predicted) == pytest.approx(float(np.abs(depth - predicted)[~hole].mean()))


def test_errors_of_values_count_every_number_and_nothing_else() -> None:
    assert absolute_error(np.array([0.0, -2.0, np.nan, np.inf]), np.array([1.0, 1.0, 5.0, 5.0])) == (4.0, 2)
