"""Errors of narrow tensors by kind, and saturation, on pictures that calibration has seen and on others.

In: a calibrated network and both sets of pictures. Out: relative errors of the final tokens in the folded network,
where only weights of one kind are rounded, and all tensors together; of decoders, of their logits. Tier: estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgemoe_gen.numerics.calibrate import Calibrated
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.forward import Float32, Forward, Saturation
from edgemoe_gen.numerics.forward_decoder import decode
from edgemoe_gen.numerics.gptq import nearest
from edgemoe_gen.numerics.layers import layers_of, weight_name, with_layers
from edgemoe_gen.numerics.lower import Linear, LoweredNetwork
from edgemoe_gen.numerics.together import DECODED_FRAMES, is_narrow, spread
from edgemoe_gen.numerics.widths import CLASSIFIERS, DECODERS, kind_of

if TYPE_CHECKING:
    import torch

ALL = "all"
_MOST = 4  # pictures of either set that are measured


@dataclass(frozen=True)
class RoutedError:
    """Errors of one network on one set of pictures.

    Attributes:
        forced: RMS error relative to float's values, experts chosen as in float.
        free: with experts chosen freely; None: not measured.
        equal: share of sets of experts that are float's; None: not measured.
    """

    forced: float
    free: float | None = None
    equal: float | None = None


@dataclass(frozen=True)
class KindErrors:
    """Errors when weights of one kind are rounded, by the way of rounding ("nearest", "gptq"), on pictures that
    calibration has seen and on pictures that it has not (None: there are none).

    Attributes:
        kind: kind of weights, or "all": every kind, and all other tensors in their formats.
        bits: bits of the weights; of several kinds the fewest.
        seen, unseen: errors by way of rounding.
    """

    kind: str
    bits: int
    seen: Mapping[str, RoutedError]
    unseen: Mapping[str, RoutedError]


@dataclass(frozen=True)
class NarrowErrors:
    """Measured errors of narrow tensors.

    Attributes:
        seen, unseen: numbers of pictures in both sets.
        kinds: rows in the order of the data path, "all" last.
        saturation: saturation on pictures that calibration has not seen.
    """

    seen: int
    unseen: int
    kinds: tuple[KindErrors, ...]
    saturation: Saturation


class _Exact:
    """Float's side on one set of pictures."""

    def __init__(self, network: LoweredNetwork, pictures: Sequence[Float32], tasks: Sequence[str]) -> None:
        chosen = [pictures[i] for i in spread(range(len(pictures)), _MOST)]
        self.pictures = [picture for picture in chosen for _ in tasks]
        self.tasks = [task for _ in chosen for task in tasks]
        self.network = network
        self.tokens, self.routes = self.run(network)
        self._decoded: dict[str, torch.Tensor] = {}

    def run(
        self,
        network: LoweredNetwork,
        routes: Sequence[torch.Tensor | None] | None = None,
        formats: Formats | None = None,
        saturation: Saturation | None = None,
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Final tokens, and each block's experts."""
        forward = Forward(network, self.tasks, formats, saturation)
        x, taken = forward.embed(self.pictures), []
        for place in range(len(network.blocks)):
            x, ids = forward.block(place, x, None if routes is None else routes[place])
            taken.append(ids)
        return x, taken

    def error(self, network: LoweredNetwork) -> RoutedError:
        """Error of the final tokens, routes forced."""
        return RoutedError(_relative(self.run(network, self.routes)[0], self.tokens))

    def error_of_all(self, network: LoweredNetwork, formats: Formats, saturation: Saturation) -> RoutedError:
        """Error of the final tokens with all tensors rounded, forced and free."""
        forced = self.run(network, self.routes, formats)[0]
        free, routes = self.run(network, None, formats, saturation)
        equal = [
            (ids.sort(1)[0] == wanted.sort(1)[0]).all(1).double().mean()
            for ids, wanted in zip(routes, self.routes, strict=True)
            if ids is not None and wanted is not None
        ]
        share = float(sum(equal)) / len(equal) if equal else None
        return RoutedError(_relative(forced, self.tokens), _relative(free, self.tokens), share)

    def decoder_error(self, network: LoweredNetwork) -> RoutedError:
        """Error of all decoders' logits from float's tokens."""
        squares, power = 0.0, 0.0
        for task in network.decoders:
            found = self._logits(network, task)
            if task not in self._decoded:
                self._decoded[task] = self._logits(self.network, task)
            wanted = self._decoded[task]
            squares += _power(found - wanted) / max(_power(wanted), 1e-300)
            power += 1.0
        return RoutedError(math.sqrt(squares / max(power, 1.0)))

    def _logits(self, network: LoweredNetwork, task: str) -> torch.Tensor:
        frames = spread([i for i, name in enumerate(self.tasks) if name == task], DECODED_FRAMES // 4)
        forward = Forward(network, self.tasks)
        return decode(forward, task, forward.frames_of(self.tokens, frames))


def _power(values: torch.Tensor) -> float:
    return float(np.square(values.numpy(), dtype=np.float64).sum())


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return math.sqrt(_power(found - wanted) / max(_power(wanted), 1e-300))


def measure_narrow(
    calibrated: Calibrated,
    seen: Sequence[Float32],
    unseen: Sequence[Float32],
    tasks: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> NarrowErrors:
    """Errors by kind of narrow weights.

    Args:
        calibrated: the calibrated network.
        seen, unseen: pictures that calibration has seen, and others; a few of each are run.
        tasks: tasks of the tokens.
        progress: called with runs done and all.
    """
    formats, exact = calibrated.formats, calibrated.exact
    sets = [_Exact(exact, pictures, tasks) for pictures in (seen, unseen) if pictures]
    one_by_one = {
        name: Linear(nearest(linear.weight, formats[weight_name(name)]), linear.bias)
        for name, linear in layers_of(exact).items()
        if is_narrow(formats, name)
    }
    ways = {"nearest": one_by_one}
    if calibrated.layers:
        ways["gptq"] = {name: layer.linear for name, layer in calibrated.layers.items()}
    kinds: dict[str, list[str]] = {}
    for name in one_by_one:
        kind = kind_of(weight_name(name))
        kinds.setdefault(DECODERS if kind == CLASSIFIERS else kind, []).append(name)
    done, steps = 0, (len(kinds) + 1) * len(ways) * len(sets)
    rows: list[KindErrors] = []
    saturation = Saturation()
    for kind in (*kinds, ALL):
        found: list[dict[str, RoutedError]] = []
        for place, pictures in enumerate(sets):
            found.append({})
            for way, layers in ways.items():
                counts = Saturation()
                if kind == ALL:
                    found[-1][way] = pictures.error_of_all(with_layers(exact, layers), formats, counts)
                else:
                    network = with_layers(exact, {name: layers[name] for name in kinds[kind]})
                    found[-1][way] = (pictures.decoder_error if kind == DECODERS else pictures.error)(network)
                if place == 1:
                    saturation = counts  # of the last way, all tensors together
                done += 1
                if progress is not None:
                    progress(done, steps)
        names = kinds.get(kind, list(one_by_one))
        bits = min((formats[weight_name(name)].bits for name in names), default=0)
        rows.append(KindErrors(kind, bits, found[0], found[1] if len(found) > 1 else {}))
    return NarrowErrors(len(seen), len(unseen), tuple(rows), saturation)
