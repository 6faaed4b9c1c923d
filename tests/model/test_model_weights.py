"""Which of the networks in a file is taken: wrappers, dicts in dicts, averaged copies, teacher and student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import CheckpointError, EdgeMoEError
from edgemoe_gen.base.names import listed, shown
from edgemoe_gen.model import SpecOptions, load_checkpoint, load_model
from tests.factory import make_state, options, save_state

torch = pytest.importorskip("torch")
State = dict[str, Any]
SIZES: dict[str, Any] = {"dim": 8, "depth": 2, "decoder_width": 4}


def state(seed: int = 0, **sizes: Any) -> State:
    return {name: torch.from_numpy(values) for name, values in make_state(**SIZES | sizes, seed=seed).items()}


def prefixed(prefix: str, tensors: State) -> State:
    return {prefix + name: values for name, values in tensors.items()}


def underscored(tensors: State) -> State:
    return {"ema_" + name.replace(".", "_"): values for name, values in tensors.items()}


GOOD, OTHER = state(0), state(1)
BODY = {name.removeprefix("backbone."): values for name, values in GOOD.items() if name.startswith("backbone.")}
DECODERS = {name.removeprefix("decoders."): values for name, values in GOOD.items() if name.startswith("decoders.")}
RUNNING = {name: values for name, values in GOOD.items() if "running_" in name}

# Content of the file, label of what is taken (its weights are GOOD), labels of the others.
FILES: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "bare": (GOOD, "top level", ()),
    "state_dict": ({"epoch": 1, "state_dict": GOOD}, "state_dict", ()),
    "raw and ema": ({"model_ema": OTHER, "model": GOOD, "args": 1}, "model", ("model_ema",)),
    "raw and ema, of timm": ({"state_dict": GOOD, "state_dict_ema": OTHER}, "state_dict", ("state_dict_ema",)),
    "ema alone": ({"ema": GOOD, "model": None}, "ema", ()),
    "ema in a dict": ({"ema": {"module": GOOD, "decay": 0.9}}, "ema", ()),
    "student and teacher": ({"student": OTHER, "teacher": GOOD}, "teacher", ("student",)),
    "DINO's prefixes": (
        {"student": prefixed("module.", OTHER), "teacher": GOOD, "dino_loss": {"center": torch.zeros(1, 9)}},
        "teacher",
        ("student",),
    ),
    "both in one dict": (
        {"state_dict": prefixed("student.", OTHER) | prefixed("teacher.", GOOD)},
        "state_dict.teacher",
        ("state_dict.student",),
    ),
    "MoCo": (
        prefixed("momentum_encoder.", OTHER) | prefixed("base_encoder.", GOOD), "base_encoder", ("momentum_encoder",),
    ),
    "DeepSpeed": ({"module": GOOD, "global_steps": 3, "optimizer": {"state": {0: {"x": torch.ones(2)}}}}, "module", ()),
    "DeepSpeed in DeepSpeed": ({"module": prefixed("module.", GOOD)}, "module", ()),
    "Lightning": ({"state_dict": prefixed("model.", GOOD), "hyper_parameters": {"lr": 1}}, "state_dict.model", ()),
    "Lightning, another name": ({"state_dict": prefixed("net.module.", GOOD)}, "state_dict.net", ()),
    "deeply below": (prefixed("system.model.encoder.", GOOD), "system.model.encoder", ()),
    "torch.compile": (prefixed("_orig_mod.", GOOD), "top level", ()),
    "torch.compile of the backbone": (
        {name.replace("backbone.", "backbone._orig_mod."): values for name, values in GOOD.items()}, "top level", (),
    ),
    "torch.compile of a block": (
        {name.replace("blocks.1.", "blocks.1._orig_mod."): values for name, values in GOOD.items()}, "top level", (),
    ),
    "torch.compile of a decoder": (
        {name.replace("decoders.semseg.", "decoders.semseg._orig_mod."): v for name, v in GOOD.items()}, "top level",
        (),
    ),
    "FSDP and checkpointing": (
        {
            name.replace("blocks.0.", "_fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module."): values
            for name, values in prefixed("module.", GOOD).items()
        },
        "top level",
        (),
    ),
    "backbone under another name": (
        {name.replace("backbone.", "encoder."): values for name, values in GOOD.items()}, "top level", (),
    ),
    "in parts": ({"backbone": BODY, "decoders": DECODERS, "optimizer": {}}, "top level", ()),
    "in parts, in a dict": ({"model": {"backbone": BODY, "decoders": DECODERS}}, "model", ()),
    "mmcv": ({"meta": {}, "state_dict": GOOD | underscored(OTHER)}, "state_dict", ("state_dict.ema",)),
    "average of torch": (prefixed("module.", GOOD) | {"n_averaged": torch.tensor(7)}, "top level", ()),
    "a callback's copy": (
        {"state_dict": GOOD, "callbacks": {"EMA": {"ema_weights": OTHER}}}, "state_dict",
        ("callbacks.EMA.ema_weights",),
    ),
}  # fmt: skip


def is_good(model: Any, seed: int = 0) -> bool:
    wanted = make_state(**SIZES, seed=seed)["backbone.blocks.1.mlp.experts.htoh4.weight"]
    return np.array_equal(model.backbone["blocks.1.mlp.experts.htoh4.weight"], wanted)


@pytest.mark.parametrize("name", FILES)
def test_the_network_is_found_and_the_others_are_said(name: str, tmp_path: Path) -> None:
    content, taken, others = FILES[name]
    torch.save(content, tmp_path / "m.pth")
    model = load_model(tmp_path / "m.pth", options=options())
    assert (model.weights, model.others) == (taken, others)
    assert is_good(model) and set(model.decoders) == {"semseg", "depth"}
    notes = [note for note in model.notes if note.startswith("took the weights")]
    assert len(notes) == bool(others)
    for label in others:
        assert f'"{label}"' in notes[0] and f'"{taken}"' in notes[0]


@pytest.mark.parametrize("name", [name for name, (_, _, others) in FILES.items() if others])
def test_the_other_network_can_be_asked_for(name: str, tmp_path: Path) -> None:
    content, taken, others = FILES[name]
    torch.save(content, tmp_path / "m.pth")
    for wanted in (others[0], others[0].split(".")[-1]):
        model = load_model(tmp_path / "m.pth", options=SpecOptions(weights=wanted).over(options()))
        assert model.weights == others[0] and model.others == (taken,)
        assert is_good(model, seed=1)


def test_copies_of_parameters_alone_take_the_running_means(tmp_path: Path) -> None:
    # mmcv's EMAHook averages parameters, not buffers, and evaluates with the buffers of training.
    parameters = {name: values for name, values in OTHER.items() if "running_" not in name and "num_b" not in name}
    torch.save({"state_dict": GOOD | underscored(parameters)}, tmp_path / "m.pth")
    model = load_model(tmp_path / "m.pth", options=SpecOptions(weights="ema").over(options()))
    assert is_good(model, seed=1)
    mean = "syncbn_fc_0.running_mean"
    np.testing.assert_array_equal(model.decoders["depth"][mean], RUNNING[f"decoders.depth.{mean}"].numpy())
    assert any("running means" in note for note in model.notes)


def refusal(content: Any, folder: Path, **said: Any) -> EdgeMoEError:
    torch.save(content, folder / "m.pth")
    with pytest.raises(CheckpointError) as caught:
        load_model(folder / "m.pth", options=SpecOptions(**said).over(options()))
    text = caught.value.message + caught.value.hint
    assert text.isprintable() and len(text) < 900
    return caught.value


def test_weights_that_are_not_there_are_refused_with_those_that_are(tmp_path: Path) -> None:
    error = refusal({"state_dict": GOOD, "ema": OTHER}, tmp_path, weights="emma")
    assert "emma" in error.message and "state_dict, ema" in error.hint
    assert "2 sets" in refusal({"a": {"ema": GOOD}, "b": {"ema": OTHER}}, tmp_path, weights="ema").message


def test_the_keys_of_a_file_without_tensors_are_listed(tmp_path: Path) -> None:
    assert "epoch, config" in refusal({"epoch": 3, "config": {"a": 1}}, tmp_path).message
    many = refusal({f"key_{i}": i for i in range(1000)}, tmp_path)
    assert "992 more" in many.message
    assert "\\x1b[31m" in refusal({"\x1b[31mred": 1, "x" * 10_000: 2}, tmp_path).message


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("vit.encoder.layer.0.attention.attention.query.weight", "transformers"),
        ("encoder.layers.encoder_layer_0.self_attention.in_proj_weight", "torchvision"),
        ("visual.transformer.resblocks.0.attn.in_proj_weight", "CLIP"),
        ("backbone.layers.0.ln1.weight", "mmpretrain"),
    ],
)
def test_names_of_another_library_are_told(name: str, library: str, tmp_path: Path) -> None:
    assert library in refusal({name: torch.ones(3)}, tmp_path).message


def test_a_swin_is_refused_by_its_features(tmp_path: Path) -> None:
    tensors = ("patch_embed.proj.weight", "layers.0.blocks.0.norm1.weight", "layers.0.downsample.norm.weight",
               "layers.0.blocks.0.attn.relative_position_bias_table")  # fmt: skip
    message = refusal({name: torch.ones(3) for name in tensors}, tmp_path).message
    assert "relative position bias" in message and "stages of several sizes" in message


HOSTILE: dict[str, Callable[[], Any]] = {
    "a name with an escape": lambda: GOOD | {"backbone.\x1b[2Jx": torch.ones(1)},
    "a name with a line's end": lambda: GOOD | {"a\n.b": torch.ones(1)},
    "a long name": lambda: GOOD | {"y" * 100_000: torch.ones(1)},
    "a key with an escape": lambda: {"\x1b]0;x\x07": GOOD, "ema\u202e": OTHER},
    "a block of a long number": lambda: GOOD | {"backbone.blocks." + "9" * 50 + ".norm1.weight": torch.ones(1)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_out_of_a_file_reach_no_terminal_as_they_are(name: str, tmp_path: Path) -> None:
    torch.save(HOSTILE[name](), tmp_path / "m.pth")
    try:
        model = load_model(tmp_path / "m.pth", options=options())
        texts = [*model.notes, model.weights, *model.others]
    except EdgeMoEError as error:
        texts = [error.message, error.hint]
    assert all(text.isprintable() and len(text) < 900 for text in texts), texts


def test_a_dict_that_holds_itself_is_read(tmp_path: Path) -> None:
    content: dict[str, Any] = {"state_dict": GOOD}
    content["again"] = content
    torch.save(content, tmp_path / "m.pth")
    assert load_checkpoint(tmp_path / "m.pth").weights == "state_dict"


def test_safetensors_and_shards_hold_networks_below_prefixes(tmp_path: Path) -> None:
    tensors = make_state(**SIZES)
    path = save_state(tmp_path / "m.safetensors", tensors, prefix="net.")
    said = SpecOptions(tasks=("semseg", "depth")).over(options())
    assert is_good(load_model(path, options=said))
    assert is_good(
        load_model(save_state(tmp_path / "m.pth.tar", tensors, shards=2, prefix="model."), options=options())
    )


def test_names_are_shown_bounded_and_without_control_characters() -> None:
    assert shown("blocks.0.attn.qkv.weight") == "blocks.0.attn.qkv.weight"
    assert shown("a b") == "'a b'" and shown("\x1b[2J\u202e") == r"'\x1b[2J\u202e'" and shown("") == "''"
    assert len(shown("x" * 10**6)) <= 110
    assert listed(["a", "b", "c"], 2) == "a, b, 1 more"
