"""Maps of the engine's decoders: class numbers, 16-bit values, or logits before the last doubling.

In: a result buffer, and the layout of a map in it. Out: class numbers, or a float map of the picture's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .bilinear import Bilinear

CLASSES, VALUES, LOGITS = "classes", "values", "logits"
TYPES = {CLASSES: "u1", VALUES: "<i2", LOGITS: "<i4"}


@dataclass(frozen=True)
class MapLayout:
    """A map in the result buffer: rows of `row_bytes`, pixels of `pixel_bytes`, one behind another.

    Attributes:
        kind: "classes", a byte a pixel; "values" of 16 bits; "logits" of 32 bits, before the last doubling.
        first: first byte.
        row_bytes, pixel_bytes: bytes from a row or pixel to the next.
        height, width: in pixels.
        channels: values of a pixel; 1 for classes.
        fraction: fractional bits of a value; 0 for classes.
    """

    kind: str
    first: int
    row_bytes: int
    pixel_bytes: int
    height: int
    width: int
    channels: int
    fraction: int


def pixels_of(buffer: Any, layout: MapLayout) -> Any:
    """A map out of a result buffer, uint8 [bytes], as a copy: integers [height, width, channels].

    Classes have no axis of channels.
    """
    rows = buffer[layout.first : layout.first + layout.height * layout.row_bytes].reshape(layout.height, -1)
    values = rows.view(TYPES[layout.kind]).reshape(layout.height, -1, layout.pixel_bytes // _size(layout.kind))
    part = values[:, : layout.width, : layout.channels].copy()
    return part[:, :, 0] if layout.kind == CLASSES else part


def _size(kind: str) -> int:
    return int(np.dtype(TYPES[kind]).itemsize)


class MapFinisher:
    """The host's part of the maps of one network: a scale, and the last doubling of logits.

    Args:
        image: height and width of the network's picture.
    """

    def __init__(self, image: tuple[int, int]) -> None:
        self._image = image
        self._resize = Bilinear()

    def __call__(self, pixels: Any, layout: MapLayout) -> Any:
        """Values or logits of `pixels_of` as a float32 map [channels, height, width] of the picture's size."""
        scale = np.float32(2.0**-layout.fraction)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
        planes *= scale
        if layout.kind == LOGITS:
            planes = self._resize(planes, (2 * layout.height, 2 * layout.width), False, (1, 2))
        planes = self._resize(planes, self._image, False, (1, 2))
        return np.ascontiguousarray(planes)
