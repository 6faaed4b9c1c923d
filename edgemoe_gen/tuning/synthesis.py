"""Vendor synthesis as the last tier: the first confirmed points of a front, each in its own folder.

In: a search's front. Out: the same points with counts of C synthesis in place of estimates, checked against board,
limits and clock again. A failed synthesis does not change its point.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgemoe_gen.base.errors import BusyError, ConfigError, EdgeMoEError
from edgemoe_gen.design import Design
from edgemoe_gen.flow.process import end_run
from edgemoe_gen.flow.reports import SynthesisFacts
from edgemoe_gen.flow.tools import DEFAULT_ROOTS, ROOTS_VARIABLE, find_tools, parallel_jobs, why_missing
from edgemoe_gen.hardware.boards import Board
from edgemoe_gen.pipeline.synthesise import synthesis_folder, synthesise
from edgemoe_gen.sim.cache import cache_folder
from edgemoe_gen.tuning.evaluate import Evaluator
from edgemoe_gen.tuning.figures import BRAM36_KIB, URAM_KIB
from edgemoe_gen.tuning.limits import RESOURCES, Limit, first_broken
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.state import AtWork, Plan, State, Watch
from edgemoe_gen.tuning.trial import SYNTHESIS, Figure, Outcome, reached

FOLDER = "synthesis"
MISSES = "misses its clock"
_BUSY_SECONDS = 1.0  # between looks whether another run has left the folder
_TITLES = {"dsp": "DSP", "bram36": "BRAM36", "uram": "URAM", "lut": "LUT", "ff": "FF"}


@dataclass(frozen=True)
class Synthesis:
    """Outcome of one synthesis.

    Attributes:
        figures: figures by name; {} after a failure.
        error: reason of a failure.
        seconds: wall time.
    """

    figures: Mapping[str, Figure]
    error: EdgeMoEError | None
    seconds: float


@dataclass
class Synthesiser:
    """Runs syntheses where the tools are installed: in this process, or on workers.

    Attributes:
        folder: folder of the search, with a folder for each design; a worker that does not see it uses its own cache.
    """

    folder: Path
    _threads: set[int] = field(default_factory=set)
    _closed: bool = False

    def synthesise(self, design: Design, tell: Callable[[str], None]) -> Synthesis:
        """Figures of a design; at once where its folder holds an earlier synthesis.

        Args:
            design: the design to synthesise.
            tell: called with a few words at the start of each step.
        """
        start = time.monotonic()
        thread = threading.get_ident()
        self._threads.add(thread)
        try:
            figures = figures_of(self._facts(design, tell), design.board)
        except EdgeMoEError as error:
            if not self.folder.is_dir():  # then the log is not where the search is
                error.hint = f"on the worker {socket.gethostname()}: {error.hint}"
            return Synthesis({}, error, time.monotonic() - start)
        finally:
            self._threads.discard(thread)
        return Synthesis(figures, None, time.monotonic() - start)

    def close(self) -> None:
        """Ends all running tools, and starts no others."""
        self._closed = True
        for thread in tuple(self._threads):
            end_run(thread)

    def _facts(self, design: Design, tell: Callable[[str], None]) -> SynthesisFacts:
        place = synthesis_folder(design, self.folder if self.folder.is_dir() else cache_folder() / FOLDER)
        while not self._closed:
            try:
                return synthesise(design, place, tell)
            except BusyError:
                # A design that differs in nothing that is synthesised, or what a lost worker has left running.
                tell(f"waiting: another run is at work in {place}")
                time.sleep(_BUSY_SECONDS)
        raise ConfigError("the search has ended before this synthesis began", "run it again")


def figures_of(facts: SynthesisFacts, board: Board) -> dict[str, Figure]:
    """Figures of a report of C synthesis, as far as the report tells them."""
    assert facts.top is not None
    top = facts.top
    counts = {name: getattr(top.resources, name) for name in RESOURCES}
    if counts["uram"] is None and not board.uram:
        counts["uram"] = 0  # reports of parts without UltraRAM need not have the row
    values = {name: float(count) for name, count in counts.items() if count is not None}
    if "bram36" in values and "uram" in values:
        values["memory_kib"] = values["bram36"] * BRAM36_KIB + values["uram"] * URAM_KIB
    if top.estimated_ns:
        values["fmax_mhz"] = 1e3 / top.estimated_ns
    return {name: Figure(value, SYNTHESIS) for name, value in values.items()}


def climbed(outcome: Outcome, result: Synthesis, clock_mhz: float, board: Board, limits: Sequence[Limit]) -> Outcome:
    """A point with the figures of synthesis: infeasible if they exceed the board or a limit, or miss the clock.

    A clock is missed if the longest path alone takes more than the design's period: routing can only add to the path,
    so the design won't have this latency. A path that takes less than the period, but more than HLS leaves to logic,
    may still meet the clock.
    """
    figures = {**outcome.figures, **result.figures}
    found = replace(outcome, tier=SYNTHESIS, figures=figures, seconds=outcome.seconds + result.seconds)
    reason, sentence = _over(result.figures, board)
    if not reason:
        reason, sentence = first_broken(limits, figures, board)
    fmax = result.figures.get("fmax_mhz")
    if not reason and fmax is not None and fmax.value < clock_mhz:
        reason = MISSES
        sentence = (
            f"the longest path allows {fmax.value:.0f} MHz before routing ({SYNTHESIS}), but the design asks for "
            f"{clock_mhz:g} MHz"
        )
    return replace(found, feasible=False, reason=reason, detail=sentence) if reason else found


def _over(figures: Mapping[str, Figure], board: Board) -> tuple[str, str]:
    counts = [(title, figures[name].value, getattr(board, name)) for name, title in _TITLES.items() if name in figures]
    over = [(title, used, there) for title, used, there in counts if used > there]
    if not over:
        return "", ""
    needs = ", ".join(f"{used:,g} of {there:,} {title}" for title, used, there in over)
    return f"more {over[0][0]} than the board has", f"the {board.title} is too small: {needs} ({SYNTHESIS})"


def synthesise_front(
    evaluator: Evaluator,
    state: State,
    plan: Plan,
    runner: Runner,
    folder: Path,
    keep: Callable[[Outcome], None],
    watch: Watch,
) -> None:
    """Synthesises the first points of the front that are confirmed; those of earlier runs count.

    Args:
        evaluator: of the points.
        state: of the search; `at_work` and `failed` are written.
        plan: plan with the number of syntheses.
        runner: runner of the tools; its subject is replaced.
        folder: parent of one folder for each design.
        keep: stores every outcome.
        watch: watcher of the search.
    """
    title = "synthesising the front"
    done = sum(outcome.tier == SYNTHESIS for outcome in state.outcomes.values())
    wanted = [o for o in state.front if reached(o.tier, plan.tier) and o.tier != SYNTHESIS][: plan.synthesise - done]
    if done >= plan.synthesise or not wanted:
        return
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}", "choose another --output") from error
    total = done + len(wanted)
    designs = [evaluator.design(outcome.point) for outcome in wanted]
    runner.replace(Synthesiser(folder))

    def hear(number: int, step: str) -> None:
        outcome = wanted[number]
        before = state.at_work.get(outcome.point.key)
        began = time.monotonic() if before is None else before.began
        state.at_work[outcome.point.key] = AtWork(outcome, step, began)
        watch(state, title, done, total)

    watch(state, title, done, total)
    try:
        # Light calls: on one machine one after another, since each tool takes a licence and gigabytes of memory.
        for number, result in runner.results([Call("synthesise", (design,)) for design in designs], hear):
            outcome, design = wanted[number], designs[number]
            state.at_work.pop(outcome.point.key, None)
            if result.error is None:
                keep(climbed(outcome, result, design.knobs.clock_mhz, evaluator.board, evaluator.limits))
            else:
                state.failed.append((outcome, result.error))
            done += 1
            watch(state, title, done, total)
    finally:
        state.at_work.clear()


def tools_missing() -> str:
    """The reason why C synthesis can't run here, with the searched places of its tools; "" if it can."""
    why = why_missing("hls", find_tools())
    if not why:
        parallel_jobs(os.environ)
        return ""
    roots = os.environ.get(ROOTS_VARIABLE)
    below = os.pathsep.join(str(root) for root in DEFAULT_ROOTS) if roots is None else roots
    place = f"and below {below}" if below else f"but below no folder, as {ROOTS_VARIABLE} is empty"
    return f"{why}; looked on PATH, by XILINX_HLS and XILINX_VITIS, {place}"


def refuse_without_tools(missing: Mapping[str, str]) -> None:
    """Refuses to begin a search whose syntheses could not run.

    Args:
        missing: results of `tools_missing`, by the worker's address; "" for this machine.

    Raises:
        ConfigError: names the tools, where they were looked for, and what to set.
    """
    without = {worker: why for worker, why in missing.items() if why}
    if not without:
        return
    worker, why = next(iter(without.items()))
    where = f" on {len(without)} of {len(missing)} workers ({worker})" if worker else " here"
    raise ConfigError(
        f"--synthesise can't run{where}: {why}",
        f"source the settings64.sh of Vitis first, or set {ROOTS_VARIABLE} to the folder that it is installed in"
        + ("; on workers before they start" if worker else "")
        + "; to synthesise on another machine, leave --synthesise out and export: edgemoe-gen build --export FOLDER",
    )
