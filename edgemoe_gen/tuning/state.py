"""What a search is to do and has found so far: its plan, its state, and who watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.quiet import Quiet
from edgemoe_gen.tuning.front import front_of, reasons
from edgemoe_gen.tuning.trial import CSIM, SYNTHESIS, Outcome


@dataclass(frozen=True)
class Plan:
    """How to search.

    Attributes:
        objectives: of the front; the first one orders it.
        trials: different feasible points to estimate; None: as many as time allows.
        seconds: of wall time, or None; a third of it goes to estimates, but for the first `LEAST` points.
        tier: where the front's points climb to.
        confirm: how many of them climb at most.
        seed: of the sampler.
        synthesise: how many of the confirmed points the vendor's tools synthesise at most, after the search.
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
    """A point that is at work for long: what it is at now, and since when by `time.monotonic`."""

    outcome: Outcome
    step: str
    began: float


Watch = Callable[["State", str, int, int], None]
no_watch = Quiet("no_watch")


@dataclass
class State:
    """What a search has found so far.

    Attributes:
        outcomes: the best that is known of each point, by its key, in the order of finding.
        resumed: how many of them an earlier run had found.
        others: where this search is new in its storage, how many others are there.
        base: the outcome of what a build would take.
        stopped: why it ended.
        until: when by `time.monotonic` the budget is over; None: no time is set.
        step: what takes long now, in a few words; "" while nothing does.
        at_work: points whose synthesis runs now, by their keys.
        failed: points whose synthesis failed for a reason outside of them; they stay what they were.
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
        """Takes what calls tell, and lets a watcher see it; `done`: how many of them have ended."""

        def hear(_: int, step: str) -> None:
            self.step = step
            watch(self, what, done(), total)

        return hear

    @property
    def synthesised(self) -> bool:
        """Whether a point has been, in this run or an earlier one."""
        return any(outcome.tier == SYNTHESIS for outcome in self.outcomes.values())

    @property
    def front(self) -> tuple[Outcome, ...]:
        """The front by what is known now."""
        return front_of(self.outcomes.values(), self.objectives)

    @property
    def rejected(self) -> dict[str, int]:
        """Infeasible points by reason."""
        return reasons(self.outcomes.values())
