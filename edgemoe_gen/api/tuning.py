"""Searching designs: `tune`, `sweep`, `compare`; and `evaluate`, accuracy over a whole folder of pictures."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.api.common import Paths, PathText, Values, open_network, opened, said
from edgemoe_gen.config import FILE_NAME, Config
from edgemoe_gen.errors import ConfigError, EdgeMoEError, KnobError
from edgemoe_gen.files import check_writable, write_text_whole
from edgemoe_gen.model import Model, SpecOptions
from edgemoe_gen.model.random import random_picture
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP
from edgemoe_gen.project import Progress, no_progress, open_board, open_calibration, open_tasks
from edgemoe_gen.tuning.apply import apply_point
from edgemoe_gen.tuning.compare import Comparison, compare_designs, read_side
from edgemoe_gen.tuning.dataset import DatasetResult, evaluate_dataset
from edgemoe_gen.tuning.document import sweep_document, tune_document
from edgemoe_gen.tuning.evaluate import Evaluator, make_evaluator
from edgemoe_gen.tuning.front import FRONT, check_objectives
from edgemoe_gen.tuning.limits import Limit, parse_limit
from edgemoe_gen.tuning.page import tune_page
from edgemoe_gen.tuning.runner import open_runner
from edgemoe_gen.tuning.search import run_search
from edgemoe_gen.tuning.space import Dimension, Space, default_space, is_knob
from edgemoe_gen.tuning.state import Plan, State, Watch, no_watch
from edgemoe_gen.tuning.sweep import run_sweep, to_csv
from edgemoe_gen.tuning.synthesis import FOLDER, refuse_without_tools, tools_missing
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, SYNTHESIS, TIERS, Outcome, Value, reached

Choices = Mapping[str, Value | Sequence[Value]]
TIER_NAMES = {"estimate": ESTIMATE, "timed": TIERS[2], "csim": CSIM}
SYNTHESIS_NAMES = ("synthesis", "vendor", "hls", SYNTHESIS)  # what a user may call the tier that --tier does not name
DEFAULT_BUDGET = "2m"
DEFAULT_TRIALS, MANY_TRIALS = 128, 1_000_000
STORAGE, DOCUMENT, PAGE = "search.journal", "tune.json", "tune.html"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, eq=False)
class TuneResult:
    """Outcome of `tune`.

    Attributes:
        front: Pareto front, by the first objective; point N of `--apply` is front[N - 1].
        default: what a build would take, in the tiers that the front has.
        state: all that was tried.
        document: the same as JSON, see docs/tuning.md.
        written: files that were written.
        notes: what the user should know.
        failed: why points were not synthesised that should have been: a licence, a full disk; one for each.
    """

    front: tuple[Outcome, ...]
    default: Outcome | None
    state: State
    document: Mapping[str, Any]
    written: tuple[Path, ...]
    notes: tuple[str, ...]
    failed: tuple[EdgeMoEError, ...] = ()


@dataclass(frozen=True, eq=False)
class SweepResult:
    """Outcome of `sweep`: every point in the order of the grid."""

    outcomes: tuple[Outcome, ...]
    space: Space
    document: Mapping[str, Any]
    written: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Setting:
    """A project opened for a search."""

    config: Config
    model: Model
    evaluator: Evaluator
    given: tuple[Dimension, ...]
    notes: list[str]


def tune(
    checkpoint: PathText | None = None,
    *,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Choices | None = None,
    image: Paths = (),
    calibrate: Paths = (),
    task: Sequence[str] = (),
    objective: str = FRONT[0],
    front: Sequence[str] = FRONT,
    limit: Sequence[str] = (),
    budget: str | None = None,
    trials: int | None = None,
    confirm: int = 8,
    tier: str = "csim",
    synthesise: int = 0,
    seed: int = 0,
    jobs: int = 1,
    scheduler: str | None = None,
    output: PathText = "tune",
    storage: str | None = None,
    apply: int | None = None,
    progress: Progress = no_progress,
    watch: Watch = no_watch,
) -> TuneResult:
    """Searches knobs for a checkpoint and board; see docs/tuning.md.

    Args:
        knobs: values to try by knob; of those not named, the ones of the default space.
        image: pictures that errors are measured on, and binary points chosen from unless `calibrate` says others.
        objective: orders the front, and is one of its objectives.
        front: its objectives.
        limit: bounds such as "dsp=0.8".
        budget: wall time such as "10m"; default 2m unless `trials` is given.
        trials: different feasible points to estimate.
        confirm: points of the front that climb to `tier` at most.
        tier: "estimate", "timed" or "csim".
        synthesise: so many of the confirmed points, from the front's first on, are synthesised by the vendor's tools
            when the search is over, and `budget` with it; each takes hours. As many are confirmed at least.
        seed: of the sampler; the same search and seed find the same, unless time ends it.
        jobs: local worker processes.
        scheduler: address of a Dask scheduler instead.
        output: folder of the result; the search's storage is in it, by which it resumes.
        storage: URL of a database instead, which several machines can share.
        apply: write this point of the front into the project's file.
        watch: called with what is known so far.

    Raises:
        KnobError: a knob, limit or objective is unknown or out of range, the space is empty, or nothing is feasible.
        ConfigError: Optuna or Dask is missing, a file cannot be written, the front has no point `apply`, or the tools
            that `synthesise` needs are not here or not on every worker.
    """
    start = time.monotonic()
    seconds = parse_budget(DEFAULT_BUDGET if budget is None and trials is None else budget)
    counts = (("--trials", trials, 1), ("--confirm", confirm, 0), ("--synthesise", synthesise, 0), ("--jobs", jobs, 1))
    for name, number, least in counts:
        if number is not None and number < least:
            raise KnobError(f"{name} is {number}", f"give {least} or more")
    wanted = _tier(tier)
    if synthesise and wanted != CSIM:
        raise KnobError(
            f"--synthesise takes points that C simulation has confirmed, but --tier is '{tier}'", "leave --tier out"
        )
    if synthesise and scheduler is None:
        refuse_without_tools({"": tools_missing()})
    objectives = check_objectives((objective, *(name for name in front if name != objective)))
    limits = tuple(parse_limit(text) for text in limit)
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, but the search writes a folder", "choose another --output")
    setting = _open(checkpoint, spec, options, config, board, knobs, image, calibrate, task, limits, progress)
    evaluator = setting.evaluator
    defaults = evaluator.knobs(evaluator.default_point(()))
    kinds = {ATTENTION, *(EXPERTS if block.experts else MLP for block in setting.model.spec.blocks)}
    space = default_space(defaults, evaluator.board, evaluator.chosen, setting.given, kinds, objective)
    left = None if seconds is None else max(1.0, seconds - (time.monotonic() - start))
    most = trials or (DEFAULT_TRIALS if budget is None else MANY_TRIALS)
    plan = Plan(objectives, most, left, wanted, 0 if wanted == ESTIMATE else max(confirm, synthesise), seed, synthesise)
    synthesis = folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    kept: Path | str = storage or folder / STORAGE
    with open_runner(evaluator, jobs, scheduler, progress) as runner:
        if synthesise and scheduler is not None:
            refuse_without_tools(runner.each(tools_missing))
        state = run_search(evaluator, space, plan, runner, kept, watch, synthesis if synthesise else None)
    document = tune_document(evaluator, space, plan, state, setting.config.source, synthesis)
    written = [folder / DOCUMENT, folder / PAGE]
    for path, text in zip(written, (json.dumps(document, indent=1) + "\n", tune_page(document)), strict=True):
        write_text_whole(path, text)
    if apply is not None:
        written.append(_apply(apply, state.front, setting, config))
    tried = state.failed or any(o.tier == SYNTHESIS for o in state.outcomes.values())
    if synthesise and not tried and state.stopped != "interrupted":
        setting.notes.append("no point of the front was confirmed, so none was synthesised: give --budget more time")
    failed = tuple(error for _, error in state.failed)
    return TuneResult(state.front, state.base, state, document, tuple(written), tuple(setting.notes), failed)


def _apply(number: int, front: Sequence[Outcome], setting: _Setting, config: PathText | None) -> Path:
    if not 1 <= number <= len(front):
        raise ConfigError(f"the front has no point {number}", f"it has {len(front)}, from 1 on")
    path = Path(config) if config is not None else setting.config.source or Path(FILE_NAME)
    apply_point(front[number - 1].point, path, setting.config, setting.model.spec)
    return path


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
    wanted = _tier(tier)
    path = None if output is None else Path(output)
    if path is not None:
        if path.suffix.lower() not in (".csv", ".json"):
            raise ConfigError(f"--output is '{path}', but a .csv or .json file is written", "end its name so")
        check_writable(path)
    limits = tuple(parse_limit(text) for text in limit)
    needed = reached(wanted, TIERS[2])
    setting = _open(
        checkpoint, spec, options, config, board, knobs, image, calibrate, task, limits, progress, pictures=needed
    )
    space = Space(setting.given)
    with open_runner(setting.evaluator, jobs, scheduler, progress) as runner:
        outcomes = run_sweep(space, wanted, runner, lambda done, total: progress("sweeping", done, total))
    document = sweep_document(setting.evaluator, space, wanted, outcomes)
    if len(outcomes) < space.size:
        setting.notes.append(f"interrupted: {len(outcomes):,} of {space.size:,} points were evaluated")
    if path is not None:
        text = to_csv(outcomes) if path.suffix.lower() == ".csv" else json.dumps(document, indent=1) + "\n"
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
    wanted = _tier(tier)
    sides = tuple(read_side(text) for text in (a, b))
    if checkpoint is None and config is None:
        config = next((side.config.source for side in sides if side.config.checkpoint is not None), None)
    setting = _open(
        checkpoint, spec, options, config, board, None, image, calibrate, task, (), progress,
        pictures=reached(wanted, TIERS[2]),
    )  # fmt: skip
    with open_runner(setting.evaluator, jobs, scheduler, progress) as runner:
        made = compare_designs(setting.evaluator, sides, wanted, runner, progress)
    return replace(made, notes=tuple(setting.notes))


def evaluate(
    checkpoint: PathText | None = None,
    *,
    dataset: PathText,
    spec: PathText | None = None,
    options: SpecOptions | None = None,
    config: PathText | None = None,
    board: str | None = None,
    knobs: Values | None = None,
    calibrate: Paths = (),
    labels: PathText | None = None,
    task: Sequence[str] = (),
    limit: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> DatasetResult:
    """Accuracy over a folder of pictures with ground truth: float against the accelerator in C simulation.

    Args:
        dataset: folder of pictures; ground truth of NAME.png is NAME.npz, as a build takes it.
        labels: folder of ground truth, if not beside the pictures.
        limit: take so many pictures, the first ones.
        calibrate: pictures that binary points are chosen from; default: the project's, else the dataset's first 8.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is {limit}", "give 1 or more")
    project = opened(said(checkpoint, options, board, knobs, (), calibrate, labels, task), spec, config)
    return evaluate_dataset(project.config, Path(dataset), limit, jobs, scheduler, progress, project.notes)


