"""Estimates of C synthesis: the XML reports of Vitis HLS (UG1399), 2020.1 to 2025.1.

`<module>_csynth.xml` describes one module; `csynth.xml` of newer releases the top and, under ModuleInformation, all
modules. Cycles that depend on data are "undef" or "?" there and None here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from edgemoe_gen.base.parsing import parse_xml
from edgemoe_gen.flow.reports.tables import read_text, real, whole

_DEEPEST = 32  # of nested loops; sources have fewer
_UNKNOWN = ("undef", "?", "", "-", "NA", "N/A", "inf")
_SPAN = re.compile(r"(\S+)\s*~\s*(\S+)")


@dataclass(frozen=True)
class Span:
    """Least and most; None where C synthesis does not know."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Loop:
    """One loop. `depth` counts the loops around it; latencies in cycles.

    Attributes:
        ii: initiation interval that was reached; None of a loop that is not pipelined.
        iteration: latency of one iteration (the pipeline's depth where it is pipelined).
    """

    name: str
    depth: int
    trip_count: Span
    latency: Span
    ii: int | None
    iteration: Span


@dataclass(frozen=True)
class HlsResources:
    """Resources as C synthesis counts them; block RAM in halves of 18 Kbit."""

    bram18: int | None = None
    dsp: int | None = None
    ff: int | None = None
    lut: int | None = None
    uram: int | None = None

    @property
    def bram36(self) -> float | None:
        """Block RAM tiles of 36 Kbit."""
        return None if self.bram18 is None else self.bram18 / 2


@dataclass(frozen=True)
class Module:
    """One module; latencies and intervals in cycles, periods in ns.

    Attributes:
        pipeline: type, "dataflow", "no", "yes", "none" and the like.
        target_ns, uncertainty_ns: what was asked for.
        estimated_ns: the longest path by the estimate, without the uncertainty.
        available: of the whole device.
    """

    name: str
    best: int | None = None
    average: int | None = None
    worst: int | None = None
    interval: Span = Span()
    pipeline: str | None = None
    target_ns: float | None = None
    estimated_ns: float | None = None
    uncertainty_ns: float | None = None
    resources: HlsResources = HlsResources()
    available: HlsResources = HlsResources()
    loops: tuple[Loop, ...] = ()


@dataclass(frozen=True)
class Csynth:
    """One XML file.

    Attributes:
        module: what the file is of; None if that is not readable.
        modules: all modules of the design; empty in a file of one module.
        instances: how often each module stands below the top, by name; empty in a file of one module, and of releases
            that do not say.
    """

    file: str
    release: str | None = None
    part: str | None = None
    module: Module | None = None
    modules: tuple[Module, ...] = ()
    warnings: tuple[str, ...] = ()
    instances: Mapping[str, int] = field(default_factory=dict)


def read_csynth(path: Path) -> Csynth:
    """A report of C synthesis. What is not found is None, and named in `warnings`."""
    text, warnings = read_text(path)
    if text is None:
        return Csynth(path.name, warnings=warnings)
    try:
        root = parse_xml(text.encode())
    except ValueError as error:
        return Csynth(path.name, warnings=(f"{path.name}: {error}",))
    if root.tag != "profile":
        return Csynth(path.name, warnings=(f"{path.name}: no element profile at its root",))
    notes: list[str] = []
    name = _text(root, "UserAssignments/TopModelName")
    module = None
    if name is None:
        notes.append(f"{path.name}: no UserAssignments/TopModelName")
    else:
        module = _module(root, name, path.name, notes)
    return Csynth(
        path.name,
        _text(root, "ReportVersion/Version"),
        _text(root, "UserAssignments/Part"),
        module,
        tuple(_modules(root, path.name, notes)),
        tuple(notes),
        Counter(
            name
            for instance in root.iterfind("RTLDesignHierarchy/TopModule//Instance")
            if (name := _text(instance, "ModuleName")) is not None
        ),
    )


def _modules(root: ElementTree.Element, file: str, notes: list[str]) -> Iterator[Module]:
    for element in root.findall("ModuleInformation/Module"):
        name = _text(element, "Name")
        if name is None:
            notes.append(f"{file}: a module under ModuleInformation has no Name")
        else:
            yield _module(element, name, file, notes)


