"""Binary points: nothing that calibration saw saturates, no bit is left unused, and pins are kept."""

from __future__ import annotations

import numpy as np
import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.numerics.fixed import Format, dequantise, finer_outputs, fraction_for, quantise
from edgemoe_gen.numerics.formats import HEADROOM, IMAGE_BITS, Observation, choose_formats, observe_ranges
from edgemoe_gen.numerics.tables import EXP_POSITION_BITS
from edgemoe_gen.numerics.widths import Widths
from tests.sim.engines import Case, random_case

pytest.importorskip("torch")
WIDTHS = [(18, 16), (16, 8), (12, 12)]


@pytest.fixture(scope="module")
def case() -> Case:
    return random_case(seed=90)


@pytest.mark.parametrize(("activation_bits", "weight_bits"), WIDTHS)
def test_nothing_that_calibration_saw_saturates(case: Case, activation_bits: int, weight_bits: int) -> None:
    formats = choose_formats(case.network, case.seen, Widths(activation_bits, weight_bits))
    for name, observation in case.seen.items():
        if name.endswith((".norm1", ".norm2")):
            block = case.network.blocks[int(name.split(".")[1])]
            shifts = block.shifts1 if name.endswith("1") else block.shifts2
            observation = observation.scaled(np.exp2(-shifts.astype(np.float64)))
        form = formats[name]
        integers = quantise(observation.samples, form)
        assert np.abs(integers).max() <= (1 << (form.bits - 1)) - 1
        assert observation.largest <= form.largest + form.step / 2
    for block in case.network.blocks:
        for part in ("query", "key", "value", "projection"):
            form = formats[f"blocks.{block.index}.{part}.weight"]
            assert np.abs(getattr(block, part).weight).max() <= form.largest + form.step / 2


@pytest.mark.parametrize(("activation_bits", "weight_bits"), WIDTHS)
def test_one_bit_more_below_the_point_would_saturate(case: Case, activation_bits: int, weight_bits: int) -> None:
    formats = choose_formats(case.network, case.seen, Widths(activation_bits, weight_bits))
    for row in formats.rows():
        room = HEADROOM if row.kind == "activation" and row.name != "image" else 1.0
        limited = (".scores." in row.name or row.name.endswith(".logits")) and row.form.fraction == EXP_POSITION_BITS
        assert limited or row.largest * room > row.form.largest / 2 - row.form.step


def test_errors_of_the_table_are_those_of_rounding(case: Case) -> None:
    for row in choose_formats(case.network, case.seen, Widths(16, 16)).rows():
        # A rounding is off by at most half a step; relative to values of which the largest takes half the range.
        assert 0 <= row.error < 0.05
    coarse = choose_formats(case.network, case.seen, Widths(12, 8))
    fine = choose_formats(case.network, case.seen, Widths(18, 16))
    for row in coarse.rows():
        # Each output's weights use their whole width, whatever the layer's format.
        lost = 2.0 ** (8 if row.kind == "weight" else fine[row.name].fraction - row.form.fraction)
        if lost > 1:
            assert row.error == pytest.approx(fine.table[row.name].error * lost, rel=0.35)


def test_each_output_is_as_fine_as_its_own_largest_weight_allows() -> None:
    form = Format(8, 6)
    weight = np.array([[1.9, -0.3], [0.4, 0.1], [0.0, 0.0], [-0.25, 0.0]])
    finer = finer_outputs(weight, form, 5)
    # 0.4 * 2^8 = 102 fits 127 and twice that does not; 0.25 * 2^8 = 64 fits and 128 would not; zeros take the most.
    assert finer.tolist() == [0, 2, 5, 2]


def test_widths_are_those_asked_for(case: Case) -> None:
    formats = choose_formats(case.network, case.seen, Widths(18, 12))
    widths = {"activation": 18, "weight": 12}
    for row in formats.rows():
        assert row.form.bits == (IMAGE_BITS if row.name == "image" else widths[row.kind])


def test_every_tensor_of_the_engine_has_a_format(case: Case) -> None:
    names = set(choose_formats(case.network, case.seen, Widths(18, 16)).table)
    assert {"image", "patch", "embed"} <= names
    for block in case.network.blocks:
        name = f"blocks.{block.index}"
        assert {f"{name}.scores.{head}" for head in range(2)} <= names
        assert {f"{name}.{part}" for part in ("norm1", "query", "key", "value", "residual", "norm2", "hidden")} <= names
        if block.routers:
            assert f"{name}.logits" in names
            assert {f"{name}.router.{task}.weight" for task in case.model.spec.task_names} <= names
            assert {f"{name}.experts.{e}.fc1.weight" for e in range(4)} <= names


def test_pinned_formats_are_kept_and_marked(case: Case) -> None:
    pins = {"embed": 9, "blocks.1.query": 7, "blocks.0.fc1.weight": 11}
    formats = choose_formats(case.network, case.seen, Widths(18, 16), pins)
    free = choose_formats(case.network, case.seen, Widths(18, 16))
    for row in formats.rows():
        assert row.pinned == (row.name in pins)
        assert row.form.fraction == pins.get(row.name, free[row.name].fraction)


def test_a_pin_of_no_tensor_is_refused_by_name(case: Case) -> None:
    with pytest.raises(ConfigError, match=r"'blocks\.9\.query' is not a tensor"):
        choose_formats(case.network, case.seen, Widths(18, 16), {"blocks.9.query": 4, "embed": 9})


@pytest.mark.parametrize("name", ["blocks.0.scores.1", "blocks.1.logits"])
def test_scores_can_t_be_pinned_finer_than_the_exponential_s_argument(case: Case, name: str) -> None:
    choose_formats(case.network, case.seen, Widths(18, 16), {name: EXP_POSITION_BITS})
    with pytest.raises(ConfigError, match=f"'{name}' is pinned to {EXP_POSITION_BITS + 1}"):
        choose_formats(case.network, case.seen, Widths(18, 16), {name: EXP_POSITION_BITS + 1})


def test_calibration_reports_each_run_and_adds_up_over_images_and_tasks(case: Case) -> None:
    calls = []
    seen = observe_ranges(case.model, case.images, case.model.spec.task_names, lambda: calls.append(1))
    assert len(calls) == 2 * len(case.images)
    alone = [observe_ranges(case.model, [image], case.model.spec.task_names) for image in case.images]
    for name, observation in seen.items():
        assert observation.largest == max(part[name].largest for part in alone)
        assert len(observation.samples) == sum(len(part[name].samples) for part in alone)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_narrow_activations_have_the_binary_point_of_least_squares(bits: int) -> None:
    """One value needs a bit that all others would pay for: with headroom it reaches just beyond a power of two."""
    case = random_case()
    rng = np.random.default_rng(4)
    tail = rng.uniform(-2.4, 2.4, size=(400, case.model.spec.dim)).astype(np.float32)
    tail[7, 3] = 4.1 / HEADROOM
    seen = dict(case.seen)
    seen["embed"] = Observation()
    seen["embed"].add(tail)
    row = choose_formats(case.network, seen, Widths(bits, 16)).table["embed"]
    widest = fraction_for(row.largest * HEADROOM, bits)

    def squares(fraction: int) -> float:
        form, values = Format(bits, fraction), tail.astype(np.float64) * HEADROOM
        return float(np.square(dequantise(quantise(values, form), form) - values).sum())

    assert row.form.fraction == min(range(widest, widest + 5), key=squares) > widest
    wide = choose_formats(case.network, seen, Widths(18, 16)).table["embed"]
    assert wide.form.fraction == fraction_for(wide.largest * HEADROOM, 18)
