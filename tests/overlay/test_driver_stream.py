"""Streams of frames through the driver: order, overlap, backpressure, and every way in which they can end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.overlay import Accelerator, EngineError, FrameError, OverlayError, Result
from edgemoe_gen.overlay.driver import accelerator as accelerator_module
from edgemoe_gen.overlay.driver import stream as stream_module
from tests.overlay.decoder_networks import DecodedBuild, decoded_build
from tests.overlay.small_builds import SmallBuild, random_frame

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
MOST_AHEAD = 6  # two images, two results, one that is being decoded, one that waits for the consumer


@pytest.fixture(scope="module")
def decoded() -> DecodedBuild:
    return decoded_build()


@pytest.fixture(scope="module")
def frames(decoded: DecodedBuild) -> list[NDArray[np.uint8]]:
    return [random_frame(decoded.build.spec, seed) for seed in range(6)]


@pytest.fixture(scope="module")
def wanted(decoded: DecodedBuild, frames: list[NDArray[np.uint8]]) -> list[dict[str, NDArray[np.float32]]]:
    return [decoded.outputs(frame) for frame in frames]


@pytest.fixture(scope="module")
def build(decoded: DecodedBuild) -> SmallBuild:
    return decoded.build


@pytest.fixture(scope="module")
def overlay(decoded: DecodedBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decoded.package(tmp_path_factory.mktemp("overlay")).folder


@pytest.fixture
def accelerator(overlay: Path, board: Any) -> Iterator[Accelerator]:  # noqa: ARG001
    with Accelerator(overlay) as opened:
        yield opened
    assert not stream_threads()


def stream_threads() -> list[str]:
    """Threads of streams that are still there; they may take a moment to end."""
    names: list[str] = []
    for _ in range(100):
        names = [t.name for t in threading.enumerate() if t.name in ("edgemoe-pack", "edgemoe-run", "edgemoe-finish")]
        if not names:
            break
        time.sleep(0.01)
    return names


def endless(frames: list[NDArray[np.uint8]], asked: list[int] | None = None) -> Iterator[NDArray[np.uint8]]:
    number = 0
    while True:
        if asked is not None:
            asked.append(number)
        yield frames[number % len(frames)]
        number += 1


def check_works(accelerator: Accelerator, frame: NDArray[np.uint8], wanted: dict[str, NDArray[np.float32]]) -> None:
    for task in accelerator.tasks:
        assert np.array_equal(accelerator.run(frame, task).output, wanted[task])
    results = list(accelerator.stream([frame]))
    assert [np.array_equal(result.output, wanted[result.task]) for result in results] == [True] * len(wanted)


def test_every_frame_runs_every_task_in_order(
    accelerator: Accelerator, frames: list[Any], wanted: list[Any], board: Any
) -> None:
    results = list(accelerator.stream(frames))
    assert [(r.frame, r.task) for r in results] == [(i, t) for i in range(6) for t in accelerator.tasks]
    for result in results:
        assert np.array_equal(result.output, wanted[result.frame][result.task])
        assert set(result.stages) == {"pack", "engine", "decode"}
        assert (result.stages["pack"] > 0) == (result.task == accelerator.tasks[0])
    assert board.loads == 1


def test_tasks_are_chosen_alternated_and_left_undecoded(
    accelerator: Accelerator, frames: list[Any], wanted: list[Any]
) -> None:
    assert [(r.frame, r.task) for r in accelerator.stream(frames, "depth")] == [(i, "depth") for i in range(6)]
    turns = list(accelerator.stream(iter(frames), ("depth", "semseg", "depth"), alternate=True))
    assert [r.task for r in turns] == ["depth", "semseg", "depth"] * 2
    assert all(np.array_equal(r.output, wanted[r.frame][r.task]) for r in turns)
    assert all(r.output is None and r.tokens.any() for r in accelerator.stream(frames, decode=False))
    assert list(accelerator.stream([])) == []


def test_packing_and_decoding_overlap_the_engine(
    accelerator: Accelerator, frames: list[Any], board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three stages of the same length: one after another they would take three times as long as side by side."""
    step, count = 0.03, 12
    board.latency = step
    pack, finish = Accelerator.pack, Accelerator.finish

    def slow_pack(self: Accelerator, *arguments: Any) -> None:
        time.sleep(step)
        pack(self, *arguments)

    def slow_finish(self: Accelerator, *arguments: Any) -> Iterator[Result]:
        result = finish(self, *arguments)
        time.sleep(step)
        return result

    monkeypatch.setattr(accelerator_module.Accelerator, "pack", slow_pack)
    monkeypatch.setattr(accelerator_module.Accelerator, "finish", slow_finish)
    start = time.perf_counter()
    assert len(list(accelerator.stream((frames * 2)[:count], "depth"))) == count
    # Side by side: (count + 2) steps. Halfway to 3 * count leaves room for a busy machine.
    assert time.perf_counter() - start < (2 * count + 1) * step


