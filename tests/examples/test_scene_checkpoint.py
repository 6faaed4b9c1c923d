"""The files that the example ships: good enough on scenes that nobody has seen, small, and readable by the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from edgemoe_gen.model import Model, Reference, load_image, load_model  # noqa: E402
from examples.scenes.evaluate import CHECKPOINT, HERE, SHOWN_SEED, evaluate_checkpoint, load_network, network_input  # noqa: E402
from examples.scenes.render import CLASSES, draw_scene, render  # noqa: E402

SPEC = HERE / "spec.toml"
IMAGES = HERE / "images"
FRESH_SEED = 5_000_000  # neither trained on, nor measured for metrics.json, nor shipped
LARGEST_ACTIVATION = 64.0  # an 18-bit value then has a step of 2^-11 or finer


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(CHECKPOINT, SPEC)


@pytest.fixture(scope="module")
def metrics() -> dict[str, object]:
    read: dict[str, object] = json.loads((HERE / "metrics.json").read_text(encoding="utf-8"))
    return read


def test_checkpoint_passes_the_bars_on_fresh_scenes() -> None:
    scores = evaluate_checkpoint(CHECKPOINT, range(FRESH_SEED, FRESH_SEED + 16))
    assert scores.mean_iou >= 0.6
    assert scores.depth_error < scores.constant_depth_error / 3


@pytest.mark.parametrize("task", ["semseg", "depth"])
def test_float_reference_reproduces_the_trained_network(model: Model, task: str) -> None:
    path = IMAGES / "scene_0.png"
    pixels = np.array(Image.open(path))
    with torch.inference_mode():
        maps, _ = load_network(CHECKPOINT)(network_input(pixels[None]), [task])
    result = Reference(model).run(load_image(path, model.spec.image), task)
    assert result.output is not None
    # Both add in float32 in another order; values reach some ten metres, and a step of float32 there is 1e-6.
    assert np.abs(result.output - maps[task][0].numpy()).max() < 1e-4


def test_spec_states_what_the_network_is(model: Model) -> None:
    spec = model.spec
    assert (spec.image.height, spec.image.width, spec.image.scale, spec.patch) == (64, 128, 1 / 256, 8)
    assert (spec.heads, spec.tokens, spec.router.kind, spec.router.top_k) == (3, 129, "multi", 2)
    assert spec.router.gate_type == "noisy_vmoe"
    assert [(task.name, task.classes) for task in spec.tasks] == [("semseg", len(CLASSES)), ("depth", 1)]
    assert spec.class_names == {"semseg": CLASSES}


def test_activations_and_weights_suit_fixed_point(model: Model) -> None:
    reference = Reference(model)
    for index in range(4):
        picture = load_image(IMAGES / f"scene_{index}.png", model.spec.image)
        for task in model.spec.task_names:
            blocks = reference.run(picture, task, with_output=False).blocks
            assert np.abs(blocks).max() < LARGEST_ACTIVATION
    assert max(float(np.abs(tensor).max()) for tensor in model.backbone.values()) < 8.0


def test_every_expert_has_work(model: Model) -> None:
    reference = Reference(model)
    counts = np.zeros((len(model.spec.moe_blocks), 8), int)
    for index in range(8):
        picture = load_image(IMAGES / f"scene_{index}.png", model.spec.image)
        for task in model.spec.task_names:
            routes = reference.run(picture, task, with_output=False).routes
            assert routes is not None
            for block, ids in enumerate(routes.experts):
                counts[block] += np.bincount(ids.ravel(), minlength=8)
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert shares.min() > 0.01


def test_shipped_pictures_are_what_their_seeds_render() -> None:
    for index in range(8):
        picture = render(draw_scene(SHOWN_SEED + index))
        truth = np.load(IMAGES / f"scene_{index}.npz")
        image = np.asarray(Image.open(IMAGES / f"scene_{index}.png"))
        assert truth["labels"].dtype == np.uint8 and truth["depth"].dtype == np.float16
        # Another processor may round a sine otherwise, which can move a pixel at an edge.
        assert (truth["labels"] == picture.labels).mean() > 0.999
        assert np.median(np.abs(truth["depth"].astype(float) - picture.depth)) < 0.004  # half a step of float16 at 8 m
        assert (image == picture.image).mean() > 0.99


def test_files_are_small() -> None:
    assert CHECKPOINT.stat().st_size <= 3_000_000
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < 500_000


def test_measured_figures_come_from_unseen_seeds(metrics: dict[str, object]) -> None:
    seeds = metrics["seeds"]
    assert isinstance(seeds, dict)
    trained, unseen, shown = (range(seeds[key][0], seeds[key][1] + 1) for key in ("trained", "unseen", "pictures"))
    assert len(unseen) >= 200 and len(unseen) == metrics["scenes"] and len(shown) == 8
    for a, b in ((trained, unseen), (trained, shown), (unseen, shown)):
        assert a.stop <= b.start or b.stop <= a.start


def test_checkpoint_has_the_authors_layout() -> None:
    saved = torch.load(CHECKPOINT, map_location="cpu", weights_only=True)
    assert set(saved) == {"epoch", "backbone", "state_dict", "best_result", "optimizer"}
    assert all(name.startswith(("module.backbone.", "module.decoders.")) for name in saved["state_dict"])
    floats = [value for value in saved["state_dict"].values() if value.is_floating_point()]
    assert {value.dtype for value in floats} == {torch.float16}


def test_readme_quotes_the_measured_figures(metrics: dict[str, object]) -> None:
    text = (Path(HERE) / "README.md").read_text(encoding="utf-8")
    for key in ("mean_iou", "depth_error", "constant_depth_error"):
        assert f"{metrics[key]:.3f}" in text
