"""A program's contents of DDR beside its operations: weights and constants, packed once each, in the order of use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.numerics.fixed import Floats, Format, Integers, quantise
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.pack import Bytes, linear_beats, pack_linear, pack_shifts, pack_words, shift_beats
from edgemoe_gen.program.rounded import round_linear

_NOTHING: Bytes = np.zeros((0, 0, 0), np.uint8)


class Contents:
    """Weights and constants of one program. A `key` names contents that a later frame uses again.

    Args:
        design: the accelerator.
        packing: False counts the beats but packs nothing; sizes and addresses are the same.
    """

    def __init__(self, design: Design, packing: bool = True) -> None:
        self.design = design
        self.packing = packing
        self._weights: list[Bytes] = []
        self._weight_beats = 0
        self._packed: dict[object, tuple[int, int]] = {}
        self._constants: list[Bytes] = []
        self._kept_constants: dict[object, int] = {}

    def weights(self) -> Bytes:
        """[ports, beats, bytes of a beat]."""
        if not self.packing:
            shape = self.design.knobs.weight_ports, self._weight_beats, self.design.beat_bytes
            return np.broadcast_to(np.uint8(0), shape)
        empty = np.zeros((self.design.knobs.weight_ports, 0, self.design.beat_bytes), np.uint8)
        return np.concatenate([empty, *self._weights], axis=1)

    def constants(self) -> Bytes:
        """[beats, bytes of a beat]."""
        if not self.packing:
            beats = sum(part.shape[0] for part in self._constants)
            return np.broadcast_to(np.uint8(0), (beats, self.design.beat_bytes))
        return np.concatenate([np.zeros((0, self.design.beat_bytes), np.uint8), *self._constants])

    def keep_constant(self, values: Floats, form: Format, key: object) -> int:
        """First beat of a constant matrix [tokens, columns]."""
        first = self._kept_constants.get(key) if key is not None else None
        if first is None:
            first = sum(beats.shape[0] for beats in self._constants)
            self._constants.append(self._words(values, form))
            self._kept_constants[key] = first
        return first

    def keep_shifts(self, shifts: Integers, key: object) -> tuple[int, int]:
        """First beat and beats of a norm's shifts of features [features]."""
        return self._keep(key, lambda: pack_shifts(self.design, shifts), shift_beats(self.design, shifts.shape[0]))

    def keep_linear(
        self, linear: Linear, form: Format, fraction: int, term_shift: int, narrow: bool, key: object
    ) -> tuple[int, int, int]:
        """Packs weights, each output as fine as its own largest weight allows.

        Args:
            linear: weights [outputs, inputs] and bias.
            form: format of the weights.
            fraction: fractional bits of a sum of products.
            term_shift: shift of a sum, down.
            narrow: two weights in the place of one.
            key: names these weights.

        Returns:
            First beat, beats, and the left shift of biases to a sum's binary point.

        Raises:
            ProgramError: a sum could overflow the accumulator.
        """
        outputs, inputs = linear.weight.shape
        expected = linear_beats(self.design, outputs, inputs, narrow)
        if not self.packing:
            return (*self._keep(key, lambda: _NOTHING, expected), 0)
        rounded = round_linear(self.design, linear, form, fraction, term_shift)
        packed = partial(pack_linear, self.design, rounded.weight, rounded.biases, narrow)
        return (*self._keep(key, packed, expected), rounded.bias_shift)

    def _words(self, values: Floats, form: Format) -> Bytes:
        """A constant matrix [tokens, columns] in 32-bit words; [beats, bytes of a beat]."""
        if self.packing:
            return pack_words(self.design, quantise(values, form), 32)
        k = self.design.knobs
        beats = values.shape[0] * self.design.words(values.shape[1]) * k.in_parallel * 32 // k.port_bits
        return np.broadcast_to(np.uint8(0), (beats, self.design.beat_bytes))

    def _keep(self, key: object, pack: Callable[[], Bytes], beats: int) -> tuple[int, int]:
        """First beat and beats of packed weights, which are packed only once for a key; makes `beats` of them."""
        if key is not None and key in self._packed:
            return self._packed[key]
        place = self._weight_beats, beats
        if self.packing:
            packed = pack()
            assert packed.shape[1] == beats, "the formula of packed beats and the packer must agree"
            self._weights.append(packed)
        self._weight_beats += beats
        if key is not None:
            self._packed[key] = place
        return place
