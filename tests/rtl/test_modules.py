"""The modules in simulation: cocotb's tests (`cocotb_*.py`), run on one executable with all instances of `bench.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.rtl import verilator
from tests.rtl.bench import FAULTS, ROM_WORDS, TOP, build_bench

pytestmark = pytest.mark.usefixtures("simulator")
TESTS = {"fifo": 3, "memory": 2, "axi_read": 17, "axi_write": 16, "axilite": 5}


def run(module: str, folder: Path, faulty: bool = False, seed: int = 1) -> tuple[verilator.Outcome, ...]:
    """Outcomes of a module's tests."""
    (folder / "rom.hex").write_text("".join(f"{word:03x}\n" for word in ROM_WORDS), encoding="ascii")
    return verilator.run(build_bench(faulty), TOP, f"tests.rtl.cocotb_{module}", folder, seed=seed)


@pytest.mark.parametrize("module", TESTS)
def test_module(module: str, tmp_path: Path) -> None:
    outcomes = run(module, tmp_path)
    assert [f"{outcome.name}: {outcome.message}" for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == TESTS[module]


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
