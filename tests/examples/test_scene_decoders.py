"""The example's decoders in integers against float32, on a few scenes; benchmarks/decoders.py measures 400."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from decoders import BARS, WAYS, Tally, load_example, measure, missed

SCENES = 3
UNMOVED = "18 x 8, scales not moved"


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return measure(load_example(), [way for way in WAYS if way.name in (*BARS, UNMOVED)], SCENES)


@pytest.mark.slow
@pytest.mark.parametrize("name", BARS)
def test_integer_decoders_are_as_good_as_float(tallies: dict[str, Tally], name: str) -> None:
    assert len(tallies[name].as_float) == SCENES
    assert missed(name, tallies[name], tallies["float"]) == []


@pytest.mark.slow
def test_narrow_weights_err_more_and_less_where_scales_move_through_relu(tallies: dict[str, Tally]) -> None:
    def error(name: str) -> float:
        return math.sqrt(tallies[name].errors / tallies[name].power) + math.sqrt(np.mean(tallies[name].depth_errors))

    assert 10 * error("18 x 16") < error("18 x 8") < 0.9 * error(UNMOVED)


@pytest.mark.slow
def test_a_bar_that_is_missed_is_named(tallies: dict[str, Tally]) -> None:
    wrong = Tally(depth=[2 * tallies["float"].depth_error], as_float=[0.5], ids_as_float=[0.9995])
    wrong.matrix.add(np.zeros(4, np.int64), np.zeros(4, np.int64))
    assert missed("18 x 16", wrong, tallies["float"]) == [
        "mIoU within 0.001", "depth error within 1%", "classes as float on 99.9%",
    ]  # fmt: skip
