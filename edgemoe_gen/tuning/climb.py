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
MOST_MORE = 4  # points that climb after that, one at a time, until a confirmed one is on the front
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
        """Runs until the front or enough of it is confirmed, or time is over.

        If every point that climbed fell off the front, up to `MOST_MORE` others climb in any case.
        """
        done = self._planned()
        for more in range(MOST_MORE if self.plan.confirm else 0):
            candidate = None if self.state.confirmed(self.plan.tier) else self._next(last=more == MOST_MORE - 1)
            if candidate is None:
                return
            self._total = done + 1
            done += self._confirm([candidate], done)

    def _planned(self) -> int:
        """Climbs within the plan and the time; the first points climb in any case. The number that have climbed."""
        done = sum(reached(outcome.tier, self.plan.tier) for outcome in self.state.outcomes.values())
        while done < self.plan.confirm and not (done and self._late()):
            candidates = self._candidates()[: min(MOST_AT_ONCE, self.plan.confirm - done)]
            if not candidates:
                break
            self._total = min(self.plan.confirm, done + len(candidates))
            first = 0
            while first < len(candidates):
                late = self._late(spare=max(self._slowest, LEAST_SECONDS))
                if done and late:
                    self.state.stopped = "budget"
                    return done
                some = candidates[first : first + (1 if late else self.runner.width)]
                first += len(some)
                done += self._confirm(some, done)
        return done

    def _next(self, last: bool) -> Outcome | None:
        """The next candidate; the last one is the default design if it is on the front.

        Estimates are scaled to the default design, so it stays there.
        """
        candidates = self._candidates()
        base = self.state.base
        if last and base is not None:
            candidates.sort(key=lambda outcome: outcome.point != base.point)
        return candidates[0] if candidates else None

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
