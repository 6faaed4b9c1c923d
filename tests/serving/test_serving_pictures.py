"""What a viewer is sent: maps in the report's colours, spans that do not flicker, rates and watts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.report.colours import paint_classes, paint_scale
from edgemoe_gen.serving.meter import FEWEST, PowerMeter, Rate
from edgemoe_gen.serving.pictures import Span, jpeg, task_picture

RANDOM = np.random.default_rng(0)


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("classes", [2, 19, 255, 300])
def test_classes_have_the_reports_colours(classes: int) -> None:
    output = RANDOM.standard_normal((classes, 8, 12)).astype(np.float32)
    picture = task_picture(output, (), Span())
    labels = output.argmax(axis=0)
    assert (pixels(picture.data) == paint_classes(labels)).all()
    assert picture.facts == {"kind": "classes", "classes": classes, "present": np.unique(labels).tolist()}


def test_values_have_the_reports_colours_to_a_step_of_256() -> None:
    output = RANDOM.standard_normal((1, 16, 16)).astype(np.float32)
    picture = task_picture(output, (), Span())
    low, high = float(output.min()), float(output.max())
    exact = paint_scale(output[0], low, high).astype(int)
    # Half a step of 255 on the steepest of the scale's nine pieces, where a channel changes by 72; and rounding.
    assert np.abs(pixels(picture.data).astype(int) - exact).max() <= 72 * 9 / 255 / 2 + 1
    assert picture.facts == {"kind": "values", "low": low, "high": high}


@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_maps_of_one_value_or_none_are_shown_or_said(value: float) -> None:
    picture = task_picture(np.full((1, 4, 4), value, np.float32), (), Span())
    assert picture.facts["kind"] == ("values" if value == 3.0 else "none")
    mixed = np.array([[[1.0, value], [2.0, 1.5]]], np.float32)
    assert pixels(task_picture(mixed, (), Span()).data).shape == (2, 2, 3)


def test_scores_are_the_best_classes_by_name() -> None:
    picture = task_picture(np.array([0.0, 5.0, 1.0], np.float32), ("cat", "dog"), Span())
    assert picture.data == b""
    assert [name for name, _ in picture.facts["scores"]] == ["dog", "class 2", "cat"]
    assert sum(share for _, share in picture.facts["scores"]) == pytest.approx(1, abs=2e-4)


def test_a_network_without_a_decoder_has_no_map() -> None:
    assert task_picture(None, (), Span()).facts == {"kind": "none"}


def test_a_span_grows_at_once_and_shrinks_slowly() -> None:
    span = Span()
    assert span.follow(0, 10) == (0, 10)
    assert span.follow(-5, 20) == (-5, 20)
    low, high = span.follow(0, 10)
    assert -5 < low < 0
    assert 10 < high < 20
    for _ in range(200):
        low, high = span.follow(0, 10)
    assert (low, high) == pytest.approx((0, 10), abs=1e-3)


def test_the_sources_picture_is_a_jpeg_close_to_it() -> None:
    frame = np.full((32, 64, 3), (200, 30, 90), np.uint8)
    assert np.abs(pixels(jpeg(frame)).astype(int) - frame).max() <= 4


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.count(0.0) == 0
    for i in range(1, 100):
        slow = rate.count(i * 2.0)
    assert slow == pytest.approx(0.5), f"of a slow engine the last {FEWEST} frames count"
    for i in range(1, 500):
        fast = rate.count(198 + i * 0.05)
    assert fast == pytest.approx(20)
    rate.clear()
    assert rate.count(1000.0) == 0


class Sensor:
    def __init__(self, *values: float | Exception) -> None:
        self.values = list(values)

    @property
    def value(self) -> float:
        value = self.values.pop(0)
        if isinstance(value, Exception):
            raise value
        return value


def test_the_whole_boards_rail_is_preferred_and_else_rails_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.serving.meter.POWER_SECONDS", 0.0)
    meter = PowerMeter(lambda: ({"INT": Sensor(3.0), "12V": Sensor(14.5)}, ""))
    assert meter.watts() == 14.5
    assert meter.label == "rail 12V"
    meter = PowerMeter(lambda: ({"INT": Sensor(3.0), "AUX": Sensor(0.5)}, ""))
    assert meter.watts() == 3.5
    assert meter.label == "sum of 2 rails"


def test_a_rail_that_does_not_answer_ends_the_reading_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.serving.meter.POWER_SECONDS", 0.0)
    meter = PowerMeter(lambda: ({"12V": Sensor(1.0, OSError("bus"), 1.0)}, ""))
    assert [meter.watts(), meter.watts(), meter.watts()] == [1.0, None, None]
    assert "OSError: bus" in meter.label


def test_power_is_read_once_a_second_however_fast_frames_come() -> None:
    sensor = Sensor(7.0)  # a second reading would fail
    meter = PowerMeter(lambda: ({"12V": sensor}, ""))
    assert [meter.watts() for _ in range(20)] == [7.0] * 20


def test_a_board_without_rails_shows_no_power_and_says_why() -> None:
    meter = PowerMeter(lambda: ({}, "no power: this board shows no power rail"))
    assert meter.watts() is None
    assert meter.label == "no power: this board shows no power rail"
