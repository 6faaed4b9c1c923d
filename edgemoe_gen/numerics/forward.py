"""The folded network in float32, block by block, many frames at once; tensors rounded and saturated as formats say.

In: a `LoweredNetwork`, pictures and the task of each. Out: tokens and routes. Calibration passes its own function for
products with weights (`Product`), and so sees the inputs of every layer. PyTorch is imported at the first computation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.model import ModelSpec
from edgemoe_gen.model.spec import expert_windows
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredNetwork

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]
# A layer's name, the layer and its inputs [rows, inputs] to its results [rows, outputs].
Product = Callable[[str, Linear, "torch.Tensor"], "torch.Tensor"]


def plain(_: str, linear: Linear, inputs: torch.Tensor) -> torch.Tensor:
    """A plain product."""
    import torch

    bias = None if linear.bias is None else tensor(linear.bias)
    return torch.nn.functional.linear(inputs, tensor(linear.weight), bias)


def tensor(values: NDArray[np.floating]) -> torch.Tensor:
    """An array in float32."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


@dataclass
class Saturation:
    """Values beyond their formats, by tensor, and how many values there were in all."""

    beyond: dict[str, int] = field(default_factory=dict)
    values: int = 0

    def count(self, name: str, beyond: torch.Tensor) -> None:
        """Adds a tensor that says for each value whether it saturates."""
        self.values += beyond.numel()
        number = int(beyond.sum())
        if number:
            self.beyond[name] = self.beyond.get(name, 0) + number


