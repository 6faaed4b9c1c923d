"""Estimates of errors: gains that meet what was measured, and kinds of weights in the order of their real errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemoe_gen.design import Knobs
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.numerics.attribute import squared_errors
from edgemoe_gen.numerics.formats import choose_formats
from edgemoe_gen.numerics.widths import ATTENTION, EXPERTS, MLP, NEAREST, OWN_WIDTH, WEIGHT_KINDS, Widths
from edgemoe_gen.tuning import Evaluator, make_evaluator
from edgemoe_gen.tuning.noise import MOST_APART, error_of, measure_gains
from edgemoe_gen.tuning.trial import CSIM, Figure, Outcome, Point
from tests.tuning.small_searches import SPEC

NARROW = {ATTENTION: 4.0, EXPERTS: 2.0, "activation": 8.0}
BASE = {ATTENTION: 4e-4, EXPERTS: 2e-4, "activation": 1e-3}
ERROR = 1e-6


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    pytest.importorskip("torch")
    return make_evaluator(random_model(SPEC), [random_picture(SPEC)], SPEC.task_names, load_board("zcu104"))


def simulated(error: float) -> Outcome:
    """The default design as if its simulations had said so."""
    figures = {"error": Figure(error, CSIM), "latency_ms": Figure(1.0, CSIM)}
    return Outcome(Point(()), CSIM, figures=figures)


def test_gains_meet_the_error_that_was_simulated_and_those_of_each_kind() -> None:
    gains = measure_gains({ATTENTION: 4e-3, EXPERTS: 1e-3}, NARROW, BASE, ERROR)
    assert error_of(BASE, gains) == pytest.approx(ERROR)
    # Of the base's error 4e-7 and 1e-7 are the weights': gains 1e-3 and 5e-4. What is left is the rest's: gain 5e-4.
    assert gains.kinds == pytest.approx({ATTENTION: 1e-3, EXPERTS: 5e-4})
    assert gains.rest == pytest.approx(5e-4)


@pytest.mark.parametrize("error", [1e-12, 1e-3])
def test_the_gain_of_all_else_stays_near_that_of_weights_which_hide_it(error: float) -> None:
    gains = measure_gains({ATTENTION: 4e-3, EXPERTS: 1e-3}, NARROW, BASE, error)
    usual = (NARROW[ATTENTION] * gains.kinds[ATTENTION] + NARROW[EXPERTS] * gains.kinds[EXPERTS]) / 6.0
    assert gains.rest == pytest.approx(usual * MOST_APART if error > ERROR else usual / MOST_APART)
    assert error_of(BASE, gains) == pytest.approx(error)


def test_without_a_kind_that_errs_all_noise_counts_alike() -> None:
    gains = measure_gains({}, NARROW, BASE, ERROR)
    assert not gains.kinds
    assert gains.rest == pytest.approx(ERROR / sum(BASE.values()))


def test_estimates_meet_the_base_and_rank_kinds_as_the_float_reference_does(evaluator: Evaluator) -> None:
    scaled = evaluator.scaled_by(simulated(1e-6))
    assert scaled.gains is not None
    knobs = scaled.knobs(Point(()))
    assert error_of(scaled.noise(knobs), scaled.gains) == pytest.approx(1e-6)
    formats = choose_formats(evaluator.prepared.network, evaluator.seen, Widths(16, 16))
    truth = evaluator.truths[0]
    frames = [(evaluator.images[0], truth.tokens, truth.experts)]
    measured = squared_errors(evaluator.model, evaluator.prepared.network, formats, frames, evaluator.tasks[0], 8)
    assert list(measured) == [kind.name for kind in WEIGHT_KINDS.values() if kind.parts]
    assert min(measured.values()) > 0
    added = {
        kind: error_of(scaled.noise(replace(knobs, **{knob: 8})), scaled.gains) - 1e-6
        for knob, kind in ((kind.knob, kind.name) for kind in OWN_WIDTH if kind.parts)
    }
    assert sorted(added, key=lambda kind: added[kind]) == sorted(added, key=lambda kind: measured[kind])


def test_narrow_designs_are_ranked_by_what_rounding_together_leaves() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    shape = 3, SPEC.image.height, SPEC.image.width
    pictures = [rng.random(shape, dtype=np.float32) for _ in range(4)]
    together = make_evaluator(random_model(SPEC), pictures, SPEC.task_names, load_board("zcu104"))
    scaled = together.scaled_by(simulated(1e-6))
    alone = replace(together, rounding=NEAREST, _cache={}).scaled_by(simulated(1e-6))
    assert scaled.gains is not None and alone.gains is not None
    assert not alone.gains.together
    assert set(scaled.gains.together) == {kind.name for kind in WEIGHT_KINDS.values() if kind.parts}
    assert max(scaled.gains.together[kind] for kind in (ATTENTION, MLP, EXPERTS)) < 0.9
    for knobs, better in ((Knobs(), False), (Knobs(mlp_weight_bits=8), True), (Knobs(expert_weight_bits=8), True)):
        mine, other = (
            error_of(each.noise(knobs), gains) for each, gains in ((scaled, scaled.gains), (alone, alone.gains))
        )
        assert mine < 0.95 * other if better else mine == pytest.approx(other)


def test_noise_of_keys_and_values_and_of_activations_goes_with_their_own_widths(evaluator: Evaluator) -> None:
    base, cache, wide = (
        evaluator.noise(knobs) for knobs in (Knobs(), Knobs(cache_bits=12), Knobs(activation_bits=20, cache_bits=18))
    )
    assert cache["cache"] > 100 * base["cache"]
    assert {**cache, "cache": 0.0} == {**base, "cache": 0.0}
    assert wide["activation"] < base["activation"]
    assert wide["cache"] == base["cache"]
