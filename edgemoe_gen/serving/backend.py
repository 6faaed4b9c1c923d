"""The accelerator of the live view: its interface, and its facts for the page.

`Accelerator` of `edgemoe_gen.overlay` is a `Backend`; any other object that runs frames can be one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from edgemoe_gen.measuring.session import MEASURED, Installed, opened
from edgemoe_gen.simulated.engine import CSIM, Progress, no_progress


class Outcome(Protocol):
    """A frame's result."""

    @property
    def output(self) -> Any:
        """float32 [channels, H, W] of a decoder, [classes] of a head, or None."""

    @property
    def ids(self) -> Any:
        """uint8 [H, W], class numbers in the place of an output, or None."""

    @property
    def stages(self) -> Mapping[str, float]:
        """Seconds by stage: "pack", "engine", "decode"."""

    @property
    def seconds(self) -> float:
        """The engine's own time."""


class Backend(Protocol):
    """Runs frames. All calls come from one thread."""

    def run_tasks(self, frame: Any, tasks: Sequence[str]) -> Sequence[Outcome]:
        """Runs one frame, uint8 [height, width, 3], for tasks; gives one outcome for each, in order."""


@dataclass(frozen=True)
class BackendFacts:
    """Facts of the accelerator for the page.

    Attributes:
        name: name of the overlay.
        board: its name for people.
        design: identity, 16 hex digits.
        clock_mhz: clock of the engine.
        tier: tier of the times.
        tasks: names.
        class_names: names of the tasks' classes, if known.
        classes: number of the tasks' classes, if known.
        simulated: whether there is no board.
    """

    name: str
    board: str
    design: str
    clock_mhz: float
    tier: str
    tasks: Sequence[str]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    simulated: bool = False
    classes: Mapping[str, int] = field(default_factory=dict)


# Entered and left by the worker's thread, which owns the accelerator in between.
Opener: TypeAlias = Callable[[], AbstractContextManager[tuple[Backend, BackendFacts]]]


def overlay_opener(
    installed: Installed, simulated: bool, engine: str = CSIM, progress: Progress = no_progress
) -> Opener:
    """Opens an overlay on its board, or on the simulated one with an engine of this kind."""

    @contextmanager
    def opener() -> Iterator[tuple[Backend, BackendFacts]]:
        with opened(installed, simulated, engine, progress) as (accelerator, tier):
            manifest = installed.manifest
            yield (
                accelerator,
                BackendFacts(
                    name=manifest.name,
                    board=installed.title,
                    design=f"{manifest.identity:016x}",
                    clock_mhz=manifest.clock_mhz,
                    tier=tier,
                    tasks=installed.tasks,
                    class_names=installed.class_names,
                    simulated=tier != MEASURED,
                    classes={name: task.classes or 0 for name, task in manifest.tasks.items()},
                ),
            )

    return opener
