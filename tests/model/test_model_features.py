"""Networks beyond the plain one: those that are folded equal an independent computation, others are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import CheckpointError, EdgeMoEError, SpecError
from edgemoe_gen.model import Reference, SpecOptions, load_checkpoint, load_model
from edgemoe_gen.overlay.decoders import model_decoder
from tests.factory import make_state, options, save_state
from tests.model.oracle import Oracle

pytest.importorskip("torch")

IMAGE = (16, 40)
PLAIN: dict[str, Any] = {"router": "none", "head_classes": 7, "image": IMAGE}
SUPPORTED: dict[str, dict[str, Any]] = {
    "LayerScale of BEiT and DeiT III": {"layer_scale": "gamma"},
    "LayerScale of timm and DINOv2": {"layer_scale": "ls"},
    "biases of BEiT": {"split_bias": True},
    "no position of the class token": {"positions": "patches"},
    "registers with positions": {"registers": 4},
    "registers without positions, as DINOv2": {"registers": 4, "positions": "class", "layer_scale": "ls"},
    "registers, patches alone have positions": {"registers": 4, "positions": "patches"},
    "distillation token": {"distilled": True},
    "distillation token, patches alone have positions": {"distilled": True, "positions": "patches"},
    "head on the mean of the patches": {"mean_head": True},
    "head on the mean, beside registers": {"mean_head": True, "registers": 2},
    "registers and no class token": {"class_token": False, "registers": 3},
    "all of BEiT but its positions": {"mean_head": True, "layer_scale": "gamma", "split_bias": True},
}


def saved(folder: Path, state: dict[str, Any], **how: Any) -> Path:
    return save_state(folder / "m.pth", state, **({"prefix": "", "wrap": "model"} | how))


def check(folder: Path, image: tuple[int, int], state: dict[str, Any], said: SpecOptions) -> None:
    """Tokens and logits, of the reference and of the board's decoder, against the independent computation."""
    model = load_model(saved(folder, state), options=said)
    picture = np.random.default_rng(1).random((3, *image), dtype=np.float32)
    oracle = Oracle(state, heads=2, tasks=("default",))
    last = oracle.tokens(picture, "default")[-1]
    result = Reference(model).run(picture, "default")
    assert result.tokens.shape == last.shape == (model.spec.tokens, model.spec.dim)
    assert np.abs(result.tokens - last).max() <= 1e-5 * np.abs(last).max()
    if "head.weight" in state:
        logits = oracle.classify(last)
        assert result.output is not None
        assert np.abs(result.output - logits).max() <= 1e-5 * np.abs(logits).max()
        decoder = model_decoder(model, "default")
        assert decoder is not None
        np.testing.assert_allclose(decoder(result.tokens), result.output, atol=1e-5)


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_folded_feature_computes_the_same(name: str, tmp_path: Path) -> None:
    sizes = PLAIN | SUPPORTED[name]
    check(tmp_path, IMAGE, make_state(**sizes, seed=5), options(image=IMAGE, router="none"))


@pytest.mark.parametrize("layer_scale", ["gamma", "ls"])
def test_layer_scale_of_experts_is_folded_into_every_expert(layer_scale: str, tmp_path: Path) -> None:
    state = make_state(router="single", tasks={"default": 1}, decoders=False, layer_scale=layer_scale, image=IMAGE)
    check(tmp_path, IMAGE, state, options(image=IMAGE, router="single"))


@settings(max_examples=25, deadline=None)
@given(
    registers=st.integers(0, 3), distilled=st.booleans(), class_token=st.booleans(), mean_head=st.booleans(),
    positions=st.sampled_from(["all", "patches", "class"]), layer_scale=st.sampled_from(["", "gamma", "ls"]),
    split_bias=st.booleans(), rows=st.integers(1, 3), columns=st.integers(1, 4),
)  # fmt: skip
def test_any_mixture_is_right_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: int, columns: int, **sizes: Any
) -> None:
    image = (4 * rows, 4 * columns)
    state = make_state(dim=8, depth=2, patch=4, image=image, router="none", head_classes=3, **sizes)
    try:
        check(tmp_path_factory.mktemp("any"), image, state, options(image=image, router="none"))
    except EdgeMoEError as error:
        both = sizes["distilled"] and (sizes["registers"] or sizes["mean_head"] or not sizes["class_token"])
        assert both or (sizes["distilled"] and sizes["positions"] == "class"), error.message


