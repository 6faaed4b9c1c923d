"""Task outputs from the board: maps, logits, batches, and the notebook that shows them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.overlay import Accelerator, FrameError, OverlayError
from edgemoe_gen.pipeline.running import run_csim
from tests.overlay.decoder_networks import DecodedBuild, decoded_build
from tests.overlay.repackaging import rewrite
from tests.overlay.small_builds import NAME, SAID, SmallBuild, network_input, random_frame, small_build
from tests.sim.engines import NO_ROUTER, random_case

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


@pytest.fixture(scope="module")
def decoded() -> DecodedBuild:
    return decoded_build()


@pytest.fixture(scope="module")
def build(decoded: DecodedBuild) -> SmallBuild:
    return decoded.build


@pytest.fixture(scope="module")
def overlay(decoded: DecodedBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decoded.package(tmp_path_factory.mktemp("overlay")).folder


@pytest.mark.usefixtures("board")
def test_output_is_the_hosts_bit_for_bit(decoded: DecodedBuild, overlay: Path) -> None:
    frame = random_frame(decoded.build.spec, 5)
    wanted = decoded.outputs(frame)
    with Accelerator(overlay) as accelerator:
        for task in accelerator.tasks:
            result = accelerator.run(frame, task)
            assert result.output.dtype == np.float32 and result.output.shape == (len(wanted[task]), 32, 64)
            assert np.array_equal(result.output, wanted[task])
            assert (result.frame, result.task) == (0, task)
            assert set(result.stages) == {"pack", "engine", "decode"} and min(result.stages.values()) > 0
            assert result.stages["engine"] == result.seconds
            assert accelerator.run(frame, task, decode=False).output is None
    assert np.ptp(wanted["semseg"]) > 0


@pytest.mark.usefixtures("board")
def test_output_is_that_of_the_backend_csim_bit_for_bit(decoded: DecodedBuild, overlay: Path) -> None:
    build = decoded.build
    case = random_case(frames=1, said=SAID, depth=2)
    formats = case.formats(build.design)
    frame = random_frame(build.spec, 6)
    image = network_input(frame, build.spec)
    with Accelerator(overlay) as accelerator:
        for task in accelerator.tasks:
            simulated = run_csim(build.engine, decoded.model, case.network, formats, image, [task])
            result = accelerator.run(frame, task)
            assert simulated.output is not None
            assert np.array_equal(result.tokens, simulated.tokens)
            assert np.array_equal(result.output, simulated.output)


@pytest.mark.usefixtures("board")
def test_classes_are_the_largest_channel_of_a_map_of_several(decoded: DecodedBuild, overlay: Path) -> None:
    with Accelerator(overlay) as accelerator:
        result = accelerator.run(decoded.build.frame, "semseg")
        assert result.classes.dtype == np.uint8 and result.classes.shape == (32, 64)
        assert np.array_equal(result.classes, result.output.argmax(axis=0))
        assert accelerator.run(decoded.build.frame, "depth").classes is None
        many = replace(result, output=np.eye(300, dtype=np.float32).reshape(300, 300, 1))
        assert many.classes.dtype == np.uint16 and many.classes[299, 0] == 299
        assert replace(result, output=None).classes is None


def test_plain_vit_gives_logits_on_an_engine_without_a_router(tmp_path: Path) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    decoded = decoded_build("head", router="none", knobs=tuple(NO_ROUTER.items()))
    assert not decoded.build.design.has_experts
    folder = decoded.package(tmp_path).folder
    with SimulatedDevice(decoded.build.engine), Accelerator(folder) as accelerator:
        frame = random_frame(decoded.build.spec, 1)
        for task, wanted in decoded.outputs(frame).items():
            result = accelerator.run(frame, task)
            assert result.output.shape == (10,) and np.array_equal(result.output, wanted)
            assert result.classes is None


def test_network_without_decoders_gives_tokens_only(tmp_path: Path) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    build = small_build()
    folder = build.package(tmp_path).folder
    assert not (folder / "decoders.npz").exists()
    with SimulatedDevice(build.engine), Accelerator(folder) as accelerator:
        assert accelerator.run(build.frame, "depth").output is None


@pytest.mark.usefixtures("board")
def test_facts_are_at_hand(decoded: DecodedBuild, overlay: Path) -> None:
    with Accelerator(overlay) as accelerator:
        assert accelerator.design == f"{decoded.build.design.identity:016x}"
        assert accelerator.image_size == (32, 64)
        assert accelerator.clock_mhz == pytest.approx(decoded.facts.clock_mhz, rel=0.001)
        assert accelerator.manifest.tasks["semseg"].classes == decoded.build.spec.tasks[0].classes


def test_batch_gives_what_its_frames_give_one_by_one_in_one_start(
    decoded: DecodedBuild, overlay: Path, board: Any
) -> None:
    frames = [random_frame(decoded.build.spec, seed) for seed in range(5)]
    with Accelerator(overlay) as accelerator:
        for task in accelerator.tasks:
            single = [accelerator.run(frame, task) for frame in frames]
            before, held = board.runs, dict(board.allocated)
            results = accelerator.batch(frames, task)
            assert board.runs == before + 1 and board.allocated == held
            assert [result.frame for result in results] == list(range(5))
            for one, result in zip(single, results, strict=True):
                assert np.array_equal(one.tokens, result.tokens) and np.array_equal(one.output, result.output)
                assert result.task == task and result.seconds > 0


def test_batch_by_passes_gives_what_its_frames_give_one_by_one(tmp_path: Path) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    build = small_build(knobs=(("frames_per_pass", 2),))
    folder = build.package(tmp_path).folder
    frames = [random_frame(build.spec, seed) for seed in range(3)]
    with SimulatedDevice(build.engine) as board, Accelerator(folder) as accelerator:
        accelerator.selftest()
        for task in accelerator.tasks:
            shared = accelerator.manifest.tasks[task].shared
            assert shared is not None and shared.operations.frames == 2
            single = [accelerator.run(frame, task).tokens for frame in frames]
            before = board.runs
            results = accelerator.batch(frames, task)
            assert board.runs == before + 1
            assert np.array_equal([result.tokens for result in results], single)


def test_batch_that_cannot_be_is_refused_and_the_next_run_works(
    decoded: DecodedBuild, overlay: Path, board: Any
) -> None:
    frame = decoded.build.frame
    with Accelerator(overlay) as accelerator:
        for frames, message in (([], "a batch needs a frame"), ([frame, frame[:4]], r"uint8 \[4, 64, 3\]")):
            with pytest.raises(FrameError, match=message):
                accelerator.batch(frames, "depth")
        with pytest.raises(FrameError, match=r"a batch of 30000 frames is too long .*"):
            accelerator.batch([frame] * 30_000, "depth")
        held = sum(board.allocated.values())
        board.memory = held + 150_000
        with pytest.raises(OverlayError, match=r"DDR has no [\d,]+ bytes .* for the (images|results) of a batch of 20"):
            accelerator.batch([frame] * 20, "depth")
        assert sum(board.allocated.values()) == held
        board.hang = True
        accelerator.timeout = 0.02
        with pytest.raises(OverlayError, match=r"did not end within 0\.04 s"):
            accelerator.batch([frame, frame], "depth")
        board.hang, accelerator.timeout = False, 10.0
        assert np.array_equal(accelerator.run(frame, "depth").output, decoded.outputs(frame)["depth"])


@pytest.mark.parametrize("damage", ["cut", "missing", "pickle", "no tensor"])
def test_damaged_decoders_are_refused_before_loading(damage: str, overlay: Path, board: Any, tmp_path: Path) -> None:
    def pickled(_: bytes) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = {"0.norm.weight": np.array([{}], dtype=object)}
        np.savez(stream, **arrays)
        return stream.getvalue()

    def shortened(data: bytes) -> bytes:
        stream = io.BytesIO()
        with np.load(io.BytesIO(data)) as archive:
            np.savez(stream, **{name: archive[name] for name in archive if name != "1.conv_3.bias"})
        return stream.getvalue()

    changes = {"pickle": pickled, "no tensor": shortened}
    folder = rewrite(overlay, tmp_path, {"decoders.npz": changes[damage]} if damage in changes else {})
    path = folder / "decoders.npz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "missing":
        path.unlink()
    message = {"cut": "is damaged", "missing": "can't be read", "pickle": "no archive of plain arrays"}
    with pytest.raises(OverlayError, match=message.get(damage, r"no tensor 'conv_3\.bias'")):
        Accelerator(folder)
    assert board.loads == 0


@pytest.mark.usefixtures("board")
def test_notebook_shows_the_maps(
    decoded: DecodedBuild, overlay: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(overlay.parent))
    monkeypatch.chdir(overlay / "notebooks")
    names: dict[str, Any] = {}
    for cell in json.loads((overlay / f"notebooks/{NAME}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert set(names["maps"]) == set(decoded.build.spec.task_names)
    for task, painted in names["maps"].items():
        assert painted.shape == (32, 64, 3) and painted.dtype == np.uint8
        output = decoded.outputs(decoded.build.frame)[task]
        seen = len(np.unique(painted.reshape(-1, 3), axis=0))
        assert seen == len(np.unique(output.argmax(axis=0))) if len(output) > 1 else seen > 20
    said = capsys.readouterr().out
    assert "class" in said and "(dark)" in said and "frames a second" in said
    assert names["show"](names["maps"]["semseg"]).size == (64, 32)
