"""The estimate beside open synthesis: every process and every part of arithmetic has its place."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.between import between_lanes
from edgemoe_gen.estimate.resources import arithmetic_parts
from edgemoe_gen.estimate.synthesised import GROUPS, PROCESSES, compare
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import compile_kernels
from edgemoe_gen.rtl.synthesis import counted

DESIGN = make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))
BETWEEN = {"channels", "outputs"}  # FIFOs, which lie between processes
STARTS = {"operate", "execute", "route_tokens", "edgemoe_engine"}  # functions that start others


def test_every_part_of_arithmetic_is_of_some_process() -> None:
    named = [part for _, parts in GROUPS for part in parts]
    assert sorted(named) == sorted({part.name for part in arithmetic_parts(DESIGN)} - BETWEEN)


@pytest.mark.skipif(find_spec("ziglang") is None, reason="the compiler of the extra [schedule] is not installed")
def test_every_process_of_the_kernels_has_its_place() -> None:
    kernels = compile_kernels(render_sources(DESIGN), DESIGN.board.part, budget_ns(DESIGN.knobs.clock_mhz))
    assert sorted(PROCESSES) == sorted({f.name for f in kernels.module.functions.values()} - STARTS)


def test_a_ratio_is_only_said_of_whole_rows() -> None:
    parts = {part.name: part for part in arithmetic_parts(DESIGN)}
    found = {
        name: counted(name, {"LUT6": 100, "SRL16E": 20, "DSP48E2": 3, "FDRE": 7})
        for name in ("multiply", "measure_tokens")
    }
    unit, norm = compare(DESIGN, found)
    assert unit.parts == ("compute unit",) and unit.ratio == 120 / parts["compute unit"].lut
    assert (unit.estimate_dsp, unit.open_dsp, unit.open_ff) == (parts["compute unit"].dsp, 3, 7)
    assert norm.missing == ("apply_moments",) and norm.ratio is None


def test_what_lies_between_lanes_stands_beside_its_parts_and_not_in_the_estimate() -> None:
    assert set(between_lanes(DESIGN)) <= {part.name for part in arithmetic_parts(DESIGN)} - BETWEEN
    sums, unit = compare(DESIGN, {name: counted(name, {"LUT6": 9000}) for name in ("round_sums", "multiply")})[::-1]
    between, parts = between_lanes(DESIGN), {part.name: part.lut for part in arithmetic_parts(DESIGN)}
    assert (sums.estimate_lut, sums.between_lut) == tuple(by["rounding"] + by["scores"] for by in (parts, between))
    assert sums.ratio_with_between == 9000 / (sums.estimate_lut + sums.between_lut)
    assert unit.between_lut == 0 and unit.ratio_with_between == unit.ratio


@pytest.mark.parametrize("part", ["rounding", "scores"])
def test_a_block_of_sums_is_chosen_or_held_once_a_token_and_output(part: str) -> None:
    twice = make_design(replace(DESIGN.knobs, tokens_parallel=2 * DESIGN.knobs.tokens_parallel), DESIGN.board)
    k = DESIGN.knobs
    of_a_token = {"rounding": DESIGN.exp_sum_bits, "scores": 5 * k.activation_bits}[part]
    more = k.tokens_parallel * (k.out_parallel * DESIGN.accumulator_bits + of_a_token)
    assert between_lanes(twice)[part] - between_lanes(DESIGN)[part] == more


# Look-up tables by open synthesis (Yosys 0.70) of whole processes: docs/resources.md.
@pytest.mark.parametrize(
    ("array", "parts", "luts"),
    [
        ((5, 16, 16), ("rounding", "scores"), 33_864),
        ((5, 16, 16), ("addition",), 9_870),
        ((5, 16, 16), ("LayerNorm",), 9_078),
        ((5, 16, 16), ("router",), 12_387),
        ((2, 8, 8), ("probabilities",), 10_032),
    ],
)
def test_lanes_and_what_lies_between_them_explain_open_synthesis(
    array: tuple[int, int, int], parts: tuple[str, ...], luts: int
) -> None:
    tokens, out, inner = array
    design = make_design(Knobs(tokens_parallel=tokens, out_parallel=out, in_parallel=inner), load_board("zcu104"))
    lanes, between = {part.name: part.lut for part in arithmetic_parts(design)}, between_lanes(design)
    assert 1.0 <= luts / sum(lanes[part] + between[part] for part in parts) <= 1.5
