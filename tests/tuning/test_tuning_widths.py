"""Widths of single kinds of weights in a search: fewer bytes, larger errors, formats of their own, and rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model.random import random_model, random_picture
from edgemoe_gen.numerics.widths import OWN_WIDTH, kind_of
from edgemoe_gen.tuning import Evaluator, make_evaluator
from edgemoe_gen.tuning.energy import energy_mj
from edgemoe_gen.tuning.figures import moved_bytes
from edgemoe_gen.tuning.noise import Gains
from edgemoe_gen.tuning.trial import ESTIMATE, Figure, Point
from tests.sim.engines import small_design
from tests.tuning.small_searches import SPEC

pytest.importorskip("torch")
FIXED = {"tokens_parallel": 2, "out_parallel": 16, "in_parallel": 8, "weight_ports": 2}
KINDS = {kind.knob: kind.name for kind in OWN_WIDTH if kind.parts}  # those of blocks
# Layers of a program whose weights each knob makes narrow, by a part of their names.
LAYERS = {
    "attention_weight_bits": (".query", ".key.", ".value.", ".projection"),
    "mlp_weight_bits": ("blocks.0.fc",),
    "expert_weight_bits": (".experts.",),
}


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    made = make_evaluator(
        random_model(SPEC), [random_picture(SPEC)], SPEC.task_names, load_board("zcu104"), chosen=FIXED
    )
    return replace(made, gains=Gains({}, 1.0))


def figures(evaluator: Evaluator, **knobs: int) -> dict[str, Figure]:
    outcome = evaluator.outcome(Point.of(knobs), ESTIMATE)
    assert outcome.feasible, outcome.detail
    return dict(outcome.figures)


@pytest.mark.parametrize("knob", KINDS)
def test_narrow_weights_of_a_kind_move_fewer_bytes_take_less_energy_and_err_more(
    evaluator: Evaluator, knob: str
) -> None:
    wide, eight, five = (figures(evaluator, **{knob: bits}) for bits in (0, 8, 5))
    assert eight["ddr_bytes"].value < wide["ddr_bytes"].value
    assert five["ddr_bytes"].value == eight["ddr_bytes"].value, "two weights in the place of one, whatever their width"
    assert wide["error"].value < eight["error"].value < five["error"].value
    # Of two designs that move the same bytes, the one with narrower products takes less energy.
    assert five["energy_mj"].value < eight["energy_mj"].value < wide["energy_mj"].value


@pytest.mark.parametrize("knob", KINDS)
def test_narrow_weights_of_a_kind_halve_the_weights_of_its_layers_and_no_others(
    evaluator: Evaluator, knob: str
) -> None:
    wide, narrow = (
        evaluator.prepared.program(evaluator.design(Point.of({knob: bits})), evaluator.tasks[:1]) for bits in (0, 8)
    )
    design, saved = wide.design, 0
    for layer, before, after in zip(wide.layers, wide.operations, narrow.operations, strict=True):
        mine = before.weight_beats > 0 and "norm" not in layer and any(part in layer for part in LAYERS[knob])
        biases = before.out_tiles * design.bias_steps * design.knobs.fill_beats
        wanted = biases + (before.weight_beats - biases) // 2 if mine else before.weight_beats
        assert after.weight_beats == wanted, layer
        saved += before.weight_beats - after.weight_beats
    assert saved > 0
    step = design.knobs.weight_ports * design.beat_bytes
    assert moved_bytes(wide) - moved_bytes(narrow) == saved * step


@pytest.mark.parametrize("knobs", [{}, *({knob: 8} for knob in KINDS), dict.fromkeys(KINDS, 8)])
def test_estimates_count_the_bytes_of_the_real_program(evaluator: Evaluator, knobs: dict[str, int]) -> None:
    program = evaluator.prepared.program(evaluator.design(Point.of(knobs)), evaluator.tasks[:1])
    assert figures(evaluator, **knobs)["ddr_bytes"].value == moved_bytes(program)


@pytest.mark.parametrize("knob", KINDS)
def test_only_weights_of_the_kind_get_other_formats(evaluator: Evaluator, knob: str) -> None:
    wide, narrow = (evaluator.prepared.formats(evaluator.knobs(Point.of({knob: bits})).widths) for bits in (0, 8))
    for row in narrow.rows():
        assert row.form.bits == (8 if kind_of(row.name) == KINDS[knob] else wide[row.name].bits)
    assert any(kind_of(row.name) == KINDS[knob] for row in narrow.rows())
    same = evaluator.prepared.formats(evaluator.knobs(Point.of({knob: 16})).widths)
    assert same is wide, "16 bits are those of all other weights"


def test_a_fifo_below_its_least_depth_is_refused_in_a_sentence(evaluator: Evaluator) -> None:
    outcome = evaluator.outcome(Point.of({"fifo_depths.measured": 24}), ESTIMATE)
    assert not outcome.feasible and not outcome.figures
    assert outcome.reason == "breaks a rule of fifo_depths.measured"
    assert outcome.detail.startswith("the FIFO measured is 24 deep (fifo_depths.measured), but needs ")


@pytest.mark.parametrize("knob", KINDS)
@pytest.mark.parametrize(("weight_bits", "bits"), [(12, 8), (16, 9), (8, 9)])
def test_more_than_half_of_the_other_weights_width_is_refused_by_rule(
    evaluator: Evaluator, knob: str, weight_bits: int, bits: int
) -> None:
    outcome = evaluator.outcome(Point.of({"weight_bits": weight_bits, knob: bits}), ESTIMATE)
    assert not outcome.feasible
    assert outcome.reason == f"breaks a rule of {knob}"
    assert "at most half of weight_bits" in outcome.detail
    assert not outcome.figures


def test_two_narrow_widths_are_refused_by_rule(evaluator: Evaluator) -> None:
    outcome = evaluator.outcome(Point.of({"attention_weight_bits": 8, "mlp_weight_bits": 6}), ESTIMATE)
    assert not outcome.feasible
    assert "one width of narrow weights" in outcome.detail


def test_products_count_with_the_activity_of_a_trained_network() -> None:
    design = small_design(weight_bits=16, activation_bits=18)
    alone = energy_mj(design, {"qkv": 10**9}, 0)
    published = 0.8 * (18 * 16 * 3.1 / 1024 + 0.1 / 32 * design.accumulator_bits)  # pJ = mJ of 1e9 products
    assert alone == pytest.approx(published)
    assert energy_mj(design, {}, 64 / 8) == pytest.approx(1300e-9)
