"""A timed simulation on a page: its section of `report.html`, and a page of its own (`simulate --html`).

In: the facts of `timing.facts.timing_facts`. Every figure is formatted here or by the page's filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemoe_gen.base.version import __version__
from edgemoe_gen.report import colours
from edgemoe_gen.report.page import page_environment
from edgemoe_gen.report.timeline import group_key_html, key_html, roofline_svg, timeline_svg

PAGE = "simulation.html.j2"


def timed_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the section shows."""
    return {
        "facts": facts,
        "has_timeline": any(any(row["busy"]) for row in facts["timeline"]["rows"]),
        "key": key_html(),
        "group_key": group_key_html(facts),
        "timeline": timeline_svg(facts),
        "roofline": roofline_svg(facts),
        "groups": [{**row, "width": f"{100 * row['share']:.1f}"} for row in facts["groups"]],
        "limits": limits_sentence(facts["roofline"]["limit"]),
        "fifos": [
            {**row, "size": (facts["sizing"] and _smallest(facts["sizing"], row["name"])) or None}
            for row in facts["fifos"]
        ],
        "tasks": _tasks(facts),
        "differences": [row for row in facts["differences"] if row["differs"]],
    }


def limits_sentence(limit: str) -> str:
    """Why a layer's limit may differ from `limit`, the frame's."""
    said = "A layer is limited by what took most of its own cycles."
    if limit == "compute":
        return said
    return (
        f"{said} The bound of the frame is {limit}: moving all weights takes longer than all MACs do at the unit's "
        "peak. But weights arrive while earlier layers compute, so a layer may be limited by compute all the same."
    )


def _tasks(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Milliseconds of each frame, its decoder's beside; none where frames share a pass, so that no one has its own.

    A frame begins where its picture is loaded.
    """
    layers = facts["timeline"].get("layers", [])
    starts = [layer["start"] for layer in layers if layer["group"] == "load"]
    if len(starts) != len(facts["tasks"]) or len(starts) < 2:
        return []
    bounds = [0, *starts[1:], facts["cycles"]]
    rows = []
    for task, start, end in zip(facts["tasks"], bounds[:-1], bounds[1:], strict=True):
        decoder = sum(
            layer["end"] - layer["start"]
            for layer in layers
            if start <= layer["start"] < end and layer["group"].startswith("decoder")
        )
        cycles = {"whole": end - start, "backbone": end - start - decoder, "decoder": decoder}
        rows.append({"task": task, **{name: count / (facts["clock_mhz"] * 1e3) for name, count in cycles.items()}})
    return rows


def _smallest(sizing: Mapping[str, Any], name: str) -> int | None:
    variable = name.partition("[")[0]
    return next((int(size["smallest"]) for size in sizing["sizes"] if size["name"] == variable), None)


def simulation_page(facts: Mapping[str, Any]) -> str:
    """A self-contained HTML file."""
    return (
        page_environment()
        .get_template(PAGE)
        .render(
            timed=timed_view(facts),
            headline=facts["headline"],
            generator=f"edgemoe-gen {__version__}",
            scale_gradient=colours.scale_gradient(),
            difference_gradient=colours.difference_gradient(),
        )
    )
