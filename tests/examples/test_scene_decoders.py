"""The example's decoders against float32, in integers and on the engine, on few scenes of benchmarks/decoders.py."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import torch
from decoders import BARS, SIMULATED, WAYS, Tally, Way, load_example, measure, missed

from edgemoe_gen.api.common import compile_frames
from edgemoe_gen.model import read_spec_file
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import no_progress, open_design, open_model
from edgemoe_gen.sim.compiler import Build
from edgemoe_gen.sim.engine import Engine
from examples.scenes.evaluate import CHECKPOINT, load_network
from examples.scenes.network import M3ViT, Sizes
from examples.scenes.render import render_many
from examples.scenes.ship import write_checkpoint, write_spec
from examples.scenes.train import Recipe, round_to_half, train

SCENES = 3
UNMOVED = "18 x 8, scales not moved"
WHOLE = "18 x 16, whole network"


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return measure(load_example(), [way for way in WAYS if way.name in (*BARS, UNMOVED, WHOLE)], SCENES)


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in WAYS if way.name in (*BARS, WHOLE)], ids=lambda way: way.name)
def test_decoders_in_integers_and_on_the_engine_are_as_good_as_float(tallies: dict[str, Tally], way: Way) -> None:
    tally = tallies[way.name]
    assert len(tally.as_float) == SCENES and bool(tally.as_integers) == (way.tier == SIMULATED)
    assert way.bars is not None and missed(way.bars, tally, tallies["float"]) == []


@pytest.mark.slow
def test_narrow_weights_err_more_and_less_where_scales_move_through_relu(tallies: dict[str, Tally]) -> None:
    def error(name: str) -> float:
        return math.sqrt(tallies[name].errors / tallies[name].power) + math.sqrt(np.mean(tallies[name].depth_errors))

    assert 10 * error("18 x 16") < error("18 x 8") < 0.9 * error(UNMOVED)


@pytest.mark.slow
def test_a_bar_that_is_missed_is_named(tallies: dict[str, Tally]) -> None:
    wrong = Tally(depth=[2 * tallies["float"].depth_error], as_float=[0.5], ids_as_float=[0.9995])
    wrong.matrix.add(np.zeros(4, np.int64), np.zeros(4, np.int64))
    assert missed(BARS["18 x 16"], wrong, tallies["float"]) == [
        "mIoU within 0.001", "depth error within 1%", "classes as float on 99.9%",
    ]  # fmt: skip


def test_what_is_not_the_integer_reference_s_misses_every_bar() -> None:
    exact = Tally(depth=[1.0], as_float=[1.0], as_integers=[1.0, 0.9999])
    exact.matrix.add(np.zeros(4, np.int64), np.zeros(4, np.int64))
    for bars in BARS.values():
        assert missed(bars, exact, exact) == ["what leaves the chip as the integer reference"]


@pytest.mark.nightly
def test_class_numbers_of_a_network_with_patches_of_16_pixels_are_float_s(tmp_path: Path) -> None:
    """A network that a short training made, as the script does: random weights would leave ties."""
    torch.manual_seed(0)
    network = M3ViT(Sizes(patch=16))
    assert train(network, render_many(range(64)), Recipe(scenes=64, steps=60, minutes=10, patch=16)) == 60
    round_to_half(network)
    write_checkpoint(tmp_path / CHECKPOINT.name, network, 1, 0.0)
    write_spec(tmp_path / "spec.toml", tmp_path / CHECKPOINT.name, network.sizes)
    assert load_network(tmp_path / CHECKPOINT.name).sizes == network.sizes
    tally = measure(load_example(tmp_path), [way for way in WAYS if way.name == WHOLE], SCENES)[WHOLE]
    assert len(tally.ids_as_float) == SCENES and np.mean(tally.ids_as_float) >= 0.999
    assert len(tally.as_integers) == 2 and min(tally.as_integers) == 1


@pytest.mark.nightly
def test_exact_widths_give_the_bytes_of_the_example_s_default_design() -> None:
    """Counters are as wide as hardware's there: C simulation with native integers sees none that is too narrow."""
    pytest.importorskip("hls4ml")
    folder = Path(__file__).parents[2] / "examples" / "scenes"
    model_of = read_spec_file(folder / "spec.toml")
    config = Config(checkpoint=folder / "checkpoint.pth.tar", model=model_of, images=(folder / "images",))
    model = open_model(config)
    design = open_design(config, model.spec)
    assert design.knobs.max_map_width
    program, pictures, _ = compile_frames(config, model, design, model.spec.task_names, [], no_progress)
    image = pack_image(program, model.spec, pictures)
    plain, exact = (
        Engine.compile(design, build).run_program(program, image).result for build in (Build(), Build(ap_types=True))
    )
    assert np.array_equal(plain, exact)
