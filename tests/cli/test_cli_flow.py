"""`edgemoe-gen build` from hls to the packaged overlay, against stand-ins of an old and a new release of the tools."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.hardware.boards import board_names
from edgemoe_gen.pipeline.stages.table import NAMES, stage_of
from edgemoe_gen.pipeline.support.context import Context
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_of
from tests.cli.conftest import Outcome, Project
from tests.cli.flow_runs import GENERATIONS, OPEN, arguments, digests, in_process_of_its_own, way
from tests.flow.standin_vitis import tclsh
from tests.pipeline.quick_builds import set_make

Run = Callable[..., Outcome]
pytestmark = pytest.mark.skipif(tclsh() is None, reason="the stand-ins of the vendor's tools need tclsh")


@pytest.mark.slow
@pytest.mark.parametrize(
    "board", [pytest.param(name, marks=() if name == "zcu104" else pytest.mark.nightly) for name in board_names()]
)
def test_every_board_is_built_up_to_the_overlay_by_both_generations_of_tools(
    run: Run, project: Project, with_tools: Callable[..., None], tmp_path: Path, board: str
) -> None:
    output = tmp_path / "a build"
    for generation in GENERATIONS:
        with_tools(generation)
        more = () if generation == "classic" else ("--from", "hls")
        outcome = run(*arguments(project, output, "--board", board, *more))
        assert outcome.code == 0, outcome.err
        name = f"small_{board}"
        overlay = output / "overlay" / name
        for file in (f"{name}.bit", f"{name}.hwh", "manifest.json", "README.md", "weights.bin"):
            assert (overlay / file).is_file(), file
        assert len(list((output / "overlay").glob("*.whl"))) == 1
        report = json.loads((output / "report.json").read_text())
        assert report["stopped_before"] == "" and report["implementation"] is not None
        assert not list(output.rglob("*.partial"))


def test_a_build_that_changed_nothing_skips_every_stage(
    run: Run, project: Project, with_tools: Callable[..., None], packaged: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(packaged, output)
    with_tools()
    before = digests(output)
    outcome = run(*arguments(project, output))
    assert outcome.code == 0, outcome.err
    stages = (name for name in NAMES if name not in ("rtlsim", "cosim"))  # which run on request
    assert outcome.out.splitlines()[0] == f"unchanged: {', '.join(stages)}"
    assert digests(output) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generation", "stage", "fail"),
    [
        pytest.param(generation, stage, fail, marks=() if generation == "unified" else pytest.mark.nightly)
        for generation in GENERATIONS
        for stage, fail in (("hls", "hls:hang"), ("ip", "ip:hang"), ("bitstream", "vivado:hang"))
    ]
    + [(OPEN, "ip", "vivado:packaging"), pytest.param(OPEN, "bitstream", "vivado:hang", marks=pytest.mark.nightly)],
)
def test_a_build_interrupted_in_a_tool_leaves_no_process_and_ends_in_the_same_bytes(
    run: Run,
    project: Project,
    built: Path,
    tools: dict[str, Path],
    with_tools: Callable[..., None],
    tmp_path: Path,
    generation: str,
    stage: str,
    fail: str,
) -> None:
    whole, output = tmp_path / "whole", tmp_path / "interrupted"
    for folder in (whole, output):
        shutil.copytree(built, folder)
    with_tools(generation)
    assert run(*arguments(project, whole, *way(generation))).code == 0

    build = in_process_of_its_own(project, output, tools[generation], fail, *way(generation))
    log = output / "logs" / f"{stage}.log"
    wait_for(lambda: log.is_file() and log.stat().st_size > 200, build)
    time.sleep(0.5)
    build.send_signal(signal.SIGINT)
    assert build.wait(30) == 130
    assert not any(str(output) in line for line in processes())
    assert not (output / stage).exists()
    left = [path.relative_to(output) for path in output.rglob("*.partial")]
    assert all(path.parts[0] == "vendor" for path in left)  # the tools' own place

    with_tools(generation)
    assert run(*arguments(project, output, *way(generation))).code == 0
    assert digests(output) == digests(whole)


def wait_for(condition: Callable[[], bool], build: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert build.poll() is None, build.stderr.read() if build.stderr else ""
        assert time.monotonic() < end, "the tool never started"
        time.sleep(0.1)


def processes() -> list[str]:
    """Command lines and folders of all processes but this one and its parents."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            lines.append(f"{line} {(process / 'cwd').readlink()}")
        except OSError:
            continue
    return lines


