"""Common parts of the commands of tuning: options, the table of a front, and the view of a running search."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from edgemoe_gen.cli import output
from edgemoe_gen.project.opening import Progress
from edgemoe_gen.report.numbers import bytes_, error, percent
from edgemoe_gen.tuning.front import MAPS_TOO, OBJECTIVES, best_confirmed, reasons
from edgemoe_gen.tuning.state import State, Watch
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, SYNTHESIS, TIMED, Figure, Outcome, Value, timed_task

F = TypeVar("F", bound=Callable[..., Any])
SHOWN_LIVE = 8
LINE_SECONDS = 10.0  # between lines where there is no terminal
_MARKS = {ESTIMATE: "", TIMED: " t", CSIM: " c", SYNTHESIS: " s"}
LEGEND = "no mark: estimate, t: timed simulation, c: C simulation, s: vendor synthesis"


def legend(outcomes: Iterable[Outcome]) -> str:
    """What a table of outcomes needs said."""
    known = {name for outcome in outcomes for name in outcome.figures}
    return LEGEND + (f"; error: {MAPS_TOO}" if "map_rms" in known else "")


def workers_options(function: F) -> F:
    """--jobs and --scheduler."""
    function = click.option(
        "--scheduler", metavar="tcp://HOST:PORT",
        help="Run on the workers of this Dask scheduler; each needs edgemoe-gen, PyTorch and g++.",
    )(function)  # fmt: skip
    return click.option("--jobs", type=int, default=1, show_default=True, help="Worker processes on this machine.")(
        function
    )


# Help of pictures and tasks for commands that measure errors.
PICTURE_TEXTS = {
    "image": "Picture or folder for choosing binary points and measuring errors; repeatable.",
    "calibrate": "Picture or folder for both, instead of those of --image; repeatable.",
    "task": "Task; repeatable, the first is timed [default: all].",
}


def outcome_cells(outcome: Outcome) -> list[str]:
    """Latency, error, resources and traffic of an outcome, marked with their tiers."""

    def cell(name: str, write: Callable[[float], str]) -> str:
        figure: Figure | None = outcome.figures.get(name)
        if figure is None:
            return "–"
        return write(figure.value) + _MARKS.get(figure.tier, "")

    def whole(value: float) -> str:
        return f"{value:,.1f}".removesuffix(".0")  # C synthesis counts halves of a BRAM36

    return [
        cell("latency_ms", lambda v: f"{v:.3f}"), cell("error", error), cell("dsp", whole), cell("bram36", whole),
        cell("uram", whole), cell("lut", whole), cell("ddr_bytes", bytes_), cell("energy_mj", lambda v: f"{v:.2f}"),
    ]  # fmt: skip


DIFFERENCES = "unlike the default design"
NARROWER = ("LUT", "BRAM36", "mJ", DIFFERENCES, "DDR a frame", "URAM")  # what a narrow terminal misses, first to last
_LIVE = output.Fit(NARROWER, DIFFERENCES, least=60)  # a row should not take many lines
CELLS = [">ms", ">error (MSE)", ">DSP", ">BRAM36", ">URAM", ">LUT", ">DDR a frame", ">mJ"]


def differences(outcome: Outcome, default: Outcome | None) -> str:
    """Choices of a point that are not those of the default design."""
    base: Mapping[str, Value] = default.knobs if default is not None else {}
    return ", ".join(f"{name}={value:g}" for name, value in outcome.point.values if base.get(name) != value) or "none"


def front_rows(front: Sequence[Outcome], default: Outcome | None) -> list[list[str]]:
    """A row a point, the default design first."""
    rows = [] if default is None else [["default", *outcome_cells(default), ""]]
    return rows + [[str(i), *outcome_cells(o), differences(o, default)] for i, o in enumerate(front, start=1)]


def summary(state: State) -> str:
    """One line on a search: tried points and the best one."""
    front = state.front
    counts = f"{len(state.outcomes):,} points, {state.feasible:,} feasible, front {len(front)}"
    if not front:
        return counts
    latency = min((o.value("latency_ms") or 0.0 for o in front), default=0.0)
    return f"{counts}, fastest {latency:.3f} ms"


def _progress(state: State, what: str, done: int, total: int) -> str:
    """What is being done, how much of it is, and how much time it has."""
    text = f"{what}: {done:,} of {total:,}" if total else f"{what}: {done:,} points"
    text += f" ({state.step})" if state.step else ""
    if state.until is None:
        return text
    left = round(state.until - time.monotonic())
    if left < 0 and not state.at_work:
        return f"time is over since {timedelta(seconds=-left)}, finishing what is under way: {text}"
    return f"{text}, {timedelta(seconds=max(0, left))} left"


def at_work(state: State) -> list[str]:
    """A line for each point whose synthesis runs: the point, the tool's step, and the time of the step."""
    if not state.at_work:  # nearly always; a screen asks for this many times a second
        return []
    keys = [outcome.point.key for outcome in state.front]
    lines = []
    for key, work in list(state.at_work.items()):
        name = f"point {keys.index(key) + 1}" if key in keys else "a point"
        elapsed = timedelta(seconds=round(time.monotonic() - work.began))
        lines.append(f"{name} ({differences(work.outcome, state.base)}): {work.step}, {elapsed}")
    return lines


