"""Designs that are named, not searched: `sweep`, a grid; `compare`, two; `evaluate`, one over a whole folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from edgemoe_gen.api.common import Paths, PathText, Values, opened, said
from edgemoe_gen.api.searching import Choices, open_setting, tier_of
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.project.early import Needs
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.tuning.compare import Comparison, compare_designs, read_side
from edgemoe_gen.tuning.dataset import DatasetResult, evaluate_dataset
from edgemoe_gen.tuning.document import sweep_document
from edgemoe_gen.tuning.limits import parse_limit
from edgemoe_gen.tuning.runner import check_workers, open_runner
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.sweep import run_sweep, to_csv
from edgemoe_gen.tuning.trial import TIMED, Outcome, reached


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Outcome of `sweep`: every point in the order of the grid."""

    outcomes: tuple[Outcome, ...]
    space: Space
    document: Mapping[str, Any]
    written: tuple[Path, ...]
    notes: tuple[str, ...]


def sweep(
    checkpoint: PathText | None = None,
    *,
    knobs: Choices,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    task: Sequence[str] = (),
    limit: Sequence[str] = (),
    tier: str = "estimate",
    jobs: int = 1,
    scheduler: str | None = None,
    output: PathText | None = None,
    progress: Progress = no_progress,
) -> SweepResult:
    """Evaluates every combination of `knobs`; see `tune` for the other options.

    Args:
        knobs: values by knob; all others follow from network and board.
        tier: "estimate", "timed" or "csim"; errors are known from "csim" on.
        output: .csv or .json file to write.
    """
    check_workers(scheduler)
    wanted = tier_of(tier)
    path = None if output is None else Path(output)
    if path is not None:
        if path.suffix.lower() not in (".csv", ".json"):
            raise ConfigError(f"--output is '{path}', but a .csv or .json file is written", "end its name so")
        check_writable(path)
    limits = tuple(parse_limit(text) for text in limit)
    needed = reached(wanted, TIMED)
    setting = open_setting(checkpoint, spec, options, config, board, knobs, image, calibrate, task, pictures=needed)
    space = Space(setting.given)
    with open_runner(None, jobs, scheduler, progress) as runner:
        evaluator = setting.evaluator(limits, progress)
        runner.replace(evaluator)
        outcomes = run_sweep(space, wanted, runner, lambda done, total: progress("sweeping", done, total))
    document = sweep_document(evaluator, space, wanted, outcomes)
    if len(outcomes) < space.size:
        setting.notes.append(f"interrupted: {len(outcomes):,} of {space.size:,} points were evaluated")
    if path is not None:
        text = to_csv(outcomes) if path.suffix.lower() == ".csv" else json_text(document, 1) + "\n"
        write_text_whole(path, text)
    return SweepResult(outcomes, space, document, () if path is None else (path,), tuple(setting.notes))


def compare(
    a: str,
    b: str,
    *,
    checkpoint: PathText | None = None,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    task: Sequence[str] = (),
    tier: str = "csim",
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Two designs side by side on one network.

    Args:
        a, b: each a project's file (.toml), a build's folder, knobs such as "tokens_parallel=4,weight_bits=8", or
            "default".
        tier: "estimate", "timed" or "csim".
    """
    check_workers(scheduler)
    wanted = tier_of(tier)
    sides = tuple(read_side(text) for text in (a, b))
    if checkpoint is None and config is None:
        config = next((side.config.source for side in sides if side.config.checkpoint is not None), None)
    setting = open_setting(
        checkpoint, spec, options, config, board, None, image, calibrate, task, pictures=reached(wanted, TIMED)
    )
    with open_runner(None, jobs, scheduler, progress) as runner:
        made = compare_designs(setting.evaluator((), progress), sides, wanted, runner, progress)
    return replace(made, notes=tuple(setting.notes))


def evaluate(
    checkpoint: PathText | None = None,
    *,
    dataset: PathText | Paths,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    first: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> DatasetResult:
    """Accuracy over a folder of pictures with ground truth: float against the accelerator in C simulation.

    Args:
        dataset: folder of pictures, or several; ground truth of NAME.png is NAME.npz, as a build takes it.
        labels: folder of ground truth, if not beside the pictures.
        first: take so many pictures, from the first on.
        calibrate: pictures that binary points are chosen from; default: the project's, else the dataset's first 8.
    """
    if first is not None and first < 1:
        raise ConfigError(f"--first is {first}", "give 1 or more")
    check_workers(scheduler)
    folders = [Path(one) for one in ([dataset] if isinstance(dataset, str | PathLike) else dataset)]
    project = opened(
        said(checkpoint, options, board, knobs, (), calibrate, labels, task),
        spec,
        config,
        Needs(checkpoint=True, pictures=True, labels=True, others=folders, compiler=scheduler is None),
    )
    return evaluate_dataset(project.config, folders, first, jobs, scheduler, progress, project.notes)
