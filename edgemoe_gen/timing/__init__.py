"""Timed simulation: the kernels' own sources, compiled with clocks, FIFO depths and DDR, computing a frame for real."""

from edgemoe_gen.timing.instrument import Instrumented, LoopSite, instrument
from edgemoe_gen.timing.library import DEADLOCK, LoopTiming, MemoryTiming, TimedEngine, TimedRun, Timing, timed_sources

__all__ = [
    "DEADLOCK",
    "Instrumented",
    "LoopSite",
    "LoopTiming",
    "MemoryTiming",
    "TimedEngine",
    "TimedRun",
    "Timing",
    "instrument",
    "timed_sources",
]
