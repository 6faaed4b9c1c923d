"""A search's plan, its results so far, and its watcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.quiet import Quiet
from edgemoe_gen.tuning.front import front_of, reasons
from edgemoe_gen.tuning.trial import CSIM, SYNTHESIS, Outcome, reached


@dataclass(frozen=True)
class Plan:
    """Plan of a search.

    Attributes:
        objectives: of the front; the first one orders it.
        trials: different feasible points to estimate; None: as many as time allows.
        seconds: of wall time, or None; a third of it goes to estimates, but for the first `LEAST` points.
        tier: tier to which the front's points climb.
        confirm: most points that climb, while one of them stays on the front (`climb.MOST_MORE`).
        seed: seed of the sampler.
        synthesise: most confirmed points that the vendor's tools synthesise, after the search.
    """

    objectives: tuple[str, ...]
    trials: int | None = 128
    seconds: float | None = None
    tier: str = CSIM
    confirm: int = 8
    seed: int = 0
    synthesise: int = 0


@dataclass(frozen=True)
class AtWork:
    """A point with a long step: the step, and its begin by `time.monotonic`."""

    outcome: Outcome
    step: str
    began: float


Watch = Callable[["State", str, int, int], None]
no_watch = Quiet("no_watch")


@dataclass
class State:
    """Results of a search so far.

    Attributes:
        outcomes: the highest outcome of each point, by its key, in the order of finding.
        resumed: number of outcomes of an earlier run.
        others: number of other searches in the storage, where this search is new.
        base: outcome of the design of a build.
        stopped: reason for the end.
        until: end of the budget by `time.monotonic`; None: no time is set.
        step: the present long step, in a few words; "" if there is none.
        at_work: points whose synthesis runs now, by their keys.
        failed: points whose synthesis failed for an outside reason; their outcomes stay.
    """

    objectives: tuple[str, ...]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    resumed: int = 0
    others: int = 0
    base: Outcome | None = None
    stopped: str = ""
    until: float | None = None
    step: str = ""
    at_work: dict[str, AtWork] = field(default_factory=dict)
    failed: list[tuple[Outcome, EdgeMoEError]] = field(default_factory=list)

    @property
    def feasible(self) -> int:
        """Feasible points."""
        return sum(outcome.feasible for outcome in self.outcomes.values())

    def steps(self, watch: Watch, what: str, done: Callable[[], int], total: int) -> Callable[[int, str], None]:
        """A receiver of calls' messages for a watcher; `done`: number of ended calls."""

        def hear(_: int, step: str) -> None:
            self.step = step
            watch(self, what, done(), total)

        return hear

    @property
    def synthesised(self) -> bool:
        """Whether a point has been synthesised, in this run or an earlier one."""
        return any(outcome.tier == SYNTHESIS for outcome in self.outcomes.values())

    @property
    def front(self) -> tuple[Outcome, ...]:
        """The present front."""
        return front_of(self.outcomes.values(), self.objectives)

    def confirmed(self, tier: str) -> int:
        """Points of the present front that have reached a tier."""
        return sum(reached(outcome.tier, tier) for outcome in self.front)

    @property
    def rejected(self) -> dict[str, int]:
        """Infeasible points by reason."""
        return reasons(self.outcomes.values())
