"""The scripts of Vitis HLS, run under stand-ins that refuse what the real releases refuse."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import synthesis_context
from edgemoe_gen.flow.reports.cosim import read_cosim
from edgemoe_gen.flow.reports.csynth import read_csynth
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.sim.compiler import ap_types_folder, find_compiler
from tests.flow.hls_kit import BOARDS, STEPS, Kit, install, small_design, write_kit
from tests.flow.standin_vitis import tclsh

needs_tclsh = pytest.mark.skipif(tclsh() is None, reason="tclsh is not installed")
CLASSIC = [pytest.param("classic", release, marks=needs_tclsh) for release in ("2021.1", "2022.1", "2024.2")]
UNIFIED = [("unified", release) for release in ("2023.2", "2024.1", "2025.1")]
SCRIPTS = ("flow/hls.tcl", "flow/cosim.tcl", "flow/ip.tcl", "hls.cfg")
SPIRIT = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(("generation", "release"), [CLASSIC[1], UNIFIED[1]])
def test_all_steps_leave_their_results_where_the_flow_looks(
    tmp_path: Path, board: str, generation: str, release: str
) -> None:
    kit = write_kit(tmp_path, small_design(board), generation, release)
    for step in STEPS:
        done = kit.run(step)
        assert done.returncode == 0, done.stdout + done.stderr
        assert kit.result(step).is_file()
    report = read_csynth(kit.result("hls"))
    assert report.module is not None
    clock = load_board(board).clock_mhz
    assert (report.release, report.part, report.module.name) == (release, load_board(board).part, "edgemoe_engine")
    assert report.module.target_ns == pytest.approx(1000 / clock, abs=0.006)  # the report has two decimals
    assert report.module.uncertainty_ns == pytest.approx(270 / clock, abs=0.006)
    assert read_cosim(kit.result("cosim")).passed
    assert "<spirit:vendor>edgemoe</spirit:vendor>" in kit.result("ip").read_text(encoding="utf-8")


@pytest.mark.parametrize(("generation", "release"), [*CLASSIC, *UNIFIED])
def test_every_release_takes_the_scripts(tmp_path: Path, generation: str, release: str) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), generation, release)
    for step in STEPS:
        done = kit.run(step)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_tclsh
def test_vitis_run_takes_the_tcl_scripts_too(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "classic", "2024.2")
    vitis_run = install(tmp_path, "unified", "2024.2")["vitis-run"]
    for step in STEPS:
        command = [str(vitis_run), "--mode", "hls", "--tcl", f"flow/{step}.tcl"]
        done = subprocess.run(command, cwd=kit.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()
        assert kit.result(step).is_file()


@needs_tclsh
def test_only_old_releases_refuse_settings_and_they_go_on(tmp_path: Path) -> None:
    refused = {}
    for release in ("2021.1", "2022.1", "2024.2"):
        kit = write_kit(tmp_path / release, small_design("zcu104"), "classic", release)
        refused[release] = kit.run("hls").stdout.count("[HLS 200-101]")
    # deadlock_detection came with 2022.1, and so did task_level_fifo_depth.
    assert refused["2021.1"] > refused["2022.1"] == refused["2024.2"] == 0


@needs_tclsh
def test_a_setting_that_a_release_does_not_know_needs_its_guard(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "classic", "2021.1")
    kit.change("flow/hls.tcl", "optional config_", "config_")
    assert kit.run("hls").returncode == 1


@needs_tclsh
def test_both_generations_are_told_the_same(tmp_path: Path) -> None:
    classic = write_kit(tmp_path / "tcl", small_design("kv260"), "classic", "2024.2").run("hls").stdout
    unified = write_kit(tmp_path / "cfg", small_design("kv260"), "unified", "2025.1").run("hls").stdout
    told: set[tuple[str, str]] = set()
    for group, options in re.findall(r"Running: config_(\w+) (.*)", classic):
        for option, value in re.findall(r"-(\w+)[= ](\S+)", options):
            told.add((f"{group}.{option}", {"true": "1", "false": "0"}.get(value, value)))
    keys: set[tuple[str, str]] = set()
    for key, value in re.findall(r"Applying config ini 'syn\.(\w+(?:\.\w+)?)=([^']*)'", unified):
        if key == "storage":
            keys |= {(f"storage.{name}", depth) for name, depth in re.findall(r"(\w+)=(\w+)", value)}
        elif "." in key:
            keys.add((key, value))
    assert told == keys
    assert len(told) > 30


def test_what_differs_by_release_or_flow_is_stated(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "unified", "2025.1")
    config = (kit.folder / "hls.cfg").read_text(encoding="utf-8").splitlines()
    # 128-bit ports: every buffer begins on 16 bytes. The other values: see the reason above each.
    for line in (
        "flow_target=vivado",
        "syn.interface.m_axi_latency=32",
        "syn.interface.m_axi_alignment_byte_size=16",
        "syn.interface.m_axi_max_widen_bitwidth=0",
        "syn.interface.m_axi_addr64=1",
        "syn.compile.pipeline_loops=0",
        "syn.compile.pipeline_style=frp",
        "syn.dataflow.default_channel=fifo",
        "syn.dataflow.disable_fifo_sizing_opt=1",
        "syn.rtl.reset_level=low",
        "syn.array_partition.complete_threshold=4",
    ):
        assert line in config
        assert config[config.index(line) - 1].startswith("# ")
    assert config.index("part=xczu7ev-ffvc1156-2-e") < config.index("[hls]")


def test_no_loop_needs_to_be_pipelined_by_itself() -> None:
    # With pipeline_loops at 0 a loop without a pragma stays as it is: only loops around pipelined ones may be so,
    # which stand in their body or in a function that they call.
    sources = render_sources(small_design("zcu104"))
    texts = {name: text for name, text in sources.items() if name.startswith("src/") and name != "src/fifo.h"}
    bodies = re.findall(r"^(?:inline )?void (\w+)\((.*?)^\}", "\n".join(texts.values()), re.MULTILINE | re.DOTALL)
    loops = "|".join(["for ", *(name for name, body in bodies if "for (" in body), "operate"])
    for name, text in texts.items():
        for match in re.finditer(r"^( *)for \([^\n]*\{\n((?:\1 [^\n]*\n|#[^\n]*\n|\n)*)\1\}", text, re.MULTILINE):
            head = match[2].split("\n", 3)[:3]
            pragma = any("PIPELINE" in line or "UNROLL" in line for line in head)
            assert pragma or re.search(rf"\b({loops})\(", match[2]), f"{name}: {match[0][:120]}"


@pytest.mark.parametrize("clock_mhz", [100.0, 187.5, 230.0, 300.0, 333.3])
def test_the_clock_is_never_slower_than_asked(clock_mhz: float) -> None:
    names = synthesis_context(small_design("zcu104", clock_mhz=clock_mhz))["hls"]
    period, uncertainty = float(names["clock_period_ns"]), float(names["clock_uncertainty_ns"])
    assert 0 <= 1000 / clock_mhz - period < 0.001
    assert 0 <= uncertainty - 0.27 * period < 0.001


@pytest.mark.parametrize(("generation", "release"), [CLASSIC[1], UNIFIED[2]])
def test_results_depend_neither_on_the_folder_nor_on_the_run(tmp_path: Path, generation: str, release: str) -> None:
    trees = []
    for place in ("here", "some where else"):
        kit = write_kit(tmp_path / place, small_design("zcu104"), generation, release)
        for step in STEPS:
            kit.run(step)
        files = sorted(path for path in kit.work.rglob("*") if path.is_file())
        trees.append({str(path.relative_to(kit.work)): path.read_bytes() for path in files})
    assert trees[0] == trees[1]
    assert len(trees[0]) > 60


@needs_tclsh
def test_a_kit_can_move_between_steps(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "classic", "2022.1")
    kit.until("ip")
    moved = Kit(tmp_path / "another place", kit.generation, kit.programs)
    kit.folder.rename(moved.folder)
    assert moved.run("ip").returncode == 0


def test_scripts_hold_no_absolute_path_and_no_brace_in_a_comment() -> None:
    files = render_sources(small_design("ultra96v2"))
    for name in SCRIPTS:
        assert not re.search(r"""(^|[\s"'={(])[/~](?=\w)|[A-Za-z]:[\\/]""", files[name], re.MULTILINE), name
        # Tcl counts braces in the comments of a braced body.
        assert not [
            line for line in files[name].splitlines() if line.lstrip().startswith("#") and set(line) & set("{}")
        ]


def test_templates_compute_nothing() -> None:
    for path in sorted(resource_folder("templates").glob("flow/hls.*")) + [
        resource_folder("templates") / f"flow/{step}.tcl.j2" for step in ("cosim", "ip")
    ]:
        text = path.read_text(encoding="utf-8")
        for expression in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", text):
            outside = re.sub(r'"[^"]*"', "", expression[2:-2])
            assert not re.search(r"[-+*/%~]|\||\b(set|round|int)\b", outside), f"{path.name}: {expression}"
        assert not re.search(r"\[expr\b", text), path.name


@pytest.mark.parametrize("weight_ports", [1, 4])
def test_the_register_map_is_that_of_s_axilite(tmp_path: Path, weight_ports: int) -> None:
    kit = write_kit(tmp_path, small_design("zcu104", weight_ports), "unified", "2024.1")
    kit.until("ip")
    kit.run("ip")
    root = ElementTree.parse(kit.result("ip")).getroot()
    registers = {
        str(register.findtext(f"{SPIRIT}name")): int(str(register.findtext(f"{SPIRIT}addressOffset")), 0)
        for register in root.iter(f"{SPIRIT}register")
    }
    # UG1399: four control registers, then 12 bytes a 64-bit address, then 16 an output with its valid bit.
    pointers = ["program", *(f"weights_{i}" for i in range(weight_ports)), "constants", "image", "result"]
    expected = {"CTRL": 0, "GIER": 4, "IP_IER": 8, "IP_ISR": 12}
    for number, name in enumerate(pointers):
        expected |= {f"{name}_1": 16 + 12 * number, f"{name}_2": 20 + 12 * number}
    end = 16 + 12 * len(pointers)
    for number, name in enumerate(["status", "progress"]):
        expected |= {name: end + 16 * number, f"{name}_ctrl": end + 16 * number + 4}
    assert registers == expected
    buses = [bus.findtext(f"{SPIRIT}name") for bus in root.iter(f"{SPIRIT}busInterface")]
    weights = [f"m_axi_gmem_weights_{i}" for i in range(weight_ports)]
    assert buses[:4] == ["s_axi_control", "ap_clk", "ap_rst_n", "interrupt"]
    assert buses[4:] == ["m_axi_gmem_program", *weights, "m_axi_gmem_input", "m_axi_gmem_result"]


def test_ports_of_the_ip_come_from_the_sources(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "unified", "2024.1")
    kit.change("src/engine.cpp", "bundle = gmem_result", "bundle = gmem_other")
    kit.until("ip")
    kit.run("ip")
    text = kit.result("ip").read_text(encoding="utf-8")
    assert "m_axi_gmem_other" in text and "m_axi_gmem_result" not in text


def test_reports_cover_every_process(tmp_path: Path) -> None:
    kit = write_kit(tmp_path, small_design("zcu104"), "unified", "2024.1")
    kit.run("hls")
    names = {path.name.removesuffix("_csynth.xml") for path in kit.result("hls").parent.glob("*_csynth.xml")}
    assert {"read_program", "fetch_weights", "execute", "operate", "multiply", "round_sums", "write_result"} <= names
    report = read_csynth(kit.result("hls").parent / "csynth.xml")
    assert {module.name for module in report.modules} == names


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("hls4ml") is None, reason="the open ap_types headers are not installed")
@pytest.mark.parametrize("source", ["src/engine.cpp", "testbench/main.cpp"])
def test_sources_are_of_the_standard_that_the_scripts_name(tmp_path: Path, source: str) -> None:
    design = small_design("zcu104")
    flags = synthesis_context(design)["hls"]["cflags"].split()
    kit = write_kit(tmp_path, design, "unified", "2024.1")
    headers = ap_types_folder()
    quiet = ["-Wno-unknown-pragmas", "-Wno-unused-label", "-isystem", str(headers)]
    command = [find_compiler(), *flags, *quiet, "-fsyntax-only", source]
    done = subprocess.run(command, cwd=kit.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
