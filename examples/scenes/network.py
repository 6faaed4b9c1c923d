"""A small M3ViT that can be trained: two tasks, a router a task, mixture-of-experts in every odd block.

Parameters carry the names of the authors' training code (github.com/VITA-Group/M3ViT: models/vision_transformer_moe.py,
custom_moe_layer.py, gate_funs/noisy_gate_vmoe.py, vit_up_head.py), so that a saved state is a checkpoint like theirs.
In: images [B, 3, H, W] as pixel / 256; out: one map [B, C, H, W] a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn

EPS = 1e-6  # of every LayerNorm, as the authors'
DECODER_CONVS = 4


@dataclass(frozen=True)
class Sizes:
    """The sizes of the network; `tasks` maps a task to its output channels, in the order of the router indices."""

    image: tuple[int, int] = (64, 128)
    patch: int = 8
    dim: int = 96
    heads: int = 3
    depth: int = 6
    mlp_hidden: int = 192
    experts: int = 8
    expert_hidden: int = 96
    top_k: int = 2
    decoder_width: int = 32
    tasks: dict[str, int] = field(default_factory=lambda: {"semseg": 6, "depth": 1})

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image[0] // self.patch, self.image[1] // self.patch

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return self.grid[0] * self.grid[1] + 1


class Attention(nn.Module):
    """Multi-head self-attention; qkv stacks q, k, v, each split in heads."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))
        return out


