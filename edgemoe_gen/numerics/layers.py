"""The layers of a folded network by name, and the network with some of them replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgemoe_gen.numerics.lower import Linear, LoweredBlock, LoweredNetwork
from edgemoe_gen.numerics.widths import DECODERS, PATCH


def weight_name(layer: str) -> str:
    """A layer's weights in the table of formats."""
    return layer if layer == PATCH else f"{layer}.weight"


def layers_of(network: LoweredNetwork) -> dict[str, Linear]:
    """Layers with weights by name, in the order of the data path."""
    found = {PATCH: network.patch}
    for block in network.blocks:
        name = f"blocks.{block.index}"
        found |= {f"{name}.{part}": getattr(block, part) for part in ("query", "key", "value", "projection")}
        found |= {f"{name}.router.{t}": r for t, r in zip(network.spec.task_names, block.routers, strict=False)}
        for expert, (up, down) in enumerate(block.mlp):
            which = _mlp(block, expert)
            found |= {f"{name}.{which}fc1": up, f"{name}.{which}fc2": down}
    for task, decoder in network.decoders.items():
        found |= {f"{DECODERS}.{task}.conv_{i}": layer for i, layer in enumerate(decoder.layers)}
    return found


def with_layers(network: LoweredNetwork, layers: Mapping[str, Linear]) -> LoweredNetwork:
    """The network with some layers replaced, by name; a bias of the patches goes into the positions."""
    patch = layers.get(PATCH, network.patch)
    position = network.position.copy()
    if patch.bias is not None:
        position[network.spec.prefix_tokens :] += patch.bias
    blocks = tuple(_with_layers(network, block, layers) for block in network.blocks)
    decoders = {
        task: replace(
            decoder,
            layers=tuple(layers.get(f"{DECODERS}.{task}.conv_{i}", layer) for i, layer in enumerate(decoder.layers)),
        )
        for task, decoder in network.decoders.items()
    }
    return replace(network, patch=Linear(patch.weight, None), position=position, blocks=blocks, decoders=decoders)


def _with_layers(network: LoweredNetwork, block: LoweredBlock, layers: Mapping[str, Linear]) -> LoweredBlock:
    def now(layer: str, linear: Linear) -> Linear:
        return layers.get(f"blocks.{block.index}.{layer}", linear)

    return replace(
        block,
        query=now("query", block.query),
        key=now("key", block.key),
        value=now("value", block.value),
        projection=now("projection", block.projection),
        routers=tuple(now(f"router.{t}", r) for t, r in zip(network.spec.task_names, block.routers, strict=False)),
        mlp=tuple(
            (now(f"{_mlp(block, e)}fc1", up), now(f"{_mlp(block, e)}fc2", down))
            for e, (up, down) in enumerate(block.mlp)
        ),
    )


def _mlp(block: LoweredBlock, expert: int) -> str:
    return f"experts.{expert}." if block.routers else ""
