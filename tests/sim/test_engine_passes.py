"""Frames that share a pass of the weights: the same bits as one by one, for a fraction of the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import CapacityError, KnobError
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.kinds import number
from edgemoe_gen.program.compile import FrameGroup, compile_groups, compile_network, group_frames
from edgemoe_gen.sim.engine import Engine, FrameResult, run_frames
from tests.sim.engines import Case, compiled, random_case, run_case, small_design
from tests.sim.test_engine_geometries import MANY_TOKENS, TOKENS

pytest.importorskip("torch")

# 33 tokens are no multiple of any of these; cache_lanes differ from tokens_parallel, and do not divide each other.
DESIGNS: dict[str, dict[str, Any]] = {
    "2 frames": {"frames_per_pass": 2},
    "3 frames": {"frames_per_pass": 3},
    "3 frames, 3 tokens, 4 lanes": {"frames_per_pass": 3, "tokens_parallel": 3, "cache_lanes": 4, "score_rows": 2},
    "2 frames, 5 tokens, 8 lanes": {"frames_per_pass": 2, "tokens_parallel": 5, "cache_lanes": 8},
    "2 frames, 1 token, 1 lane, narrow experts": {
        "frames_per_pass": 2, "tokens_parallel": 1, "cache_lanes": 1, "expert_weight_bits": 8,
    },
    "3 frames, heads and hidden features in passes": {"frames_per_pass": 3, "max_hidden": 40, "max_cache": 32},
}  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "two routers": {"seed": 40},
    "one router that knows the task, odd sizes": {
        "seed": 41, "dim": 40, "heads": 5, "experts": 5, "router": "task_conditioned", "top_k": 3,
    },
    "no experts": {"seed": 42, "router": "none"},
    "scores over the chosen only, no class token": {
        "seed": 43, "router": "single", "gate_type": "noisy", "class_token": False,
    },
    "router reads the input": {"seed": 44, "said": (("input_ahead", True),)},
}  # fmt: skip
PICTURES = 3


def same(a: FrameResult, b: FrameResult) -> bool:
    """Whether two frames hold the same bits."""
    pairs = ((a.tokens, b.tokens), (a.blocks, b.blocks), (a.experts, b.experts), (a.scores, b.scores))
    return a.task == b.task and all(x is y is None or np.array_equal(x, y) for x, y in pairs)  # type: ignore[arg-type]


def check(engine: Engine, case: Case, tasks: Sequence[str], images: Sequence[int]) -> None:
    """Asserts that a program of these frames gives the bits of each of them alone."""
    together = run_case(engine, case, tasks, images)
    assert len(together.frames) == len(tasks)
    alone = {
        (task, image): run_case(engine, case, (task,), (image,)).frames[0]
        for task, image in set(zip(tasks, images, strict=True))
    }
    for frame, task, image in zip(together.frames, tasks, images, strict=True):
        assert same(frame, alone[task, image]), f"{task} of picture {image}"


# The first of them in every run; each compiles a design of its own.
@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] if place else []) for place, name in enumerate(DESIGNS)],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    return compiled(small_design(**DESIGNS[request.param]))


@pytest.mark.parametrize("sizes", NETWORKS.values(), ids=NETWORKS)
def test_frames_of_a_pass_are_those_of_programs_of_one(engine: Engine, sizes: dict[str, Any]) -> None:
    case = random_case(frames=PICTURES, **sizes)
    first, *_, last = (*case.model.spec.task_names, *case.model.spec.task_names)
    full = engine.design.knobs.frames_per_pass
    # A full pass, a frame over, and another task's in between.
    tasks = (first,) * (full + 1) + (last,) * 2 + (first,)
    check(engine, case, tasks, [i % PICTURES for i in range(len(tasks))])


def test_a_pass_also_gives_the_bits_of_a_design_for_one_frame() -> None:
    case = random_case(frames=PICTURES, seed=40)
    one, three = compiled(small_design()), compiled(small_design(frames_per_pass=3))
    tasks, images = ("semseg",) * 3, (0, 1, 2)
    for a, b in zip(
        run_case(one, case, tasks, images).frames, run_case(three, case, tasks, images).frames, strict=True
    ):
        assert same(a, b)


def test_rows_of_scores_in_passes_stay_within_their_frame() -> None:
    case = random_case(frames=2, seed=24, **MANY_TOKENS)
    sizes = {"max_tokens": TOKENS, "max_dim": 16, "max_query": 32, "max_experts": 4, "max_cache": 16, "max_hidden": 16}
    engine = compiled(small_design(**sizes, frames_per_pass=2))
    program = run_case(engine, case, ("semseg",), (0,)).program
    assert sum(op.keys > 0 for op in program.operations) // 2 > case.model.spec.heads * case.model.spec.depth
    check(engine, case, ("semseg",) * 2, (0, 1))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(
        st.tuples(st.sampled_from(["semseg", "depth"]), st.integers(0, PICTURES - 1)), min_size=1, max_size=7
    ),
    network=st.sampled_from(list(NETWORKS)[:2]),
    design=st.sampled_from(list(DESIGNS)[1:3]),
)
def test_any_order_of_tasks_and_pictures_gives_the_same_bits(
    order: list[tuple[str, int]], network: str, design: str
) -> None:
    case = random_case(frames=PICTURES, **NETWORKS[network])
    check(compiled(small_design(**DESIGNS[design])), case, *zip(*order, strict=True))


@given(tasks=st.lists(st.sampled_from("abc"), max_size=20), most=st.integers(1, 5))
def test_groups_are_of_one_task_in_order_and_as_few_as_can_be(tasks: list[str], most: int) -> None:
    groups = group_frames(tasks, most)
    assert [task for task, frames in groups for _ in range(frames)] == tasks
    assert all(1 <= frames <= most for _, frames in groups)
    # A group is only left before it is full where the next frame is of another task.
    assert all(frames == most or task != after for (task, frames), (after, _) in pairwise(groups))


def test_weights_of_a_pass_are_read_once() -> None:
    case = random_case(frames=PICTURES, seed=40)
    engine = compiled(small_design(frames_per_pass=3))
    one, three, four = (run_case(engine, case, ("depth",) * n, (0, 1, 2, 0)[:n], taps=False) for n in (1, 3, 4))
    assert three.traffic.weights == one.traffic.weights
    assert four.traffic.weights == 2 * one.traffic.weights
    for part in ("image", "result", "constants"):
        assert getattr(three.traffic, part) == 3 * getattr(one.traffic, part)
    assert three.program.weight_bytes_per_run == three.traffic.weights
    assert np.array_equal(three.program.weights, one.program.weights)


def test_only_tokens_are_routed() -> None:
    case = random_case(frames=2, seed=40)
    engine = compiled(small_design(frames_per_pass=2, tokens_parallel=5, cache_lanes=8))
    outcome = run_case(engine, case, ("depth",) * 2, (0, 1))
    spec = case.model.spec
    routings = [op for op in outcome.program.operations if op.kind == number("ROUTE")]
    assert [op.tokens for op in routings] == [2 * spec.tokens] * len(spec.moe_blocks)
    # Rows between the frames are more than one block here: 33 tokens lie 40 rows apart, in blocks of 5.
    assert routings[0].frame_tokens == 33 and routings[0].frame_gap == 2
    assert all(f.experts is not None and f.experts.shape == (2, 33, 2) for f in outcome.frames)


def test_what_another_program_left_between_frames_does_not_matter() -> None:
    engine = compiled(small_design(**DESIGNS["2 frames, 5 tokens, 8 lanes"]))
    case = random_case(frames=PICTURES, seed=40)
    before = run_case(engine, case, ("semseg",) * 2, (0, 1))
    run_case(engine, random_case(seed=45, dim=48, experts=16, router="single", top_k=4), ("semseg",) * 2, (0, 1))
    after = run_case(engine, case, ("semseg",) * 2, (0, 1))
    assert all(same(a, b) for a, b in zip(before.frames, after.frames, strict=True))


def test_a_prefix_of_the_network_ends_at_its_block_in_every_frame() -> None:
    engine = compiled(small_design(frames_per_pass=2))
    case = random_case(frames=2, seed=40)
    whole = run_case(engine, case, ("depth",) * 2, (0, 1)).frames
    program = compile_network(
        engine.design, case.model, case.network, case.formats(engine.design), ("depth",) * 2, depth=2
    )
    frames, _ = run_frames(engine, program, case.model.spec, case.images)
    for frame, full in zip(frames, whole, strict=True):
        assert full.blocks is not None and np.array_equal(frame.tokens, full.blocks[1])


def test_more_frames_than_the_memories_hold_are_refused() -> None:
    case, design = random_case(seed=40), small_design(frames_per_pass=2)
    with pytest.raises(CapacityError, match="3 frames of task 'depth' are to share a pass") as error:
        compile_groups(design, case.model, case.network, case.formats(design), [FrameGroup({"depth": None}, 3)])
    assert "raise the knob frames_per_pass to 3" in error.value.hint


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"frames_per_pass": 0}, "knob 'frames_per_pass' is 0, outside its range of 1 to 16"),
        ({"frames_per_pass": 16, "max_tokens": 2048}, r"frames_per_pass is 16 and max_tokens 2048: .* 32,768 rows"),
    ],
)
def test_numbers_of_frames_that_cannot_be_get_a_sentence(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(KnobError, match=message):
        make_design(Knobs(**knobs), load_board("zcu104"))
