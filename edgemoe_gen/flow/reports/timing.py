"""Timing of a design: `report_timing_summary` of Vivado (UG906), 2020.1 to 2025.1.

Its tables have no borders: a figure belongs to the column whose title ends (or, of names, begins) where it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.flow.reports.tables import NO_HEADER, Header, read_header, read_lines, real, whole

_MET = "All user specified timing constraints are met."
_FAILED = "Timing constraints are not met."
_NONE = "There are no user specified timing constraints."
_WORD = re.compile(r"\S+(?: \S+)*")
_DASHES = re.compile(r"\s*-+(?:\s+-+)*\s*")
# Setup and recovery paths; of hold paths the bracket is the other way round.
_SLACK = re.compile(
    r"^Slack(?: \((?:MET|VIOLATED)\))?\s*:\s*(-?[\d.]+)ns\s+\(required time - arrival time\)[^\n]*$", re.MULTILINE
)
_FIELD = re.compile(
    r"^\s*(Source|Destination|Path Group|Path Type|Requirement|Data Path Delay|Logic Levels):[ \t]+(\S[^\n]*?)\s*$",
    re.MULTILINE,
)
_CLOCKED = re.compile(r"clocked by (\S+)")
_NANOSECONDS = re.compile(r"(-?[\d.]+)ns\b")
_SPLIT = re.compile(r"\(logic\s+([\d.]+)ns\s+\(([\d.]+)%\)\s+route\s+([\d.]+)ns\s+\(([\d.]+)%\)\)")
_WIRE = re.compile(r"\bnet \(fo=[\d,]+, (\w+)\)")
_OPTIONAL = ("Inter Clock Table", "Other Path Groups Table")  # a design of one clock needs neither
_PATH_CHARACTERS = 8000  # of a path's summary, which stands before its table


@dataclass(frozen=True)
class Check:
    """Slack and failing endpoints of a kind of check; ns."""

    worst_ns: float | None = None
    total_ns: float | None = None
    failing: int | None = None
    endpoints: int | None = None


@dataclass(frozen=True)
class Clock:
    """One clock and its checks within itself."""

    name: str
    period_ns: float | None
    mhz: float | None
    setup: Check = Check()
    hold: Check = Check()
    pulse: Check = Check()


@dataclass(frozen=True)
class Crossing:
    """Checks between two clocks, or of a path group of its own such as recovery (`**async_default**`)."""

    group: str | None
    source: str | None
    destination: str | None
    setup: Check = Check()
    hold: Check = Check()


@dataclass(frozen=True)
class TimingPath:
    """One setup (or recovery) path; ns, shares in percent of the data path's delay."""

    slack_ns: float
    source: str | None = None
    destination: str | None = None
    source_clock: str | None = None
    destination_clock: str | None = None
    group: str | None = None
    kind: str | None = None
    requirement_ns: float | None = None
    delay_ns: float | None = None
    logic_ns: float | None = None
    route_ns: float | None = None
    logic_percent: float | None = None
    route_percent: float | None = None
    levels: int | None = None


