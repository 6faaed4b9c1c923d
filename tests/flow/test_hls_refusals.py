"""What must not pass for a success: failures of Vitis HLS, and scripts that the tool refuses."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.flow.hls_kit import Kit, small_design, write_kit
from tests.flow.standin_vitis import tclsh

needs_tclsh = pytest.mark.skipif(tclsh() is None, reason="tclsh is not installed")
GENERATIONS = [
    pytest.param(("classic", "2022.1"), marks=needs_tclsh, id="classic"),
    pytest.param(("unified", "2025.1"), id="unified"),
]
FAILURES = [
    (step, kind) for step in ("hls", "cosim", "ip") for kind in ("licence", "crash", "disk", "source", "nothing")
]
FAILURES += [("cosim", "mismatch")]
SAYS = {
    "licence": "A valid license was not found",
    "crash": "Abnormal program termination (11)",
    "disk": "No space left on device",
    "source": "ERROR: [",
    "mismatch": "*** C/RTL co-simulation finished: FAIL ***",
    "nothing": "",
}


@pytest.fixture(params=GENERATIONS)
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Kit:
    generation, release = request.param
    return write_kit(tmp_path, small_design("zcu104"), generation, release)


@pytest.fixture
def classic(tmp_path: Path) -> Kit:
    if tclsh() is None:
        pytest.skip("tclsh is not installed")
    return write_kit(tmp_path, small_design("zcu104"), "classic", "2022.1")


@pytest.fixture
def unified(tmp_path: Path) -> Kit:
    return write_kit(tmp_path, small_design("zcu104"), "unified", "2025.1")


@pytest.fixture(scope="module", params=GENERATIONS)
def synthesised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    generation, release = request.param
    kit = write_kit(tmp_path_factory.mktemp("synthesised"), small_design("zcu104"), generation, release)
    kit.until("ip")
    return kit


@pytest.mark.parametrize(("step", "kind"), FAILURES)
def test_a_failure_gives_a_code_or_no_result(synthesised: Kit, tmp_path: Path, step: str, kind: str) -> None:
    kit = replace(synthesised, folder=tmp_path / "a copy")
    shutil.copytree(synthesised.folder, kit.folder)
    if step == "hls":
        shutil.rmtree(kit.work.parent)
    done = kit.run(step, fail=kind)
    assert SAYS[kind] in done.stdout
    if kind == "nothing":
        assert done.returncode == 0
    elif kind == "crash":
        assert done.returncode == -signal.SIGSEGV
    else:
        assert done.returncode == 1
    if kind == "mismatch":
        assert "Fail|" in kit.result(step).read_text(encoding="utf-8")
    else:
        assert not kit.result(step).exists()


def test_an_error_in_a_source_names_file_and_line(kit: Kit) -> None:
    assert "(src/engine.cpp:12:7)" in kit.run("hls", fail="source").stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-m_axi_latency", "-m_axi_latencies", "Unknown option '-m_axi_latencies'"),
        ("-pipeline_style frp", "-pipeline_style free", "Illegal value 'free'"),
        ("-fifo_depth 2\n", "-fifo_depth two\n", "Illegal value 'two'"),
        ("    set_top edgemoe_engine\n", "", "No top function"),
        ("set_top edgemoe_engine", "set_top edgemoe_motor", "there is no function named 'edgemoe_motor'"),
        ("add_files src/engine.cpp", "add_files src/motor.cpp", "Cannot find source file src/motor.cpp"),
        ("    set_part xczu7ev-ffvc1156-2-e\n", "", "No part"),
        ("xczu7ev-ffvc1156-2-e", "xczu7ev-ffvc1156-9-e", "Part 'xczu7ev-ffvc1156-9-e' is not installed"),
        ("    create_clock -period 3.333 -name default\n", "", "There is no clock"),
        ("-cflags \"-std=c++14 -Isrc\"", "-cflag \"-std=c++14\"", "Unknown option '-cflag'"),
        ("csynth_design\n", "csynth_desing\n", "synthesis stopped"),
        ("    csynth_design\n", "", "synthesis ended without the report"),
    ],
)  # fmt: skip
def test_a_broken_synthesis_script_is_refused(classic: Kit, old: str, new: str, said: str) -> None:
    classic.change("flow/hls.tcl", old, new)
    done = classic.run("hls")
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.parametrize("script", ["hls", "cosim", "ip"])
def test_a_script_without_exit_would_stay_open(classic: Kit, script: str) -> None:
    classic.until(script)
    classic.change(f"flow/{script}.tcl", "exit 0\n", "")
    process = subprocess.Popen(
        classic.command(script), cwd=classic.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    said = b""
    while not said.endswith(b"vitis_hls> "):
        byte = process.stdout.read(1)
        assert byte, said.decode()
        said += byte
    time.sleep(0.3)
    assert process.poll() is None
    process.stdin.close()
    process.wait(timeout=20)
    process.stdout.close()


@pytest.mark.parametrize("step", ["cosim", "ip"])
def test_later_steps_want_a_synthesis(kit: Kit, step: str) -> None:
    done = kit.run(step)
    assert done.returncode == 1
    assert not kit.result(step).exists()


def test_a_script_cannot_export_what_was_not_synthesised(classic: Kit) -> None:
    classic.change("flow/hls.tcl", "    csynth_design\n", "    export_design -format ip_catalog\n")
    done = classic.run("hls")
    assert done.returncode == 1
    assert "'export_design' needs a synthesised solution" in done.stdout


def test_a_missing_header_stops_the_synthesis(kit: Kit) -> None:
    (kit.folder / "src/fetch.h").unlink()
    done = kit.run("hls")
    assert done.returncode == 1
    assert "'fetch.h' file not found (" in done.stdout


def test_a_port_without_an_interface_stops_the_synthesis(kit: Kit) -> None:
    kit.change("src/engine.cpp", "s_axilite port = status", "s_axilite port = return")
    done = kit.run("hls")
    assert done.returncode == 1
    assert "argument 'status'" in done.stdout


def test_co_simulation_needs_its_data_and_its_argument(classic: Kit) -> None:
    classic.until("cosim")
    classic.change("flow/cosim.tcl", '-argv "."', '-argv "data/cosim"')
    done = classic.run("cosim")
    assert done.returncode == 1
    assert "data/cosim/program.bin is missing" in done.stdout


def test_a_report_that_says_fail_is_a_failure_whatever_the_tool_returns(classic: Kit) -> None:
    classic.until("cosim")
    classic.change("flow/cosim.tcl", "    cosim_design -O", "    catch {cosim_design -O")
    classic.change("flow/cosim.tcl", '-argv "."', '-argv "."}')
    done = classic.run("cosim", fail="mismatch")
    assert done.returncode == 1
    assert "the RTL does not give what the C++ gives" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("syn.interface.m_axi_latency", "syn.interface.m_axi_latencies", "unknown key"),
        ("syn.compile.pipeline_style=frp", "syn.compile.pipeline_style=free", "illegal value 'free'"),
        ("[hls]\n", "[HSL]\n", "unknown section"),
        ("package.output.format", "syn.output.format", "unknown key 'syn.output.format'"),
        ("\n[hls]\n", "\n[hls]\npart=xck26-sfvc784-2LV-c\n", "unknown key 'part' in section 'hls'"),
        ("[hls]\n", "", "unknown key 'flow_target' in section ''"),
        ("syn.top=edgemoe_engine\n", "", "key 'syn.top' is missing"),
        ("clock=3.333ns\n", "clock=3.333ns\nclock=4ns\n", "stands twice"),
        ("syn.file=src/engine.cpp", "syn.file=src/motor.cpp", "src/motor.cpp' of hls.cfg is not there"),
        ("xczu7ev-ffvc1156-2-e", "xczu7ev-ffvc1156-9-e", "is not installed"),
    ],
)
def test_a_broken_configuration_is_refused(unified: Kit, old: str, new: str, said: str) -> None:
    unified.change("hls.cfg", old, new)
    done = unified.run("hls")
    assert done.returncode == 1
    assert said in done.stdout


def test_the_older_name_of_the_format_is_refused_by_newer_releases_only(tmp_path: Path) -> None:
    codes = {}
    for release in ("2024.1", "2025.1"):
        kit = write_kit(tmp_path / release, small_design("zcu104"), "unified", release)
        kit.change("hls.cfg", "package.output.format", "syn.output.format")
        codes[release] = kit.run("hls").returncode
    assert codes == {"2024.1": 0, "2025.1": 1}


@pytest.mark.parametrize("argument", ["--configs", "--mode=aie", "-argv"])
def test_arguments_that_the_tools_do_not_have_are_refused(unified: Kit, argument: str) -> None:
    command = [*unified.command("hls"), argument]
    assert subprocess.run(command, cwd=unified.folder, capture_output=True, check=False).returncode == 1


def test_vitis_hls_takes_no_arguments_for_the_script(classic: Kit) -> None:
    command = [*classic.command("hls"), "--cosim"]
    done = subprocess.run(command, cwd=classic.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[HLS 200-101] Unknown option '--cosim'" in done.stdout
