"""The stage `package`: the overlay with its bitstream, as a folder and as a wheel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgemoe_gen.base.build_files import OVERLAY
from edgemoe_gen.pipeline.stages import preview
from edgemoe_gen.pipeline.stages.bitstream import BITSTREAM
from edgemoe_gen.pipeline.support.stage import Made, Stage
from edgemoe_gen.pipeline.support.state import digest_of, digest_text

if TYPE_CHECKING:
    from edgemoe_gen.pipeline.support.context import Context


def inputs(context: Context) -> str:
    """Hash of what the preview depends on, of the bitstream and its clock."""
    return digest_text(
        preview.inputs(context), digest_of([_bitstream(context)]), context.clock_mhz, context.project.hls
    )


def make(context: Context, folder: Path) -> Made:
    """Writes folder and wheel."""
    from edgemoe_gen.overlay.package import write_overlay

    facts = replace(preview.overlay_facts(context), hls=context.project.hls)
    name = context.project.overlay_name
    written = write_overlay(name, context.accelerator, _bitstream(context), folder / OVERLAY, facts)
    return Made(f"{written.folder.name}/ and {written.wheel.name}")


def _bitstream(context: Context) -> Path:
    return context.output / BITSTREAM.outputs[0]


PACKAGE = Stage(
    name="package",
    summary="overlay: a folder and a wheel that PYNQ finds",
    outputs=(OVERLAY,),
    inputs=inputs,
    make=make,
    needs=("render", "csim", "bitstream"),
    hashes=("bitstream",),
    uses=("torch",),
)
