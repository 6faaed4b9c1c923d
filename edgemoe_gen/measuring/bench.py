"""`bench`: measures an overlay on its board: latency by stage, frames a second, the cost of a task switch, power.

In: an open accelerator, frames and a plan. Out: frozen results in seconds and watts. An interruption ends the
measurement, not the program: the measurements so far are the result.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from edgemoe_gen.measuring.power import Power, Recorder, compare

STAGES = ("pack", "engine", "decode")
WARM_UP = 2  # frames of a task that are not counted: caches, the allocator and the first read of the weights
LOW, HIGH = 5, 95  # percentiles
Say = Callable[[str, int, int], None]


class Runner(Protocol):
    """The methods of an `Accelerator` that are measured."""

    def run(self, frame: Any, task: str, decode: bool = True) -> Any:
        """One frame."""

    def run_tasks(self, frame: Any, tasks: Sequence[str] | None = None, decode: bool = True) -> Sequence[Any]:
        """One frame for several tasks."""

    def stream(
        self, frames: Iterable[Any], tasks: Sequence[str] | None = None, alternate: bool = False, decode: bool = True
    ) -> Iterator[Any]:
        """Many frames."""


@dataclass(frozen=True)
class Spread:
    """Distribution of a duration in seconds: median, 5th and 95th percentile, of how many frames."""

    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Latency:
    """One task, a frame at a time: its stages, from start to end (`total`), and its build's estimate of the engine.

    Several tasks that share a frame's backbone have one together, named by `joined`. `ratio` is measured over estimated
    time, and None for a simulated board, whose times are no accelerator's. `backbone` is the engine's time without the
    task's decoder; None where the engine does not run the decoder.
    """

    task: str
    stages: Mapping[str, Spread]
    total: Spread
    estimate: float | None
    ratio: float | None
    backbone: Spread | None = None

    @property
    def decoder(self) -> float | None:
        """Extra time of the engine's median with the decoder; None without a decoder on the engine."""
        return None if self.backbone is None else self.stages["engine"].median - self.backbone.median


@dataclass(frozen=True)
class Throughput:
    """Frames in a stream, one task a frame.

    Attributes:
        tasks: one, or those that take turns.
        frames, seconds: counted after the pipeline has filled.
        power: while it ran; None where there is no figure.
    """

    tasks: tuple[str, ...]
    frames: int
    seconds: float
    power: Power | None

    @property
    def frames_per_second(self) -> float:
        """Results a second."""
        return self.frames / self.seconds


@dataclass(frozen=True)
class SwitchCost:
    """Extra time of a frame after a frame of another task: seconds and their standard error, over frames."""

    seconds: float
    error: float
    frames: int


@dataclass(frozen=True)
class Plan:
    """Plan of a measurement.

    Attributes:
        tasks: tasks to measure.
        frames: frames of each measurement.
        seconds: longest time of a measurement; frames stream for this time where power is read.
        sensors: sensors of power by rail; empty = no power.
        idle_seconds: seconds for which the idle board is read first.
        decoded: tasks whose decoders run on the engine; these tasks also run without decoders.
        together: the tasks share a pass of the backbone; frames of all tasks are measured too.
    """

    tasks: tuple[str, ...]
    frames: int
    seconds: float
    sensors: Mapping[str, Any] = field(default_factory=dict)
    idle_seconds: float = 3.0
    decoded: tuple[str, ...] = ()
    together: bool = False


def joined(tasks: Sequence[str]) -> str:
    """Joint name of the tasks of one frame."""
    return " and ".join(tasks)


@dataclass(frozen=True)
class Measurement:
    """Measurements; empty parts were not reached. `complete` is False after an interruption."""

    latencies: tuple[Latency, ...]
    throughput: tuple[Throughput, ...]
    switch: SwitchCost | None
    complete: bool
    notes: tuple[str, ...]


Samples = dict[str, list[float]]  # of one task: seconds of every stage and "total", a value a frame


