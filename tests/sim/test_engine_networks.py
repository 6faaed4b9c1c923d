"""Networks of every kind on one design, each against the float reference with its routes forced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemoe_gen.design.sizes import MIN_ROWS
from edgemoe_gen.model import Reference
from edgemoe_gen.model.spec import PRUNE_THRESHOLD
from edgemoe_gen.sim.engine import Engine
from tests.sim.engines import NO_ROUTER, check_against_float, compiled, random_case, run_case, small_design

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return compiled(small_design())


@pytest.mark.parametrize("gate_type", ["noisy_vmoe", "noisy"])
@pytest.mark.parametrize("router", ["single", "multi", "task_conditioned"])
@pytest.mark.parametrize("input_ahead", [False, True])
def test_every_router_gives_the_reference_s_tokens(
    engine: Engine, router: str, gate_type: str, input_ahead: bool
) -> None:
    said = (("gate_type", gate_type), ("input_ahead", input_ahead))
    case = random_case(router=router, gate_type=gate_type, said=said, seed=2)
    assert (case.model.spec.router.kind, case.model.spec.router.gate_type) == (router, gate_type)
    check_against_float(run_case(engine, case))


@pytest.mark.parametrize("gate_type", ["noisy_vmoe", "noisy"])
@pytest.mark.parametrize("top_k", [1, 2, 3, 4])
def test_any_number_of_experts_a_token(engine: Engine, top_k: int, gate_type: str) -> None:
    case = random_case(experts=7, top_k=top_k, gate_type=gate_type, said=(("gate_type", gate_type),), depth=2)
    outcome = run_case(engine, case)
    check_against_float(outcome)
    for frame in outcome.frames:
        assert frame.experts is not None and frame.scores is not None
        assert frame.experts.shape[-1] == top_k
        assert all(len(set(row)) == top_k for row in frame.experts.reshape(-1, top_k))
        assert (np.diff(frame.scores) <= 0).all()
        if gate_type == "noisy":
            # Each score is rounded to 2^-17, and their common reciprocal is right to about 2^-16.
            assert np.abs(frame.scores.sum(axis=-1) - 1).max() <= 2.0**-15


def test_pruned_experts_have_a_score_of_zero(engine: Engine) -> None:
    case = random_case(experts=8, top_k=4, said=(("expert_prune", True),), seed=3)
    outcome = run_case(engine, case)
    check_against_float(outcome)
    for frame in outcome.frames:
        assert frame.scores is not None
        kept = frame.scores[frame.scores > 0]
        assert 0 < kept.size < frame.scores.size
        assert kept.min() > PRUNE_THRESHOLD - 2.0**-17


def test_a_task_keeps_to_its_window_of_experts(engine: Engine) -> None:
    case = random_case(router="single", experts=6, said=(("experts_per_task", 3),), seed=4)
    outcome = run_case(engine, case)
    check_against_float(outcome)
    first, last = (frame.experts for frame in outcome.frames)
    assert first is not None and last is not None
    assert first.max() <= 2 and last.min() >= 3


def test_as_many_experts_as_the_design_holds(engine: Engine) -> None:
    check_against_float(run_case(engine, random_case(experts=16, expert_hidden=24, depth=2, seed=5)))


def test_experts_in_even_blocks(engine: Engine) -> None:
    case = random_case(swap_blocks=True, seed=6)
    assert case.model.spec.moe_blocks == (0, 2)
    check_against_float(run_case(engine, case))


@pytest.mark.parametrize("class_token", [True, False])
def test_a_plain_vision_transformer(engine: Engine, class_token: bool) -> None:
    case = random_case(router="none", head_classes=10, class_token=class_token, seed=7)
    assert case.model.spec.tokens == 32 + class_token
    outcome = run_case(engine, case, tasks=case.model.spec.task_names[:1])
    assert outcome.frames[0].experts is None
    check_against_float(outcome)
    # An engine without a router gives the same bytes.
    without = run_case(compiled(small_design(**NO_ROUTER)), case, tasks=case.model.spec.task_names[:1])
    assert without.program.operations == outcome.program.operations and without.traffic == outcome.traffic
    for one, other in zip(without.frames, outcome.frames, strict=True):
        assert one.blocks is not None and other.blocks is not None
        assert np.array_equal(one.tokens, other.tokens) and np.array_equal(one.blocks, other.blocks)


@pytest.mark.parametrize(
    "sizes",
    [
        {"registers": 4, "positions": "class", "layer_scale": "ls"},
        {"router": "none", "head_classes": 10, "distilled": True, "layer_scale": "gamma", "split_bias": True},
    ],
    ids=["registers", "distilled"],
)
def test_tokens_before_the_patches(engine: Engine, sizes: dict[str, Any]) -> None:
    case = random_case(image=(16, 64), seed=10, **sizes)
    assert case.model.spec.prefix_tokens == case.model.spec.tokens - 16 > 1
    check_against_float(run_case(engine, case, tasks=case.model.spec.task_names[:2]))


ODD: dict[str, dict[str, Any]] = {
    "dim of 40 in five heads of 8": {"dim": 40, "heads": 5},
    "heads of 5, no multiple of the parallelism": {"dim": 40, "heads": 8, "depth": 2},
    "dim of 44, no multiple of a word": {"dim": 44, "heads": 4, "depth": 2},
    "one head": {"heads": 1, "depth": 2},
    "expert hidden of 37": {"expert_hidden": 37, "depth": 2},
    "fewer tokens than a row of scores needs": {"image": (16, 32)},
    "one patch and a class token": {"image": (8, 8), "depth": 2},
    "a single token": {"image": (8, 8), "class_token": False, "depth": 2},
    "small patches": {"image": (20, 24), "patch": 4, "depth": 2},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sizes(engine: Engine, name: str) -> None:
    case = random_case(seed=8, **ODD[name])
    if "fewer" in name:
        assert case.model.spec.tokens < MIN_ROWS
    check_against_float(run_case(engine, case))


def test_routes_of_a_free_float_run_are_found_again(engine: Engine) -> None:
    # Depth 2 has a single layer of experts, the last one: what it chooses can't be moved by another choice.
    case = random_case(depth=2, seed=9)
    outcome = run_case(engine, case)
    reference = Reference(case.model)
    for frame, image in zip(outcome.frames, case.images, strict=True):
        free = reference.run(image, frame.task, with_output=False).routes
        assert free is not None and frame.experts is not None
        same = (np.sort(frame.experts) == np.sort(free.experts)).all(-1)
        assert same.sum() >= same.size - 1
