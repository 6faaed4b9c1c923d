"""Integer arithmetic that several modules share."""

from __future__ import annotations


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def bits_for(largest: int) -> int:
    """Signed bits that hold 0 to `largest`."""
    return largest.bit_length() + 1
