"""`tune.html`: a search's JSON as one page that explores it, self-contained.

In: the document of `tuning.document.tune_document`. Out: HTML. Points that broke a rule or a limit appear as counts.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.report.page import page_environment
from edgemoe_gen.tuning.document import importance
from edgemoe_gen.tuning.front import FRONT, OBJECTIVES
from edgemoe_gen.tuning.space import FIFO, FRAMES, Dimension, Space
from edgemoe_gen.tuning.trial import SYNTHESIS, Outcome, reached, timed_task

TEMPLATE = "tune.html.j2"
# What would end a script element or begin another one, and line ends that JavaScript knows but JSON does not.
_UNSAFE = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def tune_page(document: Mapping[str, Any]) -> str:
    """The page of a search."""
    view = _view(document)
    board = document["board"]
    image = document["network"]["image"]
    facts = [
        f"{document['checkpoint']}",
        f"{', '.join(document['tasks'])} at {image['height']} × {image['width']}",
        str(board["title"]),
        f"ended by: {document['stopped']}",
    ]
    facts += filter(None, [timed_task(document["tasks"])])
    facts += [_limit_words(limit) for limit in document["limits"]]
    return (
        page_environment()
        .get_template(TEMPLATE)
        .render(
            facts=facts,
            tried=document["tried"],
            feasible=document["feasible"],
            front=len(document["front"]),
            simulated=sum(
                point["number"] is not None and point["tier"] in view["simulated"] for point in view["points"]
            ),
            synthesised=sum(entry["tier"] == SYNTHESIS for entry in document["front"]),
            objectives=[document["figures"][OBJECTIVES[name]]["title"] for name in document["objectives"]],
            rejected=document["rejected"],
            given=document.get("importance") is not None,
            data=safe_json(view),
            scale_gradient="",
            difference_gradient="",
        )
    )


def _limit_words(limit: Mapping[str, Any]) -> str:
    return f"limit {limit['name']} {limit['bound']:g}" + (" (default)" if limit.get("default") else "")


def safe_json(value: Any) -> Markup:
    """JSON that is safe inside a script element; NaN and infinity become null."""
    return Markup(json_text(value, None).translate(_UNSAFE))


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    """Data for the script: axes, feasible points with their commands, importance."""
    points = _points(document)
    known = {name for point in points for name in point["figures"]}
    behind = [OBJECTIVES[name] for name in document["objectives"]]
    axes = dict.fromkeys([*behind, *(OBJECTIVES[name] for name in FRONT)])
    shares = document.get("importance")
    if shares is None:
        space = Space(tuple(Dimension(name, tuple(values)) for name, values in document["space"].items()))
        found = [Outcome.from_dict(entry) for entry in document["outcomes"]]
        shares = importance(found, space, document["objectives"])
    common = _common([point["knobs"] for point in points])
    for point in points:
        point["knobs"] = {name: value for name, value in point["knobs"].items() if name not in common}
    return {
        "figures": {name: kind for name, kind in document["figures"].items() if name in known},
        "axes": [name for name in axes if name in known],
        "space": document["space"],
        "simulated": list(document["tiers"][2:]),
        "synthesised": SYNTHESIS,
        "points": points,
        "first": (document.get("best") or 1) - 1,  # what is chosen when it opens: the front comes first
        "common": common,
        "importance": [
            {
                "title": document["figures"][OBJECTIVES[name]]["title"],
                "shares": values,
                "chance": _chance(points, OBJECTIVES[name]),
            }
            for name, values in shares.items()
        ],
    }


def _points(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Feasible points: the front in its order, then the others as they were found.

    The default design is measured before the search; these figures replace its estimate.
    """
    base = document["default"]
    default = None if base is None else base["point"]

    def known(entry: Mapping[str, Any]) -> Mapping[str, Any]:
        measured = base is not None and entry["point"] == default and reached(base["tier"], entry["tier"])
        return base if measured else entry

    on_front = [entry["point"] for entry in document["front"]]
    others = [entry for entry in document["outcomes"] if entry["feasible"] and entry["point"] not in on_front]
    pattern = document["front"][0]["command"] if document["front"] else None
    return [
        {
            "number": entry.get("number"),
            "default": entry["point"] == default,
            "tier": known(entry)["tier"],
            "point": entry["point"],
            "figures": known(entry)["figures"],
            "knobs": entry["knobs"],
            "command": entry.get("command") or command_like(pattern, entry["point"]),
            "more": [name for name in entry["point"] if name == FRAMES or name.startswith(FIFO)],
        }
        for entry in [*document["front"], *others]
    ]


def command_like(pattern: str | None, point: Mapping[str, float]) -> str | None:
    """The command that builds a point, from the command of another point of the same search."""
    if pattern is None:
        return None
    words = shlex.split(pattern)
    for place, word in enumerate(words):
        name = word.partition("=")[0]
        if place and words[place - 1] == "--knob" and name in point:
            words[place] = f"{name}={point[name]}"
    return shlex.join(words)


def _chance(points: Sequence[Mapping[str, Any]], figure: str) -> dict[str, float]:
    """By knob, the share of variance that random values would explain: (values - 1) / (points - 1)."""
    rows = [point["point"] for point in points if figure in point["figures"]]
    names = rows[0] if rows else {}
    return {name: (len({row[name] for row in rows}) - 1) / max(len(rows) - 1, 1) for name in names}


def _common(knobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Entries that all have, with the same value."""
    if not knobs:
        return {}
    return {
        name: value
        for name, value in knobs[0].items()
        if all(name in other and other[name] == value for other in knobs)
    }
