"""The limit that a search has on its clock: the recurrences of a point's kernels, by the open schedule."""

from __future__ import annotations

from edgemoe_gen.design import Design
from edgemoe_gen.scheduling import missing
from edgemoe_gen.scheduling.delays import NoDelaysError
from edgemoe_gen.scheduling.run import schedule_design

TOO_FAST = "its clock is too fast"


def clock_fault(design: Design) -> str:
    """Why a design's loops don't fit its clock, in a sentence; "" where they do, or nothing can say it here."""
    if missing():
        return ""
    try:
        schedule = schedule_design(design)
    except NoDelaysError:
        return ""
    if not schedule.failed:
        return ""
    fault = next((loop.fault for loop in schedule.loops if loop.fault), "")
    return fault or f"at {design.knobs.clock_mhz:g} MHz: {schedule.headline}"
