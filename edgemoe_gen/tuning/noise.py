"""The error of a design's arithmetic in closed form, by widths and tables. Tier: estimate.

Every rounded tensor adds noise: the mean square of its rounding error relative to its values. Every table adds the
square of its largest relative error. The float reference measures the weight of each kind of weights' noise once; one C
simulation gives the weight of all other noise (`measure_gains`). The closed form ranks; C simulation measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgemoe_gen.design import Knobs
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.widths import (
    ACTIVATION,
    CLASSIFIERS,
    DECODED,
    DECODERS,
    NARROW,
    WEIGHT_KINDS,
    Widths,
    kind_of,
)

# Noise of activations and tables is taken to matter as noise of weights does, within this factor: one simulation can't
# tell where errors of weights hide theirs.
MOST_APART = 4.0
Powers = Mapping[tuple[str, str], float]
_OF_DECODERS = (DECODERS, CLASSIFIERS, DECODED)


@dataclass(frozen=True)
class Gains:
    """Mean squared error of a frame from noise of power 1: in each kind of weights, and in all else.

    The gain of a decoder is the relative error of its map, counted as an error of the final tokens.
    `together`: share of each narrow kind's noise that is left where its weights are rounded together.
    """

    kinds: Mapping[str, float]
    rest: float
    together: Mapping[str, float] = field(default_factory=dict)


def tensor_powers(formats: Formats) -> Powers:
    """Mean squared relative error over blocks, experts, heads and tasks, by kind (`numerics.widths`) and tensor."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in formats.rows():
        found.setdefault((kind_of(row.name), _tensor(row.name)), []).append(row.error**2)
    return {name: sum(powers) / len(powers) for name, powers in found.items()}


def _tensor(name: str) -> str:
    """`blocks.3.experts.7.fc1.weight` to `experts.fc1.weight`."""
    parts = name.split(".")
    return ".".join(part for part in (parts[2:] if parts[0] == "blocks" else parts) if not part.isdigit())


def noise_powers(powers: Callable[[int], Powers], knobs: Knobs, decoders: bool = False) -> dict[str, float]:
    """Noise power of each kind of tensor of a design; that of activations includes the tables.

    Args:
        powers: gives the `tensor_powers` of a network for a width of all its tensors.
        knobs: widths and tables.
        decoders: whether the engine runs decoders; otherwise they round nothing.
    """
    widths = knobs.widths
    found: dict[str, float] = {}
    for kind, tensor in powers(widths.activation):
        if kind in _OF_DECODERS and not decoders:
            continue
        # Tokens between layers keep finer bits than the format of activations says.
        finer = 4.0**-knobs.residual_tail_bits if tensor in ("embed", "residual") else 1.0
        found[kind] = found.get(kind, 0.0) + powers(widths.of_kind(kind))[kind, tensor] * finer
    found[ACTIVATION] += table_power(knobs)
    return found


def rounded_together(powers: Mapping[str, float], left: Mapping[str, float], widths: Widths) -> dict[str, float]:
    """`noise_powers` where narrow weights are rounded together, which leaves the share `left` by kind."""
    return {
        kind: power * (left.get(kind, 1.0) if kind in WEIGHT_KINDS and widths.of_kind(kind) < NARROW else 1.0)
        for kind, power in powers.items()
    }


def error_of(powers: Mapping[str, float], gains: Gains) -> float:
    """Mean squared error of a frame from `noise_powers`."""
    return sum(gains.kinds.get(kind, gains.rest) * power for kind, power in powers.items())


def measure_gains(
    rows: Mapping[str, float], narrow: Mapping[str, float], base: Mapping[str, float], error: float
) -> Gains:
    """Gains of a network.

    Args:
        rows: by kind of weights, the mean squared error of a frame when only this kind is narrow.
        narrow: noise powers where all kinds have this narrow width.
        base: noise powers of a simulated design.
        error: its error, which the estimate will reproduce.
    """
    kinds = {kind: squared / narrow[kind] for kind, squared in rows.items() if narrow.get(kind, 0.0) > 0.0}
    total = sum(narrow[kind] for kind in kinds)
    usual = sum(rows[kind] for kind in kinds) / total if total else 0.0
    if DECODERS in kinds:  # what else is rounded in decoders matters there, not among the tokens
        kinds |= dict.fromkeys(_OF_DECODERS, kinds[DECODERS])
    others = sum(power for kind, power in base.items() if kind not in kinds)
    left = (error - sum(gain * base.get(kind, 0.0) for kind, gain in kinds.items())) / others if others else 0.0
    rest = min(max(left, usual / MOST_APART), usual * MOST_APART) if usual else max(left, 0.0)
    guessed = error_of(base, Gains(kinds, rest))
    scale = error / guessed if guessed else 1.0
    return Gains({kind: gain * scale for kind, gain in kinds.items()}, rest * scale)


def table_power(knobs: Knobs) -> float:
    """Sum of the squares of the tables' largest relative errors.

    A chord over a step h is off by h^2 |f''| / 8, balanced half of it: of 2^-x relative to itself (ln 2)^2 h^2 / 16; of
    1 / x, at 1, h^2 / 8; of x^-1/2 3 h^2 / 64; of GELU near 0, where |f''| = 2 / sqrt(2 pi), 0.8 h^2 / 16.
    """
    errors = (
        math.log(2) ** 2 / 16 / knobs.exp_segments**2,
        1 / 8 / knobs.reciprocal_segments**2,
        3 / 64 / knobs.rsqrt_segments**2,
        0.8 / 16 / knobs.gelu_segments**2,
    )
    return sum(error**2 for error in errors)
