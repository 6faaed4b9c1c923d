"""A loop by the timing table, and by what knows it better: C synthesis, or the open schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One loop by both; intervals and depths in cycles, depths from an iteration's reads to its last write.

    Attributes:
        label: of the loop.
        origin: what knows it better; its figures are used.
        ii, depth: of the table.
        found_ii, found_depth: of that.
    """

    label: str
    origin: str
    ii: int
    found_ii: int
    depth: int
    found_depth: int

    @property
    def differs(self) -> bool:
        """Whether it is something else than the table says."""
        return (self.ii, self.depth) != (self.found_ii, self.found_depth)
