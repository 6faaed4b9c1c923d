"""The simulated board under PYNQ itself: registers, memory, interrupts, the engine's thread, and faults."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.hardware.descriptor import MAGIC, OPERATION_WORDS
from edgemoe_gen.overlay import Accelerator, EngineError, OverlayError
from edgemoe_gen.overlay.preview import write_preview
from tests.overlay.repackaging import rewrite
from tests.overlay.small_builds import SmallBuild, random_frame

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]

SHARED = Path(__file__).parents[2] / "../shared/data"
REAL = {"edge_moe_zcu102": "ViT_compute_0", "skynet_zcu104": "SkyNet"}


@pytest.fixture(scope="module")
def overlay(build: SmallBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preview: no bitstream, a generated .hwh."""
    folder = tmp_path_factory.mktemp("preview")
    accelerator, _ = build.write(folder)
    return write_preview("m3vit_test", accelerator, folder / "out", build.facts)


@pytest.fixture
def board(overlay: Path) -> Iterator[Any]:
    from edgemoe_gen.simulated.board import SimulatedBoard

    with SimulatedBoard(overlay, ddr_bytes=1 << 24) as plugged:
        yield plugged
    assert not plugged.ddr.buffers, "buffers were not given back"


def loaded(overlay: Path) -> Any:
    """PYNQ's own view of an overlay."""
    import pynq

    return pynq.Overlay(str(overlay / f"{overlay.name}.bit"))


def test_pynq_finds_every_block_register_and_interrupt_of_a_generated_handoff(overlay: Path, board: Any) -> None:
    found = loaded(overlay)
    engine = found.ip_dict["edgemoe_engine"]
    assert engine["phys_addr"] == 0xA0000000 and engine["addr_range"] == 0x10000
    assert {"CTRL", "GIER", "IP_IER", "IP_ISR", "program_1", "status", "progress"} <= set(engine["registers"])
    assert {"AP_START", "AP_DONE", "AP_IDLE"} <= set(engine["registers"]["CTRL"]["fields"])
    assert {"design_id", "interrupts"} <= set(found.ip_dict)
    assert found.interrupt_pins["edgemoe_engine/interrupt"]["controller"] == "interrupts"
    assert found.clock_dict[0]["enable"] == 1
    assert found.edgemoe_engine.register_map.CTRL.AP_IDLE == 1
    assert board.loads == 1


def test_a_preview_gives_the_tokens_of_c_simulation(build: SmallBuild, overlay: Path, board: Any) -> None:
    frame = random_frame(build.spec, 3)
    wanted = build.tokens(frame)
    with Accelerator(overlay) as accelerator:
        for task in build.spec.task_names:
            assert np.array_equal(accelerator.run(frame, task).tokens, wanted[task])
        assert tuple(accelerator.selftest()) == build.spec.task_names
    assert board.loads == 1


def test_an_overlay_with_a_bitstream_runs_by_its_manifest_alone(build: SmallBuild, tmp_path: Path) -> None:
    from edgemoe_gen.simulated.board import SimulatedBoard

    written = build.package(tmp_path / "build")
    folder = shutil.copytree(written.folder, tmp_path / "elsewhere" / written.folder.name)
    shutil.rmtree(tmp_path / "build")
    with SimulatedBoard(), Accelerator(folder) as accelerator:
        result = accelerator.run(build.frame, "depth")
    assert np.array_equal(result.tokens, build.tokens(build.frame)["depth"])


def test_a_preview_is_refused_on_anything_but_a_simulated_board(
    overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(board), "is_simulated", False)
    with pytest.raises(OverlayError, match="m3vit_test has no bitstream: it was made before synthesis"):
        Accelerator(overlay)
    assert board.loads == 0


def test_a_preview_says_so_and_is_not_for_installing(overlay: Path) -> None:
    assert json.loads((overlay / "manifest.json").read_text())["bitstream"] == "none: for the simulated board only"
    assert "none: for the simulated board only" in (overlay / "README.md").read_text()
    assert not list(overlay.parent.glob("*.whl"))


