"""What a program keeps in DDR beside its operations: weights and constants, packed once each, in the order of use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.design import Design
from edgemoe_gen.design.design import BIAS_BITS
from edgemoe_gen.numerics.fixed import (
    FINEST_OUTPUT,
    OUTPUT_SHIFT_BITS,
    Floats,
    Format,
    Integers,
    finer_outputs,
    fraction_for,
    quantise,
)
from edgemoe_gen.numerics.lower import Linear
from edgemoe_gen.program.pack import Bytes, linear_beats, pack_linear, pack_shifts, pack_words, shift_beats

_NOTHING: Bytes = np.zeros((0, 0, 0), np.uint8)


class Contents:
    """Weights and constants of one program. A `key` names what a later frame uses again.

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
            term_shift: by which a sum is shifted down.
            narrow: two weights in the place of one.
            key: names these weights.

        Returns:
            First beat, beats, and the left shift of biases to a sum's binary point.

        Raises:
            ProgramError: a sum could overflow the accumulator.
        """
        outputs = linear.weight.shape[0]
        expected = linear_beats(self.design, outputs, linear.weight.shape[1], narrow)
        if not self.packing:
            return (*self._keep(key, lambda: _NOTHING, expected), 0)
        values = np.zeros(outputs) if linear.bias is None else linear.bias
        bias_form = Format(BIAS_BITS - OUTPUT_SHIFT_BITS, 0)
        bias_fraction = min(fraction, fraction_for(float(np.abs(values).max(initial=0.0)), bias_form.bits))
        bias = quantise(values, Format(bias_form.bits, bias_fraction))
        bias_shift = fraction - bias_fraction
        finer = finer_outputs(linear.weight, form, FINEST_OUTPUT)
        # A finer output also shifts its bias further up, and its sum further down: both have to stay in their widths.
        room = self.design.accumulator_bits - 2
        magnitudes = np.ceil(np.log2(np.maximum(np.abs(bias), 1)) + 1).astype(np.int64)
        finer = np.clip(np.minimum(finer, room - np.maximum(magnitudes + bias_shift, term_shift)), 0, None)
        weight = quantise(linear.weight * 2.0 ** finer[:, None], form)
        self._prove_no_overflow(weight, bias << (bias_shift + finer))
        biases = (bias << OUTPUT_SHIFT_BITS) | finer
        first, beats = self._keep(key, lambda: pack_linear(self.design, weight, biases, narrow), expected)
        return first, beats, bias_shift

    def _words(self, values: Floats, form: Format) -> Bytes:
        """A constant matrix [tokens, columns] in 32-bit words; [beats, bytes of a beat]."""
        if self.packing:
            return pack_words(self.design, quantise(values, form), 32)
        k = self.design.knobs
        beats = values.shape[0] * self.design.words(values.shape[1]) * k.in_parallel * 32 // k.port_bits
        return np.broadcast_to(np.uint8(0), (beats, self.design.beat_bytes))

    def _keep(self, key: object, pack: Callable[[], Bytes], beats: int) -> tuple[int, int]:
        """First beat and beats of packed weights, which are packed only once for a key; it makes `beats` of them."""
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

    def _prove_no_overflow(self, weight: Integers, bias: Integers) -> None:
        """The largest sum that any input can give must fit the accumulator, bias included."""
        largest = (np.abs(weight).sum(axis=1) << (self.design.knobs.activation_bits - 1)) + np.abs(bias)
        limit = 1 << (self.design.accumulator_bits - 1)
        if largest.max(initial=0) >= limit:
            raise ProgramError(
                f"a layer's sums reach {int(largest.max())}, beyond the accumulator's {limit}",
                "pin fewer fractional bits for its weights, or raise max_hidden, which widens the accumulator",
            )
