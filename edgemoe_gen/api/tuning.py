"""`tune`: searches designs; and `apply_tuned`, which writes a point of the last search into the project's file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemoe_gen.api.searching import Setting, open_setting, tier_of
from edgemoe_gen.api.tuning_arguments import TuneArguments, TuneKeywords
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import EdgeMoEError, KnobError
from edgemoe_gen.base.files import check_folder, write_text_whole
from edgemoe_gen.base.locks import folder_lock
from edgemoe_gen.design import make_design
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.numerics.widths import DECODERS, block_kinds
from edgemoe_gen.project.arguments import PROJECT, PathText, project_arguments
from edgemoe_gen.project.config import FILE_NAME
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.project.writing import config_to_toml
from edgemoe_gen.tuning.apply import Applied, apply_point
from edgemoe_gen.tuning.asked import Asked
from edgemoe_gen.tuning.document import tune_document
from edgemoe_gen.tuning.front import check_objectives
from edgemoe_gen.tuning.limits import parse_limit, with_room
from edgemoe_gen.tuning.page import tune_page
from edgemoe_gen.tuning.runner import check_workers, open_runner
from edgemoe_gen.tuning.search import LEAST, run_search
from edgemoe_gen.tuning.space import Space, default_space
from edgemoe_gen.tuning.state import Plan, State, Watch, no_watch
from edgemoe_gen.tuning.storage import check_storage, open_storage, require_optuna
from edgemoe_gen.tuning.synthesis import FOLDER, refuse_without_tools, tools_missing
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, Outcome

if TYPE_CHECKING:
    from typing_extensions import Unpack

DEFAULT_BUDGET = "2m"
DEFAULT_TRIALS = 128
STORAGE, DOCUMENT, PAGE = "search.journal", "tune.json", "tune.html"
MORE = 1.1  # of the budget: what goes beyond is said
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, eq=False, repr=False)
class TuneResult(Brief):
    """Outcome of `tune`.

    Attributes:
        front: Pareto front, by the first objective; point N of `--apply` is front[N - 1].
        default: the design of a build, in the tiers of the front.
        state: all points that were tried.
        document: all of this as JSON, see docs/tuning.md.
        written: files that were written.
        notes: notes for the user.
        failed: reasons of failed syntheses, such as a licence or a full disk; one for each point.
    """

    front: tuple[Outcome, ...]
    default: Outcome | None
    state: State
    document: Mapping[str, Any]
    written: tuple[Path, ...]
    notes: tuple[str, ...]
    failed: tuple[EdgeMoEError, ...] = ()


@takes(TuneKeywords, *PROJECT, TuneArguments)
def tune(
    checkpoint: PathText | None = None,
    *,
    progress: Progress = no_progress,
    watch: Watch = no_watch,
    **keywords: Unpack[TuneKeywords],
) -> TuneResult:
    """Searches knobs for a checkpoint and board; see docs/tuning.md.

    Args:
        checkpoint: file or folder of shards; without one the network is the typical one with random weights.
        knobs: values to try by knob; knobs that are not named take the values of the default space.
        image: pictures for choosing binary points and for measuring errors; `calibrate`, if given, replaces them.
        task: tasks to run; default: all. The first task is timed.
        objective: the objective that orders the front; one of `front`.
        front: objectives of the front.
        limit: bounds such as "dsp=0.8". DSP, BRAM, UltraRAM and look-up tables without a bound get one of 85 %, as in
            default designs, or the share of the default design if that is more.
        budget: wall time such as "10m"; default 2m unless `trials` is given.
        trials: number of different feasible points to estimate.
        confirm: largest number of points of the front that climb to `tier`; a few more do if all of them fall off the
            front.
        tier: "estimate", "timed" or "csim".
        synthesise: number of confirmed points, from the front's first on, that the vendor's tools synthesise when the
            search and its `budget` are over; each takes hours. At least as many points are confirmed.
        seed: seed of the sampler; the same search and seed give the same result, unless time ends the search.
        jobs: local worker processes.
        scheduler: address of a Dask scheduler to use instead of local processes.
        output: folder of the result, with the search's storage, from which the search resumes.
        storage: URL of a database instead, which several machines can share.
        progress: called with text, steps done and steps in all.
        watch: called with the state of the search.

    Raises:
        KnobError: a knob, limit or objective is unknown or out of range, the space is empty, or nothing is feasible.
        ConfigError: Optuna or Dask is missing, no scheduler answers, a file cannot be written, or the tools for
            `synthesise` are missing here or on a worker.
    """
    start = time.monotonic()
    how, left = split(TuneArguments, keywords)
    require_optuna()
    check_workers(how.scheduler)
    seconds = parse_budget(DEFAULT_BUDGET if how.budget is None and how.trials is None else how.budget)
    _check_counts(how)
    wanted = tier_of(how.tier)
    if how.synthesise and wanted != CSIM:
        raise KnobError(
            f"--synthesise takes points that C simulation has confirmed, but --tier is '{how.tier}'",
            "leave --tier out",
        )
    if how.synthesise and how.scheduler is None:
        refuse_without_tools({"": tools_missing()})
    objectives = check_objectives((how.objective, *(name for name in how.front if name != how.objective)))
    limits = tuple(parse_limit(text) for text in how.limit)
    folder = Path(how.output)
    check_folder(folder)
    require_optuna()
    check_storage(how.storage)
    setting = open_setting(project_arguments(left, checkpoint), how.knobs)
    space = _space(setting, how.objective)
    most = DEFAULT_TRIALS if how.trials is None and how.budget is None else how.trials
    confirmed = 0 if wanted == ESTIMATE else max(how.confirm, how.synthesise)
    kept: Path | str = how.storage or folder / STORAGE
    synthesis = folder / FOLDER
    # The storage first: whether it is damaged, or another search is at work, is known before the float reference runs.
    with folder_lock(folder, "search") if how.storage else nullcontext(), open_storage(kept) as storage:
        with open_runner(None, how.jobs, how.scheduler, progress) as runner:
            if how.synthesise and how.scheduler is not None:
                refuse_without_tools(runner.each(tools_missing))
            default = estimate_resources(make_design(setting.defaults, setting.board))
            evaluator = setting.evaluator(with_room(limits, default, setting.board), progress)
            rest = None if seconds is None else max(1.0, seconds - (time.monotonic() - start))
            plan = Plan(objectives, most, rest, wanted, confirmed, how.seed, how.synthesise)
            state = run_search(evaluator, space, plan, runner, storage, watch, synthesis if how.synthesise else None)
        document = tune_document(evaluator, space, plan, state, _asked(setting), setting.config, synthesis)
        written: tuple[Path, ...] = ()
        if state.outcomes:  # else the files of an earlier search stay
            written = (folder / DOCUMENT, folder / PAGE)
            write_text_whole(written[0], json_text(document, 1) + "\n")
            write_text_whole(written[1], tune_page(document))
    setting.notes.extend(_notes(state, plan, storage.name, seconds, time.monotonic() - start))
    if how.synthesise and not (state.failed or state.synthesised) and state.stopped != "interrupted":
        setting.notes.append("no point of the front was confirmed, so none was synthesised: give --budget more time")
    failed = tuple(error for _, error in state.failed)
    return TuneResult(state.front, state.base, state, document, written, tuple(setting.notes), failed)


def _check_counts(how: TuneArguments) -> None:
    counts = (
        ("--trials", how.trials, 1),
        ("--confirm", how.confirm, 0),
        ("--synthesise", how.synthesise, 0),
        ("--jobs", how.jobs, 1),
    )
    for name, number, least in counts:
        if number is not None and number < least:
            raise KnobError(f"{name} is {number}", f"give {least} or more")


def _notes(state: State, plan: Plan, storage: str, seconds: float | None, taken: float) -> Iterator[str]:
    """What the user should know of a search that is over."""
    if state.others:
        many = f"{state.others} other search" + ("es" if state.others > 1 else "")
        yield (
            f"{storage} holds {many}, of another network, board, space, limit, picture, seed or version: "
            "this one began anew"
        )
    if seconds is not None and taken > MORE * seconds and not state.synthesised:
        aimed, took = (timedelta(seconds=round(value)) for value in (seconds, taken))
        climbs = ""
        if plan.confirm:
            climbs = (
                "points climb until one of the front is confirmed "
                f"({state.confirmed(plan.tier)} of {len(state.front)} are), "
            )
        yield (
            f"the search took {took}, its budget was {aimed}: the default design is always measured, {LEAST} points "
            f"are estimated, {climbs}and what is under way is finished"
        )


def apply_tuned(number: int, *, output: PathText = "tune", config: PathText | None = None) -> Applied:
    """Writes a point of the last search's front into the project's file; nothing is searched.

    Args:
        number: number of the point, from 1 on.
        output: folder of that search.
        config: the project's file; default: that of the search, else `edgemoe.toml`. A missing file is written whole.

    Raises:
        ConfigError: there is no search in the folder, its front has no such point, or the file is about another network
            or board.
    """
    return apply_point(number, Path(output) / DOCUMENT, None if config is None else Path(config))


def _space(setting: Setting, objective: str) -> Space:
    kinds = set().union(*(block_kinds(bool(block.experts)) for block in setting.model.spec.blocks))
    widths = [setting.defaults.max_map_width]
    widths += [int(value) for tried in setting.turned if tried.name == "max_map_width" for value in tried.values]
    if engine_decoders(setting.model, setting.tasks, max(widths), setting.defaults.max_map_channels):
        kinds.add(DECODERS)
    try:
        return default_space(setting.defaults, setting.board, setting.chosen, setting.turned, kinds, objective)
    except KnobError as error:
        if setting.turned or not setting.chosen:
            raise
        raise KnobError(
            f"the space is empty: {setting.config.source} sets every knob that a search turns",
            "name what to turn, for example --knob tokens_parallel=2,4,6, or take knobs out of its [knobs]",
        ) from error


def _asked(setting: Setting) -> Asked:
    """How the project was named, with the file that `apply_tuned` writes where there is none."""
    folder = (setting.asked.file or Path(FILE_NAME)).parent
    spec = None if setting.config.checkpoint is None else setting.model.spec
    suits = f"this network on the {setting.board.title.removeprefix('AMD ')}"
    return replace(setting.asked, whole=config_to_toml(setting.config, folder, spec, setting.defaults, suits))


def parse_budget(text: str | None) -> float | None:
    """Seconds of a text such as 90, 90s, 10m or 1.5h.

    Raises:
        KnobError: the text is no time.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise KnobError(f"the budget '{text}' is not a time", "give seconds, minutes or hours: 90s, 10m, 1h")
    return seconds
