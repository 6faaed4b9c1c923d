"""The library's sources: what Python reads of them, and what Verilator, slang and Yosys say of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.hardware.registers import engine_registers
from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.library import ARGUMENT, NONE, VALID, VALUE, argument_kinds, axilite_parameters, library, sources
from tests.rtl.bench import (
    CONTROL,
    DOTS,
    FIFOS,
    INSTANCES,
    MEMORIES,
    READS,
    ROM_CONTENT,
    ROMS,
    TOP,
    WRITES,
    Instance,
    top_of,
)

WIDTHS = [
    Instance(f"{module}_{bits}", module, "axi", {"DATA_BITS": bits, "MAX_BURST": burst})
    for module in ("axi_read", "axi_write")
    for bits, burst in ((32, 256), (64, 2), (256, 16), (1024, 256))
]
VARIANTS = [*FIFOS, *MEMORIES, ROMS[0], *READS, *WRITES, *WIDTHS, *CONTROL, *DOTS]


def test_a_module_needs_those_that_it_instantiates() -> None:
    assert sorted(sources(["axi_read"])) == ["axi_bursts.sv", "axi_read.sv", "fifo.sv", "memory.sv"]
    assert sorted(sources(["rom"])) == ["rom.sv"]


def test_ports_and_parameters_are_those_of_the_source() -> None:
    fifo = library()["fifo"]
    assert fifo.parameters == {"WIDTH": "32", "DEPTH": "2", "STYLE": '"srl"', "FLOW": "DEPTH == 1"}
    assert {port.name: (port.is_input, port.width) for port in fifo.ports} == {
        "ap_clk": (True, "1"), "ap_rst_n": (True, "1"), "din": (True, "WIDTH"), "write": (True, "1"),
        "full_n": (False, "1"), "dout": (False, "WIDTH"), "empty_n": (False, "1"), "read": (True, "1"),
        "occupancy": (False, "$clog2(DEPTH+1)"),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(library()))
def test_no_parameter_or_port_is_overlooked(name: str) -> None:
    module = library()[name]
    head = module.text.partition("#(")[2].partition("\n);")[0]
    lines = [line.partition("//")[0].strip().rstrip(",") for line in head.splitlines()]
    declared = [(line.split()[0], line.partition(" = ")[0].split()[-1]) for line in lines if line and line != ") ("]
    declared = [(kind, name) for kind, name in declared if kind in ("parameter", "input", "output")]
    assert [name for kind, name in declared if kind == "parameter"] == [*module.parameters]
    assert [name for kind, name in declared if kind != "parameter"] == [port.name for port in module.ports]


def test_an_instance_must_name_every_port() -> None:
    module = library()["rom"]
    nets = {port.name: port.name for port in module.ports}
    assert ".read_data(read_data)" in module.instance("table", {"WIDTH": 8}, nets)
    with pytest.raises(ConfigError, match="read_data"):
        module.instance("table", {}, {name: net for name, net in nets.items() if name != "read_data"})
    with pytest.raises(ConfigError, match="DEEP"):
        module.instance("table", {"DEEP": 8}, nets)


def test_argument_table_is_that_of_the_engine() -> None:
    kinds = argument_kinds(engine_registers(1))
    pointer, scalar = (ARGUMENT, ARGUMENT, NONE), (VALUE, VALID, NONE, NONE)
    assert kinds == (*pointer * 5, *scalar, *scalar)[:-2]
    parameters = axilite_parameters(engine_registers(1))
    bits, _, digits = str(parameters["KINDS"]).partition("'h")
    assert (parameters["ADDRESS_BITS"], parameters["WORDS"], bits) == (7, 21, "42")
    assert tuple(int(digits, 16) >> 2 * word & 3 for word in range(21)) == kinds


@pytest.mark.usefixtures("simulator")
def test_verilator_warns_of_nothing(tmp_path: Path) -> None:
    for number, instance in enumerate(VARIANTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = verilator.lint({**sources([instance.module]), f"{TOP}.sv": top_of([instance])}, TOP, folder)
        assert not said, f"{instance.name}: {said}"


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        ("memory", {"STYLE": "uram"}), ("memory", {"LANES": 5}), ("rom", {"STYLE": "ultra"}),
        ("fifo", {"STYLE": "brom"}), ("axi_read", {"DATA_BITS": 96}), ("axi_write", {"MAX_BURST": 512}),
        ("axi_read", {"BUFFER": 15}), ("axi_write", {"BUFFER": 15}), ("dot", {"B_BITS": 19}),
    ],
)  # fmt: skip
def test_impossible_parameters_are_refused(module: str, parameters: dict[str, object], tmp_path: Path) -> None:
    top = top_of([Instance("wrong", module, "wrong", parameters)])
    said = verilator.lint({**sources([module]), f"{TOP}.sv": top}, TOP, tmp_path)
    assert "USERERROR" in said, said


def test_slang_elaborates_every_variant(tmp_path: Path) -> None:
    driver = pytest.importorskip("pyslang.driver", reason="pyslang 12 is not installed: install the extra `dev`")
    texts = {**sources({i.module for i in INSTANCES.values()}), f"{TOP}.sv": top_of(INSTANCES.values())}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    slang = driver.Driver()
    slang.addStandardArgs()
    files = " ".join(str(tmp_path / name) for name in texts)
    assert slang.parseCommandLine(f"slang --top {TOP} {files}") and slang.processOptions() and slang.parseAllSources()
    compilation = slang.createCompilation()
    assert [str(found.code) for found in compilation.getAllDiagnostics() if found.isError()] == []
    widths = {port.name: port.type.bitWidth for port in compilation.getRoot().topInstances[0].body.portList}
    assert widths["r512_m_axi_rdata"] == 512 and widths["r512_m_axi_araddr"] == 40 and widths["srl_33_occupancy"] == 6


def yosys(folder: Path, instance: Instance, *passes: str) -> str:
    """What Yosys says of one instance. It ends its process at an error, so it has one of its own."""
    pytest.importorskip("pyosys", reason="pyosys is not installed: install the extra `dev`")
    folder.mkdir(exist_ok=True)
    texts = {**sources([instance.module]), f"{TOP}.sv": top_of([instance])}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    cells = "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v"  # the DSPs of sums of products
    script = [cells, f"read_verilog -sv -defer {' '.join(texts)}", f"hierarchy -check -top {TOP}", *passes]
    run = f"from pyosys import libyosys\nd = libyosys.Design()\nfor p in {script!r}:\n    d.run_pass(p)\n"
    done = subprocess.run([sys.executable, "-c", run], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{instance.name}: {(done.stdout + done.stderr)[-1500:]}"
    return done.stdout


@pytest.mark.slow
def test_yosys_finds_no_problem(tmp_path: Path) -> None:
    for module in ("memory", "rom", "fifo", "axi_read", "axi_write", "axilite", "dot"):
        instance = next(i for i in VARIANTS if i.module == module)
        yosys(tmp_path / module, instance, "proc", "memory_collect", "check -assert")


# What Vivado would make of them is not known here; that the source says what it means, is.
MAPPED = [
    ("memory", {"WIDTH": 72, "DEPTH": 1024, "STYLE": "block"}, {"RAMB36E2": 2}),
    ("memory", {"WIDTH": 72, "DEPTH": 1024, "STYLE": "block", "LANES": 8, "LATENCY": 2}, {"RAMB36E2": 2}),
    ("memory", {"WIDTH": 144, "DEPTH": 4096, "STYLE": "ultra", "LATENCY": 2}, {"URAM288": 2, "FDRE": 144}),
    ("memory", {"WIDTH": 72, "DEPTH": 4096, "STYLE": "ultra", "LANES": 8}, {"URAM288": 1}),
    ("memory", {"WIDTH": 14, "DEPTH": 32, "STYLE": "distributed"}, {"RAM32M16": 1}),
    ("memory", {"WIDTH": 8, "DEPTH": 16, "STYLE": "registers"}, {"FDRE": 136}),
    ("rom", {"WIDTH": 12, "DEPTH": 11, "STYLE": "block", "CONTENT": ROM_CONTENT}, {"RAMB18E2": 1}),
    ("rom", {"WIDTH": 12, "DEPTH": 11, "CONTENT": ROM_CONTENT}, {}),
    ("dot", {"PRODUCTS": 6, "ADDENDS": "6'h21"}, {"DSP48E2": 6}),
    ("fifo", {"WIDTH": 64, "DEPTH": 16}, {"SRL16E": 64}),
    ("fifo", {"WIDTH": 64, "DEPTH": 2, "STYLE": "registers"}, {"FDRE": 132}),
    ("fifo", {"WIDTH": 56, "DEPTH": 30, "STYLE": "distributed"}, {"RAM32M16": 4}),
    ("fifo", {"WIDTH": 64, "DEPTH": 1000, "STYLE": "block"}, {"RAMB36E2": 2}),
    ("fifo", {"WIDTH": 72, "DEPTH": 4000, "STYLE": "ultra"}, {"URAM288": 1}),
]
PRIMITIVES = ("RAMB18E2", "RAMB36E2", "URAM288", "RAM32M16", "RAM64M8", "SRL16E", "SRLC32E")


@pytest.mark.nightly
@pytest.mark.parametrize(("module", "parameters", "cells"), MAPPED)
def test_styles_become_the_primitives_that_they_ask_for(
    module: str, parameters: dict[str, object], cells: dict[str, int], tmp_path: Path
) -> None:
    said = yosys(
        tmp_path,
        Instance("x", module, "x", parameters),
        "synth_xilinx -family xcup -flatten -noiopad",
        "stat -top bench",
    )
    report = said.rpartition("=== bench ===")[2]
    found = {name: int(count) for count, name in re.findall(r"^ +(\d+) +(?:\S+ +)?(\w+)$", report, re.MULTILINE)}
    asked = {name: found.get(name, 0) for name in cells}
    assert asked == cells
    assert {name for name in PRIMITIVES if name in found} == {name for name in cells if name in PRIMITIVES}
