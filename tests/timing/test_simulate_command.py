"""`edgemoe-gen simulate` above the timed library, which is made up here: options, tables, files and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgemoe_gen.timing.run
from edgemoe_gen import api
from edgemoe_gen.cli import main
from edgemoe_gen.project.config import FILE_NAME
from edgemoe_gen.timing.table import Timing
from tests.factory import write_checkpoint, write_spec
from tests.timing.made_up import made_up, stuck

KNOBS = ("tokens_parallel=2", "out_parallel=8", "in_parallel=8", "weight_ports=2", "weight_fifo_beats=256",
         "max_map_width=0")  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments that name a small network and design."""
    folder = tmp_path_factory.mktemp("network")
    checkpoint, spec = write_checkpoint(folder / "checkpoint.pth.tar"), write_spec(folder / "spec.toml")
    return [str(checkpoint), "--spec", str(spec), *(part for knob in KNOBS for part in ("--knob", knob))]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], network: list[str]) -> Run:
    """Runs the command in an empty folder; returns exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(edgemoe_gen.timing.run, "run_timed", made_up)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["simulate", *network, *arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_tables_name_layers_processes_fifos_and_the_bound_with_their_tier(run: Run) -> None:
    code, out, err = run()
    assert code == 0
    for title in ("Cycles by layer", "Processes", "FIFOs", "Ports", "Roofline"):
        assert any(title in line and "timed simulation" in line for line in out.splitlines()), title
    for word in ("attention scores", "experts", "round_sums", "the larger bound"):
        assert word in out
    last = out.splitlines()[-1]
    assert "ms a frame on the ZCU104 at 300 MHz (timed simulation)" in last
    assert "noise is routed" in err


def test_json_is_complete_and_adds_up(run: Run) -> None:
    code, out, _ = run("--json", "--task", "depth", "--task", "semseg", "--task", "depth")
    found = json.loads(out)
    assert code == 0 and found["tier"] == "timed simulation" and found["passed"]
    assert found["tasks"] == ["depth", "semseg", "depth"]
    assert sum(group["cycles"] for group in found["groups"]) == found["cycles"] == 3 * found["cycles_per_frame"]
    assert found["milliseconds_per_frame"] == pytest.approx(found["cycles"] / 3 / 300e3)
    roofline = found["roofline"]
    assert roofline["bound_cycles"] == max(roofline["compute_cycles"], roofline["weight_cycles"])
    assert roofline["ratio_to_bound"] == pytest.approx(found["cycles"] / roofline["bound_cycles"])
    assert len(found["operations"]) > 100 and found["processes"][1]["records"][0]["operation"] == 0


def test_trace_and_page_are_written(run: Run) -> None:
    code, out, _ = run("--trace", "trace.json", "--html", "page.html")
    assert code == 0 and "written: trace.json" in out and "written: page.html" in out
    events = json.loads(Path("trace.json").read_text(encoding="utf-8"))["traceEvents"]
    assert any(event["name"] == "blocks.0.scores.0" and event["cat"] == "attention scores" for event in events)
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(("option", "file"), [("--trace", "trace.txt"), ("--html", "page")])
def test_files_that_cannot_be_right_are_refused_before_any_work(run: Run, option: str, file: str) -> None:
    assert run(option, file)[0] == 2


def test_deadlock_ends_with_1_and_one_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    library = stuck([("dispatch", "full", "scales"), ("round_sums", "empty", "sums")])
    monkeypatch.setattr(edgemoe_gen.timing.run, "run_timed", library)
    code, out, _ = run()
    assert code == 1
    assert out.splitlines()[-1].startswith("deadlock in layer blocks.0.")
    assert "dispatch waits for round_sums (FIFO scales is full)" in out
    assert "Roofline" not in out  # half a frame has no place on it
    code, out, _ = run("--json")
    assert code == 1 and json.loads(out)["deadlock"]["cycle"][1]["fifo"] == "sums"


def test_violation_ends_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def library(*given: Any, **more: Any) -> dict[str, Any]:
        entry = {"message": "memory hidden needs 2 read ports in cycle 9", "operation": 3, "count": 1}
        return {**made_up(*given, **more), "violations": [entry]}

    monkeypatch.setattr(edgemoe_gen.timing.run, "run_timed", library)
    code, out, _ = run()
    assert code == 1 and "violation: memory hidden needs 2 read ports in cycle 9 (layer blocks.0.norm1)" in out


def test_sizes_are_shown_and_written_to_the_project(run: Run) -> None:
    code, out, err = run("--size-fifos")
    assert code == 0 and "smallest that costs nothing" in out
    assert "there is no edgemoe.toml" in err
    Path(FILE_NAME).write_text('board = "zcu104"\n', encoding="utf-8")
    assert run("--size-fifos", "--config", FILE_NAME)[0] == 0
    text = Path(FILE_NAME).read_text(encoding="utf-8")
    # Those that the library is made up to want; `weights` is a knob's. `tiles` wants 3, but the design asks for one and
    # the cycles until row_sums follow: adder_tree 3 of 8 inputs, accumulate 1, fifo_write 1.
    assert text.startswith('board = "zcu104"\n') and "tiles = 6\nscales = 37\nsums = 2\n" in text
    assert "weights" not in text


def test_memory_rate_reaches_the_library(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Timing] = []

    def library(program: Any, image: Any, timing: Timing, *, record: bool) -> dict[str, Any]:
        seen.append(timing)
        return made_up(program, image, timing, record=record)

    monkeypatch.setattr(edgemoe_gen.timing.run, "run_timed", library)
    assert run("--ddr", "19.2", "--efficiency", "0.75")[0] == 0
    assert float(seen[0].ddr_bytes) == 48
    assert run("--efficiency", "1.5")[0] == 1


def test_without_a_checkpoint_the_typical_network_is_timed(run: Run) -> None:  # noqa: ARG001
    result = api.simulate()
    assert result.passed and "random weights" in result.notes[0]
    # M3ViT tiny at 129 tokens, on the unit that suits it.
    assert result.run.roofline.macs == 782_719_488 + 6_413_090_816  # backbone and decoder
    assert result.run.roofline.peak_macs == result.design.macs_per_cycle
