"""The float reference against an independent float64 computation of the authors' network, for every router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import ImageError, SpecError
from edgemoe_gen.model import Reference, allowed_experts, decode, load_model, router_tensors
from tests.factory import make_state, options, save_state
from tests.model.oracle import Oracle, layer_norm, softmax

pytest.importorskip("torch")

SIZES = {"dim": 32, "depth": 4, "experts": 4, "image": (32, 64), "patch": 8}
THREE = {"semseg": 5, "human_parts": 3, "depth": 1}


def image_for(size: tuple[int, int], seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random((3, *size), dtype=np.float32)


# Sizes of tensors, then what is said besides.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "multi": ({}, {}),
    "multi noisy": ({"gate_type": "noisy"}, {}),
    "multi input ahead": ({}, {"input_ahead": True}),
    "multi pruned": ({"experts": 8}, {"expert_prune": True, "top_k": 4}),
    "single": ({"router": "single"}, {}),
    "single noisy pruned": ({"router": "single", "gate_type": "noisy"}, {"expert_prune": True, "top_k": 3}),
    "task conditioned": ({"router": "task_conditioned"}, {}),
    "task conditioned ahead": ({"router": "task_conditioned", "tasks": THREE}, {"input_ahead": True}),
    "task conditioned noisy": ({"router": "task_conditioned", "gate_type": "noisy"}, {"top_k": 3}),
    "experts a task": ({"router": "single", "experts": 8}, {"experts_per_task": 4}),
    "experts a task, cut off": (
        {"router": "single", "experts": 8, "tasks": THREE},
        {"experts_per_task": 6, "top_k": 2},
    ),
    "no experts": ({"router": "none"}, {}),
    "all experts": ({}, {"top_k": 4}),
    "one expert of each": ({"expert_hidden": 8}, {"top_k": 1}),
    "other sizes": ({"dim": 24, "depth": 5, "patch": 4, "image": (12, 20), "mlp_ratio": 3.0}, {"heads": 3}),
    "one task": ({"tasks": {"depth": 1}}, {}),
}


def oracle_for(state: dict[str, Any], sizes: dict[str, Any], said: dict[str, Any]) -> Oracle:
    return Oracle(
        state,
        heads=said.get("heads", 2),
        top_k=said.get("top_k", 2),
        gate_type=sizes.get("gate_type", "noisy_vmoe"),
        tasks=tuple(sizes.get("tasks", {"semseg": 5, "depth": 1})),
        **{key: said[key] for key in ("input_ahead", "expert_prune", "experts_per_task") if key in said},
    )


@pytest.mark.parametrize("name", CASES)
def test_reference_agrees_with_the_authors_network(name: str, tmp_path: Path) -> None:
    own, said = CASES[name]
    sizes: dict[str, Any] = SIZES | own
    state = make_state(**sizes, seed=3)
    router = sizes.get("router", "multi")
    model = load_model(
        save_state(tmp_path / "m.pth", state), options=options(image=sizes["image"], router=router, **said)
    )
    reference = Reference(model)
    for task in model.spec.task_names:
        oracle = oracle_for(state, sizes, said)
        image = image_for(sizes["image"])
        blocks = oracle.tokens(image, task)
        result = reference.run(image, task)
        # Float32 products of at most a few hundred terms of size one, through a few blocks.
        np.testing.assert_allclose(result.blocks, np.stack(blocks), atol=1e-4)
        np.testing.assert_array_equal(result.tokens, result.blocks[-1])
        if router == "none":
            assert result.routes is None
        else:
            assert result.routes is not None
            # Meaningless if two experts were closer than float32 can tell; the seed is one where none are.
            assert min(oracle.margins) > 1e-5
            np.testing.assert_array_equal(result.routes.experts, np.stack(oracle.routes))
            np.testing.assert_allclose(result.routes.scores, np.stack(oracle.scores), atol=1e-5)
        assert result.output is not None
        wanted = oracle.decode(blocks[-1], task, sizes["image"], sizes["patch"])
        np.testing.assert_allclose(result.output, wanted, atol=1e-4)


def test_pruned_scores_are_zero_and_not_renormalised(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state(experts=8, seed=1))
    image = image_for((32, 64))
    plain = Reference(load_model(path, options=options(top_k=4))).run(image, "depth").routes
    pruned = Reference(load_model(path, options=options(top_k=4, expert_prune=True))).run(image, "depth").routes
    assert plain is not None and pruned is not None
    first, kept = plain.scores[0], pruned.scores[0]
    assert (first <= 0.1).any() and (first > 0.1).any()
    np.testing.assert_array_equal(kept, np.where(first > 0.1, first, 0))


def test_forcing_its_own_routes_changes_nothing(tmp_path: Path) -> None:
    reference = Reference(load_model(save_state(tmp_path / "m.pth", make_state()), options=options()))
    image = image_for((32, 64))
    free = reference.run(image, "semseg")
    assert free.routes is not None
    forced = reference.run(image, "semseg", routes=free.routes.experts)
    np.testing.assert_array_equal(forced.blocks, free.blocks)


@pytest.mark.parametrize("gate_type", ["noisy_vmoe", "noisy"])
def test_forced_experts_get_the_gates_probabilities(gate_type: str, tmp_path: Path) -> None:
    state = make_state(gate_type=gate_type)
    reference = Reference(load_model(save_state(tmp_path / "m.pth", state), options=options()))
    rng = np.random.default_rng(0)
    routes = np.stack([[rng.permutation(4)[:2] for _ in range(33)] for _ in range(2)])
    seen: dict[str, Any] = {}
    result = reference.run(image_for((32, 64)), "depth", routes=routes, observe=seen.__setitem__)
    assert result.routes is not None
    np.testing.assert_array_equal(result.routes.experts, routes)
    logits = seen["blocks.1.logits"].astype(np.float64)
    rows = np.arange(33)[:, None]
    wanted = softmax(logits)[rows, routes[0]] if gate_type == "noisy_vmoe" else softmax(logits[rows, routes[0]])
    np.testing.assert_allclose(result.routes.scores[0], wanted, atol=1e-6)


@pytest.mark.parametrize("routes", [np.zeros((2, 33, 3), int), np.full((2, 33, 2), 4), np.full((2, 33, 2), -1)])
def test_impossible_routes_are_refused(routes: Any, tmp_path: Path) -> None:
    reference = Reference(load_model(save_state(tmp_path / "m.pth", make_state()), options=options()))
    with pytest.raises(SpecError, match="forced routes"):
        reference.run(image_for((32, 64)), "depth", routes=routes)


def test_observer_sees_every_value_and_they_fit_together(tmp_path: Path) -> None:
    state = make_state()
    model = load_model(save_state(tmp_path / "m.pth", state), options=options())
    seen: dict[str, Any] = {}
    result = Reference(model).run(image_for((32, 64)), "depth", observe=seen.__setitem__)
    common = ["norm1", "q", "k", "v", "scores", "attention", "middle", "norm2", "hidden", "activated", "mlp", "output"]
    wanted = {"patch_embed", "embed"} | {f"blocks.{i}.{part}" for i in range(4) for part in common}
    decoder = {f"decoders.depth.{part}" for part in ("norm", "conv_0", "conv_1", "conv_2", "conv_3", "logits")}
    assert set(seen) == wanted | {"blocks.1.logits", "blocks.3.logits"} | decoder
    shapes = {name: value.shape for name, value in seen.items()}
    assert shapes["patch_embed"] == (32, 32) and shapes["embed"] == (33, 32)
    assert shapes["blocks.0.q"] == (2, 33, 16) and shapes["blocks.0.scores"] == (2, 33, 33)
    assert shapes["blocks.0.hidden"] == (33, 128) and shapes["blocks.1.hidden"] == (66, 64)
    assert shapes["blocks.1.mlp"] == (66, 32) and shapes["blocks.1.logits"] == (33, 4)
    # Norms are seen before their affine part: mean 0, variance 1 (short of the epsilon).
    np.testing.assert_allclose(seen["blocks.2.norm1"].mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(seen["blocks.2.norm1"].std(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(
        seen["blocks.1.norm1"],
        layer_norm(seen["blocks.0.output"].astype(np.float64), np.ones(1), np.zeros(1)),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        seen["blocks.0.scores"], seen["blocks.0.q"] @ seen["blocks.0.k"].swapaxes(1, 2) / 4, atol=1e-4
    )
    np.testing.assert_allclose(seen["blocks.0.middle"], seen["embed"] + seen["blocks.0.attention"], atol=1e-5)
    np.testing.assert_allclose(seen["blocks.0.output"], seen["blocks.0.middle"] + seen["blocks.0.mlp"], atol=1e-5)
    np.testing.assert_array_equal(seen["blocks.3.output"], result.tokens)


def test_observing_changes_no_bit(tmp_path: Path) -> None:
    model = load_model(save_state(tmp_path / "m.pth", make_state()), options=options())
    image = image_for((32, 64))
    quiet = Reference(model).run(image, "depth")
    seen = Reference(model).run(image, "depth", observe=lambda *_: None)
    np.testing.assert_array_equal(quiet.blocks, seen.blocks)


def test_decoder_can_be_left_out_and_run_later(tmp_path: Path) -> None:
    model = load_model(save_state(tmp_path / "m.pth", make_state()), options=options())
    image = image_for((32, 64))
    full = Reference(model).run(image, "semseg")
    bare = Reference(model).run(image, "semseg", with_output=False)
    assert bare.output is None and full.output is not None and full.output.shape == (5, 32, 64)
    np.testing.assert_array_equal(decode(model, bare.tokens, "semseg"), full.output)


@pytest.mark.parametrize("image", [np.zeros((3, 32, 32)), np.zeros((32, 64, 3)), np.full((3, 32, 64), np.nan)])
def test_unfit_inputs_are_refused(image: Any, tmp_path: Path) -> None:
    reference = Reference(load_model(save_state(tmp_path / "m.pth", make_state()), options=options()))
    with pytest.raises(ImageError):
        reference.run(image, "depth")


def test_unknown_task_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    model = load_model(save_state(tmp_path / "m.pth", make_state()), options=options())
    with pytest.raises(SpecError, match="normals") as caught:
        Reference(model).run(image_for((32, 64)), "normals")
    assert "semseg, depth" in caught.value.hint


@pytest.mark.parametrize("router", ["multi", "single", "task_conditioned"])
def test_router_tensors_give_the_logits(router: str, tmp_path: Path) -> None:
    model = load_model(save_state(tmp_path / "m.pth", make_state(router=router)), options=options(router=router))
    for task in model.spec.task_names:
        seen: dict[str, Any] = {}
        Reference(model).run(image_for((32, 64)), task, observe=seen.__setitem__)
        weight, bias = router_tensors(model, 3, task)
        assert weight.shape == (32, 4) and bias.shape == (4,) and bias.dtype == np.float32
        assert bool(bias.any()) == (router == "task_conditioned")
        affine = {part: model.backbone[f"blocks.3.norm2.{part}"] for part in ("weight", "bias")}
        gate_input = seen["blocks.3.norm2"] * affine["weight"] + affine["bias"]
        np.testing.assert_allclose(gate_input @ weight + bias, seen["blocks.3.logits"], atol=1e-4)


def test_allowed_experts_are_the_authors_windows(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state(router="single", experts=8, tasks=THREE))
    model = load_model(path, options=options(router="single", experts_per_task=6))
    # Starts 0, 0 + int(1 * 2 / 2) = 1, 1 + int(2 * 2 / 2) = 3; six experts each, cut off at 8.
    windows = [np.flatnonzero(allowed_experts(model, 1, task)).tolist() for task in THREE]
    assert windows == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7]]
    free = load_model(path, options=options(router="single"))
    assert allowed_experts(free, 1, "depth").all()


def test_align_corners_reaches_the_decoder(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state())
    tokens = np.random.default_rng(0).standard_normal((33, 32)).astype(np.float32)
    plain = decode(load_model(path, options=options()), tokens, "semseg")
    aligned = decode(load_model(path, options=options(align_corners=True)), tokens, "semseg")
    assert plain is not None and aligned is not None and np.abs(plain - aligned).max() > 1e-2


@pytest.mark.parametrize("class_token", [True, False])
def test_plain_vit_gives_the_logits_of_its_head(class_token: bool, tmp_path: Path) -> None:
    state = make_state(router="none", head_classes=10, class_token=class_token)
    path = save_state(tmp_path / "vit.pth", state, prefix="", wrap="model")
    model = load_model(path, options=options(router="none"))
    assert model.spec.task_names == ("default",) and model.spec.tasks[0].classes == 10
    image = image_for((32, 64))
    last = Oracle(state, heads=2, tasks=("default",)).tokens(image, "default")[-1]
    normal = layer_norm(last, state["norm.weight"], state["norm.bias"])
    pooled = normal[0] if class_token else normal.mean(axis=0)
    result = Reference(model).run(image, "default")
    assert result.output is not None
    np.testing.assert_allclose(result.output, state["head.weight"] @ pooled + state["head.bias"], atol=1e-4)
