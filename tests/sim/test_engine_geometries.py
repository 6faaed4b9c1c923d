"""The same networks on designs of other shapes and widths, and cut in slices where a memory is small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemoe_gen.numerics.lower import LOG2_E
from edgemoe_gen.sim.engine import Engine
from tests.sim.engines import Case, calibrated, check_against_float, compiled, random_case, run_case, small_design

pytest.importorskip("torch")

# Each knob has every one of its tested values in one design or another.
GEOMETRIES: dict[str, dict[str, Any]] = {
    "1 token, 24 x 8, 8-bit weights": {
        "tokens_parallel": 1, "out_parallel": 24, "in_parallel": 8, "weight_ports": 1, "weight_bits": 8,
        "max_query": 120, "max_cache": 240, "max_hidden": 192,
    },
    "3 tokens, 16 x 8, 12-bit weights, 3 ports": {
        "tokens_parallel": 3, "out_parallel": 16, "in_parallel": 8, "weight_ports": 3, "weight_bits": 12,
        "max_query": 80, "max_cache": 160, "max_hidden": 192,
    },
    "4 tokens, 32 x 16, 16-bit activations": {
        "tokens_parallel": 4, "out_parallel": 32, "in_parallel": 16, "weight_ports": 4, "activation_bits": 16,
        "max_query": 160, "max_cache": 320, "max_hidden": 192,
    },
    "2 tokens, 8 x 4, 64-bit port, 12-bit activations": {
        "tokens_parallel": 2, "out_parallel": 8, "in_parallel": 4, "weight_ports": 3, "port_bits": 64,
        "activation_bits": 12, "residual_tail_bits": 4,
    },
    "6-bit experts beside 16-bit weights, one part a tile": {
        "tokens_parallel": 3, "weight_ports": 4, "fill_beats": 2, "expert_weight_bits": 6,
    },
    "8-bit attention and dense MLPs beside 16-bit experts": {
        "tokens_parallel": 3, "weight_ports": 4, "fill_beats": 2, "attention_weight_bits": 8, "mlp_weight_bits": 8,
    },
    "20-bit activations, 16-bit keys and values": {"activation_bits": 20, "cache_bits": 16},
    "11-bit keys and values": {"tokens_parallel": 3, "cache_bits": 11},
    "no tail": {"residual_tail_bits": 0},
}  # fmt: skip


# The first of them in every run; each compiles a design of its own.
@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] if place else []) for place, name in enumerate(GEOMETRIES)],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    return compiled(small_design(**GEOMETRIES[request.param]))


@pytest.mark.parametrize(
    "sizes",
    [
        {"seed": 20},
        {"seed": 21, "dim": 40, "heads": 5, "experts": 5, "router": "task_conditioned", "top_k": 3},
        {"seed": 22, "image": (16, 32), "class_token": False, "router": "single"},
    ],
    ids=["33 tokens", "heads of 8, odd sizes", "8 tokens"],
)
def test_networks_are_right_on_every_geometry(engine: Engine, sizes: dict[str, Any]) -> None:
    check_against_float(run_case(engine, random_case(**sizes)))


def test_wider_numbers_are_more_exact() -> None:
    case = random_case(seed=23, depth=2)
    errors = []
    for activation_bits, weight_bits in ((12, 16), (18, 8), (18, 16)):
        engine = compiled(small_design(activation_bits=activation_bits, weight_bits=weight_bits))
        errors.append(check_against_float(run_case(engine, case)))
    assert errors[2] < errors[0] / 8 and errors[2] < errors[1] / 8


# Tokens outnumber all columns here, so that rows of scores are what the hidden memory limits.
MANY_TOKENS: dict[str, Any] = {
    "image": (40, 52), "patch": 4, "dim": 16, "mlp_ratio": 2.0, "expert_hidden": 24, "heads": 4, "depth": 2,
}  # fmt: skip
TOKENS = 131


def many_tokens() -> Case:
    case = random_case(seed=24, **MANY_TOKENS)
    assert case.model.spec.tokens == TOKENS
    return case


def passes(engine: Engine, case: Case) -> int:
    """Products with keys that a frame takes: one a head where everything fits."""
    program = run_case(engine, case, case.model.spec.task_names[:1]).program
    return sum(op.keys > 0 for op in program.operations) // 2


@pytest.mark.slow
def test_heads_and_rows_of_scores_in_passes_give_the_same_bits() -> None:
    case = many_tokens()
    sizes = {"max_tokens": TOKENS, "max_dim": 16, "max_query": 32, "max_experts": 4}
    whole = compiled(small_design(**sizes, max_cache=64, max_hidden=136))
    cut = compiled(small_design(**sizes, max_cache=16, max_hidden=48))
    assert passes(whole, case) == 2 * 4
    assert passes(cut, case) > 2 * passes(whole, case)
    expected, got = run_case(whole, case), run_case(cut, case)
    check_against_float(got)
    for a, b in zip(expected.frames, got.frames, strict=True):
        assert np.array_equal(a.tokens, b.tokens)
        assert np.array_equal(a.blocks, b.blocks)  # type: ignore[arg-type]
        assert np.array_equal(a.scores, b.scores)  # type: ignore[arg-type]


@pytest.mark.slow
def test_hidden_features_in_slices_differ_by_rounding_only() -> None:
    # Every slice adds to the tokens, which rounds them once more; one further rounding of the finest steps a slice.
    case = random_case(seed=25)
    whole = run_case(compiled(small_design()), case)
    cut = run_case(compiled(small_design(max_hidden=32, max_cache=32)), case)
    assert len(cut.program.operations) > 1.5 * len(whole.program.operations)
    check_against_float(cut)
    for a, b in zip(whole.frames, cut.frames, strict=True):
        assert np.array_equal(a.experts, b.experts)  # type: ignore[arg-type]
        assert np.sqrt(np.mean((a.tokens - b.tokens) ** 2)) <= whole.bound / 2 * a.tokens.std()


def test_a_row_of_equal_scores_takes_the_mean_of_values() -> None:
    # Without queries all scores are 0: attention is the mean over all tokens, whatever they are.
    case = random_case(seed=26, depth=1, router="none", head_classes=3)
    for name in ("weight", "bias"):
        case.model.backbone[f"blocks.0.attn.qkv.{name}"][:32] = 0
    flat = calibrated(case.model, case.images)
    outcome = run_case(compiled(small_design()), flat, case.model.spec.task_names[:1])
    check_against_float(outcome)
    assert all(flat.seen[f"blocks.0.scores.{head}"].largest * LOG2_E == 0 for head in range(2))