class Forward:
    """Frames that pass through a network.

    Args:
        network: the folded network.
        tasks: task of each frame.
        formats: formats by which tensors are rounded and saturated; None: all stay float.
        saturation: counts values beyond their formats, if given.
    """

    def __init__(
        self,
        network: LoweredNetwork,
        tasks: Sequence[str],
        formats: Formats | None = None,
        saturation: Saturation | None = None,
    ) -> None:
        import torch

        self.network = network
        self.spec: ModelSpec = network.spec
        self.tasks = tuple(tasks)
        self.formats = formats
        self.saturation = saturation
        self._torch = torch
        self._f = torch.nn.functional
        index = torch.tensor([self.spec.task_index(task) for task in self.tasks])
        self._task_of_row = index.repeat_interleave(self.spec.tokens)

    def embed(self, pictures: Sequence[Float32], product: Product = plain) -> torch.Tensor:
        """Pictures [3, height, width], one for each frame, to tokens [frames * tokens, dim]."""
        spec = self.spec
        rows = np.concatenate([to_patches(picture, spec)[spec.prefix_tokens :] for picture in pictures])
        patches = self.held("image", tensor(rows))
        found = product("patch", self.network.patch, patches).reshape(len(pictures), -1, spec.dim)
        position = tensor(self.network.position)
        x = position.repeat(len(pictures), 1, 1)
        x[:, spec.prefix_tokens :] += found
        return self._within("embed", x.reshape(-1, spec.dim))

    def block(
        self, place: int, x: torch.Tensor, routes: torch.Tensor | None = None, product: Product = plain
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens through a block, and the experts of each [rows, top_k], None without experts.

        `routes`: experts to take; the gate's own by default.
        """
        block = self.network.blocks[place]
        name, before = f"blocks.{block.index}", x
        x = x + self._attention(name, block, self.norm(f"{name}.norm1", x, block.shifts1), product)
        x = self._within(f"{name}.residual", x)
        normal = self.norm(f"{name}.norm2", x, block.shifts2)
        if not block.routers:
            return self._within(f"{name}.residual", x + self._mlp(name, name, block.mlp[0], normal, product)), None
        logits = self._logits(name, block, before if self.spec.router.input_ahead else normal, product)
        ids, scores = self._route(block, logits, routes)
        mixed = self._torch.zeros_like(x)
        for expert, mlp in enumerate(block.mlp):
            row, rank = (ids == expert).nonzero(as_tuple=True)
            if len(row):
                found = self._mlp(name, f"{name}.experts.{expert}", mlp, normal[row], product)
                mixed.index_add_(0, row, found * scores[row, rank][:, None])
        return self._within(f"{name}.residual", x + mixed), ids

    def frames_of(self, x: torch.Tensor, frames: Sequence[int]) -> torch.Tensor:
        """Tokens of some frames."""
        found = x.reshape(len(self.tasks), self.spec.tokens, -1)[list(frames)]
        return found.reshape(-1, x.shape[1])

    def _attention(self, name: str, block: LoweredBlock, x: torch.Tensor, product: Product) -> torch.Tensor:
        spec, torch = self.spec, self._torch
        query, key, value = (
            self.held(f"{name}.{part}", product(f"{name}.{part}", getattr(block, part), x))
            .reshape(-1, spec.tokens, spec.heads, spec.head_dim)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = torch.empty_like(value)
        for frame in range(len(value)):
            scores = query[frame] @ key[frame].transpose(-2, -1)
            if self.formats is not None:
                scores = torch.stack([self.held(f"{name}.scores.{h}", rows) for h, rows in enumerate(scores)])
            mixed[frame] = (scores * math.log(2)).softmax(-1) @ value[frame]
        flat = mixed.transpose(1, 2).reshape(x.shape)
        if self.formats is not None:
            form, bits = self.formats[f"{name}.value"], self.formats[f"{name}.norm1"].bits
            flat = self._rounded(f"{name}.value", flat, Format(bits, form.fraction + bits - form.bits))
        return product(f"{name}.projection", block.projection, flat)

    def norm(self, name: str, x: torch.Tensor, shifts: NDArray[np.int64]) -> torch.Tensor:
        """LayerNorm without gain and offset, each feature shifted down by its number of bits."""
        normal = self._f.layer_norm(x, x.shape[-1:], eps=self.spec.norm_eps)
        return self.held(name, normal * tensor(np.exp2(-shifts.astype(np.float64))))

    def _mlp(
        self, block: str, name: str, mlp: tuple[Linear, Linear], x: torch.Tensor, product: Product
    ) -> torch.Tensor:
        up, down = mlp
        hidden = self.held(f"{block}.hidden", self._f.gelu(product(f"{name}.fc1", up, x)))
        return product(f"{name}.fc2", down, hidden)

    def _logits(self, name: str, block: LoweredBlock, x: torch.Tensor, product: Product) -> torch.Tensor:
        if self.spec.router.kind == "single":  # one gate for all tasks
            return self.held(f"{name}.logits", product(f"{name}.router.{self.spec.task_names[0]}", block.routers[0], x))
        logits = x.new_empty((len(x), len(block.mlp)))
        for task, router in zip(self.spec.task_names, block.routers, strict=True):
            rows = self._task_of_row == self.spec.task_index(task)
            if rows.any():
                logits[rows] = product(f"{name}.router.{task}", router, x[rows])
        return self.held(f"{name}.logits", logits)

    def _route(
        self, block: LoweredBlock, logits: torch.Tensor, routes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Experts of each row, and the scores as factors of their results; logits are of base 2."""
        router, torch = self.spec.router, self._torch
        if router.experts_per_task is not None:
            windows = expert_windows(len(block.mlp), router.experts_per_task, len(self.spec.tasks))
            first, end = (torch.tensor(part)[self._task_of_row][:, None] for part in zip(*windows, strict=True))
            experts = torch.arange(len(block.mlp))
            logits = logits.masked_fill((experts < first) | (experts >= end), -math.inf)
        values = logits * math.log(2)
        if router.gate_type == "noisy_vmoe":
            values = values.softmax(1)
        ids = values.topk(router.top_k, dim=1)[1] if routes is None else routes
        scores = values.gather(1, ids)
        if router.gate_type != "noisy_vmoe":
            scores = scores.softmax(1)
        return ids, torch.where(scores > router.score_threshold, scores, 0.0)

    def held(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """A tensor in the format of its memory."""
        return x if self.formats is None else self._rounded(name, x, self.formats[name])

    def _rounded(self, name: str, x: torch.Tensor, form: Format) -> torch.Tensor:
        limit = 1 << (form.bits - 1)
        whole = self._torch.floor(x * 2.0**form.fraction + 0.5)
        if self.saturation is not None:
            self.saturation.count(name, (whole < -limit) | (whole >= limit))
        return whole.clamp(-limit, limit - 1) * form.step

    def _within(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Tokens as the residual holds them: its bits beyond those of other activations are more than float32's."""
        if self.formats is None:
            return x
        largest = self.formats[name].largest
        if self.saturation is not None:
            self.saturation.count(name, x.abs() > largest)
        return x.clamp(-largest, largest)


def to_patches(image: Float32, spec: ModelSpec) -> NDArray[np.float64]:
    """[3, H, W] to one row a token [tokens, 3 * patch * patch]; those before the patches are zero."""
    rows, columns, p = *spec.grid, spec.patch
    tiles = np.asarray(image, np.float64).reshape(3, rows, p, columns, p).transpose(1, 3, 0, 2, 4)
    patches = np.zeros((spec.tokens, spec.patch_inputs))
    patches[spec.prefix_tokens :] = tiles.reshape(rows * columns, -1)
    return patches
