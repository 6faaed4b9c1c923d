"""What the simulated board asks of whatever stands for its engine, and what an engine is given.

Two kinds stand for it: C simulation behind a control block of its own (`csim`), and the design in RTL (`rtl`).
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
    """What is wrong with the board, for tests of drivers. All of it may be changed at any time.

    Attributes:
        hang_after: the engine stops for good after so many operations; None: it does not. In RTL the memory falls
            silent then, so that some operations more may end, whose data are there already.
        status: what the engine says that it ended with; None: what it finds.
        bad_answer: a burst of a run that gets a bad answer: its AXI master, its number from 1 on, and the response (2
            is SLVERR, 3 is DECERR). C simulation has no bursts, and ends with BUS_ERROR at once.
        identity: what the chip says that it holds; None: the design.
        takes_done: somebody else reads the control register first.
        no_interrupts: the line is cut.
    """

    hang_after: int | None = None
    status: int | None = None
    bad_answer: tuple[str, int, int] | None = None
    identity: int | None = None
    takes_done: bool = False
    no_interrupts: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What an engine stands in.

    Attributes:
        registers: offsets by name.
        ddr: memory.
        faults: of the board.
        latency: seconds that a run takes at least.
        on_start: called when a run begins.
        on_change: called when the interrupt line may have changed.
        say: called with a line on how a long run gets on.
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
        """Whether it may still come to an end, so that it pays to wait."""

    def read(self, offset: int) -> int:
        """What the processor reads."""

    def write(self, offset: int, value: int) -> None:
        """What the processor writes."""

    def close(self) -> None:
        """The bitstream goes."""


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
