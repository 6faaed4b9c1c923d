"""`trace`, and numbers out of `run`: what somebody compares with a network of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen import api
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.tracing import compared
from tests.cli.conftest import Outcome, Project

Run = Callable[..., Outcome]


def test_a_difference_is_found_where_it_is() -> None:
    ours = {"a": np.ones((2, 3), np.float32), "b": np.zeros((4,), np.float32), "c": np.ones((1,), np.float32)}
    theirs = {"b": np.zeros((4,), np.float32), "a": ours["a"].copy(), "d": ours["c"]}
    theirs["a"][1, 2] = 4
    first, second = compared(ours, theirs)
    assert (first.name, first.where, first.largest, first.ours, first.theirs) == ("a", (1, 2), 3.0, 1.0, 4.0)
    assert first.error == pytest.approx((9 / 6) ** 0.5)
    assert (second.name, second.error) == ("b", 0.0)
    theirs["a"][0, 0] = np.nan
    (broken, _) = compared(ours, theirs)
    assert broken.where == (0, 0) and broken.error == np.inf


@pytest.mark.slow
def test_float_against_the_accelerator_layer_by_layer(run: Run, project: Project) -> None:
    image = next(project.images.glob("*.png"))
    arguments = ("trace", *project.network, *project.knobs, "--image", str(image), "--task", "semseg")
    found = json.loads(run(*arguments, "--json").out)
    names = [row["name"] for row in found["rows"]]
    assert names[0] == "blocks.0.output" and {"tokens", "output"} <= {*names}
    assert all(0 < row["error"] < 1e-3 for row in found["rows"])
    shown = run(*arguments).out
    assert "worst first" in shown and "blocks.0.output" in shown


def test_tensors_of_ones_own_are_compared_by_name(run: Run, project: Project, here: Path) -> None:
    image = next(project.images.glob("*.png"))
    arguments = ("trace", *project.network, "--image", str(image), "--task", "semseg")
    written = run(*arguments, "--against", "mine.npz")
    assert written.code == 2 and "there is no file mine.npz" in written.err
    # The reference's own tensors are what yours must look like.
    ours = api.trace(
        project.checkpoint, spec=project.spec, image=image, task="semseg", against=_tensors(run, arguments, here)
    )
    assert ours.rows and all(row.error == 0 for row in ours.rows) and not ours.missing
    with np.load(here / "theirs.npz") as archive:
        tensors = dict(archive)
    tensors["blocks.1.q"] = tensors["blocks.1.q"][None] + 1  # a batch of one, and wrong
    np.savez(here / "mine.npz", **{name: tensors[name] for name in ("embed", "blocks.1.q", "tokens")})
    shown = run(*arguments, "--against", "mine.npz")
    assert shown.code == 0
    rows = [line.split()[0] for line in shown.out.splitlines() if " × " in line]
    assert rows[0] == "blocks.1.q" and {*rows} == {"embed", "blocks.1.q", "tokens"}
    assert "not in mine.npz: " in shown.out


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"blocks.0.qq": np.zeros(3)}, "did you mean 'blocks.0.q'?"),
        ({"embed": np.zeros((1, 2))}, "embed has the shape [1, 2]"),
        ({"embed": None}, "no .npz of plain arrays"),
        ({}, "holds no arrays"),
    ],
)
def test_tensors_that_cannot_be_compared(
    run: Run, project: Project, here: Path, arrays: dict[str, object], words: str
) -> None:
    np.savez(here / "mine.npz", **arrays)  # type: ignore[arg-type]
    image = next(project.images.glob("*.png"))
    outcome = run("trace", *project.network, "--image", str(image), "--task", "semseg", "--against", "mine.npz")
    assert outcome.code == 2 and words in " ".join(outcome.err.split())


def test_run_writes_numbers(run: Run, project: Project, here: Path) -> None:
    image = next(project.images.glob("*.png"))
    arguments = ("run", *project.network, "--image", str(image), "--task", "semseg")
    assert run(*arguments, "--output", "map.npy", "--dump", "all.npz").code == 0
    assert run(*arguments, "--output", "other.npz").code == 0
    with np.load(here / "all.npz") as dumped, np.load(here / "other.npz") as other:
        assert {*dumped} == {*other} >= {"tokens", "routes", "output"}
        assert np.array_equal(np.load(here / "map.npy"), dumped["output"])
    refused = run(*arguments, "--output", "map.tif")
    assert refused.code == 2 and ".png or .npy or .npz" in refused.err


def _tensors(run: Run, arguments: tuple[str, ...], here: Path) -> Path:
    file = here / "theirs.npz"
    with pytest.raises(ConfigError, match="holds no arrays"):  # before anything is compared, it is written
        np.savez(here / "empty.npz")
        api.trace(
            arguments[1], spec=arguments[3], image=arguments[5], task="semseg", output=file, against=here / "empty.npz"
        )
    assert run(*arguments[:-2], "--task", "none", "--output", "x.npz").code == 2
    return file
