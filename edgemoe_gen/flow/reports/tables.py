"""What the vendor's text reports share: the header, ASCII tables, and cells that are numbers.

In: text of a report. Out: tables whose columns are found by header text. A cell that is not exactly a number is None,
so that a damaged report gives no figure instead of a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.parsing import XML_LIMIT
from edgemoe_gen.base.reading import read_bytes

Number = int | float

# Fifteen digits are more than any report has and less than what loses digits in a float.
_NUMBER = re.compile(r"-?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?P<fraction>\.\d{1,9})?", re.ASCII)
_HEADER = re.compile(r"^\|\s*(Tool Version|Design State|Design|Device|Command)\s*:\s*(.*?)\s*$", re.MULTILINE)
_RELEASE = re.compile(r"v\.?\s*(\d{4}\.\d+(?:\.\d+)?)", re.ASCII)
_BORDER = re.compile(r"\+(?:-+\+)+")
_HEADER_CHARACTERS = 8000  # the header is the first few lines of a report


@dataclass(frozen=True)
class Header:
    """The first lines of a Vivado report; None where a line is missing.

    Attributes:
        release: of Vivado, "2023.2".
        design, device: names.
        state: "Synthesized", "Fully Placed", "Routed" and the like; "" where the line says nothing. Timing summaries up
            to 2022.2 have no such line.
        command: the Tcl command that wrote the report.
    """

    release: str | None = None
    design: str | None = None
    device: str | None = None
    state: str | None = None
    command: str | None = None


NO_HEADER = Header()


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        header: names of the columns, without blanks around them; empty where the table has none.
        rows: cells as they stand: one blank of padding is gone on the left, all on the right, so that indentation
            is kept.
        damaged: rows that were left out because they have another number of cells.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    damaged: int = 0

    def column(self, *names: str) -> int | None:
        """Position of the column with one of these names; None if none or several have it."""
        found = [i for i, title in enumerate(self.header) if title in names]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Use:
    """How much of a resource is used, and how much there is; None where the report does not say."""

    used: Number | None = None
    available: Number | None = None


NO_USE = Use()


def read_text(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """Text of a report, or None and a warning that says why there is none."""
    try:
        data = read_bytes(path, XML_LIMIT)
    except OSError as error:
        return None, (f"{path.name}: not readable ({error.strerror or type(error).__name__})",)
    if b"\0" in data:
        return None, (f"{path.name}: not a text file",)
    if not data.strip():
        return None, (f"{path.name}: empty",)
    return data.decode("utf-8", errors="replace"), ()


def read_lines(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """As `read_text`, without a last line that has no end: in a report that was cut off, its figures may be cut too."""
    text, warnings = read_text(path)
    return (None if text is None else text[: max(text.rfind("\n"), text.rfind("\r")) + 1]), warnings


def number(cell: str) -> Number | None:
    """A cell's number: "1,234" is an int, "0.5" a float; "<0.01", "NA", "---" and the like are None."""
    text = cell.strip()
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    plain = text.replace(",", "")
    return float(plain) if match["fraction"] else int(plain)


def whole(cell: str) -> int | None:
    """A cell's whole number; None of a fraction."""
    value = number(cell)
    return value if isinstance(value, int) else None


def real(cell: str) -> float | None:
    """A cell's number as a float."""
    value = number(cell)
    return None if value is None else float(value)


def read_header(text: str) -> Header:
    """The header of a Vivado report."""
    found: dict[str, str] = {}
    for name, value in _HEADER.findall(text[:_HEADER_CHARACTERS]):
        found.setdefault(name, value)
    release = _RELEASE.search(found.get("Tool Version", ""))
    return Header(
        release=release[1] if release else None,
        design=found.get("Design") or None,
        device=found.get("Device") or None,
        state=found.get("Design State"),
        command=found.get("Command") or None,
    )


def read_tables(text: str) -> list[Table]:
    """All tables of a report, in their order.

    Lines between two borders are one block. A table of several blocks has its header in the first one; a table of
    one block has none. A header that is repeated among the rows, as where a table goes on over a page, is left out.
    """
    return [_table(blocks) for blocks in _blocks(text)]


def with_columns(tables: Sequence[Table], *names: str) -> list[Table]:
    """Tables that have every one of these columns, once."""
    return [table for table in tables if all(table.column(name) is not None for name in names)]


def _blocks(text: str) -> Iterator[list[list[str]]]:
    blocks: list[list[str]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if _BORDER.fullmatch(line):
            blocks.append([])
        elif blocks and line.startswith("|"):
            blocks[-1].append(line)
        elif blocks:
            yield [block for block in blocks if block]
            blocks = []
    if blocks:
        yield [block for block in blocks if block]


def _table(blocks: list[list[str]]) -> Table:
    cells = [[_cells(line) for line in block] for block in blocks]
    header: tuple[str, ...] = ()
    if len(cells) > 1:
        lines = cells.pop(0)
        width = len(lines[0])
        if all(len(line) == width for line in lines):
            header = tuple(" ".join(filter(None, (line[i].strip() for line in lines))) for i in range(width))
    rows = [row for block in cells for row in block]
    wanted = len(header) or (len(rows[0]) if rows else 0)
    kept = tuple(row for row in rows if len(row) == wanted)
    repeated = tuple(row for row in kept if header and tuple(cell.strip() for cell in row) == header)
    return Table(header, tuple(row for row in kept if row not in repeated), len(rows) - len(kept))


def _cells(line: str) -> tuple[str, ...]:
    if len(line) < 2 or not line.endswith("|"):
        return ()
    return tuple(cell.removeprefix(" ").rstrip() for cell in line[1:-1].split("|"))
