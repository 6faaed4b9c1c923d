"""A project with narrow weights: what calibration decides of them is kept, measured and shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.base.build_files import NARROW
from edgemoe_gen.numerics.layers import layers_of
from edgemoe_gen.pipeline.support.artefacts import read_numerics, write_design, write_network
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.project.config import CALIBRATION_IMAGES, NARROW_CALIBRATION_IMAGES, Config
from edgemoe_gen.project.opening import Numerics, open_calibration, open_numerics
from edgemoe_gen.report.document import narrow_of
from edgemoe_gen.report.narrow_view import COLUMNS, narrow_view
from tests.sim.engines import random_case, small_design

pytest.importorskip("torch")
DESIGN = small_design(expert_weight_bits=8)
TASKS = ("semseg", "depth")


@pytest.fixture(scope="module")
def numerics() -> Numerics:
    case = random_case(5, seed=9)
    said: list[str] = []
    made = open_numerics(
        Config(augment=8),
        case.model,
        DESIGN.knobs,
        case.images,
        TASKS,
        lambda text, *_: said.append(text),
        measure=True,
    )
    assert {"calibrating", "rounding narrow weights together", "measuring narrow tensors"} == set(said)
    return made


def test_a_rendered_folder_gives_the_same_weights_without_calibration(numerics: Numerics, tmp_path: Path) -> None:
    case = random_case(5, seed=9)
    program = compile_network(DESIGN, case.model, numerics.network, numerics.formats, TASKS)
    write_design(DESIGN, tmp_path)
    write_network(program, numerics, case.model.spec, case.images[0], tmp_path)
    again = read_numerics(tmp_path, case.model)
    for name, linear in layers_of(numerics.network).items():
        assert np.array_equal(layers_of(again.network)[name].weight, linear.weight), name
    assert again.columns.keys() == numerics.columns.keys()
    compiled = compile_network(DESIGN, case.model, again.network, again.formats, TASKS)
    assert np.array_equal(compiled.weights, program.weights)
    assert np.array_equal(compiled.constants, program.constants)
    facts = narrow_of(tmp_path)
    assert facts == {**numerics.narrow} if numerics.narrow else False
    assert NARROW.read(tmp_path)["schema"] == 1


def test_the_report_has_errors_of_both_ways_on_both_sets_of_pictures(numerics: Numerics) -> None:
    assert numerics.narrow is not None
    facts = numerics.narrow
    assert facts["pictures"] == {"seen": 7, "unseen": 1, "made": 3, "unseen_of_their_own": True}
    assert [row["kind"] for row in facts["kinds"]] == ["experts", "all"]
    for row in facts["kinds"]:
        assert row["bits"] == 8
        for pictures in ("seen", "unseen"):
            assert set(row[pictures]) == {"nearest", "gptq"}
    assert facts["saturated"]["of"] > facts["saturated"]["values"]
    assert facts["notes"] == []
    view = narrow_view(facts)
    assert all(len(row) == len(COLUMNS) for row in view["rows"])
    assert view["sentences"][0] == "7 pictures for calibration, 1 kept out and measured, 3 of both made of the others."
    assert "values of the pictures kept out are beyond their formats" in view["sentences"][-1]


def test_layers_of_few_tokens_are_named_by_number() -> None:
    facts = {
        "pictures": {"seen": 1, "unseen": 0, "made": 0, "unseen_of_their_own": False},
        "few_tokens": [{"rounding": "bias"}, {"rounding": "nearest"}, {"rounding": "nearest"}],
        "saturated": {"values": 0, "of": 0, "tensors": {}},
        "notes": [],
        "kinds": [],
    }
    assert narrow_view(facts)["sentences"][1] == (
        "3 layers with few tokens of calibration are rounded to nearest: "
        "1 with a corrected bias, 2 with the bias as it was."
    )


def test_nearest_is_as_it_was_and_16_bits_have_nothing_to_say() -> None:
    case = random_case(5, seed=9)
    nearest = open_numerics(Config(rounding="nearest"), case.model, DESIGN.knobs, case.images, TASKS, measure=True)
    assert not nearest.rounded and nearest.narrow is not None and nearest.narrow["rounding"] == "nearest"
    assert set(nearest.narrow["kinds"][0]["seen"]) == {"nearest"}
    wide = open_numerics(Config(augment=8), case.model, small_design().knobs, case.images, TASKS, measure=True)
    assert not wide.rounded and wide.narrow is None
    for name, linear in layers_of(wide.network).items():
        assert np.array_equal(linear.weight, layers_of(case.network)[name].weight)


def test_narrow_tensors_get_more_pictures(tmp_path: Path) -> None:
    spec = random_case(5, seed=9).model.spec
    for i in range(20):
        np.save(tmp_path / f"{i}.npy", np.zeros((3, spec.image.height, spec.image.width), np.uint8))
    config = Config(calibrate=(tmp_path,))
    assert len(open_calibration(config, spec, ())) == CALIBRATION_IMAGES
    assert len(open_calibration(replace(config, knobs={"cache_bits": 12}), spec, ())) == NARROW_CALIBRATION_IMAGES
    assert len(open_calibration(replace(config, knobs={"weight_bits": 8}, calibration_images=3), spec, ())) == 3
