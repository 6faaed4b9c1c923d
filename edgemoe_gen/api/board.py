"""On the board, or on the simulated one: the overlay's self-test, its measurement, and one picture."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemoe_gen.api.arguments import BenchArguments, BenchKeywords
from edgemoe_gen.api.tasks import OR_ALL, named, refuse_to_choose
from edgemoe_gen.base.arguments import split, takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError, OverlayError
from edgemoe_gen.base.files import check_writable, write_text_whole
from edgemoe_gen.measuring import session
from edgemoe_gen.measuring.bench import Latency, Plan, Spread, SwitchCost, Throughput, joined, measure
from edgemoe_gen.measuring.bench_page import render_page
from edgemoe_gen.measuring.power import Power, RailPower, find_sensors
from edgemoe_gen.measuring.session import Installed
from edgemoe_gen.overlay.driver.together import AT_ONCE
from edgemoe_gen.pictures.found import find_pictures
from edgemoe_gen.pipeline.running import RunResult, side_by_side
from edgemoe_gen.project.arguments import PathText
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.simulated.engine import CSIM

if TYPE_CHECKING:
    from typing_extensions import Unpack

FRAMES, SIMULATED_FRAMES = 100, 5
PICTURE = "notebooks/picture.npy"  # the build's own, in every overlay


@dataclass(frozen=True)
class TaskCheck:
    """Self-test of a task: whether its answer is right (None: the task did not run), and the engine's seconds."""

    task: str
    passed: bool | None
    seconds: float | None


