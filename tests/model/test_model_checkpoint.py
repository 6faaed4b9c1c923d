"""Reading checkpoints: layouts, types, prefixes, and files that are damaged, foreign or hostile."""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.errors import CheckpointError, EdgeMoEError
from edgemoe_gen.model import load_checkpoint, load_model
from tests.factory import make_state, options, save_state, write_checkpoint

torch = pytest.importorskip("torch")


def refused(path: Path, *parts: str) -> CheckpointError:
    """Loading fails with one sentence that names the file and the parts."""
    with pytest.raises(CheckpointError) as caught:
        load_model(path, options=options())
    message = caught.value.message
    for part in (path.name, *parts):
        assert part in message, message
    assert message.endswith(".") and "\n" not in message and len(message) < 300
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "layout",
    [
        {"prefix": ""},
        {"prefix": "module."},
        {"prefix": "module._orig_mod."},
        {"wrap": None},
        {"wrap": "model"},
        {"wrap": "model_state_dict"},
        {"prefix": "model."},
        {"prefix": "module.module."},
        {"legacy": True},
        {"shards": 1},
        {"shards": 2},
        {"shards": 4},
    ],
)
def test_every_layout_gives_the_same_tensors(layout: dict[str, Any], tmp_path: Path) -> None:
    state = make_state()
    model = load_model(save_state(tmp_path / "checkpoint.pth.tar", state, **layout), options=options())
    assert model.spec.task_names == ("semseg", "depth")
    for name, values in state.items():
        if name.startswith("backbone."):
            np.testing.assert_array_equal(model.backbone[name.removeprefix("backbone.")], values)
        elif not name.endswith("num_batches_tracked"):
            _, task, rest = name.split(".", 2)
            np.testing.assert_array_equal(model.decoders[task][rest], values)
    assert all(values.dtype == np.float32 for values in model.backbone.values())


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8), ("float64", 24)])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_float_types_become_float32(dtype: str, bits: int, suffix: str, tmp_path: Path) -> None:
    state = make_state()
    loaded = load_checkpoint(save_state(tmp_path / f"m{suffix}", state, dtype=dtype))
    name = "blocks.1.mlp.experts.htoh4.weight"
    values, wanted = loaded.backbone[name], state[f"backbone.{name}"]
    assert values.dtype == np.float32
    # Rounding to `bits` of significand, or to the smallest subnormal of float16.
    np.testing.assert_allclose(values, wanted, rtol=2.0**-bits, atol=2.0**-25)


def test_safetensors_is_read_without_torch_and_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = make_state()
    path = save_state(tmp_path / "m.safetensors", state, prefix="")
    for name in ("torch", "safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    loaded = load_checkpoint(path)
    np.testing.assert_array_equal(loaded.backbone["pos_embed"], state["backbone.pos_embed"])
    assert not loaded.ordered


@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_torch_are_read_without_torch(legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = make_state()
    path = save_state(tmp_path / "m.pth", state, legacy=legacy)
    monkeypatch.setitem(sys.modules, "torch", None)
    np.testing.assert_array_equal(load_checkpoint(path).backbone["pos_embed"], state["backbone.pos_embed"])


def test_arrays_do_not_depend_on_the_file_afterwards(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth")
    loaded = load_checkpoint(path)
    before = loaded.backbone["pos_embed"].copy()
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(loaded.backbone["pos_embed"], before)


def test_what_training_leaves_in_a_checkpoint_is_read_over(tmp_path: Path) -> None:
    state = {f"module.{name}": torch.from_numpy(values) for name, values in make_state().items()}
    state["module.tam_model0.layers0.0.weight"] = torch.zeros(3)
    state["module.tam_model1.layers0.0.weight"] = torch.zeros(3)
    state["module.backbone.blocks.1.mlp.gate.0.w_gate_aux"] = torch.zeros(3)
    content = {
        "epoch": 3,
        "state_dict": collections.OrderedDict(state),
        "best_result": {"a": np.float64(1.5), "b": np.float32(2), "c": np.arange(3), "d": np.int64(4)},
        "optimizer": {"state": collections.defaultdict(dict, {0: {"step": 1}}), "param_groups": [{"lr": 0.1}]},
        "args": argparse.Namespace(lr=0.1, betas=(0.9, 0.99)),
    }
    torch.save(content, tmp_path / "m.pth")
    model = load_model(tmp_path / "m.pth", options=options())
    notes = "; ".join(model.notes)
    for part in ("tam_model*", "w_gate_aux", '"optimizer"', '"args"', "num_batches_tracked"):
        assert part in notes


def test_numpy_scalars_under_their_old_module_name_are_read(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "new.pth")
    old = tmp_path / "old.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                assert b"multiarray" in data
                data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(name, data)
    assert load_model(old, options=options()).spec.dim == 32


def test_noise_of_gates_shows_the_gate_type_and_is_dropped(tmp_path: Path) -> None:
    model = load_model(write_checkpoint(tmp_path / "m.pth", gate_type="noisy"), options=options())
    assert model.spec.router.gate_type == "noisy"
    assert not any("w_noise" in name for name in model.backbone)
    assert any("w_noise" in note for note in model.notes)


def test_the_environment_cannot_switch_the_care_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"state_dict": {}, "x": Runs(os.mkdir, str(tmp_path / "ran"))}, tmp_path / "evil.pth")
    refused(tmp_path / "evil.pth", "refused")
    assert not (tmp_path / "ran").exists()


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("where", ["optimizer", "state_dict", "all"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [os.system, eval, exec, os.mkdir, print])
def test_a_file_that_asks_for_a_call_is_refused_and_nothing_runs(
    function: Any, legacy: bool, where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "ran"
    argument = {os.system: f"touch {mark}", os.mkdir: str(mark), print: "ran"}.get(
        function, f"__import__('pathlib').Path({str(mark)!r}).touch()"
    )
    bad = Runs(function, argument)
    state: Any = {name: torch.from_numpy(values) for name, values in make_state().items()}
    content: Any = {
        "state_dict": bad if where == "state_dict" else state,
        "optimizer": bad if where == "optimizer" else {},
    }
    path = tmp_path / "evil.pth"
    torch.save(bad if where == "all" else content, path, _use_new_zipfile_serialization=not legacy)
    refused(path, "refused", function.__name__)
    assert not mark.exists()
    assert "ran" not in capsys.readouterr().out


def test_a_bare_pickle_with_a_call_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Runs(os.mkdir, str(mark))))
    refused(path)
    assert not mark.exists()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.95, 0.999])
