"""The roofline of a design on its board, with a timed run on it.

Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009: work a cycle is at most the unit's, and at most the
memory's bytes a cycle times the work for each moved byte.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Roofline:
    """A run against the limits of design and board.

    Attributes:
        peak_macs: multiply-accumulates a cycle of the compute unit.
        ddr_bytes: bytes a cycle that the memory delivers.
        macs: multiply-accumulates that the network needs for the run.
        weight_bytes: bytes of the weights that the run needs, each once.
        moved_bytes: all bytes through the ports.
        cycles: cycles of the run.
    """

    peak_macs: int
    ddr_bytes: float
    macs: int
    weight_bytes: float
    moved_bytes: int
    cycles: int

    @property
    def compute_cycles(self) -> float:
        """Cycles of a unit that is never idle."""
        return self.macs / self.peak_macs

    @property
    def weight_cycles(self) -> float:
        """Cycles that the memory needs for the weights alone."""
        return self.weight_bytes / self.ddr_bytes

    @property
    def bound(self) -> float:
        """Cycles that no run of this network on this design and board can beat."""
        return max(self.compute_cycles, self.weight_cycles)

    @property
    def ratio(self) -> float:
        """Cycles of the run as a multiple of the bound."""
        return self.cycles / self.bound if self.bound else 0.0

    @property
    def limit(self) -> str:
        """The limit: "compute" or "DDR"."""
        return "compute" if self.compute_cycles >= self.weight_cycles else "DDR"

    @property
    def intensity(self) -> float:
        """Multiply-accumulates a byte that is moved."""
        return self.macs / self.moved_bytes if self.moved_bytes else 0.0

    @property
    def attained(self) -> float:
        """Multiply-accumulates a cycle of the run."""
        return self.macs / self.cycles if self.cycles else 0.0

    @property
    def ridge(self) -> float:
        """Intensity from which on the compute unit bounds, not the memory."""
        return self.peak_macs / self.ddr_bytes

    def roof(self, intensity: float) -> float:
        """The most multiply-accumulates a cycle at an intensity."""
        return min(float(self.peak_macs), intensity * self.ddr_bytes)

    def as_dict(self) -> dict[str, float | int | str]:
        """All figures, for JSON."""
        return {
            "peak_macs_per_cycle": self.peak_macs,
            "ddr_bytes_per_cycle": self.ddr_bytes,
            "macs": self.macs,
            "weight_bytes": self.weight_bytes,
            "moved_bytes": self.moved_bytes,
            "compute_cycles": self.compute_cycles,
            "weight_cycles": self.weight_cycles,
            "bound_cycles": self.bound,
            "ratio_to_bound": self.ratio,
            "limit": self.limit,
            "macs_per_byte": self.intensity,
            "macs_per_cycle": self.attained,
        }
