"""Decoders on the engine, from the simulated board: class numbers, values and logits, batches and streams."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.overlay import Accelerator
from edgemoe_gen.overlay.decoders import model_decoder
from edgemoe_gen.overlay.driver.layouts import MAP, TOKENS
from edgemoe_gen.overlay.driver.manifest import read_manifest
from tests.overlay.map_builds import MapBuild, map_build
from tests.overlay.small_builds import SmallBuild, random_frame

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytest.importorskip("torch")
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


@pytest.fixture(scope="module")
def maps() -> MapBuild:
    return map_build()


@pytest.fixture(scope="module")
def build(maps: MapBuild) -> SmallBuild:
    return maps.build


@pytest.fixture(scope="module")
def overlay(maps: MapBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return maps.package(tmp_path_factory.mktemp("overlay"))


@pytest.fixture
def accelerator(overlay: Path, board: Any) -> Iterator[Accelerator]:
    assert not board.allocated
    with Accelerator(overlay) as opened:
        yield opened


def test_board_csim_and_integer_reference_give_the_same_bytes(maps: MapBuild, accelerator: Accelerator) -> None:
    frame = random_frame(maps.build.spec, 3)
    scene, depth = (accelerator.run(frame, task) for task in ("semseg", "depth"))
    reference = maps.reference(scene.tokens, "semseg")
    assert scene.output is None and scene.classes.dtype == np.uint8
    assert np.array_equal(scene.classes, reference.classes) and len(np.unique(scene.classes)) > 1
    simulated = maps.csim(frame, "semseg")
    assert simulated.output is None and np.array_equal(simulated.ids, scene.classes)
    assert np.array_equal(simulated.tokens, scene.tokens)
    reference = maps.reference(depth.tokens, "depth")
    values = reference.values.transpose(2, 0, 1) * np.float32(2.0**-reference.form.fraction)
    assert depth.classes is None and depth.output.dtype == np.float32
    assert np.array_equal(depth.output, values) and np.ptp(values) > 0
    assert np.array_equal(maps.csim(frame, "depth").output, depth.output)


def test_a_float_map_comes_where_it_is_asked_for(maps: MapBuild, accelerator: Accelerator) -> None:
    frame = random_frame(maps.build.spec, 4)
    result = accelerator.run(frame, "semseg", decode="map")
    decoder = model_decoder(maps.build.model, "semseg")
    assert decoder is not None
    wanted = decoder(result.tokens)
    assert result.output.shape == wanted.shape == (7, 32, 64)
    assert np.abs(result.output - wanted).max() < 0.02 * np.abs(wanted).max()
    classes = accelerator.run(frame, "semseg").classes
    assert np.mean(result.classes == classes) > 0.99
    assert np.mean(wanted.argmax(axis=0) == classes) > 0.97
    # A task of values has its map anyway.
    assert np.array_equal(accelerator.run(frame, "depth", decode="map").output, accelerator.run(frame, "depth").output)


def test_without_decoders_the_engine_ends_with_the_tokens(maps: MapBuild, accelerator: Accelerator) -> None:
    result = accelerator.run(maps.build.frame, "semseg", decode=False)
    assert result.output is None and result.classes is None
    whole = accelerator.run(maps.build.frame, "semseg")
    assert np.array_equal(result.tokens, whole.tokens)
    tasks = accelerator.manifest.tasks
    assert set(tasks["semseg"].variants) == {TOKENS, MAP} and set(tasks["depth"].variants) == {TOKENS}
    task = tasks["semseg"]
    assert task.variants[TOKENS].operations.total < task.variants[MAP].operations.total < task.operations.total


def test_streams_and_batches_give_what_single_frames_give(maps: MapBuild, accelerator: Accelerator) -> None:
    frames = [random_frame(maps.build.spec, seed) for seed in range(4)]
    tasks = ("semseg", "depth")
    single = [accelerator.run(frame, tasks[i % 2]) for i, frame in enumerate(frames)]
    streamed = list(accelerator.stream(frames, alternate=True))
    assert [result.frame for result in streamed] == [0, 1, 2, 3]
    for one, other in zip(single, streamed, strict=True):
        _same(one, other)
    asked = list(accelerator.stream(frames[:1], ["semseg"], decode="map"))
    assert np.array_equal(asked[0].output, accelerator.run(frames[0], "semseg", decode="map").output)
    batch = accelerator.batch(frames, "semseg")
    for frame, result in zip(frames, batch, strict=True):
        _same(accelerator.run(frame, "semseg"), result)
    tokens = accelerator.batch(frames[:2], "semseg", decode=False)
    assert np.array_equal(tokens[1].tokens, batch[1].tokens) and tokens[1].classes is None


@pytest.mark.nightly
def test_a_long_stream_of_task_switches_loses_nothing(maps: MapBuild, accelerator: Accelerator) -> None:
    """2,000 frames, pictures and tasks in turns of their own: every result is that of its own picture and task."""
    pictures = [random_frame(maps.build.spec, seed) for seed in range(5)]
    known = {task: [accelerator.run(picture, task) for picture in pictures] for task in ("semseg", "depth")}
    count = 0
    for result in accelerator.stream((pictures[i % 5] for i in range(2000)), alternate=True):
        assert result.frame == count and result.task == ("semseg", "depth")[count % 2]
        _same(known[result.task][count % 5], result)
        count += 1
    assert count == 2000


def _same(one: Any, other: Any) -> None:
    assert np.array_equal(one.tokens, other.tokens)
    assert (one.ids is None) == (other.ids is None) and (one.output is None) == (other.output is None)
    assert np.array_equal(
        one.ids if one.output is None else one.output, other.ids if other.output is None else other.output
    )


@pytest.mark.slow
def test_frames_that_share_a_pass_are_decoded(tmp_path: Path) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    shared = map_build(frames=2)
    folder = shared.package(tmp_path)
    frames = [random_frame(shared.build.spec, seed) for seed in range(3)]
    with SimulatedDevice(shared.build.engine), Accelerator(folder) as accelerator:
        for frame, result in zip(frames, accelerator.batch(frames, "semseg"), strict=True):
            _same(accelerator.run(frame, "semseg"), result)


def test_maps_that_end_before_the_last_doubling_are_doubled_by_the_host(tmp_path: Path) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    other = map_build(doubles=False)
    folder = other.package(tmp_path)
    with SimulatedDevice(other.build.engine), Accelerator(folder) as accelerator:
        result = accelerator.run(other.build.frame, "semseg")
        assert accelerator.manifest.tasks["semseg"].where == "logits"
        logits = other.reference(result.tokens, "semseg").map.astype(np.float32)
        import torch

        doubled = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], scale_factor=2, mode="bilinear")[0]
        np.testing.assert_allclose(result.output, doubled.numpy(), rtol=1e-5, atol=1e-5)
        assert np.array_equal(result.classes, result.output.argmax(axis=0))


def test_the_manifest_says_where_decoders_run(overlay: Path) -> None:
    manifest = read_manifest(overlay)
    assert {name: (task.where, task.reason) for name, task in manifest.tasks.items()} == {
        "semseg": ("engine", ""),
        "depth": ("engine", ""),
    }
    assert manifest.decoders is None and not (overlay / "decoders.npz").exists()
    assert manifest.tasks["semseg"].map is not None and manifest.tasks["semseg"].map.kind == "classes"


def test_selftest_compares_the_maps_too(accelerator: Accelerator, overlay: Path) -> None:
    assert set(accelerator.selftest()) == {"semseg", "depth"}
    layout = accelerator.manifest.tasks["semseg"].map
    assert layout is not None
    expected = np.frombuffer((overlay / "selftest/semseg.bin").read_bytes(), np.uint8)
    assert layout.first + layout.height * layout.row_bytes == expected.size
