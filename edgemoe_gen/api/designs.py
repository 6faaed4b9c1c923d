"""Designs that the user names: `sweep` evaluates a grid, `compare` two designs, `evaluate` one over a whole folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.api.arguments import EvaluateKeywords, SearchedKeywords, SweepArguments, SweepKeywords
from edgemoe_gen.api.searching import open_setting, tier_of
from edgemoe_gen.api.tuning_arguments import Choices
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.project.arguments import PROJECT, Paths, PathText, project_arguments
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.tuning.compare import Comparison, compare_designs, read_side
from edgemoe_gen.tuning.dataset import DatasetResult, evaluate_dataset
from edgemoe_gen.tuning.document import sweep_document
from edgemoe_gen.tuning.limits import parse_limit
from edgemoe_gen.tuning.runner import check_workers, open_runner
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.sweep import run_sweep, to_csv
from edgemoe_gen.tuning.trial import TIMED, Outcome, reached

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Brief):
    """Outcome of `sweep`: every point in the order of the grid."""

    outcomes: tuple[Outcome, ...]
    space: Space
    document: Mapping[str, Any]
    written: tuple[Path, ...]
    notes: tuple[str, ...]


@takes(SweepKeywords, *PROJECT, SweepArguments)
def sweep(
    checkpoint: PathText | None = None,
    *,
    knobs: Choices,
    progress: Progress = no_progress,
    **keywords: Unpack[SweepKeywords],
) -> SweepResult:
    """Evaluates every combination of `knobs`.

    Args:
        checkpoint: file or folder of shards; without one the network is the typical one with random weights.
        knobs: values by knob; all other knobs follow from network and board.
        image: pictures for choosing binary points and for measuring errors; `calibrate`, if given, replaces them.
        limit: bounds such as "dsp=0.8"; points beyond a bound are refused.
        tier: "estimate", "timed" or "csim"; errors are known from "csim" on.
        jobs: local worker processes.
        scheduler: address of a Dask scheduler to use instead of local processes.
        output: .csv or .json file to write.
        progress: called with text, steps done and steps in all.
    """
    how, left = split(SweepArguments, keywords)
    check_workers(how.scheduler)
    wanted = tier_of(how.tier)
    path = None if how.output is None else Path(how.output)
    if path is not None:
        if path.suffix.lower() not in (".csv", ".json"):
            raise ConfigError(f"--output is '{path}', but a .csv or .json file is written", "end its name so")
        check_writable(path)
    limits = tuple(parse_limit(text) for text in how.limit)
    setting = open_setting(project_arguments(left, checkpoint), knobs, pictures=reached(wanted, TIMED))
    space = Space(setting.turned)
    with open_runner(None, how.jobs, how.scheduler, progress) as runner:
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


@takes(SearchedKeywords, *PROJECT)
def compare(
    a: str,
    b: str,
    *,
    checkpoint: PathText | None = None,
    tier: str = "csim",
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
    **keywords: Unpack[SearchedKeywords],
) -> Comparison:
    """Two designs side by side on one network.

    Args:
        a: a project's file (.toml), a build's folder, knobs such as "tokens_parallel=4,weight_bits=8", or "default".
        b: the other design, in the same form.
        checkpoint: file or folder of shards; default: the project's.
        board: board of designs that name none.
        image: pictures for choosing binary points and for measuring errors; `calibrate`, if given, replaces them.
        tier: "estimate", "timed" or "csim".
        jobs: local worker processes.
        scheduler: address of a Dask scheduler to use instead of local processes.
        progress: called with text, steps done and steps in all.
    """
    check_workers(scheduler)
    wanted = tier_of(tier)
    sides = tuple(read_side(text) for text in (a, b))
    arguments = project_arguments(keywords, checkpoint)
    if checkpoint is None and arguments.project_file is None:
        file = next((side.config.source for side in sides if side.config.checkpoint is not None), None)
        arguments = replace(arguments, project_file=file)
    setting = open_setting(arguments, pictures=reached(wanted, TIMED))
    with open_runner(None, jobs, scheduler, progress) as runner:
        made = compare_designs(setting.evaluator((), progress), sides, wanted, runner, progress)
    return replace(made, notes=tuple(setting.notes))


@takes(EvaluateKeywords, *PROJECT)
def evaluate(
    checkpoint: PathText | None = None,
    *,
    dataset: PathText | Paths,
    first: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = no_progress,
    **keywords: Unpack[EvaluateKeywords],
) -> DatasetResult:
    """Accuracy over a folder of pictures with ground truth: float against the accelerator in C simulation.

    Args:
        checkpoint: file or folder of shards; default: the project's.
        dataset: folder of pictures, or several; ground truth of NAME.png is NAME.npz, as for a build.
        first: evaluate only the first pictures, this many.
        calibrate: pictures for choosing binary points; default: the project's, else the dataset's first 8.
        task: tasks to evaluate; default: all.
        jobs: local worker processes.
        scheduler: address of a Dask scheduler to use instead of local processes.
        progress: called with text, steps done and steps in all.
    """
    if first is not None and first < 1:
        raise ConfigError(f"--first is {first}", "give 1 or more")
    check_workers(scheduler)
    folders = [Path(one) for one in ([dataset] if isinstance(dataset, str | PathLike) else dataset)]
    needs = Needs(checkpoint=True, pictures=True, labels=True, others=folders, compiler=scheduler is None)
    project = open_checked(project_arguments(keywords, checkpoint), needs)
    return evaluate_dataset(project.config, folders, first, jobs, scheduler, progress, project.notes)
