"""All reports of a folder: `read_synthesis` of C synthesis, `read_implementation` of Vivado.

Out: facts that hold None where a report is missing or silent, and warnings that say so. Conclusions from an
implementation's clock are in `edgemoe_gen.flow.reports.clocks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgemoe_gen.flow.reports.csynth import Csynth, Module, read_csynth
from edgemoe_gen.flow.reports.power import Power, read_power
from edgemoe_gen.flow.reports.timing import Timing, read_timing
from edgemoe_gen.flow.reports.utilisation import Hierarchy, Utilisation, read_hierarchy, read_utilisation

WHOLE_DESIGN = "csynth.xml"
UTILISATION, HIERARCHY = "utilization.rpt", "utilization_hierarchical.rpt"
TIMING, POWER = "timing_summary.rpt", "power.rpt"
REPORTS = (UTILISATION, HIERARCHY, TIMING, POWER)  # what the flow asks Vivado for


@dataclass(frozen=True)
class SynthesisFacts:
    """Estimates of C synthesis.

    Attributes:
        release: release of Vitis HLS.
        top: the top function; None if no report of it was found.
        modules: the modules below, by name.
        warnings: missing facts, file by file.
        instances: number of instances of each module below the top, by name; empty where no report says.
    """

    release: str | None = None
    part: str | None = None
    top: Module | None = None
    modules: tuple[Module, ...] = ()
    warnings: tuple[str, ...] = ()
    instances: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ImplementationFacts:
    """Counts and timing of Vivado; None where a report is missing."""

    utilisation: Utilisation | None = None
    hierarchy: Hierarchy | None = None
    timing: Timing | None = None
    power: Power | None = None
    warnings: tuple[str, ...] = ()


def read_synthesis(folder: Path, top: str | None = None) -> SynthesisFacts:
    """All `*.xml` of a report folder of C synthesis.

    The top's figures come from its own part of `csynth.xml`, else from `<top>_csynth.xml`. A module's come from its
    own file, else from `csynth.xml`: both hold the same, but the file has more.

    Args:
        folder: with the XML files, not in folders below.
        top: name of the top function; without it `csynth.xml` names it, or the only report is the top's.
    """
    reports = [read_csynth(path) for path in sorted(folder.glob("*.xml"))]
    warnings = [warning for report in reports for warning in report.warnings]
    if not reports:
        warnings.append(f"{folder.name}: no *.xml of C synthesis")
    whole = [report for report in reports if report.modules or report.file == WHOLE_DESIGN]
    single = {r.module.name: r.module for r in reports if r.module is not None and r not in whole}
    found = _top(whole, single, top)
    if reports and found is None:
        warnings.append(f"{folder.name}: no report of {f'the top function {top}' if top else 'a top function'}")
    modules = {module.name: module for report in whole for module in report.modules}
    modules.update(single)
    if found is not None:
        modules.pop(found.name, None)
    return SynthesisFacts(
        next((report.release for report in (*whole, *reports) if report.release), None),
        next((report.part for report in (*whole, *reports) if report.part), None),
        found,
        tuple(modules[name] for name in sorted(modules)),
        tuple(dict.fromkeys(warnings)),
        next((report.instances for report in whole if report.instances), {}),
    )


def _top(whole: list[Csynth], single: dict[str, Module], top: str | None) -> Module | None:
    named = [report.module for report in whole if report.module is not None and top in (None, report.module.name)]
    if named:
        return named[0]
    if top is not None:
        inside = [module for report in whole for module in report.modules if module.name == top]
        return single.get(top) or (inside[0] if inside else None)
    return next(iter(single.values())) if len(single) == 1 and not whole else None


def read_implementation(folder: Path) -> ImplementationFacts:
    """The four reports that the flow asks Vivado for; each may be missing, which is a warning."""
    warnings: list[str] = []

    def there(name: str) -> Path | None:
        path = folder / name
        if path.is_file():
            return path
        warnings.append(f"{name}: missing in {folder.name}")
        return None

    utilisation = read_utilisation(path) if (path := there(UTILISATION)) else None
    hierarchy = read_hierarchy(path) if (path := there(HIERARCHY)) else None
    timing = read_timing(path) if (path := there(TIMING)) else None
    power = read_power(path) if (path := there(POWER)) else None
    for report in (utilisation, hierarchy, timing, power):
        warnings += report.warnings if report is not None else ()
    facts = ImplementationFacts(utilisation, hierarchy, timing, power)
    if timing is not None and timing.met is not None and not routed(facts):
        states = ", ".join(dict.fromkeys(state or "no state" for state in _states(facts))) or "no report says its state"
        warnings.append(f"{timing.file}: of a design that is not routed ({states}): no timing verdict")
    return replace(facts, warnings=tuple(warnings))


def routed(facts: ImplementationFacts) -> bool:
    """Whether the delays of the timing report are those of routed wires; before that they are estimates.

    A line of the report says so. Releases up to 2022.2 write a timing summary without this line. For them, the wires of
    its paths and the other reports of the same design decide: at least one must confirm it, and none contradict it.
    """
    states = _states(facts)
    return bool(states) and all(map(_is_routed, states))


def _states(facts: ImplementationFacts) -> list[str]:
    timing = facts.timing
    if timing is None:
        return []
    if timing.header.state is not None:
        return [timing.header.state]
    others = [report.header for report in (facts.utilisation, facts.hierarchy, facts.power) if report is not None]
    of_it = [header.state for header in others if header.state is not None and header.design == timing.header.design]
    return [*timing.wires, *of_it]


def _is_routed(state: str) -> bool:
    said = state.lower()
    return "rout" in said and "unrouted" not in said and "partially" not in said
