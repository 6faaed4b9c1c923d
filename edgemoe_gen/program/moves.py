"""Operations that move words past the compute unit: loads, stores and LayerNorm, each with its shifts and sizes.

In: a design, places and formats. Out: an `Operation` without addresses, which the builder adds.
"""

from __future__ import annotations

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.descriptor import Operation
from edgemoe_gen.hardware.kinds import bit, number
from edgemoe_gen.hardware.memories import path_from, path_number, path_to
from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.numerics.shifts import inverse, mean_shift
from edgemoe_gen.program.places import Place


def transfer_beats(design: Design, tokens: int, columns: int, bits: int) -> int:
    """Beats of a matrix [tokens, columns] in DDR, of values that take 16 or 32 bits."""
    k = design.knobs
    return tokens * design.words(columns) * k.in_parallel * bits // k.port_bits


def load_operation(design: Design, destination: Place, tokens: int, first: int, form: Format, flags: int) -> Operation:
    """Loads values of format `form`, from beat `first` on, to a place."""
    wide = bool(flags & bit("WIDE"))
    # 16-bit values are activations; 32-bit ones have the residual's finer binary point.
    finer = design.knobs.residual_tail_bits if wide else 0
    return Operation(
        kind=number("LOAD"),
        path=path_to(destination.memory),
        flags=flags,
        tokens=tokens,
        in_words=design.words(destination.columns),
        out_shift=form.fraction - destination.form.fraction - finer,
        transfer_first=first,
        transfer_beats=transfer_beats(design, tokens, destination.columns, 32 if wide else 16),
    )


def store_operation(design: Design, source: Place, tokens: int, first: int) -> Operation:
    """Stores a place's values, 32 bits each, from beat `first` on."""
    return Operation(
        kind=number("STORE"),
        path=path_from(source.memory),
        tokens=tokens,
        in_words=design.words(source.columns),
        transfer_first=first,
        transfer_beats=transfer_beats(design, tokens, source.columns, 32),
    )


def normalise_operation(
    design: Design, source: Place, destination: Place, tokens: int, eps: float, weights: tuple[int, int]
) -> Operation:
    """LayerNorm; `weights` is the first beat and the number of beats of its features' shifts."""
    n = source.columns
    scaled_eps = max(1, round(n * n * eps * 4.0**source.form.fraction))
    return Operation(
        kind=number("NORMALISE"),
        path=path_number(source.memory, destination.memory),
        tokens=tokens,
        in_words=design.words(n),
        features=n,
        inverse_features=inverse(n)[0],
        inverse_shift=mean_shift(n),
        eps_high=scaled_eps >> 31,
        eps_low=scaled_eps & 0x7FFFFFFF,
        normal_fraction=destination.form.fraction,
        weight_first=weights[0],
        weight_beats=weights[1],
    )
