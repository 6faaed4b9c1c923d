"""The driver against PYNQ itself, on a simulated board."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.hardware.descriptor import STATUSES
from edgemoe_gen.overlay import Accelerator, EngineError, FrameError, OverlayError
from edgemoe_gen.overlay.driver import hardware
from tests.overlay.handoff_files import handoff_bytes
from tests.overlay.repackaging import rewrite
from tests.overlay.small_builds import SmallBuild, random_frame
from tests.sim.engines import small_design

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.usefixtures("board"),
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


def test_every_task_gives_the_tokens_of_the_joint_program(build: SmallBuild, overlay: Path, board: Any) -> None:
    frame = random_frame(build.spec, 7)
    wanted = build.tokens(frame)
    with Accelerator(overlay) as accelerator:
        assert accelerator.tasks == build.spec.task_names
        for task in [*accelerator.tasks, *reversed(accelerator.tasks)]:
            result = accelerator.run(frame, task)
            assert result.tokens.dtype == np.float32 and result.seconds > 0
            assert np.array_equal(result.tokens, wanted[task])
    first, second = list(wanted.values())[:2]
    assert not np.array_equal(first, second)
    assert board.loads == 1


def test_selftest_passes_and_names_every_task(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        assert tuple(accelerator.selftest()) == build.spec.task_names
    assert board.runs == len(build.spec.task_names)


def test_selftest_finds_a_single_wrong_byte(overlay: Path, tmp_path: Path) -> None:
    def spoil(data: bytes) -> bytes:
        return data[:100] + bytes([data[100] ^ 1]) + data[101:]

    with (
        Accelerator(rewrite(overlay, tmp_path, {"selftest/depth.bin": spoil})) as accelerator,
        pytest.raises(OverlayError, match=r"1 of \d+ bytes of task 'depth'"),
    ):
        accelerator.selftest()


def test_padding_stays_zero_from_frame_to_frame(build: SmallBuild, overlay: Path) -> None:
    frames = [random_frame(build.spec, seed) for seed in (1, 2)]
    with Accelerator(overlay) as accelerator:
        accelerator.selftest()
        for frame in frames:
            result = accelerator.run(frame, "semseg")
            assert np.array_equal(result.tokens, build.tokens(frame)["semseg"])


def test_another_design_on_the_chip_is_refused_before_anything_starts(overlay: Path, board: Any) -> None:
    board.identity ^= 1 << 40
    with pytest.raises(OverlayError, match="the chip says that it holds design"):
        Accelerator(overlay)
    assert board.runs == 0


def test_wrong_handoff_is_refused_by_name_before_loading(overlay: Path, board: Any, tmp_path: Path) -> None:
    wider = handoff_bytes(small_design()).replace(b'NAME="image_1"', b'NAME="picture_1"')
    with pytest.raises(OverlayError, match=r"m3vit_test\.hwh has no register image_1"):
        Accelerator(rewrite(overlay, tmp_path, {"m3vit_test.hwh": lambda _: wider}))
    other = handoff_bytes(small_design()).replace(b"edgemoe_engine", b"another_engine")
    with pytest.raises(OverlayError, match="has no block 'edgemoe_engine'; it has: another_engine, design_id"):
        Accelerator(rewrite(overlay, tmp_path / "other", {"m3vit_test.hwh": lambda _: other}))
    assert board.loads == 0


def test_engine_that_never_ends_is_reported_and_the_next_run_works(
    build: SmallBuild, overlay: Path, board: Any
) -> None:
    with Accelerator(overlay, timeout=0.05) as accelerator:
        board.hang = True
        with pytest.raises(EngineError, match=r"did not end within 0\.05 s \(its CTRL reads 0x1\)"):
            accelerator.run(build.frame, "semseg")
        board.hang = False
        result = accelerator.run(build.frame, "semseg")
        assert np.array_equal(result.tokens, build.tokens(build.frame)["semseg"])
        assert board.loads == 2


def test_engine_that_still_runs_is_stopped_before_its_memory_is_given_back(
    build: SmallBuild, overlay: Path, board: Any
) -> None:
    accelerator = Accelerator(overlay, timeout=0.01)
    board.hang = True
    with pytest.raises(EngineError):
        accelerator.run(build.frame, "depth")
    accelerator.close()
    assert board.loads == 2


def test_interrupt_while_waiting_leaves_the_accelerator_usable(
    build: SmallBuild, overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with Accelerator(overlay) as accelerator:
        board.hang = True
        with monkeypatch.context() as patch:
            patch.setattr(hardware.Board, "_pause", interrupt)
            with pytest.raises(KeyboardInterrupt):
                accelerator.run(build.frame, "semseg")
        board.hang = False
        assert np.array_equal(accelerator.run(build.frame, "depth").tokens, build.tokens(build.frame)["depth"])


def test_status_of_the_engine_is_named(build: SmallBuild, overlay: Path, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        board.status = 1
        with pytest.raises(EngineError, match="the engine ended with WRONG_DESIGN: the program is damaged"):
            accelerator.run(build.frame, "semseg")
        board.status = list(STATUSES).index("BUS_ERROR")
        with pytest.raises(EngineError, match="ended with BUS_ERROR: the memory answered") as error:
            accelerator.run(build.frame, "semseg")
        assert "block design" in error.value.hint
        board.status = None
        accelerator.run(build.frame, "semseg")


def test_end_counts_although_someone_else_read_the_register(build: SmallBuild, overlay: Path, board: Any) -> None:
    board.takes_done = True
    with Accelerator(overlay, timeout=1) as accelerator:
        accelerator.run(build.frame, "semseg")


def test_too_little_memory_is_an_error_that_gives_back_what_there_was(overlay: Path, board: Any) -> None:
    board.memory = 20_000
    with pytest.raises(OverlayError, match=r"DDR has no [\d,]+ bytes in one piece for"):
        Accelerator(overlay)


def test_clock_is_what_the_bitstream_was_built_for(overlay: Path) -> None:
    import pynq

    with Accelerator(overlay) as accelerator:
        assert pynq.Clocks.fclk0_mhz == pytest.approx(accelerator.manifest.clock_mhz, rel=0.001)


def test_board_that_clocks_too_fast_is_refused(overlay: Path, board: Any) -> None:
    board.pll_multiplier = 60
    with pytest.raises(
        OverlayError, match=r"the board clocks the engine at 400\.0 MHz, but it was built for 300\.0 MHz"
    ):
        Accelerator(overlay)
    assert board.runs == 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((32, 64, 3), np.float32), "a frame is float32"),
        (np.zeros((64, 32, 3), np.uint8), r"a frame is uint8 \[64, 32, 3\], but the network takes uint8 \[32, 64, 3\]"),
        (np.zeros((32, 64), np.uint8), r"uint8 \[32, 64\]"),
        ([[0, 0, 0]], "a frame is a list"),
    ],
)
def test_frame_of_a_wrong_kind_is_refused(frame: Any, message: str, overlay: Path, board: Any) -> None:
    with Accelerator(overlay) as accelerator, pytest.raises(FrameError, match=message):
        accelerator.run(frame, "semseg")
    assert board.runs == 0


def test_unknown_task_and_closed_accelerator_are_refused(build: SmallBuild, overlay: Path) -> None:
    accelerator = Accelerator(overlay)
    with pytest.raises(FrameError, match="there is no task 'edges'"):
        accelerator.run(build.frame, "edges")
    accelerator.close()
    accelerator.close()
    with pytest.raises(OverlayError, match="m3vit_test is closed"):
        accelerator.run(build.frame, "semseg")


@pytest.mark.parametrize("name", ["m3vit_test.bit", "m3vit_test.hwh", "weights.bin", "programs/depth.bin"])
def test_damaged_file_is_refused_before_loading(name: str, overlay: Path, board: Any, tmp_path: Path) -> None:
    folder = rewrite(overlay, tmp_path, {})
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(OverlayError, match=f"{name} is damaged"):
        Accelerator(folder)
    (folder / name).unlink()
    with pytest.raises(OverlayError, match=f"{name} can't be read"):
        Accelerator(folder)
    assert board.loads == 0


def test_program_of_another_design_is_refused_by_the_engine(overlay: Path, tmp_path: Path) -> None:
    def other_design(data: bytes) -> bytes:
        return data[:8] + bytes(8) + data[16:]

    with (
        Accelerator(rewrite(overlay, tmp_path, {"programs/semseg.bin": other_design})) as accelerator,
        pytest.raises(Exception, match="WRONG_DESIGN"),
    ):
        accelerator.selftest()
