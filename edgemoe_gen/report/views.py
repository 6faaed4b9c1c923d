"""Views of a task's output: a map of classes, a map of values, or scores of the whole picture; and its quality.

In: a decoder's or head's output. Out: `View`s small enough to keep, metrics against ground truth, and
panels to look at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.report import colours
from edgemoe_gen.report.metrics import ConfusionMatrix, absolute_error

Kind = Literal["classes", "values", "scores"]
Array = NDArray[np.generic]
# The colours of a map of differences end at this percentile of the frame's own differences, and never below this
# share of the values' range, where float32's own rounding would be all that they show.
DIFFERENCE_PERCENTILE, LEAST_DIFFERENCE = 99.9, 1e-6
TOP_SCORES = 5
MIOU, ERROR = "mIoU", "mean absolute error"
HIGHER: Literal["higher"] = "higher"
LOWER: Literal["lower"] = "lower"


@dataclass(frozen=True, eq=False)
class View:
    """A task's result in a small form.

    Attributes:
        kind: "classes" [H, W] class numbers, "values" [H, W], or "scores" [classes] of the whole picture.
        values: the map or the scores.
        classes: number of classes; 0 of values.
    """

    kind: Kind
    values: Array
    classes: int


@dataclass(frozen=True)
class Metric:
    """One figure against ground truth: of float and of the accelerator.

    Attributes:
        name: of the figure.
        better: which way is better.
        float_value, engine_value: of both; None where no pixel counts.
        pixels: that count.
        ignored: whose ground truth is no class, or no measurement.
    """

    name: str
    better: Literal["higher", "lower"]
    float_value: float | None
    engine_value: float | None
    pixels: int
    ignored: int


@dataclass(frozen=True)
class Panel:
    """One picture of a row.

    Attributes:
        title: what it is.
        png: the picture.
        span: what its colours span, in the unit of the map; None without a scale.
        difference: whether the colours are those of differences.
        caption: a few words below, beside the title.
        overlay: a few words upon the picture, where it would be blank.
    """

    title: str
    png: bytes
    span: tuple[float, float] | None = None
    difference: bool = False
    caption: str = ""
    overlay: str = ""


def view(output: Array, classes: int = 0) -> View:
    """The view of an output.

    Args:
        output: of a decoder [channels, H, W], one channel of values or several of classes; class numbers [H, W] that
            the engine has left; or scores [classes].
        classes: that there are, for class numbers.
    """
    if output.ndim == 2:
        return View("classes", output, max(classes, int(output.max()) + 1))
    if output.ndim == 1:
        return View("scores", output.astype(np.float32), output.shape[0])
    if output.shape[0] == 1:
        return View("values", output[0].astype(np.float32), 0)
    kind = np.uint8 if output.shape[0] <= 255 else np.uint16
    return View("classes", output.argmax(axis=0).astype(kind), output.shape[0])


def truth_of(task: str, shown: View, truth: Mapping[str, Array]) -> Array | None:
    """Ground truth of a task: the array of its name, else `labels` for classes; None without any."""
    if shown.kind == "scores":
        return None
    name = task if task in truth else "labels" if shown.kind == "classes" else ""
    return truth.get(name)


class Quality:
    """Both sides against ground truth over several pictures of one task; every pixel that counts weighs the same."""

    def __init__(self, kind: Kind, classes: int) -> None:
        self.kind = kind
        self.pictures = 0
        self.pixels = 0
        self.all_pixels = 0
        self.matrices = [ConfusionMatrix(max(classes, 1)) for _ in range(2)]
        self.errors = [0.0, 0.0]

    def add(self, float_view: View, engine_view: View, truth: Array) -> None:
        """Adds one picture; `truth` [H, W] class numbers or values, as `edgemoe_gen.pictures.truth` reads them."""
        before = self.pixels
        for side, shown in enumerate((float_view, engine_view)):
            if self.kind == "classes":
                self.matrices[side].add(truth.astype(np.int64), shown.values.astype(np.int64))
                self.pixels = int(self.matrices[side].counts.sum())
            else:
                error, pixels = absolute_error(truth, shown.values)
                self.errors[side] += error
                self.pixels = before + pixels
        self.all_pixels += truth.size
        self.pictures += 1

    def join(self, other: Quality) -> None:
        """Adds the pictures of another `Quality` of the same task."""
        self.pictures += other.pictures
        self.pixels += other.pixels
        self.all_pixels += other.all_pixels
        for side in range(2):
            self.matrices[side].counts += other.matrices[side].counts
            self.errors[side] += other.errors[side]

    def metric(self) -> Metric:
        """The figure of all pictures so far; without a value where it is no number."""
        if self.kind == "classes":
            values = [matrix.mean_iou() for matrix in self.matrices]
        else:
            values = [error / self.pixels if self.pixels else math.nan for error in self.errors]
        ours, theirs = (value if math.isfinite(value) else None for value in values)
        name, better = (MIOU, HIGHER) if self.kind == "classes" else (ERROR, LOWER)
        return Metric(name, better, ours, theirs, self.pixels, self.all_pixels - self.pixels)


def metrics(float_view: View, engine_view: View, truth: Array) -> list[Metric]:
    """Both sides of one picture against ground truth [H, W]."""
    quality = Quality(float_view.kind, float_view.classes)
    quality.add(float_view, engine_view, truth)
    return [quality.metric()]


def difference(float_view: View, engine_view: View) -> dict[str, float]:
    """Difference of the two sides' results, in figures."""
    if float_view.kind == "classes":
        return {"pixels_differing": float((float_view.values != engine_view.values).mean())}
    gap = np.abs(float_view.values.astype(np.float64) - engine_view.values.astype(np.float64))
    found = {"mean_difference": float(gap.mean()), "largest_difference": float(gap.max())}
    if float_view.kind == "scores":
        found["same_class"] = float(float_view.values.argmax() == engine_view.values.argmax())
    return found


