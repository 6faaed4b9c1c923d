"""Figures of the vendor's tools for a build, beside the estimates before: a part of `report.json`.

In: the rendered project with `estimate.json` and `design.json`, and the build's folder with the vendor's reports.
Out: groups of figures that each name their tier. A figure that no report has is None.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import DESIGN, ESTIMATE, Document
from edgemoe_gen.flow.reports import (
    Cosim,
    ImplementationFacts,
    SynthesisFacts,
    achievable_clock_mhz,
    clock_mhz,
    meets_timing,
    read_cosim,
    read_implementation,
    read_synthesis,
    timing_sentence,
)
from edgemoe_gen.flow.reports.csynth import Module, Span
from edgemoe_gen.flow.reports.power import Power
from edgemoe_gen.flow.reports.tables import Number
from edgemoe_gen.flow.reports.utilisation import Instance
from edgemoe_gen.hardware.names import TOP

SYNTHESIS, IMPLEMENTATION = "vendor synthesis (C synthesis)", "vendor implementation"
VECTORLESS, WITH_ACTIVITY = "estimate (Vivado, vector-less)", "estimate (Vivado, simulated activity)"
RTL = "RTL simulation"
UNKNOWN_LATENCY = "not known to C synthesis"
# Resources as reports call them, in the order of the estimate.
RESOURCES = {"DSP": "dsp", "BRAM36": "bram36", "URAM": "uram", "LUT": "lut", "FF": "ff"}


def implementation_facts(
    accelerator: Path, results: Path, stages: Collection[str] = ("hls", "cosim", "bitstream")
) -> dict[str, Any] | None:
    """What the vendor's reports hold; None where there are none.

    Args:
        accelerator: folder of the rendered project.
        results: output folder of the build: `hls/reports/*.xml`, `bitstream/*.rpt`, `cosim/*.rpt`; any may be missing.
        stages: whose results are of this very design; others are left aside.
    """
    hls, bitstream = results / "hls" / "reports", results / "bitstream"
    synthesis = read_synthesis(hls, TOP) if "hls" in stages and any(hls.glob("*.xml")) else None
    routed = read_implementation(bitstream) if "bitstream" in stages and any(bitstream.glob("*.rpt")) else None
    if synthesis is None and routed is None:
        return None
    warnings = [*(synthesis.warnings if synthesis else ()), *(routed.warnings if routed else ())]
    estimate = _facts(ESTIMATE, accelerator, warnings)
    design = _facts(DESIGN, accelerator, warnings)
    warnings += _other_device(design, synthesis, routed)
    cosim = _cosim(results / "cosim", warnings) if "cosim" in stages else None
    rows = resource_rows(estimate, synthesis, routed)
    tier = IMPLEMENTATION if routed is not None and routed.utilisation is not None else SYNTHESIS
    asked = _number(estimate, "cycles", "clock_mhz") or _number(design, "knobs", "clock_mhz", "value")
    return {
        "tier": tier,
        "fits": _fits(rows),
        "tools": _tools(synthesis, routed),
        "resources": rows,
        "clock": clock_facts(asked, synthesis, routed),
        "timing": None if routed is None else timing_facts(routed, asked),
        "latency": None if synthesis is None else latency_facts(estimate, synthesis),
        "modules": None if synthesis is None else module_facts(synthesis),
        "power": None if routed is None or routed.power is None else power_facts(routed.power),
        "cosim": cosim,
        "warnings": list(dict.fromkeys(warnings)),
    }


def resource_rows(
    estimate: Mapping[str, Any], synthesis: SynthesisFacts | None, routed: ImplementationFacts | None
) -> list[dict[str, Any]]:
    """Every resource: what the board has, what was estimated, what each stage counts, and their ratios to the estimate.

    `implementation` counts the whole design, `engine` the engine in it, which is what the estimate is of.
    """
    against = {row["resource"]: row for row in _mapping(estimate, "resources").get("against", [])}
    top = synthesis.top if synthesis else None
    whole = routed.utilisation if routed else None
    engine = _engine(routed)
    rows = []
    for name, key in RESOURCES.items():
        estimated = against.get(name, {}).get("used")
        used = {
            "synthesis": getattr(top.resources, key) if top else None,
            "implementation": getattr(whole, key).used if whole else None,
            "engine": getattr(engine, key) if engine else None,
        }
        offered = [against.get(name, {}).get("available")]
        offered += [getattr(whole, key).available if whole else None, getattr(top.available, key) if top else None]
        rows.append(
            {
                "resource": name,
                "available": next((count for count in offered if count is not None), None),
                "estimate": estimated,
                **used,
                **{f"{stage}_ratio": _ratio(count, estimated) for stage, count in used.items()},
                # Of the last stage that counted. A row that its report lacks is unknown, not an earlier stage's figure.
                "used": used["implementation"] if whole else used["synthesis"],
            }
        )
    return rows


def clock_facts(
    asked: float | None, synthesis: SynthesisFacts | None, routed: ImplementationFacts | None
) -> dict[str, Any]:
    """Clocks in MHz: asked for, given to C synthesis and estimated by it, routed, and the fastest that would meet."""
    top = synthesis.top if synthesis else None
    slack = None
    if top and top.target_ns is not None and top.uncertainty_ns is not None and top.estimated_ns is not None:
        slack = top.target_ns - top.uncertainty_ns - top.estimated_ns
    return {
        "asked_mhz": asked,
        "synthesis": {
            "tier": SYNTHESIS,
            "target_mhz": _mhz(top.target_ns) if top else None,
            "uncertainty_ns": top.uncertainty_ns if top else None,
            "estimated_ns": top.estimated_ns if top else None,
            "estimated_mhz": _mhz(top.estimated_ns) if top else None,
            "slack_ns": slack,
        },
        "implementation": {
            "tier": IMPLEMENTATION,
            "mhz": clock_mhz(routed) if routed else None,
            "achievable_mhz": achievable_clock_mhz(routed) if routed else None,
        },
    }


def timing_facts(routed: ImplementationFacts, asked: float | None) -> dict[str, Any]:
    """The routed design's verdict: slack in ns, worst path."""
    timing = routed.timing
    at = asked if asked is not None else clock_mhz(routed)
    worst = timing.worst if timing else None
    return {
        "tier": IMPLEMENTATION,
        "met": meets_timing(routed),
        "sentence": "timing is not known" if at is None else timing_sentence(routed, at),
        "wns_ns": timing.setup.worst_ns if timing else None,
        "whs_ns": timing.hold.worst_ns if timing else None,
        "failing_endpoints": timing.setup.failing if timing else None,
        "endpoints": timing.setup.endpoints if timing else None,
        "worst_path": None
        if worst is None
        else {
            "slack_ns": worst.slack_ns,
            "source": worst.source,
            "destination": worst.destination,
            "group": worst.group,
            "levels": worst.levels,
            "delay_ns": worst.delay_ns,
            "logic_percent": worst.logic_percent,
            "route_percent": worst.route_percent,
        },
    }


