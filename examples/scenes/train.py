"""Train the example network on rendered scenes and write everything that the example ships.

Renders scenes, trains both tasks together, rounds the weights to float16, measures the rounded weights on unseen scenes
and writes checkpoint, spec, metrics and a few pictures. Under half an hour on two cores, from the project's root:
`python -m examples.scenes.train`.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from examples.scenes.evaluate import HERE, UNSEEN_SEED, evaluate, network_input
from examples.scenes.network import M3ViT, Sizes
from examples.scenes.render import CLASSES, FLOOR, WALL, Picture, render_many
from examples.scenes.ship import Training, write_example

CLASS_WEIGHTS = [0.5 if label in (FLOOR, WALL) else 1.5 for label in range(len(CLASSES))]  # solids cover a tenth
DEPTH_WEIGHT = 0.5  # of a metre of depth error against a nat of cross-entropy
BALANCE_WEIGHT = 0.02  # keeps all experts in use; larger values cost accuracy
CLIP = 1.0  # norm of the gradient
WARM_UP = 0.05  # share of the training


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults made the shipped checkpoint."""

    scenes: int = 8000
    steps: int = 5000
    minutes: float = 26.0  # the most that training may take; a slow machine does fewer steps
    batch: int = 8
    coarse: float = 0.65  # share of the steps with coarse decoders, which cost half the time
    rate: float = 2e-3
    decay: float = 0.05
    seed: int = 0
    patch: int = 8  # of 16 pixels: four doublings in the decoders then give maps of the picture's size


def losses(network: nn.Module, images: Tensor, labels: Tensor, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the labels, L1 of the depth in metres, balancing loss of the routers.

    Args:
        images: [B, 3, H, W], pixel / 256; labels: [B, H, W] int64; depth: [B, H, W], metres.
    """
    maps, balance = network(images)
    weights = torch.tensor(CLASS_WEIGHTS, device=images.device)
    return F.cross_entropy(maps["semseg"], labels, weights), F.l1_loss(maps["depth"][:, 0], depth), balance


def batches(pictures: Picture, batch: int, seed: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless shuffled batches; half of them are mirrored, and the colour channels change places."""
    rng = np.random.default_rng(seed)
    order = np.empty(0, np.int64)
    while True:
        while len(order) < batch:
            order = np.concatenate((order, rng.permutation(len(pictures.image))))
        chosen, order = order[:batch], order[batch:]
        images = pictures.image[chosen][..., rng.permutation(3)]
        labels, depth = pictures.labels[chosen], pictures.depth[chosen]
        if rng.random() < 0.5:
            images, labels, depth = images[:, :, ::-1], labels[:, :, ::-1], depth[:, :, ::-1]
        yield (
            network_input(np.ascontiguousarray(images)),
            torch.from_numpy(labels.astype(np.int64)),
            torch.from_numpy(depth.astype(np.float32)),
        )


def optimizer_for(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW that decays matrices and kernels, but neither biases, norms, positions nor the class token."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        matrix = parameter.ndim >= 2 and not name.endswith(("bias", "pos_embed", "cls_token"))
        (decayed if matrix else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": recipe.decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98))


def rate_at(done: float, recipe: Recipe) -> float:
    """Learning rate after a share 0 .. 1 of the training: linear over the first twentieth, then half a cosine to 0."""
    if done < WARM_UP:
        return recipe.rate * (0.01 + 0.99 * done / WARM_UP)
    return recipe.rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (done - WARM_UP) / (1.0 - WARM_UP))))


def train(network: M3ViT, pictures: Picture, recipe: Recipe, progress: Callable[[str], None] = print) -> int:
    """Train the network in place, together with the other workers if there are any. Returns the steps done."""
    rank, workers = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
    torch.manual_seed(recipe.seed + rank)
    nn.init.constant_(network.get_parameter("decoders.depth.conv_4.bias"), float(np.median(pictures.depth)))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    optimizer = optimizer_for(network, recipe)
    shared = nn.parallel.DistributedDataParallel(network) if workers > 1 else network
    source = batches(pictures, recipe.batch // workers, (recipe.seed, rank))
    began = time.perf_counter()
    sums = torch.zeros(3)
    every = max(1, recipe.steps // 50)
    step = 0
    while (done := _share_done(step, time.perf_counter() - began, recipe)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(done, recipe)
        network.set_coarse(done < recipe.coarse)
        parts = losses(shared, *next(source))
        torch.autograd.backward(parts[0] + DEPTH_WEIGHT * parts[1] + BALANCE_WEIGHT * parts[2])
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        sums += torch.stack([part.detach() for part in parts])
        step += 1
        if step % every == 0:
            semseg, metres, balance = (sums / every).tolist()
            sums.zero_()
            progress(
                f"{done:4.0%} · step {step} · cross-entropy {semseg:.3f} · depth {metres:.3f} m · "
                f"balance {balance:.3f} · {time.perf_counter() - began:.0f} s"
            )
    network.set_coarse(False)
    return step


def _share_done(step: int, seconds: float, recipe: Recipe) -> float:
    """Share of the training that is over, by steps or by time, whichever is further; the same for all workers."""
    done = torch.tensor(max(step / recipe.steps, seconds / (60.0 * recipe.minutes)))
    if distributed.is_initialized():
        distributed.broadcast(done, 0)
    return float(done)


def round_to_half(network: M3ViT) -> None:
    """Round all weights to float16 in place, so that what is measured is what is stored."""
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())


def work(rank: int, arguments: argparse.Namespace, recipe: Recipe, meeting: str) -> None:
    """One worker's part: render its share of the scenes and train on them; the first measures and writes."""
    torch.set_num_threads(1)
    if arguments.workers > 1:
        distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=arguments.workers)

    def say(line: str) -> None:
        if rank == 0:
            print(line, flush=True)

    began = time.perf_counter()
    pictures = render_many(range(rank, recipe.scenes, arguments.workers))
    render_seconds = time.perf_counter() - began
    say(f"rendered {recipe.scenes} scenes in {render_seconds:.0f} s")
    torch.manual_seed(recipe.seed)
    network = M3ViT(Sizes(patch=recipe.patch))
    steps = train(network, pictures, recipe, say)
    train_seconds = time.perf_counter() - began - render_seconds
    if distributed.is_initialized():
        distributed.destroy_process_group()
    if rank > 0:
        return
    round_to_half(network)
    unseen = range(UNSEEN_SEED, UNSEEN_SEED + arguments.unseen)
    scores = evaluate(network, render_many(unseen, arguments.workers))
    say(f"mIoU {scores.mean_iou:.3f}, depth {scores.depth_error:.3f} m on {scores.scenes} unseen scenes")
    say(f"constant depth {scores.constant_depth_error:.3f} m; IoU by class {scores.iou}")
    training = Training(vars(recipe), steps, render_seconds, train_seconds, arguments.workers)
    write_example(arguments.out, network, scores, training, unseen)


def main() -> None:
    """Render, train, measure, write."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each that share every batch")
    parser.add_argument("--unseen", type=int, default=400, help="scenes to measure on")
    for name, value in vars(defaults).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parser.parse_args()
    recipe = Recipe(**{name: getattr(arguments, name) for name in vars(defaults)})
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "workers")
        if arguments.workers == 1:
            work(0, arguments, recipe, meeting)
        else:
            spawn(work, (arguments, recipe, meeting), nprocs=arguments.workers)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
