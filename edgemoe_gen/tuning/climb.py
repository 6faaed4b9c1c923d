"""The front's points climb the tiers of simulation, the best first; a point that falls off the front is replaced.

In: a search's state. Out: outcomes of higher tiers, each kept as soon as it is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edgemoe_gen.tuning.front import costs, spread
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.state import Plan, State, Watch
from edgemoe_gen.tuning.trial import Outcome, reached

LEAST_SECONDS = 30.0  # that climbing is taken to need, as the default design's libraries may have been in the cache
MOST_AT_ONCE = 8  # points that climb before the front is looked at again
PROMISED = ("latency", "throughput", "error")  # in which an improvement must not be worse than the default design


class Climb:
    """Confirms a front.

    Args:
        state, plan: of the search.
        runner: of its evaluator.
        keep: stores every outcome.
        watch: watcher of the search.
        deadline: by `time.monotonic`, or None.
        slowest: known seconds of the slowest climb.
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
        self._total = plan.confirm

    def run(self) -> None:
        """Runs until the front or enough of it is confirmed, or time is over; the first points climb in any case."""
        done = sum(reached(outcome.tier, self.plan.tier) for outcome in self.state.outcomes.values())
        while done < self.plan.confirm and not (done and self._late()):
            candidates = self._candidates()[: min(MOST_AT_ONCE, self.plan.confirm - done)]
            if not candidates:
                return
            self._total = min(self.plan.confirm, done + len(candidates))
            first = 0
            while first < len(candidates):
                late = self._late(spare=max(self._slowest, LEAST_SECONDS))
                if done and late:
                    self.state.stopped = "budget"
                    return
                some = candidates[first : first + (1 if late else self.runner.width)]
                first += len(some)
                done += self._confirm(some, done)

    def _candidates(self) -> list[Outcome]:
        """Points of the front that must still climb, first a point better than the default design (`PROMISED`)."""
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
        what, total = "confirming the front", self._total
        self._watch(self.state, what, done, total)
        calls = [Call("outcome", (outcome.point, self.plan.tier, outcome), heavy=True) for outcome in some]
        if 2 * len(some) <= self.runner.width:  # the libraries that each needs are compiled side by side
            calls += [Call("warm", (outcome.point, self.plan.tier), heavy=True) for outcome in some]
        count = 0
        hear = self.state.steps(self._watch, what, lambda: done + count, total)
        for number, outcome in self.runner.results(calls, hear):
            if number < len(some):
                count += 1
                self._keep(outcome)
                self.state.step = ""
                self._watch(self.state, what, done + count, total)
        self._slowest = max(self._slowest, time.monotonic() - start)
        return count

    def _late(self, spare: float = 0.0) -> bool:
        return self._deadline is not None and time.monotonic() + spare > self._deadline
