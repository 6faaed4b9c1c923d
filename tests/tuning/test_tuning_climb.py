"""Which points of a front climb, and how many where time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from edgemoe_gen.tuning.climb import Climb
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
