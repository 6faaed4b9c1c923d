"""From knobs and a board to one frozen object with every size that templates, program and estimate need."""

from edgemoe_gen.design.design import Design
from edgemoe_gen.design.knobs import Knobs, knob_fields
from edgemoe_gen.design.make import make_design

__all__ = ["Design", "Knobs", "knob_fields", "make_design"]
