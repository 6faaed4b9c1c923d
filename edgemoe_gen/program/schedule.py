"""Overlaps that a program allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Overlaps that a program allows: by default all; turned off only to measure the gain of each.

    Attributes:
        operands_ahead: the first tile of operands comes during the operation before.
        gather_beside: an expert's tokens are gathered beside the second layer of the expert before.
    """

    operands_ahead: bool = True
    gather_beside: bool = True
