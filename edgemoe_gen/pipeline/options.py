"""Options and result of a build, for callers. Imports nothing heavy."""

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
    """Options of a build, beside its project.

    Attributes:
        selection: stages to run.
        retry_clock: where timing fails, implement again at the clock that would meet it.
        export: write the kit to this folder instead of running the vendor's tools.
        force: move folders aside in which files were changed or added by hand.

    Raises:
        ConfigError: an export leaves out stages before it, or is to retry stages that run elsewhere.
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
    """Result of a build.

    Attributes:
        output: its folder.
        headline: the important result, in one line.
        stages: results of the stages, in order.
        stopped_before: the next stage, which could not run or was not requested; "" at the end.
        stopped_why: the reason why this stage could not run; "" where it was not requested.
        report: contents of `report.json`; empty where the build ended before csim.
        overlay: folder of the packaged overlay, if there is one.
        notes: notes for the user on how the project was put together.
    """

    output: Path
    headline: str
    stages: tuple[StageResult, ...]
    stopped_before: str
    stopped_why: str
    report: dict[str, Any]
    overlay: Path | None = None
    notes: tuple[str, ...] = ()
