"""What a terminal shows of a search: whole cells at any width, a closing line that praises only what is confirmed."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from edgemoe_gen.cli import output
from edgemoe_gen.cli.tuning_view import (
    _LIVE,
    CELLS,
    DIFFERENCES,
    NARROWER,
    _Head,
    _progress,
    front_rows,
    front_table,
    headline,
    legend,
    rejected_lines,
    watching,
)
from edgemoe_gen.tuning import Dimension, Figure, Outcome, Point, Space
from edgemoe_gen.tuning.front import figure_title
from edgemoe_gen.tuning.state import State
from edgemoe_gen.tuning.sweep import followed
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, RULES, TIMED
from tests.tuning.small_searches import small_evaluator

LATENCY = ("latency", "error")


def outcome(number: int, latency: float, error: float, tier: str = CSIM) -> Outcome:
    tiers = (ESTIMATE, ESTIMATE) if tier == ESTIMATE else (TIMED, CSIM)
    values = {"latency_ms": latency, "error": error, "energy_mj": 10 / latency}
    figures = {name: Figure(value, tiers[name == "error"]) for name, value in values.items()}
    rest = {"dsp": 1234.0, "bram36": 123.5, "uram": 96.0, "lut": 123456.0, "ddr_bytes": 1.3e6}
    figures |= {name: Figure(value, ESTIMATE) for name, value in rest.items()}
    point = Point.of({"tokens_parallel": number, "reciprocal_segments": 256 * number})
    return Outcome(point, tier, figures=figures, knobs=point.as_dict())


DEFAULT = outcome(1, 0.331, 1e-5)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("fit", [_LIVE, output.Fit(NARROWER, DIFFERENCES)])
def test_every_cell_that_a_narrow_terminal_shows_is_whole(width: int, fit: output.Fit) -> None:
    rows = front_rows([outcome(i, 0.3, 1e-5) for i in range(2, 6)], DEFAULT)
    console = Console(width=width, file=io.StringIO(), color_system=None)
    columns, cells, gone = output.fitted(["", *CELLS, DIFFERENCES], rows, fit, console)
    console.print(output.table_of(columns, cells, fit))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    shown = [line for line in lines if "0.300 t" in line]
    assert len(shown) == 4
    narrow = [i for i, column in enumerate(columns) if column != DIFFERENCES]
    for line, row in zip(shown, cells[1:], strict=True):
        assert all(row[i] in line for i in narrow)
        assert "…" not in line
    assert [column.lstrip(">").replace("\n", " ") for column in columns] == [
        name for name in ("", *(c.lstrip(">") for c in CELLS), DIFFERENCES) if name not in gone
    ]
    assert set(gone) <= set(NARROWER)
    for back in gone:  # none of them had had room
        more = output.Fit([name for name in gone if name != back], fit.wraps, fit.least)
        every, all_cells, _ = output.fitted(["", *CELLS, DIFFERENCES], rows, more, console)
        assert output._natural_width(every, all_cells, more) > width
    assert bool(gone) == (width < 120 or (width < 200 and fit is _LIVE))


@pytest.mark.parametrize(("tasks", "said"), [(["semseg", "depth"], True), (["depth"], False), ([], False)])
def test_the_front_says_whose_frames_are_timed(
    tasks: list[str], said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    front_table([outcome(2, 0.3, 1e-5)], DEFAULT, tasks)
    assert ("times are of a frame of semseg alone" in capsys.readouterr().out) == said


@pytest.mark.parametrize(
    ("front", "objectives", "tier", "wanted"),
    [
        (
            [outcome(2, 0.29, 9e-5, ESTIMATE), outcome(3, 0.30, 9e-6), outcome(4, 0.32, 1e-6)], LATENCY, CSIM,
            "best confirmed by latency: point 2: 0.300 ms a frame (timed simulation), MSE 9.0e-06 (C simulation)"
            "; the default design: 0.331 ms a frame (timed simulation), MSE 1.0e-05 (C simulation)",
        ),
        (
            [outcome(2, 0.28, 9e-5), outcome(3, 0.30, 1e-5)], ("energy", "error"), CSIM,
            "best confirmed by energy: point 2: 33.333 mJ a frame (timed simulation), MSE 1.0e-05 (C simulation)"
            "; the default design: 30.211 mJ a frame (timed simulation), MSE 1.0e-05 (C simulation)",
        ),
        (
            [outcome(2, 0.28, 9e-5), outcome(3, 0.29, 3e-5)], LATENCY, CSIM,
            "no confirmed point is as exact as the default design; the best by latency is point 1: 0.280 ms a frame "
            "(timed simulation), MSE 9.0e-05 (C simulation); the default design: 0.331 ms a frame (timed simulation), "
            "MSE 1.0e-05 (C simulation)",
        ),
        (
            [outcome(2, 0.28, 9e-6, ESTIMATE), DEFAULT], LATENCY, CSIM,
            "no confirmed point beats the default design, which is point 2: 0.331 ms a frame (timed simulation), "
            "MSE 1.0e-05 (C simulation)",
        ),
        (
            [outcome(2, 0.28, 9e-6, ESTIMATE)], LATENCY, ESTIMATE,
            "no point of the front is confirmed, all are estimates; the default design: 0.331 ms a frame "
            "(timed simulation), MSE 1.0e-05 (C simulation)",
        ),
        ([outcome(2, 0.28, 9e-6)], ("error",), CSIM,
         "best confirmed by error: point 1: MSE 9.0e-06 (C simulation); the default design: MSE 1.0e-05 "
         "(C simulation)"),
    ],
)  # fmt: skip
def test_the_closing_line_names_the_best_that_is_confirmed_and_no_less_exact(
    front: Sequence[Outcome], objectives: Sequence[str], tier: str, wanted: str
) -> None:
    assert headline(front, DEFAULT, objectives, tier) == wanted


def test_rejections_come_with_the_sentence_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "out_parallel is 24 and in_parallel 16, but one must be a multiple of the other"
    refused = [Outcome(Point.of({"a": i}), RULES, False, "breaks a rule of out_parallel", sentence) for i in range(2)]
    rejected_lines([DEFAULT, *refused])
    shown = capsys.readouterr().out
    assert "2 of 3 points rejected" in shown
    assert f"2  breaks a rule of out_parallel, one of them: {sentence}" in shown


def test_progress_without_a_total_counts_points_and_says_what_time_is_left() -> None:
    state = State(LATENCY)
    assert _progress(state, "estimating", 40, 128) == "estimating: 40 of 128"
    state.until = time.monotonic() + 3600
    assert _progress(state, "estimating", 40, 0) in (
        "estimating: 40 points, 1:00:00 left",
        "estimating: 40 points, 0:59:59 left",
    )


def test_knobs_that_follow_from_a_grid_are_named() -> None:
    space = Space((Dimension("out_parallel", (8, 16)),))
    outcomes = [small_evaluator().outcome(point, ESTIMATE) for point in space.points()]
    names = followed(outcomes)
    assert names
    assert "out_parallel" not in names
    assert all(len({o.knobs[name] for o in outcomes}) == 2 for name in names)
    assert followed(outcomes[:1]) == followed([]) == []


def test_a_missing_package_is_said_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgemoe_gen import api
    from edgemoe_gen.base.errors import ConfigError

    for name in ("optuna", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="the search needs Optuna"):
        api.tune("nothing.pth")
    for call in (lambda: api.sweep("nothing.pth", knobs={"tokens_parallel": [1, 2]}, scheduler="tcp://host:8786"),
                 lambda: api.compare("default", "default", checkpoint="nothing.pth", scheduler="tcp://host:8786"),
                 lambda: api.evaluate("nothing.pth", dataset="nowhere", scheduler="tcp://host:8786")):  # fmt: skip
        with pytest.raises(ConfigError, match="workers need Dask"):
            call()


def test_time_that_is_over_is_said_and_never_as_nothing_left() -> None:
    state = State(("latency",), until=time.monotonic() + 60)
    assert _progress(state, "confirming the front", 2, 4).endswith("2 of 4, 0:01:00 left")
    head = _Head(state, "confirming the front", 2, 4)
    state.until, state.step = time.monotonic() - 25, "compiling its C simulation"
    for text in (_progress(state, "confirming the front", 2, 4), str(head.__rich__())):
        assert text.startswith("time is over since 0:00:25, finishing what is under way: confirming the front: 2 of 4")
        assert "compiling its C simulation" in text and "0:00:00 left" not in text


def test_a_search_tells_what_it_compiles_and_runs_from_its_first_seconds_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    state = State(("latency",))
    with watching() as (watch, _):
        hear = state.steps(watch, "measuring the default design", lambda: 0, 1)
        for step in ("compiling its timed simulation", "compiling its timed simulation", "running its C simulation"):
            hear(0, step)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2, "what is told twice is shown once"
    assert lines[0].startswith("measuring the default design: 0 of 1 (compiling its timed simulation)")
    assert lines[1].startswith("measuring the default design: 0 of 1 (running its C simulation)")


def test_an_error_that_counts_maps_is_called_so() -> None:
    other = outcome(2, 0.3, 9e-6)
    maps = replace(other, figures={**other.figures, "map_rms": Figure(1e-4, CSIM)})
    assert "MSE of tokens" not in legend([DEFAULT, other]) + headline([other], DEFAULT, LATENCY, CSIM)
    assert legend([DEFAULT, maps]).endswith("; error: MSE of tokens and maps")
    assert ", MSE of tokens and maps 9.0e-06 (C simulation)" in headline([maps], DEFAULT, LATENCY, CSIM)
    assert figure_title("error", maps.figures) == "MSE of tokens and maps" != figure_title("error", other.figures)
