"""The command that builds a point: what was asked comes back when the command line is parsed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.api.common import said
from edgemoe_gen.cli import main
from edgemoe_gen.cli.build_command import command as build
from edgemoe_gen.cli.options import knob_values, spec_options
from edgemoe_gen.model import SpecOptions
from edgemoe_gen.project.config import Config, read_config
from edgemoe_gen.tuning import Point
from edgemoe_gen.tuning.asked import Asked, build_command

POINT = Point.of({"tokens_parallel": 2, "clock_mhz": 250.0, "fifo_depths.tiles": 8, "frames": 2})
OPTIONS = SpecOptions(
    heads=3, image_height=128, experts=(8, 16), hidden=192, mlp_ratio=4.0, class_token=False, input_ahead=True,
    tasks=("semseg", "depth"), mean=(0.5, 0.25, 0.125), router="multi", class_names={"semseg": ("a", "b")},
)  # fmt: skip


def parsed(text: str) -> dict[str, Any]:
    """What `build` gets of a command."""
    words = shlex.split(text)
    assert words[:2] == ["edgemoe-gen", "build"]
    given = build.make_context("build", words[2:]).params
    return {**given, "options": spec_options(given), "knobs": knob_values(given["knobs"])}


def test_without_a_file_all_that_was_said_is_in_the_command() -> None:
    words = said(
        "my ck.pth", OPTIONS, "zcu102", None, ["a b.png", "images"], ["more"], task=["depth"]
    )  # fmt: skip
    command = build_command(Asked(words, Path("net.yml")), words, "zcu102", {"weight_bits": 8}, POINT)
    given = parsed(command)
    assert given["checkpoint"] == Path("my ck.pth")
    assert given["spec"] == Path("net.yml")
    assert given["config"] is None
    assert given["board"] == "zcu102"
    assert given["image"] == (Path("a b.png"), Path("images"))
    assert given["calibrate"] == (Path("more"),)
    assert given["task"] == ("depth",)
    assert given["knobs"] == {"weight_bits": 8, "tokens_parallel": 2, "clock_mhz": 250.0}
    assert given["options"] == SpecOptions(**{**OPTIONS.__dict__, "class_names": None})


def test_with_a_file_the_command_names_it_and_what_was_said_beside_it() -> None:
    words = said(None, SpecOptions(top_k=2), None, None, ["images"])
    whole = words.over(Config(checkpoint=Path("ck.pth"), board="mine/board.toml", knobs={"weight_bits": 8}))
    file = Path("proj/edgemoe.toml")
    given = parsed(build_command(Asked(words, None, file), whole, "mine", whole.knobs, POINT))
    assert given["checkpoint"] is None
    assert given["config"] == file
    assert given["board"] == "mine/board.toml"
    assert given["image"] == (Path("images"),)
    assert given["options"] == SpecOptions(top_k=2)
    assert given["knobs"] == {"tokens_parallel": 2, "clock_mhz": 250.0}, "the file has the others"


@pytest.mark.parametrize("file", [None, Path("edgemoe.toml")])
def test_without_a_checkpoint_the_command_renders_the_point(
    file: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if file is not None:
        file.write_text('board = "zcu104"\n[knobs]\nweight_bits = 8\n')
    whole = Config() if file is None else read_config(file)
    command = build_command(Asked(Config(), None, file), whole, "zcu104", whole.knobs, POINT)
    assert command.startswith("edgemoe-gen generate ")
    assert main([*shlex.split(command)[1:], "--output", "out"]) == 0
    assert (tmp_path / "out" / "accelerator" / "design.json").is_file()
