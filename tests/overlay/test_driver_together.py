"""Several tasks of one frame on the simulated board: in one pass of the backbone where no gate depends on the task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.api.board import _passed
from edgemoe_gen.numerics.placing import engine_decoders
from edgemoe_gen.overlay import Accelerator
from edgemoe_gen.overlay.driver import OverlayError
from edgemoe_gen.overlay.driver.manifest import Manifest, read_manifest
from edgemoe_gen.overlay.driver.manifest_rules import check_manifest
from edgemoe_gen.overlay.driver.together import largest_result, together, together_program
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.program.file import program_words
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
TASKS = ("semseg", "depth", "normals")


@pytest.fixture(scope="module")
def maps() -> MapBuild:
    return map_build(router="single")


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


def same(one: Any, other: Any) -> bool:
    return (one.task, one.frame) == (other.task, other.frame) and all(
        a is b is None or np.array_equal(a, b)
        for a, b in ((one.tokens, other.tokens), (one.ids, other.ids), (one.output, other.output))
    )


def starts(accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Operations of each start of the engine from now on."""
    found: list[int] = []
    board = accelerator._board
    assert board is not None
    run = board.run

    def counted(timeout: float, operations: Any, stop: Any = None) -> float:
        found.append(operations.total)
        return run(timeout, operations, stop)

    monkeypatch.setattr(board, "run", counted)
    return found


@pytest.mark.parametrize("decode", [True, "map", False])
def test_tasks_of_one_start_get_what_each_gets_alone(
    maps: MapBuild, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch, decode: Any
) -> None:
    frame = random_frame(maps.build.spec, 3)
    alone = [accelerator.run(frame, task, decode) for task in TASKS]
    count = starts(accelerator, monkeypatch)
    results = accelerator.run_tasks(frame, decode=decode)
    assert len(count) == 1
    assert [result.task for result in results] == list(TASKS)
    assert all(map(same, results, alone))
    assert [result.stages["pack"] > 0 for result in results] == [True, False, False]
    assert len({result.seconds for result in results}) == 1
    if decode is True:
        reference = maps.reference(results[0].tokens, "semseg")
        assert np.array_equal(results[0].classes, reference.classes) and len(np.unique(results[0].classes)) > 1
        assert np.array_equal(results[0].classes, maps.csim(frame, "semseg").ids)
        for result in results[1:]:
            assert np.array_equal(result.output, maps.csim(frame, result.task).output) and np.ptp(result.output) > 0


