"""The search on a small network: known optimum, same front again, resuming, interruptions, sentences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import ConfigError, KnobError
from edgemoe_gen.tuning import Dimension, Limit, Outcome, Space, front_of
from edgemoe_gen.tuning.runner import LocalRunner
from edgemoe_gen.tuning.search import BATCH, EMPTY_BATCHES, run_search
from edgemoe_gen.tuning.state import Plan, State
from edgemoe_gen.tuning.trial import ESTIMATE
from tests.tuning.small_searches import OBJECTIVES, SPACE, small_evaluator

pytest.importorskip("optuna")


def search(folder: Path, trials: int = 30, watch: Any = lambda *_: None, space: Space = SPACE, seed: int = 0) -> State:
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=trials, tier=ESTIMATE, confirm=0, seed=seed)
    return run_search(evaluator, space, plan, LocalRunner(evaluator), folder / "search.journal", watch)


def keys(front: tuple[Outcome, ...]) -> list[str]:
    return [outcome.point.key for outcome in front]


@pytest.fixture(scope="module")
def every() -> list[Outcome]:
    return [small_evaluator().outcome(point, ESTIMATE) for point in SPACE.points()]


@pytest.mark.slow
def test_a_space_no_larger_than_the_trials_is_walked_whole(tmp_path: Path, every: list[Outcome]) -> None:
    state = search(tmp_path, trials=SPACE.size)
    assert len(state.outcomes) == SPACE.size
    assert state.stopped == "every point tried"
    assert keys(state.front) == keys(front_of(every, OBJECTIVES))
    assert sum(state.rejected.values()) == sum(not outcome.feasible for outcome in every)


def test_the_known_optimum_is_found_without_trying_everything(tmp_path: Path, every: list[Outcome]) -> None:
    state = search(tmp_path, trials=40)
    best = front_of(every, OBJECTIVES)[0]
    assert len(state.outcomes) < SPACE.size
    assert state.stopped == "trials"
    assert state.front[0].figures["latency_ms"] == best.figures["latency_ms"]


def test_the_same_seed_finds_the_same_and_another_seed_other_points(tmp_path: Path) -> None:
    first, second = search(tmp_path / "a"), search(tmp_path / "b")
    assert list(first.outcomes) == list(second.outcomes)
    assert keys(first.front) == keys(second.front)
    assert list(search(tmp_path / "c", seed=1).outcomes) != list(first.outcomes)


class Stop:
    """Interrupts a search after some outcomes, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_search_keeps_what_it_found_and_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    stopped = search(tmp_path / "parts", watch=Stop(21))
    assert stopped.stopped == "interrupted"
    assert 10 < len(stopped.outcomes) < len(whole.outcomes)
    assert stopped.front
    ended = search(tmp_path / "parts")
    assert ended.resumed == len(stopped.outcomes)
    assert list(ended.outcomes) == list(whole.outcomes)
    assert keys(ended.front) == keys(whole.front)


def test_a_search_that_is_over_evaluates_nothing_again(tmp_path: Path) -> None:
    done = search(tmp_path)
    asked = []
    again = search(tmp_path, watch=lambda _state, what, *_: asked.append(what))
    assert "estimating" not in asked
    assert again.resumed == len(done.outcomes)
    assert keys(again.front) == keys(done.front)


def test_a_budget_that_is_over_at_once_still_gives_a_front(tmp_path: Path) -> None:
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=1000, seconds=1e-3, tier=ESTIMATE, confirm=8)
    small = Space(SPACE.dimensions[:3])
    state = run_search(evaluator, small, plan, LocalRunner(evaluator), tmp_path / "search.journal")
    assert state.front
    assert all(outcome.tier in (ESTIMATE, "rules") for outcome in state.outcomes.values())


def test_another_space_is_another_search_in_the_same_storage(tmp_path: Path) -> None:
    search(tmp_path)
    other = search(tmp_path, space=Space((Dimension("tokens_parallel", (1, 2)),)))
    assert other.resumed == 0
    assert len(other.outcomes) == 2


