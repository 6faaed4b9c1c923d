"""Widths by kind of tensor: only this module says the kind of a tensor and the bits of the kind.

In: the widths of the knobs (`Knobs.widths`). Out: bits for a tensor's name in the table of formats, and for the
weights of a layer in `model.macs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgemoe_gen.model.layout import DECODER_CONVOLUTIONS

PATCH, ATTENTION, MLP, ROUTER, EXPERTS = "patch", "attention", "mlp", "router", "experts"
DECODERS, CLASSIFIERS = "decoders", "classifiers"
ACTIVATION, CACHE, DECODED = "activation", "cache", "decoded"
TOGETHER, NEAREST = "gptq", "nearest"  # how narrow weights are rounded
NARROW = 16  # tensors of fewer bits are narrow: what is lost by rounding them shows


@dataclass(frozen=True)
class WeightKind:
    """One kind of weights.

    Attributes:
        name: name of the kind.
        parts: names of its weights after `blocks.i` in the table of formats; empty outside blocks.
        layers: names of its layers in `model.macs`, as far as that counts them.
        meaning: in words.
        knob: knob of its separate width; "": the kind is as wide as `weight_bits`.
    """

    name: str
    parts: tuple[str, ...]
    layers: tuple[str, ...]
    meaning: str = ""
    knob: str = ""


WEIGHT_KINDS = {
    kind.name: kind
    for kind in (
        WeightKind(PATCH, (PATCH,), ("patch_embed",)),
        WeightKind(
            ATTENTION, ("query", "key", "value", "projection"), ("qkv", "projection"),
            "weights of query, key, value and projection", "attention_weight_bits",
        ),
        WeightKind(MLP, ("fc1", "fc2"), ("mlp",), "weights of dense MLPs", "mlp_weight_bits"),
        WeightKind(ROUTER, ("router",), ("gates",)),
        WeightKind(EXPERTS, ("experts",), ("experts",), "experts' weights", "expert_weight_bits"),
        WeightKind(DECODERS, (), (DECODERS,), "weights of decoders' 3x3 convolutions", "decoder_weight_bits"),
        WeightKind(CLASSIFIERS, (), ()),
    )
}  # fmt: skip
OWN_WIDTH = tuple(kind for kind in WEIGHT_KINDS.values() if kind.knob)
_LAST_LAYER = f"conv_{DECODER_CONVOLUTIONS - 1}"
_KIND_OF_PART: Mapping[str, str] = {part: kind.name for kind in WEIGHT_KINDS.values() for part in kind.parts}
_KIND_OF_LAYER: Mapping[str, str] = {
    "scores": CACHE, "mix": CACHE, **{layer: kind.name for kind in WEIGHT_KINDS.values() for layer in kind.layers}
}  # fmt: skip


@dataclass(frozen=True)
class Widths:
    """Bits of every kind of tensor; 0 means as wide as `weight`, for `cache` and `decoded` as wide as `activation`.

    Attributes:
        activation: activations, scores and logits.
        weight: weights of the patches and of the routers, and of all kinds below by default.
        attention: weights of query, key, value and projection.
        mlp: weights of dense MLPs.
        experts: weights of experts.
        decoders: weights of decoders except their last layers, which are few and as wide as `weight`.
        cache: keys and values, which are kept beside other activations.
        decoded: activations of decoders.
    """

    activation: int
    weight: int
    attention: int = 0
    mlp: int = 0
    experts: int = 0
    cache: int = 0
    decoders: int = 0
    decoded: int = 0

    def __post_init__(self) -> None:
        for kind in OWN_WIDTH:
            object.__setattr__(self, kind.name, getattr(self, kind.name) or self.weight)
        for name in (CACHE, DECODED):
            object.__setattr__(self, name, getattr(self, name) or self.activation)

    def of(self, tensor: str) -> int:
        """Bits of a tensor by its name in the table of formats, such as `blocks.3.query.weight`."""
        return self.of_kind(kind_of(tensor))

    def of_kind(self, kind: str) -> int:
        """Bits of a kind, by the names of `kind_of`."""
        of_weights = WEIGHT_KINDS.get(kind)
        return self.weight if of_weights and not of_weights.knob else int(getattr(self, kind))

    @property
    def narrow_weights(self) -> bool:
        """Whether any kind of weights is narrow."""
        return min(self.of_kind(kind) for kind in WEIGHT_KINDS) < NARROW

    @property
    def narrow(self) -> bool:
        """Whether any kind of tensor is narrow."""
        return self.narrow_weights or min(self.activation, self.cache, self.decoded) < NARROW

    def of_layer(self, layer: str) -> int:
        """Bits of the second operand of a layer's products, by its name in `model.macs`: weights, keys or values."""
        return self.of_kind(_KIND_OF_LAYER.get(layer, PATCH))


def kind_of(tensor: str) -> str:
    """Kind of a tensor by its name in the table of formats."""
    if tensor == PATCH:
        return PATCH
    parts = tensor.split(".")
    if parts[0] == DECODERS:
        return DECODED if parts[-1] != "weight" else CLASSIFIERS if parts[-2] == _LAST_LAYER else DECODERS
    if parts[-1] == "weight":
        return kind_of_part(parts[2])
    return CACHE if parts[-1] in ("key", "value") else ACTIVATION


def kind_of_part(part: str) -> str:
    """Kind of weights by the part of their name after `blocks.i`, such as `query`, `fc1` or `experts`."""
    return _KIND_OF_PART[part]


def block_kinds(experts: bool) -> set[str]:
    """Kinds of the weights of a block, which has experts or a dense MLP."""
    parts = ("router", "experts") if experts else ("fc1", "fc2")
    return {kind_of_part(part) for part in ("query", "key", "value", "projection", *parts)}
