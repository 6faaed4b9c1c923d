"""The driver under PYNQ itself, on a simulated board whose engine is the design's RTL under Verilator."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.base.extras import installing
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.session import SIMULATED_RTL, look_up
from edgemoe_gen.overlay import Accelerator, EngineError
from edgemoe_gen.overlay.driver import hardware
from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.model import DECERR, SLVERR, bundles
from edgemoe_gen.serving.backend import overlay_opener
from tests.overlay.small_builds import SmallBuild, random_frame, small_build

for package in ("pynq", "verilator", "cocotb", "ziglang"):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: install the extras `pynq` and `rtl`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
TINY: dict[str, Any] = {"dim": 8, "image": (8, 16), "experts": 2, "heads": 1, "top_k": 1}
PICTURES = 7


@pytest.fixture(scope="module")
def build() -> SmallBuild:
    return small_build(**TINY)


@pytest.fixture(scope="module")
def compiled(build: SmallBuild) -> Any:
    from edgemoe_gen.simulated.rtl import compile_rtl

    return compile_rtl(build.design)


@pytest.fixture
def board(compiled: Any) -> Iterator[Any]:  # noqa: ARG001
    from edgemoe_gen.simulated.board import SimulatedBoard

    with SimulatedBoard(ddr_bytes=1 << 24, engine="rtl") as plugged:
        yield plugged
    assert not plugged.ddr.buffers, "buffers were not given back"
    assert not [thread for thread in threading.enumerate() if thread.name == "simulated-engine"]


@pytest.mark.parametrize("frames", [8, pytest.param(500, marks=pytest.mark.nightly)])
def test_a_stream_with_a_task_switch_at_every_frame_gives_the_bytes_of_c_simulation(
    build: SmallBuild, overlay: Path, board: Any, frames: int
) -> None:
    pictures = [random_frame(build.spec, seed) for seed in range(PICTURES)]
    wanted = [build.tokens(picture) for picture in pictures]
    assert len({wanted[i][task].tobytes() for i in range(PICTURES) for task in wanted[i]}) == 2 * PICTURES

    def camera() -> Iterator[NDArray[np.uint8]]:
        for number in range(frames):
            yield pictures[number % PICTURES].copy()

    count = 0
    with Accelerator(overlay) as accelerator:
        assert accelerator.waits_by == "interrupt"
        for result in accelerator.stream(camera(), alternate=True):
            assert (result.frame, result.task) == (count, accelerator.tasks[count % 2])
            assert np.array_equal(result.tokens, wanted[count % PICTURES][result.task])
            count += 1
        assert accelerator.waits_by == "interrupt"
        assert "cycles at" in board.speed
    assert count == board.runs == frames and board.loads == 1


@pytest.mark.usefixtures("compiled")
def test_selftest_and_serve_on_an_engine_in_rtl(
    build: SmallBuild, overlay: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["selftest", str(overlay), "--engine", "rtl"]) == 0
    assert f"all 2 tasks as expected ({SIMULATED_RTL})" in capfd.readouterr().out
    opener = overlay_opener(look_up(overlay), True, "rtl")
    with opener() as (backend, facts):
        assert facts.simulated and facts.tier == SIMULATED_RTL
        assert backend.run_tasks(build.frame, ["depth"])[0].seconds > 0


@pytest.mark.usefixtures("compiled")
def test_a_script_on_an_engine_in_rtl(
    overlay: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"""
import pynq
from edgemoe_gen.overlay import Accelerator
with Accelerator({overlay.name!r}) as accelerator:
    print(*accelerator.selftest())
    print(pynq.Device.active_device.cycles > 1000)
