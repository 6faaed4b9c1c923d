"""-q, -v and -V, in any place of a line; and the cache's own command."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from edgemoe_gen import api
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.version import __version__
from edgemoe_gen.cli.group import run
from edgemoe_gen.hardware.boards import load_board


def test_the_version_has_a_short_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-V"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("place", [0, 1, 3])
def test_quiet_says_the_result_alone(place: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["generate", "--output", str(tmp_path / "out")]
    assert run([*line[:place], "-q", *line[place:]]) == 0
    said = capsys.readouterr()
    assert not said.err
    assert "fits AMD ZCU104" in said.out


def test_errors_are_said_quietly_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["boards", "zcu14", "-q"]) == 2
    assert "did you mean 'zcu104'?" in capsys.readouterr().err


def test_quiet_and_verbose_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["boards", "-q", "-v"]) == 2
    assert "contradict" in capsys.readouterr().err


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of an old and a new library, beside a file of somebody else's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGEMOE_CACHE", str(folder))
    (folder / "libraries").mkdir(parents=True)
    (folder / "schedules").mkdir()
    for name, days in (("old", 40), ("new", 0)):
        for suffix in (".so", ".sha256"):
            path = folder / "libraries" / (name + suffix)
            path.write_bytes(bytes(100))
            os.utime(path, (time.time() - days * 86400,) * 2)
    (folder / "schedules" / "x.json").write_text("{}")
    (folder / "mine.txt").write_text("mine")
    (folder / "libraries" / f"engine.{os.getppid()}.partial").mkdir()  # being made by a living process
    return folder


def test_the_cache_is_shown_by_kind(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(cache) and not shown["cleaned"]
    sizes = {row["kind"]: (row["files"], row["size"]) for row in shown["kept"]}
    assert sizes["compiled designs and Verilog"] == (2, 200)
    assert sizes["schedules"] == (1, 2)
    assert run(["cache"]) == 0
    assert "402 B in" in capsys.readouterr().out


def test_cleaning_takes_what_is_ours_and_old_enough(cache: Path) -> None:
    with pytest.raises(ConfigError, match="goes with --clean"):
        api.cache(older_than=3)
    with pytest.raises(ConfigError, match="--older-than is -1"):
        api.cache(clean=True, older_than=-1)
    assert api.cache(clean=True, older_than=30).size == 200
    assert sorted(path.name for path in (cache / "libraries").glob("*.s*")) == ["new.sha256", "new.so"]
    assert api.cache(clean=True).size == 202
    left = sorted(path.name for path in cache.rglob("*") if not path.is_dir())
    assert left == ["mine.txt"]
    assert list((cache / "libraries").glob("*.partial"))
    assert api.cache().kept == ()


def test_a_cache_that_is_not_there_is_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEMOE_CACHE", str(tmp_path / "none"))
    assert run(["cache", "--clean"]) == 0
    assert "0 B removed from" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_board_file_is_written_to_begin_another_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    assert run(["boards", "kv260", "--write", str(file)]) == 0
    assert load_board(str(file)).dsp == load_board("kv260").dsp
    before = file.read_bytes()
    assert run(["boards", "zcu104", "--write", str(file)]) == 2  # exists
    assert run(["boards", "--write", str(tmp_path / "other.toml")]) == 2  # which one?
    assert run(["boards", "zcu104", "--write", str(tmp_path / "other.txt")]) == 2
    assert "end its name with .toml" in capsys.readouterr().err
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
