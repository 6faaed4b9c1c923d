"""Makes a family's table of delays from a list of rows that were read off schedule reports.

    python -m edgemoe_gen.scheduling.delays_from_csv ROWS.csv edgemoe_gen/timing/families/zynquplus.delays.toml

In: CSV with the columns operator, width_bits, memory_width_x_depth, core, stages, delay_ns, grouping, part, release,
occurrences, repository. Out: per operator and width the largest delay that reports give an operator that stands alone,
of the first release that has the width. Delays that no report has stand in `substitutes`, which is not changed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PART = "xck26-sfvc784-2LV-c"
RELEASES = ("2022.2", "2024.2")
_SUBSTITUTES = "[substitutes."


@dataclass(frozen=True)
class Point:
    """A delay of an operator at a width, with the reports that it comes from."""

    bits: int
    ns: float
    release: str
    reports: int


def points(rows: Iterable[Mapping[str, str]]) -> dict[str, list[Point]]:
    """Delays by operator, each in the order of widths."""
    found: dict[str, dict[tuple[int, str], list[tuple[float, int]]]] = {}
    for row in rows:
        name = _entry(row)
        if name and row["part"] == PART and row["release"] in RELEASES:
            key = (int(row["width_bits"] or 1), row["release"])
            delay = float(row["delay_ns"])
            found.setdefault(name, {}).setdefault(key, []).append((delay, int(row["occurrences"])))
    table: dict[str, list[Point]] = {}
    for name, by_key in sorted(found.items()):
        for bits in sorted({bits for bits, _ in by_key}):
            release = next(release for release in RELEASES if (bits, release) in by_key)
            seen = by_key[bits, release]
            table.setdefault(name, []).append(
                Point(bits, max(delay for delay, _ in seen), release, sum(count for _, count in seen))
            )
    return table


def _entry(row: Mapping[str, str]) -> str:
    """The table's name of what a row is about, or ""."""
    operator, core, memory = row["operator"], row["core"], row["memory_width_x_depth"]
    if operator in ("add", "sub") and core == "TAddSub":
        return "ternary_add"
    if row["grouping"]:  # part of something larger, whose delay is told elsewhere
        return ""
    if operator in ("add", "sub") and core == "Adder":
        return "add"
    if operator in ("icmp", "select", "shl", "lshr", "ashr"):
        return {"icmp": "compare", "select": "select"}.get(operator, "shift")
    if operator == "mul" and core == "Multiplier":
        return "multiply"
    if operator in ("load", "store") and memory:
        return "lutram" if float(row["delay_ns"]) < 1 else "bram"
    if operator in ("read", "write") and core.startswith("FIFO"):
        return "fifo"
    return ""


def lines(table: Mapping[str, list[Point]]) -> Iterator[str]:
    """The generated part of the file."""
    for name, found in table.items():
        yield f"[operators.{name}]"
        yield "points = ["
        for point in found:
            yield (
                f'  {{ bits = {point.bits}, ns = {point.ns:.2f}, part = "{PART}", release = "{point.release}", '
                f"reports = {point.reports} }},"
            )
        yield "]"
        yield ""


def main(arguments: list[str]) -> int:
    """Rewrites the generated part of a table; the text before and after it stays."""
    source, target = Path(arguments[0]), Path(arguments[1])
    with source.open(newline="", encoding="utf-8") as stream:
        table = points(csv.DictReader(stream))
    text = target.read_text(encoding="utf-8")
    head = text[: text.index("[operators.")] if "[operators." in text else text[: text.index(_SUBSTITUTES)]
    target.write_text(head + "\n".join(lines(table)) + "\n" + text[text.index(_SUBSTITUTES) :], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
