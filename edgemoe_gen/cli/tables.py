"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgemoe_gen.cli import output
from edgemoe_gen.report.numbers import error, figure, percent, plain, share

if TYPE_CHECKING:
    from edgemoe_gen.estimate import Resources
    from edgemoe_gen.hardware.boards import Board


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
    title = "Formats; the error is that of rounding this tensor alone, relative to its values (RMS)"
    output.table(title, columns, made, fit=output.Fit(("of", "tensors")))


def kernel_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Kernel checks, one row a kernel."""
    made = [
        (row["kernel"], row["cases"], "–", "–", "–", "–")
        if row["case"] is None
        else (
            row["kernel"],
            row["cases"],
            error(row["largest_error"]),
            error(row["bound"]),
            percent(row["share"]),
            row["case"],
        )
        for row in rows
    ]
    columns = ["kernel", ">cases", ">largest error", ">its bound", ">share", "of"]
    output.table("Kernels against float64 (C simulation); the case that comes closest to its bound", columns, made)
    output.line("Results are rounded and no bound is below half a step of that, so shares near 100 % are usual.")


def knob_lines(rows: Sequence[Mapping[str, Any]]) -> None:
    """Values of all knobs, those that the user has set marked."""
    values = [f"{row['name']}={row['value']}{'*' if row['chosen'] else ''}" for row in rows]
    head = "knobs (* set by you, the others follow from network and board): "
    output.paragraph(head + ", ".join(values))


def quality_line(task: str, metric: str, ours: float | None, theirs: float | None, pixels: Mapping[str, Any]) -> str:
    """A task against ground truth, in one line.

    Args:
        task, metric: what it is.
        ours, theirs: of the accelerator and of float; None where no pixel counts.
        pixels: `pixels` that count, and those that are `ignored`.
    """
    counted, ignored = pixels["pixels"], pixels["ignored"]
    if not counted:
        return f"{task}: no {metric}: of {ignored:,} pixels of ground truth none counts"
    over = f" over {share(counted, ignored)} pixels" if ignored else ""
    return f"{task}: {metric} {figure(ours)} (C simulation), {figure(theirs)} (float){over}"


def _kind(name: str) -> str:
    """`blocks.3.experts.7.fc1.weight` to `experts fc1.weight`."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return name
    rest = parts[2:]
    if rest[0] in ("experts", "scores", "router") and len(rest) > 1:
        return " ".join([rest[0], ".".join(rest[2:])]).strip()
    return ".".join(rest)