def test_some_tasks_in_any_order_are_one_start_too(
    maps: MapBuild, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = random_frame(maps.build.spec, 5)
    alone = {task: accelerator.run(frame, task) for task in TASKS}
    count = starts(accelerator, monkeypatch)
    for tasks in (("depth", "semseg"), ("normals", "depth"), ("normals", "depth")):
        results = accelerator.run_tasks(frame, tasks)
        assert len(results) == 2 and all(same(result, alone[task]) for result, task in zip(results, tasks, strict=True))
    assert len(count) == 3
    assert len(accelerator._programs._several) == 2  # each is made once
    twice = accelerator.run_tasks(frame, ("depth", "depth"))
    assert len(count) == 5 and all(same(result, alone["depth"]) for result in twice)


def test_a_stream_shares_the_backbone_of_each_frame(
    maps: MapBuild, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [random_frame(maps.build.spec, seed) for seed in range(5)]
    alone = [replace(accelerator.run(frame, task), frame=i) for i, frame in enumerate(frames) for task in TASKS]
    count = starts(accelerator, monkeypatch)
    streamed = list(accelerator.stream(frames))
    assert len(count) == len(frames)
    assert len(streamed) == len(alone) and all(map(same, streamed, alone))
    list(accelerator.stream(frames, alternate=True))
    assert len(count) == 2 * len(frames)


def test_a_batch_of_several_tasks_is_one_start(
    maps: MapBuild, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [random_frame(maps.build.spec, seed) for seed in range(3)]
    tasks = ("depth", "semseg")
    alone = [replace(accelerator.run(frame, task), frame=i) for i, frame in enumerate(frames) for task in tasks]
    count = starts(accelerator, monkeypatch)
    batch = accelerator.batch(frames, tasks)
    assert len(count) == 1 and len(batch) == len(alone) and all(map(same, batch, alone))
    twice = accelerator.batch(frames[:1], ["depth", "depth"])
    assert len(count) == 3 and all(same(result, alone[0]) for result in twice)


def test_the_board_s_program_is_the_compiler_s(maps: MapBuild, overlay: Path) -> None:
    """But for where operands lie in the unit's ring, which begins again with every decoder of the board's."""
    manifest, build = read_manifest(overlay), maps.build
    model, design = build.model, build.design
    tasks = [manifest.tasks[name] for name in TASKS]
    made = np.frombuffer(
        together_program({task.program: manifest.read(task.program) for task in tasks}, tasks, manifest.layout), "<u4"
    )
    program = compile_network(
        design, model, maps.case.network, maps.formats, TASKS, decoders=engine_decoders(model, TASKS, 32, 24),
        one_picture=True,
    )  # fmt: skip
    words = program_words(program)
    layout, both = manifest.layout, together(tasks)
    header = [i for i in range(layout.header_words) if i != layout.checksum_word]
    assert np.array_equal(made[header], words[header])
    assert both.size == program.result_beats * design.beat_bytes < largest_result(manifest)  # logits take more
    assert both.operations.total == len(program.operations)
    assert [both.operations.place(at) for at in (0, both.operations.total - 1)] == [
        ", in the patch embedding", ", in the decoder of normals",
    ]  # fmt: skip
    found, wanted = (without_ring(each, layout) for each in (made, words))
    assert np.array_equal(found, wanted)


def without_ring(words: Any, layout: Any) -> Any:
    from edgemoe_gen.hardware.descriptor import field_places

    operations = words[layout.header_words :].reshape(-1, layout.operation_words).astype(np.uint32)
    for place in field_places():
        if place.name in ("ring_word", "ring_tile"):
            operations[:, place.word] &= np.uint32(~(((1 << place.bits) - 1) << place.low) & 0xFFFFFFFF)
    return operations


def test_selftest_runs_all_tasks_at_once_too(accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    count = starts(accelerator, monkeypatch)
    assert tuple(accelerator.selftest()) == TASKS
    assert len(count) == 4
    # The program of all tasks leaves their maps in another order.
    programs = accelerator._programs
    (key,) = programs._several
    programs._several[key] = programs.of(TASKS[::-1], True)
    with pytest.raises(
        OverlayError, match=r"bytes of the tasks semseg, depth, normals at once are not as expected"
    ) as error:
        accelerator.selftest()
    assert _passed(TASKS, str(error.value.message)) == [(task, True) for task in TASKS]


def test_gates_of_each_task_are_run_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    own = map_build()
    folder, frame = own.package(tmp_path), random_frame(own.build.spec, 1)
    with SimulatedDevice(own.build.engine), Accelerator(folder) as accelerator:
        assert not accelerator.manifest.shares_backbone
        alone = [accelerator.run(frame, task) for task in accelerator.tasks]
        count = starts(accelerator, monkeypatch)
        assert all(map(same, accelerator.run_tasks(frame), alone))
        assert len(count) == len(alone) == 2
        assert all(map(same, accelerator.batch([frame], accelerator.tasks), alone))
        assert len(count) == 4


def test_a_plain_network_s_tasks_share_the_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here with maps whose last doubling is the host's."""
    from tests.overlay.simulated_board import SimulatedDevice

    plain = map_build(doubles=False, router="none")
    folder, frame = plain.package(tmp_path), random_frame(plain.build.spec, 1)
    with SimulatedDevice(plain.build.engine), Accelerator(folder) as accelerator:
        alone = [accelerator.run(frame, task) for task in TASKS]
        count = starts(accelerator, monkeypatch)
        assert all(map(same, accelerator.run_tasks(frame), alone)) and len(count) == 1


def test_decoders_of_the_host_take_the_tokens_of_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.overlay.decoder_networks import decoded_build
    from tests.overlay.simulated_board import SimulatedDevice

    host = decoded_build(router="single")
    folder, frame = host.package(tmp_path).folder, random_frame(host.build.spec, 2)
    with SimulatedDevice(host.build.engine), Accelerator(folder) as accelerator:
        alone = [accelerator.run(frame, task) for task in accelerator.tasks]
        count = starts(accelerator, monkeypatch)
        results = accelerator.run_tasks(frame)
        assert len(count) == 1 and len(results) == 2 and all(map(same, results, alone))
        assert results[0].output is not None and np.ptp(results[0].output) > 0


def test_a_manifest_whose_backbones_differ_is_refused(overlay: Path) -> None:
    content = json.loads((overlay / "manifest.json").read_text())
    check_manifest(content)
    content["tasks"][1]["operations"]["backbone"] -= 1
    with pytest.raises(ValueError, match="the tasks' backbones or tokens differ"):
        check_manifest(content)
    content["tasks"][1]["operations"]["backbone"] += 1
    content["tasks"][2]["map"]["first"] = 0
    with pytest.raises(ValueError, match="a map lies before the end of the tokens"):
        check_manifest(content)


def test_memory_of_all_results_is_said_beforehand(overlay: Path) -> None:
    content = json.loads((overlay / "manifest.json").read_text())
    manifest: Manifest = read_manifest(overlay)
    assert content["buffers"]["results"] == 3 * largest_result(manifest)
