"""One line of what `edgemoe-gen doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "low", "not needed"]


@dataclass(frozen=True)
class Check:
    """One requirement: whether it is met, what was found, what needs it, and the remedy."""

    name: str
    status: Status
    found: str
    needed_for: str
    advice: str = ""
