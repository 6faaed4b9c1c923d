"""How the driver waits for the engine: interrupts where they come, polling where not, and what a timeout says."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.overlay import Accelerator, EngineError
from edgemoe_gen.overlay.driver import hardware, waiting
from tests.overlay.repackaging import rewrite
from tests.overlay.small_builds import SmallBuild

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


def test_interrupt_wakes_the_driver(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 5.0)  # so that only the interrupt can be in time
    board.latency = 0.05
    with Accelerator(overlay) as accelerator:
        assert accelerator.waits_by == "interrupt"
        start = time.perf_counter()
        build.check(accelerator, 3)
        assert time.perf_counter() - start < 4
        assert accelerator.waits_by == "interrupt"


def test_interrupts_still_come_after_the_bitstream_was_loaded_again(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Accelerator(overlay, timeout=0.1) as accelerator:
        board.hang = True
        with pytest.raises(EngineError):
            accelerator.run(build.frame, "depth")
        board.hang = False
        accelerator.timeout, board.latency = 10.0, 0.05
        monkeypatch.setattr(waiting, "LOOK_SECONDS", 5.0)
        start = time.perf_counter()
        build.check(accelerator, 3)
        assert time.perf_counter() - start < 4 and accelerator.waits_by == "interrupt"
        assert board.loads == 2


def test_polling_where_interrupts_never_come(build: SmallBuild, overlay: Path, board: Any) -> None:
    board.faults.no_interrupts = True
    with Accelerator(overlay) as accelerator:
        assert accelerator.waits_by == "polling"
        build.check(accelerator, 3)


def test_polling_takes_over_where_interrupts_stop_coming(build: SmallBuild, overlay: Path, board: Any) -> None:
    board.latency = 0.03
    with Accelerator(overlay) as accelerator:
        build.check(accelerator)
        assert accelerator.waits_by == "interrupt"
        board.faults.no_interrupts = True
        build.check(accelerator, 3)
        assert accelerator.waits_by == "polling"
        start = time.perf_counter()
        build.check(accelerator)
        assert time.perf_counter() - start < 1


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, RuntimeError, AttributeError])
def test_polling_where_pynq_has_no_interrupts(
    error: type[Exception], build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynq

    def refuse(_: str) -> None:
        raise error("could not find the UIO device")

    monkeypatch.setattr(pynq, "Interrupt", refuse)
    with Accelerator(overlay) as accelerator:
        assert accelerator.waits_by == "polling"
        build.check(accelerator, 3)
    assert board.loads == 1


def test_polling_where_the_interrupt_is_not_connected(
    build: SmallBuild, overlay: Path, board: Any, tmp_path: Path
) -> None:
    def cut(data: bytes) -> bytes:
        assert b'NAME="interrupt"' in data
        return data.replace(b'NAME="interrupt"', b'NAME="interrupt_out"').replace(
            b'PORT="interrupt"', b'PORT="interrupt_out"'
        )

    with Accelerator(rewrite(overlay, tmp_path, {"m3vit_test.hwh": cut})) as accelerator:
        assert accelerator.waits_by == "polling"
        build.check(accelerator)
    assert board.loads == 1


def test_polling_where_waiting_raises(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynq

    async def fail(_: Any) -> None:
        raise RuntimeError("Interrupt invalidated by Overlay change")

    board.latency = 0.01
    monkeypatch.setattr(pynq.Interrupt, "wait", fail)
    with Accelerator(overlay) as accelerator:
        build.check(accelerator)
        assert accelerator.waits_by == "polling"


def test_timeout_says_where_the_engine_stopped(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay, timeout=0.05) as accelerator:
        operations = accelerator.manifest.tasks["depth"].operations
        first = next(place for place, name in operations.parts if name == "block 1, expert 3")
        board.faults.hang_after = first + 1
        with pytest.raises(
            EngineError,
            match=rf"did not end within 0\.05 s \(its CTRL reads 0x1\): it stopped after operation {first + 1} of "
            rf"{operations.total}, in block 1, expert 3$",
        ):
            accelerator.run(build.frame, "depth")
        board.faults.hang_after = 2 * operations.total - 1
        with pytest.raises(EngineError, match=rf" of {2 * operations.total}, in the result, frame 1$"):
            accelerator.batch([build.frame] * 2, "depth")
        board.faults.hang_after = None
        build.check(accelerator)


def test_timeout_without_a_progress_register_says_what_there_is(
    build: SmallBuild, overlay: Path, board: Any, tmp_path: Path
) -> None:
    def older(data: bytes) -> bytes:
        return data.replace(b'"progress"', b'"reserved"').replace(b'"progress_ctrl"', b'"reserved_ctrl"')

    with Accelerator(rewrite(overlay, tmp_path, {"m3vit_test.hwh": older}), timeout=0.05) as accelerator:
        board.hang = True
        with pytest.raises(EngineError, match=r"did not end within 0\.05 s \(its CTRL reads 0x1\)$"):
            accelerator.run(build.frame, "depth")
        board.hang = False
        build.check(accelerator)


def test_engine_that_is_not_wanted_any_more_is_given_a_moment(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "ABANDON_SECONDS", 5.0)
    board.latency = 0.2
    with Accelerator(overlay) as accelerator:
        stream = accelerator.stream([build.frame] * 5)
        next(stream)
        stream.close()
        build.check(accelerator)
    assert board.loads == 1
