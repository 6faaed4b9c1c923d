"""`edgemoe-gen import-results`: damaged, incomplete and misplaced results of the vendor's tools."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Project
from tests.cli.flow_runs import arguments
from tests.flow.standin_vitis import tclsh

Run = Callable[..., Outcome]
pytestmark = pytest.mark.skipif(tclsh() is None, reason="the stand-ins of the vendor's tools need tclsh")


@dataclass(frozen=True)
class Kit:
    """An exported folder in which all stages have run, and the build that it is of, which has none of them."""

    folder: Path
    output: Path

    def taken(self, run: Run, *more: object) -> Outcome:
        return run("import-results", self.folder, "--output", self.output, *more)


@pytest.fixture
def kit(run: Run, project: Project, built: Path, packaged: Path, tmp_path: Path) -> Kit:
    output, folder = tmp_path / "out", tmp_path / "kit"
    shutil.copytree(built, output)
    assert run(*arguments(project, output, "--export", folder)).code == 0
    for name in ("hls_project", "ip", "bitstream"):
        shutil.copytree(packaged / "vendor" / name, folder / name)
    return Kit(folder, output)


@pytest.mark.parametrize(
    ("name", "keep", "words"),
    [
        ("edgemoe.bit", 0, "edgemoe.bit is not a bitstream: it is empty"),
        ("edgemoe.bit", 20, "edgemoe.bit is not a bitstream: its header is damaged"),
        ("edgemoe.bit", -7, "edgemoe.bit is cut short by 7 bytes"),
        ("edgemoe.hwh", 0, "edgemoe.hwh is not readable as XML"),
        ("edgemoe.hwh", -100, "edgemoe.hwh is not readable as XML"),
    ],
)
def test_a_bitstream_that_was_copied_in_part_is_refused(run: Run, kit: Kit, name: str, keep: int, words: str) -> None:
    path = kit.folder / "bitstream" / name
    path.write_bytes(path.read_bytes()[:keep])
    outcome = kit.taken(run)
    assert outcome.code == 2 and words in outcome.err and "copy the folder again" in outcome.err
    assert (kit.output / "ip").is_dir() and not (kit.output / "bitstream").exists()


@pytest.mark.parametrize("place", ["ip/x.v", "bitstream/extra", "hls_project/solution/syn/report/a.rpt", "logs/ip.log"])
@pytest.mark.parametrize("kind", ["file outside", "endless", "pipe"])
def test_nothing_from_outside_of_a_kit_is_taken_in(run: Run, kit: Kit, place: str, kind: str, tmp_path: Path) -> None:
    secret, path = tmp_path / "secret.txt", kit.folder / place
    secret.write_text("secret of the user")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else secret)
    outcome = kit.taken(run)
    if (place, kind) in (("logs/ip.log", "pipe"), ("logs/ip.log", "endless")):  # no log, and nothing else is missing
        assert outcome.code == 0
    else:
        assert outcome.code == 2 and path.name in outcome.err, outcome
    taken = [p for p in kit.output.rglob("*") if p.is_symlink() or (p.is_file() and b"secret of" in p.read_bytes())]
    assert not taken and not list(kit.output.rglob("*.partial*"))


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_timing_that_no_report_tells_does_not_pass_for_met(run: Run, project: Project, kit: Kit, damage: str) -> None:
    path = kit.folder / "bitstream" / "timing_summary.rpt"
    path.unlink() if damage == "missing" else path.write_text("torn")
    imported = kit.taken(run)
    assert imported.code == 0 and "timing not known" in imported.out
    for more in ((), ("--from", "package")):
        outcome = run(*arguments(project, kit.output, *more))
        assert outcome.code == 1 and "timing is not known: timing_summary.rpt: " in outcome.err
        assert "so the bitstream is not packaged" in outcome.err
        assert not (kit.output / "overlay").exists()
    report = json.loads((kit.output / "report.json").read_text())
    assert report["stopped_before"] == "package" and "timing not known" in report["headline"]


def test_an_import_says_how_timing_went(run: Run, kit: Kit) -> None:
    assert "timing met" in kit.taken(run).out


def test_incomplete_results_are_named_with_what_they_lack(run: Run, kit: Kit) -> None:
    (kit.folder / "bitstream" / "edgemoe.hwh").unlink()
    (kit.folder / "bitstream" / "power.rpt").unlink()
    outcome = kit.taken(run, "--json")
    said = json.loads(outcome.out)
    assert (outcome.code, said["stages"]) == (0, ["hls", "ip"])
    assert said["notes"] == [
        "results of stage bitstream are incomplete: bitstream/edgemoe.hwh and bitstream/power.rpt are missing"
    ]
    assert f"note: {said['notes'][0]}" in outcome.err
    for name in ("hls_project", "ip"):
        shutil.rmtree(kit.folder / name)
    nothing = kit.taken(run)
    assert nothing.code == 2 and "holds no whole results yet" in nothing.err and said["notes"][0] in nothing.err


def test_results_made_in_the_rendered_project_are_explained_and_kept(run: Run, project: Project, kit: Kit) -> None:
    accelerator = kit.output / "accelerator"
    for name in ("ip", "bitstream"):
        shutil.copytree(kit.folder / name, accelerator / name)
    taken = run("import-results", accelerator, "--output", kit.output)
    assert taken.code == 2 and "is a rendered project, not an exported kit" in taken.err and "--export" in taken.err
    for command in (arguments(project, kit.output), ["generate", *project.knobs, "--output", str(kit.output)]):
        again = run(*command)
        assert (
            again.code == 2
            and "holds results of the vendor's tools (ip, bitstream), which rendering would delete" in again.err
        )
    assert (accelerator / "bitstream" / "edgemoe.bit").is_file()
    for name in ("ip", "bitstream"):
        shutil.rmtree(accelerator / name)
    assert run(*arguments(project, kit.output, "--until", "render")).code == 0


def test_stages_that_have_not_run_are_named(run: Run, kit: Kit) -> None:
    shutil.rmtree(kit.folder / "bitstream")
    (kit.folder / "ip" / "component.xml").unlink()
    outcome = kit.taken(run)
    assert outcome.code == 0
    assert "note: results of stage ip are incomplete: ip/component.xml is missing" in outcome.err
    assert "note: there is nothing of stage bitstream yet" in outcome.err


def test_reports_that_are_missing_are_named_though_the_bitstream_is_taken(run: Run, kit: Kit) -> None:
    (kit.folder / "bitstream" / "utilization.rpt").unlink()
    outcome = kit.taken(run)
    assert outcome.code == 0 and "bitstream " in outcome.out
    assert "note: results of stage bitstream are incomplete: bitstream/utilization.rpt is missing" in outcome.err


def test_a_run_that_broke_off_is_incomplete(run: Run, kit: Kit) -> None:
    (kit.folder / "bitstream").rename(kit.folder / "bitstream.partial")
    outcome = kit.taken(run)
    assert outcome.code == 0 and "results of stage bitstream are incomplete: bitstream/edgemoe.bit" in outcome.err


def test_what_differs_from_what_was_assumed_is_shown_and_kept(run: Run, kit: Kit) -> None:
    shown = kit.taken(run)
    assert shown.code == 0 and "Differences from the assumptions, the worst first" in shown.out
    said = json.loads(kit.taken(run, "--json").out)["differences"]
    kept = json.loads((kit.output / "differences.json").read_text())
    assert kept == {"schema": 1, **said}
    assert [row["kind"] for row in said["rows"]] == sorted(
        (row["kind"] for row in said["rows"]), key=["instances", "fits", "II", "clock", "resources", "log"].index
    )
    for row in said["rows"]:
        assert row["what"] in shown.out and row["found"] in shown.out, row
    # The stand-ins reach every interval at the clock; how much hardware they count is made up.
    assert {row["kind"] for row in said["rows"]} == {"resources"}


def test_an_export_says_what_to_run_and_what_that_needs(kit: Kit) -> None:
    text = (kit.folder / "README.md").read_text()
    for word in ("./run.sh", "settings64.sh", "edgemoe-results.tar.gz", "xilinx.com:zcu104", "import-results"):
        assert word in text