def latency_facts(estimate: Mapping[str, Any], synthesis: SynthesisFacts) -> dict[str, Any]:
    """Cycles of one run of the top by C synthesis; None where they depend on the program, as the engine's do."""
    top = synthesis.top
    cycles = top.worst if top else None
    estimated = _number(estimate, "cycles", "cycles_per_frame")
    return {
        "tier": SYNTHESIS,
        "cycles": cycles,
        "said": None if cycles is not None else UNKNOWN_LATENCY,
        "milliseconds": cycles * top.target_ns * 1e-6 if top and cycles is not None and top.target_ns else None,
        "estimate_cycles": estimated,
        "ratio": _ratio(cycles, estimated),
    }


def module_facts(synthesis: SynthesisFacts) -> dict[str, Any]:
    """Modules of the design, the top first: latency, interval and resources by C synthesis."""
    modules = ([synthesis.top] if synthesis.top else []) + list(synthesis.modules)
    return {"tier": SYNTHESIS, "rows": [_module(module) for module in modules]}


def _module(module: Module) -> dict[str, Any]:
    return {
        "name": module.name,
        "pipeline": module.pipeline,
        "latency": [module.best, module.worst],
        "interval": _span(module.interval),
        "estimated_ns": module.estimated_ns,
        **{key: getattr(module.resources, key) for key in RESOURCES.values()},
        "loops": [
            {
                "name": loop.name,
                "depth": loop.depth,
                "ii": loop.ii,
                "trip_count": _span(loop.trip_count),
                "latency": _span(loop.latency),
            }
            for loop in module.loops
        ],
    }


