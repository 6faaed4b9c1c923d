"""Accuracy over a folder of pictures: float against the accelerator in C simulation, picture by picture.

Each picture gives counts and sums. They are added up in the order of the pictures, so the result does not depend on the
number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ImageError, SpecError
from edgemoe_gen.base.files import absolute
from edgemoe_gen.design import Design
from edgemoe_gen.estimate import check_fits
from edgemoe_gen.model import Model, Reference
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.overlay.outputs import task_output
from edgemoe_gen.pictures.found import find_pictures, left_out, open_picture, picture_names
from edgemoe_gen.pictures.truth import Truth, find_truth, read_truth, without_truth
from edgemoe_gen.program.compile import check_capacity, compile_network
from edgemoe_gen.project.config import CALIBRATION_IMAGES, Config
from edgemoe_gen.project.opening import (
    Progress,
    open_calibration,
    open_design,
    open_model,
    open_numerics,
    open_tasks,
)
from edgemoe_gen.report.numbers import counted
from edgemoe_gen.report.views import MIOU, Quality, truth_of, view
from edgemoe_gen.sim.comparison import FrameErrors, compare
from edgemoe_gen.sim.engine import Engine, run_frames
from edgemoe_gen.tuning.runner import Call, open_runner


@dataclass(frozen=True, eq=False)
class TaskSums:
    """Sums of one task on one picture, which can be added over pictures.

    Attributes:
        quality: both sides against ground truth; None without ground truth.
        squares, power: mean squares of the final tokens' differences and of their values.
        equal, sets: token-layers with equal sets of experts, and all token-layers.
    """

    quality: Quality | None
    squares: float
    power: float
    equal: int
    sets: int


@dataclass(frozen=True)
class TaskAccuracy:
    """One task over all pictures; `metric` is "mIoU" (higher is better) or "mean absolute error" (lower is).

    Attributes:
        task: its name.
        metric: name of the metric.
        float_value, engine_value: values of both sides.
        pictures: number of pictures with ground truth.
        pixels, ignored: pixels of these pictures that count, and pixels without class or measurement.
        class_iou: IoU of float and accelerator by class; None for a class that is neither there nor predicted.
        relative_rms: RMS of the final tokens' differences, relative to their values.
        sets_equal: share of equal sets of experts.
    """

    task: str
    metric: str
    float_value: float
    engine_value: float
    pictures: int
    pixels: int
    ignored: int
    class_iou: tuple[tuple[float | None, float | None], ...]
    relative_rms: float
    sets_equal: float | None

    @property
    def loss(self) -> float:
        """Loss of the accelerator relative to float; negative where it is better."""
        gap = self.float_value - self.engine_value
        return (gap if self.metric == MIOU else -gap) / self.float_value if self.float_value else 0.0


@dataclass(frozen=True, repr=False)
class DatasetResult(Brief):
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
    """Runs pictures through both sides; each worker makes shared data once."""

    model: Model
    design: Design
    network: LoweredNetwork
    formats: Formats
    tasks: tuple[str, ...]
    decoders: Mapping[str, bool]
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Drops cached data, which a worker makes again."""
        return {**self.__dict__, "_cache": {}}

    def picture(self, path: Path, truth: Path | None) -> Mapping[str, TaskSums]:
        """Sums of one picture by task; a task without ground truth has no quality."""
        if not self._cache:
            program = compile_network(
                self.design, self.model, self.network, self.formats, self.tasks, taps=True, decoders=self.decoders,
                one_picture=True,
            )  # fmt: skip
            self._cache.update(engine=Engine.compile(self.design), program=program, reference=Reference(self.model))
        known = {} if truth is None else read_truth(truth, self.model.spec)
        opened = open_picture(path, self.model.spec.image, truth=known)
        images = [opened.values] * len(self.tasks)
        frames, _ = run_frames(self._cache["engine"], self._cache["program"], self.model.spec, images)
        sums = {}
        for place, frame in enumerate(frames):
            both = compare(self.model, self._cache["reference"], opened.name, opened.values, frame)
            assert both.float_output is not None
            found = both.engine_output
            if frame.decoded is not None:
                found = task_output(self.model, self._cache["program"], place, frame.tokens, frame.decoded).shown
            assert found is not None
            sums[frame.task] = _sums(frame.task, both.float_output, found, opened.truth, both.errors)
        return sums


