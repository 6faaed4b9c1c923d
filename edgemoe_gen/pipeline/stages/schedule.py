"""The stage `schedule`: whether the kernels' recurrences fit the clock, and how deep their pipelines are.

A stated distance that is too short ends the build. A recurrence over the budget does not: C synthesis holds the
interval and estimates a slower clock; the report says it, and `edgemoe-gen schedule` ends with 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import SCHEDULE as FILE
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_text
from edgemoe_gen.scheduling import missing

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def inputs(context: Context) -> str:
    """Hash of the sources, and of the scheduler in this package."""
    from edgemoe_gen.pipeline.support.context import package_digest

    return digest_text(package_digest(), missing(), *context.project.sources.values())


def make(context: Context, folder: Path) -> Made:
    """Schedules all pipelined loops."""
    from edgemoe_gen.scheduling.delays import NoDelaysError
    from edgemoe_gen.scheduling.run import schedule_design

    try:
        schedule = schedule_design(context.project.design, sources=context.project.sources)
    except NoDelaysError as error:
        write_json(folder / FILE.name, FILE.stamped({"not_scheduled": error.message}))
        return Made(f"not scheduled: {error.message}")
    fault = next((loop.fault for loop in schedule.loops if loop.fault), "")
    if fault:
        raise SimulationError(fault, "see all of it: edgemoe-gen schedule, with the same options")
    write_json(folder / FILE.name, FILE.stamped({**schedule.document(), "headline": schedule.headline}))
    return Made(schedule.headline)


SCHEDULE = Stage(
    name="schedule",
    summary="recurrences of the loops against the clock",
    outputs=(FILE.name,),
    inputs=inputs,
    make=make,
    needs=("render",),
    optional_extra="schedule",
    absent=missing,
)
