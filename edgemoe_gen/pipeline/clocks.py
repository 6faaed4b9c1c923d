"""Clocks that an implementation has missed: remembered, because finding it out again would take hours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.files import write_text_whole
from edgemoe_gen.base.parsing import read_json

FILE = "clocks.json"


@dataclass(frozen=True)
class MissedClock:
    """A clock in MHz that was missed: what to tell the user, and the clock that would be met (None: not known)."""

    clock_mhz: float
    sentence: str
    slower_mhz: float | None


def read_missed(folder: Path, inputs: str) -> dict[float, MissedClock]:
    """Clocks missed by a design whose stage had the same inputs, by clock; none if anything has changed."""
    try:
        said = read_json(folder / FILE)
        if said["inputs"] != inputs:
            return {}
        missed = [MissedClock(**row) for row in said["missed"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {row.clock_mhz: row for row in missed}


def write_missed(folder: Path, inputs: str, missed: dict[float, MissedClock]) -> None:
    """Remembers them."""
    text = json_text({"inputs": inputs, "missed": [asdict(row) for row in missed.values()]})
    write_text_whole(folder / FILE, text)
