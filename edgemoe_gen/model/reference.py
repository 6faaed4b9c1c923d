"""The float reference: runs a frame through the network in float32 with PyTorch, one expert after another.

In: a `Model`, a network input [3, H, W], a task. Out: tokens, every block's output, routes and the decoder's result.
Products are taken in the order of M3ViT's own code, so that routes agree with it. PyTorch is imported at the first
computation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgemoe_gen.base.errors import CheckpointError, ImageError, SpecError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.model.layout import BATCH_NORM_EPS, decoder_convolutions, gate_name
from edgemoe_gen.model.model import Model
from edgemoe_gen.model.safe import Array
from edgemoe_gen.model.spec import PRUNE_THRESHOLD, BlockSpec, expert_windows

if TYPE_CHECKING:
    import torch

Observer = Callable[[str, Array], None]
Ids = npt.NDArray[np.int64]

_BATCH_NORM = ("running_mean", "running_var", "weight", "bias")


@dataclass(frozen=True)
class Routes:
    """Which experts each token takes, in every block with experts.

    Attributes:
        experts: [moe_blocks, tokens, top_k] ids, by descending score unless they were forced.
        scores: [moe_blocks, tokens, top_k] float32, factor of each expert's result (after pruning).
    """

    experts: Ids
    scores: Array


@dataclass(frozen=True)
class ReferenceResult:
    """A frame's results.

    Attributes:
        tokens: [tokens, dim], the last block's output.
        blocks: [depth, tokens, dim], every block's output.
        routes: None without experts.
        output: the task's decoder [classes, height, width], a plain ViT's logits [classes], or None.
    """

    tokens: Array
    blocks: Array
    routes: Routes | None
    output: Array | None


class Reference:
    """A model ready to run. Holds its weights as tensors that share memory with the model's arrays."""

    def __init__(self, model: Model) -> None:
        """Args: model: a checked network. Raises: CheckpointError: PyTorch is missing."""
        self._torch = _import_torch()
        self.model = model
        self._weights = {name: self._torch.from_numpy(values) for name, values in model.backbone.items()}

    def run(
        self,
        image: Array,
        task: str,
        routes: Ids | None = None,
        observe: Observer | None = None,
        with_output: bool = True,
    ) -> ReferenceResult:
        """One frame.

        Args:
            image: network input [3, height, width] float32.
            task: name of a task.
            routes: [moe_blocks, tokens, top_k] expert ids to force; scores are taken from the gate's probabilities of
                them.
            observe: called with the name and value of intermediate tensors, in the order of computation.
            with_output: False leaves out the decoder, which takes longer than the backbone; then `output` is None.

        Raises:
            ImageError: the image has another shape or holds NaN.
            SpecError: there is no such task; forced routes have another shape or name an unknown expert.
        """
        spec = self.model.spec
        index = spec.task_index(task)
        image = np.asarray(image, np.float32)
        wanted = (3, spec.image.height, spec.image.width)
        if image.shape != wanted:
            raise ImageError(
                f"The input has the shape {list(image.shape)}, the model takes {list(wanted)}.", "Resize it."
            )
        if not np.isfinite(image).all():
            raise ImageError("The input holds NaN or infinite values.", "Check where it comes from.")
        if routes is not None:
            routes = _checked_routes(self.model, routes)
        with self._torch.inference_mode():
            frame = _Frame(self.model, self._weights, index, routes, observe)
            x = frame.embed(self._torch.from_numpy(np.ascontiguousarray(image)))
            outputs = []
            for block in spec.blocks:
                x = frame.block(x, block)
                outputs.append(x[0].numpy().copy())
        taken = Routes(np.stack(frame.experts), np.stack(frame.scores)) if frame.experts else None
        blocks = np.stack(outputs) if outputs else np.zeros((0, spec.tokens, spec.dim), np.float32)
        tokens = blocks[-1]
        output = decode(self.model, tokens, task, observe) if with_output else None
        return ReferenceResult(tokens, blocks, taken, output)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            "The float reference needs PyTorch, which is not installed.", f"Run: {installing('torch')}."
        ) from error
    return torch


