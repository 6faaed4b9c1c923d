"""Decoders in integers: the expected results of an engine that runs them, byte for byte.

In: a design, a lowered decoder with its formats, final tokens as in the residual memory. Out: every map, and the result
that leaves the chip. Results do not depend on the order, rings and rows that the compiler chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.design import Design
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.decoder import has_values
from edgemoe_gen.numerics.fixed import Format, Integers, dequantise, quantise
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.lower import LoweredDecoder, LoweredNetwork
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.sim.integers import VALUE_BITS, Product, classes, double, normalise, saturate


@dataclass(frozen=True)
class DecodedMaps:
    """Maps of a decoder from one frame's tokens.

    Attributes:
        normed: [rows, columns, dim + 1] the grid after the norm, with the feature of ones.
        convolved: results [height, width, width of the decoder] of each 3x3 convolution.
        logits: [8 rows, 8 columns, classes] before the last doubling, of `form`.
        doubled: [16 rows, 16 columns, classes] after the last doubling.
    """

    normed: Integers
    convolved: tuple[Integers, ...]
    logits: Integers
    doubled: Integers
    form: Format

    @property
    def classes(self) -> NDArray[np.uint8]:
        """[16 rows, 16 columns] class of every pixel, a byte each."""
        return classes(self.doubled)

    @property
    def values(self) -> NDArray[np.int16]:
        """[16 rows, 16 columns, channels] of 16 bits."""
        return saturate(self.doubled, VALUE_BITS).astype(np.int16)

    @property
    def result(self) -> NDArray[np.uint8] | NDArray[np.int16]:
        """The result that leaves the chip: values of a task of a few channels, else classes."""
        return self.values if has_values(self.logits.shape[2]) else self.classes

    @property
    def map(self) -> NDArray[np.float64]:
        """[classes, 8 rows, 8 columns] values of the logits."""
        return dequantise(self.logits, self.form).transpose(2, 0, 1)


class IntegerDecoder:
    """A task's decoder on a design, its weights rounded once.

    Args:
        design: gives widths and tables.
        spec: of the network.
        decoder: lowered.
        formats: of the whole network.
        task: name.

    Raises:
        ProgramError: a sum could overflow the accumulator.
    """

    def __init__(self, design: Design, spec: ModelSpec, decoder: LoweredDecoder, formats: Formats, task: str) -> None:
        name = f"{DECODERS}.{task}"
        self.design = design
        self.spec = spec
        self.decoder = decoder
        self.source = formats[f"blocks.{spec.depth - 1}.residual"]
        self.norm = formats[f"{name}.norm"]
        steps = [self.norm, *(formats[f"{name}.conv_{i}"] for i in range(len(decoder.scales)))]
        self.form = formats[f"{name}.logits"]
        self._layers = [
            Product.of(design, layer, formats[f"{name}.conv_{i}.weight"], source.fraction, out.fraction, relu=taps > 1)
            for i, (layer, taps, source, out) in enumerate(
                zip(decoder.layers, decoder.taps, steps, [*steps[1:], self.form], strict=True)
            )
        ]

    @classmethod
    def of(cls, design: Design, network: LoweredNetwork, formats: Formats, task: str) -> IntegerDecoder:
        """A task's decoder of a network that was calibrated with decoders."""
        return cls(design, network.spec, network.decoders[task], formats, task)

    def tokens(self, values: NDArray[np.floating]) -> Integers:
        """Final tokens [tokens, dim] as the residual memory holds them."""
        tail = self.design.knobs.residual_tail_bits
        return quantise(values, Format(self.source.bits + tail, self.source.fraction + tail))

    def __call__(self, tokens: Integers) -> DecodedMaps:
        """Decodes one frame's final tokens, integers of the residual memory [tokens, dim]."""
        rows, columns = self.spec.grid
        eps, shifts = self.spec.norm_eps, self.decoder.shifts
        normal = normalise(self.design, tokens[self.spec.prefix_tokens :], self.source, self.norm, eps, shifts)
        ones = quantise(np.full((rows, columns, 1), self.decoder.ones), self.norm)
        x = normed = np.concatenate([normal.reshape(rows, columns, -1), ones], axis=2)
        convolved: list[Integers] = []
        for layer in self._layers[:-1]:
            x = layer.convolve(double(x) if convolved else x)
            convolved.append(x)
        logits = self._layers[-1](x.reshape(-1, x.shape[2])).reshape(*x.shape[:2], -1)
        return DecodedMaps(normed, tuple(convolved), logits, double(logits), self.form)
