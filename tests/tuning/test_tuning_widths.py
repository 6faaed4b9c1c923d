"""Widths of experts' weights in a search: fewer bytes, larger errors, formats of their own, and rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemoe_gen.boards import load_board
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.tuning import Dimension, Evaluator, Outcome, Space, make_evaluator
from edgemoe_gen.tuning.evaluate import moved_bytes
from edgemoe_gen.tuning.trial import ESTIMATE, Point
from tests.tuning.small_searches import SPEC

pytest.importorskip("torch")
SPACE = Space((Dimension("expert_weight_bits", (0, 5, 8)),))
FIXED = {"tokens_parallel": 2, "out_parallel": 16, "in_parallel": 8, "weight_ports": 2}


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    made = make_evaluator(
        random_model(SPEC), [random_picture(SPEC)], SPEC.task_names, load_board("zcu104"), chosen=FIXED
    )
    return replace(made, error_scale=1.0)


@pytest.fixture(scope="module")
def outcomes(evaluator: Evaluator) -> dict[int, Outcome]:
    found = [evaluator.outcome(point, ESTIMATE) for point in SPACE.points()]
    assert all(outcome.feasible for outcome in found), [outcome.detail for outcome in found]
    return {int(outcome.point.as_dict()["expert_weight_bits"]): outcome for outcome in found}


def test_narrow_experts_move_fewer_bytes_and_err_more(outcomes: dict[int, Outcome]) -> None:
    wide, eight, five = (outcomes[bits].figures for bits in (0, 8, 5))
    assert eight["ddr_bytes"].value < wide["ddr_bytes"].value
    assert five["ddr_bytes"].value == eight["ddr_bytes"].value, "two weights in the place of one, whatever their width"
    assert wide["error"].value < eight["error"].value < five["error"].value


def test_estimates_count_the_bytes_of_the_real_program(evaluator: Evaluator, outcomes: dict[int, Outcome]) -> None:
    for outcome in outcomes.values():
        program = evaluator.program(evaluator.design(outcome.point), evaluator.tasks[:1])
        assert outcome.figures["ddr_bytes"].value == moved_bytes(program)


def test_only_experts_weights_get_other_formats(evaluator: Evaluator) -> None:
    wide, narrow = (evaluator.formats(evaluator.knobs(Point.of({"expert_weight_bits": bits}))) for bits in (0, 8))
    for row in narrow.rows():
        assert row.form.bits == (8 if ".experts." in row.name else wide[row.name].bits)
    assert any(".experts." in row.name for row in narrow.rows())
    same = evaluator.formats(evaluator.knobs(Point.of({"expert_weight_bits": 16})))
    assert same is wide, "16 bits are those of all other weights"


@pytest.mark.parametrize(("weight_bits", "expert_bits"), [(12, 8), (16, 9), (8, 9)])
def test_more_than_half_of_the_other_weights_width_is_refused_by_rule(
    evaluator: Evaluator, weight_bits: int, expert_bits: int
) -> None:
    point = Point.of({"weight_bits": weight_bits, "expert_weight_bits": expert_bits})
    outcome = evaluator.outcome(point, ESTIMATE)
    assert not outcome.feasible
    assert outcome.reason == "breaks a rule of expert_weight_bits"
    assert "at most half of weight_bits" in outcome.detail
    assert not outcome.figures
