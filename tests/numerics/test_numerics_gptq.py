"""Weights rounded together: never worse than one by one on what they were rounded for, and close to the best."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.numerics.fixed import FINEST_OUTPUT, Format, finer_outputs, fraction_for, quantise
from edgemoe_gen.numerics.gptq import Grid, Metric, Moments, nearest, round_together

Array = NDArray[np.float64]


def correlated(rng: np.random.Generator, tokens: int, inputs: int) -> Array:
    """Inputs [tokens, inputs] of many sizes that depend on each other."""
    mixed = rng.normal(size=(tokens, max(1, inputs // 2))) @ rng.normal(size=(max(1, inputs // 2), inputs))
    return np.asarray((mixed + 0.3 * rng.normal(size=(tokens, inputs))) * np.exp2(rng.integers(-4, 4, inputs)))


def format_of(weight: Array, bits: int) -> Format:
    """A format that holds the weights."""
    return Format(bits, fraction_for(float(np.abs(weight).max(initial=0.0)), bits))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1), outputs=st.integers(1, 12), inputs=st.integers(1, 80),
    tokens=st.integers(1, 60), bits=st.integers(2, 10), dead=st.booleans(),
)  # fmt: skip
def test_no_output_costs_more_than_rounding_it_to_nearest(
    seed: int, outputs: int, inputs: int, tokens: int, bits: int, dead: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, weight = correlated(rng, tokens, inputs), rng.standard_t(3, size=(outputs, inputs))
    if dead:
        x[:, rng.integers(inputs)] = 0.0
        weight[rng.integers(outputs)] = 0.0
    form, metric = format_of(weight, bits), Metric(Moments.of(x).centred)
    found = round_together(weight, form, metric)
    one_by_one = metric.cost(nearest(weight, form) - weight)
    assert (metric.cost(found - weight) <= one_by_one).all()
    # A program rounds them to themselves: its grid for these weights holds them all.
    finer = finer_outputs(found, form, FINEST_OUTPUT)[:, None]
    again = quantise(found * 2.0**finer, form) * form.step * 2.0**-finer
    assert np.array_equal(again, found)


def best_cost(weight: Array, grid: Grid, metric: Metric) -> Array:
    """[outputs] least cost of all roundings that there are."""
    levels = range(-grid.limit, grid.limit + 1)
    every = np.array(list(itertools.product(levels, repeat=weight.shape[1])))
    costs = [metric.cost(every * step - row).min() for row, step in zip(weight, grid.steps, strict=True)]
    return np.array(costs)


@pytest.mark.parametrize("inputs", [1, 2, 3, 4])
def test_it_gets_most_of_what_the_best_rounding_of_small_matrices_does(inputs: int) -> None:
    """Rounding column by column is not always best; over 100 outputs it gets two thirds of the way from nearest."""
    rng = np.random.default_rng(inputs)
    found = best = one_by_one = 0.0
    for _ in range(10):
        weight, form = rng.uniform(-0.99, 0.99, size=(10, inputs)), Format(3, 2)
        metric = Metric(Moments.of(correlated(rng, 40, inputs)).centred)
        mine = metric.cost(round_together(weight, form, metric) - weight)
        least = np.minimum(*(best_cost(weight, grid, metric) for grid in grids(weight, form)))
        assert (mine >= least - 1e-12).all()
        found, best = found + mine.sum(), best + least.sum()
        one_by_one += metric.cost(nearest(weight, form) - weight).sum()
    assert found <= best + (one_by_one - best) / 3


def test_of_inputs_that_do_not_depend_on_each_other_nearest_is_best() -> None:
    rng = np.random.default_rng(3)
    weight, form = rng.uniform(-1, 1, size=(5, 7)), Format(6, 5)
    metric = Metric(np.diag(rng.uniform(0.5, 2.0, 7)))
    finest = np.minimum(*(metric.cost(g.values(g.nearest(weight)) - weight) for g in grids(weight, form)))
    assert np.allclose(metric.cost(round_together(weight, form, metric) - weight), finest)


def grids(weight: Array, form: Format) -> tuple[Grid, Grid]:
    """That of nearest rounding, and the one of half its steps."""
    whole = Grid.of(weight, form)
    return whole, Grid(whole.steps / 2, whole.limit)


def test_columns_are_made_up_for_across_the_blocks_that_they_are_rounded_in() -> None:
    """150 inputs that are nearly the same: alone their errors add up, together they cancel."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 1)) + 0.01 * rng.normal(size=(400, 150))
    weight = rng.uniform(-1, 1, size=(30, 150))
    form, metric = Format(4, 3), Metric(Moments.of(x).centred)
    together = metric.cost(round_together(weight, form, metric) - weight)
    assert together.sum() < 0.1 * metric.cost(nearest(weight, form) - weight).sum()


def test_moments_are_those_of_the_inputs() -> None:
    x = np.random.default_rng(1).normal(size=(50, 6)) + 3.0
    moments = Moments.of(x)
    assert moments.count == 50
    assert np.allclose(moments.mean, x.mean(axis=0))
    assert np.allclose(moments.centred, np.cov(x.T, bias=True))
    assert Moments.of(np.zeros((0, 6))).count == 0


def test_inputs_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(EdgeMoEError, match="NaN"):
        Metric(np.full((3, 3), np.nan))