def _module(element: ElementTree.Element, name: str, file: str, notes: list[str]) -> Module:
    """A module from a whole file or from an entry of ModuleInformation, which holds clocks and types elsewhere."""
    where = f"{file}, module {name}"
    timing, overall = "PerformanceEstimates/SummaryOfTimingAnalysis/", "PerformanceEstimates/SummaryOfOverallLatency/"
    resources = element.find("AreaEstimates/Resources")
    if resources is None:
        notes.append(f"{where}: no AreaEstimates/Resources")
    if element.find(overall[:-1]) is None:
        notes.append(f"{where}: no {overall[:-1]}")
    estimated = _real(element, timing + "EstimatedClockPeriod")
    if estimated is None:
        notes.append(f"{where}: no {timing}EstimatedClockPeriod")
    used = _resources(resources, "", "BRAM_18K")
    if resources is not None:
        counts = {"BRAM_18K": used.bram18, "DSP": used.dsp, "FF": used.ff, "LUT": used.lut}  # not all have UltraRAM
        missing = [title for title, count in counts.items() if count is None]
        notes += [f"{where}: no number in AreaEstimates/Resources/{title}" for title in missing]
    return Module(
        name,
        _whole(element, overall + "Best-caseLatency"),
        _whole(element, overall + "Average-caseLatency"),
        _whole(element, overall + "Worst-caseLatency"),
        _interval(element.find(overall[:-1])),
        _text(element, "PerformanceEstimates/PipelineType") or _text(element, overall + "PipelineType"),
        _first(element, "UserAssignments/TargetClockPeriod", timing + "TargetClockPeriod"),
        estimated,
        _first(element, "UserAssignments/ClockUncertainty", timing + "ClockUncertainty"),
        used,
        _available(element),
        tuple(_loops(element.find("PerformanceEstimates/SummaryOfLoopLatency"))),
    )


def _interval(overall: ElementTree.Element | None) -> Span:
    if overall is None:
        return Span()
    if overall.find("Interval-min") is not None or overall.find("Interval-max") is not None:
        return Span(_whole(overall, "Interval-min"), _whole(overall, "Interval-max"))
    return _span(overall.find("PipelineInitiationInterval"))


def _resources(element: ElementTree.Element | None, prefix: str, bram: str) -> HlsResources:
    if element is None:
        return HlsResources()
    dsp = next((title for title in ("DSP", "DSP48E") if element.find(prefix + title) is not None), "DSP")
    titles = (bram, dsp, "FF", "LUT", "URAM")
    return HlsResources(*(_whole(element, prefix + title) for title in titles))


def _available(element: ElementTree.Element) -> HlsResources:
    whole_device = element.find("AreaEstimates/AvailableResources")
    if whole_device is not None:
        return _resources(whole_device, "", "BRAM_18K")
    return _resources(element.find("AreaEstimates/Resources"), "AVAIL_", "BRAM")


def _loops(element: ElementTree.Element | None, depth: int = 0) -> Iterator[Loop]:
    """Loops in the order of the report; a loop's element holds its facts and the loops inside it."""
    if element is None or depth > _DEEPEST:
        return
    for child in element:
        if child.find("TripCount") is None and child.find("Latency") is None:
            continue
        iteration = child.find("IterationLatency")
        yield Loop(
            _text(child, "Name") or child.tag,
            depth,
            _span(child.find("TripCount")),
            _span(child.find("Latency")),
            _whole(child, "PipelineII"),
            _span(child.find("PipelineDepth") if iteration is None else iteration),
        )
        yield from _loops(child, depth + 1)


def _span(element: ElementTree.Element | None) -> Span:
    """A count that is one number, "2 ~ 40", or a range of min and max."""
    if element is None:
        return Span()
    inner = element.find("range")
    if inner is not None:
        return Span(_whole(inner, "min"), _whole(inner, "max"))
    text = (element.text or "").strip()
    match = _SPAN.fullmatch(text)
    if match:
        return Span(whole(match[1]), whole(match[2]))
    return Span(whole(text), whole(text))


def _text(element: ElementTree.Element, path: str) -> str | None:
    text = (element.findtext(path) or "").strip()
    return None if text in _UNKNOWN else text


def _whole(element: ElementTree.Element, path: str) -> int | None:
    text = _text(element, path)
    return None if text is None else whole(text)


def _real(element: ElementTree.Element, path: str) -> float | None:
    text = _text(element, path)
    return None if text is None else real(text)


def _first(element: ElementTree.Element, *paths: str) -> float | None:
    return next((value for value in (_real(element, path) for path in paths) if value is not None), None)