def _sums(task: str, ours: NDArray[Any], theirs: NDArray[Any], every: Truth, errors: FrameErrors) -> TaskSums:
    shown = view(ours)
    sides = shown, view(theirs, shown.classes)
    truth = truth_of(task, sides[0], every)
    quality = None
    if truth is not None:
        quality = Quality(sides[0].kind, sides[0].classes)
        quality.add(*sides, truth)
    return TaskSums(quality, errors.mse_free, errors.power[-1], errors.sets_equal, errors.sets)


def add_up(task: str, parts: Sequence[TaskSums]) -> TaskAccuracy:
    """One task's figures from those of its pictures, in order.

    Raises:
        ImageError: no picture has ground truth of it, or none that counts.
    """
    known = [part.quality for part in parts if part.quality is not None]
    if not known:
        raise ImageError(
            f"no picture of the dataset has ground truth for the task {task}",
            "ground truth of NAME.png is NAME.npz with `labels`, `depth` or an array named after the task",
        )
    total = Quality(known[0].kind, len(known[0].matrices[0].counts))
    for part in known:
        total.join(part)
    metric = total.metric()
    if not metric.pixels:
        why = "their labels are no classes of the network" if total.kind == "classes" else "they are 0, NaN or infinite"
        raise ImageError(
            f"of {metric.ignored:,} pixels of ground truth for the task {task} none counts: {why}",
            "check the ground truth, and the task that it is for",
        )
    if metric.float_value is None or metric.engine_value is None:
        raise ImageError(f"the network's output for the task {task} is not finite", "check the checkpoint")
    sets = sum(part.sets for part in parts)
    rms = math.sqrt(sum(part.squares for part in parts) / max(sum(part.power for part in parts), 1e-300))
    equal = sum(part.equal for part in parts) / sets if sets else None
    ious: tuple[tuple[float | None, float | None], ...] = ()
    if total.kind == "classes":
        ours, theirs = ([None if math.isnan(iou) else float(iou) for iou in side.iou()] for side in total.matrices)
        ious = tuple(zip(ours, theirs, strict=True))
    return TaskAccuracy(
        task, metric.name, metric.float_value, metric.engine_value, total.pictures, metric.pixels, metric.ignored,
        ious, rms, equal,
    )  # fmt: skip


def evaluate_dataset(
    config: Config,
    dataset: Sequence[Path],
    most: int | None,
    jobs: int,
    scheduler: str | None,
    progress: Progress,
    notes: Sequence[str] = (),
) -> DatasetResult:
    """Accuracy of a project's design over folders.

    Args:
        config: the project.
        dataset: folders of pictures.
        most: number of pictures to take, from the first on; None: all.
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
    found = [absolute(path) for path in find_pictures(dataset)[:most]]
    truth = find_truth(found, None if config.labels is None else absolute(config.labels))
    design = open_design(config, model.spec)
    check_capacity(design, model.spec)
    check_fits(design)
    said = [*notes, *left_out([*dataset, *(config.calibrate or config.images or ())])]
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
        runner.replace(PictureRunner(model, design, numerics.network, numerics.formats, tasks, numerics.decoders))
        for number, sums in runner.results([Call("picture", (path, truth.get(path))) for path in found]):
            results[number] = sums
            progress("evaluating pictures", len(results), len(found))
    rows = tuple(add_up(task, [results[i][task] for i in range(len(found))]) for task in tasks)
    names = list(picture_names(found).values())
    for task in tasks:
        without = without_truth(names, [results[i][task].quality is not None for i in range(len(found))], f"{task}: ")
        said += [without] if without else []
    return DatasetResult(len(found), rows, design, tuple(said))
