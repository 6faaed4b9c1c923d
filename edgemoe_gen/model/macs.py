"""Counts multiplications and weights of one frame, by kind of layer.

In: a `ModelSpec`. Out: plain numbers. As usual, only products of tensors count: no norms, softmax, GELU or scaling by
scores. Decoders are counted separately. Routers count for one task, since a frame uses one gate.
"""

from __future__ import annotations

from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS
from edgemoe_gen.model.spec import ModelSpec

DECODERS = "decoders"  # their row


def macs(spec: ModelSpec) -> dict[str, int]:
    """Multiply-accumulates of the backbone for one frame, by kind of layer in the order of the data path."""
    tokens, dim, depth = spec.tokens, spec.dim, spec.depth
    rows, columns = spec.grid
    dense = [block for block in spec.blocks if not block.experts]
    routed = [block for block in spec.blocks if block.experts]
    return {
        "patch_embed": rows * columns * spec.patch_inputs * dim,
        "qkv": depth * tokens * 3 * dim * dim,
        "scores": depth * tokens * tokens * dim,
        "mix": depth * tokens * tokens * dim,
        "projection": depth * tokens * dim * dim,
        "mlp": sum(tokens * 2 * dim * block.hidden for block in dense),
        "gates": sum(tokens * dim * block.experts for block in routed),
        "experts": sum(tokens * spec.router.top_k * 2 * dim * block.hidden for block in routed),
    }


def decoder_macs(spec: ModelSpec, task: str) -> dict[str, int]:
    """Multiply-accumulates of a task's decoder for one frame, in one row; none where it has no decoder."""
    found = spec.tasks[spec.task_index(task)]
    if not found.map_channels:
        return {}
    (rows, columns), channels, last = spec.grid, found.map_channels, DECODER_CONVOLUTIONS - 2
    pixels = [rows * columns << 2 * i for i in range(last + 1)]
    inputs = [spec.dim, *[channels] * last]
    convolutions = sum(count * 9 * channels * of for count, of in zip(pixels, inputs, strict=True))
    return {DECODERS: convolutions + pixels[-1] * channels * (found.classes or 1)}


def weights(spec: ModelSpec) -> dict[str, int]:
    """Weights and biases that a frame can need, by kind of layer, without position embeddings and class token."""
    dim, depth = spec.dim, spec.depth
    dense = [block for block in spec.blocks if not block.experts]
    routed = [block for block in spec.blocks if block.experts]
    bias = 1 if spec.router.kind == "task_conditioned" else 0
    return {
        "patch_embed": spec.patch_inputs * dim + dim,
        "norms": depth * 4 * dim,
        "qkv": depth * (3 * dim * dim + 3 * dim),
        "projection": depth * (dim * dim + dim),
        "mlp": sum(2 * dim * block.hidden + block.hidden + dim for block in dense),
        "gates": sum((dim + bias) * block.experts for block in routed),
        "experts": sum(block.experts * (2 * dim * block.hidden + block.hidden + dim) for block in routed),
    }


def total(counts: dict[str, int]) -> int:
    """Sum over all kinds."""
    return sum(counts.values())
