"""LayerNorm's shifts for narrow weights: the best number of bits to shift each feature down.

`lower.equalise` only shifts outliers down. Where the weights after a norm are narrow, every feature's shift matters: a
shifted feature is coarser itself, and its weights are larger, which may cost other weights of their outputs a bit. The
search for the least error goes feature by feature, from several starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.numerics.lower import MAX_SHIFT, Array, Linear, LoweredBlock, LoweredNetwork

Shifts = NDArray[np.int64]
# Weight of a feature's size in the starts; the rest is that of its weights.
_STARTS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
_SWEEPS = 2


@dataclass(frozen=True)
class Readers:
    """Layers of one kind after a norm.

    Attributes:
        weight: weights [outputs, features] of all layers.
        bits: bits of a weight.
    """

    weight: Array
    bits: int


class _Search:
    """The error of all readers, each kind's mean, for shifts [features] beyond those in the weights."""

    def __init__(self, readers: Sequence[Readers], left: Array, largest: Array, activation_bits: int) -> None:
        self.sizes = np.abs(np.concatenate([each.weight for each in readers]))
        self.limits = np.concatenate([np.full(len(r.weight), 2.0 ** (r.bits - 1) - 1) for r in readers])
        self.shares = np.concatenate([np.full(len(r.weight), 1.0 / len(r.weight)) for r in readers])
        self.left = left
        self.largest = largest * 2.0 ** (1 - activation_bits)
        self.squares = self.shares @ np.square(self.sizes)

    def cost(self, shifts: Shifts, reach: Array | None = None) -> float:
        """Squared error; `reach` [outputs]: each output's largest weight, if known."""
        scale = np.exp2(shifts.astype(np.float64))
        reach = (self.sizes * scale).max(axis=1) if reach is None else reach
        steps = np.exp2(np.ceil(np.log2(np.maximum(reach, 1e-30) / self.limits)))
        weights = float(self.shares @ np.square(steps)) * float((self.left / scale**2).sum())
        step = float((self.largest / scale).max())
        return weights + step**2 * float((self.squares * scale**2).sum())

    def improve(self, shifts: Shifts) -> tuple[float, Shifts]:
        """Shifts one feature after another by a bit where the error falls."""
        best, shifts = self.cost(shifts), shifts.copy()
        for _ in range(_SWEEPS):
            before = best
            scaled = self.sizes * np.exp2(shifts)
            for feature in range(len(shifts)):
                column = scaled[:, feature].copy()
                scaled[:, feature] = 0.0
                others = scaled.max(axis=1)
                for move in (1, -1):
                    tried = shifts.copy()
                    tried[feature] += move
                    if np.ptp(tried) > MAX_SHIFT:
                        continue
                    cost = self.cost(tried, np.maximum(others, column * 2.0**move))
                    if cost < best:
                        best, shifts, column = cost, tried, column * 2.0**move
                        break
                scaled[:, feature] = column
            if best == before:
                break
        return best, shifts


def best_shifts(now: Shifts, readers: Sequence[Readers], left: Array, largest: Array, activation_bits: int) -> Shifts:
    """Shifts [features], 0 to `MAX_SHIFT`, with the least error of the norm's readers.

    Args:
        now: shifts that the readers' weights compensate now.
        readers: readers of the norm, by kind.
        left: [features] mean square of each feature, shifted as now, that other weights cannot compensate.
        largest: [features] largest absolute value, shifted as now.
        activation_bits: bits of the norm's results.
    """
    search = _Search(readers, left, largest, activation_bits)
    sizes = np.maximum(search.sizes.max(axis=0), 1e-30)
    spread = np.sqrt(np.maximum(left, 1e-30))
    starts = [now]
    for share in _STARTS:
        wanted = share * np.log2(spread) - (1 - share) * np.log2(sizes) + now
        start = np.round(wanted - np.median(wanted)).astype(np.int64)
        starts.append(np.clip(start, -(MAX_SHIFT // 2), MAX_SHIFT - MAX_SHIFT // 2))
    first = starts[int(np.argmin([search.cost(start - now) for start in starts]))]
    _, moved = search.improve(first - now)
    found = moved + now
    return np.asarray(found - found.min(), np.int64)


def even_for_narrow(network: LoweredNetwork, shifts: Mapping[str, Shifts]) -> LoweredNetwork:
    """The same function with other shifts of some norms, by name such as `blocks.3.norm1`; readers make up for them."""
    return replace(network, blocks=tuple(_shifted(network, block, shifts) for block in network.blocks))


def _shifted(network: LoweredNetwork, block: LoweredBlock, shifts: Mapping[str, Shifts]) -> LoweredBlock:
    first = shifts.get(f"blocks.{block.index}.norm1", block.shifts1)
    second = shifts.get(f"blocks.{block.index}.norm2", block.shifts2)

    def raised(linear: Linear, bits: Shifts) -> Linear:
        return Linear(linear.weight * np.exp2(bits), linear.bias)

    gated = not network.spec.router.input_ahead
    return replace(
        block,
        query=raised(block.query, first - block.shifts1),
        key=raised(block.key, first - block.shifts1),
        value=raised(block.value, first - block.shifts1),
        mlp=tuple((raised(up, second - block.shifts2), down) for up, down in block.mlp),
        routers=tuple(raised(r, second - block.shifts2) for r in block.routers) if gated else block.routers,
        shifts1=first,
        shifts2=second,
    )
