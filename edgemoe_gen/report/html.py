"""`report.html`, one self-contained file, and `report.json` from the report's document.

Every number is formatted here and every picture embedded, so that the template holds no arithmetic.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgemoe_gen.base.arrays import read_arrays
from edgemoe_gen.base.build_files import REPORT, REPORT_PAGE
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.report import colours, numbers
from edgemoe_gen.report.made import next_steps
from edgemoe_gen.report.narrow_view import narrow_view
from edgemoe_gen.report.page import page_environment
from edgemoe_gen.report.plot import Series, log_lines
from edgemoe_gen.report.simulation import timed_view
from edgemoe_gen.report.vendor_view import vendor_view
from edgemoe_gen.report.views import Panel, View, class_name, panels, top_scores

TEMPLATE = "report.html.j2"
PART_COLUMNS = ("dsp", "bram36", "uram", "lut")
MOST_FRAMES = 24  # rows of pictures; beyond, a file would grow without telling more


def write_report(
    document: Mapping[str, Any], simulation: Path, class_names: Mapping[str, Sequence[str]], folder: Path
) -> None:
    """Writes both files.

    Args:
        document: of `make_document`.
        simulation: folder of the stage csim, for the pictures.
        class_names: by task, for legends.
        folder: where to.
    """
    write_json(folder / REPORT.name, document)
    (folder / REPORT_PAGE).write_text(render_html(document, simulation, class_names), encoding="utf-8")


def render_html(document: Mapping[str, Any], simulation: Path, class_names: Mapping[str, Sequence[str]]) -> str:
    """The HTML file's text."""
    shown = [frame for frame in document["frames"] if "view" in frame][:MOST_FRAMES]
    vendor = document.get("implementation")
    timed = document.get("timing")
    return (
        page_environment()
        .get_template(TEMPLATE)
        .render(
            d=document,
            plot=_error_plot(document),
            pictures=[_picture(frame, simulation, class_names) for frame in shown],
            hidden_pictures=sum("view" in frame for frame in document["frames"]) - len(shown),
            scale_gradient=colours.scale_gradient(),
            difference_gradient=colours.difference_gradient(),
            formats=_format_rows(document["formats"]["rows"]),
            narrow=None if document.get("narrow") is None else narrow_view(document["narrow"]),
            kernels=[{**row, "width": f"{100 * (row['share'] or 0):.1f}"} for row in document["kernels"]["rows"]],
            resources=_bars(document),
            vendor=None if vendor is None else vendor_view(vendor),
            timed=None if timed is None else timed_view(timed),
            traffic=_traffic_rows(document["traffic"]),
            kinds=sorted(document["cycles"]["by_kind"].items(), key=lambda item: -item[1]),
            parts=_part_tables(document["resources"]["parts"]),
            next_steps=next_steps(document),
        )
    )


def _part_tables(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tables of the estimate's parts: units by name, memories by content; all small FIFOs are one row."""
    fifos = [row for row in rows if row["name"].startswith("fifo_")]
    others = [row for row in rows if row not in fifos]
    memories: list[Mapping[str, Any]] = [row for row in others if row.get("memory")]
    if fifos:
        whole = {column: sum(row[column] for row in fifos) for column in PART_COLUMNS}
        memories.append({"name": "", "what": f"{len(fifos)} small FIFOs between processes", **whole})
    units = [row for row in others if not row.get("memory")]
    return [_part_table("unit", units), _part_table("memory", memories)]


def _part_table(title: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One of these tables, without its empty columns."""
    columns = [column for column in PART_COLUMNS if any(row[column] for row in rows)]
    return {"title": title, "memory": title == "memory", "columns": columns, "rows": rows}


def _error_plot(document: Mapping[str, Any]) -> str:
    """Error of every block's output relative to the output's own size (root mean squares)."""
    blocks = document["errors"]["blocks"]

    def relative(key: str) -> list[float]:
        return [math.sqrt(row[key] / row["power"]) if row["power"] else 0.0 for row in blocks]

    series = [Series("routes forced" if document["errors"]["sets"] else "error", "a", relative("mse_forced"))]
    if document["errors"]["sets"]:
        series.append(Series("free-running", "b", relative("mse_free")))
    labels = [str(row["block"]) for row in blocks]
    return log_lines(series, labels, "block", "relative error (RMS)")


def _picture(frame: Mapping[str, Any], simulation: Path, class_names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    facts, task = frame["view"], frame["errors"]["task"]
    arrays = read_arrays(simulation / facts["file"])
    ours, theirs = (View(facts["kind"], arrays[side], facts["classes"]) for side in ("ours", "theirs"))
    names = list(class_names.get(task, ()))
    truth = arrays.get("truth")
    present: list[int] = []
    if facts["kind"] == "classes":
        maps = [ours.values, theirs.values] + ([] if truth is None else [truth])
        present = sorted({int(v) for m in maps for v in np.unique(m) if 0 <= v < facts["classes"]})
    return {
        "image": frame["errors"]["image"],
        "task": task,
        "kind": facts["kind"],
        "panels": [_panel(panel) for panel in panels(arrays["picture"], ours, theirs, truth)],
        "legend": [(_css(colours.class_colour(i)), class_name(names, i)) for i in present],
        "scores": list(zip(top_scores(ours, names), top_scores(theirs, names), strict=True))
        if facts["kind"] == "scores"
        else [],
        "difference": frame["difference"],
        "metrics": frame["metrics"],
        "errors": frame["errors"],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "data": "data:image/png;base64," + base64.b64encode(panel.png).decode(),
        "span": None if panel.span is None else tuple(_end(v, panel.difference) for v in panel.span),
        "difference": panel.difference,
        "caption": panel.caption,
        "overlay": panel.overlay,
    }


def _end(value: float, signed: bool) -> str:
    """An end of a scale; a difference's has its sign."""
    text = numbers.plain(value)
    return text.replace("-", "−", 1) if value < 0 else f"+{text}" if signed else text


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"


def _bars(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in document["resources"]["against"]:
        share = row["used"] / row["available"] if row["available"] else float(row["used"] > 0)
        rows.append({**row, "share": share, "width": f"{100 * min(share, 1.0):.1f}", "over": share > 1})
    return rows


def _traffic_rows(traffic: Mapping[str, Any]) -> list[dict[str, Any]]:
    ports, needed = traffic["ports"], traffic["needed"]
    return [
        {"what": "weights and constants", "moved": ports["weights"] + ports["constants"], "needed": needed["weights"]},
        {"what": "image", "moved": ports["image"], "needed": needed["image"]},
        {"what": "result", "moved": ports["result"], "needed": needed["result"]},
        {"what": "program", "moved": ports["program"], "needed": 0},
    ]


def _format_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    worst = max((row["error"] for row in rows), default=0.0) or 1.0
    return [{**row, "width": f"{100 * row['error'] / worst:.1f}"} for row in rows]
