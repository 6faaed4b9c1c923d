"""The clock limit of a search: the recurrences of a point's kernels, by the open schedule."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.design import Design
from edgemoe_gen.scheduling.run import known_schedule

TOO_FAST = "its clock is too fast"


def clock_fault(design: Design, sources: Mapping[str, str]) -> str:
    """A sentence why a design's loops don't fit its clock; "" where they fit, or where no schedule can be made.

    Args:
        design: gives part and clock.
        sources: its rendered text by path.
    """
    schedule = known_schedule(design, sources)
    if schedule is None or not schedule.failed:
        return ""
    fault = next((loop.fault for loop in schedule.loops if loop.fault), "")
    return fault or f"at {design.knobs.clock_mhz:g} MHz: {schedule.headline}"
