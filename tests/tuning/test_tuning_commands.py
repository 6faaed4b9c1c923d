"""`tune`, `sweep`, `compare` and `evaluate` as commands: tables, JSON, files, exit codes and sentences."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.cli import main
from edgemoe_gen.cli.tune_command import _show
from edgemoe_gen.design import Knobs
from edgemoe_gen.design.knobs import NARROW_KNOBS
from edgemoe_gen.tuning.front import FIGURES
from edgemoe_gen.tuning.space import TURNED
from tests.factory import write_checkpoint, write_spec

Run = Callable[..., tuple[int, str, str]]
# One design for all simulations of these tests, so that it compiles once.
SHAPE = {"tokens_parallel": 2, "out_parallel": 8, "in_parallel": 8, "weight_ports": 1, "weight_fifo_beats": 256,
         "max_map_width": 0}  # fmt: skip
FIXED = [part for name, value in SHAPE.items() for part in ("--knob", f"{name}={value}")]
SPACE = ["--knob", "tokens_parallel=1,2,3", "--knob", "out_parallel=8,12", "--knob", "in_parallel=8",
         "--knob", "max_map_width=0"]  # fmt: skip


@dataclass(frozen=True)
class Files:
    """A small project with two pictures, both with ground truth."""

    network: list[str]
    images: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tuning")
    checkpoint, spec = write_checkpoint(folder / "checkpoint.pth.tar"), write_spec(folder / "spec.toml")
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        Image.fromarray(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)).save(images / f"scene_{i}.png")
        labels = rng.integers(0, 5, (32, 64), dtype=np.uint8)
        np.savez(images / f"scene_{i}.npz", labels=labels, depth=rng.random((32, 64)).astype(np.float32))
    return Files([str(checkpoint), "--spec", str(spec)], images)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], files: Files) -> Run:
    """Runs a command on the project in an empty folder; returns exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(command: str, *arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        network = ["--checkpoint", *files.network] if command == "compare" else files.network
        code = main([command, *network, *arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_sweep_writes_every_point_of_the_grid_in_order(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("sweep", *SPACE, "--output", "grid.csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "grid.csv").read_text())))
    grid = [(row["tokens_parallel"], row["out_parallel"]) for row in rows]
    assert grid == [(t, o) for t in "123" for o in ("8", "12")]
    assert [row["feasible"] for row in rows] == ["1", "0"] * 3
    assert {row["reason"] for row in rows if row["feasible"] == "0"} == {"breaks a rule of out_parallel"}
    latencies = [float(row["latency_ms"]) for row in rows if row["feasible"] == "1"]
    assert latencies == sorted(latencies, reverse=True), "more tokens at once are faster"
    assert "3 of 6 points rejected (50 %)" in out


def test_sweep_s_limits_reject_and_its_json_says_why(run: Run) -> None:
    code, out, _ = run("sweep", *SPACE, "--limit", "dsp=200", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["points"] == 6
    assert document["limits"] == [{"name": "dsp", "bound": 200.0, "allowed": 200.0, "default": False}]
    for outcome in document["outcomes"]:
        if outcome["reason"] == "limit dsp=200":
            assert outcome["figures"]["dsp"]["value"] > 200
            assert "latency_ms" not in outcome["figures"], "it was rejected before any estimate"
    assert any(outcome["reason"] == "limit dsp=200" for outcome in document["outcomes"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sweep", "--knob", "speed=1,2"), "there is no knob 'speed'"),
        (("sweep", "--knob", "tokens_parallel="), "has no value to try"),
        (("sweep", *SPACE, "--limit", "dsp=lots"), "the limit 'dsp=lots' is not a positive number"),
        (("sweep", *SPACE, "--tier", "gold"), "there is no tier 'gold'"),
        (("sweep", *SPACE, "--output", "grid.txt"), "a .csv or .json file is written"),
        (("tune", "--budget", "soon"), "the budget 'soon' is not a time"),
        (("tune", "--objective", "beauty"), "there is no objective 'beauty'"),
        (("tune", "--trials", "0"), "--trials is 0"),
        (("compare", "default", "nothing"), "'nothing' names no design"),
        (("compare", "default", "tokens_parallel=2,speed=1", "--tier", "estimate"), "there is no knob 'speed'"),
        (("evaluate", "--dataset", "nowhere"), "there is no picture at nowhere"),
        (("evaluate", "--dataset", "nowhere", "--first", "0"), "--first is 0"),
        (("sweep", *SPACE, "--scheduler", "foo"), "--scheduler is 'foo', which is no address"),
        (("tune", "--scheduler", "foo"), "--scheduler is 'foo', which is no address"),
        (("tune", "--storage", "notajournal"), "--storage is 'notajournal', which is not the URL of a database"),
        (("tune", "--storage", "foo://bar"), "there is no database 'foo'"),
        (("tune", "--storage", f"sqlite:///{Path(__file__).as_posix()}"), "file is not a database"),
        (("tune", "--limit", "dsp=1.5"), "'dsp=1.5' is read as a count (above 1)"),
        (("tune", "--apply", "1"), "--apply writes a point of the last search and searches nothing"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert sentence in errors[0]
    assert "Traceback" not in out + err
    assert "float reference" not in err, "it is noticed before anything is run"
    assert not Path("tune").exists()


def test_a_file_that_sets_every_knob_of_the_space_is_named_with_what_to_do(run: Run, files: Files) -> None:
    pytest.importorskip("optuna")
    values = "\n".join(f"{name} = {getattr(Knobs(), name)}" for name in TURNED)
    Path("edgemoe.toml").write_text(f"[knobs]\n{values}\n")
    code, _, err = run("tune", "--image", str(files.images))
    assert code == 2
    assert "the space is empty: edgemoe.toml sets every knob that a search turns" in err
    assert "--knob tokens_parallel=2,4,6, or take knobs out of its [knobs]" in err
    assert not Path("tune").exists()


def test_an_interruption_before_any_point_shows_no_table_and_leaves_an_earlier_search_s_files(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "tune").mkdir()
    (tmp_path / "tune" / "tune.json").write_text("of an earlier search")
    checkpoint, _, spec = files.network
    result = api.tune(checkpoint, spec=spec, image=[files.images], knobs={"tokens_parallel": [1, 2]}, watch=interrupt)
    assert result.state.stopped == "interrupted"
    assert (tmp_path / "tune" / "tune.json").read_text() == "of an earlier search"
    capfd.readouterr()
    _show(result)
    assert capfd.readouterr().out == "no point was tried\n"


def test_a_grid_s_table_has_the_knobs_that_follow_and_compare_s_help_says_what_no_checkpoint_means(run: Run) -> None:
    code, out, _ = run("sweep", *SPACE)
    assert code == 0
    named = re.search(r"not in the grid, but not the same in all rows, as they follow from it: (.*)", out)
    assert named is not None
    assert all(name in out.splitlines()[2] + out.splitlines()[1] for name in named[1].split(", "))
    for command in ("sweep", "compare"):
        assert "random weights" in " ".join(run(command, "--help")[1].split())
    text = " ".join(run("tune", "--help")[1].split())
    assert all(name in text for name in (*TURNED, *FIGURES))


def test_compare_shows_knobs_that_differ_layers_and_resources(run: Run) -> None:
    shape = "out_parallel=8,in_parallel=8,max_map_width=0"
    sides = (f"tokens_parallel=1,{shape}", f"tokens_parallel=2,{shape}")
    code, out, _ = run("compare", *sides, "--tier", "estimate", "--json")
    assert code == 0
    found = json.loads(out)
    assert {"name": "tokens_parallel", "a": 1, "b": 2} in found["knobs"]
    assert all(row["a"] != row["b"] for row in found["knobs"])
    unit = next(row for row in found["parts"] if row["part"] == "compute unit")
    assert unit["b"]["dsp"] == 2 * unit["a"]["dsp"]
    assert found["layers"]["tier"] == "estimate"
    figures = {row["name"]: row for row in found["figures"]}
    assert figures["latency_ms"]["b"] < figures["latency_ms"]["a"]
    code, out, _ = run("compare", *sides, "--tier", "estimate")
    assert code == 0
    for title in ("Knobs that differ", "Cycles a frame", "Resources by part", "Figures"):
        assert title in out


@pytest.mark.slow
def test_tune_confirms_its_front_writes_json_and_applies_a_point(run: Run, files: Files, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pytest.importorskip("torch")
    shape = [f"{name}={value}" for name, value in SHAPE.items() if name != "weight_fifo_beats"]
    space = [
        *(part for knob in shape for part in ("--knob", knob)),
        "--knob",
        "weight_fifo_beats=256,512",
        "--knob",
        "weight_bits=8,16",
    ]
    others = ["activation_bits=18", "residual_tail_bits=3", "port_bits=128", "exp_segments=128", "gelu_segments=64"]
    others += ["reciprocal_segments=256", "rsqrt_segments=128", "cache_bits=0"]
    others += [f"{name}=0" for name in NARROW_KNOBS]
    fixed = [part for knob in others for part in ("--knob", knob)]
    images = ["--image", str(files.images)]
    code, out, err = run("tune", *space, *fixed, *images, "--trials", "8", "--confirm", "1", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert json.loads((tmp_path / "tune" / "tune.json").read_text()) == document
    assert document["front"][0]["command"].split()[-1] in (tmp_path / "tune" / "tune.html").read_text()
    assert document["tried"] == document["feasible"] == 4
    confirmed = [o for o in document["outcomes"] if o["tier"] == "C simulation"]
    assert len(confirmed) == 1
    assert document["default"]["knobs"].items() >= SHAPE.items() - {("weight_fifo_beats", 256)}
    for outcome in confirmed:
        assert outcome["figures"]["error"]["tier"] == "C simulation"
        assert outcome["figures"]["latency_ms"]["tier"] == "timed simulation"
        assert 0 < outcome["figures"]["error"]["value"] < 1
    assert set(document["importance"]["error"]) == set(document["space"])
    assert document["stopped"] == "every point tried"
    climbed = [entry["number"] for entry in document["front"] if entry["tier"] == "C simulation"]
    assert document["best"] == (climbed[0] if climbed else None)
    # The same command goes on, where there is nothing left to try.
    code, out, _ = run("tune", *space, *fixed, *images, "--trials", "8", "--confirm", "1")
    assert code == 0
    assert "resumed: 4 points" in out
    wanted = f"point {document['best']}: " if climbed else "no point of the front is confirmed, all are estimates"
    assert wanted in out.splitlines()[-1]
    # Its commands build the point in this folder, up to what is cheap; and --apply writes it.
    for entry in document["front"][:1]:
        assert main([*shlex.split(entry["command"])[1:], "--only", "render", "--output", "built"]) == 0
        knobs = json.loads((tmp_path / "built" / "accelerator" / "design.json").read_text())["knobs"]
        assert {name: row["value"] for name, row in knobs.items()}.items() >= entry["point"].items()
    assert main(["tune", "--apply", "1"]) == 0
    assert main(["build", *files.network, *images, "--only", "render", "--output", "applied"]) == 0
    knobs = json.loads((tmp_path / "applied" / "accelerator" / "design.json").read_text())["knobs"]
    applied = {name: row["value"] for name, row in knobs.items()}
    assert applied.items() >= document["front"][0]["point"].items()
    assert main(["tune", "--apply", "99"]) == 2


@pytest.mark.slow
def test_evaluate_is_the_accuracy_that_a_build_reports(run: Run, files: Files, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    dataset = ["--dataset", str(files.images), "--calibrate", str(files.images)]
    code, out, err = run("evaluate", *FIXED, *dataset, "--json")
    assert code == 0, err
    found = {row["task"]: row for row in json.loads(out)["tasks"]}
    code, _, err = run("build", *FIXED, "--image", str(files.images), "--until", "csim", "--output", "build")
    assert code == 0, err
    quality = json.loads((tmp_path / "build" / "csim" / "comparison.json").read_text())["quality"]
    for row in quality:
        mine = found[row["task"]]
        assert mine["float_value"] == pytest.approx(row["float_value"], rel=1e-6)
        assert mine["engine_value"] == pytest.approx(row["engine_value"], rel=1e-6)
        assert mine["pictures"] == row["pictures"] == 2
