"""From the command line to the board with decoders on the engine: `build`, and `run` by C simulation and by overlay."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.cli import main
from tests.factory import write_checkpoint, write_spec
from tests.overlay.test_simulated_command import SMALL

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
TASKS = ("semseg", "depth")
MAPS = ("max_map_width=64", "max_map_channels=16", "source_words=2600", "result_words=1600")


@pytest.mark.parametrize(("patch", "where"), [(16, "engine"), (8, "logits")])
def test_a_build_with_decoders_runs_as_csim_says(patch: int, where: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    picture, build = tmp_path / "scene.png", tmp_path / "build"
    Image.fromarray(pixels).save(picture)
    checkpoint = write_checkpoint(tmp_path / "checkpoint.pth.tar", patch=patch)
    spec = write_spec(tmp_path / "spec.toml")
    knobs = (*SMALL, *MAPS)
    turned = [part for knob in knobs for part in ("--knob", knob)]
    network = [str(checkpoint), "--spec", str(spec), "--board", "zcu104", *turned]
    asked = ["build", *network, "--image", str(picture), "--output", str(build), "--until", "preview"]
    assert main(asked) == 0
    manifest = json.loads(next(build.glob("preview/*/manifest.json")).read_text())
    assert [task["where"] for task in manifest["tasks"]] == [where] * 2
    cycles = json.loads((build / "accelerator/estimate.json").read_text())["cycles"]
    assert cycles["by_stage"]["decoder"] > 0 and sum(cycles["by_stage"].values()) == pytest.approx(
        cycles["cycles_per_frame"], abs=2
    )
    assert 0 < cycles["utilisation"] < 1 and len(cycles["decoders"]) == (0 if where == "engine" else 2)
    page, traffic = (build / "report.html").read_text(), json.loads((build / "report.json").read_text())["traffic"]
    assert "of these the decoder" in page and f"decoders ({traffic['decoders_ratio']:.2f} × the least)" in page
    estimated = cycles["decoder_traffic"]
    assert (estimated["moved"], estimated["needed"]) == (traffic["decoders"], traffic["decoders_needed"])
    assert traffic["decoders_ratio"] == pytest.approx(estimated["ratio"]) and estimated["ratio"] >= 1.0
    for task in TASKS:
        dumps = {name: tmp_path / f"{task}.{name}.npz" for name in ("csim", "board")}
        common = ["--image", str(picture), "--task", task]
        assert main(["run", *network, *common, "--backend", "csim", "--dump", str(dumps["csim"])]) == 0
        result = api.run(
            None, image=picture, task=task, backend="board", overlay=build, simulated=True, dump=dumps["board"]
        )
        name = "ids" if where == "engine" and task == "semseg" else "output"
        assert (result.ids is None) == (name == "output")
        with np.load(dumps["csim"]) as csim, np.load(dumps["board"]) as board:
            assert np.array_equal(csim["tokens"], board["tokens"])
            assert np.array_equal(csim[name], board[name]) and len(np.unique(board[name])) > 1


def test_a_build_whose_tasks_share_the_backbone_says_what_all_of_them_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    picture, build = tmp_path / "scene.png", tmp_path / "build"
    Image.fromarray(pixels).save(picture)
    checkpoint = write_checkpoint(tmp_path / "checkpoint.pth.tar", patch=16, router="single", depth=2)
    network = [str(checkpoint), "--spec", str(write_spec(tmp_path / "spec.toml")), "--board", "zcu104"]
    network += [part for knob in (*SMALL, *MAPS) for part in ("--knob", knob)] + ["--image", str(picture)]
    assert main(["build", *network, "--output", str(build), "--until", "preview"]) == 0
    assert "all tasks at once" in capsys.readouterr().out
    manifest = json.loads(next(build.glob("preview/*/manifest.json")).read_text())
    estimate = json.loads((build / "accelerator/estimate.json").read_text())["cycles"]
    timed = json.loads((build / "timing.json").read_text())
    assert manifest["network"]["shares_backbone"] is True
    for facts, alone in ((estimate, estimate["cycles_per_frame"]), (timed, timed["cycles_per_frame"])):
        together = facts["together"]
        assert together["tasks"] == list(TASKS) and alone < together["cycles"] < 2 * alone
    saved = 2 * estimate["cycles_per_frame"] - estimate["together"]["cycles"]
    assert saved == pytest.approx(estimate["by_stage"]["backbone"], rel=0.05)
    assert manifest["estimate"]["milliseconds_all_tasks"] == pytest.approx(estimate["together"]["milliseconds"])
    assert "a frame of all tasks at once" in (build / "report.html").read_text()
    assert main(["simulate", *network, "--task", "semseg", "--task", "depth"]) == 0
    assert f"{timed['together']['milliseconds']:.3f} ms a frame of semseg, depth on" in capsys.readouterr().out
    found = api.bench(build, simulated=True, frames=1, seconds=60)
    assert [one.task for one in found.latencies] == [*TASKS, "semseg and depth"]
    assert found.latencies[2].estimate == pytest.approx(together_seconds(manifest))


def together_seconds(manifest: dict[str, Any]) -> float:
    return float(manifest["estimate"]["milliseconds_all_tasks"]) / 1e3
