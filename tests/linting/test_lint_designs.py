"""The rendered engine breaks no rule, whatever its knobs; and a fault put into it is found where it stands."""

# ruff: noqa: E501  a fault is one row of a table

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import board_names, load_board
from edgemoe_gen.linting import TOP, LintResult, lint
from edgemoe_gen.linting.headers import HEADERS
from edgemoe_gen.linting.tree import bits, dimensions, element
from edgemoe_gen.linting.unit import ARGUMENTS, ERROR, INCLUDE, ROOT, parse
from tests.linting.lint_sources import places, rendered
from tests.sim.engines import NO_ROUTER

pytest.importorskip("clang.cindex")

ODD: Mapping[str, dict[str, Any]] = {
    "one port, no router": {
        "weight_ports": 1,
        "tokens_parallel": 1,
        "out_parallel": 8,
        "in_parallel": 8,
        **NO_ROUTER,
    },
    "six ports": {"weight_ports": 6, "tokens_parallel": 3, "out_parallel": 24, "in_parallel": 8, "weight_bits": 12},
    "narrow weights of experts": {"expert_weight_bits": 8},
    "decoders": {"max_map_width": 32, "max_map_channels": 32},
    "decoders of two tokens, no router": {
        **NO_ROUTER,
        "tokens_parallel": 2,
        "out_parallel": 8,
        "in_parallel": 8,
        "max_map_width": 32,
        "max_map_channels": 32,
    },
    "no tails": {"residual_tail_bits": 0, "max_dim": 40, "max_query": 48, "in_parallel": 8, "out_parallel": 8},
}
SECONDS = 5.0  # what a lint of one design may take; it takes about 1 s


@pytest.mark.parametrize("board", board_names())
def test_the_default_design_of_a_board_breaks_no_rule(board: str) -> None:
    start = time.process_time()
    result = lint(render_sources(make_design(Knobs(), load_board(board))))
    assert result.findings == ()
    assert time.process_time() - start < SECONDS
    assert result.pragmas > 150 and result.functions > 50 and result.loops > 50 and result.streams > 20


@pytest.mark.parametrize("knobs", [{}, NO_ROUTER], ids=["default", "no router"])
def test_every_stream_is_as_wide_as_its_row_of_the_design_says(knobs: Mapping[str, Any]) -> None:
    design = make_design(Knobs(**knobs), load_board("zcu104"))
    unit = parse(render_sources(design), TOP)
    widths = {node.name: bits(element(node.cursor.type).get_template_argument_type(0)) for _, node in unit.streams}
    assert widths == {name: fifo.width for name, fifo in design.fifos.items()}
    assert {node.name: (dimensions(node.cursor.type) or (1,))[0] for _, node in unit.streams} == {
        name: fifo.copies for name, fifo in design.fifos.items()
    }


def errors(sources: Mapping[str, str], header: str) -> list[str]:
    """What a parser has against a header by itself."""
    from clang.cindex import Index

    files = [(ROOT + name, text) for name, text in sources.items() if name.startswith("src/")]
    files += [(INCLUDE + name, text) for name, text in HEADERS.items()]
    files.append((f"{ROOT}src/alone.cpp", f'#include "{header}"\n'))
    unit = Index.create().parse(f"{ROOT}src/alone.cpp", args=list(ARGUMENTS), unsaved_files=files)
    return [str(said) for said in unit.diagnostics if said.severity >= ERROR]


def test_every_header_compiles_alone() -> None:
    headers = [name.removeprefix("src/") for name in rendered() if name.startswith("src/") and name.endswith(".h")]
    assert len(headers) > 15
    assert {name: errors(rendered(), name) for name in headers} == {name: [] for name in headers}
    lacks = {**rendered(), "src/lacks.h": "inline edgemoe::act_t same(edgemoe::act_t x) { return x; }\n"}
    assert errors(lacks, "lacks.h") != []


@pytest.mark.parametrize("name", ODD)
def test_odd_knobs_break_no_rule(name: str) -> None:
    assert lint(render_sources(make_design(Knobs(**ODD[name]), load_board("zcu104")))).findings == ()


def test_every_pragma_of_the_engine_is_seen() -> None:
    written = sum(text.count("#pragma HLS") for name, text in rendered().items() if name.startswith("src/"))
    assert lint(rendered()).pragmas == written


# Rule, file, what is changed, to what, and a word of the finding. All stand in one set of sources, to be linted once.
FAULTS = (
    ("stream-depth", "src/engine.cpp", "#pragma HLS STREAM variable = scales depth = 64\n", "", "'scales'"),
    ("dataflow-channel", "src/engine.cpp", "measure_tokens(op, words,", "measure_tokens(op, copies,", "'words'"),
    ("dataflow-argument", "src/engine.cpp", "weights, cache_before, operands", "weights, cache_after, operands", "'cache_after'"),
    ("array-size", "src/store.h", "memory_row_t memory[FIRST_DEPTH]", "memory_row_t *memory", "'memory'"),
    ("static-local", "src/normalise.h", "  feature_shifts_t shifts[", "  static feature_shifts_t shifts[", "'shifts'"),
    ("shared-arrays", "src/engine.cpp", "#pragma HLS AGGREGATE variable = no_source_tail\n", "", "no_source_tail"),
    ("pragma-variable", "src/operands.h", "variable = bias.lane", "variable = biass.lane", "'biass'"),
    ("pragma-dimension", "src/engine.cpp", "variable = ring complete dim = 2", "variable = ring complete dim = 5", "'ring'"),
    ("stream-width", "src/types.h", "using fill_t = vec<beat_t, FILL_BEATS>;", "using fill_t = vec<beat_t, 40>;", "'weights'"),
    ("constant-bank", "src/store.h", "memory_rest, address, lane, score", "memory_rest, address, lane + at.group, score", "'memory'"),
    ("loop-bound", "src/normalise.h", "#pragma HLS LOOP_TRIPCOUNT max = DIM_WORDS\n", "", "apply_moments"),
    ("exception", "src/route.h", "  const int entries =", "  if (op.tokens < 0) throw 1;\n  const int entries =", "fill_queues"),
    ("interface-axi", "src/engine.cpp", "latency = 32", "", "'program'"),
    ("dataflow-bundle", "src/engine.cpp", "bundle = gmem_weights_1", "bundle = gmem_weights_0", "fetch_weights, fetch_weights"),
)  # fmt: skip


@pytest.fixture(scope="module")
def faulty() -> LintResult:
    """The default design with all faults in it."""
    files = dict(rendered())
    for _, file, old, new, _ in FAULTS:
        assert files[file].count(old) >= 1, f"{file} has no {old!r}"
        files[file] = files[file].replace(old, new, 1)
    return lint(files)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_in_the_engine_is_found(faulty: LintResult, fault: tuple[str, ...]) -> None:
    rule, file, *_, word = fault
    file = "src/engine.cpp" if rule == "stream-width" else file  # where the stream of the type is declared
    assert any(found.rule == rule and found.file == file and word in found.message for found in faulty.findings)


def test_a_fault_in_a_header_is_placed_there(faulty: LintResult) -> None:
    line = rendered()["src/route.h"].split("  const int entries =")[0].count("\n") + 1
    assert places(faulty, "exception") == [("src/route.h", line)]


def test_only_sources_below_src_are_looked_at() -> None:
    other = {**rendered(), "testbench/main.cpp": "int main() { throw 1; }", "src/notes.txt": "#pragma HLS NOTHING"}
    assert lint(other).findings == ()
