"""Parts of a product of tokens with weights, besides the places that it reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear


@dataclass(frozen=True)
class Weights:
    """Weights of a product.

    Attributes:
        linear: weights [outputs, inputs] and bias.
        form: their format; a format that fits the design's narrow fields halves their traffic.
        key: names them, so that a later frame uses the same ones; None: only one product uses them.
    """

    linear: Linear
    form: Format
    key: object = None


@dataclass(frozen=True)
class Finish:
    """Processing of a product's results.

    Attributes:
        gelu: GELU is applied to them.
        added_to: results are added to the destination, which has this format before and its place's format after; None:
            they replace the destination.
        scatter: rows go to the tokens of the expert's queue, scaled by their scores.
        relu: negative results become 0.
    """

    gelu: bool = False
    added_to: Format | None = None
    scatter: bool = False
    relu: bool = False


PLAIN = Finish()