@dataclass(frozen=True, repr=False)
class SelftestResult(Brief):
    """Outcome of a self-test.

    Attributes:
        overlay, version, identity: of the tested overlay.
        tier: source of the seconds: a board, C simulation or RTL simulation.
        files: number of files that agree with their checksums.
        tasks: in the overlay's order.
        failure, hint: the error and its remedy, or "".
        notes: the overlay that was taken, where a build was named.
    """

    overlay: str
    version: str
    identity: str
    tier: str
    files: int
    tasks: tuple[TaskCheck, ...]
    failure: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every answer is right."""
        return not self.failure and all(task.passed for task in self.tasks)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True, repr=False)
class BenchResult(Brief):
    """Seconds and watts of an overlay on its board.

    Attributes:
        overlay, version, identity, board, clock_mhz: of the measured overlay; the clock is that of its build.
        tier: source of the times: a board, or C simulation.
        estimate_tier: tier of the build's estimates; "" without estimates.
        complete: False after an interruption.
    """

    overlay: str
    version: str
    identity: str
    board: str
    clock_mhz: float
    tier: str
    estimate_tier: str
    latencies: tuple[Latency, ...]
    throughput: tuple[Throughput, ...]
    switch: SwitchCost | None
    complete: bool
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        switch = self.switch
        return {
            **{name: getattr(self, name) for name in ("overlay", "version", "identity", "board", "clock_mhz", "tier")},
            "complete": self.complete,
            "latency": [
                {
                    "task": one.task,
                    "stages": {stage: _spread(values) for stage, values in one.stages.items()},
                    "total": _spread(one.total),
                    "engine_backbone": None if one.backbone is None else _spread(one.backbone),
                    "engine_decoder_seconds": one.decoder,
                    "estimate_seconds": one.estimate,
                    "estimate_tier": self.estimate_tier or None,
                    "engine_to_estimate": one.ratio,
                }
                for one in self.latencies
            ],
            "throughput": [
                {
                    "tasks": list(one.tasks),
                    "frames": one.frames,
                    "seconds": one.seconds,
                    "frames_per_second": one.frames_per_second,
                    "power": None if one.power is None else _power(one.power),
                }
                for one in self.throughput
            ],
            "task_switch": None
            if switch is None
            else {
                "seconds": switch.seconds,
                "standard_error_seconds": switch.error if math.isfinite(switch.error) else None,
                "frames": switch.frames,
            },
            "notes": list(self.notes),
        }


def selftest(
    overlay: PathText, *, simulated: bool = False, engine: str | None = None, progress: Progress = no_progress
) -> SelftestResult:
    """Loads an overlay, compares its files with their checksums and the chip with its identity, and runs every task's
    known picture.

    Args:
        overlay: name of an installed overlay, its folder, or the folder of its build.
        simulated: run on the simulated board.
        engine: engine of the simulated board, which it implies: "csim" (default) or "rtl".
        progress: called with text, steps done and steps in all.

    Raises:
        ConfigError: there is no such engine, or a package that it needs is not installed.
        OverlayError: the overlay is missing, damaged, or not of the design on the chip. A wrong answer is a result, not
            an error.
    """
    installed = session.look_up(overlay)
    files = session.check_files(installed)
    failure = hint = ""
    seconds: dict[str, float] = {}
    with session.opened(installed, simulated or engine is not None, engine or CSIM, progress) as (accelerator, tier):
        try:
            seconds = accelerator.selftest()
        except OverlayError as error:
            failure, hint = error.message, error.hint
    manifest = installed.manifest
    tasks = tuple(TaskCheck(task, passed, seconds.get(task)) for task, passed in _passed(installed.tasks, failure))
    identity = f"{manifest.identity:016x}"
    notes = tuple(filter(None, (installed.note, installed.rtl and f"the bitstream holds {installed.rtl}")))
    return SelftestResult(manifest.name, manifest.version, identity, tier, files, tasks, failure, hint, notes)


def _passed(tasks: Sequence[str], failure: str) -> list[tuple[str, bool | None]]:
    """Whether each task passed, from what the driver says: it runs them in order, then all at once, and stops at the
    first wrong answer."""
    if not failure:
        return [(task, True) for task in tasks]
    wrong = next((place for place, task in enumerate(tasks) if f"task '{task}'" in failure), None)
    if wrong is None:
        return [(task, True if AT_ONCE in failure else None) for task in tasks]
    return [(task, True if place < wrong else False if place == wrong else None) for place, task in enumerate(tasks)]


@takes(BenchKeywords, BenchArguments)
def bench(overlay: PathText, *, progress: Progress = no_progress, **keywords: Unpack[BenchKeywords]) -> BenchResult:
    """Measures latency by stage, frames a second, the cost of a task switch, and power.

    Args:
        overlay: name of an installed overlay, its folder, or the folder of its build.
        task: names of tasks; default: all.
        image: pictures or folders, taken in turn; default: the overlay's own picture.
        frames: frames of each measurement and task; None = 100, or 5 on the simulated board.
        seconds: longest time of a measurement; frames stream for this time while power is read.
        simulated: run on the simulated board, whose times are those of C simulation.
        output: page to write (.html).
        progress: called with text, steps done and all.

    Raises:
        OverlayError: the overlay is missing, damaged or refused.
        ConfigError: there is no such task, a number is no number of frames or seconds, or the page can't be written.
        ImageError: a picture does not fit the network.
    """
    how, _ = split(BenchArguments, keywords)
    if how.frames is not None and how.frames < 1:
        raise ConfigError(f"--frames is {how.frames}", "measure one frame or more")
    if not (math.isfinite(how.seconds) and how.seconds > 0):
        raise ConfigError(f"--seconds is {how.seconds:g}", "give more than 0 seconds")
    if how.output is not None:
        if Path(how.output).suffix.lower() != ".html":
            raise ConfigError(f"--output is '{how.output}', but a .html file is written", "end its name with .html")
        check_writable(Path(how.output))
    installed = session.look_up(overlay)
    tasks = session.chosen_tasks(installed, how.task)
    if how.image:
        pictures = [session.open_frame(path, installed) for path in find_pictures([Path(one) for one in how.image])]
    else:
        installed.manifest.read(PICTURE)
        pictures = [session.open_frame(installed.manifest.folder / PICTURE, installed)]
    notes = [installed.note] if installed.note else []
    notes += [installed.manifest.tasks[name].reason for name in tasks if installed.manifest.tasks[name].reason]
    notes += [] if installed.estimates else ["the overlay carries no estimate to compare with"]
    with session.opened(installed, how.simulated) as (accelerator, tier):
        real = tier == session.MEASURED
        sensors, why = find_sensors() if real else ({}, "no power: a simulated board takes none")
        notes += [why] if why else []
        count = how.frames or (FRAMES if real else SIMULATED_FRAMES)
        on_engine = tuple(name for name in tasks if installed.manifest.tasks[name].map is not None)
        together = installed.manifest.shares_backbone
        plan = Plan(tasks, count, how.seconds, sensors, min(3.0, how.seconds), on_engine, together)
        estimates = dict(installed.estimates)
        if installed.together is not None and tasks == installed.tasks:
            estimates[joined(tasks)] = installed.together
        found = measure(accelerator, pictures, plan, progress, estimates, real)
    manifest = installed.manifest
    result = BenchResult(
        manifest.name,
        manifest.version,
        f"{manifest.identity:016x}",
        installed.title,
        manifest.clock_mhz,
        tier,
        installed.estimate_tier,
        found.latencies,
        found.throughput,
        found.switch,
        found.complete,
        (*notes, *found.notes),
    )
    if how.output is not None:
        text = _page(result)
        write_text_whole(Path(how.output), text)
    return result


def _page(result: BenchResult) -> str:
    facts = (
        ("overlay", f"{result.overlay} {result.version}"),
        ("design", result.identity),
        ("built for", f"{result.clock_mhz:.1f} MHz"),
    )
    return render_page(
        f"{result.overlay} on the {result.board}",
        result.tier,
        facts,
        result.latencies,
        result.throughput,
        result.switch,
        result.estimate_tier,
        result.notes,
    )


def run_on_board(overlay: PathText, image: PathText, tasks: Sequence[str], simulated: bool) -> RunResult:
    """One picture on the board, for the named tasks; the overlay's program stores no blocks and no routes.

    Raises:
        OverlayError: the overlay is missing, damaged or refused, or the engine fails.
        ConfigError: the task is unknown, or not said where there are several.
        ImageError: the picture does not fit the network.
    """
    installed = session.look_up(overlay)
    refuse_to_choose(tasks, installed.tasks, f"the overlay {installed.manifest.name}", OR_ALL)
    names = session.chosen_tasks(installed, named(tasks, installed.tasks))
    frame = session.open_frame(Path(image), installed)
    with session.opened(installed, simulated) as (accelerator, tier):
        start = time.perf_counter()
        results = accelerator.run_tasks(frame, names)
        seconds = (time.perf_counter() - start) / len(results)
    shared = "the tasks share the backbone, which runs once" if len(accelerator.steps(names)) < len(names) else ""
    notes = tuple(filter(None, (installed.note, shared)))
    return side_by_side([_run_result(installed, result, seconds, notes, tier) for result in results])


def _run_result(installed: Installed, result: Any, seconds: float, notes: tuple[str, ...], tier: str) -> RunResult:
    tokens, dim = result.tokens.shape
    none = np.zeros((0, tokens, 0))
    return RunResult(
        "board",
        result.task,
        result.tokens,
        np.zeros((0, tokens, dim), np.float32),
        none.astype(np.int32),
        none.astype(np.float32),
        result.output,
        seconds,
        ids=result.ids,
        notes=notes,
        class_names=installed.class_names.get(result.task, ()),
        stages=dict(result.stages),
        tier=tier,
    )


def _spread(values: Spread) -> dict[str, Any]:
    return {
        "median_seconds": values.median,
        "p5_seconds": values.low,
        "p95_seconds": values.high,
        "frames": values.count,
    }


def _power(power: Power) -> dict[str, Any]:
    total = power.total
    return {
        "board": None if total is None else _rail(total),
        "rails": [_rail(rail) for rail in power.rails],
        "frames": power.frames,
        "load_seconds": power.load_seconds,
        "idle_readings": power.idle_readings,
        "load_readings": power.load_readings,
    }


def _rail(rail: RailPower) -> dict[str, Any]:
    return {
        "rail": rail.name,
        "idle_watts": rail.idle_watts,
        "load_watts": rail.load_watts,
        "above_idle_watts": rail.above_idle_watts,
        "resolution_watts": rail.step_watts,
        "joules_per_frame": rail.joules_per_frame,
    }
