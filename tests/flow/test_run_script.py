"""The script of an exported kit, run as a user runs it, against stand-ins of three generations of the tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from edgemoe_gen.flow.kit import ARCHIVE, kit_files, missing_in, place_ip, read_kit
from edgemoe_gen.hardware.names import TOP
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
    logs = ["cosim.log", "hls.log", "ip.log", "versions.txt"]
    assert sorted(path.name for path in (kit / "logs").iterdir()) == logs
    release = {"vitis_hls": "2022.1"}.get(generation, "2025.1")
    versions = (kit / "logs/versions.txt").read_text()
    assert f"v{release}" in versions and versions.startswith("edgemoe-gen ") and "stages: hls cosim ip\n" in versions


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


def packed(kit: Path) -> dict[str, bytes]:
    """Files of the archive, by their paths in the kit."""
    with tarfile.open(kit / ARCHIVE) as archive:
        files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        found = {name: file.read() for name, file in files.items() if file is not None}
    return {name.removeprefix(f"./{kit.name}/"): data for name, data in found.items()}


@pytest.mark.parametrize("fail", ["", "ip:crash"])
def test_a_run_leaves_one_archive_of_what_tells_how_it_went(kit: Path, tmp_path: Path, fail: str) -> None:
    kit = kit.rename(kit.with_name("kit: of [mine]"))
    (kit / "huge.log").write_bytes(bytes(21_000_000))
    done = run(kit, install(tmp_path / "bin", "v++ and vitis-run"), "hls", "ip", fail=fail)
    assert (done.returncode != 0) == bool(fail) and f"are in {kit / ARCHIVE}" in done.stdout
    files = packed(kit)
    assert {name: files[name] for name in map(Path.as_posix, kit_files(kit))} == read_kit(kit)
    assert {"logs/hls.log", "logs/ip.log", "logs/versions.txt"} <= set(files)
    assert f"hls_component/hls/syn/report/{TOP}_csynth.xml" in files
    built = {".v", ".vhd", ".bit", ".zip", ".dcp"}
    assert not [n for n in files if n.startswith(("ip/", "bitstream/")) or Path(n).suffix in built or "huge" in n]
    assert not list(kit.glob("*.partial"))


def test_missing_tools_are_named_with_what_to_source_before_anything_runs(kit: Path, tmp_path: Path) -> None:
    before = sorted(kit.rglob("*"))
    done = run(kit, tmp_path, "hls")
    assert done.returncode == 2 and done.stdout == ""
    assert "stage hls needs vitis_hls, v++ or vitis-run, which is not on PATH: source settings64.sh of V" in done.stderr
    done = run(kit, install(tmp_path / "bin", "v++ and vitis-run"))
    assert done.returncode == 2
    assert "stage bitstream needs vivado, which is not on PATH: source settings64.sh of Vivado" in done.stderr
    (tmp_path / "bin/vitis-run").unlink()
    assert "stage ip needs vitis-run" in run(kit, tmp_path / "bin", "hls", "ip").stderr
    assert sorted(kit.rglob("*")) == before
