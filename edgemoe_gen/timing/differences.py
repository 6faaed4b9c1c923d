"""A loop by the timing table, and by a better source: C synthesis, or the open schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One loop by table and better source; intervals and depths in cycles, depths from an iteration's reads to its last
    write.

    Attributes:
        label: label of the loop.
        origin: the better source, whose figures are used.
        ii, depth: figures of the table.
        found_ii, found_depth: figures of the better source.
    """

    label: str
    origin: str
    ii: int
    found_ii: int
    depth: int
    found_depth: int

    @property
    def differs(self) -> bool:
        """Whether the better source differs from the table."""
        return (self.ii, self.depth) != (self.found_ii, self.found_depth)
