"""`run` and `trace` take the binary points of a build that is of the same things, and of no other one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.base.errors import ConfigError
from tests.cli.conftest import Outcome, Project
from tests.factory import write_checkpoint

Run = Callable[..., Outcome]
CALIBRATES = "edgemoe_gen.api.simulation.open_numerics"


def anew(*_: object) -> None:
    raise ConfigError("calibrates anew")


def test_results_are_those_of_the_same_calibration(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = project.images / "scene_1.png"
    arguments = ("run", *project.network, *project.knobs, "--image", image, "--task", "depth", "--backend", "csim")
    other = run(*arguments, "--calibrate", project.images, "--output", "anew.npz")
    assert other.code == 0 and "binary points" not in other.err
    shutil.copytree(built, here / "build")
    monkeypatch.setattr(CALIBRATES, anew)
    for said in ((), ("--calibrate", project.images)):
        outcome = run(*arguments, *said, "--output", "kept.npz")
        assert outcome.code == 0, outcome.err
        assert "binary points are those of the build in build" in outcome.err
        with np.load("anew.npz") as one, np.load("kept.npz") as same:
            assert all(np.array_equal(one[name], same[name]) for name in one)


def test_others_are_calibrated_anew(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built, here / "build")
    image = project.images / "scene_1.png"
    arguments = ("trace", *project.network, *project.knobs, "--image", image, "--task", "depth")
    monkeypatch.setattr(CALIBRATES, anew)

    def calibrates(*said: object) -> bool:
        outcome = run(*arguments, *said)
        assert outcome.code == 2 * ("calibrates anew" in outcome.err), outcome.err
        return outcome.code == 2

    assert not calibrates()
    assert calibrates("--calibrate", image)  # fewer pictures
    assert calibrates("--knob", "activation_bits=17")
    formats = here / "build/accelerator/formats.json"
    good = formats.read_text()
    formats.write_text(good + "\n")  # changed by hand
    assert calibrates()
    formats.write_text(good)
    assert not calibrates()
    copy = here / "small.pth.tar"
    shutil.copy(project.checkpoint, copy)
    arguments = ("trace", copy, *project.network[1:], *arguments[4:])
    assert not calibrates()
    write_checkpoint(copy, seed=5)  # another network of the same shape
    assert calibrates()
