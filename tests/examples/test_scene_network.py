"""The trainable network: shapes, names, routing, and that training trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgemoe_gen.model import load_model  # noqa: E402
from examples.scenes.network import M3ViT, Sizes  # noqa: E402
from examples.scenes.render import CLASSES, render_many  # noqa: E402
from examples.scenes.ship import write_checkpoint, write_spec  # noqa: E402
from examples.scenes.train import Recipe, batches, losses, rate_at, round_to_half, train  # noqa: E402

TINY = Sizes(dim=24, heads=2, depth=2, mlp_hidden=24, experts=4, expert_hidden=12, decoder_width=8)


def tiny() -> M3ViT:
    torch.manual_seed(3)
    return M3ViT(TINY)


def test_both_tasks_give_maps_of_the_image_size_at_either_decoder_resolution() -> None:
    network = tiny()
    for coarse in (False, True):
        network.set_coarse(coarse)
        maps, balance = network(torch.rand(2, 3, 64, 128))
        assert maps["semseg"].shape == (2, len(CLASSES), 64, 128) and maps["depth"].shape == (2, 1, 64, 128)
        assert balance.shape == () and 0.5 < balance.item() < TINY.experts


def test_tensors_have_the_authors_names_and_shapes() -> None:
    shapes = {name: tuple(value.shape) for name, value in M3ViT().state_dict().items()}
    sizes = Sizes()
    dim, experts, hidden = sizes.dim, sizes.experts, sizes.expert_hidden
    expected = {
        "backbone.cls_token": (1, 1, dim),
        "backbone.pos_embed": (1, 129, dim),
        "backbone.patch_embed.proj.weight": (dim, 3, 8, 8),
        "backbone.blocks.0.mlp.fc1.weight": (sizes.mlp_hidden, dim),
        "backbone.blocks.1.attn.qkv.weight": (3 * dim, dim),
        "backbone.blocks.1.mlp.experts.htoh4.weight": (experts, hidden, dim),
        "backbone.blocks.1.mlp.experts.h4toh.bias": (experts, dim),
        "backbone.blocks.5.mlp.gate.1.w_gate": (dim, experts),
        "decoders.semseg.syncbn_fc_3.running_var": (32,),
        "decoders.depth.conv_4.weight": (1, 32, 1, 1),
    }
    assert expected.items() <= shapes.items()


def test_package_reads_a_saved_network_and_its_spec(tmp_path: Path) -> None:
    network = tiny()
    write_checkpoint(tmp_path / "c.pth.tar", network, 1, 0.5)
    write_spec(tmp_path / "spec.toml", tmp_path / "c.pth.tar", TINY)
    model = load_model(tmp_path / "c.pth.tar", tmp_path / "spec.toml")
    spec = model.spec
    assert (spec.dim, spec.heads, spec.depth, spec.tokens, spec.moe_blocks) == (24, 2, 2, 129, (1,))
    assert (spec.router.kind, spec.router.top_k, spec.task_names) == ("multi", 2, ("semseg", "depth"))
    stored = network.state_dict()["backbone.blocks.1.mlp.experts.h4toh.weight"].half().float().numpy()
    assert (model.backbone["blocks.1.mlp.experts.h4toh.weight"] == stored).all()


def test_experts_in_queues_equal_experts_token_by_token() -> None:
    network = tiny().eval()
    x = torch.randn(1, 30, TINY.dim)
    got, _ = network.get_submodule("backbone.blocks.1.mlp")(x, 1)
    tensors = {name.removeprefix("backbone.blocks.1.mlp."): value for name, value in network.state_dict().items()}
    probabilities = (x[0] @ tensors["gate.1.w_gate"]).softmax(dim=1)
    for token, scores in enumerate(probabilities):
        wanted = torch.zeros(TINY.dim)
        for expert in scores.argsort(descending=True)[:2].tolist():
            up, up_bias, down, down_bias = (
                tensors[f"experts.{part}"][expert]
                for part in ("htoh4.weight", "htoh4.bias", "h4toh.weight", "h4toh.bias")
            )
            wanted += scores[expert] * (down @ torch.nn.functional.gelu(up @ x[0, token] + up_bias) + down_bias)
        assert torch.allclose(got[0, token], wanted, atol=1e-6)


def test_tasks_have_routers_of_their_own() -> None:
    network = tiny().eval()
    images = torch.rand(1, 3, 64, 128)
    gate = network.get_parameter("backbone.blocks.1.mlp.gate.1.w_gate")
    with torch.no_grad():
        before = [network.backbone(images, index)[0] for index in range(2)]
        gate.add_(torch.randn_like(gate))
        after = [network.backbone(images, index)[0] for index in range(2)]
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_a_few_steps_on_one_batch_reduce_both_losses() -> None:
    pictures = render_many(range(2))
    recipe = Recipe(steps=12, batch=2, rate=5e-3)
    network = tiny()
    images, labels, depth = next(batches(pictures, 2, (0,)))
    with torch.no_grad():
        torch.nn.init.constant_(network.get_parameter("decoders.depth.conv_4.bias"), np.median(pictures.depth))
        before = losses(network, images, labels, depth)
    said: list[str] = []
    train(network, pictures, recipe, said.append)
    with torch.no_grad():
        after = losses(network, images, labels, depth)
    assert after[0] < 0.9 * before[0] and after[1] < 0.9 * before[1]
    assert said and all(np.isfinite(float(part)) for part in after)


def test_every_gradient_arrives() -> None:
    network = tiny()
    maps, balance = network(torch.rand(2, 3, 64, 128))
    (maps["semseg"].square().mean() + maps["depth"].square().mean() + balance).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert without == []


def test_batches_keep_images_and_truth_together() -> None:
    pictures = render_many(range(6))
    seen = 0
    for _, (images, labels, depth) in zip(range(6), batches(pictures, 3, (1,)), strict=False):
        for image, label, metres in zip(images, labels, depth, strict=True):
            sums = (image.numpy() * 256).sum(axis=0)  # the sum over channels does not depend on their order
            matches = [
                (index, step)
                for index in range(6)
                for step in (1, -1)
                if np.array_equal(sums, pictures.image[index][:, ::step].sum(axis=2, dtype=np.float32))
            ]
            assert len(matches) == 1
            index, step = matches[0]
            assert np.array_equal(label.numpy(), pictures.labels[index][:, ::step])
            assert np.array_equal(metres.numpy(), pictures.depth[index][:, ::step])
            seen += 1
    assert seen == 18


def test_rate_rises_to_its_peak_and_falls_to_nearly_zero() -> None:
    recipe = Recipe(rate=1e-3)
    rates = [rate_at(done, recipe) for done in np.linspace(0, 1, 201)]
    assert rates[0] == pytest.approx(1e-5) and rates[10] == pytest.approx(1e-3) and rates[-1] == pytest.approx(0.0)
    assert rates[:11] == sorted(rates[:11]) and len(set(rates)) > 190
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_training_ends_when_its_time_is_over() -> None:
    pictures = render_many(range(2))
    assert train(tiny(), pictures, Recipe(steps=10**9, minutes=0.005, batch=2), lambda _: None) >= 1


def test_rounding_leaves_nothing_that_float16_would_change() -> None:
    network = tiny()
    round_to_half(network)
    for value in network.state_dict().values():
        if value.is_floating_point():
            assert torch.equal(value, value.half().float())