def _checked_routes(model: Model, routes: Ids) -> Ids:
    spec = model.spec
    routes = np.asarray(routes)
    wanted = (len(spec.moe_blocks), spec.tokens, spec.router.top_k)
    if routes.shape != wanted:
        raise SpecError(
            f"The forced routes have the shape {list(routes.shape)}, the model's are {list(wanted)}.",
            "Take Routes.experts of another run of the same model.",
        )
    for block, ids in zip(spec.moe_blocks, routes, strict=True):
        experts = spec.blocks[block].experts
        if ids.min() < 0 or ids.max() >= experts:
            raise SpecError(
                f"The forced routes of block {block} name an expert outside 0..{experts - 1}.",
                "Take Routes.experts of another run of the same model.",
            )
    return routes.astype(np.int64)


class _Frame:
    """State of one frame: the weights, the task, and the values collected in the blocks."""

    def __init__(
        self, model: Model, weights: dict[str, torch.Tensor], task: int, routes: Ids | None, observe: Observer | None
    ) -> None:
        import torch

        self.torch = torch
        self.f = torch.nn.functional
        self.spec = model.spec
        self.weights = weights
        self.task = task
        self.routes = routes
        self.observe = observe
        self.experts: list[Ids] = []
        self.scores: list[Array] = []
        self.feature = self._task_feature()

    def see(self, name: str, value: torch.Tensor) -> None:
        if self.observe is not None:
            self.observe(name, value.contiguous().numpy().copy())

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return self.f.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        if self.observe is not None:
            self.see(name, self.f.layer_norm(x, x.shape[-1:], eps=self.spec.norm_eps)[0])
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.f.layer_norm(x, x.shape[-1:], weight, bias, self.spec.norm_eps)

    def _task_feature(self) -> torch.Tensor | None:
        if self.spec.router.kind != "task_conditioned":
            return None
        name = "gate_task_represent"
        one_hot = self.torch.zeros(self.spec.router.task_inputs)
        one_hot[self.task] = 1.0
        x = self.linear(self.f.gelu(self.linear(one_hot, f"{name}.fc1")), f"{name}.fc2")
        weight, bias = self.weights[f"{name}.norm.weight"], self.weights[f"{name}.norm.bias"]
        return self.f.layer_norm(x, x.shape, weight, bias, self.spec.norm_eps)

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """[3, H, W] to [1, tokens, dim]."""
        weight, bias = self.weights["patch_embed.proj.weight"], self.weights["patch_embed.proj.bias"]
        x = self.f.conv2d(image[None], weight, bias, stride=self.spec.patch).flatten(2).transpose(1, 2)
        self.see("patch_embed", x[0])
        before = [name for name in ("cls_token", "extra_tokens") if name in self.weights]
        x = self.torch.cat((*(self.weights[name] for name in before), x), dim=1)
        x = x + self.weights["pos_embed"]
        self.see("embed", x[0])
        return x

    def block(self, x: torch.Tensor, block: BlockSpec) -> torch.Tensor:
        """[1, tokens, dim] to the same, as Block.forward of models/vision_transformer_moe.py."""
        name = f"blocks.{block.index}"
        before = x
        x = x + self.attention(self.norm(x, f"{name}.norm1"), name)
        self.see(f"{name}.middle", x[0])
        normal = self.norm(x, f"{name}.norm2")
        if block.experts:
            gate_input = before if self.spec.router.input_ahead else normal
            x = x + self.mixture(normal[0], gate_input[0], block)[None]
        else:
            hidden = self.linear(normal, f"{name}.mlp.fc1")
            self.see(f"{name}.hidden", hidden[0])
            activated = self.f.gelu(hidden)
            self.see(f"{name}.activated", activated[0])
            out = self.linear(activated, f"{name}.mlp.fc2")
            self.see(f"{name}.mlp", out[0])
            x = x + out
        self.see(f"{name}.output", x[0])
        return x

    def attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        batch, tokens, dim = x.shape
        heads, width = self.spec.heads, self.spec.head_dim
        q, k, v = self.linear(x, f"{name}.attn.qkv").reshape(batch, tokens, 3, heads, width).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * width**-0.5
        for part, value in (("q", q), ("k", k), ("v", v), ("scores", scores)):
            self.see(f"{name}.{part}", value[0])
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, dim)
        out = self.linear(mixed, f"{name}.attn.proj")
        self.see(f"{name}.attention", out[0])
        return out

    def mixture(self, x: torch.Tensor, gate_input: torch.Tensor, block: BlockSpec) -> torch.Tensor:
        """Experts' results of [tokens, dim], weighted by their scores and added."""
        name = f"blocks.{block.index}"
        ids, scores = self.route(gate_input, block)
        self.experts.append(ids.numpy().copy())
        self.scores.append(scores.numpy().copy())
        up, up_bias = self.weights[f"{name}.mlp.experts.htoh4.weight"], self.weights[f"{name}.mlp.experts.htoh4.bias"]
        down, down_bias = (
            self.weights[f"{name}.mlp.experts.h4toh.weight"],
            self.weights[f"{name}.mlp.experts.h4toh.bias"],
        )
        results = x.new_empty((*ids.shape, x.shape[1]))
        hidden_seen, activated_seen, out_seen = [], [], []
        for expert in range(block.experts):
            token, place = (ids == expert).nonzero(as_tuple=True)
            if not len(token):
                continue
            hidden = self.f.linear(x[token], up[expert], up_bias[expert])
            activated = self.f.gelu(hidden)
            out = self.f.linear(activated, down[expert], down_bias[expert])
            results[token, place] = out
            if self.observe is not None:
                hidden_seen.append(hidden)
                activated_seen.append(activated)
                out_seen.append(out)
        for part, seen in (("hidden", hidden_seen), ("activated", activated_seen), ("mlp", out_seen)):
            if seen:
                self.see(f"{name}.{part}", self.torch.cat(seen))
        return self.torch.bmm(scores[:, None], results)[:, 0]

    def route(self, gate_input: torch.Tensor, block: BlockSpec) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and scores [tokens, top_k], as the gates of models/gate_funs at inference."""
        router = self.spec.router
        weight = self.weights[gate_name(self.spec, block.index, self.task)]
        if self.feature is not None:
            gate_input = self.torch.cat((gate_input, self.feature.repeat(len(gate_input), 1)), dim=-1)
        if self.observe is not None:
            self.see(f"blocks.{block.index}.logits", gate_input @ weight)
        first, end = 0, block.experts
        if router.experts_per_task is not None:
            first, end = expert_windows(block.experts, router.experts_per_task, len(self.spec.tasks))[self.task]
        logits = gate_input @ weight[:, first:end]
        # The authors take one more than they need, which matters to the choice among equal values.
        k, asked = router.top_k, min(router.top_k + 1, end - first)
        values = logits.softmax(1) if router.gate_type == "noisy_vmoe" else logits
        top, ids = values.topk(asked, dim=1)
        top, ids = top[:, :k], ids[:, :k] + first
        if self.routes is not None:
            ids, top = self._force(values, block, first, end)
        scores = top if router.gate_type == "noisy_vmoe" else top.softmax(1)
        if router.expert_prune:
            scores = self.torch.where(scores > PRUNE_THRESHOLD, scores, 0.0)
        return ids.contiguous(), scores.contiguous()

    def _force(self, values: torch.Tensor, block: BlockSpec, first: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.routes is not None
        ids = self.torch.from_numpy(self.routes[len(self.experts)])
        if int(ids.min()) < first or int(ids.max()) >= end:
            raise SpecError(
                f"The forced routes of block {block.index} name an expert outside the task's {first}..{end - 1}.",
                "Take Routes.experts of a run of the same task.",
            )
        return ids, values.gather(1, ids - first)


def decode(model: Model, tokens: Array, task: str, observe: Observer | None = None) -> Array | None:
    """The task's result from the last block's output, in float32.

    A decoder (models/vit_up_head.py): drop the tokens before the patches, layer norm, four times 3x3 convolution, batch
    norm and ReLU, each of the first three followed by bilinear doubling, a 1x1 convolution, doubling, and bilinear
    resizing to the image (models.py). A plain ViT's head: layer norm, class token (without one the mean of patches),
    classifier; with `fc_norm` the mean of the patches, layer norm, classifier; of a distilled network the mean of both
    tokens' classifiers.

    Args:
        model: the network.
        tokens: [tokens, dim].
        task: name of a task.
        observe: called with the name, which begins with `decoders.<task>.`, and the value [pixels, features] of a
            decoder's norm, of every convolution behind its ReLU, and of the logits before the last doubling.

    Returns:
        [classes, height, width], or [classes], or None if the model has neither decoder nor head.
    """
    torch = _import_torch()
    spec = model.spec
    spec.task_index(task)
    with torch.inference_mode():
        x = torch.from_numpy(np.ascontiguousarray(tokens, np.float32))[None]
        if task in model.decoders:
            weights = {name: torch.from_numpy(values) for name, values in model.decoders[task].items()}
            return _up_head(model, weights, x, f"decoders.{task}", observe)
        if "head.weight" not in model.head:
            return None
        logits: Array = _plain_head(model, x[0]).numpy()
        return logits


def _plain_head(model: Model, x: torch.Tensor) -> torch.Tensor:
    import torch
    import torch.nn.functional as f

    spec = model.spec
    head = {name: torch.from_numpy(values) for name, values in model.head.items()}
    if "fc_norm.weight" in head:
        x = x[spec.prefix_tokens :].mean(dim=0)
        x = f.layer_norm(x, x.shape[-1:], head["fc_norm.weight"], head["fc_norm.bias"], spec.norm_eps)
        return f.linear(x, head["head.weight"], head["head.bias"])
    x = f.layer_norm(x, x.shape[-1:], head["norm.weight"], head["norm.bias"], spec.norm_eps)
    first = x[0] if spec.class_token else x[spec.prefix_tokens :].mean(dim=0)
    logits = f.linear(first, head["head.weight"], head["head.bias"])
    if "head_dist.weight" in head:
        logits = (logits + f.linear(x[1], head["head_dist.weight"], head["head_dist.bias"])) / 2
    return logits


def _up_head(
    model: Model, weights: dict[str, torch.Tensor], x: torch.Tensor, where: str, observe: Observer | None
) -> Array:
    import torch.nn.functional as f

    spec = model.spec

    def see(name: str, pixels: torch.Tensor) -> None:
        if observe is not None:
            observe(f"{where}.{name}", pixels.numpy().copy())

    def flat(y: torch.Tensor) -> torch.Tensor:
        return y[0].flatten(1).T

    def double(y: torch.Tensor) -> torch.Tensor:
        size = (2 * y.shape[-2], 2 * y.shape[-1])
        return f.interpolate(y, size=size, mode="bilinear", align_corners=spec.align_corners)

    x = x[:, spec.prefix_tokens :]
    if observe is not None:
        see("norm", f.layer_norm(x, x.shape[-1:], eps=spec.norm_eps)[0])
    x = f.layer_norm(x, x.shape[-1:], weights["norm.weight"], weights["norm.bias"], spec.norm_eps)
    x = x.transpose(1, 2).reshape(1, spec.dim, *spec.grid)
    last = decoder_convolutions(weights) - 1
    for i in range(last):
        x = f.conv2d(x, weights[f"conv_{i}.weight"], weights[f"conv_{i}.bias"], padding=1)
        mean, var, scale, shift = (weights[f"syncbn_fc_{i}.{part}"] for part in _BATCH_NORM)
        x = f.relu(f.batch_norm(x, mean, var, scale, shift, eps=BATCH_NORM_EPS))
        see(f"conv_{i}", flat(x))
        if i < last - 1:
            x = double(x)
    x = f.conv2d(x, weights[f"conv_{last}.weight"], weights[f"conv_{last}.bias"])
    see("logits", flat(x))
    x = double(x)
    x = f.interpolate(x, (spec.image.height, spec.image.width), mode="bilinear", align_corners=False)
    result: Array = x[0].numpy()
    return result
