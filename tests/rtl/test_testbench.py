"""The testbench that ships with a design: its very files, the design's RTL, the buffers that a build leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.codegen import render_sources, write_files
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.hardware.registers import engine_registers
from edgemoe_gen.pipeline.support.artefacts import design_files, write_cosim
from edgemoe_gen.pipeline.support.frames import simulate_short
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.testbench import bench_facts
from edgemoe_gen.sim.engine import Engine
from tests.conftest import Once
from tests.sim.engines import MAPS, small_design

UNOPTIMISED = "-O0"  # all runs together take a tenth of the compiler's time
TESTS = {
    "registers_after_reset", "polling", "back_to_back", "far_memory", "busy_memory", "ends_of_pages",
    "unaligned_addresses", "reset_in_a_run", "program_of_another_design", "bad_answers",
}  # fmt: skip


def write_rtl(design: Design, folder: Path) -> None:
    """The RTL of a design, with its file list."""
    engine = make_engine(design)
    write_files({**engine.sources, f"{TOP}.f": "".join(f"{name}\n" for name in engine.sources)}, folder)


@pytest.fixture(scope="module")
def build(once: Once) -> Path:
    """What a build leaves of the small design with decoders: `accelerator/` and `rtl/`."""

    def write(folder: Path) -> None:
        design = small_design(**MAPS)
        short = compile_short(design)
        write_files(design_files(design), folder / "accelerator")
        (folder / "accelerator" / "data").mkdir()
        write_cosim(short, folder / "accelerator" / "data" / "cosim")
        simulate_short(Engine.compile(design), short, folder)
        write_rtl(design, folder / "rtl")

    return once("testbench", write)


def run(
    build: Path, folder: Path, patch: pytest.MonkeyPatch, *tests: str, fault: int | None = None
) -> dict[str, verilator.Outcome]:
    """Outcomes of the testbench's tests by name; of an engine with faults, where one is chosen, 0 being none."""
    rtl = build / "rtl"
    listed = (rtl / f"{TOP}.f").read_text(encoding="utf-8").split()
    sources = {name: (rtl / name).read_text(encoding="utf-8") for name in listed}
    executable = verilator.build(sources if fault is None else faulty(sources), TOP, UNOPTIMISED)
    patch.syspath_prepend(build / "accelerator" / "cocotb")
    outcomes = verilator.run(executable, TOP, "test_engine", folder, tests=tests, plusargs=[f"+fault={fault or 0}"])
    return {outcome.name: outcome for outcome in outcomes if not tests or outcome.name in tests}


@dataclass(frozen=True)
class Fault:
    """What may be wrong with the library's modules in an engine, and the test of the testbench that must find it.

    Attributes:
        file: with the text `old`, which becomes `new`; FAULT there is 1 while this fault is chosen.
        says: a part of what the test says.
    """

    name: str
    test: str
    says: str
    file: str
    old: str
    new: str


FAULTS = (
    Fault("a beat is lost", "busy_memory", "", "axi_read.sv",
          ".write(m_axi_rvalid),", ".write(m_axi_rvalid && !(FAULT && m_axi_rlast && in_flight > COUNT_BITS'(8))),"),
    Fault("a FIFO overflows", "polling", "", "fifo.sv",
          "has_room <= occupancy != ALMOST;", "has_room <= FAULT || occupancy != ALMOST;"),
    Fault("one burst at a time", "busy_memory", "one burst after the other", "axi_read.sv",
          "&& in_flight != COUNT_BITS'(OUTSTANDING)", "&& in_flight != COUNT_BITS'(FAULT ? 1 : OUTSTANDING)"),
    Fault("bursts cross 4 KiB", "ends_of_pages", "crosses 4 KiB", "axi_bursts.sv",
          "assign to_boundary = PAGE_BEATS - {1'b0, place};",
          "assign to_boundary = PAGE_BEATS - {1'b0, place} + (PLACE_BITS + 1)'(FAULT && place != '0);"),
    Fault("bursts do not turn the page", "ends_of_pages", "", "axi_bursts.sv",
          "if (WIDER'(to_boundary) == WIDER'(burst)) page", "if (WIDER'(to_boundary) == WIDER'(burst) && !FAULT) page"),
    Fault("addresses are rounded up", "unaligned_addresses", "are in no buffer", f"{TOP}.sv",
          "first_image = base_image[63:4] +", "first_image = base_image[63:4] + 60'(FAULT && base_image[3:0] != '0) +"),
    Fault("a reset forgets bursts that are on their way", "reset_in_a_run", "", "axi_read.sv",
          "      in_flight <= '0;", "      in_flight <= FAULT ? in_flight : '0;"),
    Fault("a reset leaves a burst half written", "reset_in_a_run", "", "axi_write.sv",
          "if (!ap_rst_n) left <= '0;", "if (!ap_rst_n) left <= FAULT ? left : '0;"),
    Fault("a bad answer to a read is taken for good", "bad_answers", "is lost", "axi_read.sv",
          "if (arrives && m_axi_rresp[1] && error == '0)", "if (!FAULT && arrives && m_axi_rresp[1] && error == '0)"),
    Fault("a bad answer to a write is taken for good", "bad_answers", "is lost", "axi_write.sv",
          "if (answered && m_axi_bresp[1]", "if (!FAULT && answered && m_axi_bresp[1]"),
)  # fmt: skip


