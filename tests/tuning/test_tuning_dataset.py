"""Adding up a data set's pictures: what counts, and what is said where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.report.views import Kind, Quality, View
from edgemoe_gen.tuning.dataset import TaskSums, add_up


def sums(truth: object, shown: object, kind: Kind, classes: int = 0) -> TaskSums:
    values = View(kind, np.array(shown), classes)
    quality = Quality(kind, classes)
    quality.add(values, values, np.array(truth))
    return TaskSums(quality, 1.0, 4.0, 3, 4)


NOTHING = TaskSums(None, 1.0, 4.0, 3, 4)


def test_pixels_weigh_the_same_whatever_picture_they_are_of() -> None:
    parts = [sums([[1.0, np.nan]], [[2.0, 9.0]], "values"), NOTHING, sums([[5.0, 6.0]], [[5.0, 6.0]], "values")]
    row = add_up("depth", parts)
    assert row.engine_value == pytest.approx(1 / 3)
    assert (row.pictures, row.pixels, row.ignored) == (2, 3, 1)
    assert row.relative_rms == 0.5 and row.sets_equal == 0.75


def test_a_class_that_is_nowhere_has_no_figure_in_json() -> None:
    row = add_up("semseg", [sums([[0, 1, -1]], [[0, 0, 2]], "classes", 4)])
    assert row.class_iou == ((0.5, 0.5), (0.0, 0.0), (None, None), (None, None))
    assert (row.pixels, row.ignored) == (2, 1)
    assert "NaN" not in json_text(row.class_iou)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (NOTHING, "no picture of the dataset has ground truth for the task x"),
        (
            sums([[-1, 255]], [[0, 1]], "classes", 2),
            "of 2 pixels of ground truth for the task x none counts",
        ),
        (sums([[np.nan] * 3], [[1.0] * 3], "values"), "of 3 pixels of ground truth for the task x none counts: .*NaN"),
        (sums([[1.0]], [[np.nan]], "values"), "output for the task x is not finite"),
    ],
)
def test_nothing_to_add_up_is_one_sentence(part: TaskSums, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        add_up("x", [part])