def test_registers_of_dinov2_under_their_own_name_and_blocks_in_chunks(tmp_path: Path) -> None:
    state = make_state(**PLAIN, registers=2, positions="class", layer_scale="ls")
    renamed = {name.replace("reg_token", "register_tokens"): values for name, values in state.items()}
    renamed = {
        name.replace("blocks.", f"blocks.{int(name.split('.')[1]) // 2}.") if name.startswith("blocks.") else name: v
        for name, v in renamed.items()
    }
    renamed["mask_token"] = np.zeros((1, 32), np.float32)
    said = options(image=IMAGE, router="none")
    (tmp_path / "a").mkdir()
    model, plain = (
        load_model(saved(tmp_path, renamed), options=said),
        load_model(saved(tmp_path / "a", state), None, said),
    )
    assert model.spec == plain.spec and model.spec.extra_tokens == 2
    for name, values in plain.backbone.items():
        np.testing.assert_array_equal(model.backbone[name], values)
    assert any("mask_token" in note for note in model.notes)


def test_experts_one_by_one_are_put_together(tmp_path: Path) -> None:
    state = make_state()
    apart: dict[str, Any] = {}
    for name, values in state.items():
        if ".experts." in name:
            apart |= {name.replace(".experts.", f".experts.{e}."): values[e] for e in range(len(values))}
        else:
            apart[name] = values
    model = load_model(saved(tmp_path, apart), options=options())
    name = "blocks.3.mlp.experts.h4toh.weight"
    np.testing.assert_array_equal(model.backbone[name], state[f"backbone.{name}"])
    del apart["backbone.blocks.1.mlp.experts.2.htoh4.bias"]
    with pytest.raises(CheckpointError, match=r"blocks\.1\.mlp\.experts\.2\.htoh4\.bias is missing"):
        load_model(saved(tmp_path, apart), options=options())


def block(part: str, *shape: int) -> dict[str, Any]:
    return {f"blocks.{i}.{part}": np.ones(shape, np.float32) for i in range(4)}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "BEiT's table": (block("attn.relative_position_bias_table", 9, 2), "relative position bias"),
    "a shared table": ({"rel_pos_bias.relative_position_bias_table": np.ones((9, 2))}, "relative position bias"),
    "SAM's": (block("attn.rel_pos_h", 9, 16), "relative position bias"),
    "rotary": (block("attn.rope.freqs", 8), "rotary position embedding"),
    "DINOv3's": ({"rope_embed.periods": np.ones(8)}, "rotary position embedding"),
    "QK norm": (block("attn.q_norm.weight", 16), "QK norm"),
    "norm in attention": (block("attn.norm.weight", 32), "norm inside attention"),
    "norm in the MLP": (block("mlp.norm.weight", 128), "norm inside the MLP"),
    "SwiGLU": (block("mlp.w12.weight", 256, 32), "gated MLP (SwiGLU)"),
    "CLIP's norm": ({"norm_pre.weight": np.ones(32)}, "norm before the first block"),
    "norm of patches": ({"patch_embed.norm.weight": np.ones(32)}, "norm before the first block"),
    "stem": ({"patch_embed.conv1.0.weight": np.ones((8, 3, 3, 3))}, "convolution stem"),
    "hybrid": ({"patch_embed.backbone.stem.conv.weight": np.ones((8, 3, 7, 7))}, "convolution stem"),
    "cosine": (block("attn.logit_scale", 2, 1, 1), "cosine attention"),
    "talking heads": (block("attn.proj_l.weight", 2, 2), "talking heads"),
    "class attention": ({"blocks_token_only.0.norm1.weight": np.ones(32)}, "class attention"),
    "LoRA": (block("attn.qkv.lora_A.default.weight", 4, 32), "adapters (LoRA)"),
    "prompts": ({"prompt_embeddings": np.ones((1, 5, 32))}, "prompt tokens"),
    "q, k, v": (block("attn.q_proj.weight", 32, 32), "q, k and v in layers of their own"),
    "third LayerScale": (block("gamma_3", 32), "third layer in a block"),
    "weight norm": (block("mlp.fc1.weight_g", 128, 1), "reparametrised weights"),
    "attention pooling": ({"attn_pool.latent": np.ones((1, 1, 32))}, "attention pooling"),
    "representation layer": ({"pre_logits.fc.weight": np.ones((32, 32))}, "representation layer"),
    "deep head": ({"head.0.weight": np.ones((64, 32))}, "head of several layers"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("prefix", ["", "module.backbone."])
def test_a_feature_that_is_not_computed_is_refused_by_its_name(name: str, prefix: str, tmp_path: Path) -> None:
    tensors, title = REFUSED[name]
    state = make_state(**PLAIN) | {key: np.asarray(values, np.float32) for key, values in tensors.items()}
    path = saved(tmp_path, state, prefix=prefix)
    with pytest.raises(CheckpointError, match="is not supported") as caught:
        load_model(path, options=options(image=IMAGE, router="none"))
    assert title in caught.value.message and next(iter(tensors)) in caught.value.message
    hint = caught.value.hint
    assert "emove it" not in hint and ("--ignore" in hint) == (
        name in ("attention pooling", "representation layer", "deep head")
    )


def test_a_packed_gated_mlp_shows_by_its_sizes(tmp_path: Path) -> None:
    state = make_state(**PLAIN)
    state |= {f"blocks.{i}.mlp.fc2.weight": np.ones((32, 64), np.float32) for i in range(4)}
    with pytest.raises(CheckpointError, match="gated MLP"):
        load_model(saved(tmp_path, state), options=options(image=IMAGE, router="none"))


def test_an_unknown_tensor_is_refused_unless_declared(tmp_path: Path) -> None:
    state = make_state(**PLAIN) | {"neck.scale": np.ones(3, np.float32), "neck.shift": np.ones(3, np.float32)}
    path, said = saved(tmp_path, state), options(image=IMAGE, router="none")
    with pytest.raises(CheckpointError, match=r"neck\.scale \(and 1 more\) is unexpected.*wrong without it") as caught:
        load_model(path, options=said)
    assert "--ignore neck.scale" in caught.value.hint
    model = load_model(path, options=SpecOptions(ignore=("neck.*",)).over(said))
    assert any("neck.scale, neck.shift" in note for note in model.notes)


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("blocks.0.ls1.gamma", ["blocks.0.ls1.gamma", "takes part"]),
        ("blocks.*", ["takes part"]),
        ("*", ["takes part"]),
        ("pos_embed", ["pos_embed", "takes part"]),
        ("bloks.*", ["bloks.*", "no tensor"]),
    ],
)
def test_what_takes_part_cannot_be_declared_away(pattern: str, parts: list[str], tmp_path: Path) -> None:
    path = saved(tmp_path, make_state(**PLAIN, layer_scale="ls"))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, ignore=(pattern,))
    for part in parts:
        assert part in caught.value.message, caught.value.message


