"""The vendor's figures as the page shows them: every number written out, so that the template holds no arithmetic.

In: the part "implementation" of the report's document. Out: texts, widths in percent, and rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemoe_gen.flow.reports.clocks import short_name
from edgemoe_gen.report.numbers import amount

UNKNOWN, NOT_THERE = "–", "not in the report"
VERDICTS = {True: "good", False: "bad", None: "soft"}


def vendor_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """All that the section "Synthesis and implementation" shows."""
    timing = facts["timing"]
    return {
        "tiers": [group["tier"] for group in (facts["modules"], timing) if group is not None],
        "tools": ", ".join(facts["tools"]),
        "timing": None if timing is None else {**timing, "style": VERDICTS[timing["met"]], "path": _path(timing)},
        "stages": [stage for stage in ("synthesis", "implementation", "engine") if _any(facts["resources"], stage)],
        "resources": [_resource(row) for row in facts["resources"]],
        "groups": _groups(facts),
        "modules": None if facts["modules"] is None else [_module(row) for row in facts["modules"]["rows"]],
        "modules_tier": None if facts["modules"] is None else facts["modules"]["tier"],
        "power": None if facts["power"] is None else _power(facts["power"]),
        "warnings": facts["warnings"],
    }


def _any(rows: Sequence[Mapping[str, Any]], stage: str) -> bool:
    return any(row[stage] is not None for row in rows)


def _resource(row: Mapping[str, Any]) -> dict[str, Any]:
    share, tick = _share(row["used"], row["available"]), _share(row["estimate"], row["available"])
    return {
        "resource": row["resource"],
        **{key: amount(row[key]) for key in ("available", "estimate")},
        **{stage: _counted(row, stage) for stage in ("synthesis", "implementation", "engine")},
        **{f"{stage}_ratio": _ratio(row[f"{stage}_ratio"]) for stage in ("synthesis", "implementation", "engine")},
        "share": UNKNOWN if share is None or not row["available"] else f"{100 * share:.0f} %",
        "width": f"{100 * min(share or 0.0, 1.0):.1f}",
        "over": share is not None and share > 1,
        "tick": None if tick is None else f"{100 * min(tick, 1.0):.1f}",
    }


def _counted(row: Mapping[str, Any], stage: str) -> str:
    """A stage's count; where its report lacks the row, that it does. A device without a resource has no row of it."""
    return NOT_THERE if row[stage] is None and row["available"] != 0 else amount(row[stage])


def _share(used: float | None, available: float | None) -> float | None:
    """Share of what there is; of nothing, whether any is used."""
    if used is None or available is None:
        return None
    return used / available if available else float(used > 0)


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} ×"


