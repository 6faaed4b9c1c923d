"""Processes as modules, against their own sources: bit for bit, with gaps and back-pressure."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.rtl.compile import compile_process
from tests.rtl.process_bench import FLOWS, Bench
from tests.rtl.process_cases import CASES
from tests.rtl.process_kernels import ALONE, ODD, SIZES, SMALL, kernels, process

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

# A few seconds each to build; together they have FIFOs, memories, an AXI port, tables and both designs.
OFTEN = {(SMALL, "dispatch"), (SMALL, "fetch_weights"), (ODD, "weigh_choices"), (ODD, "gather_tokens")}
RUNS = [
    pytest.param(size, name, marks=pytest.mark.slow if (size, name) in OFTEN else pytest.mark.nightly)
    for size in SIZES
    for name in ALONE
]


@pytest.mark.parametrize("name", ALONE)
def test_a_process_becomes_the_same_module_each_time(name: str) -> None:
    made = process(SMALL, name)
    assert made.text == compile_process(kernels(SMALL), name).text
    assert f"module {name} (" in made.text


@pytest.mark.parametrize("name", ("dispatch", "fill_queues", "measure_tokens"))
def test_modules_name_the_lines_that_they_come_from(name: str) -> None:
    """At least every other value: some are the compiler's own."""
    text = process(SMALL, name).text
    values = [line for line in text.splitlines() if line.lstrip().startswith("wire ") and " = " in line]
    assert text.count("// src/") > len(values) / 2


def test_every_process_has_a_contract() -> None:
    assert sorted(CASES) == sorted(ALONE)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(("size", "name"), RUNS)
def test_a_module_does_what_its_source_does(size: str, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    bench = Bench(kernels(size), case, process(size, name), tmp_path)
    assert bench.lint == ""
    vectors = bench.vectors(case.tests)
    for into, out in FLOWS:
        outcome = bench.run(vectors, case.tests, into, out)
        assert outcome.bad == 0, outcome.log
        assert outcome.idle == (), "the vectors must reach every port"
        assert outcome.outputs > case.tests


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="there is no process 'divide'"):
        compile_process(kernels(SMALL), "divide")
