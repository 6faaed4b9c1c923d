"""Errors by group of weights: each is that of its own rounding, and together they are that of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import Reference
from edgemoe_gen.numerics.attribute import Attribution, attribute_error, by_worth, squared_errors
from edgemoe_gen.numerics.formats import choose_formats
from edgemoe_gen.numerics.widths import WEIGHT_KINDS, Widths
from edgemoe_gen.sim.decoded import IntegerDecoder
from tests.numerics.decoded import decoded_case
from tests.sim.engines import Case, check_against_float, compiled, random_case, run_case, small_design

pytestmark = pytest.mark.slow

pytest.importorskip("torch")
BITS = 8


@pytest.fixture(scope="module")
def case() -> Case:
    return random_case(seed=95)


@pytest.fixture(scope="module")
def rows(case: Case) -> tuple[Attribution, ...]:
    return attribute(case, (BITS,))


def attribute(case: Case, widths: tuple[int, ...]) -> tuple[Attribution, ...]:
    formats = choose_formats(case.network, case.seen, Widths(18, 16))
    return attribute_error(case.model, case.network, formats, case.images, case.model.spec.task_names[0], widths)


def test_every_weight_that_a_frame_uses_belongs_to_one_group(case: Case, rows: tuple[Attribution, ...]) -> None:
    assert len({row.group for row in rows}) == len(rows)
    counted = case.network.patch.weight.size
    for block in case.network.blocks:
        parts = [block.query, block.key, block.value, block.projection, *block.routers[:1]]
        counted += sum(part.weight.size for part in (*parts, *(half for pair in block.mlp for half in pair)))
    assert sum(row.weights for row in rows) == counted
    assert all(row.error > 0 for row in rows)


def test_two_bits_less_make_every_error_about_four_times_as_large(case: Case, rows: tuple[Attribution, ...]) -> None:
    coarse = attribute(case, (BITS - 2,))
    ratios = [more.error / less.error for more, less in zip(coarse, rows, strict=True)]
    # Rounding noise is proportional to the step, but for the chance of few weights, so each lies about 4.
    assert 3.0 < np.median(ratios) < 5.0
    assert min(ratios) > 1.5


def test_the_squares_of_all_groups_add_up_to_the_engine_s_error(case: Case, rows: tuple[Attribution, ...]) -> None:
    task = case.model.spec.task_names[0]
    outcome = run_case(compiled(small_design(weight_bits=BITS)), case, (task,))
    check_against_float(outcome)
    frame = outcome.frames[0]
    wanted = Reference(case.model).run(case.images[0], task, routes=frame.experts, with_output=False).tokens
    measured = np.sqrt(np.mean((frame.tokens - wanted) ** 2) / np.mean(wanted**2))
    together = np.sqrt(sum(row.error**2 for row in rows))
    assert 0.6 < measured / together < 1.6


def test_the_best_spent_bits_come_first(rows: tuple[Attribution, ...]) -> None:
    first, *rest = by_worth(rows)
    assert all(first.worth >= row.worth for row in rest)
    dear = replace(first, weights=1000 * first.weights)
    assert dear.worth == pytest.approx(first.worth / 1000)


def test_a_decoder_s_rows_add_up_to_the_error_of_its_integers() -> None:
    case, bits = decoded_case(), 8
    formats = case.formats(Widths(18, 16))
    rows = attribute_error(case.model, case.network, formats, case.images, "semseg", (bits,))
    own = [row for row in rows if row.group.startswith("decoders.")]
    assert [row.group for row in own] == [f"decoders.semseg.conv_{i}" for i in range(4)]
    assert rows[-4:] == tuple(own) and all(row.error == row.free_error and row.sets == 0 for row in own)
    assert [row.weights for row in own] == [layer.weight.size for layer in case.network.decoders["semseg"].layers[:4]]
    knobs = Knobs(decoder_weight_bits=bits)
    design = make_design(knobs, load_board("zcu104"))
    decoder = IntegerDecoder.of(design, case.network, case.formats(knobs.widths), "semseg")
    error = power = 0.0
    for image in case.images:
        wanted = Reference(case.model).run(image, "semseg")
        assert wanted.output is not None
        got = decoder(decoder.tokens(wanted.tokens)).doubled.transpose(2, 0, 1) * decoder.form.step
        error, power = (
            error + float(np.square(got - wanted.output).sum()),
            power + float(np.square(wanted.output).sum()),
        )
    together = np.sqrt(sum(row.error**2 for row in own))
    assert 0.6 < np.sqrt(error / power) / together < 1.6


@pytest.mark.slow
def test_the_model_stays_as_it_was(case: Case) -> None:
    before = {name: values.copy() for name, values in case.model.backbone.items()}
    attribute(case, (4,))
    assert all(np.array_equal(values, before[name]) for name, values in case.model.backbone.items())


def test_absurd_widths_and_no_images_are_refused(case: Case) -> None:
    for bits in (1, 17):
        with pytest.raises(ConfigError, match=f"a width of {bits} bits is asked for patch"):
            attribute(case, (bits,))
    formats = choose_formats(case.network, case.seen, Widths(18, 16))
    with pytest.raises(ConfigError, match="no image"):
        attribute_error(case.model, case.network, formats, (), case.model.spec.task_names[0])


def test_a_kind_that_is_one_group_errs_as_the_group_does(case: Case) -> None:
    formats = choose_formats(case.network, case.seen, Widths(18, 16))
    task = case.model.spec.task_names[0]
    exact = Reference(case.model).run(case.images[0], task, with_output=False)
    assert exact.routes is not None
    frames = [(case.images[0], exact.tokens, exact.routes.experts)]
    rows = attribute_error(case.model, case.network, formats, case.images[:1], task, (6,))
    found = squared_errors(case.model, case.network, formats, frames, task, 6)
    patch = next(row for row in rows if row.kind == "patch")
    assert found["patch"] == pytest.approx(patch.error**2 * float(np.mean(np.square(exact.tokens))), rel=1e-4)
    assert set(found) == {*(kind.name for kind in WEIGHT_KINDS.values() if kind.parts)}