# What they share


def parse_budget(text: str | None) -> float | None:
    """Seconds of a text such as 90, 90s, 10m or 1.5h.

    Raises:
        KnobError: it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise KnobError(f"the budget '{text}' is not a time", "give seconds, minutes or hours: 90s, 10m, 1h")
    return seconds


def _tier(name: str) -> str:
    if name in SYNTHESIS_NAMES:
        raise KnobError(
            f"--tier does not go up to '{name}': vendor synthesis takes hours a point",
            "synthesise the first points of a search's front: edgemoe-gen tune --synthesise N",
        )
    if name not in TIER_NAMES:
        raise KnobError(f"there is no tier '{name}'", f"known tiers: {', '.join(TIER_NAMES)}")
    return TIER_NAMES[name]


def _dimensions(knobs: Choices | None) -> tuple[Dimension, ...]:
    return tuple(
        Dimension(name, tuple(values) if isinstance(values, Sequence) else (values,))
        for name, values in (knobs or {}).items()
    )


def _open(
    checkpoint: PathText | None,
    spec: PathText | None,
    options: SpecOptions | None,
    config: PathText | None,
    board: str | None,
    knobs: Choices | None,
    image: Paths,
    calibrate: Paths,
    task: Sequence[str],
    limits: tuple[Limit, ...],
    progress: Progress,
    pictures: bool = True,
) -> _Setting:
    """Everything that points need, with the float reference's results if `pictures` are to be run."""
    given = _dimensions(knobs)
    project = opened(said(checkpoint, options, board, None, image, calibrate, task=task), spec, config)
    words, notes = project.config, list(project.notes)
    model = open_network(words, notes, ", so errors mean little")
    tasks = open_tasks(words, model.spec)
    chosen = {name: value for name, value in words.knobs.items() if name not in {d.name for d in given}}
    # A knob with one value is fixed, so the default design has it too.
    chosen |= {d.name: d.values[0] for d in given if len(d.values) == 1 and is_knob(d.name)}
    images = _images(words, model, notes) if pictures else []
    evaluator = make_evaluator(
        model, images, tasks, open_board(words), chosen, limits, words.fifo_depths, words.pinned, progress
    )
    return _Setting(words, model, evaluator, given, notes)


def _images(words: Config, model: Model, notes: list[str]) -> list[NDArray[np.float32]]:
    paths = words.calibrate or words.images
    if paths:
        return open_calibration(replace(words, calibrate=paths), model.spec, ())
    notes.append("no picture is named, so errors are taken on noise: give --image")
    return [random_picture(model.spec)]