"""
    assert main(["sim-board", "--engine", "rtl", "--overlay", str(overlay), "-c", text]) == 0
    said = capfd.readouterr()
    assert said.out == "semseg depth\nTrue\n"
    assert re.search(r"note: RTL simulation: 2 runs, [\d,]+ cycles at [\d.]+ kcycles/s", said.err)


@pytest.mark.parametrize("command", ["selftest {} --engine rtl", "sim-board --engine rtl --overlay {} -c pass"])
def test_without_the_extra_one_sentence_says_what_to_install(
    command: str, overlay: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verilator, "missing", lambda: ("verilator",))
    assert main(command.format(overlay).split()) == 2
    said = capfd.readouterr().err
    assert "error: simulating RTL needs verilator, which is not installed" in said
    assert installing("rtl") in said and "Traceback" not in said


@pytest.mark.usefixtures("board")
def test_registers_are_those_of_the_rtl(overlay: Path) -> None:
    import pynq

    engine = pynq.Overlay(str(overlay / f"{overlay.name}.bit")).edgemoe_engine
    assert engine.register_map.CTRL.AP_IDLE == 1
    engine.write(0x10, 0x12345678)
    assert engine.read(0x10) == 0x12345678
    engine.write(0x08, 3)
    assert engine.read(0x08) == 3


@pytest.mark.usefixtures("board")
def test_a_batch_and_the_self_test(build: SmallBuild, overlay: Path) -> None:
    frames = [random_frame(build.spec, seed) for seed in range(3)]
    with Accelerator(overlay) as accelerator:
        assert tuple(accelerator.selftest()) == build.spec.task_names
        batch = accelerator.batch(frames, "depth")
    for frame, result in zip(frames, batch, strict=True):
        assert np.array_equal(result.tokens, build.tokens(frame)["depth"])


def test_polling_where_interrupts_never_come_and_where_they_stop(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        build.check(accelerator)
        board.faults.no_interrupts = True
        build.check(accelerator, 2)
        assert accelerator.waits_by == "polling"
    with Accelerator(overlay) as accelerator:
        assert accelerator.waits_by == "polling"
        build.check(accelerator)


def test_somebody_else_takes_ap_done(build: SmallBuild, overlay: Path, board: Any) -> None:
    board.faults.takes_done = True
    with Accelerator(overlay) as accelerator:
        build.check(accelerator)


def test_a_bad_answer_to_any_port_is_named_and_the_next_run_is_right(
    build: SmallBuild, overlay: Path, board: Any
) -> None:
    found = bundles(build.design.knobs.weight_ports)
    assert len(found) == 5
    with Accelerator(overlay) as accelerator:
        for bundle in found:
            for response in (SLVERR, DECERR):
                board.faults.bad_answer = bundle, 1, response
                with pytest.raises(EngineError, match="BUS_ERROR"):
                    accelerator.run(build.frame, "depth")
        board.faults.bad_answer = None
        build.check(accelerator)
        assert board.loads == 1 + 2 * len(found)


def test_an_engine_whose_memory_falls_silent_says_where(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay, timeout=0.05) as accelerator:
        total = accelerator.manifest.tasks["depth"].operations.total
        for stop in (0, total // 2):
            board.faults.hang_after = stop
            with pytest.raises(EngineError, match=rf"did not end within 0\.05 s .*after operation \d+ of {total}"):
                accelerator.run(build.frame, "depth")
            assert "nothing has moved" in board.problem
        board.faults.hang_after = None
        build.check(accelerator)
    assert board.loads == 3


@pytest.mark.nightly  # a busy machine may miss the few milliseconds that it looks for
def test_a_bitstream_that_is_loaded_in_the_middle_of_a_run(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "ABANDON_SECONDS", 0.0)
    with Accelerator(overlay) as accelerator:
        stream = accelerator.stream([build.frame] * 50)
        next(stream)
        deadline = time.perf_counter() + 10
        while not 3 <= board.operation < 20 and time.perf_counter() < deadline:
            time.sleep(0.001)
        stream.close()
        build.check(accelerator)
    assert board.loads == 2


def test_a_driver_waits_for_a_slow_engine_that_moves(build: SmallBuild, overlay: Path, board: Any) -> None:
    board.latency = 0.3
    with Accelerator(overlay, timeout=0.1) as accelerator:
        assert accelerator.run(build.frame, "depth").seconds > 0.3
    assert board.loads == 1


def test_a_wild_address_ends_the_run_with_what_the_interconnect_says(
    build: SmallBuild, overlay: Path, board: Any
) -> None:
    with Accelerator(overlay) as accelerator:
        board.ddr.free(next(address for address, size in board.ddr.buffers.items() if size == build_image(accelerator)))
        with pytest.raises(EngineError, match="BUS_ERROR: the memory"):
            accelerator.run(build.frame, "depth")
        assert "is in no buffer" in board.problem


def build_image(accelerator: Accelerator) -> int:
    return int(accelerator.manifest.image.size)


def test_another_design_on_the_chip_and_other_statuses(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        board.faults.status = 2
        with pytest.raises(EngineError, match=accelerator.manifest.statuses[2][0]):
            accelerator.run(build.frame, "depth")
