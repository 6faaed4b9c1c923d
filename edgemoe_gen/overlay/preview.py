"""An overlay before synthesis: everything but the bitstream, for host code that is written before Vivado has run.

Its .hwh is made from the design, its .bit holds nothing, and its manifest says so: the driver runs it on the simulated
board and refuses it on a real one.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from edgemoe_gen.hardware.names import BITSTREAM, HANDOFF
from edgemoe_gen.overlay.facts import Figure, OverlayFacts
from edgemoe_gen.overlay.generated_hwh import write_hwh
from edgemoe_gen.overlay.manifest import NO_BITSTREAM
from edgemoe_gen.overlay.package import write_overlay

_BIT_PREFIX = bytes.fromhex("00090ff00ff00ff00ff0000001")  # what Vivado's files begin with


def write_preview(name: str, accelerator: Path, folder: Path, facts: OverlayFacts) -> Path:
    """Packages a build that has no bitstream; see `write_overlay`.

    Args:
        name: of the overlay.
        accelerator: the build's folder with `data/`: program.bin, weights.bin, image.bin and expected.bin.
        folder: folder for `<name>/`. There is no wheel, since a preview is not installed on a board.
        facts: all other facts.

    Returns:
        The package's folder.

    Raises:
        OverlayError: a part is missing, damaged, or of another design; nothing has been written.
    """
    figures = (*facts.figures, Figure("bitstream", NO_BITSTREAM, "preview"))
    with tempfile.TemporaryDirectory() as place:
        parts = Path(place)
        (parts / BITSTREAM).write_bytes(empty_bitstream(facts.design.board.part))
        write_hwh(facts.design, parts / HANDOFF, facts.clock_mhz)
        written = write_overlay(name, accelerator, parts, folder, replace(facts, has_bitstream=False, figures=figures))
    written.wheel.unlink()
    return written.folder


def empty_bitstream(part: str) -> bytes:
    """A .bit file for a part with a whole header and no configuration."""
    data = _BIT_PREFIX
    for letter, text in (("a", "edgemoe_wrapper"), ("b", part), ("c", "1970/01/01"), ("d", "00:00:00")):
        field = text.encode() + b"\0"
        data += letter.encode() + len(field).to_bytes(2, "big") + field
    return data + b"e" + bytes(4)
