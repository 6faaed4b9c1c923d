"""Colours of the report's pictures: classes, depths and differences, as 8-bit RGB and PNG.

Depths use the anchor colours of viridis (CC0), whose lightness rises evenly, so that equal steps look equal.
"""

from __future__ import annotations

import colorsys
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]

_CLASSES = (
    (0x9A, 0xA5, 0xB1), (0x3B, 0x6F, 0xB6), (0xE0, 0x7A, 0x2F), (0x3F, 0x9B, 0x57), (0xC9, 0x4A, 0x5A),
    (0x8B, 0x63, 0xB8), (0xD9, 0xB4, 0x3A), (0x4A, 0xB3, 0xB8), (0xB8, 0x5C, 0x9E), (0x7A, 0x5A, 0x43),
    (0xA8, 0xC6, 0x5A), (0x34, 0x48, 0x6B),
)  # fmt: skip
_VIRIDIS = (
    (0x44, 0x01, 0x54), (0x48, 0x28, 0x78), (0x3E, 0x4A, 0x89), (0x31, 0x68, 0x8E), (0x26, 0x82, 0x8E),
    (0x1F, 0x9E, 0x89), (0x35, 0xB7, 0x79), (0x6D, 0xCD, 0x59), (0xB4, 0xDE, 0x2C), (0xFD, 0xE7, 0x25),
)  # fmt: skip
_DIFFERENCE = (
    (0x12, 0x3B, 0x7A), (0x3F, 0x82, 0xC4), (0xA9, 0xCD, 0xE6), (0xF7, 0xF6, 0xF3), (0xF3, 0xC0, 0x9B),
    (0xD2, 0x60, 0x4A), (0x83, 0x10, 0x2C),
)  # fmt: skip
_SAME, _NEAR, _OTHER, _IGNORED = (0xF1, 0xF1, 0xEE), (0xFF, 0xA8, 0x73), (0xB0, 0x00, 0x35), (0x11, 0x11, 0x11)
HALO = 32  # a pixel that differs is marked around it, this part of the picture's shorter side wide, at least 1


def class_colour(index: int) -> tuple[int, int, int]:
    """Colour of a class; beyond the first dozen, hues by the golden angle."""
    if index < len(_CLASSES):
        return _CLASSES[index]
    red, green, blue = colorsys.hls_to_rgb(index * 0.381966 % 1.0, 0.4 + 0.08 * (index % 4), 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def paint_classes(labels: NDArray[np.integer]) -> Rgb:
    """Class numbers [H, W] to colours [H, W, 3]; 255 and negative numbers, which mark ignored pixels, are black."""
    palette = np.array([class_colour(i) for i in range(255)] + [_IGNORED], np.uint8)
    painted: Rgb = palette[np.where((labels < 0) | (labels > 254), 255, labels).astype(np.int64)]
    return painted


def paint_scale(values: NDArray[np.floating], low: float, high: float) -> Rgb:
    """Values [H, W] to colours [H, W, 3]; `low` is dark, `high` bright; what is no number is black."""
    return _paint(values, low, high, _VIRIDIS)


def paint_difference(values: NDArray[np.floating], high: float) -> Rgb:
    """Signed differences [H, W] to colours [H, W, 3]; `-high` is dark blue, 0 pale, `high` dark red."""
    if high <= 0:
        high = 1.0
    return _paint(values, -high, high, _DIFFERENCE)


def paint_mismatch(a: NDArray[np.integer], b: NDArray[np.integer]) -> Rgb:
    """Pixels whose classes differ, dark and with a halo on pale [H, W, 3], so that a single one can be seen."""
    other = a != b
    near = other.copy()
    for _ in range(max(1, min(other.shape) // HALO)):
        wide = np.pad(near, 1)
        near = near | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    painted: Rgb = np.array([_SAME, _NEAR, _OTHER], np.uint8)[near.astype(np.int64) + other]
    return painted


def scale_gradient() -> str:
    """The colours of `paint_scale` as stops of a CSS gradient."""
    return ", ".join(f"rgb{colour}" for colour in _VIRIDIS)


def difference_gradient() -> str:
    """The colours of `paint_difference` as stops of a CSS gradient."""
    return ", ".join(f"rgb{colour}" for colour in _DIFFERENCE)


def png(colours: Rgb) -> bytes:
    """A PNG file of colours [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(colours)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _paint(values: NDArray[np.floating], low: float, high: float, anchors: tuple[tuple[int, int, int], ...]) -> Rgb:
    span, known = high - low, np.isfinite(values)
    numbers = np.where(known, values, low).astype(np.float64)
    place = np.clip((numbers - low) / span, 0, 1) if span > 0 else np.zeros(values.shape)
    stops = np.linspace(0, 1, len(anchors))
    channels = [np.interp(place, stops, [anchor[c] for anchor in anchors]) for c in range(3)]
    painted: Rgb = np.where(known[..., None], np.round(np.stack(channels, axis=-1)), _IGNORED).astype(np.uint8)
    return painted
