"""Estimates before any synthesis: resources and cycles. Every figure here is of the tier "estimate"."""

from edgemoe_gen.estimate.cycles import CycleEstimate, estimate_cycles
from edgemoe_gen.estimate.resources import Part, Resources, check_fits, estimate_resources

__all__ = ["CycleEstimate", "Part", "Resources", "check_fits", "estimate_cycles", "estimate_resources"]