class Mlp(nn.Module):
    """The dense MLP of the even blocks."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class ExpertLinear(nn.Module):
    """One linear layer an expert: weight [E, out, in], bias [E, out]."""

    def __init__(self, experts: int, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, width_out, width_in))
        self.bias = nn.Parameter(torch.zeros(experts, width_out))
        nn.init.trunc_normal_(self.weight, std=0.05)


class Experts(nn.Module):
    """All experts of a block; each expert multiplies only the tokens in its queue."""

    def __init__(self, experts: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.htoh4 = ExpertLinear(experts, dim, hidden)
        self.h4toh = ExpertLinear(experts, hidden, dim)

    def forward(self, x: Tensor, chosen: Tensor, scores: Tensor) -> Tensor:
        """x [T, D], chosen and scores [T, k] -> [T, D], the sum over a token's experts of score * expert(x)."""
        top_k = chosen.shape[1]
        flat = chosen.flatten()
        order = flat.argsort()
        lengths = torch.bincount(flat, minlength=self.htoh4.bias.shape[0]).tolist()
        rows = torch.split(x[order // top_k], lengths)
        parts = [
            F.linear(
                F.gelu(F.linear(part, self.htoh4.weight[e], self.htoh4.bias[e])),
                self.h4toh.weight[e],
                self.h4toh.bias[e],
            )
            for e, part in enumerate(rows)
        ]
        weighted = torch.cat(parts) * scores.flatten()[order, None]
        return torch.zeros_like(x).index_add(0, order // top_k, weighted)


class Gate(nn.Module):
    """Router of one task, `noisy_vmoe`: softmax over all experts, then the k largest, not renormalised."""

    def __init__(self, dim: int, experts: int) -> None:
        super().__init__()
        self.w_gate = nn.Parameter(torch.empty(dim, experts))
        nn.init.trunc_normal_(self.w_gate, std=0.05)

    def forward(self, x: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
        """x [T, D] -> chosen [T, k], scores [T, k], and the balancing loss of Switch Transformers (one if balanced)."""
        logits = x @ self.w_gate
        if self.training:
            logits = logits + torch.randn_like(logits) / logits.shape[1]
        probabilities = logits.softmax(dim=1)
        scores, chosen = probabilities.topk(top_k, dim=1)
        experts = logits.shape[1]
        load = torch.bincount(chosen.flatten(), minlength=experts) / chosen.numel()
        balance = experts * (load * probabilities.mean(dim=0)).sum()
        return chosen, scores, balance


class MoeMlp(nn.Module):
    """The MLP of the odd blocks: `gate.<task index>` chooses among the shared `experts`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.top_k = sizes.top_k
        self.experts = Experts(sizes.experts, sizes.dim, sizes.expert_hidden)
        self.gate = nn.ModuleList(Gate(sizes.dim, sizes.experts) for _ in sizes.tasks)

    def forward(self, x: Tensor, task: int) -> tuple[Tensor, Tensor]:
        flat = x.flatten(0, 1)
        chosen, scores, balance = self.gate[task](flat, self.top_k)
        return self.experts(flat, chosen, scores).view_as(x), balance


class Block(nn.Module):
    """Pre-norm transformer block, dense for even and mixture-of-experts for odd indices."""

    def __init__(self, sizes: Sizes, index: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.dim, eps=EPS)
        self.attn = Attention(sizes.dim, sizes.heads)
        self.norm2 = nn.LayerNorm(sizes.dim, eps=EPS)
        self.mlp = MoeMlp(sizes) if index % 2 else Mlp(sizes.dim, sizes.mlp_hidden)

    def forward(self, x: Tensor, task: int) -> tuple[Tensor, Tensor]:
        """x [B, T, D] -> the same shape and the block's balancing loss (zero for a dense block)."""
        x = x + self.attn(self.norm1(x))
        normed = self.norm2(x)
        if isinstance(self.mlp, MoeMlp):
            mixed, balance = self.mlp(normed, task)
            return x + mixed, balance
        return x + self.mlp(normed), x.new_zeros(())


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)
        # Pixels are not centred: start as if they were, the bias takes the mean grey away.
        self.proj.bias = nn.Parameter(-0.5 * self.proj.weight.detach().sum(dim=(1, 2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.proj(images)
        return patches.flatten(2).transpose(1, 2)


def initial_positions(sizes: Sizes) -> Tensor:
    """Sines and cosines of row and column [1, tokens, dim], zero for the class token: learned from there on.

    A quarter of the values each is sine and cosine of the row and of the column, at wavelengths from 2 pi to 80 pi
    patches; a start at random positions needs several times the steps to find out what is next to what.
    """
    rows, columns = sizes.grid
    frequencies = 40.0 ** -torch.linspace(0.0, 1.0, sizes.dim // 4)
    row = torch.arange(rows)[:, None, None] * frequencies
    column = torch.arange(columns)[None, :, None] * frequencies
    parts = [part.expand(rows, columns, -1) for part in (row.sin(), row.cos(), column.sin(), column.cos())]
    grid = 0.3 * torch.cat(parts, dim=2).flatten(0, 1)
    return torch.cat((torch.zeros(1, sizes.dim), grid))[None]


class Backbone(nn.Module):
    """Patch embedding, class token, positions and blocks; no norm at the end, as the decoders bring their own."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(sizes.patch, sizes.dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.dim))
        self.pos_embed = nn.Parameter(initial_positions(sizes))
        self.blocks = nn.ModuleList(Block(sizes, index) for index in range(sizes.depth))

    def embed(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] -> the first block's input [B, T, D]."""
        patches = self.patch_embed(images)
        return torch.cat((self.cls_token.expand(len(images), -1, -1), patches), dim=1) + self.pos_embed

    def forward(self, images: Tensor, task: int) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] and a task's index -> last tokens [B, T, D], mean balancing loss of the MoE blocks."""
        x = self.embed(images)
        balances = []
        for block in self.blocks:
            x, balance = block(x, task)
            balances.append(balance)
        return x, torch.stack(balances).sum() / max(1, len(balances) // 2)


class VisionTransformerUpHead(nn.Module):
    """Decoder of a task: four times 3x3 convolution, batch norm, ReLU and x2 bilinear, a 1x1 before the last x2."""

    def __init__(self, sizes: Sizes, channels: int) -> None:
        super().__init__()
        self.grid = sizes.grid
        self.coarse = False  # training aid: leave out the third x2, so that the last convolution costs a quarter
        self.norm = nn.LayerNorm(sizes.dim, eps=EPS)
        widths = [sizes.dim] + [sizes.decoder_width] * DECODER_CONVS
        for i in range(DECODER_CONVS):
            setattr(self, f"conv_{i}", nn.Conv2d(widths[i], widths[i + 1], 3, padding=1))
            setattr(self, f"syncbn_fc_{i}", nn.BatchNorm2d(widths[i + 1]))
        self.conv_4 = nn.Conv2d(widths[-1], channels, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, D] -> map [B, C, 16 grid rows, 16 grid columns]."""
        x: Tensor = self.norm(tokens[:, 1:]).transpose(1, 2).unflatten(2, self.grid)
        for i in range(DECODER_CONVS):
            x = F.relu(getattr(self, f"syncbn_fc_{i}")(getattr(self, f"conv_{i}")(x)))
            if i == DECODER_CONVS - 1:
                x = self.conv_4(x)
            if not (self.coarse and i == DECODER_CONVS - 2):
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return x


class M3ViT(nn.Module):
    """The multi-task network: one pass through the shared backbone a task, with that task's routers."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or Sizes()
        self.backbone = Backbone(self.sizes)
        self.decoders = nn.ModuleDict(
            {task: VisionTransformerUpHead(self.sizes, channels) for task, channels in self.sizes.tasks.items()}
        )

    def set_coarse(self, coarse: bool) -> None:
        """Choose the resolution of the decoders' last convolution: half the image's, or the image's."""
        for decoder in self.decoders.values():
            assert isinstance(decoder, VisionTransformerUpHead)
            decoder.coarse = coarse

    def forward(self, images: Tensor, tasks: Sequence[str] | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """Images [B, 3, H, W] as pixel / 256 -> a map [B, C, H, W] a task, and the mean balancing loss."""
        names = list(self.sizes.tasks)
        maps, balances = {}, []
        for task in tasks or names:
            tokens, balance = self.backbone(images, names.index(task))
            decoded = self.decoders[task](tokens)
            same = decoded.shape[2:] == images.shape[2:]
            maps[task] = (
                decoded if same else F.interpolate(decoded, images.shape[2:], mode="bilinear", align_corners=False)
            )
            balances.append(balance)
        return maps, torch.stack(balances).mean()
