"""The modules in simulation: cocotb's tests (`cocotb_*.py`), run on one executable with all instances of `bench.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.library import library
from tests.rtl.bench import DOTS, FAULTS, ROM_WORDS, TOP, build_bench, top_of

pytestmark = pytest.mark.usefixtures("simulator")
TESTS = {"dot": 1, "fifo": 3, "memory": 2, "axi_read": 20, "axi_write": 19, "axilite": 5}


def run(module: str, folder: Path, faulty: bool = False, seed: int = 1) -> tuple[verilator.Outcome, ...]:
    """Outcomes of a module's tests."""
    (folder / "rom.hex").write_text("".join(f"{word:03x}\n" for word in ROM_WORDS), encoding="ascii")
    return verilator.run(build_bench(faulty), TOP, f"tests.rtl.cocotb_{module}", folder, seed=seed)


@pytest.mark.parametrize("module", TESTS)
def test_module(module: str, tmp_path: Path) -> None:
    outcomes = run(module, tmp_path)
    assert [f"{outcome.name}: {outcome.message}" for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == TESTS[module]


def test_the_named_dsps_do_what_their_text_does(tmp_path: Path) -> None:
    """What synthesis gets, with a model of the DSP48E2 below it."""
    dot = library()["dot"].text
    texts = {
        "dsp48e2.sv": (Path(__file__).parent / "dsp48e2.sv").read_text(encoding="utf-8"),
        "dot.sv": "/* verilator lint_off PINCONNECTEMPTY */ /* verilator lint_off UNUSEDSIGNAL */\n"
        + dot.replace("`ifdef SYNTHESIS", "`ifndef OTHERWISE"),
        f"{TOP}.sv": top_of(DOTS),
    }
    assert texts["dot.sv"] != dot
    executable = verilator.build(texts, TOP)
    outcomes = verilator.run(executable, TOP, "tests.rtl.cocotb_dot", tmp_path)
    assert [(outcome.name, outcome.message) for outcome in outcomes] == [("sums", "")]


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("module", TESTS)
def test_module_at_other_seeds(module: str, seed: int, tmp_path: Path) -> None:
    outcomes = run(module, tmp_path, seed=seed)
    assert [f"{outcome.name}: {outcome.message}" for outcome in outcomes if not outcome.passed] == []


@pytest.mark.slow
def test_every_planted_fault_is_caught(tmp_path: Path) -> None:
    outcomes = {outcome.name: outcome for outcome in run("faults", tmp_path, faulty=True)}
    sound = [outcome for name, outcome in outcomes.items() if name.startswith("sound")]
    assert sound and all(outcome.passed for outcome in sound)
    for number, fault in enumerate(FAULTS, 1):
        assert outcomes[f"faulty/number={number}"].error == "AssertionError", f"{fault.name} is not caught"
