"""Which primitive holds which memory, what it takes, and that memories do not grow with the number of experts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.design.storage import LUTRAM_SHARE, ROOM, Memory, StoragePlan, storage_fits
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import Board, board_names, load_board
from edgemoe_gen.hardware.memories import SPLITTABLE
from edgemoe_gen.kernels import read_kernels
from edgemoe_gen.program.compile import check_capacity
from tests.design.specs import make_spec

ANYWHERE = ("bram", "uram", "lutram")
# ViT-small at 512x512: 1,025 tokens by 11 are 94 blocks of 48 words, 416 more than an UltraRAM is deep.
SMALL: dict[str, Any] = {
    "tokens_parallel": 11, "in_parallel": 8, "residual_tail_bits": 0, "max_tokens": 1025, "max_dim": 384,
    "max_query": 384, "max_cache": 64, "max_hidden": 192, "weight_fifo_beats": 1024,
}  # fmt: skip


def test_on_chip_memory_does_not_depend_on_the_number_of_experts() -> None:
    board = load_board("zcu104")
    designs = [
        make_design(default_knobs(make_spec(192, 3, (128, 256), experts=experts), board), board)
        for experts in (16, 32, 64)
    ]
    assert all(design.storage == designs[0].storage for design in designs)
    assert all(design.memories == designs[0].memories for design in designs)
    assert all(estimate_resources(design) == estimate_resources(designs[0]) for design in designs)


@pytest.mark.parametrize("board_name", board_names())
def test_a_design_for_many_experts_holds_fewer(board_name: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(make_spec(192, 3, (128, 256), experts=64), board), board)
    for experts in (2, 16, 64):
        check_capacity(design, make_spec(192, 3, (128, 256), experts=experts))


@pytest.mark.parametrize(
    ("width", "depth", "bram36", "uram"),
    [
        (72, 512, 1, 1), (73, 512, 2, 2), (36, 1024, 1, 1), (18, 2048, 1, 1), (9, 4096, 1, 1), (72, 4097, 9, 2),
        (288, 4096, 32, 4),
    ],
)  # fmt: skip
def test_a_memory_takes_the_primitives_of_its_best_shape(width: int, depth: int, bram36: int, uram: int) -> None:
    memory = Memory("m", "a memory", width, depth, 1, ANYWHERE)
    assert (memory.bram36, memory.uram) == (bram36, uram)
    three = Memory("m", "three memories", width, depth, 3, ANYWHERE)
    assert (three.bram36, three.uram, three.bits) == (3 * bram36, 3 * uram, 3 * width * depth)


@pytest.mark.parametrize(
    ("width", "depth", "lut"),
    [
        (14, 32, 8), (15, 32, 16), (7, 33, 8), (7, 64, 8), (8, 64, 16),
        # Two to four banks of 64 words need one look-up table a bit to select one, five need two.
        (7, 65, 16 + 7), (7, 256, 32 + 7), (7, 257, 40 + 14),
    ],
)  # fmt: skip
def test_a_memory_in_look_up_tables_takes_slices_and_what_selects_a_bank(width: int, depth: int, lut: int) -> None:
    assert Memory("m", "a memory", width, depth, 1, ANYWHERE).lut == lut
    assert Memory("m", "two memories", width, depth, 2, ANYWHERE).lut == 2 * lut


def test_a_split_memory_fills_its_ultraram_and_keeps_the_rest_in_bram() -> None:
    design = make_design(Knobs(**SMALL), load_board("zcu104"))
    plan = design.storage
    assert design.memory_depths["residual"] == 4512
    assert (plan.split_depth, plan.split) == (4096, ("residual", "normed", "query"))
    assert design.split_depth == 4096
    residual = next(memory for memory in design.memories if memory.name == "residual")
    # 144 bits wide: two UltraRAMs for 4,096 words, and two BRAM36 of 72 x 512 for the other 416, for every lane.
    assert plan.primitive["residual"] == "uram"
    assert plan.use(residual) == (2 * 11, 2 * 11, 0)
    whole = ceil_div(4512, 4096) * 2 * 11
    assert residual.uram == whole > plan.use(residual)[1]


def every_plan(design: Design) -> Iterator[tuple[int, int, int]]:
    """BRAM36, UltraRAMs and look-up tables of every assignment there is, without any shortcut."""
    board = design.board
    every = design.memories
    deepest = max(memory.depth for memory in every if memory.name in SPLITTABLE)
    for split_depth in [0, *(range(4096, deepest, 4096) if board.uram else ())]:
        split = tuple(m.name for m in every if m.name in SPLITTABLE and split_depth and m.depth > split_depth)
        allowed = [
            [
                kind for kind in memory.allowed
                if (kind != "uram" or board.uram)
                and (kind != "lutram" or memory.lut <= LUTRAM_SHARE * board.lut or memory.allowed == ("lutram",))
            ]
            for memory in every
        ]  # fmt: skip
        for kinds in product(*allowed):
            primitive = {memory.name: kind for memory, kind in zip(every, kinds, strict=True)}
            plan = StoragePlan(primitive, 0, 0, 0, split_depth, split)
            bram36, uram, lut = (sum(column) for column in zip(*map(plan.use, every), strict=True))
            yield bram36, uram, lut


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """Designs of all sizes on boards with and without UltraRAM."""
    board: Board = load_board(draw(st.sampled_from(["zcu104", "zcu102", "kv260", "ultra96v2"])))
    inner = draw(st.sampled_from([8, 16]))
    dim = draw(st.sampled_from([40, 192, 384, 768]))
    return make_design(
        Knobs(
            tokens_parallel=draw(st.integers(2, 14)), in_parallel=inner,
            residual_tail_bits=draw(st.sampled_from([0, 3, 6])),
            weight_fifo_beats=draw(st.sampled_from([512, 4096, 16384, 40960])),
            max_tokens=draw(st.sampled_from([16, 129, 197, 1025])), max_dim=dim, max_query=dim,
            max_cache=draw(st.sampled_from([64, 384])), max_hidden=draw(st.sampled_from([192, 768, 1536])),
        ),
        board,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(designs())
def test_the_plan_counts_every_memory_once_and_none_leaves_more_room(design: Design) -> None:
    plan, board = design.storage, design.board
    assert plan.bram36 == sum(plan.use(memory)[0] for memory in design.memories)
    assert plan.uram == sum(plan.use(memory)[1] for memory in design.memories)
    assert plan.lut == sum(plan.use(memory)[2] for memory in design.memories)
    assert all(plan.primitive[memory.name] in memory.allowed for memory in design.memories)

    def score(bram36: int, uram: int, lut: int) -> tuple[float, int, float]:
        load = max(bram36 / board.bram36, uram / board.uram if board.uram else 0.0)
        return max(load - ROOM, 0.0), lut, load

    assert score(plan.bram36, plan.uram, plan.lut) == min(score(*sums) for sums in every_plan(design))


@settings(max_examples=25, deadline=None)
@given(designs(), st.sampled_from([ROOM, 1.0]), st.sampled_from([1000.0, 20000.0]))
def test_whether_memories_fit_is_whether_any_assignment_does(design: Design, room: float, luts: float) -> None:
    board = design.board
    fitting = any(
        bram36 <= room * board.bram36 and uram <= room * board.uram and lut <= luts
        for bram36, uram, lut in every_plan(design)
    )
    assert storage_fits(design.board, design.memories, room, luts) == fitting


def rendered_depths(design: Design) -> dict[str, int]:
    """Addresses of each array of the memories that an operation reads or writes, as the sources declare them."""
    files = render_sources(design)
    constants = read_kernels(files).constants
    names = "|".join(SPLITTABLE)
    found = re.findall(rf"static memory_row_t ((?:{names})\w*)\[(\w+)(?: - (\w+))?\]", files["src/engine.cpp"])
    return {name: constants[whole.lower()] - (constants[less.lower()] if less else 0) for name, whole, less in found}


@settings(max_examples=20, deadline=None)
@given(designs())
@example(make_design(Knobs(**SMALL), load_board("zcu104")))
@example(make_design(Knobs(), load_board("kv260")))
def test_arrays_of_one_parameter_are_as_deep_as_the_deepest_where_that_costs_nothing(design: Design) -> None:
    plan, depths = design.storage, rendered_depths(design)
    firsts = {name: depth for name, depth in depths.items() if name in SPLITTABLE}
    assert set(firsts) == set(SPLITTABLE)
    for memory in design.memories:
        if memory.name not in SPLITTABLE:
            continue
        begin, rest = depths[memory.name], depths.get(f"{memory.name}_rest", 0)
        assert begin + rest >= memory.depth and bool(rest) == (memory.name in plan.split)

        def cost(first: int, last: int, memory: Memory = memory) -> tuple[int, int]:
            there = replace(memory, depth=first)
            beyond = replace(memory, depth=last).bram36 if last else 0
            kind = plan.primitive[memory.name]
            return (there.bram36 if kind == "bram" else 0) + beyond, there.uram if kind == "uram" else 0

        assert cost(begin, rest) == plan.use(memory)[:2]
        if begin < max(firsts.values()):
            assert cost(max(firsts.values()), rest) > cost(begin, rest)


@settings(max_examples=50, deadline=None)
@given(designs())
def test_either_every_deep_memory_of_an_operation_is_split_or_none(design: Design) -> None:
    plan, depths = design.storage, design.memory_depths
    if plan.split_depth:
        assert plan.split_depth % 4096 == 0
        assert set(plan.split) == {name for name in SPLITTABLE if depths[name] > plan.split_depth}
        assert plan.split
    else:
        assert plan.split == ()


def test_operands_move_to_look_up_tables_only_where_bram_would_run_short() -> None:
    board = load_board("zcu104")
    roomy = make_design(Knobs(tokens_parallel=5, max_tokens=129, weight_fifo_beats=40960), board)
    full = make_design(Knobs(tokens_parallel=5, max_tokens=197, weight_fifo_beats=40960), board)
    assert roomy.storage.primitive["operands"] == "bram"
    assert full.storage.primitive["operands"] == "lutram"
    operands = next(memory for memory in full.memories if memory.name == "operands")
    assert full.storage.bram36 <= ROOM * board.bram36 < full.storage.bram36 + operands.bram36


def test_a_board_without_uram_gets_none() -> None:
    design = make_design(Knobs(), load_board("zcu102"))
    assert design.storage.uram == 0
    assert set(design.storage.primitive.values()) == {"bram", "lutram"}
    assert design.storage.bram36 > 0
    assert design.split_depth == 0
