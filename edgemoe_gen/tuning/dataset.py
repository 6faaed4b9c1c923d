"""Accuracy over a folder of pictures: float against the accelerator in C simulation, picture by picture.

Each picture gives counts and sums; they are added up in the order of the pictures, whoever computed them, so that the
result does not depend on the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.comparison import compare
from edgemoe_gen.config import CALIBRATION_IMAGES, Config
from edgemoe_gen.design import Design
from edgemoe_gen.errors import ImageError, SpecError
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.pictures import check_labels, find_pictures, open_picture
from edgemoe_gen.program.compile import check_capacity, compile_network
from edgemoe_gen.project import (
    Progress,
    open_calibration,
    open_design,
    open_model,
    open_numerics,
    open_tasks,
)
from edgemoe_gen.report.metrics import ConfusionMatrix
from edgemoe_gen.report.numbers import counted
from edgemoe_gen.report.views import Kind, truth_of, view
from edgemoe_gen.sim.engine import Engine, run_frames
from edgemoe_gen.tuning.runner import Call, open_runner


@dataclass(frozen=True, eq=False)
class TaskSums:
    """One task on one picture: sums that add up over pictures.

    Attributes:
        kind: of the output: classes, values or scores.
        counts: [2, classes, classes] pixels by true and predicted class, of float and of the accelerator.
        absolute: sums of absolute errors of values, of both; `pixels` of them.
        squares, power: of the final tokens' differences and values, means.
        equal, sets: token-layers whose sets of experts are equal, and all.
    """

    kind: Kind
    counts: NDArray[np.int64]
    absolute: tuple[float, float]
    pixels: int
    squares: float
    power: float
    equal: int
    sets: int


@dataclass(frozen=True)
class TaskAccuracy:
    """One task over all pictures; `metric` is "mIoU" (higher is better) or "mean absolute error" (lower is)."""

    task: str
    metric: str
    float_value: float
    engine_value: float
    pictures: int
    class_iou: tuple[tuple[float, float], ...]
    relative_rms: float
    sets_equal: float | None

    @property
    def loss(self) -> float:
        """By how much the accelerator is worse, relative to float; negative where it is better."""
        gap = self.float_value - self.engine_value
        return (gap if self.metric == "mIoU" else -gap) / self.float_value if self.float_value else 0.0


@dataclass(frozen=True)
class DatasetResult:
    """Accuracy of a design over a folder of pictures. Tier: C simulation."""

    pictures: int
    tasks: tuple[TaskAccuracy, ...]
    design: Design
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "tier": "C simulation",
            "design": f"{self.design.identity:016x}",
            "pictures": self.pictures,
            "tasks": [{**asdict(row), "loss": row.loss} for row in self.tasks],
            "notes": list(self.notes),
        }


@dataclass(eq=False)
class PictureRunner:
    """Runs pictures through both sides; what it needs more than once it makes once on each worker."""

    model: Model
    design: Design
    network: LoweredNetwork
    formats: Formats
    tasks: tuple[str, ...]
    labels: Path | None
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """A worker makes again what is only kept."""
        return {**self.__dict__, "_cache": {}}

    def picture(self, path: Path) -> Mapping[str, TaskSums]:
        """Sums of one picture by task; a task without ground truth has no pixels."""
        if not self._cache:
            program = compile_network(self.design, self.model, self.network, self.formats, self.tasks, taps=True)
            self._cache.update(engine=Engine.compile(self.design), program=program, reference=Reference(self.model))
        opened = open_picture(path, self.model.spec.image, self.labels)
        images = [opened.values] * len(self.tasks)
        frames, _ = run_frames(self._cache["engine"], self._cache["program"], self.model.spec, images)
        sums = {}
        for frame in frames:
            both = compare(self.model, self._cache["reference"], opened.name, opened.values, frame)
            assert both.float_output is not None
            assert both.engine_output is not None
            sums[frame.task] = _sums(frame.task, both.float_output, both.engine_output, opened.truth, both.errors)
        return sums


def _sums(
    task: str, ours: NDArray[Any], theirs: NDArray[Any], every: Mapping[str, NDArray[Any]], errors: Any
) -> TaskSums:
    sides = view(ours), view(theirs)
    truth = truth_of(task, sides[0], every)
    classes = max(sides[0].classes, 1)
    counts = np.zeros((2, classes, classes), np.int64)
    absolute, pixels = [0.0, 0.0], 0
    if truth is not None:
        pixels = int(truth.size)
        for i, side in enumerate(sides):
            if side.kind == "classes":
                matrix = ConfusionMatrix(classes)
                matrix.add(truth.astype(np.int64), side.values.astype(np.int64))
                counts[i] = matrix.counts
            else:
                absolute[i] = float(np.abs(truth.astype(np.float64) - side.values.astype(np.float64)).sum())
    return TaskSums(
        sides[0].kind, counts, (absolute[0], absolute[1]), pixels, errors.mse_free, errors.power[-1],
        errors.sets_equal, errors.sets,
    )  # fmt: skip


def add_up(task: str, parts: Sequence[TaskSums]) -> TaskAccuracy:
    """One task's figures from those of its pictures, in order.

    Raises:
        ImageError: no picture has ground truth of it.
    """
    known = [part for part in parts if part.pixels]
    if not known:
        raise ImageError(
            f"no picture of the dataset has ground truth for the task {task}",
            "ground truth of NAME.png is NAME.npz with `labels`, `depth` or an array named after the task",
        )
    sets = sum(part.sets for part in parts)
    rms = math.sqrt(sum(part.squares for part in parts) / max(sum(part.power for part in parts), 1e-300))
    equal = sum(part.equal for part in parts) / sets if sets else None
    if known[0].kind == "classes":
        matrices = [ConfusionMatrix(known[0].counts.shape[1]) for _ in range(2)]
        for i, matrix in enumerate(matrices):
            matrix.counts += sum(part.counts[i] for part in known)
        ours, theirs = matrices
        ious = tuple((float(a), float(b)) for a, b in zip(ours.iou(), theirs.iou(), strict=True))
        return TaskAccuracy(task, "mIoU", ours.mean_iou(), theirs.mean_iou(), len(known), ious, rms, equal)
    pixels = sum(part.pixels for part in known)
    both = [sum(part.absolute[i] for part in known) / pixels for i in range(2)]
    return TaskAccuracy(task, "mean absolute error", both[0], both[1], len(known), (), rms, equal)


def evaluate_dataset(
    config: Config,
    dataset: Path,
    most: int | None,
    jobs: int,
    scheduler: str | None,
    progress: Progress,
    notes: Sequence[str] = (),
) -> DatasetResult:
    """Accuracy of a project's design over a folder.

    Args:
        config: the project.
        dataset: folder of pictures.
        most: take so many, from the first on; None: all.
        jobs, scheduler: see `open_runner`. Workers of other machines read the pictures from the same path.
        progress: called with text, pictures done and all.
        notes: to hand on.

    Raises:
        ImageError: the folder holds no picture, or no ground truth of a task.
        SpecError: a task has no decoder.
    """
    model = open_model(config)
    tasks = open_tasks(config, model.spec)
    for task in tasks:
        if task not in model.decoders:
            raise SpecError(f"the checkpoint has no decoder for the task {task}", "choose others with --task")
    found = [path.resolve() for path in find_pictures([dataset])[:most]]
    labels = None if config.labels is None else config.labels.resolve()
    check_labels(labels, found)
    design = open_design(config, model.spec)
    check_capacity(design, model.spec)
    check_fits(design)
    said = list(notes)
    first = []
    if not config.calibrate:
        paths = find_pictures(config.images)[:CALIBRATION_IMAGES] if config.images else found[:CALIBRATION_IMAGES]
        first = [open_picture(path, model.spec.image) for path in paths]
        if not config.images:
            said.append(
                f"binary points are chosen from the dataset's first {counted(len(paths), 'picture')}: give --calibrate"
            )
    calibration = open_calibration(config, model.spec, first)
    results: dict[int, Mapping[str, TaskSums]] = {}
    with open_runner(None, jobs, scheduler, progress) as runner:  # first: what is missing is said at once
        numerics = open_numerics(config, model, design.knobs, calibration, tasks, progress)
        Engine.compile(design, on_compile=lambda: progress("compiling the engine", 0, 1))
        runner.replace(PictureRunner(model, design, numerics.network, numerics.formats, tasks, labels))
        for number, sums in runner.results([Call("picture", (path,)) for path in found]):
            results[number] = sums
            progress("evaluating pictures", len(results), len(found))
    rows = tuple(add_up(task, [results[i][task] for i in range(len(found))]) for task in tasks)
    return DatasetResult(len(found), rows, design, tuple(said))
