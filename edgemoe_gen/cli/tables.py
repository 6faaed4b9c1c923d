"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemoe_gen.boards import Board
from edgemoe_gen.cli import output
from edgemoe_gen.estimate import Resources
from edgemoe_gen.report.numbers import error, percent, plain


def resource_table(resources: Resources, board: Board) -> None:
    """Resources of a design against its board."""
    rows = [
        (name, f"{used:,}", f"{there:,}", percent(used / there, 0) if there else "–")
        for name, used, there in resources.against(board)
    ]
    output.table(f"Resources on the {board.title} (estimate)", ["resource", ">used", ">available", ">share"], rows)


def format_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Formats by kind of tensor: layers, experts and tasks of one kind share a row."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(_kind(row["name"]), []).append(row)
    made = []
    for kind, members in grouped.items():
        fractions = sorted({row["fraction"] for row in members})
        worst = max(members, key=lambda row: row["error"])
        pinned = sum(row["pinned"] for row in members)
        made.append(
            (
                kind + (f" ({pinned} pinned)" if pinned else ""),
                len(members),
                members[0]["bits"],
                str(fractions[0]) if len(fractions) == 1 else f"{fractions[0]} to {fractions[-1]}",
                plain(max(row["largest"] for row in members)),
                error(worst["error"]),
                worst["name"],
            )
        )
    columns = ["tensor", ">tensors", ">bits", ">fractional bits", ">largest value", ">largest relative error", "of"]
    output.table(
        "Formats; the error is that of rounding this tensor alone, relative to its values (RMS)", columns, made
    )


def _kind(name: str) -> str:
    """`blocks.3.experts.7.fc1.weight` to `experts fc1.weight`."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name
    rest = parts[2:]
    if rest[0] in ("experts", "scores", "router") and len(rest) > 1:
        return " ".join([rest[0], ".".join(rest[2:])]).strip()
    return ".".join(rest)
