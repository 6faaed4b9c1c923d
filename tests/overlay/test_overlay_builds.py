"""The commands of the board take the folder of a build: its overlay, else its preview, which only a simulation runs."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.session import look_up, opened
from edgemoe_gen.overlay.builds import overlay_in
from edgemoe_gen.overlay.preview import write_preview
from edgemoe_gen.pipeline.artefacts import design_facts
from tests.overlay.small_builds import NAME, SmallBuild

needs_pynq = pytest.mark.skipif(find_spec("pynq") is None, reason="PYNQ is not installed: install the extra `pynq`")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


def rendered(folder: Path, build: SmallBuild) -> None:
    """What a build leaves of its design."""
    (folder / "accelerator").mkdir(parents=True, exist_ok=True)
    (folder / "accelerator" / "design.json").write_text(json.dumps(design_facts(build.design)))


@pytest.fixture
def previewed(build: SmallBuild, tmp_path: Path) -> Path:
    """A build's folder with a preview."""
    accelerator, _ = build.write(tmp_path / "parts")
    rendered(tmp_path / "build", build)
    write_preview(NAME, accelerator, tmp_path / "build" / "preview", build.facts)
    return tmp_path / "build"


@pytest.fixture
def packaged(previewed: Path, overlay: Path) -> Path:
    """The same with an overlay beside the preview."""
    shutil.copytree(overlay, previewed / "overlay" / NAME)
    return previewed


def test_a_build_s_preview_is_taken_and_called_one(previewed: Path) -> None:
    found = look_up(previewed)
    assert found.manifest.folder == previewed / "preview" / NAME
    assert found.note == f"{previewed / 'preview' / NAME} is taken, a preview for the simulated board only"


def test_a_build_s_overlay_comes_before_its_preview(packaged: Path) -> None:
    found = look_up(packaged)
    assert found.manifest.folder == packaged / "overlay" / NAME
    assert found.note == f"{packaged / 'overlay' / NAME} is taken"


def test_an_overlay_of_an_older_design_does_not(packaged: Path) -> None:
    (packaged / "accelerator" / "design.json").write_text(json.dumps({"identity": "0123456789abcdef"}))
    assert overlay_in(packaged) == packaged / "preview" / NAME


def test_an_overlay_that_is_named_itself_has_no_note(packaged: Path) -> None:
    assert look_up(packaged / "overlay" / NAME).note == ""


def test_a_build_that_ended_too_early_is_named_as_one(build: SmallBuild, tmp_path: Path) -> None:
    rendered(tmp_path / "build", build)
    with pytest.raises(OverlayError, match="a build without an overlay") as caught:
        look_up(tmp_path / "build")
    assert "--until preview" in caught.value.hint


def test_what_is_neither_is_refused_with_all_ways_to_name_one(tmp_path: Path) -> None:
    for where in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OverlayError, match="neither an installed overlay nor a folder") as caught:
            look_up(where)
        assert "that of the build" in caught.value.hint


@pytest.mark.parametrize(
    "command",
    [["selftest"], ["bench"], ["run", "--image", "x.png", "--task", "depth", "--backend", "board", "--overlay"]],
)
def test_a_preview_on_a_board_is_refused_by_a_sentence_before_one_is_looked_for(
    previewed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(previewed / "preview" / NAME / "notebooks" / "picture.npy", tmp_path / "x.npy")
    words = [word.replace("x.png", "x.npy") for word in command]
    assert main([*words, str(previewed)]) == 2
    said = capsys.readouterr().err
    assert "is a preview, made before synthesis for the simulated board only" in said and "--simulated" in said
    assert "Traceback" not in said and "PYNQ" not in said


def test_serve_says_which_overlay_it_takes(
    previewed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp", reason="the live view needs aiohttp")
    ended: list[str] = []
    monkeypatch.setattr("edgemoe_gen.serving.serve", lambda *_, **__: ended.append("served"))
    assert main(["serve", str(previewed), "--simulated", "--source", str(tmp_path), "--task", "depth"]) in (0, 2)
    assert "a preview for the simulated board only" in capsys.readouterr().err


@needs_pynq
@pytest.mark.parametrize("command", [["selftest"], ["bench", "--frames", "1", "--seconds", "0.01"]])
def test_the_simulated_board_runs_a_build_s_preview(
    previewed: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, str(previewed), "--simulated"]) == 0
    said = capsys.readouterr()
    assert f"note: {previewed / 'preview' / NAME} is taken, a preview for the simulated board only" in said.err


@needs_pynq
def test_a_simulated_board_that_is_plugged_in_runs_a_preview_too(previewed: Path) -> None:
    from edgemoe_gen.simulated.board import SimulatedBoard

    installed = look_up(previewed)
    with SimulatedBoard(installed.manifest.folder), opened(installed, simulated=False) as (accelerator, _):
        assert accelerator.selftest()