def measure(
    runner: Runner,
    frames: Sequence[Any],
    plan: Plan,
    say: Say,
    estimates: Mapping[str, float] | None = None,
    real: bool = True,
) -> Measurement:
    """Measures.

    Args:
        runner: the accelerator.
        frames: uint8 [height, width, 3], taken in turn.
        plan: what.
        say: is told of the progress.
        estimates: estimated seconds of the engine by task, and by `joined` tasks.
        real: whether the runner is an accelerator, so that ratios to the estimates mean something.
    """
    bench = _Bench(runner, frames, plan, say)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    complete = False
    try:
        bench.all()
        complete = True
    except KeyboardInterrupt:
        bench.notes.append("interrupted: what has been measured so far is shown")
    finally:
        if collecting:
            gc.enable()
    alone = {task: samples for task, samples in bench.alone.items() if samples["total"]}
    every = alone | ({joined(plan.tasks): bench.joint} if bench.joint["total"] else {})
    latencies = (latency(task, every[task], (estimates or {}).get(task), real) for task in every)
    switch = switch_cost(_totals(alone), _totals(bench.alternating))
    return Measurement(tuple(latencies), tuple(bench.streams), switch, complete, tuple(dict.fromkeys(bench.notes)))


class _Bench:
    """Collects samples, so that they outlive an interruption."""

    def __init__(self, runner: Runner, frames: Sequence[Any], plan: Plan, say: Say) -> None:
        self.runner, self.frames, self.plan, self.say = runner, frames, plan, say
        self.alone: dict[str, Samples] = {task: _no_samples() for task in plan.tasks}
        self.alternating: dict[str, Samples] = {task: _no_samples() for task in plan.tasks}
        self.joint = _no_samples()
        self.streams: list[Throughput] = []
        self.notes: list[str] = []
        self._idle = Recorder({})

    def all(self) -> None:
        plan = self.plan
        if plan.sensors:
            self.say("reading the power of the idle board", 0, 1)
            with Recorder(plan.sensors) as self._idle:
                time.sleep(plan.idle_seconds)
        for task in plan.tasks:
            self._run(f"latency of {task}", (task,), self.alone)
            if task in plan.decoded:
                self._backbone(task)
        if plan.together and len(plan.tasks) > 1:
            self._together()
        turns = [plan.tasks] if len(plan.tasks) > 1 else []
        for tasks in turns:
            self._run("latency with a task switch at every frame", tasks, self.alternating)
        for tasks in [*((task,) for task in plan.tasks), *turns]:
            self._stream(tasks)

    def _run(self, what: str, tasks: Sequence[str], into: dict[str, Samples]) -> None:
        """Runs `plan.frames` frames of each task in turn, one at a time."""
        runner, frames = self.runner, self.frames
        for place in range(WARM_UP * len(tasks)):
            runner.run(frames[place % len(frames)], tasks[place % len(tasks)])
        count, end = self.plan.frames * len(tasks), time.perf_counter() + self.plan.seconds
        for place in range(count):
            self.say(what, place, count)
            task = tasks[place % len(tasks)]
            start = time.perf_counter()
            result = runner.run(frames[place % len(frames)], task)
            now = time.perf_counter()
            into[task]["total"].append(now - start)
            for stage in STAGES:
                into[task][stage].append(float(result.stages[stage]))
            # Every task has a frame before time may be up.
            if now > end and place + 1 >= len(tasks):
                self._short(what, place + 1, count)
                break
        self.say(what, count, count)

    def _backbone(self, task: str) -> None:
        """The engine's time without the task's decoder."""
        plan, end = self.plan, time.perf_counter() + self.plan.seconds
        what = f"latency of {task} without its decoder"
        for place in range(WARM_UP + plan.frames):
            self.say(what, place, WARM_UP + plan.frames)
            result = self.runner.run(self.frames[place % len(self.frames)], task, decode=False)
            if place >= WARM_UP:
                self.alone[task]["backbone"].append(float(result.stages["engine"]))
            if time.perf_counter() > end and place >= WARM_UP:
                break
        self.say(what, WARM_UP + plan.frames, WARM_UP + plan.frames)

    def _together(self) -> None:
        """Frames of all tasks at once."""
        plan, end = self.plan, time.perf_counter() + self.plan.seconds
        what, count = f"latency of {joined(plan.tasks)} at once", WARM_UP + plan.frames
        for place in range(count):
            self.say(what, place, count)
            start = time.perf_counter()
            results = self.runner.run_tasks(self.frames[place % len(self.frames)], plan.tasks)
            now = time.perf_counter()
            if place >= WARM_UP:
                self.joint["total"].append(now - start)
                for stage in STAGES:
                    self.joint[stage].append(sum(float(result.stages[stage]) for result in results))
                if now > end:
                    self._short(what, place + 1 - WARM_UP, plan.frames)
                    break
        self.say(what, count, count)

    def _short(self, what: str, done: int, count: int) -> None:
        if done < count:
            self.notes.append(f"{what}: {done} of {count} frames in {self.plan.seconds:g} s")

    def _stream(self, tasks: tuple[str, ...]) -> None:
        """Streams frames, one task a frame, by number or, where power is read, by time."""
        plan, what = self.plan, f"streaming {joined(tasks)}"
        fill = WARM_UP * len(tasks)
        least = fill + 2
        most = None if plan.sensors else plan.frames * len(tasks) + fill
        ends: list[float] = []
        with Recorder(plan.sensors) as load:
            results = self.runner.stream(self._source(least, most), tasks=list(tasks), alternate=True)
            try:
                for _ in results:
                    ends.append(time.perf_counter())
                    self.say(what, len(ends), most or 0)
            finally:
                close = getattr(results, "close", None)
                if close is not None:
                    close()
                self._keep(tasks, ends, fill, load)
        if most is not None:
            self._short(what, len(ends) - fill, most - fill)

    def _source(self, least: int, most: int | None) -> Iterator[Any]:
        end, place = time.perf_counter() + self.plan.seconds, 0
        while place != most and (time.perf_counter() < end or place < least):
            yield self.frames[place % len(self.frames)]
            place += 1

    def _keep(self, tasks: tuple[str, ...], ends: list[float], fill: int, load: Recorder) -> None:
        """Counts a stream from the frame that filled the pipeline to the last one."""
        counted = ends[fill - 1 :]
        if len(counted) < 2:
            return
        power = None
        readings = load.readings()
        if readings.times:
            inside = sum(readings.times[0] <= end <= readings.times[-1] for end in ends)
            power = compare(self._idle.readings(), readings, inside)
        self.notes += [failure for failure in (self._idle.failure, load.failure) if failure]
        self.streams.append(Throughput(tasks, len(counted) - 1, counted[-1] - counted[0], power))


