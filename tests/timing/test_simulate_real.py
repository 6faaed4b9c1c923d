"""`edgemoe-gen simulate` end to end with the real timed library: what it prints and writes, and its exit codes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.cli import main
from edgemoe_gen.project.config import Config, read_config
from edgemoe_gen.project.opening import open_design
from tests.factory import write_checkpoint, write_spec

pytest.importorskip("torch")
KNOBS = ("tokens_parallel=2", "out_parallel=8", "in_parallel=8", "weight_ports=1", "weight_fifo_beats=256",
         "max_map_width=0")  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("network")
    checkpoint, spec = write_checkpoint(folder / "checkpoint.pth.tar"), write_spec(folder / "spec.toml")
    return [str(checkpoint), "--spec", str(spec), *(part for knob in KNOBS for part in ("--knob", knob))]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], network: list[str]) -> Run:
    """Runs the command in an empty folder; returns exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["simulate", *network, *arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def check_trace(document: dict[str, Any]) -> None:
    """Holds a trace against the Trace Event Format: complete events and metadata, and no slices that overlap."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for event in document["traceEvents"]:
        assert isinstance(event["name"], str) and event["ph"] in ("X", "M")
        assert type(event["pid"]) is int and type(event["tid"]) is int
        if event["ph"] == "M":
            kinds = {"process_name": "name", "thread_name": "name"}
            kinds |= {"process_sort_index": "sort_index", "thread_sort_index": "sort_index"}
            assert list(event["args"]) == [kinds[event["name"]]]
            continue
        assert event["ts"] >= 0 and event["dur"] >= 0 and isinstance(event["args"], dict)
        tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    named = {(e["pid"], e["tid"]) for e in document["traceEvents"] if e["name"] == "thread_name"}
    assert named >= set(tracks) and len(tracks) > 10
    for slices in tracks.values():
        assert all(before[1] < after[0] for before, after in pairwise(sorted(slices)))


def test_a_run_is_the_same_in_tables_json_trace_and_page(run: Run) -> None:
    code, out, _ = run("--trace", "trace.json", "--html", "page.html")
    assert code == 0
    code, text, _ = run("--json")
    found = json.loads(text)
    assert code == 0 and found["passed"] and found["violations"] == []
    assert f"{found['milliseconds_per_frame']:.3f} ms a frame on the ZCU104" in out.splitlines()[-1]
    assert f"{found['cycles']:,}" in out
    trace = json.loads(Path("trace.json").read_text(encoding="utf-8"))
    check_trace(trace)
    assert trace["otherData"]["cycles"] == found["cycles"]
    assert Path("page.html").read_text(encoding="utf-8").count("<svg") == 2
    fetching = next(p for p in found["processes"] if p["name"] == "fetch_weights")
    # Fetching is over before the last operation that needs no weights.
    assert [record["operation"] for record in fetching["records"]] == list(range(-1, len(fetching["records"]) - 1))
    assert len(found["operations"]) - 5 < len(fetching["records"]) <= len(found["operations"]) + 1


def test_smallest_depths_cost_nothing_are_written_and_rendered(run: Run) -> None:
    Path("edgemoe.toml").write_text('board = "zcu104"\n', encoding="utf-8")
    code, out, err = run("--size-fifos", "--config", "edgemoe.toml")
    assert code == 0, err
    depths = read_config(Path("edgemoe.toml")).fifo_depths
    assert set(depths) == {
        name for name, fifo in open_design(Config(knobs={"max_map_width": 0}), None).fifos.items() if not fifo.knob
    }
    assert "smallest that costs nothing" in out
    # The design takes them: none is below what its rules ask for.
    code, text, _ = run("--json", "--config", "edgemoe.toml")
    again = json.loads(text)
    # FIFOs of an array, such as weight_orders[0], have one depth.
    timed = {f["name"].split("[")[0]: f["depth"] for f in again["fifos"]}
    assert code == 0 and {name: depth for name, depth in timed.items() if name in depths} == depths
    assert f"with the smallest depths {again['cycles']:,} cycles" in out


def test_a_fifo_below_its_least_ends_with_2_and_one_sentence(run: Run) -> None:
    Path("edgemoe.toml").write_text("[fifo_depths]\nmeasured = 24\n", encoding="utf-8")
    code, _, err = run("--config", "edgemoe.toml")
    assert code == 2
    assert "the FIFO measured is 24 deep (fifo_depths.measured), but needs " in err and "token_moments" in err


def test_a_fifo_too_shallow_ends_with_1_and_names_its_circle(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # LayerNorm holds a token back until its sums are complete, and a token has four words. The rule knows it already.
    monkeypatch.setattr("edgemoe_gen.design.make.fifo_rules", lambda *_: ())
    Path("edgemoe.toml").write_text("[fifo_depths]\nmeasured = 2\n", encoding="utf-8")
    code, out, _ = run("--config", "edgemoe.toml")
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("deadlock in layer blocks.0.norm1: ")
    assert "measure_tokens waits for apply_moments (FIFO measured is full)" in last
    assert "apply_moments waits for measure_tokens (FIFO token_moments is empty)" in last
