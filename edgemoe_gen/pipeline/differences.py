"""Differences between the vendor's reports and the assumptions before: to be read first after a first real run.

In: the rendered project, and reports and logs in the build's folder. Out: rows of differences, worst first; and facts
that could not be compared. The assumptions are one instance of `operate`, the initiation intervals of the pragmas, the
clock, free-running pipelines, and the estimate of resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemoe_gen.base.build_files import ACCELERATOR, DIFFERENCES, ESTIMATE
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.estimate.processes import GROUPS
from edgemoe_gen.flow.kit import read_kit
from edgemoe_gen.flow.reports import SynthesisFacts, read_implementation, read_synthesis
from edgemoe_gen.flow.reports.csynth import Module
from edgemoe_gen.flow.reports.tables import read_text
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.kernels import KernelError, Loop, read_kernels
from edgemoe_gen.pipeline.support.vendor import LOGS
from edgemoe_gen.report.implementation import resource_rows

ENGINE = "operate"  # the function that must have one instance: there is one compute unit
INSTANCES, FITS, LOOPS, CLOCK, RESOURCES, LOG = "instances", "fits", "II", "clock", "resources", "log"
KINDS = (INSTANCES, FITS, LOOPS, CLOCK, RESOURCES, LOG)  # the worst first
# An estimate is right within these shares: look-up tables and flip-flops are coarse, the others are counted.
WITHIN = {"dsp": 0.1, "bram36": 0.1, "uram": 0.1, "lut": 0.25, "ff": 0.5}
LEAST = {"dsp": 2, "bram36": 2, "uram": 2, "lut": 500, "ff": 1000}  # a difference of so few is none
ROUNDED_NS = 0.01  # reports round period and uncertainty to a hundredth, the estimate to a thousandth
_TITLES = {"DSP": "dsp", "BRAM36": "bram36", "URAM": "uram", "LUT": "lut", "FF": "ff"}
_STALLING = re.compile(r"[^\n]*disabling free[- ]running pipeline[^\n]*", re.IGNORECASE)
_VIOLATION = re.compile(r"II Violation in module '[^']*' \(loop '(?P<loop>[^']+)'\): (?P<why>[^\n]+)")
_REFUSED = re.compile(
    r"^(?:WARNING|ERROR|CRITICAL WARNING): [^\n]*\b(?:ignor|unknown option|unsupported|not supported)[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)
_SHOWN = 3  # messages of one kind


@dataclass(frozen=True)
class Difference:
    """One difference from an assumption.

    Attributes:
        kind: one of `KINDS`.
        what: the instance, loop, process or message.
        expected, found: both sides, with units.
        factor: found over assumed, above 1 if worse; None for a message.
        note: text of the log, or advice.
    """

    kind: str
    what: str
    expected: str
    found: str
    factor: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Differences:
    """Differences, worst first; and facts that no report tells, a sentence each."""

    rows: tuple[Difference, ...]
    not_compared: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {"rows": [asdict(row) for row in self.rows], "not_compared": list(self.not_compared)}


def find_differences(output: Path) -> Differences | None:
    """Compares results of C synthesis in a build's folder; None without results."""
    reports = output / "hls" / "reports"
    if not any(reports.glob("*.xml")):
        return None
    accelerator = output / ACCELERATOR
    synthesis = read_synthesis(reports, TOP)
    unknown: list[str] = list(synthesis.warnings)
    log, missing = read_text(output / LOGS / "hls.log")
    unknown += [f"messages of C synthesis: {text}" for text in missing]
    estimate: Mapping[str, Any] = {}
    try:
        estimate = ESTIMATE.read(accelerator)
    except (OSError, ValueError) as error:
        unknown.append(f"resources: {ESTIMATE.name} is not readable ({error})")
    bitstream = output / "bitstream"
    routed = read_implementation(bitstream) if any(bitstream.glob("*.rpt")) else None
    rows = [
        *_instances(synthesis, unknown),
        *_loops(_expected_loops(accelerator, unknown), synthesis, log or "", unknown),
        *_clock(synthesis, unknown),
        *_totals(resource_rows(estimate, synthesis, routed)),
        *_by_process(estimate, synthesis, unknown),
        *_messages(log or ""),
    ]
    return Differences(tuple(sorted(rows, key=_badness)), tuple(dict.fromkeys(unknown)))


