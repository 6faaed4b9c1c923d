"""Turns a camera's frame into the engine's input: normalised, rounded, cut into patches.

In: uint8 [height, width, 3], red first. Out: bytes of the image buffer, the same as edgemoe-gen packs on the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import FrameError
from .layouts import ImageLayout
from .resize import Resizer


class FramePacker:
    """Packs frames of one network. A pixel has 256 values, so a table for each channel normalises and rounds."""

    def __init__(self, layout: ImageLayout) -> None:
        self.layout = layout
        self._codes = pixel_codes(layout)
        self._resizer: Resizer | None = None

    def check(self, frame: Any) -> None:
        """Refuses a frame that does not fit this network.

        Raises:
            FrameError: names the frame's size or type and the expected one.
        """
        resizes = self.layout.resize == "bilinear"
        size = "height, width" if resizes else f"{self.layout.height}, {self.layout.width}"
        wanted = f"uint8 [{size}, 3]"
        if not isinstance(frame, np.ndarray):
            raise FrameError(f"a frame is a {type(frame).__name__}, but must be an array of {wanted}")
        right = frame.ndim == 3 and frame.shape[2] == 3 and frame.size > 0
        if frame.dtype != np.uint8 or not right or not (resizes or frame.shape[:2] == self._size):
            raise FrameError(
                f"a frame is {frame.dtype} {list(frame.shape)}, but the network takes {wanted}",
                "give red, green and blue last" if resizes else "resize it, and give red, green and blue last",
            )

    def pack(self, frame: Any, buffer: Any) -> None:
        """Writes a frame into the image buffer, uint8 [bytes], whose padding stays as it is (zero).

        Raises:
            FrameError: not a frame of this network.
        """
        self.check(frame)
        layout = self.layout
        side, rows, columns = layout.patch, layout.height // layout.patch, layout.width // layout.patch
        frame = self._fitted(frame)
        planes = np.stack([self._codes[channel][frame[:, :, channel]] for channel in range(3)])
        tiles = planes.reshape(3, rows, side, columns, side).transpose(1, 3, 0, 2, 4).reshape(rows * columns, -1)
        for part in layout.slices:
            region = buffer[part.first : part.first + layout.tokens * part.row_bytes]
            matrix = region.view("<i2").reshape(layout.tokens, -1)
            matrix[layout.prefix_tokens :, : part.stop - part.start] = tiles[:, part.start : part.stop]

    @property
    def _size(self) -> tuple[int, int]:
        return self.layout.height, self.layout.width

    def _fitted(self, frame: Any) -> Any:
        old = frame.shape[:2]
        if old == self._size:
            return frame
        resizer = self._resizer
        if resizer is None or resizer.old != old:  # a camera's frames are all of one size
            self._resizer = resizer = Resizer(old, self._size)
        return resizer(frame)


def pixel_codes(layout: ImageLayout) -> Any:
    """The input for every pixel value, int16 [3, 256]: in float32 as on the host, rounded to nearest, saturated."""
    pixels = np.arange(256, dtype=np.float32)
    mean = np.array(layout.mean, np.float32)[:, None]
    std = np.array(layout.std, np.float32)[:, None]
    values = ((pixels[None, :] * np.float32(layout.scale) - mean) / std).astype(np.float64)
    limit = 1 << (layout.bits - 1)
    codes = np.floor(values * 2.0**layout.fraction + 0.5)
    return np.clip(codes, -limit, limit - 1).astype(np.int16)