def power_facts(power: Power) -> dict[str, Any]:
    """Power in W. Vivado estimates it; nothing was measured."""
    return {
        "tier": VECTORLESS if power.activity is None else WITH_ACTIVITY,
        "total_w": power.total_w,
        "dynamic_w": power.dynamic_w,
        "static_w": power.static_w,
        "junction_c": power.junction_c,
        "confidence": power.confidence,
        "components": [
            {"name": row.name, "watts": row.watts, "shown": row.shown}
            for row in power.components
            if row.depth == 0 and row.name != "Total"
        ],
    }


def _cosim(folder: Path, warnings: list[str]) -> dict[str, Any] | None:
    """Of the short program that the kit carries, not of a frame."""
    reports = [read_cosim(path) for path in sorted(folder.glob("*.rpt"))]
    found: Cosim | None = next((report for report in reports if report.status is not None), None)
    if found is None:
        warnings += [warning for report in reports for warning in report.warnings]
        return None
    warnings += found.warnings
    return {
        "tier": RTL,
        "status": found.status,
        "passed": found.passed,
        "tool": found.tool,
        "cycles": {"least": found.least, "average": found.average, "most": found.most},
        "total": found.total,
    }


def _engine(routed: ImplementationFacts | None) -> Instance | None:
    """The engine's instance: the outermost of its name in the block design, or of its module where it is the top."""
    instances = routed.hierarchy.instances if routed and routed.hierarchy else ()
    named = [instance for instance in instances if TOP in (instance.name, instance.module)]
    return min(named, key=lambda instance: instance.depth) if named else None


def _fits(rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether no resource is exceeded; None where all known resources fit, but some are unknown."""
    known = [row for row in rows if row["used"] is not None and row["available"] is not None]
    if any(row["used"] > row["available"] for row in known):
        return False
    unknown = [row for row in rows if row not in known and row["available"] != 0]
    return None if unknown else True


def _tools(synthesis: SynthesisFacts | None, routed: ImplementationFacts | None) -> list[str]:
    tools = [f"Vitis HLS {synthesis.release}"] if synthesis and synthesis.release else []
    for report in (routed.utilisation, routed.timing, routed.power) if routed else ():
        if report is not None and report.header.release:
            return [*tools, f"Vivado {report.header.release}"]
    return tools


def _other_device(
    design: Mapping[str, Any], synthesis: SynthesisFacts | None, routed: ImplementationFacts | None
) -> list[str]:
    """Warnings of reports that are of another device than the board's.

    Some reports leave out the speed grade, those of older releases the dash before the package.
    """
    part = _mapping(design, "board").get("part")
    if not isinstance(part, str):
        return []
    devices = {"C synthesis": synthesis.part if synthesis else None}
    for report in (routed.utilisation, routed.timing, routed.power) if routed else ():
        if report is not None:
            devices[report.file] = report.header.device
    return [
        f"{name}: is of the device {device}, but the board has {part}"
        for name, device in devices.items()
        if device and not _plain(part).startswith(_plain(device))
    ]


def _plain(part: str) -> str:
    return part.lower().replace("-", "")


def _facts(document: Document, folder: Path, warnings: list[str]) -> Mapping[str, Any]:
    try:
        value = document.read(folder)
    except (OSError, ValueError):
        warnings.append(f"{document.name}: not readable, so that nothing can be compared with it")
        return {}
    return value if isinstance(value, dict) else {}


def _mapping(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = facts.get(key)
    return value if isinstance(value, dict) else {}


def _number(facts: Mapping[str, Any], *keys: str) -> float | None:
    value: Any = facts
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) else None


def _ratio(measured: Number | None, estimated: Number | None) -> float | None:
    return None if measured is None or not estimated else measured / estimated


def _mhz(period_ns: float | None) -> float | None:
    return 1000 / period_ns if period_ns else None


def _span(span: Span) -> list[int | None]:
    return [span.least, span.most]
