"""Folding and evening out leave the network's function as it was: float64 against the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.model import Reference, allowed_experts
from edgemoe_gen.numerics.lower import MAX_SHIFT, Linear, LoweredNetwork, equalise, lower
from edgemoe_gen.numerics.tables import gelu
from edgemoe_gen.program.compile import to_patches
from tests.sim.engines import Case, random_case

pytest.importorskip("torch")
Array = NDArray[np.float64]

NETWORKS: dict[str, dict[str, Any]] = {
    "multi": {"seed": 80},
    "single": {"seed": 81, "router": "single", "experts": 5, "top_k": 3},
    "task conditioned": {"seed": 82, "router": "task_conditioned"},
    "gate reads the block's input": {"seed": 83, "said": (("input_ahead", True),)},
    "softmax behind top-k": {"seed": 84, "gate_type": "noisy", "said": (("gate_type", "noisy"),)},
    "pruned": {"seed": 85, "experts": 8, "top_k": 4, "said": (("expert_prune", True),)},
    "no experts": {"seed": 86, "router": "none", "head_classes": 4},
    "no class token": {"seed": 87, "class_token": False},
    "registers and LayerScale": {"seed": 88, "registers": 3, "positions": "class", "layer_scale": "ls"},
}  # fmt: skip


def apply(linear: Linear, x: Array) -> Array:
    return x @ linear.weight.T + (0 if linear.bias is None else linear.bias)


def norm(x: Array, eps: float, shifts: NDArray[np.int64]) -> Array:
    centred = x - x.mean(1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(1, keepdims=True) + eps) * 2.0**-shifts)


def softmax2(scores: Array) -> Array:
    """Softmax of base-2 logarithms."""
    terms = np.exp2(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(terms / terms.sum(axis=-1, keepdims=True))


def evaluate(case: Case, network: LoweredNetwork, image: NDArray[np.float32], task: str) -> list[Array]:
    """Every block's output by the folded layers alone, as the engine computes them but in float64."""
    spec = network.spec
    router, width = spec.router, spec.head_dim
    x = network.position + apply(network.patch, to_patches(image, spec))
    outputs = []
    for block in network.blocks:
        before = x
        normal = norm(x, spec.norm_eps, block.shifts1)
        query, key, value = (apply(part, normal) for part in (block.query, block.key, block.value))
        heads = [slice(h * width, (h + 1) * width) for h in range(spec.heads)]
        mixed = np.concatenate([softmax2(query[:, h] @ key[:, h].T) @ value[:, h] for h in heads], axis=1)
        x = x + apply(block.projection, mixed)
        normal = norm(x, spec.norm_eps, block.shifts2)
        if not block.routers:
            up, down = block.mlp[0]
            x = x + apply(down, gelu(apply(up, normal)))
        else:
            logits = apply(block.routers[spec.task_index(task)], before if router.input_ahead else normal)
            logits = np.where(allowed_experts(case.model, block.index, task), logits, -np.inf)
            chosen = np.argsort(-logits, axis=1)[:, : router.top_k]
            of_all = np.take_along_axis(softmax2(logits), chosen, axis=1)
            behind = softmax2(np.take_along_axis(logits, chosen, axis=1))
            scores = of_all if router.gate_type == "noisy_vmoe" else behind
            scores = np.where(scores > router.score_threshold, scores, 0.0)
            added = np.zeros_like(x)
            for token, (experts, weights) in enumerate(zip(chosen, scores, strict=True)):
                for expert, score in zip(experts, weights, strict=True):
                    up, down = block.mlp[expert]
                    added[token] += score * apply(down, gelu(apply(up, normal[token : token + 1])))[0]
            x = x + added
        outputs.append(x)
    return outputs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_folded_network_is_the_reference(name: str) -> None:
    # The reference computes in float32: 2^-24 relative a step, and some hundred steps deep.
    case = random_case(**NETWORKS[name])
    for task in case.model.spec.task_names:
        wanted = Reference(case.model).run(case.images[0], task, with_output=False).blocks
        got = evaluate(case, lower(case.model), case.images[0], task)
        np.testing.assert_allclose(np.stack(got), wanted, atol=2e-5 * float(np.abs(wanted).max()))


def with_outliers(case: Case) -> LoweredNetwork:
    """The folded network with three features' readers scaled down, as training makes them for outliers."""
    network = lower(case.model)
    scale = np.ones(case.model.spec.dim)
    scale[[1, 7, 20]] = 2.0**-5.3
    for block in network.blocks:
        for linear in (block.query, block.key, block.value, *(up for up, _ in block.mlp), *block.routers):
            linear.weight[...] *= scale
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_evening_out_features_keeps_the_function(name: str) -> None:
    case = random_case(**NETWORKS[name])
    spec = case.model.spec
    network = with_outliers(case)
    largest = {}
    for i in range(spec.depth):
        for part in ("norm1", "norm2"):
            columns = np.ones(spec.dim)
            columns[[1, 7, 20]] = 40.0
            largest[f"blocks.{i}.{part}"] = columns
    even = equalise(network, largest)
    gated = spec.router.input_ahead and spec.moe_blocks
    assert all(block.shifts1.max() > 0 for block in even.blocks)
    assert all(block.shifts2.max() > 0 for block in even.blocks if not (gated and block.routers))
    for task in spec.task_names[:1]:
        before = evaluate(case, network, case.images[0], task)
        after = evaluate(case, even, case.images[0], task)
        # Shifts are powers of two, so only sums in another order differ: float64's 2^-53, some hundred steps deep.
        np.testing.assert_allclose(np.stack(after), np.stack(before), atol=1e-11 * float(np.abs(before[-1]).max()))


def test_no_weight_exceeds_its_tensor_s_largest_after_evening_out() -> None:
    case = random_case(seed=80)
    before = with_outliers(case)
    even = equalise(before, {name: o.columns * 2.0 for name, o in case.seen.items()})
    for old, new in zip(before.blocks, even.blocks, strict=True):
        for part in ("query", "key", "value"):
            assert np.abs(getattr(new, part).weight).max() == np.abs(getattr(old, part).weight).max()
        assert new.shifts1.min() >= 0 and new.shifts1.max() <= MAX_SHIFT


def test_the_scale_of_scores_is_in_the_queries() -> None:
    case = random_case(seed=86, router="none", head_classes=4)
    network = lower(case.model)
    qkv = case.model.backbone["blocks.0.attn.qkv.weight"].astype(np.float64)
    gain = case.model.backbone["blocks.0.norm1.weight"].astype(np.float64)
    dim, width = case.model.spec.dim, case.model.spec.head_dim
    expected = qkv[:dim] * gain / math.sqrt(width) / math.log(2)
    np.testing.assert_allclose(network.blocks[0].query.weight, expected, rtol=1e-14)
    assert network.patch.bias is None
