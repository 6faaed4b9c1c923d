"""The stand-in of Vivado is worth its name: it refuses broken scripts, fails as asked, and writes what PYNQ reads."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.flow.packaged_engine import registers, write_packaged_engine
from tests.flow.standin_vivado import TCLSH, install_vivado
from tests.flow.vivado_kits import SCRIPT, Done, block_design_only, built, make, run, write_kit

pytestmark = pytest.mark.skipif(TCLSH is None, reason="tclsh, which runs the stand-in of Vivado, is not installed")

SHARED = Path(__file__).parents[2] / "../shared/data"
# What the log of a failure tells, by kind; the last is where Vivado writes it.
FAILURES = {
    "licence": ("[Common 17-345] A valid license was not found", "synth_1"),
    "disk": ("No space left on device", "impl_1"),
    "crash": ("Abnormal program termination (11)", "impl_1"),
}
# A piece of the script, what it becomes, and what Vivado then says.
MUTATIONS = {
    "clock left out": ("    ps/saxihp0_fpd_aclk\n", "", "[BD 41-758]"),
    "reset left out": ("    edgemoe_engine/ap_rst_n\n", "", "[BD 41-759]"),
    "interrupt left out": ("connect_interrupt edgemoe_engine/interrupt", "# ", "Interrupt input"),
    "interrupt to the wrong line": (
        "interrupt_lines ps/pl_ps_irq0",
        "interrupt_lines ps/pl_ps_irq1",
        "cannot be empty",
    ),
    "master left out": ("connect_bus edgemoe_engine/m_axi_gmem_result", "# ", "there is no path"),
    "master to another port": ("/m_axi_gmem_program memory_hp2", "/m_axi_gmem_program memory_hp0", "already connected"),
    "misspelt bus": ("m_axi_gmem_input memory", "m_axi_gmem_inputs memory", "No interface pins matched"),
    "unknown property": ("CONFIG.PSU__USE__IRQ0 1", "CONFIG.PSU__USE__IRQ 1", "does not have a property"),
    "property without CONFIG": ("CONFIG.C_IS_DUAL 1", "C_IS_DUAL 1", "does not have a property"),
    "value out of range": ("PSU__SAXIGP2__DATA_WIDTH 128", "PSU__SAXIGP2__DATA_WIDTH 256", "is not valid"),
    "widths differ": ("PSU__SAXIGP2__DATA_WIDTH 128", "PSU__SAXIGP2__DATA_WIDTH 64", "has 128 bits"),
    "port left off": ("PSU__USE__S_AXI_GP2 1", "PSU__USE__S_AXI_GP2 0", "No interface pins matched"),
    "preset's port left on": ("PSU__USE__M_AXI_GP1 0", "PSU__USE__M_AXI_GP1 1", "[BD 41-758]"),
    "unknown option": ("update_ip_catalog -rebuild", "update_ip_catalog -refresh", "Unknown option '-refresh'"),
    "unknown command": ("save_bd_design", "store_bd_design", "invalid command name"),
    "unknown IP": ("xilinx.com:ip:axi_intc:*", "xilinx.com:ip:axi_irq:*", "has no xilinx.com:ip:axi_irq:*"),
    "unknown part": ("-part xczu7ev-ffvc1156-2-e", "-part xczu7ev-ffvc1156-2", "part could not be found"),
    "no preset": ('apply_board_preset "1"', 'apply_board_preset "0"', "there is no DDR below"),
    "segments not excluded": ("exclude_bd_addr_seg -target", "# -target", "[BD 41-1356]"),
    "all segments mapped": ("*_DDR_HIGH $name", "* $name", "which is no DDR"),
    "addresses overlap": ("-offset 0xA0010000", "-offset 0xA0000000", "overlaps"),
    "register block not mapped": (
        "assign_bd_address -offset 0xA0020000 -range 0x00010000 \\\n",
        "list \\\n",
        "[BD 41-1356]",
    ),
    "constant too narrow": ("add_constant identity_low 32", "add_constant identity_low 16", "[BD 41-235]"),
    "channel not driven": (
        "[get_bd_pins identity_high/dout] [get_bd_pins design_id/gpio2_io_i]",
        "",
        "cannot be empty",
    ),
    "interconnect too small": ("CONFIG.NUM_SI 2", "CONFIG.NUM_SI 1", "No interface pins matched"),
    "interconnect too large": ("CONFIG.NUM_SI 2", "CONFIG.NUM_SI 3", "is not connected"),
}
# The same for the runs, which need the whole script.
LATE_MUTATIONS = {
    "no validation": ("\nvalidate_bd_design\n", "\n", "was changed after its last validation"),
    "no top": ("set_property top edgemoe_wrapper", "list", "has no sources to run"),
    "unknown strategy": ("Performance_ExplorePostRoutePhysOpt", "Performance_Best", "does not exist for run"),
    "unknown step": ("-to_step write_bitstream", "-to_step bitstream", "Invalid option value"),
    "bitstream not asked for": ("-to_step write_bitstream", "-to_step route_design", "ended with status"),
    "status compared as a whole": (
        '[string match "$step Complete*" $status]',
        '[string equal "" $status]',
        "ended with",
    ),
    "report before opening": ("open_run impl_1", "list", "No open design"),
    "unknown report option": ("-max_paths 10", "-paths 10", "Unknown option '-paths'"),
}


def broken(folder: Path, old: str, new: str, whole: bool) -> Done:
    kit = write_kit(folder / "kit", make())
    if not whole:
        block_design_only(kit)
    path = kit / SCRIPT
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the script has no '{old}' to break"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return run(kit)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_block_design_is_refused(name: str, tmp_path: Path) -> None:
    old, new, said = MUTATIONS[name]
    done = broken(tmp_path, old, new, whole=False)
    assert done.code == 1
    assert said in done.text


@pytest.mark.parametrize("name", LATE_MUTATIONS)
def test_a_broken_run_is_refused_and_leaves_no_results(name: str, tmp_path: Path) -> None:
    old, new, said = LATE_MUTATIONS[name]
    done = broken(tmp_path, old, new, whole=True)
    assert done.code == 1
    assert said in done.text
    assert not done.bitstream.exists()


def test_an_engine_without_a_master_that_the_script_wires_is_refused(tmp_path: Path) -> None:
    design = make()
    kit = write_kit(tmp_path / "kit", design)
    write_packaged_engine(kit / "ip", design, leave_out="m_axi_gmem_weights_3")
    done = run(kit)
    assert done.code == 1
    assert "No interface pins matched 'get_bd_intf_pins edgemoe_engine/m_axi_gmem_weights_3'" in done.text


@pytest.mark.parametrize("release", ["2021.1", "2024.2"])
@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_told_by_log_and_code_and_leaves_no_results(kind: str, release: str, tmp_path: Path) -> None:
    said, run_name = FAILURES[kind]
    done = run(write_kit(tmp_path / "kit", make()), release, fail=kind)
    assert done.code == (-signal.SIGSEGV if kind == "crash" else 1)
    assert said in done.log(run_name)
    assert said in (done.folder / "vivado.log").read_text(encoding="utf-8")
    assert not done.bitstream.exists()
    if kind != "crash":
        assert f"the reason is in vivado_project/edgemoe.runs/{run_name}/runme.log" in done.text


def test_a_run_that_completes_without_bitstream_is_an_error(tmp_path: Path) -> None:
    done = run(write_kit(tmp_path / "kit", make()), fail="nobit")
    assert done.code == 1
    assert "completed but left no bitstream" in done.text
    assert not done.bitstream.exists()


def test_missing_board_files_are_told_in_one_sentence(tmp_path: Path) -> None:
    done = run(write_kit(tmp_path / "kit", make("ultra96v2")), fail="board")
    assert done.code == 1
    assert "Vivado has no board files for avnet.com:ultra96v2:part0:1.2: install them" in done.text
    assert "[Board 49-71]" in done.text


def test_a_missed_clock_is_reported_and_ends_with_results(tmp_path: Path) -> None:
    done = run(write_kit(tmp_path / "kit", make()), fail="timing:260")
    assert done.code == 0
    # At 299.997 MHz a path of 1000/260 ns misses by 0.513 ns.
    report = (done.bitstream / "timing_summary.rpt").read_text(encoding="utf-8")
    assert "Slack (VIOLATED) :            -0.513ns" in report
    assert "[Timing 38-282]" in done.text


def test_a_clock_below_the_limit_is_met(tmp_path: Path) -> None:
    done = run(write_kit(tmp_path / "kit", make(), clock_mhz=250.0), fail="timing:260")
    assert "All user specified timing constraints are met." in (done.bitstream / "timing_summary.rpt").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-mode", "batch", "-sauce", SCRIPT], "Unknown option '-sauce'"),
        (["-mode", "tcl", "-source", SCRIPT], "-mode batch only"),
        (["-mode", "batch"], "needs -source"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], said: str, tmp_path: Path) -> None:
    vivado = install_vivado(tmp_path / "bin")
    done = subprocess.run([vivado, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr


def shapes(path: Path) -> set[tuple[str, frozenset[str]]]:
    """Elements of a hardware description with the attributes that they have, without those that differ by pin."""
    optional = {"LEFT", "RIGHT", "POLARITY", "SIGNAME", "CLKFREQUENCY", "SENSITIVITY"}
    module = {"BD", "BDTYPE", "DRIVERMODE", "SIM_BD", "MODCLASS", "CONFIGURABLE", "IS_PL"}
    found = set()
    for element in ElementTree.parse(path).getroot().iter():
        drop = module if element.tag == "MODULE" else optional
        found.add((element.tag, frozenset(element.keys()) - drop))
    return found


@pytest.mark.parametrize("real", ["edge_moe_zcu102.hwh", "skynet_zcu104.hwh"])
def test_its_hardware_description_has_the_shape_of_real_ones(real: str) -> None:
    if not (SHARED / real).is_file():
        pytest.skip(f"the real hardware description {real} is not here")
    done = built("zcu104", "2023.2")
    assert not shapes(done.bitstream / "edgemoe.hwh") - shapes(SHARED / real)


def test_its_hardware_description_has_the_engines_registers_and_addresses() -> None:
    design = make()
    done = built("zcu104", "2023.2")
    root = ElementTree.parse(done.bitstream / "edgemoe.hwh").getroot()
    engine = root.find("MODULES/MODULE[@INSTANCE='edgemoe_engine']")
    assert engine is not None
    found = [
        (item.get("NAME"), int(str(item.find("PROPERTY[@NAME='ADDRESS_OFFSET']").get("VALUE"))))  # type: ignore[union-attr]
        for item in engine.iter("REGISTER")
    ]
    assert found == [(name, offset) for name, offset, _ in registers(design)]
    assert engine.find("PARAMETERS/PARAMETER[@NAME='C_S_AXI_CONTROL_BASEADDR']").get("VALUE") == "0xA0000000"  # type: ignore[union-attr]


@pytest.mark.pynq
@pytest.mark.parametrize("release", ["2023.2", "2025.2"])
def test_pynq_reads_its_hardware_description(release: str) -> None:
    metadata = pytest.importorskip("pynqmetadata")
    done = built("zcu104", release)
    views = pytest.importorskip("pynqmetadata.views.runtime")
    parsed = views.RuntimeMetadataParser(metadata.frontends.Metadata(input=str(done.bitstream / "edgemoe.hwh")))
    assert parsed.ip_dict["edgemoe_engine"]["phys_addr"] == 0xA000_0000
    assert parsed.interrupt_pins["edgemoe_engine/interrupt"]["controller"] == "interrupts"
    assert parsed.clock_dict[0]["divisor0"] == 5
