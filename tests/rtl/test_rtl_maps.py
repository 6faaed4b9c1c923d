"""The processes of a design with decoders as modules: their own loops beside all others, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import Kernels, compile_kernels, compile_process
from tests.rtl.process_bench import FLOWS, Bench
from tests.rtl.process_cases import CASES

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

# Half of the operations are those of maps; the others are as in designs without.
_CONVOLUTION = """
if (once_in(3)) {
  const int rows = between(1, 3);
  op = operation_t();
  op.kind = KIND_PRODUCT;
  op.operand = OPERAND_WEIGHTS;
  op.flags = FLAG_SHIFTED | FLAG_RELU;
  op.path = PATH_HIDDEN_TO_QUERY;
  op.width = between(1, 3 * TOKENS_PARALLEL + 1);
  op.row_blocks = quotient_up(op.width, TOKENS_PARALLEL);
  op.height = between(rows, 5);
  op.row = between(0, op.height - rows);
  op.blocks = rows * op.row_blocks;
  op.tokens = op.blocks * TOKENS_PARALLEL;
  op.tap_words = between(1, 2);
  op.in_words = 9 * op.tap_words;
  op.out_tiles = between(1, 2);
  op.source_stride = between(op.tap_words, op.tap_words + 2);
  op.row_words = op.row_blocks * op.source_stride;
  const int slots = between(1, 5);
  op.ring_last = (slots - 1) * op.row_words;
  op.ring_above = between(0, slots - 1) * op.row_words;
  op.source_word = between(0, FIRST_DEPTH - slots * op.row_words);
}
"""
_ROWS = """
if (once_in(3)) {
  op = operation_t();
  op.kind = once_in(2) ? KIND_RESIZE : KIND_STORE_RESIZED;
  op.path = PATH_QUERY_TO_NORMED;
  op.flags = op.kind == KIND_STORE_RESIZED && once_in(2) ? FLAG_CLASSES : 0;
  op.width = between(1, 2 * TOKENS_PARALLEL + 1);
  op.tokens = 2 * op.width;
  op.in_words = between(1, MAP_WORDS);
  op.features = between(1, op.in_words * IN_PARALLEL);
  if (op.kind == KIND_STORE_RESIZED && op.flags == 0) op.in_words = 1, op.features = between(1, 3);
  op.source_stride = between(op.in_words, op.in_words + 2);
  op.destination_stride = between(op.in_words, op.in_words + 2);
  const int blocks = quotient_up(op.width, TOKENS_PARALLEL);
  op.row_words = between(-1, 1) * blocks * op.source_stride;
  op.source_word = between(blocks * op.source_stride, FIRST_DEPTH - 2 * blocks * op.source_stride);
  op.destination_word = between(0, FIRST_DEPTH - quotient_up(op.tokens, TOKENS_PARALLEL) * op.destination_stride);
}
"""
_MAPS = {
    "load_tokens": _CONVOLUTION + _ROWS + "if (op.kind == KIND_NORMALISE) op.source_lane = between(0, 1);",
    "round_sums": "if (op.operand == OPERAND_WEIGHTS && once_in(2)) op.flags |= FLAG_RELU;",
    "store_results": _ROWS,
}


@cache
def kernels() -> Kernels:
    knobs = Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8, max_map_width=16, max_map_channels=16)
    design = make_design(knobs, load_board("zcu104"))
    return compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))


@pytest.mark.slow
@pytest.mark.parametrize("name", _MAPS)
def test_a_process_with_the_loops_of_maps_becomes_a_module(name: str) -> None:
    text = compile_process(kernels(), name).text
    lines = {"load_tokens": "src/maps.h", "round_sums": "src/rounding.h", "store_results": "src/pixels.h"}
    assert f"// {lines[name]}" in text


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
@pytest.mark.parametrize("name", _MAPS)
def test_a_module_of_maps_does_what_its_source_does(name: str, tmp_path: Path) -> None:
    case = replace(CASES[name], operation=CASES[name].operation + _MAPS[name])
    bench = Bench(kernels(), case, compile_process(kernels(), name), tmp_path)
    assert bench.lint == ""
    vectors = bench.vectors(case.tests)
    for into, out in FLOWS:
        outcome = bench.run(vectors, case.tests, into, out)
        assert outcome.bad == 0, outcome.log
        assert outcome.idle == (), "the vectors must reach every port"
