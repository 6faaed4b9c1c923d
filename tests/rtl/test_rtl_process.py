"""Processes as modules, against their own sources: bit for bit, with gaps and back-pressure."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_process
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.rtl.verilator import lint
from tests.rtl.process_bench import Bench
from tests.rtl.process_cases import CASES

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

ALONE = (  # processes that call no others
    "apply_moments", "choose_experts", "dispatch", "fetch_input", "fetch_weights", "fill_queues", "gather_tokens",
    "load_operands", "load_tokens", "measure_tokens", "multiply", "read_program", "round_sums", "score_choices",
    "store_results", "weigh_choices", "write_result",
)  # fmt: skip
TESTS = 60
FLOWS = ((60, 60), (100, 100), (15, 100), (100, 15))  # percents of cycles in which inputs come and outputs may go


@cache
def design() -> Design:
    return make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))


@cache
def kernels() -> Kernels:
    return compile_kernels(render_sources(design()), design().board.part, budget_ns(design().knobs.clock_mhz))


@cache
def process(name: str) -> Process:
    return compile_process(kernels(), name)


@pytest.mark.parametrize("name", ALONE)
def test_a_process_becomes_the_same_module_each_time(name: str) -> None:
    made = process(name)
    assert made.text == compile_process(kernels(), name).text
    assert f"module {name} (" in made.text


@pytest.mark.parametrize("name", ("dispatch", "fill_queues", "measure_tokens"))
def test_modules_name_the_lines_that_they_come_from(name: str) -> None:
    """At least every other value: some are the compiler's own."""
    values = [line for line in process(name).text.splitlines() if line.lstrip().startswith("wire ") and " = " in line]
    assert sum("// src/" in line for line in values) > len(values) / 2


@pytest.mark.usefixtures("simulator")
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_module_does_what_its_source_does(name: str, tmp_path: Path) -> None:
    bench = Bench(kernels(), CASES[name], process(name), tmp_path)
    assert bench.lint == ""
    vectors = bench.vectors(TESTS)
    for into, out in FLOWS:
        outcome = bench.run(vectors, TESTS, into, out)
        assert outcome.bad == 0, outcome.log
        assert outcome.outputs > TESTS


@pytest.mark.usefixtures("simulator")
@pytest.mark.slow
def test_a_wrong_module_is_found(tmp_path: Path) -> None:
    made = process("dispatch")
    line = next(line for line in made.text.splitlines() if " + " in line and "queue.h" in line)  # a place
    wrong = Process(
        made.name, made.text.replace(line, line.replace(" + ", " - ")), made.signals, made.ports, made.parameters,
        made.stages,
    )  # fmt: skip
    bench = Bench(kernels(), CASES["dispatch"], wrong, tmp_path)
    assert bench.run(bench.vectors(TESTS), TESTS, 100, 100).bad > 0


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="there is no process 'divide'"):
        compile_process(kernels(), "divide")


@pytest.mark.usefixtures("simulator")
@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_verilator_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    from edgemoe_gen.rtl.library import sources_for

    files = sources_for([process(name).text]) | {f"{name}.sv": process(name).text}
    assert lint(files, name, tmp_path) == ""
