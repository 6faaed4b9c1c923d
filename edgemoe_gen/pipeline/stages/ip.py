"""The stage `ip`: the synthesised engine as an IP."""

from __future__ import annotations

from edgemoe_gen.flow.kit import place_ip
from edgemoe_gen.pipeline.stages.hls import HLS
from edgemoe_gen.pipeline.support.vendor import ToolStage

IP = ToolStage(
    name="ip", summary="IP export", tool="Vitis", outputs=("ip",), needs=("hls",), reopens=HLS, finish=place_ip
)
