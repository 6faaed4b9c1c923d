"""Whole networks with narrow weights rounded together: what stays as it was, and what a program makes of the rest."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from edgemoe_gen.model import Reference
from edgemoe_gen.numerics.calibrate import Calibrated, as_arrays, calibrate, restored, rounded_of
from edgemoe_gen.numerics.decoder import evaluate
from edgemoe_gen.numerics.fixed import dequantise, quantise
from edgemoe_gen.numerics.formats import evened
from edgemoe_gen.numerics.forward import Forward, Saturation
from edgemoe_gen.numerics.forward_decoder import decode
from edgemoe_gen.numerics.layers import layers_of, weight_name, with_layers
from edgemoe_gen.numerics.maps import doubled_sixteenths
from edgemoe_gen.numerics.narrow_errors import measure_narrow
from edgemoe_gen.numerics.narrow_norms import even_for_narrow
from edgemoe_gen.numerics.widths import WEIGHT_KINDS, Widths
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.program.rounded import round_linear
from tests.numerics.decoded import decoded_case
from tests.sim.engines import Case, random_case, small_design

TASKS = ("semseg", "depth")


@cache
def case() -> Case:
    """A network with a block of dense MLP and one with experts, and six pictures."""
    return random_case(6, seed=4)


@cache
def rounded(attention: int = 0, experts: int = 0, weight: int = 8) -> Calibrated:
    """It with weights of these widths."""
    c = case()
    widths = Widths(18, weight, attention=attention, experts=experts)
    return calibrate(c.model, c.seen, widths, None, c.images, c.model.spec.task_names)


def final_tokens(network: Any, pictures: Any, tasks: Any, routes: Any = None) -> Any:
    """Tokens and routes of the folded network in float."""
    forward = Forward(network, tasks)
    x, taken = forward.embed(pictures), []
    for place in range(len(network.blocks)):
        x, ids = forward.block(place, x, None if routes is None else routes[place])
        taken.append(ids)
    return x, taken


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"router": "single"},
        {"router": "task_conditioned"},
        {"gate_type": "noisy", "said": (("gate_type", "noisy"),)},
        {"said": (("expert_prune", True),)},
        {"said": (("input_ahead", True),)},
    ],
    ids=str,
)
def test_the_folded_network_runs_as_the_float_reference_does(said: dict[str, Any]) -> None:
    c = random_case(2, seed=6, **said)
    names = c.model.spec.task_names
    tasks = (names[0], names[-1])
    tokens, routes = final_tokens(c.network, c.images, tasks)
    for place, task in enumerate(tasks):
        wanted = Reference(c.model).run(c.images[place], task, with_output=False)
        mine = slice(place * c.model.spec.tokens, (place + 1) * c.model.spec.tokens)
        assert np.abs(tokens[mine].numpy() - wanted.tokens).max() <= 1e-4 * np.abs(wanted.tokens).max()
        assert wanted.routes is not None
        taken = np.stack([ids[mine].numpy() for ids in routes if ids is not None])
        assert np.array_equal(np.sort(taken), np.sort(wanted.routes.experts))


def test_weights_of_16_bits_stay_as_they_are_to_the_bit() -> None:
    """The digest is of the program of the very network as nothing but ranges made it."""
    c = case()
    found = calibrate(c.model, c.seen, Widths(18, 16), None, c.images, c.model.spec.task_names)
    assert not found.layers and not as_arrays(found)
    design = small_design()
    digests = [
        hashlib.sha256(program.weights.tobytes() + program.constants.tobytes()).hexdigest()
        for program in (
            compile_network(design, c.model, found.network, found.formats, TASKS),
            compile_network(design, c.model, c.network, c.formats(design), TASKS),
        )
    ]
    assert digests[0] == digests[1]


def test_kinds_that_are_not_narrow_keep_their_weights() -> None:
    found, c = rounded(experts=8, weight=16), case()
    assert found.layers and all(".experts." in name for name in found.layers)
    for name, linear in layers_of(found.network).items():
        if name.endswith((".query", ".key", ".value", ".projection")):
            assert np.array_equal(linear.weight, layers_of(c.network)[name].weight)


def test_tasks_that_share_a_gate_share_its_rounded_weights() -> None:
    c = random_case(2, seed=6, router="single")
    assert c.model.spec.shares_backbone
    found = calibrate(c.model, c.seen, Widths(18, 8), None, c.images, c.model.spec.task_names)
    for block in found.network.blocks:
        for router in block.routers:
            assert np.array_equal(router.weight, block.routers[0].weight)
            np.testing.assert_array_equal(router.bias, block.routers[0].bias)


def test_a_program_has_the_very_weights_that_were_chosen() -> None:
    """Rounding to nearest, which compiling does, moves none of them."""
    found, design = rounded(), small_design(weight_bits=8)
    for name, layer in found.layers.items():
        form = found.formats[weight_name(name)]
        fraction = form.fraction + 10
        packed = round_linear(design, layer.linear, form, fraction, 0)
        values = packed.weight * form.step * np.exp2(-packed.finer.astype(np.float64))[:, None]
        assert np.array_equal(values, layer.linear.weight), name


def test_the_same_pictures_give_the_same_weights() -> None:
    once, c = rounded(), case()
    again = calibrate(c.model, c.seen, Widths(18, 8), None, c.images, c.model.spec.task_names)
    assert all(
        np.array_equal(once.layers[name].linear.weight, again.layers[name].linear.weight) for name in once.layers
    )


def test_what_is_kept_gives_the_same_network() -> None:
    found, c = rounded(), case()
    arrays = as_arrays(found) | {"blocks.0.norm1": np.zeros(1)}
    columns = {name: part.columns for name, part in c.seen.items() if name.endswith((".norm1", ".norm2"))}
    network = restored(evened(c.model, columns), rounded_of(arrays))
    assert np.array_equal(network.position, found.network.position)
    for name, linear in layers_of(network).items():
        wanted = layers_of(found.network)[name]
        assert np.array_equal(linear.weight, wanted.weight), name
        assert (linear.bias is None) == (wanted.bias is None), name
        if linear.bias is not None and wanted.bias is not None:
            assert np.array_equal(linear.bias, wanted.bias), name
    for mine, other in zip(network.blocks, found.network.blocks, strict=True):
        assert np.array_equal(mine.shifts1, other.shifts1) and np.array_equal(mine.shifts2, other.shifts2)


def test_other_shifts_of_norms_are_the_same_function() -> None:
    c = case()
    rng = np.random.default_rng(2)
    dim = c.model.spec.dim
    moved = even_for_narrow(c.network, {f"blocks.{i}.norm{n}": rng.integers(0, 8, dim) for i in (0, 1) for n in (1, 2)})
    before, _ = final_tokens(c.network, c.images[:2], TASKS)
    after, _ = final_tokens(moved, c.images[:2], TASKS)
    assert float((before - after).abs().max()) <= 1e-4 * float(before.abs().max())


def test_rounding_together_helps_pictures_that_calibration_has_not_seen() -> None:
    c = random_case(10, seed=8)
    names = c.model.spec.task_names
    found = calibrate(c.model, c.seen, Widths(18, 6), None, c.images[:7], names)
    errors = measure_narrow(found, c.images[:7], c.images[7:], names)
    rows = {row.kind: row for row in errors.kinds}
    assert set(rows) == {"all", *(kind.name for kind in WEIGHT_KINDS.values() if kind.parts)}
    for row in rows.values():
        assert row.seen["gptq"].forced < row.seen["nearest"].forced
    assert rows["all"].unseen["gptq"].forced < 0.8 * rows["all"].unseen["nearest"].forced
    assert rows["all"].unseen["gptq"].equal is not None
    assert errors.saturation.values > 0


def test_an_expert_that_few_tokens_reach_says_so() -> None:
    c = case()
    found = calibrate(c.model, c.seen, Widths(18, 8), None, c.images[:1], c.model.spec.task_names)
    ways = {layer.how for layer in found.layers.values()}
    assert "nearest" in ways or "bias" in ways
    for layer in found.layers.values():
        assert layer.how == ("gptq" if layer.tokens >= 50 else "bias" if layer.tokens >= 16 else "nearest")


def test_values_beyond_their_formats_are_counted() -> None:
    c = case()
    formats = c.formats(small_design(activation_bits=8))
    louder = [50 * image for image in c.images[:2]]
    saturation = Saturation()
    Forward(c.network, TASKS, formats, saturation).embed(louder)
    wanted = sum(int((dequantise(quantise(x, formats["image"]), formats["image"]) < x - 0.01).sum()) for x in louder)
    assert saturation.beyond["image"] == wanted > 0


def test_decoders_run_folded_and_are_rounded_together() -> None:
    c = decoded_case()
    names = c.model.spec.task_names
    forward = Forward(c.network, names)
    tokens = torch.from_numpy(np.random.default_rng(0).normal(size=(2 * c.model.spec.tokens, c.model.spec.dim)))
    for place, task in enumerate(names):
        rows = forward.frames_of(tokens.float(), [place])
        logits = decode(forward, task, rows)[0].numpy().astype(np.float64)
        wanted = evaluate(c.network.decoders[task], c.model.spec, rows.numpy().astype(np.float64))
        assert np.abs(doubled_sixteenths(logits) / 16 - wanted).max() <= 1e-4 * np.abs(wanted).max()
    found = calibrate(c.model, c.seen, Widths(18, 16, decoders=6), None, c.images, names)
    assert set(found.layers) == {f"decoders.{task}.conv_{i}" for task in names for i in range(4)}
    (row, _) = measure_narrow(found, c.images, [], names).kinds
    assert row.kind == "decoders" and row.seen["gptq"].forced < row.seen["nearest"].forced


def test_replaced_layers_are_those_of_the_network() -> None:
    c = case()
    layers = layers_of(c.network)
    assert layers_of(with_layers(c.network, layers)).keys() == layers.keys()
