"""Search of designs: a space of choices, rules and tiers of evaluation, a Pareto front, on one machine or a cluster."""

from edgemoe_gen.tuning.evaluate import Evaluator, make_evaluator
from edgemoe_gen.tuning.front import FRONT, OBJECTIVES, front_of
from edgemoe_gen.tuning.limits import Limit, parse_limit
from edgemoe_gen.tuning.space import Dimension, Space, default_space, parse_dimension
from edgemoe_gen.tuning.trial import TIERS, Figure, Outcome, Point

__all__ = [
    "FRONT",
    "OBJECTIVES",
    "TIERS",
    "Dimension",
    "Evaluator",
    "Figure",
    "Limit",
    "Outcome",
    "Point",
    "Space",
    "default_space",
    "front_of",
    "make_evaluator",
    "parse_dimension",
    "parse_limit",
]