@dataclass(frozen=True)
class Timing:
    """A timing summary.

    Attributes:
        met: the report's own sentence; None where it has none.
        wires: states of the wires of all paths that are shown: "routed", "estimated" or "unplaced" (UG906).
    """

    file: str
    header: Header = NO_HEADER
    setup: Check = Check()
    hold: Check = Check()
    pulse: Check = Check()
    met: bool | None = None
    clocks: tuple[Clock, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    worst: TimingPath | None = None
    wires: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_timing(path: Path) -> Timing:
    """A timing summary. What is not found is None, and named in `warnings`.

    The worst path is one whose slack is WNS; without such a path there is none.
    """
    text, warnings = read_lines(path)
    if text is None:
        return Timing(path.name, warnings=warnings)
    notes: list[str] = []
    sections = _sections(text)
    summary = list(_rows(sections, "Design Timing Summary", "WNS(ns)", path.name, notes))
    if len(summary) != 1:
        notes.append(f"{path.name}: no row of figures under Design Timing Summary")
    design = summary[0] if len(summary) == 1 else {}
    setup = _check(design, "WNS(ns)", "TNS")
    if design and setup.worst_ns is None:
        notes.append(f"{path.name}: no number under Design Timing Summary, column WNS(ns)")
    worst = _worst_path(text)
    if worst is None:
        notes.append(f"{path.name}: no setup path under Timing Details")
    elif worst.slack_ns != setup.worst_ns:
        notes.append(f"{path.name}: no path under Timing Details has the slack WNS ({worst.slack_ns} ns is the least)")
        worst = None
    return Timing(
        path.name,
        read_header(text),
        setup,
        _check(design, "WHS(ns)", "THS"),
        _check(design, "WPWS(ns)", "TPWS"),
        _verdict(text, path.name, notes),
        tuple(_clocks(sections, path.name, notes)),
        tuple(_crossings(sections, path.name, notes)),
        worst,
        tuple(sorted(set(_WIRE.findall(text)))),
        tuple(dict.fromkeys(notes)),
    )


def _verdict(text: str, file: str, notes: list[str]) -> bool | None:
    said = [met for sentence, met in ((_MET, True), (_FAILED, False)) if sentence in text]
    if len(said) == 1:
        return said[0]
    if _NONE in text:
        notes.append(f"{file}: the design has no timing constraints")
    else:
        notes.append(f"{file}: no sentence says whether timing constraints are met")
    return None


def _sections(text: str) -> dict[str, list[str]]:
    """Lines of the summary's sections by title, without the details, which are nearly all of a report."""
    end = text.find("| Timing Details")
    sections: dict[str, list[str]] = {}
    title = ""
    for line in (text if end < 0 else text[:end]).splitlines():
        if line.startswith("| ") and line.strip("| -"):
            title = line.strip("| ")
        sections.setdefault(title, []).append(line)
    return sections


def _rows(
    sections: dict[str, list[str]], title: str, column: str, file: str, notes: list[str]
) -> Iterator[dict[str, str]]:
    """Rows of a section's table by column; blank cells are left out."""
    lines = sections.get(title, [])
    heads = [i for i, line in enumerate(lines[:-1]) if column in line.split() and _DASHES.fullmatch(lines[i + 1])]
    if not heads:
        if any(line.strip("- ") for line in lines[2:]) or (not lines and title not in _OPTIONAL):
            notes.append(f"{file}: no table with the column {column} under {title}")
        return
    columns = [(m[0], m.start(), m.end()) for m in _WORD.finditer(lines[heads[0]])]
    for line in lines[heads[0] + 2 :]:
        if not line.strip():
            return
        row = _row(line, columns)
        if row is None:
            notes.append(f"{file}: a row under {title} does not fit its columns")
        else:
            yield row


def _row(line: str, columns: Sequence[tuple[str, int, int]]) -> dict[str, str] | None:
    """Words of a line by the column that they stand in; None if one stands in no column or two in the same.

    Figures are aligned with their title's end, names with its begin; the first column may be indented.
    """
    words = [(m[0], m.start(), m.end()) for m in re.finditer(r"\S+(?: \S+)*", line)]
    if len(words) == len(columns):
        return {title: word for (title, _, _), (word, _, _) in zip(columns, words, strict=True)}
    row: dict[str, str] = {}
    for word, start, end in words:
        title = next((name for name, a, b in columns if start == a or end == b), None)
        if title is None and len(columns) > 1 and start < columns[1][1] and not row:
            title = columns[0][0]
        if title is None or title in row:
            return None
        row[title] = word
    return row


def _check(row: dict[str, str], worst: str, total: str) -> Check:
    return Check(
        real(row.get(worst, "")),
        real(row.get(f"{total}(ns)", "")),
        whole(row.get(f"{total} Failing Endpoints", "")),
        whole(row.get(f"{total} Total Endpoints", "")),
    )


def _clocks(sections: dict[str, list[str]], file: str, notes: list[str]) -> Iterator[Clock]:
    inside = {row.get("Clock"): row for row in _rows(sections, "Intra Clock Table", "WNS(ns)", file, notes)}
    for row in _rows(sections, "Clock Summary", "Period(ns)", file, notes):
        name = row.get("Clock")
        if name is None:
            notes.append(f"{file}: a clock under Clock Summary has no name")
            continue
        own = inside.get(name, {})
        yield Clock(
            name,
            real(row.get("Period(ns)", "")),
            real(row.get("Frequency(MHz)", "")),
            _check(own, "WNS(ns)", "TNS"),
            _check(own, "WHS(ns)", "THS"),
            _check(own, "WPWS(ns)", "TPWS"),
        )


def _crossings(sections: dict[str, list[str]], file: str, notes: list[str]) -> Iterator[Crossing]:
    for title in _OPTIONAL:
        for row in _rows(sections, title, "WNS(ns)", file, notes):
            yield Crossing(
                row.get("Path Group"),
                row.get("From Clock"),
                row.get("To Clock"),
                _check(row, "WNS(ns)", "TNS"),
                _check(row, "WHS(ns)", "THS"),
            )


def _worst_path(text: str) -> TimingPath | None:
    """The setup path with the least slack; the first of equals."""
    worst: tuple[float, int] | None = None
    for match in _SLACK.finditer(text):
        slack = real(match[1])
        if slack is not None and (worst is None or slack < worst[0]):
            worst = (slack, match.end())
    if worst is None:
        return None
    slack, begin = worst
    block = text[begin : begin + _PATH_CHARACTERS]
    ends = [at for at in (block.find("\n    Location "), block.find("\nSlack")) if at >= 0]
    block = block[: min(ends)] if ends else block
    found: dict[str, str] = {}
    clocks: dict[str, str] = {}
    for match in _FIELD.finditer(block):
        found.setdefault(match[1], match[2])
        if match[1] in ("Source", "Destination"):
            clocked = _CLOCKED.search(block[match.end() : block.find(")", match.end())])
            if clocked:
                clocks.setdefault(match[1], clocked[1])
    delay = found.get("Data Path Delay", "")
    split = _SPLIT.search(delay)
    return TimingPath(
        slack,
        found.get("Source"),
        found.get("Destination"),
        clocks.get("Source"),
        clocks.get("Destination"),
        found.get("Path Group"),
        found.get("Path Type"),
        _nanoseconds(found.get("Requirement", "")),
        _nanoseconds(delay),
        real(split[1]) if split else None,
        real(split[3]) if split else None,
        real(split[2]) if split else None,
        real(split[4]) if split else None,
        whole(found.get("Logic Levels", "").split(" ")[0]),
    )


def _nanoseconds(text: str) -> float | None:
    match = _NANOSECONDS.match(text)
    return real(match[1]) if match else None
