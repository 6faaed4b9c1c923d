"""Colours and pictures of the report."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.report import colours


def test_classes_get_distinct_colours() -> None:
    assert len({colours.class_colour(i) for i in range(60)}) == 60


def test_ignored_pixels_are_black() -> None:
    painted = colours.paint_classes(np.array([[0, 255, -1]]))
    assert painted[0, 1].tolist() == painted[0, 2].tolist() == [0x11, 0x11, 0x11]
    assert painted[0, 0].tolist() == list(colours.class_colour(0))


def test_scale_grows_brighter() -> None:
    painted = colours.paint_scale(np.linspace(2, 5, 50)[None], 2, 5).astype(np.float64)
    brightness = painted @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness[0]) > 0).all()


def test_values_beyond_the_scale_take_its_ends() -> None:
    painted = colours.paint_scale(np.array([[-9.0, 0.0, 1.0, 9.0]]), 0, 1)[0]
    assert painted[0].tolist() == painted[1].tolist()
    assert painted[2].tolist() == painted[3].tolist()


def test_constant_map_is_painted() -> None:
    assert colours.paint_scale(np.full((2, 2), 3.0), 3.0, 3.0).shape == (2, 2, 3)


def test_mismatch_marks_different_pixels_and_what_is_next_to_them() -> None:
    painted = colours.paint_mismatch(np.array([[1, 2, 2, 2]]), np.array([[1, 3, 2, 2]]))[0]
    assert painted[1].mean() < 100 < painted[0].mean()
    assert painted[0].tolist() == painted[2].tolist() != painted[3].tolist()


def test_differences_are_pale_at_zero_and_dark_at_both_ends() -> None:
    low, zero, high = colours.paint_difference(np.array([[-2.0, 0.0, 2.0]]), 2.0)[0].astype(int)
    assert low.mean() < 120 and high.mean() < 120 < 240 < zero.mean()
    assert low[2] > low[0] and high[0] > high[2]


@pytest.mark.parametrize("shape", [(1, 1), (7, 3)])
def test_png_holds_the_colours(shape: tuple[int, int]) -> None:
    wanted = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(colours.png(wanted))) as picture:
        assert np.array_equal(np.asarray(picture), wanted)
