"""What a product of tokens with weights is made of, besides the places that it reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.lower import Linear


@dataclass(frozen=True)
class Weights:
    """Weights of a product.

    Attributes:
        linear: weights [outputs, inputs] and bias.
        form: their format; one that fits the design's narrow fields halves their traffic.
        key: names them, so that a later frame uses the same ones; None: they are of one product only.
    """

    linear: Linear
    form: Format
    key: object = None


@dataclass(frozen=True)
class Finish:
    """What becomes of a product's results.

    Attributes:
        gelu: GELU is applied to them.
        added_to: they are added to the destination, which has this format now and its place's afterwards; None: they
            replace it.
        scatter: rows go to the tokens of the expert's queue, scaled by their scores.
        relu: negative ones become 0.
    """

    gelu: bool = False
    added_to: Format | None = None
    scatter: bool = False
    relu: bool = False


PLAIN = Finish()