def test_a_truncated_file_is_one_sentence(share: float, legacy: bool, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "cut.pth", legacy=legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5, 0.999])
def test_a_truncated_safetensors_file_is_one_sentence(share: float, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "cut.safetensors")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "truncated")


def safetensors_with(entry: Any) -> bytes:
    header = json.dumps({"a": entry}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(16)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 32]},
        {"dtype": "F32", "shape": [4], "data_offsets": [8, 0]},
        {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]},
        {"dtype": "I32", "shape": [4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": "x", "data_offsets": [0, 16]},
        {"dtype": "F32"},
        [],
    ],
)
def test_a_damaged_safetensors_header_names_the_tensor(entry: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors_with(entry))
    refused(path, "tensor a")


def foreign_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), foreign_zip(), b"PK\x03\x04" + bytes(40), os.urandom(4096)],
    ids=["empty", "text", "png", "zip", "damaged zip", "noise"],
)
def test_a_foreign_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("content", [[1, 2], "text", {"state_dict": {}}, {"epoch": 3}, torch.zeros(3)])
def test_a_file_without_a_state_dict_is_one_sentence(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.pth")
    refused(tmp_path / "m.pth")


def test_a_missing_path_and_a_folder_without_shards_are_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.pth")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme.txt").write_text("x")
    refused(tmp_path / "folder", "0.pth")


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_rank_is_named(gone: int, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth.tar", shards=4)
    (path / f"{gone}.pth").unlink()
    refused(path, f"{gone}.pth")


def test_a_missing_last_rank_is_found_by_the_gates(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth.tar", shards=4)
    (path / "3.pth").unlink()
    refused(path, "3 experts", "4")


def test_shards_that_differ_are_named(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth.tar", shards=2)
    other = write_checkpoint(tmp_path / "o.pth.tar", shards=2, expert_hidden=8)
    (other / "1.pth").rename(path / "1.pth")
    refused(path, "1.pth", "htoh4", "8")
    fewer = write_checkpoint(tmp_path / "f.pth.tar", shards=2, depth=2)
    (fewer / "1.pth").rename(path / "1.pth")
    refused(path, "1.pth", "blocks.3.mlp.experts")


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        ("backbone.blocks.2.attn.proj.bias", None, ["blocks.2.attn.proj.bias", "missing"]),
        ("backbone.blocks.1.mlp.gate.1.w_gate", None, ["blocks.1.mlp.gate"]),
        ("backbone.patch_embed.proj.weight", None, ["patch_embed.proj.weight", "missing"]),
        ("decoders.depth.conv_2.weight", None, ["decoders.depth.conv_2.weight", "missing"]),
        ("decoders.depth.syncbn_fc_1.running_var", None, ["decoders.depth.syncbn_fc_1.running_var"]),
        ("backbone.blocks.0.attn.extra", np.zeros(3), ["blocks.0.attn.extra", "unexpected"]),
        ("backbone.norm.weight", np.zeros(32), ["norm.weight", "unexpected"]),
        ("backbone.head_dist.weight", np.zeros((5, 32)), ["head_dist.weight", "wrong without it"]),
        ("something", np.zeros(3), ["something", "unexpected"]),
        ("decoders.depth.extra", np.zeros(3), ["decoders.depth.extra", "unexpected"]),
        ("backbone.blocks.0.norm1.weight", np.zeros(31), ["blocks.0.norm1.weight", "31", "32"]),
        ("backbone.blocks.3.mlp.experts.h4toh.bias", np.zeros((4, 31)), ["blocks.3.mlp.experts.h4toh.bias", "31"]),
        ("decoders.semseg.conv_4.weight", np.zeros((5, 15, 1, 1)), ["decoders.semseg.conv_4.weight", "15"]),
        ("backbone.blocks.0.norm1.weight", np.full(32, np.nan), ["blocks.0.norm1.weight", "32 NaN"]),
        ("backbone.pos_embed", np.full((1, 33, 32), -np.inf), ["pos_embed", "infinite"]),
        ("backbone.blocks.0.norm1.weight", np.full(32, 1e300), ["blocks.0.norm1.weight", "1e+300"]),
        ("backbone.blocks.0.norm1.weight", np.ones(32, np.int32), ["blocks.0.norm1.weight", "int32"]),
    ],
)
def test_a_wrong_tensor_is_named(name: str, values: Any, parts: list[str], tmp_path: Path) -> None:
    state: dict[str, Any] = make_state()
    if values is None:
        del state[name]
    else:
        state[name] = values
    torch.save({k: torch.from_numpy(np.asarray(v)) for k, v in state.items()}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", *parts)


def test_a_missing_block_is_named(tmp_path: Path) -> None:
    state = {k: v for k, v in make_state().items() if ".blocks.2." not in k}
    refused(save_state(tmp_path / "m.pth", state), "blocks.2")


def test_a_tensor_under_two_prefixes_is_refused(tmp_path: Path) -> None:
    state = {k: torch.from_numpy(v) for k, v in make_state().items()}
    state["module.backbone.pos_embed"] = state["backbone.pos_embed"]
    torch.save(state, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "backbone.pos_embed", "twice")


def test_a_model_without_qkv_bias_gets_zeros(tmp_path: Path) -> None:
    state = {k: v for k, v in make_state().items() if not k.endswith("qkv.bias")}
    model = load_model(save_state(tmp_path / "m.pth", state), options=options())
    assert not model.backbone["blocks.0.attn.qkv.bias"].any()
    assert any("qkv.bias" in note for note in model.notes)


def test_a_single_tasks_decoder_is_taken(tmp_path: Path) -> None:
    state = {
        k.replace("decoders.depth.", "decoder."): v for k, v in make_state(router="single", tasks={"depth": 1}).items()
    }
    path = save_state(tmp_path / "m.pth", state)
    assert list(load_model(path, options=options(router="single")).decoders) == ["default"]


def damaged(data: bytes, kind: str, rng: random.Random) -> bytes:
    """The file with up to three bytes changed; of a zip, bytes of the pickle in it."""

    def change(part: bytes) -> bytes:
        result = bytearray(part)
        for _ in range(rng.randint(1, 3)):
            result[rng.randrange(len(result))] = rng.randrange(256)
        return bytes(result)

    if kind != "zip":
        head = min(3000, len(data))  # where structure is, rather than weights
        return change(data[:head]) + data[head:]
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            target.writestr(name, change(part) if name.endswith("data.pkl") else part)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_damaged_file_loads_or_is_refused_but_never_fails_otherwise(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("m.safetensors" if kind == "safetensors" else "m.pth")
    write_checkpoint(path, dim=8, depth=2, decoder_width=4, router="single", legacy=kind == "legacy")
    data = path.read_bytes()
    rng = random.Random(kind)
    failures = 0
    for _ in range(40):
        path.write_bytes(damaged(data, kind, rng))
        try:
            load_model(path, options=options(router="single"))
        except EdgeMoEError as error:
            failures += 1
            assert error.message.endswith(".")
    assert failures > 10


@pytest.mark.parametrize("task", ["a b", "`id`", "<img>", "depth\n", "x" * 65])
def test_a_decoder_of_a_task_with_a_harmful_name_is_refused_by_tensor(tmp_path: Path, task: str) -> None:
    path = save_state(tmp_path / "m.safetensors", make_state(tasks={"semseg": 5, task: 1}))
    assert "letters, digits" in refused(path, repr(f"decoders.{task}.")[:-1], repr(task)).hint
