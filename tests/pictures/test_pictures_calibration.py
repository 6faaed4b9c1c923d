"""Which pictures calibration sees, which are kept out, and what is made of few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.model import ImageSpec
from edgemoe_gen.pictures.calibration import FEW, calibration_pictures, few_notes, varied

SPEC = ImageSpec.named(32, 48, "imagenet")


def pictures(count: int) -> list[NDArray[np.float32]]:
    """Network inputs that differ."""
    rng = np.random.default_rng(7)
    return [rng.uniform(-1, 1, (3, 32, 48)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize(("count", "unseen"), [(1, 0), (3, 0), (4, 1), (7, 1), (8, 2), (16, 4)])
def test_every_fourth_picture_is_kept_out(count: int, unseen: int) -> None:
    every = pictures(count)
    found = calibration_pictures(every, SPEC, None, keep_out=True)
    assert len(found.unseen) == unseen and len(found.seen) == count - unseen
    for place, picture in enumerate(found.unseen):
        assert np.array_equal(picture, every[4 * place + 3])
    assert not any(np.array_equal(a, b) for a in found.seen for b in found.unseen)
    assert bool(found.notes) == (count < FEW)


def test_without_narrow_tensors_all_are_seen() -> None:
    found = calibration_pictures(pictures(8), SPEC, None, keep_out=False)
    assert len(found.seen) == 8 and not found.unseen and not found.made


def test_more_are_made_of_those_that_are_not_kept_out() -> None:
    found = calibration_pictures(pictures(4), SPEC, 16, keep_out=True)
    assert (len(found.seen), len(found.unseen), found.made, found.of_their_own) == (15, 1, 12, True)
    of_one = calibration_pictures(pictures(1), SPEC, 16, keep_out=True)
    assert (len(of_one.seen), len(of_one.unseen), of_one.made, of_one.of_their_own) == (12, 4, 15, False)
    enough = calibration_pictures(pictures(8), SPEC, 5, keep_out=True)
    assert enough.made == 0


def test_what_is_made_is_the_same_every_time_and_a_picture_like_its_own() -> None:
    picture = pictures(1)[0]
    once, again, other = (varied(picture, SPEC, number, mirrored=True) for number in (1, 1, 2))
    assert np.array_equal(once, again) and not np.array_equal(once, other)
    assert once.shape == picture.shape and once.dtype == np.float32
    flipped = varied(picture, SPEC, 1, mirrored=False)
    assert np.allclose(flipped[:, :, ::-1], once, atol=0.05)
    mean, std = (np.array(part)[:, None, None] for part in (SPEC.mean, SPEC.std))
    raw = (once * std + mean) / SPEC.scale
    assert raw.min() >= -0.01 and raw.max() <= 255.01


def test_few_pictures_are_warned_of() -> None:
    assert few_notes(FEW) == ()
    (text,) = few_notes(1)
    assert "1 picture," in text and "--augment" in text
