"""Which primitive holds which memory, and that memories do not grow with the number of experts."""

from __future__ import annotations

import pytest

from edgemoe_gen.boards import load_board
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.design.defaults import default_knobs
from edgemoe_gen.design.storage import Memory, memories
from edgemoe_gen.estimate import estimate_resources
from tests.design.specs import make_spec


@pytest.mark.parametrize("board_name", ["zcu104", "zcu102", "kv260", "ultra96v2"])
def test_on_chip_memory_does_not_depend_on_the_number_of_experts(board_name: str) -> None:
    board = load_board(board_name)
    designs = [
        make_design(default_knobs(make_spec(192, 3, (128, 256), experts=experts), board), board)
        for experts in (2, 16, 32, 64)
    ]
    assert all(design.storage == designs[0].storage for design in designs)
    assert all(estimate_resources(design) == estimate_resources(designs[0]) for design in designs)
    assert [memory.bits for memory in memories(designs[0])] == [memory.bits for memory in memories(designs[-1])]


@pytest.mark.parametrize(
    ("width", "depth", "bram36", "uram"),
    [
        (72, 512, 1, 1), (73, 512, 2, 2), (36, 1024, 1, 1), (18, 2048, 1, 1), (9, 4096, 1, 1), (72, 4097, 9, 2),
        (288, 4096, 32, 4),
    ],
)  # fmt: skip
def test_a_memory_takes_the_primitives_of_its_best_shape(width: int, depth: int, bram36: int, uram: int) -> None:
    memory = Memory("m", "a memory", width, depth, 1, True)
    assert (memory.bram36, memory.uram) == (bram36, uram)
    three = Memory("m", "three memories", width, depth, 3, True)
    assert (three.bram36, three.uram, three.bits) == (3 * bram36, 3 * uram, 3 * width * depth)


@pytest.mark.parametrize("board_name", ["zcu104", "zcu102", "kv260", "ultra96v2"])
def test_the_plan_counts_every_memory_once_and_no_other_does_better(board_name: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(make_spec(192, 3, (128, 256)), board), board)
    plan = design.storage
    kinds = {memory.name: plan.primitive.get(memory.name, "bram") for memory in memories(design)}
    assert plan.bram36 == sum(m.bram36 for m in memories(design) if kinds[m.name] == "bram")
    assert plan.uram == sum(m.uram for m in memories(design) if kinds[m.name] == "uram")
    load = max(plan.bram36 / board.bram36, plan.uram / board.uram if board.uram else 0)
    for memory in memories(design):
        if memory.movable and board.uram:
            sign = 1 if kinds[memory.name] == "bram" else -1
            moved = max(
                (plan.bram36 - sign * memory.bram36) / board.bram36, (plan.uram + sign * memory.uram) / board.uram
            )
            assert moved >= load


def test_a_board_without_uram_gets_none() -> None:
    design = make_design(Knobs(), load_board("zcu102"))
    assert design.storage.uram == 0
    assert set(design.storage.primitive.values()) == {"bram"}
    assert design.storage.bram36 > 0