def test_an_overlay_of_another_version_is_refused(overlay: Path, tmp_path: Path) -> None:
    from edgemoe_gen.simulated.board import SimulatedBoard

    other = rewrite(overlay, tmp_path, {})
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["design"]["identity"] = "0123456789abcdef"
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(OverlayError, match=r"is of design 0123456789abcdef, but from its knobs this version"):
        SimulatedBoard(other)
    manifest["board"]["name"] = "no_such_board"
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(OverlayError, match="is for board 'no_such_board', which is none of those"):
        SimulatedBoard(other)


def test_the_driver_waits_by_interrupt_and_by_polling_where_the_line_is_cut(
    build: SmallBuild, overlay: Path, board: Any
) -> None:
    import pynq

    wanted = build.tokens(build.frame)["semseg"]
    board.latency = 0.03
    with Accelerator(overlay) as accelerator:
        assert "edgemoe_engine/interrupt" in pynq.PL.interrupt_pins
        assert np.array_equal(accelerator.run(build.frame, "semseg").tokens, wanted)
        assert board._interrupts.read(0x1C) == 3, "PYNQ has enabled its controller"
        board.faults.no_interrupts = True
        for _ in range(5):
            assert np.array_equal(accelerator.run(build.frame, "semseg").tokens, wanted)


def test_a_modelled_latency_is_the_least_that_a_run_takes(overlay: Path, build: SmallBuild, board: Any) -> None:
    board.latency = 0.2
    with Accelerator(overlay) as accelerator:
        assert accelerator.run(build.frame, "semseg").seconds >= 0.2
        board.latency = 0.0
        assert accelerator.run(build.frame, "semseg").seconds < 0.2


def test_the_host_goes_on_while_the_engine_runs(overlay: Path, build: SmallBuild, board: Any) -> None:
    board.latency = 0.3
    with Accelerator(overlay) as accelerator:
        thread = threading.Thread(target=accelerator.run, args=(build.frame, "semseg"))
        thread.start()
        deadline = time.perf_counter() + 5
        while not board.runs and time.perf_counter() < deadline:
            time.sleep(0.001)
        control = int.from_bytes(board.read_registers(0xA0000000, 4), "little")
        assert control & 0b111 == 1, "started, neither done nor idle"
        thread.join()


def test_an_engine_that_hangs_says_where(overlay: Path, build: SmallBuild, board: Any) -> None:
    board.faults.hang_after = 12
    with Accelerator(overlay, timeout=0.05) as accelerator:
        with pytest.raises(EngineError, match=r"did not end within 0\.05 s .*after operation 12 of \d+"):
            accelerator.run(build.frame, "semseg")
        board.faults.hang_after = None
        assert np.array_equal(accelerator.run(build.frame, "semseg").tokens, build.tokens(build.frame)["semseg"])
    assert board.loads == 2


