"""`tune`: searches designs; and `apply_tuned`, which writes a point of the last search into the project's file."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from edgemoe_gen.api.common import Paths, PathText
from edgemoe_gen.api.searching import Choices, Setting, open_setting, tier_of
from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import EdgeMoEError, KnobError
from edgemoe_gen.base.files import check_folder, write_text_whole
from edgemoe_gen.base.locks import folder_lock
from edgemoe_gen.design import make_design
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP
from edgemoe_gen.project.config import FILE_NAME, config_to_toml
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.tuning.apply import Applied, apply_point
from edgemoe_gen.tuning.asked import Asked
from edgemoe_gen.tuning.document import tune_document
from edgemoe_gen.tuning.front import FRONT, check_objectives
from edgemoe_gen.tuning.limits import parse_limit, with_room
from edgemoe_gen.tuning.page import tune_page
from edgemoe_gen.tuning.runner import check_workers, open_runner
from edgemoe_gen.tuning.search import LEAST, run_search
from edgemoe_gen.tuning.space import Space, default_space
from edgemoe_gen.tuning.state import Plan, State, Watch, no_watch
from edgemoe_gen.tuning.storage import check_storage, open_storage, require_optuna
from edgemoe_gen.tuning.synthesis import FOLDER, refuse_without_tools, tools_missing
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, Outcome

DEFAULT_BUDGET = "2m"
DEFAULT_TRIALS = 128
STORAGE, DOCUMENT, PAGE = "search.journal", "tune.json", "tune.html"
MORE = 1.1  # of the budget: what goes beyond is said
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
    progress: Progress = no_progress,
    watch: Watch = no_watch,
) -> TuneResult:
    """Searches knobs for a checkpoint and board; see docs/tuning.md.

    Args:
        knobs: values to try by knob; of those not named, the ones of the default space.
        image: pictures that errors are measured on, and binary points chosen from unless `calibrate` says others.
        objective: orders the front, and is one of its objectives.
        front: its objectives.
        limit: bounds such as "dsp=0.8". DSP, BRAM, UltraRAM and look-up tables that none names have one of 85 %, as
            default designs keep to, or of what the default design takes.
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
        watch: called with what is known so far.

    Raises:
        KnobError: a knob, limit or objective is unknown or out of range, the space is empty, or nothing is feasible.
        ConfigError: Optuna or Dask is missing, no scheduler answers, a file cannot be written, or the tools that
            `synthesise` needs are not here or not on every worker.
    """
    start = time.monotonic()
    require_optuna()
    check_workers(scheduler)
    seconds = parse_budget(DEFAULT_BUDGET if budget is None and trials is None else budget)
    counts = (("--trials", trials, 1), ("--confirm", confirm, 0), ("--synthesise", synthesise, 0), ("--jobs", jobs, 1))
    for name, number, least in counts:
        if number is not None and number < least:
            raise KnobError(f"{name} is {number}", f"give {least} or more")
    wanted = tier_of(tier)
    if synthesise and wanted != CSIM:
        raise KnobError(
            f"--synthesise takes points that C simulation has confirmed, but --tier is '{tier}'", "leave --tier out"
        )
    if synthesise and scheduler is None:
        refuse_without_tools({"": tools_missing()})
    objectives = check_objectives((objective, *(name for name in front if name != objective)))
    limits = tuple(parse_limit(text) for text in limit)
    folder = Path(output)
    check_folder(folder)
    require_optuna()
    check_storage(storage)
    setting = open_setting(checkpoint, spec, options, config, board, knobs, image, calibrate, task)
    space = _space(setting, objective)
    most = DEFAULT_TRIALS if trials is None and budget is None else trials
    confirmed = 0 if wanted == ESTIMATE else max(confirm, synthesise)
    kept: Path | str = storage or folder / STORAGE
    synthesis = folder / FOLDER
    # The storage first: whether it is damaged, or another search is at work, is known before the float reference runs.
    with folder_lock(folder, "search") if storage else nullcontext(), open_storage(kept) as opened:
        with open_runner(None, jobs, scheduler, progress) as runner:
            if synthesise and scheduler is not None:
                refuse_without_tools(runner.each(tools_missing))
            default = estimate_resources(make_design(setting.defaults, setting.board))
            evaluator = setting.evaluator(with_room(limits, default, setting.board), progress)
            left = None if seconds is None else max(1.0, seconds - (time.monotonic() - start))
            plan = Plan(objectives, most, left, wanted, confirmed, seed, synthesise)
            state = run_search(evaluator, space, plan, runner, opened, watch, synthesis if synthesise else None)
        document = tune_document(evaluator, space, plan, state, _asked(setting), setting.config, synthesis)
        written: tuple[Path, ...] = ()
        if state.outcomes:  # else the files of an earlier search stay
            written = (folder / DOCUMENT, folder / PAGE)
            write_text_whole(written[0], json_text(document, 1) + "\n")
            write_text_whole(written[1], tune_page(document))
    setting.notes.extend(_notes(state, opened.name, seconds, time.monotonic() - start))
    if synthesise and not (state.failed or state.synthesised) and state.stopped != "interrupted":
        setting.notes.append("no point of the front was confirmed, so none was synthesised: give --budget more time")
    failed = tuple(error for _, error in state.failed)
    return TuneResult(state.front, state.base, state, document, written, tuple(setting.notes), failed)


def _notes(state: State, storage: str, seconds: float | None, taken: float) -> Iterator[str]:
    """What the user should know of a search that is over."""
    if state.others:
        many = f"{state.others} other search" + ("es" if state.others > 1 else "")
        yield (
            f"{storage} holds {many}, of another network, board, space, limit, picture, seed or version: "
            "this one began anew"
        )
    if seconds is not None and taken > MORE * seconds and not state.synthesised:
        aimed, took = (timedelta(seconds=round(value)) for value in (seconds, taken))
        yield (
            f"the search took {took}, its budget was {aimed}: the default design is always measured, {LEAST} points "
            "are estimated, one of the front is confirmed, and what is under way is finished"
        )


def apply_tuned(number: int, *, output: PathText = "tune", config: PathText | None = None) -> Applied:
    """Writes a point of the last search's front into the project's file; nothing is searched.

    Args:
        number: of the point, from 1 on.
        output: folder of that search.
        config: the file; default: that of the search, else `edgemoe.toml`. One that is not there is written whole.

    Raises:
        ConfigError: there is no search in the folder, its front has no such point, or the file is about another network
            or board.
    """
    return apply_point(number, Path(output) / DOCUMENT, None if config is None else Path(config))


def _space(setting: Setting, objective: str) -> Space:
    kinds = {ATTENTION, *(EXPERTS if block.experts else MLP for block in setting.model.spec.blocks)}
    try:
        return default_space(setting.defaults, setting.board, setting.chosen, setting.given, kinds, objective)
    except KnobError as error:
        if setting.given or not setting.chosen:
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
        KnobError: it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise KnobError(f"the budget '{text}' is not a time", "give seconds, minutes or hours: 90s, 10m, 1h")
    return seconds
