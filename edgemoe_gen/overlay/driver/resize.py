"""Bilinear resizing of 8-bit pictures, bit for bit as Pillow's `resize(..., BILINEAR)`, which the host uses.

In: uint8 [height, width, channels]. Out: the same in another size. Source of the arithmetic: Pillow's Resample.c, whose
filter widens with the shrinking and whose weights are integers of 22 fractional bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FRACTION = 22  # of a weight: 32 bits less 8 of a pixel and 2 to spare


class Resizer:
    """Resizes pictures of one size to another; the weights are computed once."""

    def __init__(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        """Args: old, new: height and width in pixels."""
        self.old, self.new = old, new
        self._down = _taps(old[0], new[0]) if old[0] != new[0] else []
        self._across = _taps(old[1], new[1]) if old[1] != new[1] else []

    def __call__(self, frame: Any) -> Any:
        """uint8 [*old, channels] to [*new, channels]; across first, rounded to 8 bits, then down."""
        if self._across:
            frame = _pass(frame.transpose(1, 0, 2), self._across).transpose(1, 0, 2)
        if self._down:
            frame = _pass(frame, self._down)
        return frame


def _taps(old: int, new: int) -> list[tuple[Any, Any]]:
    """Terms whose sums are the new pixels: for each term, the old pixels [new] and their weights int32 [new]."""
    scale = old / new
    widening = max(scale, 1.0)
    centre = (np.arange(new) + 0.5) * scale
    first = np.maximum((centre - widening + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + widening + 0.5).astype(np.int64), old)
    shares = []
    for tap in range(int((end - first).max())):
        share = np.maximum(1.0 - np.abs((tap + first - centre + 0.5) * (1.0 / widening)), 0.0)
        shares.append(np.where(first + tap < end, share, 0.0))
    total = np.zeros(new)
    for share in shares:  # one after another, as Pillow does, since the order matters to the last bit
        total += share
    taps = []
    for tap, share in enumerate(shares):
        weight = (0.5 + share / total * (1 << FRACTION)).astype(np.int32)
        taps.append((np.minimum(first + tap, old - 1), weight))
    return taps


def _pass(frame: Any, taps: list[tuple[Any, Any]]) -> Any:
    """Resizes the first axis."""
    sums = np.full((len(taps[0][0]), *frame.shape[1:]), 1 << (FRACTION - 1), np.int32)
    for places, weight in taps:
        sums += frame[places].astype(np.int32) * weight[:, None, None]
    return np.clip(sums >> FRACTION, 0, 255).astype(np.uint8)
