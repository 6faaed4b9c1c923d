"""M3ViT-tiny with its trained weights, where they are at hand: sizes, counts, shards, numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.model import Model, Reference, SpecOptions, load_model, macs, total, weights
from tests.model.oracle import Oracle

pytest.importorskip("torch")

SHARED = Path(__file__).parents[2] / "../shared"
SCRIPT = SHARED / "tools" / "make_checkpoint.py"
SAID = SpecOptions(heads=3, image_height=128, image_width=256, top_k=2, normalise="unit256")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint as expert-parallel training of four ranks leaves it."""
    if not SCRIPT.exists():
        pytest.skip("the trained tensors are not beside the project")
    path = tmp_path_factory.mktemp("tiny") / "checkpoint.pth.tar"
    subprocess.run([sys.executable, str(SCRIPT), str(path), "--shards", "4"], check=True, timeout=300)
    return path


@pytest.fixture(scope="session")
def tiny(checkpoint: Path) -> Model:
    return load_model(checkpoint, options=SAID)


@pytest.fixture(scope="session")
def frame() -> Any:
    return np.load(SHARED / "data" / "m3vit_tiny_cityscapes.npz")["image"].astype(np.float32) / 256


def test_tiny_is_recognised(tiny: Model) -> None:
    spec = tiny.spec
    assert (spec.dim, spec.depth, spec.tokens, spec.patch, spec.head_dim) == (192, 12, 129, 16, 64)
    assert spec.moe_blocks == (1, 3, 5, 7, 9, 11) and spec.blocks[1].experts == 16 and spec.blocks[1].hidden == 384
    assert spec.router.kind == "multi" and spec.router.gate_type == "noisy_vmoe"
    assert [(task.name, task.classes) for task in spec.tasks] == [("semseg", 7), ("depth", 1)]


def test_tiny_counts_are_the_known_ones(tiny: Model) -> None:
    counts = {kind: round(count / 1e6, 1) for kind, count in macs(tiny.spec).items()}
    assert counts == {
        "patch_embed": 18.9,
        "qkv": 171.2,
        "scores": 38.3,
        "mix": 38.3,
        "projection": 57.1,
        "mlp": 228.3,
        "gates": 2.4,
        "experts": 228.3,
    }
    assert round(total(macs(tiny.spec)) / 1e6, 1) == 782.7
    assert round(total(weights(tiny.spec)) / 1e6, 2) == 17.94
    assert round(weights(tiny.spec)["experts"] / 1e6, 2) == 14.21
    # What is counted is what there is, but for position embeddings, class token and the other task's gates.
    stored = sum(values.size for values in tiny.backbone.values())
    assert stored - total(weights(tiny.spec)) == 129 * 192 + 192 + 6 * 192 * 16


def test_trained_tensors_are_read_as_they_were_published(tiny: Model) -> None:
    published = np.load(SHARED / "data" / "m3vit_tiny_cityscapes.npz")
    names = [name for name in published if name in tiny.backbone]
    assert len(names) == len(published.files) - 2  # the image, and positions with the class token folded in
    for name in names:
        np.testing.assert_array_equal(tiny.backbone[name], published[name])
    np.testing.assert_array_equal(tiny.backbone["pos_embed"][0], published["pos_embed_plus_cls"])


def test_experts_of_all_ranks_are_joined_in_their_order(tiny: Model) -> None:
    # Each expert's first layer holds rows of the dense block before it, so that every one is known to be whole.
    dense = {row.tobytes() for row in tiny.backbone["blocks.0.mlp.fc1.weight"]}
    experts = tiny.backbone["blocks.1.mlp.experts.htoh4.weight"]
    assert experts.shape == (16, 384, 192)
    assert all(row.tobytes() in dense for expert in experts for row in expert)
    assert any("4 shards" in note for note in tiny.notes)


@pytest.mark.parametrize("task", ["semseg", "depth"])
def test_tiny_agrees_with_float64_on_a_real_frame(task: str, tiny: Model, frame: Any) -> None:
    result = Reference(tiny).run(frame, task, with_output=False)
    oracle = Oracle(tiny.backbone, heads=3)
    blocks = oracle.tokens(frame, task)
    assert result.routes is not None
    assert min(oracle.margins) > 1e-5
    np.testing.assert_array_equal(result.routes.experts, np.stack(oracle.routes))
    np.testing.assert_allclose(result.blocks, np.stack(blocks), atol=1e-4, rtol=1e-5)


def test_tasks_take_different_experts_and_outputs(tiny: Model, frame: Any) -> None:
    reference = Reference(tiny)
    first, second = (reference.run(frame, task) for task in ("semseg", "depth"))
    assert first.routes is not None and second.routes is not None
    assert (first.routes.experts != second.routes.experts).any()
    assert first.output is not None and first.output.shape == (7, 128, 256)
    assert second.output is not None and second.output.shape == (1, 128, 256)


def test_a_frame_gives_the_same_bits_again(tiny: Model, frame: Any) -> None:
    first, second = (Reference(tiny).run(frame, "depth", with_output=False) for _ in range(2))
    np.testing.assert_array_equal(first.blocks, second.blocks)
