"""Networks of random weights for timing: balanced routers prefer no expert on the mean of the tokens."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.model import BlockSpec, ImageSpec, ModelSpec, Reference, RouterSpec, TaskSpec
from edgemoe_gen.model.random import random_model, random_picture

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from engine_parts.networks import balanced_model, route_counts

SPEC = ModelSpec(
    image=ImageSpec.named(64, 128, "unit256"),
    patch=8,
    dim=32,
    heads=2,
    blocks=tuple(BlockSpec(i, 8 * (i % 2), 64) for i in range(4)),
    router=RouterSpec("multi", top_k=2),
    tasks=(TaskSpec("semseg"), TaskSpec("depth")),
    tokens=129,
    class_token=True,
)
ROUTERS = (
    RouterSpec("multi", top_k=2),
    RouterSpec("single", top_k=2, input_ahead=True),
    RouterSpec("single", gate_type="noisy", top_k=3),
)


def logits(spec: ModelSpec, task: str, balanced: bool) -> list[NDArray[np.float32]]:
    model = balanced_model(spec) if balanced else random_model(spec)
    seen: list[NDArray[np.float32]] = []

    def observe(name: str, values: NDArray[np.float32]) -> None:
        if name.endswith(".logits"):
            seen.append(values)

    Reference(model).run(random_picture(spec), task, observe=observe, with_output=False)
    return seen


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: router.kind + router.gate_type)
@pytest.mark.parametrize("task", SPEC.task_names)
def test_balanced_routers_make_nothing_of_the_mean_token(router: RouterSpec, task: str) -> None:
    spec = replace(SPEC, router=router)
    for values, before in zip(logits(spec, task, True), logits(spec, task, False), strict=True):
        # Float32 sums of 32 products, and a mean of 129: far below a thousandth of the logits' size.
        assert np.abs(values.mean(axis=0)).max() < 1e-3 * values.std()
        assert np.abs(before.mean(axis=0)).max() > 1e-2 * before.std()


def test_tokens_are_spread_more_evenly_than_by_random_routers() -> None:
    picture = random_picture(SPEC)

    def spread(balanced: bool) -> float:
        model = balanced_model(SPEC) if balanced else random_model(SPEC)
        return float(
            np.mean([counts.std() for task in SPEC.task_names for counts in route_counts(model, picture, task)])
        )

    assert spread(balanced=True) < 0.8 * spread(balanced=False)


def test_every_token_takes_its_experts() -> None:
    counts = route_counts(balanced_model(SPEC), random_picture(SPEC), "depth")
    assert [block.sum() for block in counts] == [129 * 2] * 2
    assert all(len(block) == 8 for block in counts)


def test_a_network_without_experts_has_no_counts() -> None:
    blocks = tuple(replace(block, experts=0) for block in SPEC.blocks)
    spec = replace(SPEC, blocks=blocks, router=RouterSpec("none"))
    assert route_counts(balanced_model(spec), random_picture(spec), "depth") == []