def test_progress_counts_all_operations_of_a_run(overlay: Path, build: SmallBuild, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        accelerator.run(build.frame, "semseg")
        offset = loaded_offset(overlay, "progress")
        done = int.from_bytes(board.read_registers(0xA0000000 + offset, 4), "little")
        assert done == accelerator.manifest.tasks["semseg"].operations.total


def loaded_offset(overlay: Path, name: str) -> int:
    import pynq

    found = pynq.Overlay(str(overlay / f"{overlay.name}.bit"), download=False)
    return int(found.ip_dict["edgemoe_engine"]["registers"][name]["address_offset"])


def test_a_wild_address_hangs_the_engine_and_names_the_register(
    overlay: Path, board: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine = loaded(overlay).edgemoe_engine
    engine.write(0x10, 0x1000)
    engine.write(0x00, 1)
    deadline = time.perf_counter() + 5
    while not board.problem and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert "the register weights_0 points to 0x0, where no buffer is" in board.problem
    assert board.problem in caplog.text
    assert engine.read(0x00) & 0b111 == 1


def test_a_program_that_the_compiler_could_not_have_written_does_not_run(
    overlay: Path, board: Any, build: SmallBuild
) -> None:
    """One wrong word of one operation: the C simulation would write outside its arrays."""
    frame = random_frame(build.spec, 3)
    with Accelerator(overlay, timeout=0.5) as accelerator:
        accelerator.run(frame, "semseg")
        for address, size in board.ddr.buffers.items():
            words = np.asarray(board.ddr.at(address)).reshape(-1)[: size // 4 * 4].view("<u4")
            if words[0] == MAGIC:
                words[OPERATION_WORDS + 14] = 0x80000000
        with pytest.raises(EngineError, match="did not end"):
            accelerator.run(frame, "semseg")
    assert board.problem.startswith("operation 0 (LOAD) has ")


def test_memory_is_seen_by_the_engine_only_after_a_flush_and_by_the_host_only_after_an_invalidate(board: Any) -> None:
    import pynq

    with pynq.allocate((3, 1000), dtype="u2") as buffer:
        ddr = board.ddr.at(buffer.device_address)
        assert ddr.nbytes == buffer.nbytes == 6000
        buffer[:] = 7
        assert not np.any(ddr.view("<u2") == 7)
        buffer[1].flush()
        assert np.flatnonzero(ddr.view("<u2") == 7).tolist() == list(range(1000, 2000))
        buffer.flush()
        ddr[:] = 1
        assert np.all(buffer == 7)
        buffer[2:].invalidate()
        assert np.all(buffer[2] == 0x101) and np.all(buffer[:2] == 7)


def test_a_buffer_that_begins_within_a_beat_is_refused(overlay: Path, build: SmallBuild, board: Any) -> None:
    with Accelerator(overlay) as accelerator:
        part = SimpleNamespace(device_address=next(iter(board.ddr.buffers)) + build.design.beat_bytes - 1)
        assert accelerator._board is not None
        with pytest.raises(OverlayError, match=rf"'image' begins at 0x\w+, which is no multiple of .* {16} bytes"):
            accelerator._board.point("image", part)
        accelerator.run(build.frame, "semseg")


def test_memory_is_given_back_once_and_used_again(board: Any) -> None:
    import pynq

    board.ddr.size = 3 * 4096
    first, second, third = (pynq.allocate(4096, dtype="u1") for _ in range(3))
    with pytest.raises(RuntimeError, match="no 4096 bytes in one piece"):
        pynq.allocate(1, dtype="u1")
    address = second.device_address
    part = second[:10]
    del part
    assert address in board.ddr.buffers
    second.freebuffer()
    second.freebuffer()
    again = pynq.allocate(100, dtype="u1")
    assert again.device_address == address
    for buffer in (first, third, again):
        buffer.freebuffer()
    assert board.ddr.used == 0


def test_unplugging_gives_pynq_its_boards_back(overlay: Path) -> None:
    from pynq.interrupt import _InterruptController
    from pynq.pl_server.device import Device

    from edgemoe_gen.simulated.board import SimulatedBoard

    with SimulatedBoard() as outer:
        with SimulatedBoard() as inner:
            assert Device.active_device is inner and Device.devices == [inner]
            loaded(overlay)
            assert inner._line in _InterruptController._uio_devices.values()
        assert Device.active_device is outer
        assert inner._line not in _InterruptController._uio_devices.values()


@pytest.mark.parametrize("name", REAL)
def test_pynq_lists_the_ip_of_vivados_own_handoffs_and_the_driver_refuses_them_by_name(
    name: str, overlay: Path, board: Any, tmp_path: Path
) -> None:
    import pynq

    if not (SHARED / f"{name}.hwh").is_file():
        pytest.skip(f"the shared data has no {name}.hwh")
    data = (SHARED / f"{name}.hwh").read_bytes()
    (tmp_path / "real.hwh").write_bytes(data)
    (tmp_path / "real.bit").write_bytes(b"")
    found = pynq.Overlay(str(tmp_path / "real.bit"))
    assert REAL[name] in found.ip_dict and "CTRL" in found.ip_dict[REAL[name]]["registers"]
    assert board.loads == 1
    wrong = rewrite(overlay, tmp_path / "wrong", {"m3vit_test.hwh": lambda _: data})
    with pytest.raises(OverlayError, match=rf"m3vit_test\.hwh has no block 'edgemoe_engine'; it has: .*{REAL[name]}"):
        Accelerator(wrong)
    assert board.loads == 1 and board.runs == 0
