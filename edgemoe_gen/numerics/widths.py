"""Widths by kind of tensor: the one place that says which kind a tensor is of and how many bits that kind has.

In: the widths that the knobs give (`Knobs.widths`). Out: bits for a tensor's name in the table of formats, and for the
weights of a layer as `model.macs` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PATCH, ATTENTION, MLP, ROUTER, EXPERTS = "patch", "attention", "mlp", "router", "experts"
ACTIVATION, CACHE = "activation", "cache"
# What comes behind `blocks.i` in the name of a weight.
_WEIGHTS: Mapping[str, str] = {
    "query": ATTENTION, "key": ATTENTION, "value": ATTENTION, "projection": ATTENTION,
    "fc1": MLP, "fc2": MLP, "router": ROUTER, "experts": EXPERTS,
}  # fmt: skip
_LAYERS: Mapping[str, str] = {
    "patch_embed": PATCH, "qkv": ATTENTION, "scores": CACHE, "mix": CACHE, "projection": ATTENTION, "mlp": MLP,
    "gates": ROUTER, "experts": EXPERTS,
}  # fmt: skip


@dataclass(frozen=True)
class Widths:
    """Bits of every kind of tensor; a kind that is given as 0 is as wide as `weight`, the cache as `activation`.

    Attributes:
        activation: activations, scores and logits.
        weight: weights of the patches and of the routers, and of all kinds below by default.
        attention: weights of query, key, value and projection.
        mlp: weights of dense MLPs.
        experts: weights of experts.
        cache: keys and values, which are kept beside other activations.
    """

    activation: int
    weight: int
    attention: int = 0
    mlp: int = 0
    experts: int = 0
    cache: int = 0

    def __post_init__(self) -> None:
        for kind in (ATTENTION, MLP, EXPERTS):
            object.__setattr__(self, kind, getattr(self, kind) or self.weight)
        object.__setattr__(self, CACHE, self.cache or self.activation)

    def of(self, tensor: str) -> int:
        """Bits of a tensor by its name in the table of formats, such as `blocks.3.query.weight`."""
        return self.of_kind(kind_of(tensor))

    def of_kind(self, kind: str) -> int:
        """Bits of a kind as `kind_of` names it."""
        return self.weight if kind in (PATCH, ROUTER) else int(getattr(self, kind))

    def of_layer(self, layer: str) -> int:
        """Bits of the second operand of a layer's products, by its name in `model.macs`: weights, keys or values."""
        return self.of_kind(_LAYERS.get(layer, PATCH))


def kind_of(tensor: str) -> str:
    """Kind of a tensor by its name in the table of formats."""
    if tensor == PATCH:
        return PATCH
    parts = tensor.split(".")
    if parts[-1] == "weight":
        return _WEIGHTS[parts[2]]
    return CACHE if parts[-1] in ("key", "value") else ACTIVATION