def _no_samples() -> Samples:
    return {stage: [] for stage in (*STAGES, "backbone", "total")}


def _totals(samples: Mapping[str, Samples]) -> dict[str, list[float]]:
    return {task: of["total"] for task, of in samples.items()}


def spread(values: Sequence[float]) -> Spread:
    """Median, 5th and 95th percentile (linear between neighbours) of one value or more."""
    low, median, high = np.percentile(np.asarray(values, np.float64), (LOW, 50, HIGH))
    return Spread(float(median), float(low), float(high), len(values))


def latency(task: str, samples: Mapping[str, Sequence[float]], estimate: float | None, real: bool) -> Latency:
    """Summary of a task's samples, which may end in the middle of a frame."""
    stages = {stage: spread(samples[stage]) for stage in STAGES if samples[stage]}
    ratio = stages["engine"].median / estimate if real and estimate and "engine" in stages else None
    alone = samples.get("backbone")
    backbone = spread(alone) if alone and "engine" in stages else None
    return Latency(task, stages, spread(samples["total"]), estimate, ratio, backbone)


def switch_cost(alone: Mapping[str, Sequence[float]], alternating: Mapping[str, Sequence[float]]) -> SwitchCost | None:
    """Median with a switch at every frame less median without any, averaged over tasks; None without both.

    The standard error of a median of n values is taken as 1.2533 s / sqrt(n), that of the normal distribution.
    """
    tasks = [task for task in alone if alone[task] and alternating.get(task)]
    if len(tasks) < 2:
        return None
    differences = [float(np.median(alternating[task]) - np.median(alone[task])) for task in tasks]
    variances = [_median_variance(values[task]) for values in (alone, alternating) for task in tasks]
    frames = sum(len(alternating[task]) for task in tasks)
    return SwitchCost(sum(differences) / len(tasks), math.sqrt(sum(variances)) / len(tasks), frames)


def _median_variance(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.inf
    return float(1.2533**2 * np.var(np.asarray(values, np.float64), ddof=1) / len(values))
