"""The front's points climb the tiers of simulation: the best first, and who falls off the front makes place for others.

In: a search's state. Out: outcomes of higher tiers, each kept as soon as it is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edgemoe_gen.tuning.front import costs, spread
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.state import Plan, State, Watch
from edgemoe_gen.tuning.trial import Outcome, reached

MOST_AT_ONCE = 8  # points that climb before the front is looked at again
PROMISED = ("latency", "throughput", "error")  # in which an improvement must not be worse than the default design


class Climb:
    """Confirms a front.

    Args:
        state, plan: of the search.
        runner: of its evaluator.
        keep: takes every outcome in.
        watch: of the search.
        deadline: by `time.monotonic`, or None.
        slowest: seconds that climbing is known to take.
    """

    def __init__(
        self,
        state: State,
        plan: Plan,
        runner: Runner,
        keep: Callable[[Outcome], None],
        watch: Watch,
        deadline: float | None,
        slowest: float,
    ) -> None:
        self.state = state
        self.plan = plan
        self.runner = runner
        self._keep = keep
        self._watch = watch
        self._deadline = deadline
        self._slowest = slowest

    def run(self) -> None:
        """Until all of the front is confirmed, as many as wanted are, or time is over; the first go in any case."""
        done = sum(reached(outcome.tier, self.plan.tier) for outcome in self.state.outcomes.values())
        while done < self.plan.confirm and not (done and self._late()):
            candidates = self._candidates()[: min(MOST_AT_ONCE, self.plan.confirm - done)]
            if not candidates:
                return
            width = self.runner.width
            for first in range(0, len(candidates), width):
                if done and self._late(spare=self._slowest):
                    self.state.stopped = "budget"
                    return
                done += self._confirm(candidates[first : first + width], done)

    def _candidates(self) -> list[Outcome]:
        """Points of the front that have still to climb, first one that improves on the default design (`PROMISED`)."""
        left = [o for o in self.state.front if not reached(o.tier, self.plan.tier)]
        names = [name for name in self.plan.objectives if name in PROMISED]
        base = None if self.state.base is None else costs(self.state.base, names)
        better: list[Outcome] = []
        if base is not None:
            better = [o for o in left if all(a <= b for a, b in zip(costs(o, names) or (), base, strict=True))]
        first = {o.point.key: o for o in (*better[:1], *spread(left, self.plan.objectives))}
        return list(first.values())

    def _confirm(self, some: Sequence[Outcome], done: int) -> int:
        start = time.monotonic()
        self._watch(self.state, "confirming the front", done, self.plan.confirm)
        calls = [Call("outcome", (outcome.point, self.plan.tier, outcome), heavy=True) for outcome in some]
        for count, (_, outcome) in enumerate(self.runner.results(calls), start=1):
            self._keep(outcome)
            self._watch(self.state, "confirming the front", done + count, self.plan.confirm)
        self._slowest = max(self._slowest, time.monotonic() - start)
        return len(some)

    def _late(self, spare: float = 0.0) -> bool:
        return self._deadline is not None and time.monotonic() + spare > self._deadline