def test_slow_consumer_holds_the_source_back(accelerator: Accelerator, frames: list[Any]) -> None:
    asked: list[int] = []
    for taken, _ in enumerate(accelerator.stream(endless(frames, asked), "depth")):
        time.sleep(0.02)
        assert len(asked) <= taken + 1 + MOST_AHEAD
        if taken == 10:
            break


def test_run_selftest_and_batch_work_in_the_middle_of_a_stream(
    accelerator: Accelerator, frames: list[Any], wanted: list[Any]
) -> None:
    count = 0
    for result in accelerator.stream(frames):
        assert np.array_equal(result.output, wanted[result.frame][result.task])
        assert np.array_equal(accelerator.run(frames[5], "depth").output, wanted[5]["depth"])
        count += 1
        if count == 3:
            accelerator.selftest()
            assert np.array_equal(accelerator.batch(frames[:2], "semseg")[1].output, wanted[1]["semseg"])
    assert count == 12


def test_second_stream_is_refused_while_one_runs(
    accelerator: Accelerator, frames: list[Any], wanted: list[Any]
) -> None:
    first = accelerator.stream(endless(frames))
    next(first)
    with pytest.raises(OverlayError, match="m3vit_test is streaming already"):
        next(accelerator.stream(frames))
    assert next(first).frame == 0
    first.close()
    check_works(accelerator, frames[2], wanted[2])


def test_wrong_arguments_are_refused_before_anything_starts(accelerator: Accelerator, board: Any) -> None:
    for arguments, message in (
        (([], ["edges"]), "there is no task 'edges'"),
        (([], []), "a stream needs a task"),
        ((5, None), "frames are a int, which gives no frames"),
    ):
        with pytest.raises(FrameError, match=message):
            accelerator.stream(*arguments)
    assert board.runs == 0


def test_error_of_the_source_comes_after_the_results_before_it(
    accelerator: Accelerator, frames: list[Any], wanted: list[Any]
) -> None:
    def source() -> Iterator[Any]:
        yield from frames[:3]
        raise ValueError("the camera is gone")

    seen = []
    with pytest.raises(ValueError, match="the camera is gone"):
        for result in accelerator.stream(source(), "depth"):
            seen.append(result.frame)
    assert seen == [0, 1, 2]
    check_works(accelerator, frames[1], wanted[1])


def test_wrong_frame_in_a_stream_is_named(accelerator: Accelerator, frames: list[Any], wanted: list[Any]) -> None:
    seen = []
    with pytest.raises(FrameError, match=r"uint8 \[3, 3\], but the network takes"):
        for result in accelerator.stream([frames[0], np.zeros((3, 3), np.uint8), frames[1]], "depth"):
            seen.append(result.frame)
    assert seen == [0]
    check_works(accelerator, frames[1], wanted[1])


