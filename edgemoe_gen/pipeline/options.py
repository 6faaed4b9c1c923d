"""How to build, and what a build left: what a caller gives and gets. It imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.support.folders import StageResult


@dataclass(frozen=True)
class BuildOptions:
    """How to build, as opposed to what.

    Attributes:
        selection: which stages.
        retry_clock: where timing fails, implement again at the clock that would meet it.
        export: write the kit to this folder instead of running the vendor's tools.
        force: move folders aside that hold what was changed or added by hand.

    Raises:
        ConfigError: an export that leaves out stages before it, or that is to retry what runs elsewhere.
    """

    selection: Selection = field(default_factory=Selection)
    retry_clock: bool = False
    export: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.export and not self.selection.wants("lint"):
            raise ConfigError(
                "--export needs the stages up to lint, but --from, --until or --only leaves lint out",
                "leave these out, or say --until with a stage of the vendor's",
            )
        if self.export and self.retry_clock:
            raise ConfigError(
                "--retry-clock implements again here, but --export leaves that to another machine",
                "leave --retry-clock out; for a slower clock there, export with --knob clock_mhz=MHZ",
            )


@dataclass(frozen=True, repr=False)
class BuildResult(Brief):
    """What a build left.

    Attributes:
        output: its folder.
        headline: the important thing, in one line.
        stages: as they went, in order.
        stopped_before: the stage that comes next and could not run, or was not asked for; "" at the end.
        stopped_why: why it could not run; "" where it was not asked for.
        report: contents of `report.json`; empty where the build ended before csim.
        overlay: folder of the packaged overlay, if there is one.
        notes: what the user should know of how the project was put together.
    """

    output: Path
    headline: str
    stages: tuple[StageResult, ...]
    stopped_before: str
    stopped_why: str
    report: dict[str, Any]
    overlay: Path | None = None
    notes: tuple[str, ...] = ()
