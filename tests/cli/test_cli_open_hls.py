"""`edgemoe-gen build --hls open`: the RTL of edgemoe-gen, packaged and implemented by a stand-in of Vivado alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.extras import EXTRAS
from edgemoe_gen.flow.rtl_source import OWN
from edgemoe_gen.hardware.boards import board_names
from edgemoe_gen.overlay.driver.manifest import read_manifest
from edgemoe_gen.pipeline.stages import rtl as stage_rtl
from edgemoe_gen.pipeline.support import stage as stages
from tests.cli.conftest import Outcome, Project
from tests.cli.flow_runs import GENERATIONS, OPEN, arguments, digests, way
from tests.flow.standin_vitis import tclsh

Run = Callable[..., Outcome]
needs_tclsh = pytest.mark.skipif(tclsh() is None, reason="the stand-ins of the vendor's tools need tclsh")


def copied(built: Path, tmp_path: Path) -> Path:
    output = tmp_path / "out"
    shutil.copytree(built, output)
    return output


@needs_tclsh
@pytest.mark.parametrize(
    "board", [pytest.param(name, marks=() if name == "zcu104" else pytest.mark.nightly) for name in board_names()]
)
@pytest.mark.slow
def test_every_board_is_built_by_vivado_alone_and_says_whose_rtl_it_is(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path, board: str
) -> None:
    output = copied(built, tmp_path)
    name = f"small_{board}"
    found: dict[str, Any] = {}
    # Vitis HLS of the first two is not touched; the third release of Vivado is there without it.
    for generation in (*GENERATIONS, OPEN):
        with_tools(generation)
        again = ("--from", "ip") if found else ()
        outcome = run(*arguments(project, output, "--board", board, *way(OPEN), *again))
        assert outcome.code == 0, outcome.err
        assert not (output / "hls").exists() and not (output / "logs/hls.log").exists()
        assert not list(output.rglob("*.partial"))
        found[generation] = digests(output)
    assert f"of {OWN}): " in outcome.out
    report = json.loads((output / "report.json").read_text())
    assert report["hls"] == {"choice": OPEN, "label": OWN} and report["implementation"]["tier"].startswith("vendor")
    assert report["implementation"]["modules"] is None and report["stopped_before"] == ""
    assert OWN in (output / "report.html").read_text()
    overlay = output / "overlay" / name
    assert json.loads((overlay / "manifest.json").read_text())["rtl"] == OWN
    assert read_manifest(overlay).name == name
    packaged = {file.name for file in (output / "ip/hdl").iterdir()}
    assert packaged == {*(output / "rtl/edgemoe_engine.f").read_text().split(), "edgemoe_engine_ip.v"}


@needs_tclsh
@pytest.mark.slow
def test_the_same_folder_goes_over_to_the_other_way_and_back(
    run: Run, project: Project, packaged: Path, with_tools: Callable[..., None], tmp_path: Path
) -> None:
    output = copied(packaged, tmp_path)
    with_tools()
    before = digests(output)
    shown = run(*arguments(project, output, *way(OPEN), "--dry-run"))
    assert "hls        left out: stage rtl takes its place" in shown.out
    assert "-source flow/rtl_ip.tcl" in shown.out and "vitis_hls" not in shown.out
    opened = run(*arguments(project, output, *way(OPEN)))
    assert opened.code == 0, opened.err
    assert digests(output)["bitstream"] != before["bitstream"]
    report = json.loads((output / "report.json").read_text())
    assert "hls" not in report["stages"]  # its results lie there, but are not of this bitstream
    again = run(*arguments(project, output, *way(OPEN)))
    assert re.search("rtl, simulate, .*, ip, bitstream, package", again.out)
    assert run(*arguments(project, output)).code == 0
    assert digests(output) == before


def test_a_stage_that_rtl_replaces_is_refused_with_a_sentence(
    run: Run, project: Project, built: Path, tmp_path: Path
) -> None:
    output = copied(built, tmp_path)
    for more, place in (("--only", "hls"), "rtl"), (("--from", "hls"), "rtl"), (("--cosim",), "rtlsim"):
        for dry in ((), ("--dry-run",)):
            refused = run(*arguments(project, output, *way(OPEN), *more, *dry))
            assert refused.code == 2, refused.err
            assert f'with hls = "open": stage {place} takes its place' in refused.err
    wrong = run(*arguments(project, output, "--hls", "none"))
    assert wrong.code == 2 and "--hls is 'none', but must be vitis or open" in wrong.err


def test_the_projects_file_says_it_once_for_all_builds(
    run: Run, project: Project, built: Path, here: Path, tmp_path: Path
) -> None:
    output = copied(built, tmp_path)
    (here / "edgemoe.toml").write_text('[flow]\nhls = "open"\n')
    outcome = run(*arguments(project, output))
    assert outcome.code == 0 and 'stopped before stage "ip": Vivado' in outcome.out
    other = run(*arguments(project, output, "--hls", "vitis"))
    assert other.code == 0 and 'stopped before stage "hls": ' in other.out
    (here / "edgemoe.toml").write_text('[flow]\nhls = "vits"\n')
    wrong = run(*arguments(project, output))
    assert wrong.code == 2 and "edgemoe.toml: flow.hls is 'vits', but must be vitis or open" in wrong.err


def test_without_the_extra_the_build_ends_before_packaging(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    output = copied(built, tmp_path)
    with_tools(OPEN)
    packages = next(extra.packages for extra in EXTRAS if extra.name == "rtl")
    monkeypatch.setattr(stages, "installed", lambda name: name not in packages)
    outcome = run(*arguments(project, output, *way(OPEN)))
    assert outcome.code == 0, outcome.err
    assert 'stopped before stage "ip": it needs stage rtl, which was left out: ' in outcome.out
    asked = run(*arguments(project, output, *way(OPEN), "--until", "ip"))
    assert asked.code == 2 and "stage 'ip' can't run here: it needs stage rtl" in asked.err


def test_a_design_without_rtl_is_told_before_vivado_starts(
    run: Run, project: Project, built: Path, with_tools: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from edgemoe_gen.base.errors import SimulationError

    output = copied(built, tmp_path)
    with_tools(OPEN)

    def refuse(*_: object) -> None:
        raise SimulationError("engine.cpp:1: a form that has no hardware")

    monkeypatch.setattr(stage_rtl, "write_rtl", refuse)
    shutil.rmtree(output / "rtl")
    outcome = run(*arguments(project, output, *way(OPEN)))
    assert outcome.code == 1, outcome.err
    assert "the design has no RTL of edgemoe-gen: engine.cpp:1: a form" in outcome.err and "--hls vitis" in outcome.err
    assert not (output / "logs").exists()
