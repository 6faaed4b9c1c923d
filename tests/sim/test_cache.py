"""The cache of compiled libraries holds against damage, other users, killed and failing compilers, and odd folders."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import SimulationError, SurroundingsError
from edgemoe_gen.sim import cache, compiler
from edgemoe_gen.sim.cache import find_library, keep_library, load_library
from edgemoe_gen.sim.compiler import Build, compile_library

SOURCES = {"src/engine.cpp": 'extern "C" int answer() { return 42; }\n', "sim/simulate.cpp": ""}
AS_ROOT = os.geteuid() == 0
NOBODY = 1 << 23  # above all numbers of processes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of libraries of an empty cache."""
    monkeypatch.setenv("EDGEMOE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "libraries"


def write(text: bytes) -> Callable[[Path], Path]:
    """A maker of a library, so to say."""

    def make(partial: Path) -> Path:
        made = partial / "made.so"
        made.write_bytes(text)
        return made

    return make


def never(_: Path) -> Path:
    raise AssertionError("made again")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "in the way").mkdir(parents=True)


def link_elsewhere(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.replace(elsewhere)
    path.symlink_to(elsewhere)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "flipped bit": flip,
    "folder": replace_by_folder,
    "link": link_elsewhere,
    "no checksum": lambda path: path.with_suffix(".sha256").unlink(),
    "checksum that is no text": lambda path: path.with_suffix(".sha256").write_bytes(b"\xff\xfe"),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_library_is_compiled_again(folder: Path, damage: Callable[[Path], object]) -> None:
    path = compile_library(SOURCES)
    assert path.parent == folder and load_library(path).answer() == 42
    kept = path.read_bytes()
    damage(path)
    assert compile_library(SOURCES) == path
    assert path.is_file() and not path.is_symlink() and path.read_bytes() == kept


def test_a_sound_library_is_taken_as_it_is_and_only_by_its_own_name(folder: Path) -> None:
    path = keep_library("one", write(b"1"))
    assert keep_library("one", never) == path
    assert find_library("one") == path and find_library("two") is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_another_user_s_library_is_never_loaded(folder: Path) -> None:
    path = keep_library("one", write(b"1"))
    os.chown(path, 65534, 65534)
    assert find_library("one") is None
    assert keep_library("one", write(b"2")).read_bytes() == b"2"
    os.chown(folder, 65534, 65534)
    assert find_library("one") is None
    with pytest.raises(SimulationError, match="belongs to another user") as refused:
        keep_library("one", never)
    assert "EDGEMOE_CACHE" in refused.value.hint


def test_what_lay_open_to_others_is_made_again(folder: Path) -> None:
    keep_library("one", write(b"planted?"))
    folder.chmod(0o777)
    assert find_library("one") is None
    assert keep_library("one", write(b"made")).read_bytes() == b"made"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_read_only_cache_serves_what_it_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep_library("one", write(b"1"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(folder))

    monkeypatch.setattr(Path, "touch", refuse)
    assert keep_library("one", never) == path
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SurroundingsError, match=r"cannot be written.*Read-only file system") as refused:
        keep_library("two", never)
    assert "EDGEMOE_CACHE" in refused.value.hint


def test_a_cache_that_is_a_file_or_a_dangling_link_is_named(folder: Path) -> None:
    folder.parent.write_text("")
    with pytest.raises(SimulationError, match="cache of compiled libraries cannot be written"):
        keep_library("one", never)
    folder.parent.unlink()
    folder.parent.symlink_to("/nonexistent/deep")
    with pytest.raises(SimulationError, match="cache of compiled libraries cannot be written"):
        keep_library("one", never)


def test_a_cache_from_which_nothing_runs_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(folder.parent.parent)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:8], real.f_flag | os.ST_NOEXEC, 255]))
    with pytest.raises(SimulationError, match="mounted noexec"):
        keep_library("one", never)


def test_no_home_folder_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGEMOE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(SimulationError, match="no home folder"):
        cache.cache_folder()


def test_what_killed_processes_left_is_swept_and_what_others_make_is_not(folder: Path) -> None:
    keep_library("one", write(b"1"))
    (folder / f"killed.{NOBODY}.partial").mkdir()
    (folder / f"two.{NOBODY}.partial").mkdir()
    # One holds its lock; the other is alive, and holds the lock that another release gives it.
    (folder / f"locked.{NOBODY}.partial").mkdir()
    (folder / "alive.1.partial").mkdir()
    with cache._lock(folder, "locked", wait=True):
        keep_library("two", write(b"2"))
        left = sorted(path.name for path in folder.glob("*.partial"))
    assert left == ["alive.1.partial", f"locked.{NOBODY}.partial"]


@pytest.mark.usefixtures("folder")
def test_of_several_threads_one_makes_a_library() -> None:
    made: list[int] = []

    def make(partial: Path) -> Path:
        made.append(1)
        return write(b"1")(partial)

    threads = [threading.Thread(target=keep_library, args=("one", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and find_library("one")


def test_the_oldest_libraries_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEEP", 2)
    for age, name in enumerate(("three", "two", "one")):
        os.utime(keep_library(name, write(b"")), (age, age))
    keep_library("new", write(b""))
    assert sorted(path.name for path in folder.glob("*.so")) == ["new.so", "one.so"]
    assert len(list(folder.glob("*.sha256"))) == 2


def test_a_failed_compilation_leaves_nothing(folder: Path) -> None:
    with pytest.raises(SimulationError, match="does not compile the design"):
        compile_library({**SOURCES, "src/engine.cpp": "int answer( {"})
    assert [path for path in folder.iterdir() if not path.name.startswith("lock.")] == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            rb"g++: fatal error: Killed signal terminated program cc1plus",
            "was killed, most likely since memory",
        ),
        (rb"engine.cpp:1:1: fatal error: error writing to cc.s: No space left on device", "had no disk left"),
        (rb"ld: cannot find crti.o: No such file or directory", "has no C library to link with"),
        (b"src/engine.cpp:1:1: error: ung\xfcltig", "does not compile the design"),
    ],
    ids=["killed", "full disk", "no C library", "no UTF-8"],
)
def test_a_compiler_s_surroundings_are_no_fault_of_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, wanted: str
) -> None:
    text = tmp_path / "said"
    text.write_bytes(said + b"\n")
    fake = tmp_path / "g++"
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "g++ 12" && exit\ncat "{text}" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setattr(compiler, "find_compiler", lambda: str(fake))
    with pytest.raises(SimulationError, match=wanted) as refused:
        compile_library(SOURCES)
    assert refused.value.exit_code == (1 if "does not compile" in wanted else 2)


def test_the_level_of_optimisation_is_the_environment_s_or_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMOE_OPTIMISATION", "0")
    assert "-O0" in Build().flags and "-O1" in Build(sanitize=True).flags
    monkeypatch.delenv("EDGEMOE_OPTIMISATION")
    assert "-O3" in Build().flags
    monkeypatch.setenv("EDGEMOE_OPTIMISATION", "fast")
    with pytest.raises(SimulationError, match="EDGEMOE_OPTIMISATION is 'fast'"):
        _ = Build().flags


def test_a_killed_process_costs_the_next_one_nothing_but_time(folder: Path) -> None:
    script = (
        "import os, signal\nfrom edgemoe_gen.sim.cache import keep_library\n"
        "keep_library('one', lambda folder: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], env=dict(os.environ), check=False).returncode < 0
    assert list(folder.glob("one.*.partial"))
    assert keep_library("one", write(b"1")).read_bytes() == b"1"
    assert not list(folder.glob("*.partial"))
