"""Layout of a program's results for the driver: tokens and maps, in bytes of the result buffer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.design import Design
from edgemoe_gen.overlay.driver.maps import CLASSES, LOGITS, MapLayout
from edgemoe_gen.overlay.programs import TaskProgram
from edgemoe_gen.program.decoder import Decoded
from edgemoe_gen.program.maps import pixel_bytes

RESULT_VALUE_BYTES = 4


def result_layout(part: TaskProgram) -> dict[str, Any]:
    """`ResultLayout` of a task's first frame.

    Raises:
        OverlayError: the tokens are no matrix of whole rows.
    """
    tokens, beat_bytes = part.tokens, part.program.design.beat_bytes
    row_bytes, rest = divmod(tokens.beats * beat_bytes, tokens.tokens)
    if rest or row_bytes < tokens.columns * RESULT_VALUE_BYTES:
        raise OverlayError(f"the result of '{part.task}' is no matrix of whole rows", "compile the program again")
    return {
        "first": tokens.first * beat_bytes,
        "row_bytes": row_bytes,
        "tokens": tokens.tokens,
        "dim": tokens.columns,
        "fraction": tokens.form.fraction,
        "size": part.program.result_beats * beat_bytes,
    }


def map_table(part: TaskProgram) -> dict[str, Any] | None:
    """`MapLayout` of a task's first frame for the manifest; None where the engine ends with the tokens."""
    return None if part.decoded is None else asdict(map_layout(part.program.design, part.decoded))


def map_layout(design: Design, decoded: Decoded) -> MapLayout:
    """Layout of a decoder's map.

    Raises:
        OverlayError: its regions do not lie one behind another.
    """
    regions, beat_bytes = decoded.regions, design.beat_bytes
    size = sum(region.beats for region in regions) * beat_bytes
    row_bytes, rest = divmod(size, decoded.height)
    first, channels = regions[0].first, regions[0].columns
    places = [first + sum(region.beats for region in regions[:i]) for i in range(len(regions))]
    if rest or places != [region.first for region in regions]:
        raise OverlayError(f"rows of {regions[0].name} do not lie one behind another", "compile the program again")
    pixel = (
        row_bytes // decoded.row_pixels if decoded.kind == LOGITS else pixel_bytes(channels, decoded.kind == CLASSES)
    )
    fraction = 0 if decoded.kind == CLASSES else regions[0].form.fraction
    return MapLayout(
        decoded.kind, first * beat_bytes, row_bytes, pixel, decoded.height, decoded.width, channels, fraction
    )
