"""Pictures for a viewer: the source's picture as JPEG, and a picture of every task's map with its legend.

Colours are the report's. Maps become PNG with a palette, which is small and fast to make.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemoe_gen.report import colours
from edgemoe_gen.report.views import View, top_scores, view

JPEG_QUALITY = 90
SHRINKING = 0.1  # how fast a scale follows values that span less than before; it grows at once


@dataclass(frozen=True, eq=False)
class TaskPicture:
    """A task's result.

    Attributes:
        facts: facts for the page, as JSON: kind, and present classes, span of values or best scores.
        data: PNG of a map, b"" for any other output.
    """

    facts: dict[str, Any]
    data: bytes


class Span:
    """The span of a task's values: it grows at once and shrinks slowly, so that colours do not flicker."""

    def __init__(self) -> None:
        self._low = self._high = 0.0
        self._known = False

    def follow(self, low: float, high: float) -> tuple[float, float]:
        """The span to show a frame with whose values go from `low` to `high`."""
        if not self._known:
            self._low, self._high, self._known = low, high, True
        self._low = min(low, self._low + SHRINKING * (low - self._low))
        self._high = max(high, self._high + SHRINKING * (high - self._high))
        return self._low, self._high


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """A frame [H, W, 3] as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def task_picture(output: NDArray[Any] | None, names: Sequence[str], span: Span, classes: int = 0) -> TaskPicture:
    """A decoder's or head's output as a picture.

    Args:
        output: [channels, H, W], class numbers [H, W], [classes], or None without a decoder.
        names: of classes.
        span: of this task's values so far.
        classes: that there are, for class numbers.
    """
    if output is None:
        return TaskPicture({"kind": "none"}, b"")
    shown = view(output, classes)
    if shown.kind == "scores":
        best = [[name, round(share, 4)] for name, share in top_scores(shown, names)]
        return TaskPicture({"kind": "scores", "scores": best}, b"")
    if shown.kind == "classes":
        return _classes(shown)
    return _values(shown.values.astype(np.float64), span)


def _classes(shown: View) -> TaskPicture:
    labels = shown.values.astype(np.int64)
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=shown.classes))
    facts = {"kind": "classes", "classes": shown.classes, "present": [int(i) for i in present]}
    if shown.classes > 255:  # beyond a palette
        return TaskPicture(facts, _png(Image.fromarray(colours.paint_classes(labels))))
    return TaskPicture(facts, _indexed(labels.astype(np.uint8), _class_palette()))


def _values(values: NDArray[np.float64], span: Span) -> TaskPicture:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return TaskPicture({"kind": "none"}, b"")
    low, high = span.follow(float(finite.min()), float(finite.max()))
    place = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    steps = np.round(np.clip(place, 0, 1) * 255).astype(np.uint8)
    return TaskPicture({"kind": "values", "low": low, "high": high}, _indexed(steps, _scale_palette()))


def _indexed(indices: NDArray[np.uint8], palette: bytes) -> bytes:
    picture = Image.fromarray(indices)
    picture.putpalette(palette)
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


@cache
def _class_palette() -> bytes:
    return colours.paint_classes(np.arange(256)[None]).tobytes()


@cache
def _scale_palette() -> bytes:
    return colours.paint_scale(np.arange(256.0)[None], 0.0, 255.0).tobytes()
