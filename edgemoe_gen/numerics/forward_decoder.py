"""A task's folded decoder in float32, many frames at once; tensors rounded and saturated as formats say.

In: final tokens (`forward.Forward`). Out: logits before the last doubling. Calibration sees the inputs of each layer
    and
may replace the layer (`Choose`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgemoe_gen.numerics.forward import Forward, tensor
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.numerics.widths import DECODERS

if TYPE_CHECKING:
    import torch

# A layer's name, the layer, its taps, and the maps that it reads [frames, rows, columns, features]; the layer to use.
Choose = Callable[[str, Linear, int, "torch.Tensor"], Linear]


def as_it_is(_: str, linear: Linear, __: int, ___: torch.Tensor) -> Linear:
    """The layer itself."""
    return linear


def decode(forward: Forward, task: str, tokens: torch.Tensor, choose: Choose = as_it_is) -> torch.Tensor:
    """Logits [frames, 8 rows, 8 columns, classes] of frames' tokens [frames * tokens, dim]."""
    import torch.nn.functional as f

    spec, decoder, name = forward.spec, forward.network.decoders[task], f"{DECODERS}.{task}"
    x = tokens.reshape(-1, spec.tokens, spec.dim)[:, spec.prefix_tokens :]
    x = forward.norm(f"{name}.norm", x, decoder.shifts).reshape(-1, *spec.grid, spec.dim)
    x = f.pad(x, (0, 1), value=decoder.ones)
    last = len(decoder.layers) - 1
    for i, (layer, taps) in enumerate(zip(decoder.layers, decoder.taps, strict=True)):
        if 0 < i < last:
            x = f.interpolate(x.permute(0, 3, 1, 2), scale_factor=2, mode="bilinear").permute(0, 2, 3, 1)
        chosen = choose(f"{name}.conv_{i}", layer, taps, x)
        side = 3 if taps > 1 else 1
        weight = tensor(chosen.weight).reshape(-1, side, side, x.shape[3]).permute(0, 3, 1, 2)
        bias = None if chosen.bias is None else tensor(chosen.bias)
        x = f.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=side // 2).permute(0, 2, 3, 1)
        x = forward.held(f"{name}.logits", x) if i == last else forward.held(f"{name}.conv_{i}", x.relu())
    return x


def rows_of(maps: torch.Tensor, taps: int, most: int) -> torch.Tensor:
    """Inputs of a layer [pixels, taps * features], of up to `most` pixels that are spread over all maps."""
    import torch
    import torch.nn.functional as f

    frames, rows, columns, features = maps.shape
    total = frames * rows * columns
    pixel = torch.arange(0, total, -(-total // most) | 1)  # an odd step meets every column
    if taps == 1:
        return maps.reshape(-1, features)[pixel]
    around = f.pad(maps, (0, 0, 1, 1, 1, 1))
    frame, row, column = pixel // (rows * columns), pixel // columns % rows, pixel % columns
    found = [around[frame, row + down, column + across] for down in range(3) for across in range(3)]
    return torch.cat(found, dim=1)
