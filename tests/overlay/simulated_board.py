"""A simulated board whose chip holds a compiled engine, whatever overlay is loaded: for tests of the driver."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.simulated.board import SimulatedBoard


class SimulatedDevice(SimulatedBoard):
    """One board. Tests turn `identity`, `hang`, `memory`, `status`, `takes_done` and `pll_multiplier`."""

    def __init__(self, engine: Engine, identity: int | None = None, memory: int = 1 << 28) -> None:
        super().__init__(ddr_bytes=memory)
        self.engine = engine
        self.faults.identity = identity

    def _engine_in(self, folder: Path) -> Engine:  # noqa: ARG002
        return self.engine

    @property
    def allocated(self) -> dict[int, int]:
        """Sizes of the buffers in use by address."""
        return self.ddr.buffers

    @property
    def memory(self) -> int:
        return self.ddr.size

    @memory.setter
    def memory(self, value: int) -> None:
        self.ddr.size = value

    @property
    def identity(self) -> int:
        return self.engine.design.identity if self.faults.identity is None else self.faults.identity

    @identity.setter
    def identity(self, value: int) -> None:
        self.faults.identity = value

    @property
    def hang(self) -> bool:
        return self.faults.hang_after is not None

    @hang.setter
    def hang(self, value: bool) -> None:
        self.faults.hang_after = 0 if value else None

    @property
    def status(self) -> int | None:
        return self.faults.status

    @status.setter
    def status(self, value: int | None) -> None:
        self.faults.status = value

    @property
    def takes_done(self) -> bool:
        return self.faults.takes_done

    @takes_done.setter
    def takes_done(self, value: bool) -> None:
        self.faults.takes_done = value