def test_a_feature_that_takes_part_cannot_be_declared_away(tmp_path: Path) -> None:
    path = saved(tmp_path, make_state(**PLAIN) | block("attn.q_norm.weight", 16))
    with pytest.raises(CheckpointError, match="takes part"):
        load_checkpoint(path, ignore=("*.q_norm.*",))


def test_a_head_can_be_declared_away_for_the_tokens_alone(tmp_path: Path) -> None:
    state = make_state(**PLAIN) | {"head.0.weight": np.ones((4, 32), np.float32)}
    del state["head.weight"], state["head.bias"]
    said = SpecOptions(ignore=("head.*",)).over(options(image=IMAGE, router="none"))
    assert "head.weight" not in load_model(saved(tmp_path, state), options=said).head


def test_a_scale_without_its_layer_and_a_misshapen_one_are_named(tmp_path: Path) -> None:
    state = make_state(**PLAIN, layer_scale="gamma")
    state["blocks.1.gamma_2"] = np.ones(31, np.float32)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.gamma_2 has the shape \[31\]"):
        load_checkpoint(saved(tmp_path, state))
    del state["blocks.1.gamma_2"], state["blocks.1.mlp.fc2.weight"]
    state["blocks.1.gamma_2"] = np.ones(32, np.float32)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.mlp\.fc2\.weight is missing, which blocks\.1\.gamma_2"):
        load_checkpoint(saved(tmp_path, state))


def test_a_token_without_a_tensor_is_told_from_another_size(tmp_path: Path) -> None:
    state = make_state(**PLAIN)
    state["pos_embed"] = np.ones((1, 12, 32), np.float32)  # 10 patches, class token, and one more
    with pytest.raises(SpecError, match=r"10 patches, 11 with the class token.*12 positions") as caught:
        load_model(saved(tmp_path, state), options=options(image=IMAGE, router="none"))
    assert "no tensor for" in caught.value.hint
    state["pos_embed"] = np.ones((1, 197, 32), np.float32)
    with pytest.raises(SpecError) as caught:
        load_model(saved(tmp_path, state), options=options(image=IMAGE, router="none"))
    assert caught.value.hint.startswith("Give --image-height")


@pytest.mark.parametrize("gone", ["dist_token", "head_dist.weight"])
def test_half_a_distilled_network_is_refused(gone: str, tmp_path: Path) -> None:
    state = make_state(**PLAIN, distilled=True)
    state = {name: values for name, values in state.items() if not name.startswith(gone.split(".")[0])}
    if gone == "dist_token":
        state["pos_embed"] = state["pos_embed"][:, 1:]
    with pytest.raises(CheckpointError, match=f"{gone} is missing"):
        load_model(saved(tmp_path, state), options=options(image=IMAGE, router="none"))


def test_a_network_without_learned_positions_is_refused(tmp_path: Path) -> None:
    state = make_state(**PLAIN)
    del state["pos_embed"]
    with pytest.raises(CheckpointError, match=r"pos_embed is missing.*rotary"):
        load_model(saved(tmp_path, state), options=options(image=IMAGE, router="none"))
