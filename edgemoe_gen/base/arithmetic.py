"""Integer arithmetic that several modules share."""

from __future__ import annotations


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def even_pieces(columns: int, most: int, multiple: int) -> list[range]:
    """Cuts columns into even pieces of at most `most`, each but the last a multiple of `multiple`."""
    count = ceil_div(columns, max(most // multiple, 1) * multiple)
    size = ceil_div(columns, count * multiple) * multiple
    return [range(start, min(start + size, columns)) for start in range(0, columns, size)]


def bits_for(largest: int) -> int:
    """Signed bits that hold 0 to `largest`."""
    return largest.bit_length() + 1
