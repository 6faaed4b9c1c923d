"""Result of RTL co-simulation: `<top>_cosim.rpt` of Vitis HLS (UG1399).

The table's header stands in several lines with borders between them, so that a column is named by all the header
text above it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.flow.reports.tables import read_lines, whole

_TOOL = re.compile(r"^Simulation tool\s*:\s*(\S+?)\.?\s*$", re.MULTILINE)
_PIECE = re.compile(r"[^|+]+")


@dataclass(frozen=True)
class Cosim:
    """A report of co-simulation; cycles. None where the simulation did not say ("NA").

    Attributes:
        language: of the RTL that was simulated.
        status: "Pass" or "Fail" as the report has it.
        total: cycles of the whole simulation, where the release reports them.
    """

    file: str
    tool: str | None = None
    language: str | None = None
    status: str | None = None
    least: int | None = None
    average: int | None = None
    most: int | None = None
    interval_least: int | None = None
    interval_average: int | None = None
    interval_most: int | None = None
    total: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool | None:
        """Whether the RTL gave what the test bench wanted."""
        return None if self.status is None else self.status.lower() == "pass"


def read_cosim(path: Path) -> Cosim:
    """A report of co-simulation. What is not found is None, and named in `warnings`."""
    text, warnings = read_lines(path)
    if text is None:
        return Cosim(path.name, warnings=warnings)
    lines = [line.rstrip() for line in text.splitlines() if line.lstrip().startswith(("|", "+"))]
    rows = [i for i, line in enumerate(lines) if _is_result(line)]
    titles = _titles(lines[: rows[0]]) if rows else []
    if not rows or not titles:
        return Cosim(path.name, warnings=(f"{path.name}: no table with the rows VHDL and Verilog",))
    wanted = {
        "status": "Status",
        "least": "Latency min",
        "average": "Latency avg",
        "most": "Latency max",
        "interval_least": "Interval min",
        "interval_average": "Interval avg",
        "interval_most": "Interval max",
        "total": "Total Execution Time",
    }
    at = {key: [i for i, title in enumerate(titles) if title == name] for key, name in wanted.items()}
    notes = [f"{path.name}: no column {wanted[key]}" for key, found in at.items() if len(found) != 1 and key != "total"]
    simulated = [cells for cells in (_cells(lines[i]) for i in rows) if len(cells) == len(titles)]
    simulated = [cells for cells in simulated if len(at["status"]) == 1 and cells[at["status"][0]] not in ("NA", "")]
    if len(simulated) != 1:
        notes.append(f"{path.name}: {len(simulated)} rows with a status, but one is expected")
        return Cosim(path.name, warnings=tuple(notes))
    cells = simulated[0]

    def cycles(key: str) -> int | None:
        return whole(cells[at[key][0]]) if len(at[key]) == 1 else None

    tool = _TOOL.search(text)
    return Cosim(
        path.name,
        tool[1] if tool else None,
        cells[0],
        cells[at["status"][0]],
        least=cycles("least"),
        average=cycles("average"),
        most=cycles("most"),
        interval_least=cycles("interval_least"),
        interval_average=cycles("interval_average"),
        interval_most=cycles("interval_most"),
        total=cycles("total"),
        warnings=tuple(notes),
    )


def _is_result(line: str) -> bool:
    cells = _cells(line)
    return bool(cells) and cells[0] in ("VHDL", "Verilog", "SystemC")


def _cells(line: str) -> list[str]:
    text = line.strip()
    if len(text) < 2 or not text.startswith("|") or not text.endswith("|"):
        return []
    return [cell.strip() for cell in text[1:-1].split("|")]


def _titles(lines: list[str]) -> list[str]:
    """Name of every column: the words above it, without those in brackets, joined by blanks.

    The last line of the header that holds text has every column; a heading over several columns spans them.
    """
    pieces = [[(m.start(), m.end(), m[0].strip()) for m in _PIECE.finditer(line)] for line in lines]
    texts = [[p for p in row if p[2].strip("-")] for row in pieces]
    last = next((i for i in reversed(range(len(lines))) if texts[i]), None)
    if last is None:
        return []
    titles = []
    for start, end, _ in pieces[last]:
        middle = (start + end) // 2
        above = [text for row in texts[: last + 1] for a, b, text in row if a <= middle < b]
        titles.append(" ".join(re.sub(r"\([^)]*\)", "", " ".join(above)).split()))
    return titles