def write_differences(output: Path) -> Differences | None:
    """Finds differences and keeps them in the build's folder."""
    found = find_differences(output)
    if found is not None:
        write_json(output / DIFFERENCES.name, DIFFERENCES.stamped(found.facts()))
    return found


def _badness(row: Difference) -> tuple[int, float]:
    factor = row.factor or 1.0
    return KINDS.index(row.kind), -max(factor, 1 / factor)


def _modules(synthesis: SynthesisFacts) -> tuple[Module, ...]:
    return (*((synthesis.top,) if synthesis.top else ()), *synthesis.modules)


def _is_of(module: str, function: str) -> bool:
    """Whether a module is a function itself: not a pipeline cut out of it. Copies are numbered, templates end in _s."""
    return re.fullmatch(rf"{function}(?:_\d+|(?!_Pipeline_)_\w+_s)?", module) is not None


def _instances(synthesis: SynthesisFacts, unknown: list[str]) -> Iterator[Difference]:
    """Instances below the top; where no report has the hierarchy, modules of the name, each at least one."""
    counted = synthesis.instances or {module.name: 1 for module in synthesis.modules}
    count = sum(times for name, times in counted.items() if _is_of(name, ENGINE))
    if not count:
        unknown.append(f"instances of {ENGINE}: no report names it")
    elif count > 1:
        yield Difference(INSTANCES, f"instances of {ENGINE}", "1", str(count), float(count),
                         "an array that its calls pass differs in layout")  # fmt: skip


def _expected_loops(accelerator: Path, unknown: list[str]) -> tuple[Loop, ...]:
    sources = {name: data.decode(errors="replace") for name, data in read_kit(accelerator).items() if "src/" in name}
    try:
        return tuple(loop for loop in read_kernels(sources).loops if loop.ii)
    except KernelError as error:
        unknown.append(f"II of loops: {error.message}")
        return ()


def _loops(expected: Sequence[Loop], synthesis: SynthesisFacts, log: str, unknown: list[str]) -> Iterator[Difference]:
    """Each pipelined loop: the worst of its instances. Where loops were flattened, the inner one's name comes last."""
    why = {match["loop"]: match["why"].strip() for match in _VIOLATION.finditer(log)}
    found = [loop for module in _modules(synthesis) for loop in module.loops]
    unnamed = []
    for loop in expected:
        same = [one for one in found if one.name == loop.label or one.name.endswith(f"_{loop.label}")]
        exact = [one for one in same if one.name == loop.label]
        same = exact or same
        if not same:
            unnamed.append(loop.label)
            continue
        if any(one.ii is None for one in same):
            yield Difference(
                LOOPS, f"loop {loop.label}", f"II {loop.ii}", "not pipelined", None, why.get(loop.label, "")
            )
            continue
        ii = max(one.ii or 0 for one in same)
        if ii != loop.ii:
            yield Difference(LOOPS, f"loop {loop.label}", f"II {loop.ii}", f"II {ii}", ii / loop.ii,
                             why.get(same[0].name, why.get(loop.label, "")))  # fmt: skip
    if unnamed:
        unknown.append(f"II of loops that no report names: {', '.join(unnamed)}")