@pytest.mark.parametrize("fault", ["never done", "error code"])
def test_engine_that_fails_in_a_stream_ends_it_and_the_next_one_works(
    fault: str, accelerator: Accelerator, frames: list[Any], wanted: list[Any], board: Any
) -> None:
    accelerator.timeout = 0.5
    messages = {"never done": "did not end within", "error code": "ended with WRONG_DESIGN"}
    seen = 0
    with pytest.raises(EngineError, match=messages[fault]):
        for result in accelerator.stream(endless(frames), "semseg"):
            assert np.array_equal(result.output, wanted[result.frame % 6]["semseg"])
            seen += 1
            if seen == 4:
                board.hang, board.status = fault == "never done", 1 if fault == "error code" else None
    assert 4 <= seen <= 4 + MOST_AHEAD
    board.hang, board.status = False, None
    check_works(accelerator, frames[3], wanted[3])


def test_error_of_the_consumer_ends_the_stream(accelerator: Accelerator, frames: list[Any], wanted: list[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in accelerator.stream(endless(frames)):
            raise ZeroDivisionError
    assert not stream_threads()
    check_works(accelerator, frames[0], wanted[0])


def _close(stream: list[Any], accelerator: Accelerator) -> None:  # noqa: ARG001
    stream[0].close()


def _forget(stream: list[Any], accelerator: Accelerator) -> None:  # noqa: ARG001
    stream.clear()
    gc.collect()


def _throw(stream: list[Any], accelerator: Accelerator) -> None:  # noqa: ARG001
    with pytest.raises(KeyboardInterrupt):
        stream[0].throw(KeyboardInterrupt())


@pytest.mark.parametrize("end", [_close, _forget, _throw], ids=["closed", "garbage", "Ctrl-C while suspended"])
def test_stream_that_is_left_ends_its_threads_and_stops_reading(
    end: Callable[..., None], accelerator: Accelerator, frames: list[Any], wanted: list[Any]
) -> None:
    asked: list[int] = []
    stream = [accelerator.stream(endless(frames, asked))]
    assert next(stream[0]).frame == 0
    end(stream, accelerator)
    assert not stream_threads()
    count = len(asked)
    check_works(accelerator, frames[4], wanted[4])
    assert len(asked) == count


def test_accelerator_closed_in_the_middle_of_a_stream(
    overlay: Path, board: Any, frames: list[Any], wanted: list[Any]
) -> None:
    with Accelerator(overlay) as accelerator:
        stream = accelerator.stream(endless(frames))
        next(stream)
    assert not board.allocated and not stream_threads()
    with pytest.raises(OverlayError, match="closed in the middle of a stream"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    with Accelerator(overlay) as accelerator:
        check_works(accelerator, frames[0], wanted[0])


def test_interrupt_of_the_main_thread_while_it_waits_for_a_result(
    overlay: Path, board: Any, frames: list[Any], wanted: list[Any]
) -> None:
    """Ctrl-C, as Python delivers it: into the main thread, which waits inside the stream while the engine hangs."""
    with Accelerator(overlay) as accelerator:
        board.hang = True
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            list(accelerator.stream(endless(frames)))
        # The engine gets ABANDON_SECONDS to end, not the ten seconds of its timeout.
        assert time.perf_counter() - start < 5
        timer.join()
        board.hang = False
        check_works(accelerator, frames[0], wanted[0])
        assert board.loads == 2


def test_source_that_blocks_for_ever_is_left_behind(
    overlay: Path, board: Any, frames: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "SOURCE_SECONDS", 0.05)
    go_on = threading.Event()

    def source() -> Iterator[Any]:
        yield frames[0]
        go_on.wait(30)
        yield frames[1]

    with Accelerator(overlay) as accelerator:
        stream = accelerator.stream(source(), "depth")
        next(stream)
        stream.close()
        assert [t.name for t in threading.enumerate() if t.name == "edgemoe-pack"]
    assert not board.allocated
    go_on.set()  # its frame comes too late, and must not be written to memory that is given back
    assert not stream_threads()
