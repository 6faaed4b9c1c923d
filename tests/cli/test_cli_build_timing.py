"""The stage `simulate` of a build: its figures in summary and report, and how it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Project

Run = Callable[..., Outcome]


def build(run: Run, project: Project, output: Path, *more: object) -> Outcome:
    return run("build", *project.network, "--image", project.images, *project.knobs, "--output", output, *more)


def test_report_holds_the_timed_simulation_beside_the_estimate(built: Path) -> None:
    report = json.loads((built / "report.json").read_text())
    timing, estimate = report["timing"], report["cycles"]
    assert {"schema": 1, **timing} == json.loads((built / "timing.json").read_text())
    assert (timing["tier"], estimate["tier"]) == ("timed simulation", "estimate")
    assert timing["tasks"] == report["tasks"] and timing["passed"]
    assert timing["milliseconds_per_frame"] == pytest.approx(timing["cycles"] / 2 / 300e3)
    assert f"{timing['milliseconds_per_frame']:.3f} ms a frame (timed simulation)" in report["headline"]
    # No run is shorter than its bound, and the estimate is of the same frame.
    assert timing["roofline"]["ratio_to_bound"] > 1
    assert 0.5 < timing["cycles_per_frame"] / estimate["cycles_per_frame"] < 2
    page = (built / "report.html").read_text()
    assert "What each process did over" in page and "Roofline:" in page
    assert f"{timing['milliseconds_per_frame']:.2f} ms</b>" in page


def test_summary_shows_both_tiers(run: Run, project: Project, built: Path, here: Path) -> None:
    shutil.copytree(built, here / "out")
    outcome = build(run, project, here / "out", "--only", "report")
    estimated = json.loads((built / "report.json").read_text())["cycles"]["cycles_per_frame"]
    lines = [line.split() for line in outcome.out.splitlines()]
    assert [line[:2] for line in lines if line[:1] in (["timed"], ["estimate"])] == [
        ["timed", "simulation"], ["estimate", f"{estimated:,}"],
    ]  # fmt: skip
    figures = json.loads(build(run, project, here / "out", "--json").out)["timing"]
    assert figures["tier"] == "timed simulation" and figures["milliseconds_per_frame"] > 0


@pytest.mark.slow
def test_a_deadlock_fails_the_stage_in_one_sentence_and_stands_in_the_report(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built, here / "out")
    # LayerNorm's words wait in `measured` until the token's sums are complete, and a token has four words. A design
    # whose FIFO is so shallow is refused before.
    monkeypatch.setattr("edgemoe_gen.design.make.fifo_rules", lambda *_: ())
    (here / "shallow.toml").write_text("[fifo_depths]\nmeasured = 2\n")
    outcome = build(run, project, here / "out", "--config", here / "shallow.toml")
    assert outcome.code == 1
    (said,) = [line for line in outcome.err.splitlines() if "deadlock" in line]
    assert "timed simulation: deadlock in layer blocks.0.norm1: " in said
    assert "measure_tokens waits for apply_moments (FIFO measured is full)" in said
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["failed_stage"] == "simulate" and report["timing"]["deadlock"]["closed"]
    assert "ms a frame" not in report["headline"]
    assert "Deadlock in layer blocks.0.norm1" in (here / "out" / "report.html").read_text()
    # Mended, the build goes on at the stage that failed.
    assert build(run, project, here / "out").code == 0


def test_a_device_without_a_table_is_built_without_a_time(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemoe_gen.timing.table import NoTableError

    def unknown(*_: object, **__: object) -> None:
        raise NoTableError("there is no timing table of the device xcvc1902")

    monkeypatch.setattr("edgemoe_gen.timing.scheduled.load_timing", unknown)
    shutil.copytree(built, here / "out")
    outcome = build(run, project, here / "out", "--from", "simulate")
    assert outcome.code == 0, outcome.err
    assert "not timed: there is no timing table of the device xcvc1902" in outcome.out
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["timing"] is None and "simulate" in report["stages"]


def test_dry_run_lists_the_stage(run: Run, project: Project, built: Path, here: Path) -> None:
    shutil.copytree(built, here / "out")
    lines = build(run, project, here / "out", "--dry-run").out.splitlines()
    assert "simulate   up to date" in lines
    (here / "out" / "timing.json").unlink()
    lines = build(run, project, here / "out", "--dry-run").out.splitlines()
    assert "simulate   would run" in lines and "lint       up to date" in lines


@pytest.mark.nightly
def test_a_design_for_passes_of_two_frames_is_timed_both_ways_and_packaged(
    run: Run, project: Project, here: Path
) -> None:
    knobs = (*project.knobs, "--knob", "frames_per_pass=2")
    outcome = run("build", *project.network, "--image", project.images, *knobs, "--output", here / "out")
    assert outcome.code == 0, outcome.err
    timing = json.loads((here / "out" / "timing.json").read_text())
    alone, whole = timing["milliseconds_per_frame"], timing["pass"]
    assert whole["frames"] == 2 and whole["milliseconds"] == 2 * whole["milliseconds_per_frame"]
    # Two frames take more than one and less than two of them one by one.
    assert alone < whole["milliseconds"] < 2 * alone
    report = json.loads((here / "out" / "report.json").read_text())
    assert f"2 frames of a pass in {whole['milliseconds']:.3f} ms (timed simulation)" in report["headline"]
    assert "in passes of 2 frames" in (here / "out" / "report.html").read_text()
    (manifest,) = (here / "out" / "preview").glob("*/manifest.json")
    assert all(task["pass"]["operations"]["frames"] == 2 for task in json.loads(manifest.read_text())["tasks"])
    shown = run("simulate", *project.network, "--image", project.images, *knobs, "--json")
    facts = json.loads(shown.out)
    assert facts["frames_per_pass"] == 2 and len(facts["tasks"]) == 2 and len(set(facts["tasks"])) == 1
    assert facts["cycles"] / 300e3 == pytest.approx(whole["milliseconds"], rel=0.02)
    assert f", 2 in {facts['cycles'] / 300e3:.3f} ms" in facts["headline"]
