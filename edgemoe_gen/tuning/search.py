"""The search: Optuna proposes points, rules and estimates sort them, and those on the front climb the tiers.

Points are asked for and told in batches of a fixed size, each batch sampled from a seed of its own, so that the search
is the same whatever the number of workers, and the same when it was stopped and resumed. Whatever is found is in the
storage at once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.errors import ConfigError, KnobError, SimulationError
from edgemoe_gen.tuning.climb import Climb
from edgemoe_gen.tuning.evaluate import SIMULATION_FAILS, Evaluator
from edgemoe_gen.tuning.front import OBJECTIVES, costs, spread
from edgemoe_gen.tuning.runner import Call, Runner
from edgemoe_gen.tuning.space import Space
from edgemoe_gen.tuning.state import Plan, State, Watch, no_watch
from edgemoe_gen.tuning.synthesis import synthesise_front
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, SYNTHESIS, Outcome, Point, Value, reached

BATCH = 8  # points that are asked for before the first is told
POPULATION = 24  # of NSGA-II
EXPLORING = 0.35  # share of the time that is left after the default design which goes to estimates
LEAST = 32  # feasible points that are estimated even where time is over
STALE_BATCHES = 25  # batches without a new feasible point after which the search is over
CLIMBED = "climbed:"
STUDY_VERSION = 2


class Search:
    """One search on one storage."""

    def __init__(
        self,
        evaluator: Evaluator,
        space: Space,
        plan: Plan,
        runner: Runner,
        storage: Path | str,
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
        self._optuna = _import_optuna()
        self._study = self._open(storage)
        self._deadline = None if plan.seconds is None else time.monotonic() + plan.seconds
        self._explore_until = self._deadline
        self._slowest = 0.0

    def run(self) -> State:
        """Searches until trials, time or points run out, or the user interrupts; what was found stays."""
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
        synthesised = any(outcome.tier == SYNTHESIS for outcome in self.state.outcomes.values())  # hours to be shown
        if not self.state.feasible and not synthesised and self.state.stopped != "interrupted":
            counts = ", ".join(f"{reason} ({count})" for reason, count in list(self.state.rejected.items())[:4])
            raise KnobError(
                f"no point of the space is feasible: {len(self.state.outcomes)} tried, {counts}",
                "widen the space with --knob, or loosen --limit",
            )
        return self.state

    # The study

    def _open(self, storage: Path | str) -> Any:
        storages = self._optuna.storages
        try:
            if isinstance(storage, Path):
                storage.parent.mkdir(parents=True, exist_ok=True)
                backend = storages.journal.JournalFileBackend(str(storage))
                opened = storages.JournalStorage(backend)
            else:
                opened = storages.RDBStorage(storage)
            return self._optuna.create_study(
                study_name=self._name(), storage=opened, load_if_exists=True,
                directions=["minimize"] * len(self.plan.objectives),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, ImportError, self._optuna.exceptions.OptunaError) as error:
            raise ConfigError(
                f"{storage} cannot be opened as the storage of a search: {error}", "choose another --storage"
            ) from error

    def _name(self) -> str:
        """Searches of other networks, spaces, limits or seeds are other studies of the same storage."""
        e = self.evaluator
        words = (
            STUDY_VERSION, e.model.spec.without_names(), e.board, sorted(e.chosen.items()), e.limits, e.tasks,
            sorted(e.pinned.items()), sorted(e.fifo_depths.items()), self.space, self.plan.objectives, self.plan.seed,
            hashlib.sha256(b"".join(image.tobytes() for image in e.images)).hexdigest(),
            hashlib.sha256(b"".join(truth.tokens.tobytes() for truth in e.truths)).hexdigest(),
        )  # fmt: skip
        return "tune-" + hashlib.sha256(repr(words).encode()).hexdigest()[:16]

    def _restore(self) -> None:
        """Takes in what an earlier run has found; trials that it left open are tried now."""
        for trial in self._study.trials:
            if "outcome" in trial.user_attrs:
                self._note(Outcome.from_dict(trial.user_attrs["outcome"]))
        for name, data in self._study.user_attrs.items():
            if name.startswith(CLIMBED):
                self._note(Outcome.from_dict(json.loads(data)))
        self.state.resumed = len(self.state.outcomes)

    def _note(self, outcome: Outcome) -> None:
        known = self.state.outcomes.get(outcome.point.key)
        if known is None or reached(outcome.tier, known.tier):
            self.state.outcomes[outcome.point.key] = outcome

    def _climbed(self, outcome: Outcome) -> None:
        """Takes in a point of the front that has climbed, and writes it beside the trials."""
        self._note(outcome)
        name = CLIMBED + hashlib.sha256(outcome.point.key.encode()).hexdigest()[:16]
        self._study.set_user_attr(name, json.dumps(outcome.as_dict()))

    # Exploring

    def _base(self) -> None:
        """The design of a build first: it is what others are measured by, and its error scales those of estimates."""
        names = [dimension.name for dimension in self.space.dimensions]
        default = self.evaluator.default_point(names)
        point = self.space.point(default.as_dict()) if self.space.holds(default.as_dict()) else default
        kept = self._study.user_attrs.get("base")
        if kept is not None:
            base = Outcome.from_dict(json.loads(kept))
        else:
            self.watch(self.state, "measuring the default design", 0, 1)
            # Limits do not bind what others are compared with.
            free = replace(self.evaluator, limits=(), _cache=self.evaluator._cache)
            self.runner.replace(free)
            begun = time.monotonic()
            tier = CSIM if self.evaluator.images else ESTIMATE
            # The two libraries that it needs are compiled side by side.
            calls = [Call("outcome", (point, tier), heavy=True), Call("warm", (point, tier), heavy=True)]
            base = dict(self.runner.results(calls))[0]
            if base.reason == SIMULATION_FAILS:  # what fails here fails everywhere
                raise SimulationError(
                    base.detail, "mend that first, or search with --tier estimate and without --image"
                )
            self._slowest = time.monotonic() - begun
            self._study.set_user_attr("base", json.dumps(base.as_dict()))
        self.evaluator = self.evaluator.scaled_by(base)
        self.runner.replace(self.evaluator)
        self.state.base = base
        for start in _star(self.space, _nearest(self.space, default))[: 1 + self.plan.trials // 2]:
            self._study.enqueue_trial(start.as_dict(), skip_if_exists=True)

    def _explore(self) -> None:
        if self.space.size <= self.plan.trials:
            for point in self.space.points():
                self._study.enqueue_trial(point.as_dict(), skip_if_exists=True)
        if self._deadline is not None:
            now = time.monotonic()
            self._explore_until = now + EXPLORING * (self._deadline - now)
        stale = 0
        for trials in self._batches():
            before = self.state.feasible
            self._estimate(trials)
            stale = 0 if self.state.feasible > before else stale + 1
            if stale >= STALE_BATCHES:
                self.state.stopped = "nothing new"
                return
        self.state.stopped = self.state.stopped or ("budget" if self._explored() else "trials")

    def _batches(self) -> Iterator[list[Any]]:
        """Trials to evaluate: those that an earlier run left open, then new ones."""
        states = self._optuna.trial.TrialState
        names = {dimension.name for dimension in self.space.dimensions}
        left = [trial for trial in self._study.trials if trial.state == states.RUNNING]
        for trial in left:
            if set(trial.params) != names:
                self._study.tell(trial.number, state=states.FAIL)
        yield [trial for trial in left if set(trial.params) == names]
        distributions = {
            dimension.name: self._optuna.distributions.CategoricalDistribution(dimension.values)
            for dimension in self.space.dimensions
        }
        while not self._explored():
            every = self._study.get_trials(deepcopy=False)
            waiting = sum(trial.state == states.WAITING for trial in every)
            if not waiting and (self.state.feasible >= self.plan.trials or len(self.state.outcomes) >= self.space.size):
                return
            if not waiting and len(every) // BATCH % 2:
                waiting = self._enqueue_neighbours()
            seed = int(np.random.SeedSequence([self.plan.seed, len(every)]).generate_state(1)[0])
            self._study.sampler = self._optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
            yield [self._study.ask(distributions) for _ in range(min(waiting, BATCH) or BATCH)]

    def _enqueue_neighbours(self) -> int:
        """Every other batch is one step beside the best points: the sampler alone is slow at the last few percent."""
        best = spread(self.state.front, self.plan.objectives)
        near = {point.key: point for outcome in best for point in _neighbours(self.space, outcome.point)}
        fresh = [point for key, point in near.items() if key not in self.state.outcomes][:BATCH]
        for point in fresh:
            self._study.enqueue_trial(point.as_dict(), skip_if_exists=True)
        return len(fresh)

    def _estimate(self, trials: Sequence[Any]) -> None:
        """Evaluates trials in any order, and tells them in theirs."""
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
        self.watch(self.state, what, min(self.state.feasible, self.plan.trials), self.plan.trials)

    def _explored(self) -> bool:
        late = self._explore_until is not None and time.monotonic() > self._explore_until
        return late and self.state.feasible >= LEAST


def _nearest(space: Space, point: Point) -> Point:
    """The point of a space whose values are the nearest to those of another; of what that does not say, the least."""
    values = point.as_dict()
    found: dict[str, Value] = {}
    for dimension in space.dimensions:
        own = values.get(dimension.name, 0)
        _, found[dimension.name] = min((abs(value - own), value) for value in dimension.values)
    return space.point(found)


def _star(space: Space, centre: Point) -> list[Point]:
    """A point, and all that differ from it in one dimension: what the sampler breeds from."""
    found = [centre]
    for dimension in space.dimensions:
        values = centre.as_dict()
        found += [
            space.point({**values, dimension.name: value})
            for value in dimension.values
            if value != values[dimension.name]
        ]
    return found


def _neighbours(space: Space, point: Point) -> Iterator[Point]:
    """Points of a space whose values differ from a point's by one step in one dimension."""
    values = point.as_dict()
    for dimension in space.dimensions:
        place = dimension.values.index(values[dimension.name])
        for beside in (place - 1, place + 1):
            if 0 <= beside < len(dimension.values):
                yield space.point({**values, dimension.name: dimension.values[beside]})


def run_search(
    evaluator: Evaluator,
    space: Space,
    plan: Plan,
    runner: Runner,
    storage: Path | str,
    watch: Watch = no_watch,
    synthesis: Path | None = None,
) -> State:
    """Searches a space; see `Plan`.

    Args:
        evaluator: of the points.
        space: dimensions.
        plan: objectives, trials, time, seed.
        runner: where trials run; its subject is replaced.
        storage: file of Optuna's journal, or the URL of a database; a search that is in it already is resumed.
        watch: called with the state, what is being done, how much is done and is to do.
        synthesis: folder for the designs that are synthesised; None: none is.

    Raises:
        ConfigError: Optuna is not installed, or the storage cannot be opened.
        KnobError: no point is feasible, and none was synthesised either.
    """
    return Search(evaluator, space, plan, runner, storage, watch, synthesis).run()


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            "the search needs Optuna, which is not installed", 'install it: pip install "edgemoe-gen[tune]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