def _groups(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of figures of one stage each: title, tier, and rows of what, figure, style; those that are known."""
    clock, latency, cosim = facts["clock"], facts["latency"], facts["cosim"]
    synthesis, routed = clock["synthesis"], clock["implementation"]
    groups = []
    if latency is not None:
        rows = [
            ("clock given", _mhz(synthesis["target_mhz"]), ""),
            ("clock estimated", _mhz(synthesis["estimated_mhz"]), ""),
            ("slack beside the uncertainty", _nanoseconds(synthesis["slack_ns"]), _sign(synthesis["slack_ns"])),
            ("latency of a run", _latency(latency), ""),
        ]
        groups.append({"title": "C synthesis", "tier": latency["tier"], "rows": rows})
    if cosim is not None:
        groups.append({"title": "Co-simulation of the short program", "tier": cosim["tier"], "rows": _cosim(cosim)})
    if facts["timing"] is not None:
        rows = [
            ("clock asked for", _mhz(clock["asked_mhz"]), ""),
            ("clock placed and routed for", _mhz(routed["mhz"]), ""),
            ("fastest clock that would meet", _mhz(routed["achievable_mhz"]), ""),
            ("worst setup slack", _nanoseconds(facts["timing"]["wns_ns"]), _sign(facts["timing"]["wns_ns"])),
            ("worst hold slack", _nanoseconds(facts["timing"]["whs_ns"]), _sign(facts["timing"]["whs_ns"])),
        ]
        groups.append({"title": "Placed and routed", "tier": routed["tier"], "rows": rows})
    return groups


def _mhz(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4g} MHz"


def _nanoseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{_signed(value)} ns"


def _sign(slack: float | None) -> str:
    return VERDICTS[None if slack is None else slack >= 0]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _path(timing: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of what, text, full text of the worst path."""
    path = timing["worst_path"]
    if path is None:
        return []
    parts = [] if path["delay_ns"] is None else [f"{path['delay_ns']:.3f} ns"]
    if path["logic_percent"] is not None and path["route_percent"] is not None:
        parts.append(f"{path['logic_percent']:.0f} % logic, {path['route_percent']:.0f} % routing")
    if path["levels"] is not None:
        parts.append(f"{path['levels']} logic level{'s' if path['levels'] != 1 else ''}")
    rows = [
        ("from", short_name(path["source"] or UNKNOWN), path["source"] or ""),
        ("to", short_name(path["destination"] or UNKNOWN), path["destination"] or ""),
        ("delay", ", ".join(parts) or UNKNOWN, ""),
    ]
    if timing["failing_endpoints"] is not None and timing["endpoints"] is not None:
        rows.append(("endpoints that fail", f"{timing['failing_endpoints']:,} of {timing['endpoints']:,}", ""))
    return rows


def _latency(latency: Mapping[str, Any]) -> str:
    """The latency of a run in words, beside the estimate of a frame."""
    if latency["cycles"] is None:
        return str(latency["said"])
    time = "" if latency["milliseconds"] is None else f", {latency['milliseconds']:.3g} ms"
    ratio = "" if latency["ratio"] is None else f" ({latency['ratio']:.2f} × the estimate)"
    return f"{latency['cycles']:,} cycles{time}{ratio}"


def _module(row: Mapping[str, Any]) -> dict[str, Any]:
    intervals = [loop["ii"] for loop in row["loops"] if loop["ii"] is not None]
    return {
        "name": row["name"],
        "pipeline": row["pipeline"] or UNKNOWN,
        "latency": _between(*row["latency"]),
        "interval": _between(*row["interval"]),
        "loop_ii": _between(min(intervals), max(intervals)) if intervals else "",
        "estimated": UNKNOWN if row["estimated_ns"] is None else f"{row['estimated_ns']:.3f}",
        **{key: amount(row[key]) for key in ("dsp", "bram36", "uram", "lut", "ff")},
    }


def _between(least: int | None, most: int | None) -> str:
    """One number, a span, or that nothing is known."""
    if least is None and most is None:
        return "?"
    if least == most:
        return amount(least)
    return f"{'?' if least is None else amount(least)} – {'?' if most is None else amount(most)}"


def _power(power: Mapping[str, Any]) -> dict[str, Any]:
    rows = [("total", power["total_w"], "W"), ("dynamic", power["dynamic_w"], "W"), ("static", power["static_w"], "W")]
    shown = [(what, UNKNOWN if value is None else f"{value:.3f} {unit}") for what, value, unit in rows]
    if power["junction_c"] is not None:
        shown.append(("junction temperature", f"{power['junction_c']:.1f} °C"))
    if power["confidence"]:
        shown.append(("confidence level", power["confidence"].lower()))
    largest = max((row["watts"] or 0.0 for row in power["components"]), default=0.0) or 1.0
    return {
        "tier": power["tier"],
        "rows": shown,
        "components": [
            {"name": row["name"], "watts": f"{row['shown']} W", "width": f"{100 * (row['watts'] or 0.0) / largest:.1f}"}
            for row in power["components"]
        ],
    }


def _cosim(cosim: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    cycles = cosim["cycles"]
    rows = [("result", str(cosim["status"]).lower(), VERDICTS[cosim["passed"]])]
    return [*rows, ("cycles of a run", _between(cycles["least"], cycles["most"]), "")]
