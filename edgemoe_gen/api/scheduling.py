"""`schedule`: interval and depth of every pipelined loop of a design, without the vendor's tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgemoe_gen.base.arguments import takes
from edgemoe_gen.base.brief import Brief
from edgemoe_gen.design import Design
from edgemoe_gen.project.arguments import PROJECT, DesignKeywords, PathText, project_arguments
from edgemoe_gen.project.early import Needs, open_checked
from edgemoe_gen.project.opening import open_design, open_model
from edgemoe_gen.scheduling.compiler import need_compiler
from edgemoe_gen.scheduling.result import Schedule
from edgemoe_gen.scheduling.run import schedule_design

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True, repr=False)
class ScheduleResult(Brief):
    """Outcome of `schedule`.

    Attributes:
        design: the scheduled design.
        schedule: schedule of its loops.
        notes: notes for the user.
    """

    design: Design
    schedule: Schedule
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every loop keeps its interval within the budget."""
        return not self.schedule.failed

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "design": f"{self.design.identity:016x}",
            **self.schedule.document(),
            "passed": self.passed,
            "notes": list(self.notes),
        }


@takes(DesignKeywords, *PROJECT)
def schedule(
    checkpoint: PathText | None = None, *, loop: str | None = None, **keywords: Unpack[DesignKeywords]
) -> ScheduleResult:
    """Schedules the pipelined loops of a design's kernels: interval, depth, slowest recurrence; see docs/schedule.md.

    Args:
        checkpoint: the network of the design; without one the knobs give its sizes.
        loop: label of the only loop to schedule; None: all loops.

    Raises:
        ConfigError: the compiler of the extra `[schedule]` is not installed, or there is no such loop.
        SimulationError: there is no table of delays for the part, or a kernel has an unknown form.
    """
    need_compiler("a schedule", "schedule")
    project = open_checked(project_arguments(keywords, checkpoint), Needs())
    config = project.config
    design = open_design(config, None if config.checkpoint is None else open_model(config).spec)
    found = schedule_design(design, loop)
    return ScheduleResult(design, found, (*project.notes, *found.notes))
