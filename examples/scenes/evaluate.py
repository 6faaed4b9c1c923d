"""Measure a checkpoint of the example on scenes that it has not seen.

Reads the checkpoint file alone (weights as stored, so float16-rounded), renders scenes from seeds, and compares both
tasks' maps with the exact labels and depths. `python -m examples.scenes.evaluate` prints the figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgemoe_gen.report.metrics import ConfusionMatrix, depth_error
from examples.scenes.network import M3ViT, Sizes
from examples.scenes.render import CLASSES, Picture, render_many

HERE = Path(__file__).parent
CHECKPOINT = HERE / "checkpoint.pth.tar"
UNSEEN_SEED = 1_000_000  # seeds from here on are never trained on
SHOWN_SEED = 2_000_000  # seeds of the shipped pictures
PREFIX = "module."  # the authors' distributed wrapper puts it before every name


@dataclass(frozen=True)
class Scores:
    """What a network achieves on some scenes; errors in metres. The constant predictor knows the scenes' median."""

    scenes: int
    mean_iou: float
    iou: dict[str, float]
    pixel_accuracy: float
    depth_error: float
    constant_depth_error: float


def network_input(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """Images uint8 [B, H, W, 3] -> float32 [B, 3, H, W], pixel / 256, laid out as the convolutions like it."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return (pixels.float() / 256).contiguous(memory_format=torch.channels_last)


def load_network(checkpoint: Path) -> M3ViT:
    """The network of a checkpoint that `train` wrote, in float32, ready for inference."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    state = {name.removeprefix(PREFIX): value for name, value in saved["state_dict"].items()}
    network = M3ViT(Sizes(patch=state["backbone.patch_embed.proj.weight"].shape[-1]))
    network.load_state_dict(state)
    return network.eval()


@torch.inference_mode()
def evaluate(network: M3ViT, pictures: Picture, batch: int = 16) -> Scores:
    """Scores over stacked pictures. Leaves the network in inference mode."""
    network.eval()
    matrix = ConfusionMatrix(len(CLASSES))
    depths = []
    for start in range(0, len(pictures.image), batch):
        some = slice(start, start + batch)
        maps, _ = network(network_input(pictures.image[some]))
        matrix.add(pictures.labels[some], maps["semseg"].argmax(dim=1).numpy())
        depths.append(maps["depth"][:, 0].numpy())
    constant = np.full_like(pictures.depth, np.median(pictures.depth))
    return Scores(
        scenes=len(pictures.image),
        mean_iou=matrix.mean_iou(),
        iou=dict(zip(CLASSES, matrix.iou().tolist(), strict=True)),
        pixel_accuracy=matrix.accuracy(),
        depth_error=depth_error(pictures.depth, np.concatenate(depths)),
        constant_depth_error=depth_error(pictures.depth, constant),
    )


def evaluate_checkpoint(checkpoint: Path, seeds: Iterable[int], processes: int = 1) -> Scores:
    """Scores of a checkpoint file on the scenes of some seeds."""
    return evaluate(load_network(checkpoint), render_many(seeds, processes))


def main() -> None:
    """Print the scores of a checkpoint as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=CHECKPOINT)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seeds = range(UNSEEN_SEED, UNSEEN_SEED + arguments.scenes)
    print(json.dumps(vars(evaluate_checkpoint(arguments.checkpoint, seeds, arguments.threads)), indent=2))


if __name__ == "__main__":
    main()
