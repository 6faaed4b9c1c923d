"""The stage `hls`: C synthesis."""

from __future__ import annotations

from edgemoe_gen.pipeline.support.vendor import ToolStage

HLS = ToolStage(
    name="hls", summary="C synthesis", tool="Vitis", outputs=("hls",), needs=("render", "csim"), synthesises=True
)
