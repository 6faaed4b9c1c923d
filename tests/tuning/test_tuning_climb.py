"""Which points of a front climb, and how many where time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from edgemoe_gen.api.tuning import _notes
from edgemoe_gen.tuning.climb import MOST_MORE, Climb
from edgemoe_gen.tuning.runner import LocalRunner
from edgemoe_gen.tuning.state import Plan, State, no_watch
from edgemoe_gen.tuning.trial import ESTIMATE, TIMED, Figure, Outcome, Point


class Promoter:
    """A tier that says of every point what the estimate said."""

    def outcome(self, point: Point, tier: str, known: Outcome, tell: Callable[[str], None]) -> Outcome:
        assert point == known.point
        tell(f"promoting to {tier}")
        return replace(known, tier=tier)

    def warm(self, point: Point, tier: str, tell: Callable[[str], None]) -> None:
        """Nothing to compile."""


@pytest.mark.parametrize(("seconds", "climbed"), [(None, 4), (3600.0, 4), (-1.0, 1), (5.0, 1)])
def test_one_point_climbs_even_when_time_is_over_or_too_short_for_it(seconds: float | None, climbed: int) -> None:
    state = State(("latency", "dsp"))
    for number in range(6):
        figures = {"latency_ms": Figure(float(number), ESTIMATE), "dsp": Figure(6.0 - number, ESTIMATE)}
        outcome = Outcome(Point.of({"tokens_parallel": number + 1}), ESTIMATE, figures=figures)
        state.outcomes[outcome.point.key] = outcome

    def keep(outcome: Outcome) -> None:
        state.outcomes[outcome.point.key] = outcome

    deadline = None if seconds is None else time.monotonic() + seconds
    plan = Plan(state.objectives, tier=TIMED, confirm=4)
    Climb(state, plan, LocalRunner(Promoter(), threads=2), keep, no_watch, deadline, slowest=10.0).run()
    assert sum(outcome.tier == TIMED for outcome in state.outcomes.values()) == climbed


class Sceptic(Promoter):
    """A tier that finds its first points, but for the default design, ten times slower than their estimates."""

    def __init__(self, wrong: int, default: Point | None) -> None:
        self.wrong, self.default = wrong, default

    def outcome(self, point: Point, tier: str, known: Outcome, tell: Callable[[str], None]) -> Outcome:
        found = super().outcome(point, tier, known, tell)
        slower = 10 if self.wrong > 0 and point != self.default else 1
        self.wrong -= 1
        latency = Figure(known.figures["latency_ms"].value * slower, tier)
        return replace(found, figures={**known.figures, "latency_ms": latency})


@pytest.mark.parametrize(
    ("wrong", "default", "confirm", "climbed", "confirmed"),
    [
        (0, None, 8, 1, 1),  # the first stays
        (2, None, 8, 3, 1),  # the first two fall off
        (2, None, 0, 0, 0),  # none may climb
        (99, None, 8, 1 + MOST_MORE, 0),  # none stays: there is an end
        (99, 8, 8, 1 + MOST_MORE, 1),  # the last one is the default design
        (2, None, 1, 3, 1),  # time or not, the plan allows one
    ],
)
def test_points_climb_until_a_confirmed_one_is_on_the_front(
    wrong: int, default: int | None, confirm: int, climbed: int, confirmed: int
) -> None:
    """Time is over. Beside each point there is one that is a little worse, which beats it where its estimate errs."""
    state = State(("latency", "dsp"))
    for number in range(1, 10):
        for worse in (0, 0.5):
            figures = {
                "latency_ms": Figure(number + worse, ESTIMATE),
                "dsp": Figure(100.0 - number, ESTIMATE),
            }
            outcome = Outcome(Point.of({"tokens_parallel": number + 10 * worse}), ESTIMATE, figures=figures)
            state.outcomes[outcome.point.key] = outcome
            if number == default and not worse:
                state.base = replace(outcome, tier=TIMED)

    def keep(outcome: Outcome) -> None:
        state.outcomes[outcome.point.key] = outcome

    plan = Plan(state.objectives, tier=TIMED, confirm=confirm)
    runner = LocalRunner(Sceptic(wrong, None if state.base is None else state.base.point), threads=2)
    Climb(state, plan, runner, keep, no_watch, time.monotonic() - 1, slowest=10.0).run()
    assert sum(outcome.tier == TIMED for outcome in state.outcomes.values()) == climbed
    assert sum(outcome.tier == TIMED for outcome in state.front) == confirmed
    (note,) = _notes(state, plan, "search.journal", 1.0, 2.0)
    said = f"one of the front is confirmed ({confirmed} of {len(state.front)} are), and"
    assert (said in note) == bool(confirm)
