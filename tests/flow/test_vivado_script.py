"""The Vivado script of every board: each master reaches DDR by its port, results are complete, errors are said."""

from __future__ import annotations

import re
import zipfile
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.wiring import port_of_bundle, wiring, wiring_context
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.boards import board_names
from tests.flow.packaged_engine import bundles
from tests.flow.standin_vivado import TCLSH
from tests.flow.vivado_kits import SCRIPT, Done, block_design_only, built, make, run, write_kit

needs_tclsh = pytest.mark.skipif(TCLSH is None, reason="tclsh, which runs the stand-in of Vivado, is not installed")
RESULTS = ["edgemoe.bit", "edgemoe.hwh", "edgemoe.xsa", "power.rpt", "timing_summary.rpt", "utilization.rpt"]
RESULTS = sorted([*RESULTS, "utilization_hierarchical.rpt"])
# Boards with more than 2 GiB of memory have a second window at 32 GiB (UG1085, "System addresses").
HIGH_MEMORY = {"zcu102", "kv260"}
# The releases that differ: PS 3.3 and old reports; a failed run only warns; it is an error; no xlconcat.
RELEASES = ["2021.1", "2023.2", "2024.2", "2025.2"]


def spaced(folder: Path) -> Path:
    """A folder whose path would fall apart at its spaces, were it not quoted."""
    return folder / "a kit with spaces"


def block_design(folder: Path, design: Design, release: str = "2023.2") -> Done:
    kit = write_kit(spaced(folder), design)
    block_design_only(kit)
    done = run(kit, release)
    assert done.code == 0, done.text[-3000:]
    return done


def cell(model: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in model["cells"] if item["name"] == name)
    return found


def drivers(model: dict[str, Any]) -> dict[str, str]:
    return {sink: net["driver"] for net in model["nets"] for sink in net["sinks"]}


@pytest.mark.parametrize("weight_ports", range(1, 7))
@pytest.mark.parametrize("board", board_names())
@needs_tclsh
def test_each_master_reaches_ddr_and_nothing_else_by_its_port(board: str, weight_ports: int, tmp_path: Path) -> None:
    design = make(board, weight_ports)
    model = block_design(tmp_path, design).model()
    windows = {"DDR_LOW", "DDR_HIGH"} if board in HIGH_MEMORY else {"DDR_LOW"}
    reached: dict[str, set[tuple[str, str]]] = {}
    for item in model["segments"]:
        if item["kind"] == "MEMORY":
            window = item["segment"].split("/")[-1].partition("_")[2]
            reached.setdefault(item["master"].split("/")[-1], set()).add((item["slave"], window))
    assert reached == {
        f"m_axi_{bundle}": {(f"/ps/S_AXI_{port}_FPD", window) for window in windows}
        for bundle, port in port_of_bundle(design).items()
    }
    assert sorted(reached) == sorted(f"m_axi_{bundle}" for bundle in bundles(design))


@pytest.mark.parametrize("weight_ports", range(1, 7))
def test_weights_take_the_first_ports_and_the_rest_share_the_last_where_none_remains(weight_ports: int) -> None:
    design = make("zcu104", weight_ports)
    ports = design.board.memory_ports
    taken = port_of_bundle(design)
    weights = [taken[f"gmem_weights_{i}"] for i in range(weight_ports)]
    assert weights == list(ports[:weight_ports])
    others = [taken[f"gmem_{name}"] for name in ("program", "input", "result")]
    free = list(ports[weight_ports:])
    assert others == (free + [ports[-1]] * 3)[:3]


def test_a_port_has_as_many_interconnect_inputs_as_masters() -> None:
    for weight_ports in range(1, 7):
        for port in wiring(make("kv260", weight_ports)).memory_ports:
            assert [master.input for master in port.masters] == [f"S{i:02d}_AXI" for i in range(len(port.masters))]


@needs_tclsh
@pytest.mark.parametrize("port_bits", [64, 128])
def test_ports_of_the_processing_system_are_on_if_used_and_as_wide_as_their_masters(
    port_bits: int, tmp_path: Path
) -> None:
    design = make("zcu104", 2, port_bits=port_bits)
    config = cell(block_design(tmp_path, design).model(), "ps")["config"]
    numbers = {"HPC0": 0, "HPC1": 1, "HP0": 2, "HP1": 3, "HP2": 4, "HP3": 5}
    used = {numbers[port] for port in port_of_bundle(design).values()}
    assert {n for n in range(6) if config[f"PSU__USE__S_AXI_GP{n}"] == "1"} == used
    assert {config[f"PSU__SAXIGP{n}__DATA_WIDTH"] for n in used} == {str(port_bits)}
    # The preset of the board turns on a second master, whose clock nothing drives.
    assert config["PSU__USE__M_AXI_GP1"] == "0"


