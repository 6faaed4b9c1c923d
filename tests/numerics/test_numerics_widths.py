"""Kinds of tensors: every tensor of a network, and every layer that counts products, is of one that has a width."""

from __future__ import annotations

import pytest

from edgemoe_gen.design.knobs import NARROW_KNOBS, Knobs
from edgemoe_gen.model import macs
from edgemoe_gen.numerics.formats import choose_formats
from edgemoe_gen.numerics.widths import (
    ATTENTION,
    EXPERTS,
    MLP,
    OWN_WIDTH,
    PATCH,
    ROUTER,
    WEIGHT_KINDS,
    Widths,
    block_kinds,
    kind_of,
)
from tests.sim.engines import Case, random_case

pytest.importorskip("torch")
WIDTHS = Widths(activation=18, weight=16, attention=5, mlp=6, experts=7, cache=15)
KINDS = {
    "patch": PATCH, "blocks.0.query.weight": ATTENTION, "blocks.0.key.weight": ATTENTION,
    "blocks.1.value.weight": ATTENTION, "blocks.1.projection.weight": ATTENTION, "blocks.0.fc1.weight": MLP,
    "blocks.0.fc2.weight": MLP, "blocks.1.experts.3.fc1.weight": EXPERTS, "blocks.1.experts.0.fc2.weight": EXPERTS,
    "blocks.1.router.depth.weight": ROUTER,
}  # fmt: skip
BITS = {PATCH: 16, ATTENTION: 5, MLP: 6, EXPERTS: 7, ROUTER: 16}


@pytest.fixture(scope="module")
def case() -> Case:
    return random_case(frames=1, depth=2)


def test_each_kind_of_weights_is_as_wide_as_it_is_said_to_be(case: Case) -> None:
    formats = choose_formats(case.network, case.seen, WIDTHS)
    assert set(KINDS) <= set(formats.table)
    for row in formats.rows():
        if row.kind == "weight":
            assert row.form.bits == BITS[kind_of(row.name)], row.name
        else:
            kept = row.name.endswith((".key", ".value"))
            assert row.form.bits == (16 if row.name == "image" else 15 if kept else 18), row.name
    for name, kind in KINDS.items():
        assert kind_of(name) == kind


def test_kinds_that_are_not_said_are_as_wide_as_weights() -> None:
    assert Widths(18, 12) == Widths(18, 12, attention=12, mlp=12, experts=12, cache=18)
    assert Widths(18, 12, experts=6).of_kind(ATTENTION) == 12


def test_every_layer_that_counts_products_has_the_width_of_its_operands(case: Case) -> None:
    wanted = {
        "patch_embed": 16, "qkv": 5, "scores": 15, "mix": 15, "projection": 5, "mlp": 6, "gates": 16, "experts": 7,
    }  # fmt: skip
    assert {layer: WIDTHS.of_layer(layer) for layer in macs(case.model.spec)} == wanted


def test_every_kind_of_weights_with_a_width_of_its_own_has_a_knob_that_says_it() -> None:
    assert tuple(kind.knob for kind in OWN_WIDTH) == NARROW_KNOBS
    for kind in OWN_WIDTH:
        widths = Knobs(weight_bits=16, **{kind.knob: 8}).widths
        assert {name: widths.of_kind(name) for name in WEIGHT_KINDS} == {
            **dict.fromkeys(WEIGHT_KINDS, 16),
            kind.name: 8,
        }


def test_a_block_has_the_kinds_of_its_layers(case: Case) -> None:
    names = [row.name for row in choose_formats(case.network, case.seen, WIDTHS).rows() if row.kind == "weight"]
    for index, block in enumerate(case.model.spec.blocks):
        here = {kind_of(name) for name in names if name.startswith(f"blocks.{index}.")}
        assert block_kinds(bool(block.experts)) == here