def test_nothing_feasible_is_one_sentence_with_the_reasons(tmp_path: Path) -> None:
    evaluator = small_evaluator(Limit("dsp", 5.0))
    plan = Plan(OBJECTIVES, trials=10, tier=ESTIMATE, confirm=0)
    space = Space((Dimension("tokens_parallel", (1, 2)),))
    with pytest.raises(KnobError, match=r"no point of the space is feasible: 2 of 2 tried, limit dsp=5 \(2\)"):
        run_search(evaluator, space, plan, LocalRunner(evaluator), tmp_path / "search.journal")


@pytest.mark.slow
def test_limits_that_nothing_keeps_end_the_search_soon_and_say_how_near_it_came(
    tmp_path: Path, every: list[Outcome]
) -> None:
    evaluator = small_evaluator(Limit("latency_ms", 1e-6), Limit("dsp", 1000.0))
    dimensions = (*SPACE.dimensions, Dimension("exp_segments", (32, 64, 128, 256)))
    plan = Plan(OBJECTIVES, trials=1000, tier=ESTIMATE, confirm=0)
    tried: list[int] = []
    with pytest.raises(KnobError, match=r"limit latency_ms=1e-06 \(\d+\)") as caught:
        run_search(
            evaluator, Space(dimensions), plan, LocalRunner(evaluator), tmp_path / "search.journal",
            lambda state, *_: tried.append(len(state.outcomes)),
        )  # fmt: skip
    assert max(tried) <= EMPTY_BATCHES * BATCH
    best = min(outcome.value("latency_ms") or 1e9 for outcome in every)
    found = re.search(r"the nearest to latency_ms=1e-06 has ([\d.]+)", caught.value.hint)
    assert found is not None
    assert float(found[1]) >= best * 0.999
    assert "dsp" not in caught.value.hint, "that limit refused nothing"


def test_without_trials_time_alone_bounds_a_search_and_the_watcher_knows_until_when(tmp_path: Path) -> None:
    evaluator = small_evaluator()
    seen: list[tuple[int, int, float | None]] = []
    plan = Plan(OBJECTIVES, trials=None, seconds=3600, tier=ESTIMATE, confirm=0)
    state = run_search(
        evaluator, Space(SPACE.dimensions[:3]), plan, LocalRunner(evaluator), tmp_path / "search.journal",
        lambda state, what, done, total: seen.append((done, total, state.until)) if what == "estimating" else None,
    )  # fmt: skip
    assert state.stopped == "every point tried"
    assert len(state.outcomes) == 24
    assert {total for _, total, _ in seen} == {0}
    assert all(until is not None for *_, until in seen)


def test_points_that_break_rules_are_rejected_before_an_estimate() -> None:
    point = next(p for p in SPACE.points() if p.as_dict()["out_parallel"] == 24 and p.as_dict()["in_parallel"] == 16)
    outcome = small_evaluator().outcome(point, ESTIMATE)
    assert not outcome.feasible
    assert outcome.reason == "breaks a rule of out_parallel"
    assert "out_parallel is 24 and in_parallel 16" in outcome.detail
    assert not outcome.figures


def test_a_point_too_large_for_the_board_says_of_what() -> None:
    space = Space(
        (Dimension("tokens_parallel", (7,)), Dimension("out_parallel", (64,)), Dimension("in_parallel", (32,)))
    )
    outcome = small_evaluator().outcome(next(space.points()), ESTIMATE)
    assert outcome.reason == "more DSP than the board has"
    assert "of 1,728 DSP" in outcome.detail


def test_a_storage_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=1, tier=ESTIMATE, confirm=0)
    with pytest.raises(ConfigError, match="cannot be opened as the storage of a search"):
        run_search(evaluator, SPACE, plan, LocalRunner(evaluator), tmp_path / "file" / "search.journal")


def test_a_journal_or_a_database_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=1, tier=ESTIMATE, confirm=0)
    other = tmp_path / "other"
    other.write_text("hello\n" * 100)
    for storage in (other, f"sqlite:///{other}"):
        with pytest.raises(ConfigError, match="other cannot be opened as the storage of a search"):
            run_search(evaluator, SPACE, plan, LocalRunner(evaluator), storage)


def test_errors_as_objective_need_pictures(tmp_path: Path) -> None:
    evaluator = small_evaluator()
    with pytest.raises(ConfigError, match="the objective error is not known: there is no picture"):
        plan = Plan(("error",), trials=1, tier=ESTIMATE, confirm=0)
        run_search(evaluator, SPACE, plan, LocalRunner(evaluator), tmp_path / "search.journal")
