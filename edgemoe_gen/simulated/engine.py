"""The interface between the simulated board and its engine.

There are two kinds of engine: C simulation behind a control block of its own (`csim`), and the design in RTL (`rtl`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.names import near

if TYPE_CHECKING:  # it imports PYNQ
    from edgemoe_gen.simulated.memory import SimulatedMemory

CSIM, RTL = "csim", "rtl"
KINDS = (CSIM, RTL)
Progress: TypeAlias = Callable[[str, int, int], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Shows nothing."""


@dataclass
class Faults:
    """Faults of the board, for tests of drivers. All of them may be changed at any time.

    Attributes:
        hang_after: the engine stops for good after this number of operations; None: never. In RTL the memory becomes
            silent then, so some more operations may end whose data are there already.
        status: status that the engine reports; None: the true one.
        bad_answer: a burst of a run that gets a bad answer: its AXI master, its number from 1 on, and the response (2
            is SLVERR, 3 is DECERR). C simulation has no bursts, and ends with BUS_ERROR at once.
        identity: identity that the chip reports; None: that of the design.
        takes_done: another program reads the control register first.
        no_interrupts: the interrupt line is cut.
    """

    hang_after: int | None = None
    status: int | None = None
    bad_answer: tuple[str, int, int] | None = None
    identity: int | None = None
    takes_done: bool = False
    no_interrupts: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Surroundings of an engine.

    Attributes:
        registers: offsets by name.
        ddr: memory.
        faults: of the board.
        latency: least seconds of a run.
        on_start: called when a run begins.
        on_change: called when the interrupt line may have changed.
        say: called with a line on the progress of a long run.
    """

    registers: Mapping[str, int]
    ddr: SimulatedMemory
    faults: Faults
    latency: Callable[[], float]
    on_start: Callable[[], None]
    on_change: Callable[[], None]
    say: Callable[[str], object]


class SimulatedEngine(Protocol):
    """An engine in a loaded bitstream."""

    @property
    def line(self) -> bool:
        """Level of the interrupt line."""

    @property
    def problem(self) -> str:
        """Why the engine hangs or fails, where the simulation knows."""

    @property
    def is_at_work(self) -> bool:
        """Whether the run may still end, so that waiting makes sense."""

    def read(self, offset: int) -> int:
        """What the processor reads."""

    def write(self, offset: int, value: int) -> None:
        """What the processor writes."""

    def close(self) -> None:
        """Removes the bitstream."""


def check_kind(kind: str) -> str:
    """Gives an engine's kind back.

    Raises:
        ConfigError: there is none of this name.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no engine '{kind}' for the simulated board", near(kind, KINDS, "engines"))
    return kind


__all__ = [
    "CSIM", "KINDS", "RTL", "Faults", "Progress", "SimulatedEngine", "Surroundings", "check_kind", "no_progress",
]  # fmt: skip
