"""The stage `bitstream`: block design, implementation, bitstream and hardware description."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.flow.kit import place_collected_ip
from edgemoe_gen.flow.reports import meets_timing, read_implementation
from edgemoe_gen.pipeline.stages.ip import IP
from edgemoe_gen.pipeline.support.vendor import ToolStage


def place(output: Path, kit: Path) -> None:
    """The block design takes the IP from the kit; it may have come from another machine."""
    place_collected_ip(output / IP.outputs[0], kit)


def verdict(folder: Path) -> str:
    """Whether the clock is met."""
    met = meets_timing(read_implementation(folder))
    return {True: ", timing met", False: ", timing missed", None: ", timing not known"}[met]


BITSTREAM = ToolStage(
    name="bitstream",
    summary="block design, implementation",
    tool="Vivado",
    outputs=("bitstream",),
    needs=("ip",),
    hashes=("ip",),
    clocked=True,
    place=place,
    verdict=verdict,
)
