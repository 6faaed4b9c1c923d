"""The walk-through of the docs, every command as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgemoe_gen.base.installed import PACKAGE
from edgemoe_gen.cli.group import run

ROOT = PACKAGE.parent
PAGE = ROOT / "docs" / "walkthrough.md"


def commands(kind: str = "") -> list[list[str]]:
    """Commands of the page's blocks of one kind, without the program's name."""
    blocks = re.findall(r"^```(\w+ ?\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for name, text in blocks if name == f"sh {kind}".strip() for line in text.splitlines()]
    found = [shlex.split(line) for line in lines]
    assert all(words[0] == "edgemoe-gen" for words in found)
    return [words[1:] for words in found]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the page's paths are right and nothing of the clone is written to."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_command_runs_and_leaves_what_the_page_says(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ziglang")  # of [schedule], for step 5
    for words in commands():
        assert run(words) == 0, (words, capsys.readouterr().err)
    for name in ("edgemoe.toml", "reference.npz", "build/report.html", "cycles.html", "classes.png", "depth.npy"):
        assert (clone / name).is_file(), name


@pytest.mark.pynq
@pytest.mark.usefixtures("clone")
def test_its_host_code_runs_on_the_simulated_board(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pynq")
    (init,) = [words for words in commands() if words[0] == "init"]
    assert run(init) == 0 and run(["build", "--only", "render"]) == 0 and run(["build", "--until", "preview"]) == 0
    capsys.readouterr()
    for words in commands("pynq"):
        assert run(words) == 0, (words, capsys.readouterr().err)
    assert "semseg" in capsys.readouterr().out