class _Head:
    """The head of a search on a terminal: written again with every screen update, so that its times run."""

    def __init__(self, state: State, what: str, done: int, total: int) -> None:
        self._state, self._what = state, (what, done, total)
        self._more = f"{summary(state)} · Ctrl-C keeps what is found"

    def __rich__(self) -> Text:
        text = f"{_progress(self._state, *self._what)} · {self._more}"
        return Text("\n".join([text, *at_work(self._state)]))


@contextmanager
def watching() -> Iterator[tuple[Watch, Progress]]:
    """A search on stderr: the best of the front on a terminal, a line now and then elsewhere; and earlier steps."""
    if output.is_quiet():
        yield (lambda _state, _what, _done, _total: None), (lambda _what, _done, _total: None)
        return
    if not sys.stderr.isatty():
        shown: tuple[str, ...] = ()
        last = -LINE_SECONDS

        def say(state: State, what: str, done: int, total: int) -> None:
            nonlocal shown, last
            now = time.monotonic()
            over = state.until is not None and now > state.until
            new = (what, state.step, str(over), *state.at_work)
            if new != shown or now - last >= LINE_SECONDS:
                shown, last = new, now
                parts = [_progress(state, what, done, total), *at_work(state), summary(state)]
                click.echo(" · ".join(parts), err=True)

        with output.progress() as progress:
            yield say, progress
        return
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:

        def show(state: State, what: str, done: int, total: int) -> None:
            rows = front_rows(state.front[:SHOWN_LIVE], state.base)
            columns, rows, _ = output.fitted(["", *CELLS, DIFFERENCES], rows, _LIVE, live.console)
            head = _Head(state, what, done, total)
            live.update(Group(head, output.table_of(columns, rows, _LIVE)) if rows else Group(head))

        yield show, lambda what, done, total: live.update(Text(f"{what}: {done} of {total}"))


def rejected_lines(outcomes: Sequence[Outcome]) -> None:
    """Counts of infeasible points by reason, with what one of each is refused for."""
    rejected = reasons(outcomes)
    if not rejected:
        return
    total, tried = sum(rejected.values()), len(outcomes)
    output.line(f"{total:,} of {tried:,} points rejected ({percent(total / tried, 0)}):")
    for reason, count in rejected.items():
        detail = next((o.detail for o in outcomes if o.reason == reason and not o.feasible), "")
        output.line(f"  {count:>5,}  {reason}" + (f", one of them: {detail}" if detail else ""))


def front_table(front: Sequence[Outcome], default: Outcome | None, tasks: Sequence[str] = ()) -> None:
    """The front, the default design first; knobs that a narrow terminal has no room for stand below."""
    columns = ["", *CELLS, DIFFERENCES]
    said = timed_task(tasks)
    title = f"Front of {len(front)} ({legend([*front, *([default] if default else [])])})" + (
        f"; {said}" if said else ""
    )
    gone = output.table(
        title, columns, front_rows(front, default), fit=output.Fit(NARROWER, DIFFERENCES, below=(DIFFERENCES,))
    )
    if DIFFERENCES in gone:
        for number, outcome in enumerate(front, start=1):
            output.line(f"point {number}, {DIFFERENCES}: {differences(outcome, default)}")


def headline(front: Sequence[Outcome], default: Outcome | None, objectives: Sequence[str], tier: str) -> str:
    """The best confirmed point by the first objective with its error, beside the default design's; or that there is
    none."""
    if not front:
        return "no point is feasible"
    best, exact = best_confirmed(front, default, objectives, tier)
    names = list(dict.fromkeys((OBJECTIVES[objectives[0]], "error")))
    of_default = "" if default is None else _figures(default, names)
    beside = f"; the default design: {of_default}" if of_default else ""
    if best is None:
        return f"no point of the front is confirmed, all are estimates{beside}"
    place = list(front).index(best) + 1
    text = f"point {place}: {_figures(best, names)}"
    if default is not None and best.point == default.point:
        return f"no confirmed point beats the default design, which is {text}"
    if not exact:
        return f"no confirmed point is as exact as the default design; the best by {objectives[0]} is {text}{beside}"
    return f"best confirmed by {objectives[0]}: {text}{beside}"


_WRITTEN: Mapping[str, Callable[[float], str]] = {
    "latency_ms": lambda v: f"{v:.3f} ms",
    "throughput_fps": lambda v: f"{v:.1f} frames a second",
    "energy_mj": lambda v: f"{v:.3f} mJ a frame",
    "error": error,
    "dsp": lambda v: f"{v:,g} DSP",
    "memory_kib": lambda v: f"{v:,g} KiB on chip",
    "ddr_bytes": lambda v: f"{bytes_(v)} of DDR a frame",
    "lut": lambda v: f"{v:,g} LUT",
}


def _figures(outcome: Outcome, names: Sequence[str]) -> str:
    there = [(name, outcome.figures[name]) for name in names if name in outcome.figures]
    before = {"error": f"{MAPS_TOO if 'map_rms' in outcome.figures else 'MSE'} "}
    more = {"latency_ms": f" {outcome.latency_words}"}
    return ", ".join(
        f"{before.get(name, '')}{_WRITTEN[name](figure.value)}{more.get(name, '')} ({figure.tier})"
        for name, figure in there
    )
