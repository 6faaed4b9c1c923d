"""Spec files: our TOML and its round trip, and the authors' yml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import SpecError
from edgemoe_gen.model import SpecOptions, load_model, read_spec_file, spec_to_toml
from edgemoe_gen.model.spec import TaskSpec
from edgemoe_gen.model.specfile import IMAGE_KEYS, KEYS
from tests.factory import options, write_checkpoint, write_spec

THREE = {"semseg": 5, "human_parts": 3, "depth": 1}

YML = """
setup: multi_task
train_db_name: NYUD
trBatch: 8
backbone: VisionTransformer_moe
backbone_kwargs:
   dilated: False
   img_size: [480,640]
   patch_size: 16
   embed_dim: 384
   depth: 12
   num_heads: 12
   mlp_ratio: 4.
   qkv_bias: True,
   moe_mlp_ratio: 2
   moe_top_k: 2
   gate_dim: -1
head: VisionTransformerUpHead
head_kwargs:
   align_corners: False
   in_index: 11
task_dictionary:
   include_depth: True
   include_semseg: True
   include_edge: False
   edge_w: 0.95
"""


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec_file(path)
    for part in (path.name, *parts):
        assert part in caught.value.message, caught.value.message
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({}, {}),
        ({"router": "single", "tasks": THREE, "experts": 8}, {"experts_per_task": 6, "expert_prune": True}),
        ({"router": "task_conditioned", "gate_type": "noisy"}, {"input_ahead": True, "top_k": 1}),
        ({"router": "none", "depth": 3}, {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.2, 0.3)}),
        ({"router": "none", "head_classes": 9}, {"resize": "bilinear"}),
    ],
)
def test_a_written_spec_reads_back_as_it_was(sizes: dict[str, Any], said: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    checkpoint = write_checkpoint(tmp_path / "m.pth", **sizes)
    spec = load_model(checkpoint, options=options(router=sizes.get("router", "multi"), **said)).spec
    file = tmp_path / "spec.toml"
    file.write_text(spec_to_toml(spec), encoding="utf-8")
    assert load_model(checkpoint, spec=file).spec == spec


def test_names_of_classes_are_read_back_as_they_were(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    names = {"semseg": ("floor", 'a "b"', "c,d", "ünï", "e"), "human-parts": ("x", "y", "z")}
    tasks = {"semseg": 5, "human-parts": 3, "depth": 1}
    checkpoint = write_checkpoint(tmp_path / "m.pth", tasks=tasks)
    spec = load_model(checkpoint, options=replace(options(tasks=tasks), class_names=names)).spec
    assert spec.class_names == names and spec.tasks[2].class_names == ()
    file = tmp_path / "spec.toml"
    file.write_text(spec_to_toml(spec), encoding="utf-8")
    assert load_model(checkpoint, spec=file).spec == spec
    assert "# Names of a task's classes" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"semseg": ("a", "b")}, ("class_names.semseg", "2 names (a, b)", "5 channels")),
        ({"depth": ("a", "b")}, ("class_names.depth", "2 names", "1 channel ")),
        ({"edges": ("a",)}, ('"edges"', "class_names")),
    ],
)
def test_names_that_do_not_fit_the_channels_are_refused(
    names: dict[str, tuple[str, ...]], words: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    checkpoint = write_checkpoint(tmp_path / "m.pth")
    with pytest.raises(SpecError) as caught:
        load_model(checkpoint, options=replace(options(), class_names=names))
    for word in words:
        assert word in caught.value.message


def test_names_of_a_task_without_decoder_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    checkpoint = write_checkpoint(tmp_path / "m.pth", decoders=False)
    said = replace(options(), tasks=("semseg", "depth"), class_names={"semseg": ("a", "b")})
    with pytest.raises(SpecError, match="no decoder"):
        load_model(checkpoint, options=said)


@pytest.mark.parametrize("name", ["", "a b", "x'); import os #", "a/b", "tâche", "a\n", "t" * 65])
def test_a_tasks_name_is_harmless_wherever_it_comes_from(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be the name of a task"):
        TaskSpec(name)
    checkpoint = write_checkpoint(tmp_path / "m.safetensors", decoders=False)
    with pytest.raises(SpecError, match="cannot be the name of a task"):
        load_model(checkpoint, options=replace(options(), tasks=("semseg", name)))


@pytest.mark.parametrize("name", ["semseg", "human_parts", "Task-2.1", "t" * 64])
def test_a_plain_name_of_a_task_is_taken(name: str) -> None:
    assert TaskSpec(name).name == name


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\x7f", "\u2028"])
def test_a_control_character_in_a_classs_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"class_names\.semseg holds .* control character"):
        TaskSpec("semseg", 2, ("road", name))


def test_names_of_classes_merge_task_by_task() -> None:
    first, second = ({"a": ("x",), "b": ("y",)}, {"b": ("z",)})
    merged = SpecOptions(class_names=second).over(SpecOptions(class_names=first))
    assert merged.class_names == {"a": ("x",), "b": ("z",)}
    assert SpecOptions().over(SpecOptions(class_names=first)).class_names == first


def test_a_written_spec_explains_every_key(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    spec = load_model(write_checkpoint(tmp_path / "m.pth"), options=options()).spec
    lines = spec_to_toml(spec).splitlines()
    for key, _, comment in (*KEYS, *IMAGE_KEYS):
        unsaid = "# " if key in ("weights", "ignore", "normalise") else ""  # an example, where nothing is said
        assert any(line.startswith(f"{unsaid}{key} = ") and line.endswith(f"# {comment}") for line in lines)


def test_options_win_over_the_spec_file(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = write_spec(tmp_path / "spec.toml", heads=4, top_k=1)
    model = load_model(write_checkpoint(tmp_path / "m.pth"), spec=file, options=SpecOptions(heads=2))
    assert (model.spec.heads, model.spec.router.top_k) == (2, 1)


def test_toml_says_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(
        '[model]\nheads = 3\ntop_k = 2\ntasks = ["a", "b"]\ngate_input_ahead = true\nexperts = [4, 8]\n'
        "[model.image]\nheight = 8\nscale = 1\nmean = [1, 2, 3.5]\n"
    )
    wanted = SpecOptions(
        heads=3,
        top_k=2,
        tasks=("a", "b"),
        input_ahead=True,
        experts=(4, 8),
        image_height=8,
        scale=1.0,
        mean=(1.0, 2.0, 3.5),
    )
    assert read_spec_file(file) == wanted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[model]\nhead = 3\n", ["model.head"]),
        ("[model]\nclass_names = 3\n", ["model.class_names"]),
        ("[model.class_names]\nsemseg = [1]\n", ["model.class_names.semseg", "[1]", "list of names"]),
        ("[model.image]\nheigth = 3\n", ["model.image.heigth"]),
        ("[model]\n[modle]\n", ["modle"]),
        ("heads = 3\n", ["heads"]),
        ("", ["[model]"]),
        ("model = 3\n", ["[model]"]),
        ("[model]\nimage = 3\n", ["model.image"]),
        ("[model]\nheads = ", []),
        ("[model\nheads = 3", []),
        ('[model]\nheads = "three"\n', ["model.heads", "three", "whole number"]),
        ("[model]\nheads = true\n", ["model.heads", "True"]),
        ("[model]\nheads = 3.5\n", ["model.heads", "3.5"]),
        ("[model]\nexpert_prune = 1\n", ["model.expert_prune", "true or false"]),
        ("[model]\ntasks = []\n", ["model.tasks"]),
        ('[model]\ntasks = "a"\n', ["model.tasks"]),
        ("[model.image]\nmean = [1, 2]\n", ["model.image.mean", "three"]),
        ("[model.image]\nscale = true\n", ["model.image.scale"]),
    ],
)
def test_a_wrong_toml_is_one_sentence(text: str, parts: list[str], tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(text)
    refused(file, *parts)


@pytest.mark.parametrize("name", ["spec.toml", "spec.yml"])
def test_a_file_that_is_no_text_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00\x01\x80")
    refused(tmp_path / name)
    refused(tmp_path / f"no{name}")
    (tmp_path / f"dir{name}").mkdir()
    refused(tmp_path / f"dir{name}")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "spec.json")


def test_yml_of_the_authors_is_read(tmp_path: Path) -> None:
    file = tmp_path / "nyud.yml"
    file.write_text(YML)
    assert read_spec_file(file) == SpecOptions(
        heads=12,
        image_height=480,
        image_width=640,
        patch=16,
        dim=384,
        depth=12,
        mlp_ratio=4.0,
        expert_ratio=2.0,
        top_k=2,
        tasks=("semseg", "depth"),
        align_corners=False,
        decoder_block=11,
        normalise="imagenet",
    )


def test_arguments_of_the_training_win_over_the_ymls_own(tmp_path: Path) -> None:
    file = tmp_path / "nyud.yaml"
    file.write_text(
        YML + "--moe_top_k: 4\nmoe_mlp_ratio: 1\nmoe_experts: 16\nmoe_gate_type: noisy_vmoe\nmulti_gate: True\n"
        "gate_input_ahead: 'yes'\nexpert_prune: False\nregu_experts_fromtask: True\nnum_experts_pertask: 8\n"
    )
    said = read_spec_file(file)
    assert (said.top_k, said.expert_ratio, said.experts, said.router) == (4, 1.0, 16, "multi")
    assert (said.gate_type, said.input_ahead, said.expert_prune, said.experts_per_task) == (
        "noisy_vmoe",
        True,
        False,
        8,
    )


def test_experts_a_task_count_only_where_the_switch_is_on(tmp_path: Path) -> None:
    file = tmp_path / "m.yml"
    file.write_text(YML + "num_experts_pertask: 8\n")
    assert read_spec_file(file).experts_per_task is None


def test_yml_without_a_size_takes_that_of_its_data(tmp_path: Path) -> None:
    file = tmp_path / "m.yml"
    file.write_text(YML.replace("img_size: [480,640]", "").replace("NYUD", "CityScapes"))
    said = read_spec_file(file)
    assert (said.image_height, said.image_width, said.scale, said.mean) == (128, 256, None, None)


def test_yml_beside_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "m.yml"
    text = YML.replace("[480,640]", "[32,64]").replace("patch_size: 16", "patch_size: 8").replace("384", "32")
    file.write_text(text.replace("depth: 12", "depth: 4").replace("num_heads: 12", "num_heads: 2").replace("11", "3"))
    checkpoint = write_checkpoint(tmp_path / "m.pth")
    spec = load_model(checkpoint, spec=file).spec
    assert (spec.heads, spec.router.top_k, spec.task_names) == (2, 2, ("semseg", "depth"))
    narrow = write_checkpoint(tmp_path / "narrow.pth", expert_hidden=32)
    with pytest.raises(SpecError, match=r"expert_ratio.*2\.0.*1 ") as caught:
        load_model(narrow, spec=file)
    assert "moe_top_k" in caught.value.hint
    assert load_model(narrow, spec=file, options=SpecOptions(expert_ratio=1.0)).spec.blocks[1].hidden == 32


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("backbone: [", []),
        ("a: b: c", []),
        ("", ["backbone_kwargs"]),
        ("- 1\n- 2\n", ["backbone_kwargs"]),
        ("backbone_kwargs: 3\n", ["backbone_kwargs"]),
        ("!!python/object/apply:os.system ['true']", []),
        (YML.replace("VisionTransformer_moe", "resnet50"), ["resnet50"]),
        (YML.replace("num_heads: 12", "num_heads: twelve"), ["num_heads", "twelve"]),
        (YML.replace("[480,640]", "[480]"), ["img_size", "480"]),
        (YML + "multi_gate: perhaps\n", ["multi_gate", "perhaps"]),
        (YML + "regu_experts_fromtask: True\n", ["num_experts_pertask"]),
        (YML.replace("mlp_ratio: 4.", "mlp_ratio: wide"), ["mlp_ratio", "wide"]),
    ],
)
def test_a_wrong_yml_is_one_sentence(text: str, parts: list[str], tmp_path: Path) -> None:
    file = tmp_path / "m.yml"
    file.write_text(text)
    refused(file, *parts)


def test_a_folder_in_place_of_a_spec_file_is_called_one(tmp_path: Path) -> None:
    for name in ("network", "network.toml"):
        (tmp_path / name).mkdir()
        with pytest.raises(SpecError, match=rf"{name} is a folder, not a spec file"):
            read_spec_file(tmp_path / name)
