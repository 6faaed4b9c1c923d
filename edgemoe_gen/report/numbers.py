"""Formats of figures: thousands with commas, errors with two digits, sizes in powers of ten."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def count(value: int) -> str:
    """1,234,567."""
    return f"{value:,}"


def counted(value: int, what: str) -> str:
    """1 picture, 1,234 pictures."""
    return f"{value:,} {what}{'' if value == 1 else 's'}"


def amount(value: float | None) -> str:
    """A count that may have halves: 1,234 or 117.5; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def millions(value: int | None) -> str:
    """Counts of MACs or weights: 1.23 M; small ones in full."""
    if value is None:
        return "–"
    if value >= 10**9:
        return f"{value / 1e9:.3f} G"
    return f"{value / 1e6:.2f} M" if value >= 10**5 else f"{value:,}"


def error(value: float | None) -> str:
    """1.4e-05; plain 0 for nothing; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    return "0" if value == 0 else f"{value:.1e}"


def bytes_(value: float) -> str:
    """1.23 MB (10^6 bytes), 12.3 kB."""
    if value >= 1e6:
        return f"{value / 1e6:,.2f} MB"
    return f"{value / 1e3:,.1f} kB" if value >= 1e3 else f"{value:,.0f} B"


def percent(value: float, digits: int = 1) -> str:
    """12.3 %."""
    return f"{100 * value:.{digits}f} %"


def figure(value: float | None, digits: int = 4) -> str:
    """0.1234; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def share(part: int, rest: int) -> str:
    """So many of all: "5,734 of 8,192"."""
    return f"{part:,} of {part + rest:,}"


def plain(value: float) -> str:
    """Three significant digits, no exponent for usual sizes."""
    if math.isnan(value):
        return "–"
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.2e}"


def seconds(value: float) -> str:
    """0.42 s, 12.3 s, 2 min 05 s."""
    if value >= 100:
        return f"{int(value) // 60} min {int(value) % 60:02d} s"
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def duration(value: float) -> str:
    """Short ones in milliseconds, 3.05 ms, with three digits or more; from a second on 1.23 s."""
    if abs(value) >= 1:
        return seconds(value)
    digits = 1 if abs(value) >= 0.1 else 2 if abs(value) >= 1e-3 else 3
    return f"{1e3 * value:.{digits}f} ms"


def normalisation(facts: Mapping[str, Any]) -> str:
    """How pixels become the network's input, and who says so: "scale 1/255, mean 0, std 1 (unit); from spec.toml"."""
    inverse = 1 / facts["scale"]
    scale = f"1/{inverse:.0f}" if inverse > 1 and inverse == round(inverse) else f"{facts['scale']:.8g}"
    parts = [f"scale {scale}"]
    for key in ("mean", "std"):
        values = [f"{value:.6g}" for value in facts[key]]
        parts.append(f"{key} {values[0] if len(set(values)) == 1 else ', '.join(values)}")
    name = f" ({facts['name']})" if facts["name"] else ""
    return ", ".join(parts) + name + (f"; from {facts['from']}" if facts["from"] else "")
