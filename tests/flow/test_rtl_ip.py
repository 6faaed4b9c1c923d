"""The script that packages the RTL of edgemoe-gen: the IP has the buses and registers of the one of Vitis HLS."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgemoe_gen.design import Design
from tests.flow.packaged_engine import rtl_stub, write_rtl_stub
from tests.flow.standin_vivado import TCLSH
from tests.flow.test_simulated_handoff import buses, connections, ranges, registers, root_of
from tests.flow.vivado_kits import SCRIPT, Done, built, make, rendered, run, write_kit

# It stands among scripts that import each other by bare names.
bus_facts = importlib.import_module("tests.flow.standins.vivado_ipxact").bus_facts

pytestmark = pytest.mark.skipif(TCLSH is None, reason="tclsh, which runs the stand-in of Vivado, is not installed")
PACKAGING = "flow/rtl_ip.tcl"


def kit_of(folder: Path, design: Design) -> Path:
    """A kit with RTL and without an IP."""
    kit = write_kit(folder / "a kit with spaces", design)
    (kit / "ip/component.xml").unlink()
    (kit / "ip").rmdir()
    write_rtl_stub(kit / "rtl", design)
    return kit


@pytest.mark.parametrize(("board", "release"), [("zcu104", "2023.2"), ("zcu102", "2023.2")])
def test_the_bitstream_has_the_hardware_description_of_the_one_by_vitis_hls(
    board: str, release: str, tmp_path: Path
) -> None:
    kit = kit_of(tmp_path, make(board))
    packaged = run(kit, release, script=PACKAGING)
    assert packaged.code == 0, packaged.text[-3000:]
    assert not (kit / "ip.partial").exists()
    done = run(kit, release)
    assert done.code == 0, done.text[-3000:]
    ours, theirs = (root_of(each.bitstream / "edgemoe.hwh") for each in (done, built(board, release)))
    assert registers(ours) == registers(theirs)
    assert ranges(ours) == ranges(theirs)
    assert connections(ours) == connections(theirs)
    assert buses(ours) == buses(theirs)


def package(folder: Path, change: Callable[[str], str] = str, release: str = "2023.2") -> Done:
    kit = kit_of(folder, make(weight_ports=1))
    script = kit / PACKAGING
    script.write_text(change(script.read_text(encoding="utf-8")), encoding="utf-8")
    return run(kit, release, script=PACKAGING)


@pytest.mark.parametrize("release", ["2021.1", "2025.2"])
def test_the_ip_holds_all_its_files_and_its_own_clock(release: str, tmp_path: Path) -> None:
    done = package(tmp_path, release=release)
    assert done.code == 0, done.text[-3000:]
    ip = done.folder / "ip"
    root = ElementTree.parse(ip / "component.xml").getroot()
    files = [element.text for element in root.iterfind(".//{*}file/{*}name")]
    assert files == [
        "hdl/edgemoe_engine.sv", "hdl/edgemoe_engine_ip.v", "constraints/edgemoe_engine_ooc.xdc"
    ]  # fmt: skip
    assert all((ip / str(file)).is_file() for file in files)
    assert "USED_IN_out_of_context" in (ip / "component.xml").read_text()
    assert "-period 3.333 [get_ports ap_clk]" in (ip / "constraints/edgemoe_engine_ooc.xdc").read_text()
    clocked, pins = bus_facts(root)
    assert {bus["clock"] for bus in clocked} == {"ap_clk"} and {bus["reset"] for bus in clocked} == {"ap_rst_n"}
    assert {pin["name"]: pin["kind"] for pin in pins} == {"ap_clk": "clk", "ap_rst_n": "rst", "interrupt": "interrupt"}


MISTAKES = [
    ("ipx::save_core", "ipx::store_core", 'invalid command name "ipx::store_core"'),
    ("interface_mode $mode", "interface_side $mode", "does not have a property 'interface_side'"),
    ("WSTRB m_axi_gmem_result_WSTRB", "WSTRB m_axi_gmem_result_STRB", "the port 'm_axi_gmem_result_STRB'"),
    ("RVALID m_axi_gmem_input_RVALID", "RVALID m_axi_gmem_input_RLAST", "RLAST"),
    ("interface:aximm master", "interface:aximm slave", "wrong direction"),
    ("DATA_WIDTH 128", "DATA_WIDTH 64", "has 128 bits, but 'WDATA' has 64"),
    ("BID m_axi_gmem_result_BID\n", "\n", "Port 'm_axi_gmem_result_BID' belongs to no bus"),
    ("ipx::add_register $name", "ipx::add_field $name", "There is no object|does not have a property"),
    ("add_register $block IP_IER 0x08", "add_register $block IP_IER 0x04", "'IP_IER' of .* lies over another"),
    ("ASSOCIATED_RESET ap_rst_n", "ASSOCIATED_RESET ap_rst", "is associated with ap_rst"),
    ("set_property top edgemoe_engine_ip", "set_property top edgemoe_engine", "must be Verilog or VHDL"),
    ("master_address_space_ref Data_m_axi_gmem_input", "master_address_space_ref Data_m_axi", "no address space"),
    ("ipx::remove_address_space [get_property NAME $item] $core", "", "belongs to no bus interface"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "other", "said"), MISTAKES)
def test_the_stand_in_finds_a_mistake_in_the_script(text: str, other: str, said: str, tmp_path: Path) -> None:
    def change(script: str) -> str:
        assert text in script
        return script.replace(text, other)

    done = package(tmp_path, change)
    assert done.code != 0 and re.search(said, done.text), done.text[-1500:]
    assert not (done.folder / "ip").exists()


def test_a_wrapper_that_is_not_of_the_rtl_is_refused(tmp_path: Path) -> None:
    kit = kit_of(tmp_path, make(weight_ports=1))
    text = rtl_stub(make(weight_ports=1))
    (kit / "rtl/edgemoe_engine.sv").write_text(text.replace("m_axi_gmem_input_RID", "m_axi_gmem_input_RIDS"))
    done = run(kit, script=PACKAGING)
    assert done.code != 0 and "differ in 'm_axi_gmem_input_RID'" in done.text
    (kit / "rtl/edgemoe_engine.f").unlink()
    done = run(kit, script=PACKAGING)
    assert done.code != 0 and "rtl/edgemoe_engine.f, the list of the RTL's files, is missing" in done.text


def test_the_wrapper_is_verilog_around_the_rtl_and_delays_its_reset(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    design = make(weight_ports=2)
    write_rtl_stub(tmp_path / "rtl", design)
    text = rendered(design)["flow/rtl_ip.v"]
    (tmp_path / "top.v").write_text(text)
    passes = (
        "read_verilog -sv rtl/edgemoe_engine.sv; read_verilog top.v; hierarchy -check -top edgemoe_engine_ip; check"
    )
    script = f"from pyosys import libyosys as ys; d = ys.Design(); [d.run_pass(p) for p in {passes.split('; ')!r}]"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "Warning" not in done.stdout
    assert ".ap_rst_n(reset_n[2])" in text and "reset_n <= {reset_n[1:0], ap_rst_n};" in text


def test_packaging_says_the_same_of_the_same_design_and_holds_no_absolute_path() -> None:
    scripts = rendered(make("kv260"))
    for name in (PACKAGING, "flow/rtl_ip.v", "flow/rtl_ip_ooc.xdc", SCRIPT):
        assert not re.search(r"(?<![\w.$}/])/(home|root|tmp|work|opt|usr|var)\b", scripts[name]), name