FAILURES = [
    ("hls:licence", 3, "licen"),
    ("hls:crash", 3, "crash"),
    ("hls:disk", 3, "disk"),
    ("hls:source", 3, r"engine\.cpp|\.h:\d+|source"),
    ("hls:nothing", 3, "without"),
    ("ip:crash", 3, "crash"),
    ("vivado:licence", 3, "licen"),
    ("vivado:crash", 3, "crash"),
    ("vivado:disk", 3, "disk"),
    ("vivado:nobit", 3, "bitstream"),
    ("vivado:board", 3, "board"),
    ("vivado:timing", 1, r"timing failed by [\d.]+ ns at 300 MHz"),
]
SAME_IN_BOTH = ("vivado:licence", "vivado:disk", "vivado:nobit", "vivado:board", "vivado:timing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generation", "fail", "code", "message"),
    [
        pytest.param(
            generation,
            *failure,
            # Vivado says the same in both generations; the classic build is the one whose bytes are compared.
            marks=pytest.mark.nightly if generation == "classic" and failure[0] in SAME_IN_BOTH else (),
        )
        for generation in GENERATIONS
        for failure in FAILURES
    ],
)
def test_a_failure_is_one_sentence_with_its_log_and_can_be_resumed(
    run: Run,
    project: Project,
    built: Path,
    packaged: Path,
    with_tools: Callable[..., None],
    tmp_path: Path,
    generation: str,
    fail: str,
    code: int,
    message: str,
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools(generation, fail)
    outcome = run(*arguments(project, output))
    assert outcome.code == code, outcome.err
    error = next(line for line in outcome.err.splitlines() if line.startswith("error: "))
    assert re.search(message, error, re.IGNORECASE), error
    assert "Traceback" not in outcome.err and "hint: " in outcome.err
    stage = "bitstream" if fail.startswith("vivado") else fail.partition(":")[0]
    assert (output / "logs" / f"{stage}.log").stat().st_size > 0
    if code == 3:
        assert f"{stage}.log" in outcome.err
        assert not (output / stage).exists()
    assert (output / "report.html").is_file() and not (output / "overlay").exists()

    with_tools(generation)
    # A bitstream that misses its clock is a result, which stays as it is: another try must be asked for.
    outcome = run(*arguments(project, output, *(("--from", "bitstream") if code == 1 else ())))
    assert outcome.code == 0, outcome.err
    if generation == "classic":
        assert digests(output) == digests(packaged)


@pytest.mark.slow
def test_missed_timing_is_built_again_at_the_clock_that_meets_it(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools("classic", "vivado:timing")
    first = run(*arguments(project, output))
    assert first.code == 1 and "--retry-clock" in first.err
    report = (output / "report.html").read_text()
    assert "timing" in report.lower()
    # The clock that was missed is remembered: the same build says so at once, without running anything.
    again = run(*arguments(project, output))
    assert again.code == 1 and "bitstream" not in again.out
    with_tools("classic", "vivado:timing:260")  # up to this clock the stand-in meets timing
    retried = run(*arguments(project, output, "--retry-clock"))
    assert retried.code == 0, retried.err
    manifest = json.loads((output / "overlay/small_zcu104/manifest.json").read_text())
    assert manifest["clock_mhz"] < 300
    skipped = run(*arguments(project, output, "--retry-clock"))
    assert skipped.code == 0 and re.search("^unchanged: .*bitstream", skipped.out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
def test_co_simulation_runs_the_short_program_where_it_is_asked_for(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path, generation: str
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools(generation, "cosim:mismatch")
    differs = run(*arguments(project, output, "--until", "cosim"))
    assert differs.code == 1 and "co-simulation" in differs.err and "cosim.log" in differs.err
    assert not (output / "cosim").exists()
    with_tools(generation)
    outcome = run(*arguments(project, output, "--cosim"))
    assert outcome.code == 0, outcome.err
    cosim = json.loads((output / "report.json").read_text())["implementation"]["cosim"]
    assert cosim["passed"] is True and cosim["tier"] == "RTL simulation"


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    ["compile", "csim", "package"]
    + [
        pytest.param(name, marks=pytest.mark.nightly)
        for name in ("render", "schedule", "simulate", "lint", "preview", "report")
    ],
)
def test_a_build_interrupted_in_one_of_our_own_stages_ends_in_the_same_bytes(
    run: Run,
    project: Project,
    packaged: Path,
    with_tools: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    output = tmp_path / "out"
    with_tools()
    found = stage_of(stage)
    assert isinstance(found, Stage)
    make = found.make

    def interrupted(context: Context, folder: Path) -> Made:
        make(context, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        set_make(patch, stage, interrupted)
        assert run(*arguments(project, output)).code == 130
    assert not list(output.rglob("*.partial"))
    assert run(*arguments(project, output)).code == 0
    assert digests(output) == digests(packaged)


@pytest.mark.parametrize("generation", ["classic", OPEN])
def test_an_exported_folder_runs_elsewhere_and_its_results_come_back(
    run: Run, project: Project, built: Path, packaged: Path, tools: dict[str, Path], tmp_path: Path, generation: str
) -> None:
    output, kit = tmp_path / "out", tmp_path / "kit"
    shutil.copytree(built, output)
    outcome = run(*arguments(project, output, *way(generation), "--until", "ip", "--export", kit))
    assert outcome.code == 0 and "exported" in outcome.out
    for path in kit.rglob("*"):
        if path.is_file() and path.suffix in (".tcl", ".cfg", ".sh", ".json", ".h", ".cpp"):
            text = path.read_text()
            assert str(tmp_path) not in text and str(Path.home()) not in text, path
    elsewhere = tmp_path / "another place"
    kit.rename(elsewhere)
    environment = os.environ | {"PATH": f"{tools[generation]}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([elsewhere / "run.sh"], env=environment, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    imported = run("import-results", elsewhere, "--output", output)
    assert imported.code == 0, imported.err
    for stage in ("ip", "bitstream") if generation == OPEN else ("hls", "ip", "bitstream"):
        assert f"{stage} " in imported.out
    assert "nothing of stage" not in imported.err
    final = run(*arguments(project, output, *way(generation)))  # no tools here, and none needed any more
    assert final.code == 0, final.err
    assert (digests(output) == digests(packaged)) == (generation == "classic")
    # What the import found otherwise than assumed is on the page too; where nobody synthesised, nothing was compared.
    found, page = json.loads((output / "report.json").read_text())["differences"], (output / "report.html").read_text()
    assert ("Differences from the assumptions" in page) == (found is not None) == (generation == "classic")
    if found is not None:
        kept = json.loads((output / "differences.json").read_text())
        assert [row["what"] for row in found["rows"]] == [row["what"] for row in kept["rows"]]


def test_results_of_another_build_are_refused(run: Run, project: Project, built: Path, tmp_path: Path) -> None:
    output, kit = tmp_path / "out", tmp_path / "kit"
    shutil.copytree(built, output)
    assert run(*arguments(project, output, "--export", kit)).code == 0
    nothing = run("import-results", kit, "--output", output)
    assert nothing.code == 2 and "holds no results yet" in nothing.err
    (kit / "src" / "config.h").write_text("// changed\n")
    other = run("import-results", kit, "--output", output)
    assert other.code == 2 and "src/config.h differs\n" in other.err
    facts = json.loads((kit / "kit.json").read_text())
    (kit / "kit.json").write_text(json.dumps(facts | {"generator": "edgemoe-gen 0.0.1"}))
    older = run("import-results", kit, "--output", output)
    assert older.code == 2 and "src/config.h differs (it was exported by edgemoe-gen 0.0.1, this is" in older.err
    foreign = run("import-results", tmp_path, "--output", output)
    assert foreign.code == 2 and "kit.json" in foreign.err
    (kit / "kit.json").write_text(json.dumps(facts | {"part": {"a": [1]}}))
    damaged = run("import-results", kit, "--output", output)
    assert damaged.code == 2 and "its key 'part' holds no text" in damaged.err
    taken = run(*arguments(project, output, "--export", project.folder))
    assert taken.code == 2 and "is no export of this very design" in taken.err


def test_an_export_does_not_retry_a_clock(run: Run, project: Project, tmp_path: Path) -> None:
    for more in ((), ("--dry-run",)):
        outcome = run(*arguments(project, tmp_path / "out", "--retry-clock", "--export", tmp_path / "kit", *more))
        assert outcome.code == 2 and "--retry-clock implements again here, but --export" in outcome.err
    assert not (tmp_path / "out").exists() and not (tmp_path / "kit").exists()


def test_a_foreign_folder_is_never_replaced_by_an_export(
    run: Run, project: Project, built: Path, tmp_path: Path
) -> None:
    output, thesis = tmp_path / "out", tmp_path / "thesis"
    shutil.copytree(built, output)
    thesis.mkdir()
    (thesis / "kit.json").write_text('{"a": 1}')
    (thesis / "thesis.tex").write_text("years of work")
    refused = run(*arguments(project, output, "--export", thesis))
    assert refused.code == 2 and "is no export of this very design" in refused.err
    assert (thesis / "thesis.tex").read_text() == "years of work"
    early = run(*arguments(project, output, "--until", "csim", "--export", tmp_path / "kit"))
    assert early.code == 2 and "--export needs the stages up to lint" in early.err


@pytest.mark.nightly
def test_figures_of_another_design_are_not_reported(run: Run, project: Project, packaged: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(packaged, output)
    changed = run(*arguments(project, output, "--knob", "weight_fifo_beats=512", "--until", "lint"))
    assert changed.code == 0 and "(estimate)" in changed.out and "vendor implementation" not in changed.out
    assert json.loads((output / "report.json").read_text())["implementation"] is None


@pytest.mark.slow
def test_a_killed_build_keeps_others_out_while_its_tool_runs_and_then_goes_on(
    run: Run, project: Project, built: Path, packaged: Path, tools: dict[str, Path], with_tools: Callable[..., None],
    tmp_path: Path,
) -> None:  # fmt: skip
    output = tmp_path / "out"
    shutil.copytree(built, output)
    build = in_process_of_its_own(project, output, tools["classic"], "vivado:hang")
    log = output / "logs" / "bitstream.log"
    # Its last words before it hangs: one that still talks would end with the build that listened.
    wait_for(lambda: log.is_file() and "Rip-up And Reroute" in log.read_text(), build)
    time.sleep(0.5)
    build.kill()
    build.wait(30)
    left = [int(p.name) for p in Path("/proc").glob("[0-9]*") if runs_in(p, output)]
    try:
        assert left, "the tool has survived"
        with_tools()
        refused = run(*arguments(project, output))
        assert refused.code == 2 and "another build is at work" in refused.err
    finally:
        for number in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    end = time.monotonic() + 20
    while any(runs_in(p, output) for p in Path("/proc").glob("[0-9]*")) and time.monotonic() < end:
        time.sleep(0.1)
    assert run(*arguments(project, output)).code == 0
    assert digests(output) == digests(packaged)


def runs_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_failed_co_simulation_is_not_imported(
    run: Run, project: Project, built: Path, tools: dict[str, Path], tmp_path: Path, generation: str
) -> None:
    output, kit = tmp_path / "out", tmp_path / "kit"
    shutil.copytree(built, output)
    assert run(*arguments(project, output, "--export", kit)).code == 0
    environment = os.environ | {
        "PATH": f"{tools[generation]}{os.pathsep}{os.environ['PATH']}",
        "EDGEMOE_STANDIN_FAIL": "cosim:mismatch",
    }
    done = subprocess.run([kit / "run.sh", "hls", "cosim"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    imported = run("import-results", kit, "--output", output)
    assert imported.code == 1 and "co-simulation" in imported.err
    assert (output / "hls").is_dir() and not (output / "cosim").exists()


@pytest.mark.nightly
def test_a_new_board_is_one_file(run: Run, project: Project, with_tools: Callable[..., None], tmp_path: Path) -> None:
    board = tmp_path / "kr260.toml"
    text = (resource_folder("boards") / "kv260.toml").read_text()
    board.write_text(
        text.replace('title = "AMD Kria KV260"', 'title = "AMD Kria KR260"')
        .replace('"xilinx.com:kv260_som:part0:1.3"', '"xilinx.com:kr260_som:part0:1.1"')
        .replace('["HP0", "HP3", "HP1", "HPC0", "HP2", "HPC1"]', '["HP2", "HPC1"]')
    )
    with_tools("unified")
    output = tmp_path / "out"
    outcome = run(*arguments(project, output, "--board", board))
    assert outcome.code == 0, outcome.err
    assert (output / "overlay/small_kr260/small_kr260.bit").is_file()
    assert "kr260_som" in (output / "vendor/flow/bitstream.tcl").read_text()


def test_without_tools_the_build_ends_before_synthesis_and_says_why(
    run: Run, project: Project, built: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    outcome = run(*arguments(project, output))
    assert outcome.code == 0 and 'stopped before stage "hls": ' in outcome.out
    asked = run(*arguments(project, output, "--until", "hls"))
    assert asked.code == 2 and "stage 'hls' can't run here" in asked.err and "--export" in asked.err


def test_a_dry_run_shows_the_commands_and_changes_nothing(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools()
    before = digest_of([output])
    outcome = run(*arguments(project, output, "--dry-run"))
    assert outcome.code == 0, outcome.err
    assert "render     up to date" in outcome.out and "hls        would run" in outcome.out
    assert "vitis_hls -f flow/hls.tcl" in outcome.out and "-source flow/bitstream.tcl" in outcome.out
    assert digest_of([output]) == before
    fresh = run(*arguments(project, tmp_path / "never", "--dry-run"))
    assert fresh.code == 0 and not (tmp_path / "never").exists()


def test_a_wrong_number_of_jobs_is_refused_before_any_tool_runs(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools()
    monkeypatch.setenv("EDGEMOE_JOBS", "many")
    outcome = run(*arguments(project, output))
    assert outcome.code == 2 and "EDGEMOE_JOBS is 'many'" in outcome.err
    assert not (output / "logs").exists() and not (output / "vendor").exists()


@pytest.mark.parametrize(
    ("fail", "code", "stage", "stopped"), [("hls:crash", 3, "hls", "hls"), ("vivado:timing", 1, "bitstream", "package")]
)
def test_a_failed_stage_is_named_in_json_and_report(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path,
    fail: str, code: int, stage: str, stopped: str,
) -> None:  # fmt: skip
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools("classic", fail)
    outcome = run(*arguments(project, output, "--json"))
    error = json.loads(outcome.out)["error"]
    assert outcome.code == error["exit_code"] == code
    assert error["stage"] == stage and error["message"] in outcome.err and error["hint"] in outcome.err
    assert error["log"] == (str(output / "logs" / "hls.log") if code == 3 else None)
    report = json.loads((output / "report.json").read_text())
    assert (report["failed_stage"], report["stopped_before"]) == (stage, stopped)
    with_tools()
    assert run(*arguments(project, output, "--from", stage)).code == 0
    assert json.loads((output / "report.json").read_text())["failed_stage"] is None


def test_from_and_only_refuse_to_go_on_from_what_is_not_there(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    with_tools()
    outcome = run(*arguments(project, output, "--only", "ip"))
    assert outcome.code == 2 and "stage 'hls' is not up to date" in outcome.err
    fresh = run(*arguments(project, tmp_path / "new", "--from", "csim"))
    assert fresh.code == 2 and "stage 'render' is not up to date" in fresh.err
