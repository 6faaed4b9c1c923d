"""The script of an exported kit, run as a user runs it, against stand-ins of three generations of the tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgemoe_gen.flow.kit import missing_in, place_ip
from tests.flow.hls_kit import small_design, write_kit
from tests.flow.standin_vitis import install_classic, install_unified, tclsh

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")
needs_tclsh = pytest.mark.skipif(tclsh() is None, reason="tclsh is not installed")
GENERATIONS = [
    pytest.param("vitis_hls", marks=needs_tclsh),
    pytest.param("v++ and vitis-run"),
    pytest.param("vitis-run", marks=needs_tclsh),
]


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return write_kit(tmp_path, small_design("zcu104"), "unified", "2025.1").folder


def install(folder: Path, generation: str) -> Path:
    if generation == "vitis_hls":
        install_classic(folder, "2022.1")
    else:
        install_unified(folder, "2025.1")
        if generation == "vitis-run":
            (folder / "v++").unlink()
    return folder


def run(kit: Path, tools: Path, *stages: str, fail: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "EDGEMOE_STANDIN_FAIL": fail,
    }
    return subprocess.run(
        [str(BASH), str(kit / "run.sh"), *stages], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def test_bash_finds_no_mistake_in_the_script(kit: Path) -> None:
    done = subprocess.run([str(BASH), "-n", str(kit / "run.sh")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_each_generation_of_the_tools_ends_with_the_ip_in_its_place(kit: Path, tmp_path: Path, generation: str) -> None:
    done = run(kit, install(tmp_path / "bin", generation), "hls", "cosim", "ip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (kit / "ip/component.xml").is_file()
    assert not (kit / "ip.partial").exists()
    assert (kit / "hls_component").is_dir() == (generation == "v++ and vitis-run")
    assert sorted(path.name for path in (kit / "logs").iterdir()) == ["cosim.log", "hls.log", "ip.log"]


def moving(tools: Path, where: str) -> Path:
    """vitis-run that leaves its packaged IP elsewhere below its work folder; "" leaves none."""
    real = tools / "vitis-run.real"
    (tools / "vitis-run").rename(real)
    move = f"mkdir -p {where} && cp -r hls_component/hls/impl/ip {where}/ip &&" if where else ""
    (tools / "vitis-run").write_text(
        f'#!/bin/sh\n"{real}" "$@" || exit $?\n'
        f"if [ -d hls_component/hls/impl/ip ]; then {move} rm -r hls_component/hls/impl/ip; fi\n"
    )
    (tools / "vitis-run").chmod(0o755)
    return tools


def test_an_ip_that_lies_elsewhere_below_the_work_folder_is_found(kit: Path, tmp_path: Path) -> None:
    tools = moving(install(tmp_path / "bin", "v++ and vitis-run"), "hls_component/solution/hls/impl")
    inner = kit / "hls_component/solution/hls/impl/ip/hdl/core/component.xml"
    assert run(kit, tools, "hls").returncode == 0
    inner.parent.mkdir(parents=True)
    inner.write_text("of a core inside the IP\n")
    done = run(kit, tools, "ip")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "edgemoe" in (kit / "ip/component.xml").read_text()


def test_a_build_finds_it_there_too(tmp_path: Path) -> None:
    place_ip(tmp_path)
    assert not (tmp_path / "ip").exists()
    made = tmp_path / "hls_component/solution/hls/impl/ip"
    (made / "hdl/core").mkdir(parents=True)
    (made / "hdl/core/component.xml").write_text("of a core inside the IP")
    (made / "component.xml").write_text("the IP")
    place_ip(tmp_path)
    assert (tmp_path / "ip/component.xml").read_text() == "the IP"
    assert missing_in(tmp_path)["ip"] == []


def test_packaging_that_leaves_no_ip_is_said(kit: Path, tmp_path: Path) -> None:
    done = run(kit, moving(install(tmp_path / "bin", "v++ and vitis-run"), ""), "hls", "ip")
    assert done.returncode != 0 and not (kit / "ip").exists()
    assert "packaging ended without component.xml below hls_component" in done.stdout


def test_a_folder_that_was_not_exported_says_that_nothing_will_be_imported(kit: Path, tmp_path: Path) -> None:
    assert "has no kit.json" in run(kit, tmp_path, "nonsense").stderr
    (kit / "kit.json").write_text("{}")
    assert "kit.json" not in run(kit, tmp_path, "nonsense").stderr


def test_a_wrong_stage_stops_the_script_before_any_stage_runs(kit: Path, tmp_path: Path) -> None:
    before = sorted(kit.rglob("*"))
    done = run(kit, install(tmp_path / "bin", "v++ and vitis-run"), "hls", "bitsteam")
    assert done.returncode == 2
    assert "there is no stage 'bitsteam'" in done.stderr
    assert sorted(kit.rglob("*")) == before


def test_a_failing_tool_ends_the_script_and_leaves_no_ip(kit: Path, tmp_path: Path) -> None:
    tools = install(tmp_path / "bin", "v++ and vitis-run")
    assert run(kit, tools, "hls", "ip").returncode == 0
    done = run(kit, tools, "ip", "cosim", fail="ip:licence")
    assert done.returncode != 0
    assert not (kit / "ip").exists() and not (kit / "logs/cosim.log").exists()


def test_a_copy_of_the_ip_that_breaks_off_does_not_pass_for_one(kit: Path, tmp_path: Path) -> None:
    tools = install(tmp_path / "bin", "v++ and vitis-run")
    copy = tools / "cp"
    copy.write_text('#!/bin/sh\nmkdir "$3"\necho half > "$3/component.xml"\nexit 1\n')
    copy.chmod(0o755)
    assert run(kit, tools, "hls", "ip").returncode != 0
    assert (kit / "ip.partial/component.xml").is_file() and not (kit / "ip").exists()
    copy.unlink()
    assert run(kit, tools, "ip").returncode == 0
    assert (kit / "ip/component.xml").read_text() != "half\n" and not (kit / "ip.partial").exists()
