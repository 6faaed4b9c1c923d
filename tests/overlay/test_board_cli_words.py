"""What users of the board's commands can get wrong, before any board is touched: a sentence, and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.session import look_up, open_frame, read_estimates
from edgemoe_gen.report.numbers import duration
from tests.overlay.repackaging import rewrite
from tests.overlay.small_builds import SmallBuild, random_frame

Refused = Callable[..., str]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that must fail with exit code 2 and nothing on stdout; returns its words."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> str:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert code == 2, err
        assert not out and "Traceback" not in err
        return err

    return call


@pytest.fixture
def picture(build: SmallBuild, tmp_path: Path) -> Path:
    path = tmp_path / "frame.png"
    Image.fromarray(random_frame(build.spec, 5)).save(path)
    return path


def test_wrong_name_of_an_overlay(refused: Refused, picture: Path) -> None:
    for arguments in (
        ("selftest", "m3vit_none"),
        ("bench", "m3vit_none"),
        ("run", "--backend", "board", "--overlay", "m3vit_none", "--image", picture),
    ):
        err = refused(*arguments)
        assert "'m3vit_none' is neither an installed overlay nor a folder with a manifest.json" in err
        assert "pip" in err


def test_missing_and_unknown_task(refused: Refused, overlay: Path, picture: Path) -> None:
    board = ("run", "--backend", "board", "--overlay", overlay, "--image", picture)
    assert "has the tasks semseg, depth" in refused(*board)
    assert "--task all" in refused(*board)
    unknown = "the overlay m3vit_test has no task 'normals'"
    assert unknown in refused(*board, "--task", "normals")
    assert unknown in refused("bench", overlay, "--task", "normals")


def test_picture_of_a_wrong_size_kind_or_place(refused: Refused, overlay: Path, tmp_path: Path) -> None:
    def error(image: Path) -> str:
        return refused("run", "--backend", "board", "--overlay", overlay, "--image", image, "--task", "depth")

    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "small.png")
    assert "small.png is 8 x 8 pixels, the model takes" in error(tmp_path / "small.png")
    assert "small.png is 8 x 8 pixels" in refused("bench", overlay, "--image", tmp_path / "small.png")
    assert "none.png does not exist" in error(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "text.png is truncated, damaged or not a picture" in error(tmp_path / "text.png")
    shape = look_up(overlay).image
    np.save(tmp_path / "ready.npy", np.zeros((3, shape.height, shape.width), np.float32))
    assert "ready.npy holds a ready network input, but the board takes pixels" in error(tmp_path / "ready.npy")


def test_options_that_do_not_belong_together(refused: Refused, overlay: Path, picture: Path) -> None:
    assert "none is named" in refused("run", "--backend", "board", "--image", picture)
    err = refused(
        "run", "checkpoint.pth", "--backend", "board", "--overlay", overlay, "--image", picture, "--depth", "3",
        "--knob", "max_tokens=5", "--calibrate", picture,
    )  # fmt: skip
    assert "so a checkpoint, --knob, --calibrate, the network's options cannot be given too" in err
    assert "--overlay is for the board, but the backend is float" in refused(
        "run", "c.pth", "--overlay", overlay, "--image", picture
    )
    assert "--simulated is for the board" in refused("run", "c.pth", "--simulated", "--image", picture)
    assert "--routes" in refused(
        "run", "--backend", "board", "--overlay", overlay, "--image", picture, "--routes", "a.npz"
    )


@pytest.mark.parametrize("said", [("--frames", "0"), ("--seconds", "0"), ("--seconds", "nan"), ("--seconds", "-1")])
def test_numbers_that_measure_nothing(refused: Refused, overlay: Path, said: tuple[str, str]) -> None:
    assert f"{said[0]} is {said[1]}" in refused("bench", overlay, *said)


def test_page_that_cannot_be_written_is_refused_before_measuring(
    refused: Refused, overlay: Path, tmp_path: Path
) -> None:
    assert "'bench.svg', but a .html file is written" in refused("bench", overlay, "--output", "bench.svg")
    (tmp_path / "file").write_text("")
    page = tmp_path / "file" / "bench.html"
    assert "is a file, where a folder is needed" in refused("bench", overlay, "--output", page)


def test_damaged_manifest_is_an_error_that_names_it(overlay: Path, tmp_path: Path) -> None:
    copy = rewrite(overlay, tmp_path / "copy", {})
    content = json.loads((copy / "manifest.json").read_text())
    damages: tuple[dict[str, Any], ...] = (
        {"board": {}},
        {"estimate": {"milliseconds_per_frame": "fast"}},
        {"network": None},
    )
    for damage in damages:
        (copy / "manifest.json").write_text(json.dumps(content | damage))
        with pytest.raises(OverlayError, match=r"manifest\.json is damaged"):
            look_up(copy)


def test_estimates_are_read_by_task_or_for_all_and_may_be_absent() -> None:
    assert read_estimates({}, ("a",)) == ({}, "")
    one = {"estimate": {"milliseconds_per_frame": 2.5, "tier": "timed simulation"}}
    assert read_estimates(one, ("a", "b")) == ({"a": 0.0025, "b": 0.0025}, "timed simulation")
    some = {"estimate": {"milliseconds_per_frame": {"b": 4}}}
    assert read_estimates(some, ("a", "b")) == ({"b": 0.004}, "estimate")


def test_frame_is_the_picture_s_own_pixels(build: SmallBuild, overlay: Path, picture: Path) -> None:
    assert np.array_equal(open_frame(picture, look_up(overlay)), random_frame(build.spec, 5))


def test_durations_are_written_with_three_digits_or_so() -> None:
    shown = [duration(value) for value in (0.00000123, 0.000456, 0.00305, 0.1234, 2.5, -0.00002)]
    assert shown == ["0.001 ms", "0.456 ms", "3.05 ms", "123.4 ms", "2.50 s", "-0.020 ms"]


@pytest.mark.parametrize(
    "code",
    [
        "from edgemoe_gen.cli import main; main(['selftest', '--help'])",
        "from edgemoe_gen.cli import main; main(['bench', '--help'])",
        "from edgemoe_gen.cli import main; main(['run', '--help'])",
        "import edgemoe_gen.measuring.bench, edgemoe_gen.measuring.power, edgemoe_gen.measuring.session",
        "import edgemoe_gen; edgemoe_gen.selftest",
    ],
)
def test_board_commands_import_neither_torch_nor_pynq(code: str) -> None:
    check = "import sys; left = {'torch', 'pynq', 'pandas'} & set(sys.modules); assert not left, left"
    subprocess.run([sys.executable, "-c", f"{code}\n{check}"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def test_missing_pynq_is_one_sentence(overlay: Path) -> None:
    script = (
        "import sys; sys.modules['pynq'] = None\n"
        f"from edgemoe_gen.cli import main; sys.exit(main(['selftest', {str(overlay)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "pynq can't be imported" in done.stderr and "Traceback" not in done.stderr
