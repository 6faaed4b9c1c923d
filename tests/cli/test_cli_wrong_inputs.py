"""Wrong inputs: one clear sentence, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.base.errors import ConfigError
from tests.cli.conftest import Outcome, Project
from tests.factory import make_state, save_state, write_checkpoint

Run = Callable[..., Outcome]


def refused(outcome: Outcome, *words: str) -> None:
    """Exit code 2, and one sentence that holds all the words."""
    assert outcome.code == 2, outcome
    message = outcome.err.split("hint:")[0]
    assert message.count("error:") == 1
    for word in words:
        assert word in outcome.err, outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def build(run: Run, project: Project, here: Path) -> Callable[..., Outcome]:
    """A build with more arguments, which must leave nothing behind."""

    def call(*more: object, checkpoint: Path | None = None, spec: bool = True, image: Path | None = None) -> Outcome:
        before = left(here)
        arguments: list[object] = ["build", checkpoint or project.checkpoint]
        arguments += ["--spec", project.spec] if spec else []
        outcome = run(*arguments, "--image", image or project.images, *project.knobs, *more)
        assert left(here) == before, "something was written"
        return outcome

    return call


def test_missing_checkpoint(build: Callable[..., Outcome], here: Path) -> None:
    refused(build(checkpoint=here / "nothing.pth"), "nothing.pth")


def test_no_checkpoint_named(run: Run) -> None:
    refused(run("build"), "no checkpoint is named", "edgemoe-gen init")


def test_truncated_checkpoint(build: Callable[..., Outcome], project: Project, here: Path) -> None:
    path = here / "cut.pth"
    path.write_bytes(project.checkpoint.read_bytes()[:5000])
    refused(build(checkpoint=path), "cut.pth", "truncated")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


def test_malicious_pickle_is_refused_and_not_run(build: Callable[..., Outcome], here: Path) -> None:
    path = here / "bomb.pth"
    path.write_bytes(pickle.dumps({"state_dict": _Bomb()}, protocol=2))
    refused(build(checkpoint=path), "bomb.pth")
    assert not (here / "exploded").exists()


def test_unknown_board(build: Callable[..., Outcome]) -> None:
    refused(build("--board", "zcu999"), "zcu999", "zcu104")


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ("tokens_parallel=99", ("tokens_parallel", "99", "1 to 16")),
        ("speed=3", ("speed", "known knobs")),
        ("tokens_parallel=many", ("tokens_parallel", "many", "not a number")),
        ("tokens_parallel", ("tokens_parallel", "knob=value")),
        ("exp_segments=100", ("exp_segments", "power of two")),
    ],
)
def test_bad_knob(build: Callable[..., Outcome], knob: str, words: tuple[str, ...]) -> None:
    refused(build("--knob", knob), *words)


def test_knobs_that_break_a_rule_together(build: Callable[..., Outcome]) -> None:
    outcome = build("--knob", "in_parallel=16", "--knob", "out_parallel=24")
    refused(outcome, "out_parallel is 24", "in_parallel 16", "multiple")


def test_network_larger_than_the_knobs(build: Callable[..., Outcome]) -> None:
    refused(build("--knob", "max_tokens=16"), "33 tokens", "16", "max_tokens")


def test_design_larger_than_the_board(build: Callable[..., Outcome]) -> None:
    outcome = build("--board", "ultra96v2", "--knob", "tokens_parallel=16", "--knob", "out_parallel=16")
    refused(outcome, "does not fit", "Ultra96", "360 DSP")


def test_spec_that_contradicts_the_checkpoint(build: Callable[..., Outcome]) -> None:
    refused(build("--dim", 64), "dim", "64", "32")


def test_missing_keys_are_asked_for_by_name(build: Callable[..., Outcome]) -> None:
    refused(build(spec=False), "--heads", "--image-height", "--image-width", "--scale", "--mean", "--std", "--top-k")


def test_missing_tensor(build: Callable[..., Outcome], here: Path) -> None:
    state = make_state()
    del state["backbone.blocks.2.attn.proj.weight"]
    refused(build(checkpoint=save_state(here / "hole.pth", state)), "hole.pth", "blocks.2.attn.proj.weight")


def test_image_of_another_size(build: Callable[..., Outcome], here: Path) -> None:
    Image.new("RGB", (10, 10)).save(here / "small.png")
    refused(build(image=here / "small.png"), "small.png", "10 x 10", "64 x 32")


def test_corrupt_image(build: Callable[..., Outcome], here: Path) -> None:
    (here / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    refused(build(image=here / "broken.png"), "broken.png")


def test_folder_without_pictures(build: Callable[..., Outcome], here: Path) -> None:
    (here / "empty").mkdir()
    refused(build(image=here / "empty"), "empty", "no picture")


def test_no_picture_named(run: Run, project: Project, here: Path) -> None:
    refused(run("build", *project.network), "no picture", "--image")
    assert left(here) == set()


def test_ground_truth_of_another_size(build: Callable[..., Outcome], here: Path) -> None:
    Image.new("RGB", (64, 32)).save(here / "a.png")
    np.savez(here / "a.npz", labels=np.zeros((8, 8), np.uint8))
    refused(build(image=here / "a.png"), "a.npz", "labels", "[8, 8]")


def test_folder_of_ground_truth_that_does_not_exist(build: Callable[..., Outcome]) -> None:
    refused(build("--labels", "nowhere"), "ground truth", "nowhere", "--labels")


def test_folder_without_any_ground_truth(build: Callable[..., Outcome], here: Path) -> None:
    (here / "empty").mkdir()
    refused(build("--labels", here / "empty"), "empty", "2 pictures", "scene_0.npz")


def test_names_of_classes_that_are_too_few(build: Callable[..., Outcome]) -> None:
    refused(build("--class-names", "semseg=a,b"), "class_names.semseg", "2 names (a, b)", "5 channels")


def test_names_of_classes_of_an_unknown_task(build: Callable[..., Outcome]) -> None:
    refused(build("--class-names", "seg=a,b"), '"seg"', "semseg, depth")


def test_spec_in_the_place_of_the_checkpoint(build: Callable[..., Outcome], project: Project, run: Run) -> None:
    refused(build(checkpoint=project.spec), "spec.toml", "not a checkpoint", "--spec")
    refused(run("inspect", project.spec), "spec.toml", "not a checkpoint", "--spec")


def test_picture_in_the_place_of_the_checkpoint(build: Callable[..., Outcome], project: Project) -> None:
    refused(build(checkpoint=project.images / "scene_0.png"), "scene_0.png", "not a checkpoint", "--image")


def test_empty_name_of_a_board(build: Callable[..., Outcome]) -> None:
    refused(build("--board", ""), "no board ''", "zcu104")


@pytest.mark.parametrize(("option", "name", "suffix"), [("--dump", "d.txt", ".npz"), ("--output", "o.bmp", ".png")])
def test_file_named_for_another_format(
    run: Run, project: Project, here: Path, option: str, name: str, suffix: str
) -> None:
    image = project.images / "scene_0.png"
    refused(run("run", *project.network, "--image", image, "--task", "depth", option, name), option, name, suffix)
    assert left(here) == set()


def test_mistyped_command_is_guessed(run: Run) -> None:
    refused(run("bulid"), "'bulid'", "did you mean 'build'")
    refused(run("synthesise-everything"), "inspect", "build")


def test_unknown_task(build: Callable[..., Outcome]) -> None:
    refused(build("--task", "edges"), "edges", "semseg")


def test_output_folder_that_cannot_be_written(build: Callable[..., Outcome], here: Path) -> None:
    (here / "file").write_text("")
    refused(build("--output", here / "file" / "out"), "file", "cannot be written")


def test_pinned_tensor_that_does_not_exist(run: Run, project: Project, here: Path) -> None:
    assert run("init", *project.network, "--image", project.images, *project.knobs).code == 0
    config = here / "edgemoe.toml"
    config.write_text(config.read_text() + '"blocks.99.query" = 3\n')
    refused(run("build"), "blocks.99.query")
    assert not (here / "build" / "accelerator").exists()


def test_malformed_project_file(run: Run, here: Path) -> None:
    (here / "edgemoe.toml").write_text("board = \n")
    refused(run("build"), "edgemoe.toml", "not TOML")


def test_unknown_key_of_the_project_file(run: Run, here: Path) -> None:
    (here / "edgemoe.toml").write_text('[project]\ncheckpiont = "a"\n')
    refused(run("build"), "edgemoe.toml", "project.checkpiont", "checkpoint")


def test_routes_of_another_model(run: Run, project: Project, here: Path) -> None:
    other = write_checkpoint(here / "other.pth", depth=2)
    image = project.images / "scene_0.png"
    dumped = run("run", other, "--spec", project.spec, "--image", image, "--task", "depth", "--dump", "o.npz")
    assert dumped.code == 0, dumped.err
    refused(
        run("run", *project.network, "--image", image, "--task", "depth", "--routes", "o.npz", "--dump", "new.npz"),
        "o.npz", "another model", "[1, 33, 2]", "[2, 33, 2]",
    )  # fmt: skip
    assert not (here / "new.npz").exists()


def test_routes_that_name_an_expert_there_is_not(run: Run, project: Project, here: Path) -> None:
    np.savez(here / "r.npz", routes=np.full((2, 33, 2), 4))
    image = project.images / "scene_0.png"
    refused(
        run("run", *project.network, "--image", image, "--task", "depth", "--routes", "r.npz"), "r.npz", "experts 4"
    )


def test_routes_that_are_no_dump(run: Run, project: Project, here: Path) -> None:
    (here / "r.npz").write_bytes(b"no archive")
    image = project.images / "scene_0.png"
    refused(
        run("run", *project.network, "--image", image, "--task", "depth", "--routes", "r.npz"), "r.npz", "not a dump"
    )


def test_run_names_the_tasks_to_choose_from(run: Run, project: Project) -> None:
    refused(run("run", *project.network, "--image", project.images / "scene_0.png"), "semseg, depth", "--task")


def test_unknown_backend(run: Run, project: Project) -> None:
    image = project.images / "scene_0.png"
    refused(run("run", *project.network, "--image", image, "--backend", "gpu"), "gpu", "float, csim")


@pytest.mark.slow
def test_files_may_go_to_folders_that_do_not_exist_yet(run: Run, project: Project, here: Path) -> None:
    image, places = project.images / "scene_0.png", [here / "no" / name / "file" for name in "abcd"]
    arguments = [*project.network, "--image", image, "--task", "depth"]
    dump, picture = places[0].with_suffix(".npz"), places[1].with_suffix(".png")
    assert run("run", *arguments, "--dump", dump, "--output", picture).code == 0
    table, page = places[2].with_suffix(".csv"), places[3].with_suffix(".json")
    assert run("sweep", *project.network, *project.knobs, "--knob", "weight_bits=8", "--output", table).code == 0
    assert run("simulate", *project.network, *project.knobs, "--trace", page).code == 0
    assert all(path.is_file() for path in (dump, picture, table, page))


def test_unknown_kernel(run: Run) -> None:
    refused(run("csim", "--kernel", "pooling"), "pooling", "softmax")


def test_unknown_option_points_to_the_help(run: Run) -> None:
    refused(run("build", "--frobnicate"), "--frobnicate", "build --help")


def test_fault_of_the_program_says_how_to_report_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("inside out")

    monkeypatch.setattr("edgemoe_gen.api.doctor", fail)
    outcome = run("doctor")
    assert outcome.code == 70
    assert "RuntimeError: inside out" in outcome.err and "report it" in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("number", "word", "hint"),
    [(errno.ENOSPC, "No space left on device", "free some disk"), (errno.EACCES, "Permission denied", "permissions")],
)
def test_a_full_disk_or_a_closed_folder_is_no_fault_of_the_program(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, word: str, hint: str
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr("edgemoe_gen.api.catalogue.board_names", fail)
    refused(run("boards"), f"some/file could not be written or read: {word}", hint)


@pytest.mark.parametrize("option", ["--output", "--export", "--spec", "--image", "--config"])
def test_an_empty_path_is_not_the_current_folder(build: Callable[..., Outcome], here: Path, option: str) -> None:
    refused(build(option, ""), f"'{option}'", "it is empty, but must name a file or folder")
    assert left(here) == set()


def test_an_empty_or_very_long_name_of_the_overlay(build: Callable[..., Outcome], here: Path) -> None:
    refused(build("--name", ""), "--name is empty")
    refused(build("--name", "x" * 300), "the name of the overlay has 300 characters, more than 64")
    assert left(here) == set()


def test_an_empty_output_folder_is_refused_by_the_api_too() -> None:
    with pytest.raises(ConfigError, match="--output is empty"):
        api.build(output="")


def test_json_of_a_build_that_fails_is_an_object_with_what_stderr_says(build: Callable[..., Outcome]) -> None:
    outcome = build("--board", "nonsense", "--json")
    error = json.loads(outcome.out)["error"]
    assert outcome.code == error["exit_code"] == 2
    assert error["message"] in outcome.err and error["hint"] in outcome.err
    assert error["stage"] is None and error["log"] is None
    usage = build("--nonsense", "--json")
    assert json.loads(usage.out)["error"]["exit_code"] == usage.code == 2


@pytest.mark.parametrize("command", [["boards"], ["build", "--json"]], ids=["that works", "that fails"])
@pytest.mark.parametrize("streams", [{"stdout"}, {"stdout", "stderr"}], ids=["stdout", "both"])
def test_a_reader_who_leaves_early_ends_a_command_quietly(here: Path, command: list[str], streams: set[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(streams, writing)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "edgemoe_gen", *command], cwd=here, env=os.environ | {"PYTHONPATH": root}, **pipes
    )
    os.close(writing)
    assert done.returncode == (0 if command == ["boards"] else 2)
    for text in (done.stdout, done.stderr):
        assert not text or (b"Traceback" not in text and b"Broken pipe" not in text)


def test_debug_shows_the_traceback(run: Run) -> None:
    outcome = run("boards", "zcu999", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err


def test_folder_that_a_build_did_not_make_is_not_replaced(run: Run, project: Project, here: Path) -> None:
    (here / "accelerator").mkdir()
    (here / "accelerator" / "mine.txt").write_text("precious")
    outcome = run("generate", *project.knobs, "--output", here)
    refused(outcome, "accelerator", "not made by edgemoe-gen", "--output")
    assert (here / "accelerator" / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_truncated_ground_truth(share: float, build: Callable[..., Outcome], here: Path) -> None:
    Image.new("RGB", (64, 32)).save(here / "a.png")
    np.savez(here / "a.npz", labels=np.zeros((32, 64), np.uint8))
    data = (here / "a.npz").read_bytes()
    (here / "a.npz").write_bytes(data[: int(len(data) * share)])
    refused(build(image=here / "a.png"), "a.npz", "damaged")


def test_two_pictures_with_one_ground_truth(build: Callable[..., Outcome], here: Path) -> None:
    for name in ("x", "y"):
        (here / name).mkdir()
        Image.new("RGB", (64, 32)).save(here / name / "1.png")
    (here / "labels").mkdir()
    np.savez(here / "labels/1.npz", labels=np.zeros((32, 64), np.uint8))
    refused(build("--labels", here / "labels", "--image", here / "y", image=here / "x"), "x/1.png", "y/1.png", "1.npz")


def test_ground_truth_that_is_all_holes_has_no_figure(run: Run, project: Project, here: Path) -> None:
    (here / "set").mkdir()
    shutil.copy(project.images / "scene_0.png", here / "set/a.png")
    np.savez(here / "set/a.npz", labels=np.full((32, 64), 255, np.uint8))
    outcome = run("evaluate", *project.network, *project.knobs, "--dataset", here / "set", "--task", "semseg")
    refused(outcome, "2,048 pixels", "semseg", "none counts")


def test_a_project_that_does_not_say_how_pixels_are_normalised(run: Run, project: Project, here: Path) -> None:
    assert run("init", *project.network, "--image", project.images).code == 0
    lines = (here / "edgemoe.toml").read_text().splitlines()
    kept = [line for line in lines if line.split(" ")[0] not in ("scale", "mean", "std")]
    (here / "edgemoe.toml").write_text("\n".join(kept))
    refused(run("build"), "does not tell scale, mean, std", "normalise under [model.image]", "edgemoe.toml", "unit256")
