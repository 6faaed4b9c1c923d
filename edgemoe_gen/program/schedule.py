"""What a program lets overlap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """What a program lets overlap. All of it, but to measure what each is worth.

    Attributes:
        operands_ahead: the first tile of operands comes during the operation before.
        gather_beside: an expert's tokens are gathered beside the second layer of the expert before.
    """

    operands_ahead: bool = True
    gather_beside: bool = True
