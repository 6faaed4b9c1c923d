"""Look-up tables of the pieces that processes are made of: shifters, roundings, choices and tables of chords.

The rules are those of `resources`, with their sources in `docs/resources.md`. Tier: estimate.
"""

from __future__ import annotations

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design import Design
from edgemoe_gen.design.products import tables_in_dsp
from edgemoe_gen.design.storage import MUX_INPUTS
from edgemoe_gen.numerics import shifts, tables
from edgemoe_gen.numerics.shifts import Window


def shifter(bits: int, stages: int | None = None) -> int:
    """A shift by any number of bits, or of a number of binary stages: a look-up table selects one of four (UG574)."""
    return bits * ceil_div((bits - 1).bit_length() if stages is None else stages, 2)


def any_rounding(bits: int) -> int:
    """`round_shift`: a shifter in either direction, and one for the added half; then the clipping."""
    return 3 * shifter(bits) + 2 * bits


def rounding(bits: int, to_bits: int, window: Window) -> int:
    """`round_to`: stages from the widest to the narrowest, two in a look-up table, each as wide as the bits that count.

    Then the half is added and the result clipped, one look-up table a bit each. Overflow is detected on the way, five
    bits in a look-up table.
    """
    wide = bits + 1 - window.least
    lut, left = 0, window.stages
    while left > 0:
        left -= 1 if left % 2 else 2
        lut += min(wide, to_bits + (1 << left))
    return lut + 2 * to_bits + ceil_div(max(wide - to_bits, 0), 5)


def shift_up(bits: int, to_bits: int, window: Window) -> int:
    """`shift_up`: stages from the narrowest to the widest, two a look-up table."""
    stages = [min(bits + (1 << (done + 2)) - 1, to_bits) for done in range(0, window.stages - 1, 2)]
    return sum(stages) + (to_bits if window.stages % 2 else 0)


def choice(count: int, bits: int) -> int:
    """`pick`: one of several values."""
    return bits * ceil_div(count - 1, MUX_INPUTS - 1)


def rom(entries: int, bits: int) -> int:
    """A ROM of so many entries."""
    return bits * ceil_div(entries, 64)


def interpolation(design: Design, table: tables.Table, value_bits: int, rest_bits: int) -> int:
    """LUT of one table look-up: start and rise of the segment, from ROMs; the product; one addition.

    A DSP does product and addition (UG579).
    """
    roms = rom(table.segments, value_bits + table.rise_bits)
    if tables_in_dsp(design):
        return roms
    return roms + table.rise_bits * rest_bits + value_bits + rest_bits


def exponential(design: Design) -> int:
    """LUT of 2^-(maximum - score): subtraction, binary point, table, and the shift by the whole part, rounded."""
    k = design.knobs
    index = k.exp_segments.bit_length() - 1
    table = interpolation(design, design.exp2_table, tables.EXP_FRACTION, tables.EXP_POSITION_BITS - index)
    whole = tables.EXP_FRACTION.bit_length()
    position = whole + tables.EXP_POSITION_BITS
    beyond = ceil_div(position, 5) + 2
    value = tables.EXP_FRACTION + 2
    return (
        k.activation_bits + 1
        + shifter(position, shifts.EXPONENTIAL.stages) + beyond
        + table
        + shifter(value, whole) + value
    )  # fmt: skip


def reciprocal(design: Design) -> int:
    """LUT of 1 / sum: its highest bit, the shift to 1..2, and the table."""
    k = design.knobs
    position = tables.RECIPROCAL_POSITION_BITS
    table = interpolation(
        design, design.reciprocal_table, tables.MANTISSA_BITS, position - (k.reciprocal_segments.bit_length() - 1)
    )
    least = tables.EXP_FRACTION - position
    window = Window(least, least + design.exp_sum_bits - tables.EXP_FRACTION)
    return 2 * design.exp_sum_bits + rounding(design.exp_sum_bits, position + 3, window) + position + table
