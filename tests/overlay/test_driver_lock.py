"""One process on a board at a time: the second is refused by number, and a killed one leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.overlay import Accelerator, OverlayError
from edgemoe_gen.overlay.driver import lock as lock_module
from edgemoe_gen.overlay.driver.lock import BoardLock, lock_board, lock_name
from tests.overlay.small_builds import SmallBuild

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


@pytest.fixture
def name() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    for folder in lock_module.FOLDERS:
        (Path(folder) / f"edgemoe-{name}.lock").unlink(missing_ok=True)


class Named:
    def __init__(self, name: str | None = None) -> None:
        self.tag = "simulated/0"
        if name is not None:
            self.lock_name = name


def path_of(name: str) -> Path:
    return next(p for f in lock_module.FOLDERS if (p := Path(f) / lock_name(Named(name))).exists())


def test_lock_is_the_boards_and_not_of_one_overlay(name: str) -> None:
    first = BoardLock(lock_name(Named(name)), "m3vit_a")
    with pytest.raises(
        OverlayError, match=rf"^m3vit_b can't be opened: the board is in use by this process \({os.getpid()}\)$"
    ):
        BoardLock(lock_name(Named(name)), "m3vit_b")
    first.release()
    first.release()
    second = BoardLock(lock_name(Named(name)), "m3vit_b")
    assert path_of(name).read_text() == f"{os.getpid()}\n"
    second.release()
    assert path_of(name).read_text() == ""


def test_lock_can_be_taken_by_every_user(name: str) -> None:
    old = os.umask(0o077)
    try:
        lock = BoardLock(lock_name(Named(name)), "m3vit_a")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path_of(name).stat().st_mode) == 0o666
    lock.release()


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
def test_lock_made_by_root_is_taken_by_a_user_and_the_other_way_round(name: str) -> None:
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from edgemoe_gen.overlay.driver.lock import BoardLock
os.setuid(int(sys.argv[1]))
BoardLock(sys.argv[2], "m3vit")
print("taken")
"""
    for place, users in enumerate(((0, 65534, 0), (65534, 0, 12345))):
        lock = f"edgemoe-{name}{place or ''}.lock"
        for user in users:
            command = [sys.executable, "-c", script, str(user), lock]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.stdout == "taken\n", done.stderr
        for folder in lock_module.FOLDERS:
            (Path(folder) / lock).unlink(missing_ok=True)


def test_symbolic_link_in_place_of_the_lock_is_not_followed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "FOLDERS", (str(tmp_path),))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / lock_name(Named(name))).symlink_to(victim)
    with pytest.raises(OverlayError, match="no lock edgemoe-test"):
        BoardLock(lock_name(Named(name)), "m3vit")
    assert victim.read_text() == "precious"


def test_a_lock_that_is_no_file_is_passed_over_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, make in ((first, os.mkfifo), (second, os.mkdir)):
        folder.mkdir()
        make(folder / lock_name(Named(name)))
    monkeypatch.setattr(lock_module, "FOLDERS", (str(first), str(second)))
    with pytest.raises(OverlayError, match=r"no lock edgemoe-test.* can be made"):
        BoardLock(lock_name(Named(name)), "m3vit")
    monkeypatch.setattr(lock_module, "FOLDERS", (str(first),))
    with pytest.raises(OverlayError, match="it is no regular file"):
        BoardLock(lock_name(Named(name)), "m3vit")
    monkeypatch.setattr(lock_module, "FOLDERS", (str(first), str(tmp_path)))
    BoardLock(lock_name(Named(name)), "m3vit").release()


@pytest.mark.parametrize("text", ["99999999999999999999\n", "0\n", "-5\n", "x\n", "\xff", ""])
def test_a_number_that_no_process_has_is_not_told(name: str, text: str) -> None:
    lock = BoardLock(lock_name(Named(name)), "m3vit_a")
    path_of(name).write_text(text)
    with pytest.raises(OverlayError, match=r"in use by another process$"):
        BoardLock(lock_name(Named(name)), "m3vit_b")
    lock.release()


def test_real_board_has_one_lock_for_all_processes_and_a_simulated_one_none() -> None:
    class EmbeddedDevice(Named):
        """As PYNQ calls its own."""

    class Newer(EmbeddedDevice):
        """As PYNQ's device for Versal."""

    assert lock_name(EmbeddedDevice()) == lock_name(Newer()) == "edgemoe-board.lock"
    assert lock_name(Named("bench 1")) == "edgemoe-bench_1.lock"
    assert lock_name(Named()) == ""  # of this process alone, so no file is left in a folder of everybody
    device, other = Named(), Named()
    lock = lock_board(device, "m3vit_a")
    lock_board(other, "m3vit_a").release()
    with pytest.raises(OverlayError, match=rf"in use by this process \({os.getpid()}\)"):
        lock_board(device, "m3vit_b")
    lock.release()
    lock_board(device, "m3vit_b").release()


def test_lock_that_nobody_holds_any_more_is_free(name: str) -> None:
    for device in (Named(name), Named()):
        lock = lock_board(device, "m3vit_a")
        with pytest.raises(OverlayError):
            lock_board(device, "m3vit_b")
        del lock
        gc.collect()
        lock_board(device, "m3vit_b").release()


def start(overlay: Path, name: str, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.overlay.board_user", str(overlay), name, what]
    # PYNQ installs a package `tests` of its own, so the project's folder must come first.
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.pynq
def test_second_process_is_refused_by_number_and_works_once_the_first_is_killed(overlay: Path, name: str) -> None:
    first = start(overlay, name, "stream")
    try:
        assert line_of(first) == "ready"
        second = start(overlay, name, "run")
        refusal, _ = second.communicate(timeout=60)
        assert refusal.strip() == f"refused: m3vit_test can't be opened: the board is in use by process {first.pid}"
        assert second.returncode == 3
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    third = start(overlay, name, "run")
    said, _ = third.communicate(timeout=60)
    assert said.split() == ["ready", "done"] and third.returncode == 0


@pytest.mark.pynq
def test_child_that_outlives_a_killed_process_does_not_keep_the_board(overlay: Path, name: str) -> None:
    first = start(overlay, name, "fork")
    child = int(line_of(first).split()[1])
    try:
        assert line_of(first) == "ready"
        first.send_signal(signal.SIGKILL)
        first.wait()
        third = start(overlay, name, "run")
        said, _ = third.communicate(timeout=60)
        assert said.split() == ["ready", "done"]
    finally:
        os.kill(child, signal.SIGKILL)
        first.communicate()


@pytest.mark.pynq
def test_failed_and_closed_accelerators_give_the_board_back(build: SmallBuild, overlay: Path, name: str) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    device: Any = SimulatedDevice(build.engine)
    device.lock_name = name
    with device:
        device.identity ^= 1
        for _ in range(2):
            with pytest.raises(OverlayError, match="the chip says"):
                Accelerator(overlay)
        device.identity ^= 1
        device.memory = 5_000
        with pytest.raises(OverlayError, match=r"DDR has no [\d,]+ bytes in one piece for .*, beside the [\d,]+ bytes"):
            Accelerator(overlay)
        assert not device.allocated
        device.memory = 1 << 28
        with Accelerator(overlay), pytest.raises(OverlayError, match=rf"in use by this process \({os.getpid()}\)"):
            Accelerator(overlay)
        with Accelerator(overlay, device=device) as accelerator:
            accelerator.run(build.frame, "depth")
