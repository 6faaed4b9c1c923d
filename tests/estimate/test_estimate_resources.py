"""The estimate of resources: counts that follow from the structure, and what it says of a board."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import CapacityError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design.products import dsp_count, part_dsps, table_products, tables_in_dsp
from edgemoe_gen.design.storage import ROOM
from edgemoe_gen.estimate import Part, check_fits, estimate_resources
from edgemoe_gen.estimate.logic import exponential, rounding, shift_up
from edgemoe_gen.estimate.resources import WRITTEN
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.numerics import shifts
from edgemoe_gen.numerics.shifts import Window


def zcu104(**knobs: float) -> Design:
    return make_design(Knobs().turned(knobs), load_board("zcu104"))


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [(18, 16, 1), (27, 18, 1), (18, 27, 1), (18, 18, 1), (28, 18, 2), (27, 19, 2), (32, 16, 2), (35, 35, 4)],
)  # fmt: skip
def test_a_product_takes_a_dsp_for_every_piece_of_27_by_18_bits(a: int, b: int, count: int) -> None:
    assert dsp_count(a, b) == count


@pytest.mark.parametrize(
    ("knobs", "macs"),
    [({}, 1024), ({"tokens_parallel": 2}, 512), ({"out_parallel": 32}, 2048), ({"in_parallel": 8}, 512)],
)  # fmt: skip
def test_the_compute_unit_takes_one_dsp_a_multiplication(knobs: dict[str, int], macs: int) -> None:
    unit = estimate_resources(zcu104(**knobs)).parts[0]
    assert (unit.name, unit.dsp) == ("compute unit", macs)


def part(design: Design, name: str) -> Part:
    return next(part for part in estimate_resources(design).parts if part.name == name)


def test_products_of_tables_take_dsps_where_there_is_room() -> None:
    design = zcu104()
    assert tables_in_dsp(design)
    with_dsp = {p.name: p.dsp for p in estimate_resources(design).parts if p.dsp}
    # One 27 x 18 product an output; a square and a product a feature. Moments: n Q is 9 x 45 bits, two wide pieces;
    # S^2 is 27 x 27, two narrow pieces; S / n 27 x 25, two; the root's mantissa times n, 22 x 9, one.
    wide = {"compute unit": 1024, "rounding": 16, "LayerNorm": 2 * 16 + 2 + 2 + 2 + 1, "router": 1, "control": 12}
    assert part_dsps(design) == wide
    # Inside tables: 4 x 16 exponentials; GELU of each output and a row's 1 / sum; a root; 16 + 1 exponentials, 1 / sum.
    tables = {"probabilities": 64, "rounding": 17, "LayerNorm": 1, "router": 18}
    assert table_products(design) == tables
    assert with_dsp == {name: wide.get(name, 0) + tables.get(name, 0) for name in wide | tables}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.sampled_from([8, 16, 32]), st.sampled_from(["zcu104", "kv260", "ultra96v2"]))
def test_products_of_tables_never_take_the_room_that_placement_needs(tokens: int, out: int, board: str) -> None:
    design = make_design(Knobs(tokens_parallel=tokens, out_parallel=out, in_parallel=8), load_board(board))
    needed = sum(part_dsps(design).values()) + sum(table_products(design).values())
    assert tables_in_dsp(design) == (needed <= ROOM * design.board.dsp)
    assert estimate_resources(design).dsp == (needed if tables_in_dsp(design) else sum(part_dsps(design).values()))


def test_rounding_grows_with_outputs_and_scores_with_their_rows() -> None:
    assert part_dsps(zcu104(out_parallel=32))["rounding"] == 2 * part_dsps(zcu104())["rounding"]
    one, two = (part(zcu104(score_rows=rows), "scores") for rows in (1, 2))
    assert (two.lut, two.dsp) == (2 * one.lut, 0)


def test_an_exponential_stands_where_every_value_enters_the_unit() -> None:
    lanes = {
        (tokens, inner): part(zcu104(tokens_parallel=tokens, in_parallel=inner), "probabilities").lut
        for tokens, inner in ((2, 8), (2, 16), (4, 16))
    }
    assert lanes[2, 16] == 2 * lanes[2, 8] and lanes[4, 16] == 2 * lanes[2, 16]


@pytest.mark.parametrize(
    ("what", "rule", "made"),
    [
        # Look-up tables that Yosys 0.70 makes of a lane (synth_xilinx -family xcup -nodsp -nobram), as arith.h has it.
        ("a score", rounding(46, 18, shifts.SCORE_SUM), 130),
        ("a term", rounding(46, 27, shifts.sum_window(18, 16)), 167),
        ("a result", rounding(47, 24, shifts.RESULT), 151),
        ("a normalised value", rounding(47, 24, Window(-1, 62)), 187),
        ("an old value", rounding(24, 25, shifts.OLD), 141),
        ("a bias that is added", shift_up(28, 46, shifts.BIAS) + 46, 180),
        # Its product is in a DSP; rounded once more, to an operand.
        ("an exponential", exponential(zcu104()) + 36, 336),
    ],
)  # fmt: skip
def test_the_rule_of_a_lane_is_near_what_open_synthesis_makes(what: str, rule: int, made: int) -> None:
    assert 0.75 * made < rule < 1.25 * made, what


def test_a_narrower_window_of_shifts_takes_less() -> None:
    wide, narrow = (rounding(46, 18, Window(0, most)) for most in (63, 15))
    assert narrow < wide


def test_every_fifo_that_a_pipeline_writes_gets_one_at_its_output() -> None:
    design = zcu104()
    written = {name for names in WRITTEN.values() for name in names}
    # Those behind ports to memory and of whole operations are written by processes at AXI ports, or by no pipeline.
    assert set(design.fifos) - written == {
        "weight_orders",
        "input_orders",
        "orders",
        "output_orders",
        "weights",
        "input",
    }
    wider = zcu104(tokens_parallel=8)
    sums = [d.fifos["sums"].width * d.fifos["sums"].copies for d in (design, wider)]
    assert part(wider, "outputs").lut - part(design, "outputs").lut >= sums[1] - sums[0] > 0


def test_a_split_memory_counts_in_both_primitives() -> None:
    design = zcu104(
        tokens_parallel=11, in_parallel=8, residual_tail_bits=0, max_tokens=1025, max_dim=384, max_query=384,
        max_cache=64, max_hidden=192, weight_fifo_beats=1024,
    )  # fmt: skip
    assert (part(design, "residual").bram36, part(design, "residual").uram) == (22, 22)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 60))
def test_pieces_of_a_product_cover_it(a: int, b: int) -> None:
    count = dsp_count(a, b)
    assert count == dsp_count(b, a)
    # Each piece multiplies at most 26 x 17 magnitude bits.
    assert count * 26 * 17 >= (a - 1) * (b - 1)
    assert count <= dsp_count(a + 1, b) and count <= dsp_count(a, b + 1)


def test_room_is_a_share_of_every_resource() -> None:
    resources = estimate_resources(zcu104())
    board = load_board("zcu104")
    fullest = max(used / there for _, used, there in resources.against(board) if there)
    assert resources.fits(board, fullest + 1e-9) and not resources.fits(board, fullest - 1e-3)


def test_totals_are_the_sums_of_parts_and_every_part_says_what_it_is() -> None:
    resources = estimate_resources(zcu104())
    for name in ("dsp", "bram36", "uram", "lut"):
        assert getattr(resources, name) == sum(getattr(part, name) for part in resources.rows()) > 0
    assert all(part.name and part.what for part in resources.parts)
    assert len({part.name for part in resources.parts}) == len(resources.parts)
    assert json.loads(json.dumps(asdict(resources)))["parts"][0]["name"] == "compute unit"


def test_memories_of_the_estimate_are_those_of_the_design() -> None:
    design = zcu104()
    resources = estimate_resources(design)
    assert (resources.bram36, resources.uram) == (design.storage.bram36, design.storage.uram)


def fullness(design: Design) -> tuple[float, int, float]:
    """What the choice of primitives makes least, in this order. BRAM, or UltraRAM, alone may fall as memories grow."""
    plan, board = design.storage, design.board
    load = max(plan.bram36 / board.bram36, plan.uram / board.uram)
    return max(load - ROOM, 0.0), plan.lut, load


@pytest.mark.parametrize(
    "turned", [{"out_parallel": 32}, {"tokens_parallel": 6}, {"max_tokens": 300}, {"max_hidden": 1536}]
)
def test_more_of_anything_takes_no_less(turned: dict[str, int]) -> None:
    designs = zcu104(), zcu104(**turned)
    before, after = map(estimate_resources, designs)
    assert after.dsp >= before.dsp and after.lut >= before.lut
    stored = [sum(memory.bits for memory in design.memories) for design in designs]
    fuller = stored[1] > stored[0] and fullness(designs[1]) >= fullness(designs[0])
    assert fuller or after.dsp > before.dsp


def test_the_default_design_fits_the_zcu104() -> None:
    design = zcu104()
    resources = check_fits(design)
    assert resources.fits(design.board)
    assert all(used <= there for _, used, there in resources.against(design.board))


def test_everything_that_is_exceeded_is_named_with_both_counts() -> None:
    design = make_design(Knobs(out_parallel=64, max_tokens=1025, max_hidden=1536), load_board("ultra96v2"))
    resources = estimate_resources(design)
    with pytest.raises(CapacityError) as error:
        check_fits(design)
    over = [(name, used, there) for name, used, there in resources.against(design.board) if used > there]
    assert {name for name, _, _ in over} >= {"DSP", "BRAM36"}
    assert all(f"{used:,} of {there:,} {name}" in error.value.message for name, used, there in over)


def with_depth(name: str, depth: int) -> Design:
    return make_design(Knobs(), load_board("zcu104"), {name: depth})


FREE = [fifo.name for fifo in zcu104().fifos.values() if not fifo.knob]


def held(design: Design, name: str) -> Part:
    """The part that a deep FIFO is; some are memories of their own whatever their depth."""
    return part(design, name if design.fifos[name].held else f"fifo_{name}")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FREE), st.integers(200, 5000))
def test_every_fifo_s_own_depth_and_width_are_paid_for(name: str, depth: int) -> None:
    design = with_depth(name, depth)
    fifo, found = design.fifos[name], held(design, name)
    assert fifo.depth == depth
    # A BRAM36 holds 36 Kbit; a slice of eight look-up tables holds 448 bits as RAM.
    assert found.bram36 * 36 * 1024 + found.lut * 56 >= fifo.width * fifo.copies * depth
    # At most twice what is stored, and a row and a column of the primitive.
    most = 2 * fifo.copies * (fifo.width / 9 + 1) * (depth / 4096 + 1) + fifo.copies * (fifo.width / 72 + 1)
    assert found.bram36 <= most
    deeper = held(with_depth(name, depth + 500), name)
    assert (deeper.bram36, deeper.lut) >= (found.bram36, found.lut) or deeper.bram36 > found.bram36


def test_deep_fifos_show_in_the_whole() -> None:
    before = estimate_resources(zcu104())
    deep = make_design(Knobs(), load_board("zcu104"), dict.fromkeys(("sums", "measured", "operands"), 4096))
    assert estimate_resources(deep).bram36 > before.bram36 + 250  # 328 of `sums` alone


def test_a_shallow_fifo_takes_a_look_up_table_a_bit_and_none_for_more_elements_up_to_32() -> None:
    fifo = zcu104().fifos["sums"]
    assert part(with_depth("sums", 4), "channels") == part(with_depth("sums", 32), "channels")
    deeper = with_depth("sums", 33)
    assert part(with_depth("sums", 32), "channels").lut - part(deeper, "channels").lut == fifo.width * fifo.copies
    # 33 to 64 elements: seven bits in the eight look-up tables of a slice.
    assert part(deeper, "fifo_sums").lut == fifo.copies * -(-fifo.width // 7) * 8
    assert part(deeper, "fifo_sums").bram36 == 0
    # 4,096 elements: nine bits a BRAM36.
    assert part(with_depth("sums", 4096), "fifo_sums").bram36 == fifo.copies * -(-fifo.width // 9)
