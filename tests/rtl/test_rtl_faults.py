"""Faults planted in the compiler of processes, each found by the test of a process against its source."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.rtl.compile import compile_process
from tests.rtl.compiler_faults import FAULTS, Fault
from tests.rtl.process_bench import FLOWS, Bench
from tests.rtl.process_cases import CASES
from tests.rtl.process_kernels import SMALL, kernels, process

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

OFTEN = {"nothing waits for room"}


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name, marks=pytest.mark.slow if fault.name in OFTEN else pytest.mark.nightly)
        for fault in FAULTS
    ],
)
def test_a_fault_of_the_compiler_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sound = process(SMALL, fault.process)
    with monkeypatch.context() as patch:
        fault.plant(patch)
        faulty = compile_process(kernels(SMALL), fault.process)
    assert faulty.text != sound.text, "the fault changes nothing here"
    case = CASES[fault.process]
    bench = Bench(kernels(SMALL), case, faulty, tmp_path)
    vectors = bench.vectors(case.tests)
    assert any(bench.run(vectors, case.tests, into, out).bad for into, out in FLOWS)
