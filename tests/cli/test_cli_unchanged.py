"""A build with nothing to do: told from facts of files alone, and never told so wrongly."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.cli import main
from edgemoe_gen.pipeline import builder, fingerprint
from edgemoe_gen.pipeline.stages.render import RENDER
from edgemoe_gen.pipeline.support.context import Context, open_context
from edgemoe_gen.pipeline.support.stage import Made
from tests.cli.conftest import Project
from tests.factory import write_checkpoint
from tests.pipeline.quick_builds import set_make


@dataclass
class Own:
    """A project of a test's own, built up to a stage; `looked` has an entry for each time that contents were read."""

    folder: Path
    arguments: list[str]
    looked: list[str] = field(default_factory=list)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "small.pth.tar"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def build(self, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[bool, str]:
        """Whether contents were read, and what was said."""
        self.looked.clear()
        capsys.readouterr()
        assert main(["build", *self.arguments, *more]) == 0, capsys.readouterr().err
        return bool(self.looked), capsys.readouterr().out


@pytest.fixture
def own(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Own:
    monkeypatch.chdir(tmp_path)
    for name in ("small.pth.tar", "spec.toml"):
        shutil.copy(project.folder / name, tmp_path)
    shutil.copytree(project.images, tmp_path / "images")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("")
    monkeypatch.setattr(fingerprint, "YOUNG", -(10**9))  # what a test has just written counts as old
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / "package")
    network = ["small.pth.tar", "--spec", "spec.toml", "--image", "images"]
    made = Own(tmp_path, [*network, *project.knobs, "--until", "render"])

    def looking(*arguments: Any) -> Context:
        made.looked.append("")
        return open_context(*arguments)

    monkeypatch.setattr(builder, "open_context", looking)
    monkeypatch.setattr("edgemoe_gen.pipeline.plan.open_context", looking)
    assert made.build(capsys)[0]
    return made


def aside(path: Path, write: Callable[[Path], object]) -> Path:
    """A file of the same name elsewhere: an archive of PyTorch's holds its own name."""
    other = path.parent / "aside" / path.name
    other.parent.mkdir(exist_ok=True)
    write(other)
    return other


def replaced(path: Path, write: Callable[[Path], object]) -> None:
    """Another file under the same name, with the same size and times."""
    before = path.stat()
    other = aside(path, write)
    assert other.stat().st_size == before.st_size
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def rewritten(path: Path, write: Callable[[Path], object]) -> None:
    """The same file with other contents of the same size, its modification time put back."""
    before = path.stat()
    other = aside(path, write)
    with path.open("r+b") as stream:
        stream.write(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (before.st_size, before.st_ino, before.st_mtime_ns)


def other_network(path: Path) -> None:
    write_checkpoint(path, seed=1)


def black(path: Path) -> None:
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(path, "png")


def test_nothing_to_do_is_four_lines_and_reads_nothing(
    own: Own, built: Path, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own.build(capsys) == (False, 'unchanged: render\nstopped before stage "compile": not asked for\n')
    whole = own.folder / "whole"
    shutil.copytree(built, whole)
    own.arguments = [*project.network, "--image", str(project.images), *project.knobs, "--output", str(whole)]
    looked, first = own.build(capsys)
    assert looked
    assert own.build(capsys) == (False, first)
    lines = first.splitlines()
    assert lines[0].startswith("unchanged: render, compile, csim, schedule, rtl, simulate, ")
    assert lines[0].endswith(", report")
    assert lines[1].startswith("fits ")
    assert lines[2] == f"report: {whole / 'report.html'}"
    assert lines[3].startswith("stopped before stage") and len(lines) == 4


def test_the_result_is_that_of_the_build_that_ran(own: Own, project: Project, built: Path) -> None:
    whole = own.folder / "whole"
    shutil.copytree(built, whole)
    knobs = {name: int(value) for name, value in (part.split("=") for part in project.knobs[1::2])}
    told: list[str] = []

    def build() -> api.BuildResult:
        told.clear()
        return api.build(
            project.checkpoint, spec=project.spec, image=[project.images], knobs=knobs, output=whole,
            on_stage=lambda stage: told.append(stage.name),
        )  # fmt: skip

    first = build()
    own.looked.clear()
    second = build()
    assert not own.looked
    assert told == [stage.name for stage in first.stages]
    assert [(s.name, s.skipped, s.detail) for s in second.stages] == [(s.name, True, s.detail) for s in first.stages]
    same = ("output", "headline", "stopped_before", "stopped_why", "overlay", "notes")
    assert [getattr(second, name) for name in same] == [getattr(first, name) for name in same]
    assert second.report["headline"] == first.report["headline"] and second.report.keys() == first.report.keys()


# Each changes one thing. Contents decide: "hashes" says that they are the same, "runs" that there is something to do.
CHANGES: dict[str, tuple[Callable[[Own], object], str]] = {
    "checkpoint touched": (lambda own: own.checkpoint.touch(), "hashes"),
    "checkpoint copied": (lambda own: replaced(own.checkpoint, lambda to: shutil.copy(own.checkpoint, to)), "hashes"),
    "another checkpoint with the same size and times": (lambda own: replaced(own.checkpoint, other_network), "runs"),
    "checkpoint written in place, time put back": (lambda own: rewritten(own.checkpoint, other_network), "runs"),
    "picture touched": (lambda own: (own.images / "scene_0.png").touch(), "hashes"),
    "picture changed": (lambda own: black(own.images / "scene_0.png"), "runs"),
    "picture added": (lambda own: black(own.images / "added.png"), "runs"),
    "picture removed": (lambda own: (own.images / "scene_1.png").unlink(), "runs"),
    "ground truth added": (lambda own: np.savez(own.images / "scene_1.npz", depth=np.ones((32, 64))), "hashes"),
    "ground truth removed": (lambda own: (own.images / "scene_0.npz").unlink(), "hashes"),
    "package changed": (lambda own: (own.folder / "package" / "module.py").write_text("1"), "hashes"),
    "package grown": (lambda own: (own.folder / "package" / "new.py").write_text(""), "hashes"),
    "result removed": (lambda own: shutil.rmtree(own.folder / "build/accelerator"), "runs"),
    "result touched": (lambda own: (own.folder / "build/accelerator/src/engine.cpp").touch(), "hashes"),
    "memory removed": (lambda own: (own.folder / "build/.edgemoe/fingerprint.json").unlink(), "hashes"),
    "memory damaged": (lambda own: (own.folder / "build/.edgemoe/fingerprint.json").write_text("{"), "hashes"),
    "memory of another kind": (lambda own: (own.folder / "build/.edgemoe/fingerprint.json").write_text("[]"), "hashes"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_looked_at(own: Own, capsys: pytest.CaptureFixture[str], change: str) -> None:
    make, outcome = CHANGES[change]
    make(own)
    looked, said = own.build(capsys)
    assert looked
    assert said.startswith("unchanged: render" if outcome == "hashes" else "render "), said
    assert own.build(capsys)[0] is False, "what was looked at once is known"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("linting.libclang_missing", lambda: "gone"),
        ("pipeline.fingerprint.toolchain", lambda: "another compiler"),
        ("pipeline.fingerprint.why_missing", lambda *_: "new"),
    ],
)
def test_another_machine_is_looked_at(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(f"edgemoe_gen.{name}", value)
    looked, said = own.build(capsys)
    assert looked and said.startswith("unchanged: render")


def test_a_library_that_has_left_the_cache_is_looked_for(
    own: Own, built: Path, project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = own.folder / "whole"
    shutil.copytree(built, whole)
    own.arguments = [*project.network, "--image", str(project.images), *project.knobs, "--output", str(whole)]
    own.build(capsys)
    assert own.build(capsys)[0] is False
    monkeypatch.setattr(fingerprint, "find_library", lambda _: None)
    assert own.build(capsys)[0]


@pytest.mark.parametrize(
    "more", [("--task", "depth"), ("--knob", "exp_segments=64"), ("--name", "other"), ("--until", "compile")]
)
def test_other_words_are_looked_at(own: Own, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]) -> None:
    assert own.build(capsys)[0] is False
    assert own.build(capsys, *more)[0]


def test_what_is_wanted_anew_runs_every_time(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        looked, said = own.build(capsys, "--from", "render")
        assert looked and said.startswith("render ")


def test_a_changed_spec_and_project_file_are_looked_at(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    spec = own.folder / "spec.toml"
    spec.write_text(spec.read_text().replace("top_k = 2", "top_k = 1"))
    looked, said = own.build(capsys)
    assert looked and said.startswith("render ")
    (own.folder / "edgemoe.toml").write_text("[knobs]\ngelu_segments = 32\n")
    looked, said = own.build(capsys)
    assert looked and said.startswith("render ")


def test_inputs_that_a_clock_may_not_tell_apart_are_looked_at_again(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "YOUNG", 3600 * 10**9)
    own.checkpoint.touch()
    assert own.build(capsys)[0]
    assert own.build(capsys)[0]


def test_what_changes_after_it_was_read_is_looked_at_next_time(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = RENDER.make

    def render(context: Context, folder: Path) -> Made:
        made = read(context, folder)
        black(own.images / "scene_0.png")
        return made

    with monkeypatch.context() as patch:
        set_make(patch, RENDER.name, render)
        own.build(capsys, "--task", "depth")
    looked, said = own.build(capsys, "--task", "depth")
    assert looked and said.startswith("render ")


def test_results_are_told_apart_by_a_clock_that_has_ticked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = tmp_path / "probe"
    assert fingerprint._ticked(probe, time.time_ns() - 10**9)
    assert not probe.exists()
    monkeypatch.setattr(fingerprint, "_WAIT", 0.05)
    assert not fingerprint._ticked(probe, time.time_ns() + 3600 * 10**9)
    assert not probe.exists()


def test_another_build_in_the_folder_is_refused_all_the_same(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    with (own.folder / "build/.edgemoe/lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["build", *own.arguments]) == 2
    assert "another build is at work" in capsys.readouterr().err
    assert not own.looked[1:]


def test_a_plan_reads_nothing_either_and_says_the_same(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    looked, said = own.build(capsys, "--dry-run")
    assert not looked
    own.checkpoint.touch()
    assert own.build(capsys, "--dry-run") == (True, said)
    assert "render     up to date" in said


def test_neither_torch_nor_templates_are_imported_where_there_is_nothing_to_do(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the package as it is
    monkeypatch.chdir(own.folder)
    time.sleep(2.1)  # before that, inputs are young
    command = [sys.executable, "-X", "importtime", "-m", "edgemoe_gen", "build", *own.arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("unchanged: render")
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "edgemoe_gen.pipeline.fingerprint" in imported
    assert not imported & {"torch", "edgemoe_gen.pipeline.support.context", "edgemoe_gen.pipeline.builder", "rich"}