def faulty(sources: dict[str, str]) -> dict[str, str]:
    """An engine with all faults in it, of which `+fault=` chooses one by its number, from 1 on."""
    for number, fault in enumerate(FAULTS, 1):
        assert sources[fault.file].count(fault.old) == 1, f"{fault.name}: not once in {fault.file}"
        new = fault.new.replace("FAULT", f"({TOP}.fault == {number})")
        sources[fault.file] = sources[fault.file].replace(fault.old, new)
    chosen = '  int fault;\n  initial if (!$value$plusargs("fault=%d", fault)) fault = 0;\nendmodule'
    sources[f"{TOP}.sv"] = chosen.join(sources[f"{TOP}.sv"].rsplit("endmodule", 1))
    warnings = ("UNUSEDSIGNAL", "WIDTHEXPAND", "WIDTHTRUNC", "BLKSEQ", "PROCASSINIT")
    off = "".join(f"/* verilator lint_off {name} */ " for name in warnings)
    return {name: f"{off}\n{text}" for name, text in sources.items()}


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_every_test_of_the_testbench_passes(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = run(build, tmp_path, monkeypatch)
    assert set(outcomes) == TESTS
    assert [f"{outcome.name}: {outcome.message}" for outcome in outcomes.values() if not outcome.passed] == []


@pytest.mark.nightly
@pytest.mark.usefixtures("simulator")
def test_every_fault_that_is_planted_in_the_library_is_found(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = run(build, tmp_path / "0", monkeypatch, *{fault.test for fault in FAULTS}, fault=0)
    assert [outcome.name for outcome in sound.values() if not outcome.passed] == []
    missed = []
    for number, fault in enumerate(FAULTS, 1):
        outcome = run(build, tmp_path / str(number), monkeypatch, fault.test, fault=number)[fault.test]
        if outcome.error != "AssertionError" or fault.says not in outcome.message:
            missed.append((fault.name, outcome))
    assert not missed


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_wrong_weights_are_found(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = build / "accelerator" / "data" / "cosim"
    copy = tmp_path / "data"
    copy.mkdir()
    for file in data.iterdir():
        content = bytearray(file.read_bytes())
        if file.name == "weights.bin":  # behind its header those of the first product
            content[64:128] = bytes(byte ^ 0x10 for byte in content[64:128])
        (copy / file.name).write_bytes(content)
    monkeypatch.setenv("EDGEMOE_DATA", str(copy))
    outcome = run(build, tmp_path / "run", monkeypatch, "polling")["polling"]
    assert outcome.error == "AssertionError" and "bytes are not those of C simulation" in outcome.message


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
def test_its_own_runner_builds_and_runs_it(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user starts it, by cocotb's own runner, with every signal to be seen."""
    monkeypatch.setenv("MAKEFLAGS", f"OPT_FAST={UNOPTIMISED}")
    command = [sys.executable, str(build / "accelerator" / "cocotb" / "run.py"), "--all-signals", "--test", "polling"]
    command += ["--work", str(tmp_path / "sim_build")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 of 1 tests failed" in done.stdout, done.stdout[-2000:] + done.stderr


def test_its_facts_are_those_of_the_design() -> None:
    design = small_design()
    facts = json.loads(json.dumps(bench_facts(design)))
    registers = engine_registers(design.knobs.weight_ports)
    assert {name: register["offset"] for name, register in facts["registers"].items()} == {
        register.name: register.offset for register in registers
    }
    text = render_sources(design)["src/operation.h"]
    for number, (name, _) in enumerate(facts["statuses"]):
        assert text.index("enum status_t") < text.index(f"STATUS_{name},"), number
    assert facts["design"] == f"{design.identity:016x}"


def test_its_runner_works_beside_what_a_build_replaces(tmp_path: Path) -> None:
    pytest.importorskip("cocotb_tools")
    folder = tmp_path / "accelerator" / "cocotb"
    folder.mkdir(parents=True)
    (folder / "run.py").write_text((resource_folder("templates") / "cocotb" / "run.py").read_text())
    (folder / "engine.json").write_text('{"top": "engine"}')
    text = "import run; print(run.arguments([]).work)"
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == tmp_path / "sim_build"
