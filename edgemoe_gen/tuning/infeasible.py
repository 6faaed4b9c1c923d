"""Why a point is infeasible, in words that many points share."""

from __future__ import annotations

import re

from edgemoe_gen.base.errors import CapacityError, EdgeMoEError, KnobError, ProgramError, SimulationError
from edgemoe_gen.design.knobs import knob_fields
from edgemoe_gen.tuning.space import FIFO

SIMULATION_FAILS = "simulation fails"


class InfeasibleError(EdgeMoEError):
    """A point is infeasible: the reason in a few words and in a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def reason_of(error: EdgeMoEError) -> str:
    """A few words that many points share: the knob or FIFO that breaks a rule, or the kind of error."""
    if isinstance(error, (KnobError, CapacityError)):
        text = f"{error.message} {error.hint}"
        places = {knob.name: text.find(knob.name) for knob in knob_fields() if knob.name in text}
        places |= {found.group(): found.start() for found in re.finditer(rf"{re.escape(FIFO)}\w+", text)}
        if places:
            return f"breaks a rule of {min(places, key=lambda name: (places[name], -len(name)))}"
    return {ProgramError: "its program breaks a rule", SimulationError: SIMULATION_FAILS}.get(
        type(error), "breaks a rule"
    )
