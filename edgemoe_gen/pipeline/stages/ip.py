"""The stage `ip`: the engine as an IP, from C synthesis, or from the RTL of edgemoe-gen."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.build_files import RTL as FACTS
from edgemoe_gen.base.build_files import RTL_FOLDER
from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.flow.kit import place_ip, place_rtl
from edgemoe_gen.pipeline.stages.hls import HLS
from edgemoe_gen.pipeline.support.vendor import ToolStage


def place(output: Path, kit: Path) -> None:
    """Packaging takes the RTL from the kit.

    Raises:
        SimulationError: the design has none.
    """
    facts = FACTS.read(output)
    if "not_generated" in facts:
        raise SimulationError(
            f"the design has no RTL of edgemoe-gen: {facts['not_generated']}",
            "choose other knobs, or Vitis HLS: --hls vitis",
        )
    place_rtl(output / RTL_FOLDER, kit)


IP = ToolStage(
    name="ip", summary="IP export", tool="Vitis", outputs=("ip",), needs=("hls",), reopens=HLS, finish=place_ip
)
RTL_IP = ToolStage(
    name="ip", summary="the RTL of edgemoe-gen as an IP", tool="Vivado", outputs=("ip",), needs=("rtl", "csim"),
    hashes=("rtl",), step="rtl_ip", place=place,
)  # fmt: skip
