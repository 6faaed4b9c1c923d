"""Power that Vivado estimated: `report_power` (UG907).

Without a file of simulated activity the estimate is vector-less: toggle rates are assumed, not known. It is never a
measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.flow.reports.tables import (
    NO_HEADER,
    Header,
    Table,
    read_header,
    read_lines,
    read_tables,
    real,
    with_columns,
)

_INDENT = 2


@dataclass(frozen=True)
class Component:
    """One on-chip component. `watts` is None where the report gives only a bound, as in `shown` "<0.001"."""

    name: str
    depth: int
    watts: float | None
    shown: str


@dataclass(frozen=True)
class Power:
    """A power report; watts and degrees Celsius. `activity` is the file of simulated activity; None: vector-less."""

    file: str
    header: Header = NO_HEADER
    total_w: float | None = None
    dynamic_w: float | None = None
    static_w: float | None = None
    junction_c: float | None = None
    confidence: str | None = None
    activity: str | None = None
    components: tuple[Component, ...] = ()
    warnings: tuple[str, ...] = ()


def read_power(path: Path) -> Power:
    """A power report. What is not found is None, and named in `warnings`."""
    text, warnings = read_lines(path)
    if text is None:
        return Power(path.name, warnings=warnings)
    tables = read_tables(text)
    summary = _summary(tables)
    notes: list[str] = []

    def figure(title: str) -> float | None:
        value = real(summary[title]) if title in summary else None
        if value is None:
            notes.append(
                f"{path.name}: no number in row {title}" if title in summary else f"{path.name}: no row {title}"
            )
        return value

    found = {
        "total_w": figure("Total On-Chip Power (W)"),
        "dynamic_w": figure("Dynamic (W)"),
        "static_w": figure("Device Static (W)"),
        "junction_c": figure("Junction Temperature (C)"),
    }
    components = tuple(_components(tables))
    if not components:
        notes.append(f"{path.name}: no table with the columns On-Chip and Power (W)")
    activity = summary.get("Simulation Activity File", "---")
    return Power(
        path.name,
        read_header(text),
        **found,
        confidence=summary.get("Confidence Level") or None,
        activity=None if activity in ("---", "") else activity,
        components=components,
        warnings=tuple(notes),
    )


def _summary(tables: Sequence[Table]) -> dict[str, str]:
    """The table of two columns without a header that holds the total, by the names in its first column."""
    for table in tables:
        rows = {row[0].strip(): row[1].strip() for row in table.rows if len(row) == 2}
        if not table.header and "Total On-Chip Power (W)" in rows and len(rows) == len(table.rows):
            return rows
    return {}


def _components(tables: Sequence[Table]) -> list[Component]:
    rows = []
    for table in with_columns(tables, "On-Chip", "Power (W)"):
        name, watts = table.header.index("On-Chip"), table.header.index("Power (W)")
        for row in table.rows:
            title = row[name].strip()
            depth = (len(row[name]) - len(row[name].lstrip())) // _INDENT
            rows.append(Component(title, depth, real(row[watts]), row[watts].strip()))
    return rows