@needs_tclsh
@pytest.mark.parametrize("release", RELEASES)
def test_identity_registers_and_interrupt_are_where_the_host_looks(release: str, tmp_path: Path) -> None:
    design = make()
    model = block_design(tmp_path, design, release).model()
    driver = drivers(model)
    low, high = driver["/design_id/gpio_io_i"], driver["/design_id/gpio2_io_i"]
    values = [int(cell(model, path.split("/")[1])["config"]["CONST_VAL"], 16) for path in (low, high)]
    assert values[0] | values[1] << 32 == design.identity
    bases = {s["slave"].split("/")[1]: s["base"] for s in model["segments"] if s["kind"] == "REGISTER"}
    assert bases == {"edgemoe_engine": "0xA0000000", "interrupts": "0xA0010000", "design_id": "0xA0020000"}

    def source(pin: str) -> str:
        path = driver[pin]
        return source(path.replace("dout", "In0")) if path.endswith("/dout") else path

    assert source("/interrupts/intr") == "/edgemoe_engine/interrupt"
    assert source("/ps/pl_ps_irq0") == "/interrupts/irq"


@needs_tclsh
def test_one_clock_drives_every_clocked_pin(tmp_path: Path) -> None:
    model = block_design(tmp_path, make("ultra96v2", 6)).model()
    driver = drivers(model)
    clocked = [
        f"/{item['name']}/{pin['name']}"
        for item in model["cells"]
        for pin in item["pins"]
        if pin["kind"] == "clk" and pin["dir"] == "I"
    ]
    assert len(clocked) > 10
    assert {driver[pin] for pin in clocked} == {"/ps/pl_clk0"}


@needs_tclsh
@pytest.mark.parametrize(("board", "release"), list(zip(board_names(), cycle(RELEASES), strict=False)))
def test_a_build_leaves_all_results_and_no_partial_folder(board: str, release: str) -> None:
    done = built(board, release)
    assert sorted(path.name for path in done.bitstream.iterdir()) == RESULTS
    assert all(path.stat().st_size for path in done.bitstream.iterdir())
    assert not (done.folder / "bitstream.partial").exists()
    with zipfile.ZipFile(done.bitstream / "edgemoe.xsa") as archive:
        assert archive.read("edgemoe.bit") == (done.bitstream / "edgemoe.bit").read_bytes()
        assert archive.read("edgemoe.hwh") == (done.bitstream / "edgemoe.hwh").read_bytes()


@needs_tclsh
def test_two_folders_give_the_same_bitstream_and_another_design_another(tmp_path: Path) -> None:
    first = built("zcu104", "2023.2")
    second = run(write_kit(tmp_path / "two", make()), EDGEMOE_JOBS="1")
    other = run(write_kit(tmp_path / "three", make(weight_ports=3)))
    for name in ("edgemoe.bit", "edgemoe.hwh"):
        assert (first.bitstream / name).read_bytes() == (second.bitstream / name).read_bytes()
        assert (first.bitstream / name).read_bytes() != (other.bitstream / name).read_bytes()


@needs_tclsh
def test_another_clock_changes_only_the_options_and_reaches_the_processing_system(tmp_path: Path) -> None:
    slow, fast = write_kit(tmp_path / "slow", make(), clock_mhz=250.0), write_kit(tmp_path / "fast", make())
    assert (slow / SCRIPT).read_bytes() == (fast / SCRIPT).read_bytes()
    block_design_only(slow)
    config = cell(run(slow).model(), "ps")["config"]
    assert config["PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ"] == "250.0"
    # 33.333 MHz * 90 / 2 = 1,499.985 MHz, divided by 6.
    assert float(config["PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"]) == pytest.approx(249.9975, abs=1e-4)


@needs_tclsh
def test_a_failed_rerun_leaves_no_results_of_the_run_before(tmp_path: Path) -> None:
    kit = write_kit(tmp_path / "kit", make())
    assert run(kit).bitstream.is_dir()
    assert run(kit, fail="licence").code != 0
    assert not (kit / "bitstream").exists()


@needs_tclsh
@pytest.mark.parametrize("jobs", ["0", "many", "-1"])
def test_a_wrong_number_of_jobs_is_refused_with_a_sentence(jobs: str, tmp_path: Path) -> None:
    done = run(write_kit(tmp_path / "kit", make()), EDGEMOE_JOBS=jobs)
    assert done.code != 0
    assert f"EDGEMOE_JOBS is '{jobs}', but must be a whole number" in done.text


@needs_tclsh
def test_a_kit_without_packaged_engine_is_refused_with_a_sentence(tmp_path: Path) -> None:
    kit = write_kit(tmp_path / "kit", make())
    (kit / "ip/component.xml").unlink()
    done = run(kit)
    assert done.code != 0
    assert "has no edgemoe:hls:edgemoe_engine:1.0" in done.text


@pytest.mark.parametrize("board", board_names())
def test_scripts_hold_no_absolute_path(board: str) -> None:
    for name, text in render_sources(make(board)).items():
        if name in (SCRIPT, "flow/options.tcl"):
            assert not re.search(r"(?<![\w.$}/])/(home|root|tmp|work|opt|usr|var)\b", text), name


def test_templates_hold_no_arithmetic() -> None:
    for name in ("bitstream", "options"):
        text = (resource_folder("templates") / f"flow/{name}.tcl.j2").read_text(encoding="utf-8")
        assert not re.search(r"\b(expr|incr)\b", text)
        for tag in re.findall(r"{[{%](.*?)[%}]}", text):
            assert not re.search(r"[-+*/]|\d\s*[<>]", tag), tag


def test_the_same_design_gives_the_same_wiring() -> None:
    assert wiring_context(make("kv260", 5)) == wiring_context(make("kv260", 5))
