"""Views of task outputs, their metrics and panels; numbers and plots."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.report import numbers, views
from edgemoe_gen.report.plot import Series, log_lines

RNG = np.random.default_rng(0)


def test_several_channels_are_classes() -> None:
    output = RNG.standard_normal((5, 4, 6)).astype(np.float32)
    shown = views.view(output)
    assert shown.kind == "classes" and shown.classes == 5
    assert np.array_equal(shown.values, output.argmax(axis=0))


def test_one_channel_holds_values_and_no_picture_scores() -> None:
    assert views.view(np.ones((1, 4, 6), np.float32)).kind == "values"
    assert views.view(np.ones(10, np.float32)).kind == "scores"


def test_ground_truth_is_found_by_task_then_by_kind() -> None:
    classes, values = views.view(np.ones((3, 2, 2), np.float32)), views.view(np.ones((1, 2, 2), np.float32))
    labels, depth, own = np.zeros((2, 2)), np.ones((2, 2)), np.full((2, 2), 2.0)
    truth = {"labels": labels, "depth": depth}
    assert views.truth_of("semseg", classes, truth) is labels
    assert views.truth_of("depth", values, truth) is depth
    assert views.truth_of("normals", values, truth) is None
    assert views.truth_of("semseg", classes, {**truth, "semseg": own}) is own


def test_metrics_compare_both_sides_with_ground_truth() -> None:
    truth = np.array([[0, 0], [1, 1]])
    right, wrong = views.View("classes", truth.astype(np.uint8), 2), views.View("classes", 1 - truth, 2)
    (metric,) = views.metrics(right, wrong, truth)
    assert (metric.float_value, metric.engine_value, metric.better) == (1.0, 0.0, "higher")
    near = views.View("values", np.full((2, 2), 1.5), 0)
    (metric,) = views.metrics(near, near, np.ones((2, 2), np.float16))
    assert metric.engine_value == pytest.approx(0.5)


def test_panels_show_input_both_sides_difference_and_truth() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    depth = views.view(RNG.random((1, 2, 2)).astype(np.float32))
    titles = [panel.title for panel in views.panels(picture, depth, depth, np.ones((2, 2)))]
    assert titles == ["input", "float", "accelerator", "difference", "ground truth"]
    classes = views.view(RNG.random((3, 2, 2)).astype(np.float32))
    assert [panel.title for panel in views.panels(picture, classes, classes, None)] == titles[:-1]


def test_both_sides_and_truth_share_one_scale() -> None:
    ours, theirs = (views.View("values", np.array([[a, a + 1.0]]), 0) for a in (0.0, 3.0))
    panels = views.panels(np.zeros((1, 2, 3), np.uint8), ours, theirs, None)
    assert panels[1].span == panels[2].span == (0.0, 4.0)


def difference_panel(ours: np.ndarray, theirs: np.ndarray, kind: views.Kind = "values") -> views.Panel:
    a, b = (views.View(kind, values, 0 if kind == "values" else 5) for values in (ours, theirs))
    return views.panels(np.zeros((*ours.shape, 3), np.uint8), a, b, None)[3]


def test_small_differences_are_stretched_to_a_symmetric_scale_of_their_own() -> None:
    ours = np.linspace(0, 40, 10_000).reshape(100, 100)
    gap = RNG.uniform(-1e-3, 1e-3, ours.shape)
    panel = difference_panel(ours, ours + gap)
    assert panel.span is not None
    low, high = panel.span
    assert low == -high
    assert high == pytest.approx(np.percentile(np.abs(gap), 99.9))
    with Image.open(io.BytesIO(panel.png)) as picture:
        colours = np.asarray(picture).reshape(-1, 3).astype(float)
    # Uniform gaps fill the whole scale: both ends are there, blue below and red above.
    assert (colours[gap.ravel() < -9e-4][:, 2] > colours[gap.ravel() < -9e-4][:, 0]).all()
    assert (colours[gap.ravel() > 9e-4][:, 0] > colours[gap.ravel() > 9e-4][:, 2]).all()


def test_one_outlier_does_not_blank_the_rest_of_a_difference() -> None:
    ours = np.linspace(0, 1, 10_000).reshape(100, 100)
    gap = np.full(ours.shape, 1e-4)
    gap[0, 0] = 0.5
    panel = difference_panel(ours, ours + gap)
    assert panel.span is not None and panel.span[1] < 2e-4


def test_scale_of_a_difference_never_falls_to_rounding_noise() -> None:
    ours = np.linspace(0, 10, 10_000).reshape(100, 100)
    panel = difference_panel(ours, ours + 1e-9)
    assert panel.span is not None and panel.span[1] == pytest.approx(10 * views.LEAST_DIFFERENCE)


def test_equal_maps_say_so_in_words() -> None:
    values = RNG.random((4, 4))
    assert difference_panel(values, values).overlay == "no value differs"
    assert difference_panel(np.full((2, 2), 3.0), np.full((2, 2), 3.0)).overlay == "no value differs"
    labels = RNG.integers(0, 5, (4, 4))
    assert difference_panel(labels, labels, "classes").overlay == "no pixel differs"


def test_one_differing_pixel_is_counted_and_enlarged() -> None:
    ours = np.zeros((64, 128), np.int64)
    theirs = ours.copy()
    theirs[30, 70] = 3
    panel = difference_panel(ours, theirs, "classes")
    assert panel.caption.startswith("1 of 8,192 pixels") and not panel.overlay
    with Image.open(io.BytesIO(panel.png)) as picture:
        colours = np.asarray(picture)
    marked = (colours != colours[0, 0]).any(axis=-1)
    assert marked[30, 70] and marked.sum() == 13  # all within two steps


def test_likeliest_classes_come_with_probabilities() -> None:
    best = views.top_scores(views.view(np.array([0.0, math.log(3), -50], np.float32)), ["cat", "dog"])
    assert best[0] == ("dog", pytest.approx(0.75))
    assert best[2][0] == "class 2"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (numbers.error(1.4e-5), "1.4e-05"),
        (numbers.error(0), "0"),
        (numbers.millions(228_264_960), "228.26 M"),
        (numbers.millions(9216), "9,216"),
        (numbers.millions(None), "–"),
        (numbers.bytes_(36_440_000), "36.44 MB"),
        (numbers.percent(0.704, 0), "70 %"),
        (numbers.plain(1234.5), "1,234"),
        (numbers.plain(math.nan), "–"),
        (numbers.seconds(125.0), "2 min 05 s"),
    ],
)
def test_numbers_are_written_one_way(text: str, wanted: str) -> None:
    assert text == wanted


def test_plot_draws_every_point_inside_its_frame() -> None:
    svg = log_lines([Series("a", "a", [1e-5, 0.0, 1e-2])], ["0", "1", "2"], "block", "error")
    heights = [float(v) for v in re.findall(r'cy="([\d.]+)"', svg)]
    assert len(heights) == 3
    assert all(0 <= v <= 280 for v in heights)
    assert heights[2] < heights[0] <= heights[1]


def test_names_of_lines_that_end_together_do_not_overlap() -> None:
    svg = log_lines([Series("a", "a", [1e-3]), Series("b", "b", [1e-3])], ["0"], "x", "y")
    heights = [float(v) for v in re.findall(r'class="name \w" x="\d+" y="([\d.]+)"', svg)]
    assert abs(heights[0] - heights[1]) >= 16


def test_quality_of_a_set_adds_up_counts_before_the_mean_over_classes() -> None:
    # Class 1 is hit in the first picture only: union of two pixels, one hit. Class 0: two hits of three.
    first, second = np.array([[0, 1]]), np.array([[0, 1]])
    quality = views.Quality("classes", 2)
    quality.add(views.View("classes", first, 2), views.View("classes", first, 2), first)
    quality.add(views.View("classes", np.array([[0, 0]]), 2), views.View("classes", second, 2), second)
    assert quality.metric().float_value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert quality.metric().engine_value == 1.0
    assert quality.pictures == 2


def test_pixels_without_truth_are_counted_apart() -> None:
    near = views.View("values", np.full((2, 2), 1.5, np.float32), 0)
    (metric,) = views.metrics(near, near, np.array([[1.0, np.nan], [2.0, np.nan]]))
    assert (metric.engine_value, metric.pixels, metric.ignored) == (0.5, 2, 2)
    right = views.View("classes", np.zeros((2, 2), np.uint8), 2)
    (metric,) = views.metrics(right, right, np.array([[0, -1], [-1, 255]]))
    assert (metric.float_value, metric.pixels, metric.ignored) == (1.0, 1, 3)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_where_no_pixel_counts_there_is_no_figure(kind: views.Kind) -> None:
    shown = views.View(kind, np.zeros((2, 2), np.uint8), 2)
    (metric,) = views.metrics(shown, shown, np.full((2, 2), -1 if kind == "classes" else np.nan))
    assert (metric.float_value, metric.engine_value, metric.pixels, metric.ignored) == (None, None, 0, 4)


def test_values_weigh_by_pixels_and_parts_join_to_the_whole() -> None:
    shown = views.View("values", np.zeros((1, 4), np.float32), 0)
    whole, parts = views.Quality("values", 0), [views.Quality("values", 0) for _ in range(2)]
    for part, truth in zip(parts, (np.array([[1.0, 1, 1, 1]]), np.array([[9.0, np.nan, np.nan, np.nan]])), strict=True):
        whole.add(shown, shown, truth)
        part.add(shown, shown, truth)
    assert whole.metric().engine_value == pytest.approx((4 + 9) / 5)
    parts[0].join(parts[1])
    assert parts[0].metric() == whole.metric() and parts[0].pictures == 2


def test_holes_of_truth_are_black_and_do_not_stretch_the_scale() -> None:
    values = views.View("values", np.array([[1.0, 2.0]]), 0)
    shown = views.panels(np.zeros((1, 2, 3), np.uint8), values, values, np.array([[np.nan, 4.0]]))
    truth = next(panel for panel in shown if panel.title == "ground truth")
    assert truth.span == (1.0, 4.0)
    with Image.open(io.BytesIO(truth.png)) as picture:
        assert np.asarray(picture)[0, 0].max() < 32 < np.asarray(picture)[0, 1].max()
    nothing = views.panels(np.zeros((1, 2, 3), np.uint8), values, values, np.full((1, 2), np.nan))
    assert nothing[-1].span == (1.0, 2.0)


def test_class_numbers_are_shown_as_the_map_whose_largest_they_are() -> None:
    output = np.random.default_rng(2).random((6, 5, 4)).astype(np.float32)
    numbers = output.argmax(axis=0).astype(np.uint8)
    shown = views.view(numbers, 6)
    assert (shown.kind, shown.classes) == ("classes", 6) == (views.view(output).kind, views.view(output).classes)
    assert np.array_equal(shown.values, views.view(output).values)
    assert views.view(numbers).classes == numbers.max() + 1
