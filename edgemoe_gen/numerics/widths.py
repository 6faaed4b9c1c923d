"""Widths by kind of tensor: the one place that says which kind a tensor is of and how many bits that kind has.

In: the widths that the knobs give (`Knobs.widths`). Out: bits for a tensor's name in the table of formats, and for the
weights of a layer as `model.macs` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PATCH, ATTENTION, MLP, ROUTER, EXPERTS = "patch", "attention", "mlp", "router", "experts"
ACTIVATION = "activation"
# What comes behind `blocks.i` in the name of a weight.
_WEIGHTS: Mapping[str, str] = {
    "query": ATTENTION, "key": ATTENTION, "value": ATTENTION, "projection": ATTENTION,
    "fc1": MLP, "fc2": MLP, "router": ROUTER, "experts": EXPERTS,
}  # fmt: skip
_LAYERS: Mapping[str, str] = {
    "patch_embed": PATCH, "qkv": ATTENTION, "projection": ATTENTION, "mlp": MLP, "gates": ROUTER, "experts": EXPERTS,
}  # fmt: skip


@dataclass(frozen=True)
class Widths:
    """Bits of every kind of tensor; a kind of weights that is given as 0 is as wide as `weight`.

    Attributes:
        activation: activations, scores and logits.
        weight: weights of the patches and of the routers, and of all kinds below by default.
        attention: weights of query, key, value and projection.
        mlp: weights of dense MLPs.
        experts: weights of experts.
    """

    activation: int
    weight: int
    attention: int = 0
    mlp: int = 0
    experts: int = 0

    def __post_init__(self) -> None:
        for kind in (ATTENTION, MLP, EXPERTS):
            object.__setattr__(self, kind, getattr(self, kind) or self.weight)

    def of(self, tensor: str) -> int:
        """Bits of a tensor by its name in the table of formats, such as `blocks.3.query.weight`."""
        return self.of_kind(kind_of(tensor))

    def of_kind(self, kind: str) -> int:
        """Bits of a kind as `kind_of` names it."""
        return self.weight if kind in (PATCH, ROUTER) else int(getattr(self, kind))

    def of_layer(self, layer: str) -> int:
        """Bits of the second operand of a layer's products, by the layer's name in `model.macs`.

        In attention keys and values, which are activations, take the place of the weights.
        """
        return self.activation if layer in ("scores", "mix") else self.of_kind(_LAYERS.get(layer, PATCH))


def kind_of(tensor: str) -> str:
    """Kind of a tensor by its name in the table of formats."""
    if tensor == PATCH:
        return PATCH
    parts = tensor.split(".")
    return _WEIGHTS[parts[2]] if parts[-1] == "weight" else ACTIVATION
