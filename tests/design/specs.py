"""Specs of networks of any size, without weights: what designs are made for."""

from __future__ import annotations

from edgemoe_gen.model.spec import BlockSpec, ImageSpec, ModelSpec, RouterSpec, TaskSpec


def make_spec(
    dim: int, heads: int, image: tuple[int, int], experts: int = 16, top_k: int = 2, channels: int | None = None
) -> ModelSpec:
    """A ViT of twelve blocks of which every second has experts; its decoders' maps have so many channels."""
    blocks = tuple(BlockSpec(i, experts if i % 2 else 0, 2 * dim if experts and i % 2 else 4 * dim) for i in range(12))
    router = RouterSpec("multi", top_k=top_k) if experts else RouterSpec("none")
    tokens = image[0] // 16 * (image[1] // 16) + 1
    return ModelSpec(
        ImageSpec.named(*image, "unit256"),
        16,
        dim,
        heads,
        blocks,
        router,
        (TaskSpec("semseg", 7, map_channels=channels), TaskSpec("depth", 1, map_channels=channels)),
        tokens,
        True,
    )
