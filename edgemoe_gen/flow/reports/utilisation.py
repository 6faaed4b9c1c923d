"""Resources that Vivado counted: `report_utilization`, and the same with `-hierarchical`.

Layouts of 2020.1 to 2025.1 (UG835 names the commands): rows "CLB LUTs", "CLB LUTs*" or "Slice LUTs"; the columns
"Fixed" and "Prohibited" come and go, so that columns are found by their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.flow.reports.tables import (
    NO_HEADER,
    NO_USE,
    Header,
    Number,
    Table,
    Use,
    number,
    read_header,
    read_lines,
    read_tables,
    with_columns,
)

# Rows of a flat report by resource, without the footnote mark that some of them end with.
SITES = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "dsp": ("DSPs",),
    "lut_as_logic": ("LUT as Logic",),
    "lut_as_memory": ("LUT as Memory",),
    "ramb36": ("RAMB36/FIFO",),
    "ramb18": ("RAMB18",),
}
# Devices without UltraRAM have no such row.
_OPTIONAL = ("uram",)
_INDENT = 2
# "6169(2.68%)" with -hierarchical_percentages.
_WITH_SHARE = re.compile(r"\s*([\d,.]+)\s*\(\s*<?[\d.]+%\s*\)\s*", re.ASCII)


@dataclass(frozen=True)
class Utilisation:
    """A flat report. `bram36` counts tiles: half of one is a RAMB18."""

    file: str
    header: Header = NO_HEADER
    lut: Use = NO_USE
    ff: Use = NO_USE
    bram36: Use = NO_USE
    uram: Use = NO_USE
    dsp: Use = NO_USE
    lut_as_logic: Use = NO_USE
    lut_as_memory: Use = NO_USE
    ramb36: Use = NO_USE
    ramb18: Use = NO_USE
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Instance:
    """One instance of a hierarchical report; `depth` is 0 for the top. None where the report has no such column."""

    name: str
    module: str | None
    depth: int
    lut: Number | None
    ff: Number | None
    ramb36: Number | None
    ramb18: Number | None
    uram: Number | None
    dsp: Number | None
    lutram: Number | None
    srl: Number | None

    @property
    def bram36(self) -> float | None:
        """Block RAM tiles: a RAMB18 is half of one."""
        if self.ramb36 is None or self.ramb18 is None:
            return None
        return self.ramb36 + self.ramb18 / 2


@dataclass(frozen=True)
class Hierarchy:
    """A hierarchical report: instances in its order, so that an instance's parts follow it."""

    file: str
    header: Header = NO_HEADER
    instances: tuple[Instance, ...] = ()
    warnings: tuple[str, ...] = ()


def read_utilisation(path: Path) -> Utilisation:
    """A flat report. What is not found is None, and named in `warnings`."""
    text, warnings = read_lines(path)
    if text is None:
        return Utilisation(path.name, warnings=warnings)
    tables = with_columns(read_tables(text), "Site Type", "Used", "Available")
    if not tables:
        missing = f"{path.name}: no table with the columns Site Type, Used and Available"
        return Utilisation(path.name, read_header(text), warnings=(missing,))
    notes: list[str] = []
    found = {key: _site(tables, key, path.name, notes) for key in SITES}
    return Utilisation(path.name, read_header(text), **found, warnings=tuple(notes))


def read_hierarchy(path: Path) -> Hierarchy:
    """A report with `-hierarchical`. A column that is missing leaves None, and is named in `warnings`."""
    text, warnings = read_lines(path)
    if text is None:
        return Hierarchy(path.name, warnings=warnings)
    tables = with_columns(read_tables(text), "Instance")
    if not tables:
        return Hierarchy(path.name, read_header(text), warnings=(f"{path.name}: no table with the column Instance",))
    columns = {
        "lut": ("Total LUTs",),
        "ff": ("FFs",),
        "ramb36": ("RAMB36",),
        "ramb18": ("RAMB18",),
        "uram": ("URAM",),
        "dsp": ("DSP Blocks", "DSP48 Blocks"),
        "lutram": ("LUTRAMs",),
        "srl": ("SRLs",),
    }
    notes, instances = [], []
    for table in tables:
        at = {key: table.column(*names) for key, names in columns.items()}
        notes += [
            f"{path.name}: no column {' or '.join(columns[key])}"
            for key, position in at.items()
            if position is None and key not in _OPTIONAL
        ]
        if table.damaged:
            notes.append(f"{path.name}: {table.damaged} rows of another shape than the table's header")
        module = table.column("Module")
        for row in table.rows:
            name, depth = _indented(row[table.header.index("Instance")])
            figures = {key: None if i is None else _count(row[i]) for key, i in at.items()}
            notes += [
                f"{path.name}: no number in row {name}, column {table.header[i]}"
                for key, i in at.items()
                if i is not None and figures[key] is None
            ]
            instances.append(Instance(name, None if module is None else row[module].strip(), depth, **figures))
    return Hierarchy(path.name, read_header(text), tuple(instances), tuple(dict.fromkeys(notes)))


def _site(tables: Sequence[Table], key: str, file: str, notes: list[str]) -> Use:
    """The row of a resource. Some stand in two tables; they must agree."""
    found: list[Use] = []
    for table in tables:
        name, used, available = (table.header.index(title) for title in ("Site Type", "Used", "Available"))
        for row in table.rows:
            if row[name].strip().rstrip("*").strip() in SITES[key]:
                found.append(Use(number(row[used]), number(row[available])))
    title = " or ".join(SITES[key])
    if not found:
        if key not in _OPTIONAL:
            notes.append(f"{file}: no row {title}")
        return NO_USE
    if len(set(found)) > 1:
        notes.append(f"{file}: rows {title} contradict each other")
        return NO_USE
    if found[0].used is None:
        notes.append(f"{file}: no number in row {title}, column Used")
    return found[0]


def _indented(cell: str) -> tuple[str, int]:
    name = cell.lstrip()
    return name, (len(cell) - len(name)) // _INDENT


def _count(cell: str) -> Number | None:
    """A count, alone or with its share behind it."""
    match = _WITH_SHARE.fullmatch(cell)
    return number(match[1] if match else cell)