def panels(picture: colours.Rgb, float_view: View, engine_view: View, truth: Array | None) -> list[Panel]:
    """Input, float's output, the accelerator's, their difference and ground truth, each as a picture."""
    row = [Panel("input", colours.png(picture))]
    if float_view.kind == "classes":
        sides = [("float", float_view.values), ("accelerator", engine_view.values)]
        row += [Panel(title, colours.png(colours.paint_classes(v.astype(np.int64)))) for title, v in sides]
        row.append(_mismatch_panel(float_view.values.astype(np.int64), engine_view.values.astype(np.int64)))
        if truth is not None:
            row.append(Panel("ground truth", colours.png(colours.paint_classes(truth.astype(np.int64)))))
    elif float_view.kind == "values":
        row += _value_panels(float_view.values, engine_view.values, truth)
    return row


def _value_panels(ours: Array, theirs: Array, truth: Array | None) -> list[Panel]:
    maps = [ours.astype(np.float64), theirs.astype(np.float64)] + ([] if truth is None else [truth.astype(np.float64)])
    finite = [known for m in maps if (known := m[np.isfinite(m)]).size]
    low, high = min((float(m.min()) for m in finite), default=0.0), max((float(m.max()) for m in finite), default=0.0)
    titles: Sequence[str] = ("float", "accelerator", "ground truth")
    made = [
        Panel(title, colours.png(colours.paint_scale(values, low, high)), (low, high))
        for title, values in zip(titles, maps, strict=False)
    ]
    made.insert(2, _gap_panel(maps[1] - maps[0], high - low))
    return made


def _mismatch_panel(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> Panel:
    painted = colours.png(colours.paint_mismatch(ours, theirs))
    count = int((ours != theirs).sum())
    if not count:
        return Panel("difference", painted, overlay="no pixel differs")
    return Panel("difference", painted, caption=f"{count:,} of {ours.size:,} pixels, enlarged")


def _gap_panel(gap: NDArray[np.float64], reach: float) -> Panel:
    """Accelerator less float on a scale of its own, which is symmetric about 0; `reach` is the span of the values."""
    top = max(float(np.percentile(np.abs(gap), DIFFERENCE_PERCENTILE)), LEAST_DIFFERENCE * reach)
    painted = colours.png(colours.paint_difference(gap, top))
    if not gap.any():
        return Panel("difference", painted, overlay="no value differs")
    stretch = f"stretched {reach / (2 * top):,.0f} ×" if reach > 2 * top > 0 else ""
    return Panel("difference", painted, (-top, top), difference=True, caption=stretch)


def class_name(names: Sequence[str], index: int) -> str:
    """A class's name, or its number where it has none."""
    return names[index] if index < len(names) else f"class {index}"


def probabilities(scores: Array) -> NDArray[np.float64]:
    """Softmax of scores [classes]."""
    values = scores.astype(np.float64)
    powers = np.exp(values - values.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def top_scores(shown: View, names: Sequence[str]) -> list[tuple[str, float]]:
    """The likeliest classes of scores and their probabilities, best first."""
    shares = probabilities(shown.values)
    best = np.argsort(-shown.values.astype(np.float64))[:TOP_SCORES]
    return [(class_name(names, int(i)), float(shares[i])) for i in best]


def mean_of(values: Sequence[float | None]) -> float:
    """Mean of known values; NaN without any."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
