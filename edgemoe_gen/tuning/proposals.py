"""Proposals of a search: points of Optuna's NSGA-II, of the star around a design, of the neighbours of a front.

No proposal breaks a rule that can be checked without an estimate: such a point is repaired first, by changing as few
other values as possible. Proposals depend only on the seed, the trial's number and the trials before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from edgemoe_gen.tuning.space import Dimension, Space
from edgemoe_gen.tuning.storage import require_optuna
from edgemoe_gen.tuning.trial import Point, Value

POPULATION = 24  # of NSGA-II
TRIES = 16  # for a point that is new


class Proposals:
    """Proposes points of a space.

    Args:
        space: of the search.
        seed: of the search.
        allowed: whether a point keeps the rules.
        tried: keys of points that are known.
    """

    def __init__(self, space: Space, seed: int, allowed: Callable[[Point], bool], tried: Collection[str]) -> None:
        self.space = space
        self._seed = seed
        self._allowed = allowed
        self._tried = tried
        self._optuna = require_optuna()
        self.distributions = {
            dimension.name: self._optuna.distributions.CategoricalDistribution(dimension.values)
            for dimension in space.dimensions
        }

    def sampler(self, number: int, parents: list[Point], asked: Collection[str]) -> Any:
        """Optuna's sampler for the trial of a number.

        Args:
            number: of the trial.
            parents: points that keep the rules, for repairs.
            asked: keys of points of its batch.
        """
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        random = np.random.default_rng(seed)
        base: Any = self._optuna.samplers.NSGAIISampler
        distributions = self.distributions

        def new(child: Mapping[str, Value]) -> dict[str, Value]:
            return self._new(child, random, parents, asked)

        class Sampler(base):  # type: ignore[misc]
            """NSGA-II whose children keep the rules."""

            def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
                return distributions

            def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
                turned = {name: kind for name, kind in search_space.items() if not kind.single()}
                child = super().sample_relative(study, trial, turned)
                if "fixed_params" in trial.system_attrs:  # enqueued: its values are not asked for
                    return {}
                return new(child)

        return Sampler(population_size=POPULATION, seed=seed)

    def _new(
        self, child: Mapping[str, Value], random: np.random.Generator, parents: list[Point], asked: Collection[str]
    ) -> dict[str, Value]:
        """A child, with missing values drawn at random, repaired; if this point is known, another point near it."""
        values = {d.name: child[d.name] if d.name in child else _drawn(d, random) for d in self.space.dimensions}
        keep: tuple[str, ...] = ()
        for _ in range(TRIES):
            parent = parents[random.integers(len(parents))] if parents else None
            point = self.repaired(self.space.point(values), keep, parent, random)
            if point is None:  # perhaps none keeps the rules: looking on costs more than a trial that says why
                break
            values = point.as_dict()
            if point.key not in self._tried and point.key not in asked:
                break
            dimension = self.space.dimensions[random.integers(len(self.space.dimensions))]
            values[dimension.name], keep = _drawn(dimension, random), (dimension.name,)
        return values

    def repaired(
        self,
        point: Point,
        keep: Collection[str] = (),
        parent: Point | None = None,
        random: np.random.Generator | None = None,
    ) -> Point | None:
        """The point if it keeps the rules, else a point that does and differs in few values; None: none was found.

        Args:
            point: to repair.
            keep: names of values that stay.
            parent: a point that keeps the rules, whose values are taken.
            random: generator for the order in which they are taken; None: the order of the space.
        """
        if self._allowed(point):
            return point
        free = [dimension.name for dimension in self.space.dimensions if dimension.name not in keep]
        found = None if parent is None else self._towards(point, parent, free, random)
        return found or next(filter(self._allowed, self._one_other(point, keep)), None)

    def _towards(
        self, point: Point, parent: Point, free: list[str], random: np.random.Generator | None
    ) -> Point | None:
        own, theirs = point.as_dict(), parent.as_dict()
        names = [name for name in free if own[name] != theirs[name]]
        if random is not None:
            names = [names[i] for i in random.permutation(len(names))]
        values, taken = dict(own), []
        for name in names:
            values[name] = theirs[name]
            taken.append(name)
            if self._allowed(self.space.point(values)):
                break
        else:
            return None
        for name in taken[:-1]:  # back to its own what was no part of the fault
            values[name] = own[name]
            if not self._allowed(self.space.point(values)):
                values[name] = theirs[name]
        return self.space.point(values)

    def _one_other(self, point: Point, keep: Collection[str]) -> Iterator[Point]:
        """Points that differ in one value, the nearest values first."""
        values = point.as_dict()
        for dimension in self.space.dimensions:
            own = values[dimension.name]
            if dimension.name not in keep:
                for _, value in sorted((abs(value - own), value) for value in dimension.values if value != own):
                    yield self.space.point({**values, dimension.name: value})

    def star(self, centre: Point) -> Iterator[Point]:
        """A point, and points that differ in one dimension, or in as few as the rules allow: the first parents."""
        first = self.repaired(centre) or centre
        beside = ((d.name, value) for d in self.space.dimensions for value in d.values)
        yield first
        yield from self._around(first, beside)

    def neighbours(self, point: Point) -> Iterator[Point]:
        """Points of the star that differ by one step only."""
        values = point.as_dict()
        for dimension in self.space.dimensions:
            place = dimension.values.index(values[dimension.name])
            beside = dimension.values[max(0, place - 1) : place + 2]
            yield from self._around(point, ((dimension.name, value) for value in beside))

    def _around(self, centre: Point, beside: Iterable[tuple[str, Value]]) -> Iterator[Point]:
        values = centre.as_dict()
        for name, value in beside:
            if value != values[name]:
                point = self.repaired(self.space.point({**values, name: value}), (name,), centre)
                if point is not None:
                    yield point


def nearest(space: Space, point: Point) -> Point:
    """The point of a space with the values nearest to those of another point; missing values are the least."""
    values = point.as_dict()
    found: dict[str, Value] = {}
    for dimension in space.dimensions:
        own = values.get(dimension.name, 0)
        _, found[dimension.name] = min((abs(value - own), value) for value in dimension.values)
    return space.point(found)


def _drawn(dimension: Dimension, random: np.random.Generator) -> Value:
    return dimension.values[random.integers(len(dimension.values))]
