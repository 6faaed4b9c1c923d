"""Pictures for calibration: those kept out to be measured, and more pictures made of few.

In: network inputs. Out: those that calibration sees, and those that it does not. The result is the same every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from edgemoe_gen.model.spec import ImageSpec
from edgemoe_gen.pictures.found import pixels

Float32 = NDArray[np.float32]
KEPT_OUT = 4  # every fourth picture
FEW = 8  # fewer pictures than this say little of others
# Of what is made: the part of the picture that is left of each side, turns in degrees, factors of colours.
_LEAST_SIDE, _MOST_TURN = 0.62, 5.0
_BRIGHTNESS, _CONTRAST, _COLOUR = (0.75, 1.35), (0.75, 1.3), (0.5, 1.5)


@dataclass(frozen=True, eq=False)
class CalibrationPictures:
    """Both sets.

    Attributes:
        seen: pictures that calibration runs.
        unseen: pictures that are kept out, to be measured.
        made: number of pictures that were made of others.
        of_their_own: whether the unseen pictures are original, not made of those that calibration sees.
    """

    seen: tuple[Float32, ...]
    unseen: tuple[Float32, ...]
    made: int
    of_their_own: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user."""
        return few_notes(len(self.seen) + len(self.unseen))


def few_notes(pictures: int) -> tuple[str, ...]:
    """A warning if there are few pictures for the calibration of narrow tensors."""
    if pictures >= FEW:
        return ()
    return (
        f"narrow tensors are calibrated on {pictures} picture{'s' * (pictures != 1)}, which say little of others: "
        f"give {FEW} or more, or make more of them with --augment {2 * FEW}",
    )


def calibration_pictures(
    images: Sequence[Float32], spec: ImageSpec, augment: int | None, keep_out: bool
) -> CalibrationPictures:
    """Splits pictures, and makes more of those that calibration may see.

    Args:
        images: network inputs [3, height, width].
        spec: size and normalisation.
        augment: least number of pictures of both sets.
        keep_out: every fourth picture is for measuring; of fewer than four none, unless more are made of them.
    """
    pictures = [np.asarray(image, np.float32) for image in images]
    lacking = max((augment or 0) - len(pictures), 0) if pictures else 0
    if not keep_out or (len(pictures) < KEPT_OUT and not lacking):
        return CalibrationPictures((*pictures, *_made(pictures, spec, lacking)), (), lacking, False)
    own = len(pictures) >= KEPT_OUT
    if not own:
        pictures += _made(pictures, spec, lacking)
    unseen = pictures[KEPT_OUT - 1 :: KEPT_OUT]
    seen = [picture for place, picture in enumerate(pictures) if place % KEPT_OUT != KEPT_OUT - 1]
    if own:
        seen += _made(seen, spec, lacking)
    return CalibrationPictures(tuple(seen), tuple(unseen), lacking, own)


def _made(pictures: Sequence[Float32], spec: ImageSpec, count: int) -> list[Float32]:
    """So many new pictures of some in turn: crops, every second mirrored, every third turned, recoloured."""
    return [varied(pictures[i % len(pictures)], spec, i, mirrored=i % 2 == 1) for i in range(count)]


def varied(picture: Float32, spec: ImageSpec, number: int, mirrored: bool) -> Float32:
    """Variation, by its number, of a network input [3, height, width]."""
    chance = np.random.default_rng([number, 22])
    image = Image.fromarray(pixels(picture, spec))
    width, height = image.size
    if number % 3 == 0:
        image = image.rotate(chance.uniform(-_MOST_TURN, _MOST_TURN), Image.Resampling.BICUBIC)
    side = chance.uniform(_LEAST_SIDE, 1.0)
    across, down = width * side, height * side * chance.uniform(0.9, 1.0)
    left, top = chance.uniform(0, width - across), chance.uniform(0, height - down)
    image = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + across, top + down))
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for change, span in (
        (ImageEnhance.Brightness, _BRIGHTNESS), (ImageEnhance.Contrast, _CONTRAST), (ImageEnhance.Color, _COLOUR)
    ):  # fmt: skip
        image = change(image).enhance(chance.uniform(*span))
    mean, std = (np.array(part, np.float64)[:, None, None] for part in (spec.mean, spec.std))
    raw = np.asarray(image, np.float64).transpose(2, 0, 1) * spec.scale
    return np.ascontiguousarray((raw - mean) / std, np.float32)
