"""The error of a design's arithmetic in closed form: how it changes with widths and tables. Tier: estimate.

Every rounded tensor adds noise of its own: the mean square of its rounding error relative to its values, as the table
of formats has it, experts' weights at their own width. Every table of chords adds the square of its largest relative
error. Their sum is the power of a design's noise; one C simulation says which error such a power makes, and other
designs follow in proportion. It ranks; C simulation measures.
"""

from __future__ import annotations

import math

from edgemoe_gen.design import Knobs
from edgemoe_gen.numerics.formats import Formats


def rounding_power(formats: Formats, knobs: Knobs) -> float:
    """Mean of the squared relative errors of a network's tensors, each kind of tensor counting alike in each block."""
    kinds: dict[str, list[float]] = {}
    for row in formats.rows():
        kind = _kind(row.name)
        # Tokens between layers keep finer bits than the format of activations says.
        finer = 4.0**-knobs.residual_tail_bits if kind in ("embed", "residual") else 1.0
        kinds.setdefault(kind, []).append(row.error**2 * finer)
    return sum(sum(powers) / len(powers) for powers in kinds.values())


def _kind(name: str) -> str:
    """`blocks.3.experts.7.fc1.weight` to `experts.fc1.weight`."""
    parts = name.split(".")
    return ".".join(part for part in (parts[2:] if parts[0] == "blocks" else parts) if not part.isdigit())


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
