"""What is read from the tensors, what is asked for, and what is refused because the two disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import CheckpointError, SpecError
from edgemoe_gen.model import BlockSpec, ImageSpec, SpecOptions, load_checkpoint, load_model, option_name
from edgemoe_gen.model.infer import infer_spec
from edgemoe_gen.model.spec import expert_windows
from tests.factory import make_state, options, save_state, write_checkpoint

pytest.importorskip("torch")


def spec_of(path: Path, said: SpecOptions) -> Any:
    return infer_spec(load_checkpoint(path), said)


def refused(path: Path, said: SpecOptions, *parts: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        spec_of(path, said)
    for part in parts:
        assert part in caught.value.message, caught.value.message
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message
    return caught.value


def test_sizes_are_read_from_the_tensors(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth", dim=24, depth=5, experts=6, expert_hidden=10, patch=4, image=(12, 20))
    spec = spec_of(path, options(heads=3, image=(12, 20), top_k=2))
    assert (spec.dim, spec.depth, spec.patch, spec.tokens, spec.head_dim) == (24, 5, 4, 16, 8)
    assert (spec.grid, spec.patch_inputs, spec.moe_blocks, spec.class_token) == ((3, 5), 48, (1, 3), True)
    assert spec.blocks[:2] == (BlockSpec(0, 0, 96), BlockSpec(1, 6, 10))
    assert [(task.name, task.classes) for task in spec.tasks] == [("semseg", 5), ("depth", 1)]
    assert spec.task_index("depth") == 1


@pytest.mark.parametrize("router", ["multi", "single", "task_conditioned", "none"])
@pytest.mark.parametrize("gate_type", ["noisy_vmoe", "noisy"])
def test_router_and_gate_are_read_from_the_names(router: str, gate_type: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth", router=router, gate_type=gate_type)
    found = spec_of(path, options(router=router)).router
    assert found.kind == router
    if router != "none":
        assert found.gate_type == gate_type and found.top_k == 2
    assert found.task_features == (6 if router == "task_conditioned" else 0)


def test_everything_missing_is_asked_for_at_once(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state(decoders=False))
    error = refused(path, SpecOptions(), "m.pth")
    for option in ("--heads", "--image-height", "--image-width", "--scale", "--mean", "--std", "--top-k", "--tasks"):
        assert option in error.hint
    assert "--heads" not in refused(path, SpecOptions(heads=2), "top_k").hint


def test_a_dense_model_is_not_asked_for_top_k_nor_tasks(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state(router="none", head_classes=3), prefix="")
    hint = refused(path, SpecOptions()).hint
    assert "--top-k" not in hint and "--tasks" not in hint and "--image-width" in hint


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ({"heads": 5}, ["heads", "5", "32"]),
        ({"heads": 0}, ["heads", "0"]),
        ({"top_k": 5}, ["top_k", "5", "4"]),
        ({"top_k": 0}, ["top_k", "0"]),
        ({"image_height": 40}, ["40", "41", "33"]),
        ({"image_height": 33}, ["image_height", "33", "8"]),
        ({"patch": 16}, ["patch", "16", "8"]),
        ({"dim": 64}, ["dim", "64", "32"]),
        ({"depth": 12}, ["depth", "12", "4"]),
        ({"tokens": 129}, ["tokens", "129", "33"]),
        ({"class_token": False}, ["class_token", "False", "True"]),
        ({"experts": 16}, ["experts", "16", "4"]),
        ({"experts": (4, 5)}, ["experts", "4, 5", "4, 4"]),
        ({"hidden": 64}, ["hidden", "64", "128"]),
        ({"expert_hidden": 32}, ["expert_hidden", "32", "64"]),
        ({"mlp_ratio": 2.0}, ["mlp_ratio", "2.0", "4"]),
        ({"expert_ratio": 1.0}, ["expert_ratio", "1.0", "2"]),
        ({"moe_blocks": (0, 2)}, ["moe_blocks", "0, 2", "1, 3"]),
        ({"router": "single"}, ["router", "single", "multi"]),
        ({"router": "best"}, ["router", "best"]),
        ({"gate_type": "noisy"}, ["gate_type", "noisy", "noisy_vmoe"]),
        ({"gate_type": "loud"}, ["gate_type", "loud"]),
        ({"tasks": ("semseg", "normals")}, ["tasks", "semseg, normals", "semseg, depth"]),
        ({"tasks": ("semseg",)}, ["tasks", "semseg", "semseg, depth"]),
        ({"tasks": ("depth", "semseg")}, ["tasks", "depth, semseg", "semseg, depth"]),
        ({"tasks": ("depth", "depth")}, ["tasks", "twice"]),
        ({"classes": (7, 1)}, ["classes", "7, 1", "5, 1"]),
        ({"experts_per_task": 2}, ["experts_per_task", "2"]),
        ({"decoder_block": 11}, ["in_index", "11", "3"]),
        ({"resize": "crop"}, ["resize", "crop"]),
        ({"scale": 0.0}, ["scale", "0.0"]),
        ({"std": (1.0, 0.0, 1.0)}, ["std"]),
    ],
)
def test_what_contradicts_the_tensors_is_refused_with_both_values(
    said: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    path = write_checkpoint(tmp_path / "m.pth")
    refused(path, SpecOptions(**said).over(options()), *parts)


def test_what_agrees_with_the_tensors_is_taken(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth")
    said = SpecOptions(dim=32, depth=4, experts=4, hidden=(128, 128), expert_ratio=2.0, decoder_block=-1, tokens=33)
    assert spec_of(path, said.over(options())) == spec_of(path, options())


def test_options_reach_the_spec(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth")
    said: dict[str, Any] = {
        "input_ahead": True,
        "expert_prune": True,
        "resize": "bilinear",
        "scale": 1 / 255,
        "mean": (0.5, 0.4, 0.3),
    }
    spec = spec_of(path, options(**said, align_corners=True))
    assert spec.router.input_ahead and spec.router.expert_prune and spec.router.score_threshold == 0.1
    assert spec.image == ImageSpec(32, 64, 1 / 255, (0.5, 0.4, 0.3), (1.0, 1.0, 1.0), "bilinear")
    assert spec.align_corners
    assert spec_of(path, options()).router.score_threshold == 0.0


def test_tasks_follow_the_files_order_of_decoders(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.pth", tasks={"semseg": 2, "depth": 1, "edge": 3})
    assert spec_of(path, options()).task_names == ("semseg", "depth", "edge")


def test_the_given_order_wins_over_an_alphabetical_one(tmp_path: Path) -> None:
    # A tool that sorts names leaves this order behind, so it proves nothing about the gates.
    path = write_checkpoint(tmp_path / "m.pth", tasks={"depth": 1, "semseg": 2})
    model = load_model(path, options=SpecOptions(tasks=("semseg", "depth")).over(options()))
    assert model.spec.task_names == ("semseg", "depth")
    assert any("different orders: semseg, depth and depth, semseg" in note for note in model.notes)


def test_safetensors_sorts_names_so_the_order_is_asked_for(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "m.safetensors")
    assert "--tasks" in refused(path, options(), "tasks").hint
    assert spec_of(path, SpecOptions(tasks=("semseg", "depth")).over(options())).task_names == ("semseg", "depth")
    single = write_checkpoint(tmp_path / "s.safetensors", router="single")
    assert set(spec_of(single, options(router="single")).task_names) == {"semseg", "depth"}


def test_tasks_can_be_named_where_there_are_no_decoders(tmp_path: Path) -> None:
    path = save_state(tmp_path / "m.pth", make_state(decoders=False))
    assert spec_of(path, SpecOptions(tasks=("b", "a")).over(options())).task_names == ("b", "a")
    refused(path, SpecOptions(tasks=("b",)).over(options()), "tasks", "b", "2")


def test_gates_beyond_the_last_task_are_ignored_and_said(tmp_path: Path) -> None:
    state = {k: v for k, v in make_state().items() if not k.startswith("decoders.depth.")}
    model = load_model(save_state(tmp_path / "m.pth", state), options=options())
    assert model.spec.task_names == ("semseg",)
    assert "blocks.1.mlp.gate.1.w_gate" not in model.backbone
    assert any("gate 1" in note for note in model.notes)


def test_blocks_with_other_gates_are_refused(tmp_path: Path) -> None:
    state = {k: v for k, v in make_state().items() if k != "backbone.blocks.3.mlp.gate.1.w_gate"}
    with pytest.raises(CheckpointError, match=r"blocks\.3\.mlp\.gate"):
        spec_of(save_state(tmp_path / "m.pth", state), options())


def test_rows_for_a_task_need_its_network(tmp_path: Path) -> None:
    state = {k: v for k, v in make_state(router="task_conditioned").items() if "gate_task_represent" not in k}
    with pytest.raises(CheckpointError, match="gate_task_represent"):
        spec_of(save_state(tmp_path / "m.pth", state), options())


def test_a_window_too_small_for_top_k_is_refused(tmp_path: Path) -> None:
    tasks = {"a": 1, "b": 1, "c": 1}
    path = write_checkpoint(tmp_path / "m.pth", router="single", tasks=tasks, experts=8)
    # Four experts a task: windows start at 0, 2 and 2 + 4 = 6, where only two are left.
    said = options(router="single", experts_per_task=4, top_k=3)
    refused(path, said, "experts_per_task 4", '"c"', "2")
    assert spec_of(path, options(router="single", experts_per_task=4, top_k=2)).router.experts_per_task == 4
    refused(path, options(router="single", experts_per_task=9), "experts_per_task", "9", "8")


def test_windows_of_experts_follow_the_authors_sum() -> None:
    assert expert_windows(16, 10, 2) == ((0, 10), (6, 16))
    assert expert_windows(16, 8, 3) == ((0, 8), (4, 12), (12, 16))
    assert expert_windows(16, 16, 4) == ((0, 16),) * 4
    assert expert_windows(16, 4, 1) == ((0, 4),)


def test_options_are_named_as_on_the_command_line() -> None:
    assert option_name("image_height") == "--image-height"


def test_options_over_options_keep_what_is_not_said() -> None:
    merged = SpecOptions(heads=3, input_ahead=False).over(SpecOptions(heads=4, top_k=2, input_ahead=True))
    assert merged == SpecOptions(heads=3, top_k=2, input_ahead=False)