def _clock(synthesis: SynthesisFacts, unknown: list[str]) -> Iterator[Difference]:
    """The estimated period against the clock's period less its uncertainty, and the modules beyond it."""
    top = synthesis.top
    if top is None or top.target_ns is None or top.estimated_ns is None:
        unknown.append("the estimated clock: no report of the top function tells it")
        return
    budget = top.target_ns - (top.uncertainty_ns or 0.0)
    if top.estimated_ns <= budget + ROUNDED_NS:
        return
    slow = sorted(
        (module for module in synthesis.modules if (module.estimated_ns or 0.0) > budget + ROUNDED_NS),
        key=lambda module: (-(module.estimated_ns or 0.0), module.name),
    )
    names = ", ".join(f"{module.name} {module.estimated_ns:.3f}" for module in slow[:_SHOWN])
    more = f" and {len(slow) - _SHOWN} more" if len(slow) > _SHOWN else ""
    yield Difference(CLOCK, "estimated period", f"at most {budget:.3f} ns", f"{top.estimated_ns:.3f} ns",
                     top.estimated_ns / budget, f"{names}{more}" if slow else "")  # fmt: skip


def _differs(key: str, expected: float, found: float) -> bool:
    return abs(found - expected) > max(LEAST[key], WITHIN[key] * expected)


def _totals(rows: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """The whole engine, by the last stage that counted it; and whether it fits."""
    for row in rows:
        name, key = row["resource"], _TITLES[row["resource"]]
        used, there = row["used"], row["available"]
        if used is not None and there is not None and used > there:
            yield Difference(FITS, f"{name} of the board", f"at most {there:,}", f"{used:,}", used / max(there, 1))
        stage = next((one for one in ("engine", "synthesis") if row[one] is not None), None)
        if stage is None or row["estimate"] is None:
            continue
        found = row[stage]
        if _differs(key, row["estimate"], found):
            tier = "implementation" if stage == "engine" else "C synthesis"
            yield Difference(RESOURCES, f"{name}, whole engine", f"{row['estimate']:,}", f"{found:,}",
                             (found or 0.5) / (row["estimate"] or 0.5), tier)  # fmt: skip


def _by_process(estimate: Mapping[str, Any], synthesis: SynthesisFacts, unknown: list[str]) -> Iterator[Difference]:
    """DSP and look-up tables of processes, by C synthesis, against their parts of the estimate."""
    parts = {part["name"]: part for part in estimate.get("resources", {}).get("parts", [])}
    absent = []
    for processes, names in GROUPS:
        made = {
            process: [module for module in synthesis.modules if _is_of(module.name, process)] for process in processes
        }
        if not parts or not all(name in parts for name in names):
            continue  # this design has none of it
        gone = [process for process, modules in made.items() if not modules]
        if gone:
            absent += gone
            continue
        for title in ("DSP", "LUT"):
            key = _TITLES[title]
            counts = [
                (getattr(module.resources, key), synthesis.instances.get(module.name, 1))
                for modules in made.values()
                for module in modules
            ]
            if any(count is None for count, _ in counts):
                continue
            found, expected = sum(count * times for count, times in counts), sum(parts[name][key] for name in names)
            if _differs(key, expected, found):
                ratio, note = (found or 0.5) / (expected or 0.5), f"the estimate's {' and '.join(names)}"
                what = f"{title} of {_named(processes)}"
                yield Difference(RESOURCES, what, f"{expected:,}", f"{found:,}", ratio, note)
    if absent:
        unknown.append(f"resources of processes that no report names: {', '.join(absent)}")


def _named(processes: Sequence[str]) -> str:
    more = f" and {len(processes) - 1} more" if len(processes) > 2 else ""
    return processes[0] + more if more else " and ".join(processes)


def _messages(log: str) -> Iterator[Difference]:
    """Messages of the log that say that the tool did not follow its settings."""
    for what, pattern in (("pipelines that do not run freely", _STALLING), ("settings that were not taken", _REFUSED)):
        said = list(dict.fromkeys(match[0].strip() for match in pattern.finditer(log)))
        if said:
            yield Difference(LOG, what, "none", str(len(said)), None, "; ".join(said[:_SHOWN]))
