"""The vendor's reports: C synthesis, co-simulation, resources, timing, power; and joint conclusions."""

from edgemoe_gen.flow.reports.clocks import (
    achievable_clock_mhz,
    clock_mhz,
    meets_timing,
    retry_clock_mhz,
    timing_sentence,
)
from edgemoe_gen.flow.reports.collect import ImplementationFacts, SynthesisFacts, read_implementation, read_synthesis
from edgemoe_gen.flow.reports.cosim import Cosim, read_cosim

__all__ = [
    "Cosim",
    "ImplementationFacts",
    "SynthesisFacts",
    "achievable_clock_mhz",
    "clock_mhz",
    "meets_timing",
    "read_cosim",
    "read_implementation",
    "read_synthesis",
    "retry_clock_mhz",
    "timing_sentence",
]
