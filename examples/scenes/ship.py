"""Write the files that the example ships: checkpoint, spec, metrics and pictures with their ground truth.

The checkpoint has the layout of the authors' training code with weights in float16; the pictures come from seeds that
are neither trained nor measured on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from edgemoe_gen.model import SpecOptions, load_model, spec_to_toml
from examples.scenes.evaluate import CHECKPOINT, PREFIX, SHOWN_SEED, Scores
from examples.scenes.network import M3ViT, Sizes
from examples.scenes.render import CLASSES, draw_scene, render

PICTURES = 8


@dataclass(frozen=True)
class Training:
    """How the checkpoint came about: the recipe's numbers, steps done, wall time and processes."""

    recipe: dict[str, float]
    steps: int
    render_seconds: float
    train_seconds: float
    workers: int


def write_checkpoint(path: Path, network: M3ViT, epoch: int, best: float) -> None:
    """Save `{"epoch", "backbone", "state_dict", "best_result", "optimizer"}`, floats as float16, no optimizer state."""
    state = {
        PREFIX + name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    saved = {
        "epoch": epoch,
        "backbone": "VisionTransformer_moe",
        "state_dict": state,
        "best_result": {"multi_task_performance": best},
        "optimizer": {"state": {}, "param_groups": []},
    }
    torch.save(saved, path)


def write_spec(path: Path, checkpoint: Path, sizes: Sizes) -> None:
    """Write the spec of a checkpoint: what its tensors do not tell comes from `sizes`, the rest is read from it."""
    told = SpecOptions(
        heads=sizes.heads,
        image_height=sizes.image[0],
        image_width=sizes.image[1],
        top_k=sizes.top_k,
        gate_type="noisy_vmoe",
        tasks=tuple(sizes.tasks),
        class_names={"semseg": CLASSES},
        normalise="unit256",
    )
    spec = load_model(checkpoint, options=told).spec
    path.write_text("# Output of depth: metres.\n" + spec_to_toml(spec), encoding="utf-8")


def write_pictures(folder: Path) -> None:
    """Write scene_<i>.png and scene_<i>.npz (labels uint8, depth float16 in metres, both [H, W]) to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(PICTURES):
        picture = render(draw_scene(SHOWN_SEED + index))
        Image.fromarray(picture.image).save(folder / f"scene_{index}.png", optimize=True)
        np.savez_compressed(
            folder / f"scene_{index}.npz", labels=picture.labels, depth=picture.depth.astype(np.float16)
        )


def write_metrics(path: Path, scores: Scores, training: Training, unseen: range) -> None:
    """Write what was measured, on which seeds, and how long it took."""
    measured = {
        **{key: _rounded(value) for key, value in asdict(scores).items()},
        "classes": list(CLASSES),
        "unit_of_depth": "m",
        "seeds": {
            "trained": [0, int(training.recipe["scenes"]) - 1],
            "unseen": [unseen.start, unseen.stop - 1],
            "pictures": [SHOWN_SEED, SHOWN_SEED + PICTURES - 1],
        },
        "recipe": training.recipe,
        "steps": training.steps,
        "workers": training.workers,
        "render_seconds": round(training.render_seconds),
        "train_seconds": round(training.train_seconds),
        "weights": "float16",
    }
    path.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


def write_example(out: Path, network: M3ViT, scores: Scores, training: Training, unseen: range) -> None:
    """Write all files of the example to the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    recipe = training.recipe
    epoch = int(training.steps * recipe["batch"] // recipe["scenes"])
    write_checkpoint(out / CHECKPOINT.name, network, epoch, scores.mean_iou)
    write_spec(out / "spec.toml", out / CHECKPOINT.name, network.sizes)
    write_pictures(out / "images")
    write_metrics(out / "metrics.json", scores, training, unseen)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value
