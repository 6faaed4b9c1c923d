"""The search: Optuna proposes points, rules and estimates sort them, and points on the front climb the tiers.

Points are sampled and reported in batches of a fixed size, each batch from its own seed. So the search is the same for
any number of workers, and the same after it was stopped and resumed. Every result is in the storage at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import ConfigError, KnobError, SimulationError
from edgemoe_gen.tuning.climb import Climb
from edgemoe_gen.tuning.evaluate import Evaluator
from edgemoe_gen.tuning.front import FIGURES, OBJECTIVES, costs, spread
from edgemoe_gen.tuning.infeasible import SIMULATION_FAILS
from edgemoe_gen.tuning.limits import nothing_feasible
from edgemoe_gen.tuning.proposals import Proposals, nearest
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.state import Plan, State, Watch, no_watch
from edgemoe_gen.tuning.storage import Storage, open_storage, require_optuna
from edgemoe_gen.tuning.synthesis import synthesise_front
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, RULES, TIERS, Outcome, Point, reached

BATCH = 8  # points that are asked for before the first is told
EXPLORING = 0.35  # share of the time that is left after the default design which goes to estimates
LEAST = 32  # feasible points that are estimated even where time is over
STALE_BATCHES = 25  # batches without a new feasible point after which the search is over
EMPTY_BATCHES = 8  # the same where there has been none at all
WHOLE = 128  # points of a space that is walked whole where only time bounds the search
CLIMBED = "climbed:"
ASKED = "batch"  # the batch that was asked for last: number of its first trial, size, points that were enqueued for it
STUDY_VERSION = 2


class Search:
    """One search on one storage."""

    def __init__(
        self,
        evaluator: Evaluator,
        space: Space,
        plan: Plan,
        runner: Runner,
        storage: Storage,
        watch: Watch,
        synthesis: Path | None = None,
    ) -> None:
        self.evaluator = evaluator
        self.space = space
        self.plan = plan
        self.runner = runner
        self.watch = watch
        self.synthesis = synthesis
        self.state = State(plan.objectives)
        self._optuna = require_optuna()
        self._storage = storage
        others = storage.names
        name = self._name()
        self.state.others = 0 if name in others else len(others)
        self._study = storage.study(name, len(plan.objectives))
        self._kept: dict[str, bool] = {}  # whether a point keeps the rules, by its key
        self._proposals = Proposals(space, plan.seed, self._keeps_rules, self.state.outcomes)
        self._deadline = None if plan.seconds is None else time.monotonic() + plan.seconds
        self._explore_until = self.state.until = self._deadline
        self._slowest = 0.0

    def run(self) -> State:
        """Searches until trials, time or points run out, or the user interrupts; all results stay."""
        try:
            self._restore()
            self._base()
            self._explore()
            Climb(self.state, self.plan, self.runner, self._climbed, self.watch, self._deadline, self._slowest).run()
            if self.synthesis is not None:
                synthesise_front(
                    self.evaluator, self.state, self.plan, self.runner, self.synthesis, self._climbed, self.watch
                )
        except KeyboardInterrupt:
            self.state.stopped = "interrupted"
        # What was synthesised took hours, and is shown.
        if not self.state.feasible and not self.state.synthesised and self.state.stopped != "interrupted":
            tried = list(self.state.outcomes.values())
            raise KnobError(*nothing_feasible(tried, self.evaluator.limits, self.space.size))
        return self.state

    # The study

    def _name(self) -> str:
        """Searches of other networks, spaces, limits or seeds are other studies of the same storage."""
        e = self.evaluator
        words = (
            STUDY_VERSION, e.model.spec.without_names(), e.board, sorted(e.chosen.items()), e.limits, e.tasks,
            sorted(e.pinned.items()), e.rounding, sorted(e.fifo_depths.items()), self.space, self.plan.objectives,
            self.plan.seed,
            hashlib.sha256(b"".join(image.tobytes() for image in e.images)).hexdigest(),
            hashlib.sha256(b"".join(truth.tokens.tobytes() for truth in e.truths)).hexdigest(),
        )  # fmt: skip
        return "tune-" + hashlib.sha256(repr(words).encode()).hexdigest()[:16]

    def _restore(self) -> None:
        """Reads the results of an earlier run; trials that it left open are tried now."""
        for trial in self._study.trials:
            if "outcome" in trial.user_attrs:
                self._note(self._known(trial.user_attrs["outcome"], f"trial {trial.number}"))
        for name, data in self._study.user_attrs.items():
            if name.startswith(CLIMBED):
                self._note(self._known(data, name))
        self.state.resumed = len(self.state.outcomes)

    def _known(self, data: Any, name: str, other: bool = False) -> Outcome:
        """An outcome that an earlier run wrote; `other`: of the default design, which the space need not hold.

        Raises:
            ConfigError: it is none, or of another space.
        """
        try:
            outcome = Outcome.from_dict(json.loads(data) if isinstance(data, str) else data)
            numbers = [figure.value for figure in outcome.figures.values()]
            sound = (
                outcome.tier in TIERS
                and isinstance(outcome.feasible, bool)
                and all(figure.tier in TIERS for figure in outcome.figures.values())
                and set(outcome.figures) <= set(FIGURES)
                and all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
                and (other or self.space.point(outcome.point.as_dict()) == outcome.point)
                and (other or self.space.holds(outcome.point.as_dict()))
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            sound = False
        if not sound:
            raise ConfigError(
                f"{self._storage.name}: what it says of {name} is not what a search writes: it is damaged",
                "put it back as it was, or choose another --output or --storage: a search there begins anew",
            )
        return outcome

    def _keeps_rules(self, point: Point) -> bool:
        """Whether a point keeps all rules and limits on resources, which is cheap to check."""
        if point.key not in self._kept:
            self._kept[point.key] = self.evaluator.outcome(point, RULES).feasible
        return self._kept[point.key]

    def _note(self, outcome: Outcome) -> None:
        known = self.state.outcomes.get(outcome.point.key)
        if known is None or reached(outcome.tier, known.tier):
            self.state.outcomes[outcome.point.key] = outcome

    def _climbed(self, outcome: Outcome) -> None:
        """Adds a point of the front that has climbed, and writes it beside the trials."""
        self._note(outcome)
        name = CLIMBED + hashlib.sha256(outcome.point.key.encode()).hexdigest()[:16]
        self._study.set_user_attr(name, json.dumps(outcome.as_dict()))

    # Exploring

    def _base(self) -> None:
        """Measures the design of a build first: others are compared with it, and its error scales estimated ones."""
        names = [dimension.name for dimension in self.space.dimensions]
        default = self.evaluator.default_point(names)
        point = self.space.point(default.as_dict()) if self.space.holds(default.as_dict()) else default
        kept = self._study.user_attrs.get("base")
        if kept is not None:
            base = self._known(kept, "the default design", other=True)
        else:
            what = "measuring the default design"
            self.watch(self.state, what, 0, 1)
            # Limits do not bind what others are compared with.
            free = replace(self.evaluator, limits=(), _cache=self.evaluator._cache)
            self.runner.replace(free)
            begun = time.monotonic()
            tier = CSIM if self.evaluator.images else ESTIMATE
            # The two libraries that it needs are compiled side by side.
            calls = [Call("outcome", (point, tier), heavy=True), Call("warm", (point, tier), heavy=True)]
            base = dict(self.runner.results(calls, self.state.steps(self.watch, what, lambda: 0, 1)))[0]
            self.state.step = ""
            if base.reason == SIMULATION_FAILS:  # what fails here fails everywhere
                raise SimulationError(
                    base.detail, "mend that first, or search with --tier estimate and without --image"
                )
            self._slowest = time.monotonic() - begun
            self._study.set_user_attr("base", json.dumps(base.as_dict()))
        if base.tier == CSIM:
            self.watch(self.state, "measuring what narrow weights do to the error", 0, 1)
        self.evaluator = self.evaluator.scaled_by(base)
        self.runner.replace(self.evaluator)
        self.state.base = base
        half = None if self.plan.trials is None else 1 + self.plan.trials // 2
        starts = islice(self._proposals.star(nearest(self.space, default)), half)
        self._enqueue([start.as_dict() for start in starts])

    def _explore(self) -> None:
        if self.space.size <= (WHOLE if self.plan.trials is None else self.plan.trials):
            self._enqueue([point.as_dict() for point in self.space.points()])
        if self._deadline is not None:
            now = time.monotonic()
            self._explore_until = now + EXPLORING * (self._deadline - now)
        stale = 0
        for trials in self._batches():
            before = self.state.feasible
            self._estimate(trials)
            stale = 0 if self.state.feasible > before else stale + bool(trials)
            if stale >= (STALE_BATCHES if self.state.feasible else EMPTY_BATCHES):
                self.state.stopped = "nothing new"
                break
        if len(self.state.outcomes) >= self.space.size:
            self.state.stopped = "every point tried"
        self.state.stopped = self.state.stopped or ("budget" if self._explored() else "trials")

    def _batches(self) -> Iterator[list[Any]]:
        """Trials to evaluate: those that an earlier run left open, then new ones.

        A batch is announced before it is sampled: a batch that was interrupted is completed as it would have been.
        """
        states = self._optuna.trial.TrialState
        first, size, points = self._study.user_attrs.get(ASKED, (0, 0, ()))
        left = [trial for trial in self._study.trials if trial.state == states.RUNNING]
        missing = first + size - self._asked()
        if left or missing > 0:
            self._enqueue(points if missing > 0 else ())
            batch = [self._completed(trial) for trial in left]
            yield batch + self._ask(max(0, missing), batch)
        while not self._explored():
            first = self._asked()
            waiting = sum(trial.state == states.WAITING for trial in self._study.get_trials(deepcopy=False))
            enough = self.plan.trials is not None and self.state.feasible >= self.plan.trials
            if not waiting and (enough or len(self.state.outcomes) >= self.space.size):
                return
            points = [] if waiting or not first // BATCH % 2 else self._neighbours()
            size = min(waiting or len(points), BATCH) or BATCH
            self._study.set_user_attr(ASKED, [first, size, points])
            self._enqueue(points)
            yield self._ask(size, [])

    def _asked(self) -> int:
        """Trials that were asked for."""
        waiting = self._optuna.trial.TrialState.WAITING
        return sum(trial.state != waiting for trial in self._study.get_trials(deepcopy=False))

    def _enqueue(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Enqueues points that no trial has yet. Optuna's own check compares every two points, which takes longer."""
        trials = self._study.get_trials(deepcopy=False)
        known = {_key(trial.system_attrs.get("fixed_params", trial.params)) for trial in trials}
        for values in points:
            if _key(values) not in known:
                self._study.enqueue_trial(dict(values))
                known.add(_key(values))

    def _ask(self, count: int, batch: Sequence[Any]) -> list[Any]:
        """More trials of a batch, each from a seed of its own."""
        parents = [outcome.point for outcome in self.state.front]
        keys = [self.space.point(trial.params).key for trial in batch]
        found = []
        for number in range(self._asked(), self._asked() + count):
            self._study.sampler = self._proposals.sampler(number, parents, keys)
            found.append(self._study.ask(self._proposals.distributions))
            keys.append(self.space.point(found[-1].params).key)
        return found

    def _completed(self, trial: Any) -> Any:
        """A trial that was left open, with values that it may lack after an interruption."""
        parents = [outcome.point for outcome in self.state.front]
        self._study.sampler = self._proposals.sampler(trial.number, parents, [])
        again = self._optuna.trial.Trial(self._study, trial._trial_id)
        for name, distribution in self._proposals.distributions.items():
            again._suggest(name, distribution)
        return again

    def _neighbours(self) -> list[dict[str, Any]]:
        """Every other batch is one step from the best points: the sampler alone is slow at the last few percent."""
        fresh: dict[str, Point] = {}
        for outcome in spread(self.state.front, self.plan.objectives):
            for point in self._proposals.neighbours(outcome.point):
                if point.key not in self.state.outcomes:
                    fresh[point.key] = point
                if len(fresh) == BATCH:
                    return [point.as_dict() for point in fresh.values()]
        return [point.as_dict() for point in fresh.values()]

    def _estimate(self, trials: Sequence[Any]) -> None:
        """Evaluates trials in any order, and reports them in their own order."""
        points = [self.space.point(trial.params) for trial in trials]
        fresh = list({point.key: point for point in points if point.key not in self.state.outcomes}.values())
        for _, outcome in self.runner.results([Call("outcome", (point, ESTIMATE)) for point in fresh]):
            self._note(outcome)
            for trial, point in zip(trials, points, strict=True):
                if point.key == outcome.point.key:
                    self._keep(trial.number, outcome)
                    break
            self._show("estimating")
        states = self._optuna.trial.TrialState
        for trial, point in zip(trials, points, strict=True):
            outcome = self.state.outcomes[point.key]
            values = costs(outcome, self.plan.objectives) if outcome.feasible else None
            if values is None:
                if outcome.feasible:
                    self._refuse_objectives(outcome)
                self._study.tell(trial.number, state=states.FAIL)
            else:
                self._study.tell(trial.number, values)

    def _keep(self, number: int, outcome: Outcome) -> None:
        """Writes an outcome beside its trial, before the batch is over."""
        trial_id = next(t._trial_id for t in reversed(self._study.get_trials(deepcopy=False)) if t.number == number)
        self._study._storage.set_trial_user_attr(trial_id, "outcome", outcome.as_dict())

    def _refuse_objectives(self, outcome: Outcome) -> None:
        base = self.state.base
        why = base.detail if self.evaluator.images and base is not None and base.detail else "there is no picture"
        missing = [name for name in self.plan.objectives if outcome.value(OBJECTIVES[name]) is None]
        raise ConfigError(
            f"the objective {', '.join(missing)} is not known: {why}", "name pictures and a board that fits"
        )

    def _show(self, what: str) -> None:
        most = self.plan.trials
        self.watch(self.state, what, self.state.feasible if most is None else min(self.state.feasible, most), most or 0)

    def _explored(self) -> bool:
        late = self._explore_until is not None and time.monotonic() > self._explore_until
        return late and self.state.feasible >= LEAST


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))


def run_search(
    evaluator: Evaluator,
    space: Space,
    plan: Plan,
    runner: Runner,
    storage: Storage | Path | str,
    watch: Watch = no_watch,
    synthesis: Path | None = None,
) -> State:
    """Searches a space; see `Plan`.

    Args:
        evaluator: of the points.
        space: dimensions.
        plan: objectives, trials, time, seed.
        runner: where trials run; its subject is replaced.
        storage: opened, or a file of Optuna's journal, or the URL of a database; a search that is in it already is
            resumed.
        watch: called with the state, what is being done, how much is done and is to do (0: as much as time allows).
        synthesis: folder for the designs that are synthesised; None: none is.

    Raises:
        ConfigError: Optuna is not installed, or the storage cannot be opened.
        KnobError: no point is feasible, and none was synthesised either.
    """
    if isinstance(storage, Storage):
        return Search(evaluator, space, plan, runner, storage, watch, synthesis).run()
    with open_storage(storage) as opened:
        return Search(evaluator, space, plan, runner, opened, watch, synthesis).run()
