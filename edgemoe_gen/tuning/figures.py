"""Figures of a point that follow from its design or its program alone."""

from __future__ import annotations

from edgemoe_gen.estimate import Resources
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.program.compile import Program
from edgemoe_gen.tuning.trial import ESTIMATE, Figure

BRAM36_KIB, URAM_KIB = 36 / 8, 288 / 8


def resource_figures(resources: Resources) -> dict[str, Figure]:
    """Resources of a design as figures."""
    names = ("dsp", "bram36", "uram", "lut", "ff")
    values = {name: float(getattr(resources, name)) for name in names}
    values["memory_kib"] = resources.bram36 * BRAM36_KIB + resources.uram * URAM_KIB
    return {name: Figure(value, ESTIMATE) for name, value in values.items()}


def moved_bytes(program: Program) -> int:
    """Bytes through all ports in one run: weights, pictures, constants, results, and the program itself."""
    beats = sum(op.transfer_beats for op in program.operations)
    words = (1 + len(program.operations)) * OPERATION_WORDS * 4
    return program.weight_bytes_per_run + beats * program.design.beat_bytes + words
