"""Reports of C synthesis and of RTL co-simulation, laid out as Vitis HLS writes them.

Figures are made up, but from the sources: a MAC a DSP, a loop's trips from its pragma. The same sources and clock give
the same bytes; a real report differs in nothing but figures and the date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitis_parts import PARTS
from vitis_source import Engine, Loop

DEPTH = 9  # stages of every pipeline
UNITS = ("BRAM_18K", "DSP", "FF", "LUT", "URAM")


@dataclass(frozen=True)
class Run:
    """What a synthesis was asked for."""

    release: str
    part: str
    period_ns: float
    uncertainty_ns: float
    flow_target: str

    @property
    def dsp_name(self) -> str:
        """Reports of old releases count DSP48E."""
        return "DSP48E" if self.release < "2021.2" else "DSP"


def latency(loops: tuple[Loop, ...]) -> int:
    """Most cycles of loops, one after another."""
    return sum(_cycles(loop) for loop in loops) + 1


def _cycles(loop: Loop) -> int:
    if loop.ii:
        return (loop.trips - 1) * loop.ii + DEPTH
    return loop.trips * (latency(loop.inner) + 1)


def area(engine: Engine, module: str) -> dict[str, int]:
    """Resources of a module with all that is in it."""
    function = engine.functions[module]
    size = len(function.body)
    own = {"BRAM_18K": 0, "DSP": 0, "FF": 11 * size // 10, "LUT": size, "URAM": 0}
    if module == engine.top:
        own["BRAM_18K"] += 4 * len(engine.bundles)
    known = engine.constants
    for name, kind in re.findall(r"BIND_STORAGE variable\s*=\s*(\w+) type\s*=\s*\w+ impl\s*=\s*(\w+)", function.body):
        width = known["BEAT_BITS"] * known["WEIGHT_PORTS"]
        depth = known["WEIGHT_FIFO_BEATS"]
        if module != engine.top:
            width = known["ACT_BITS"] * known["IN_PARALLEL"] * known["TOKENS_PARALLEL"]
            depth = known.get(f"{name.upper()}_DEPTH", known["RESIDUAL_DEPTH"])
        bits, words, unit = (72, 4096, "URAM") if kind == "uram" else (36, 512, "BRAM_18K")
        own[unit] += -(-width // bits) * -(-depth // words)
    if module == "multiply":
        own["DSP"] += known["TOKENS_PARALLEL"] * known["OUT_PARALLEL"] * known["IN_PARALLEL"]
    for callee in function.calls:
        if callee in engine.modules:
            inner = area(engine, callee)
            own = {unit: own[unit] + inner[unit] for unit in UNITS}
    return own


def csynth_xml(engine: Engine, run: Run, module: str) -> str:
    """`<module>_csynth.xml`: blank lines between its parts, no indentation."""
    parts = [
        _tag("ReportVersion", [f"<Version>{run.release}</Version>"]),
        _tag("UserAssignments", _assignments(run, module)),
        _tag("PerformanceEstimates", _performance(engine, run, module)),
        _tag("AreaEstimates", _area(engine, run, module)),
        _tag("InterfaceSummary", _rtl_ports(engine, module)),
    ]
    return "<profile>\n\n" + "\n\n".join("\n".join(part) for part in parts) + "\n\n</profile>\n"


def design_xml(engine: Engine, run: Run) -> str:
    """`csynth.xml`: the top, and every module under ModuleInformation; indented by four."""
    modules: list[str] = []
    for module in engine.modules:
        loops = engine.functions[module].loops
        inside = [f"<Name>{module}</Name>"]
        if loops:
            inside += _tag("Loops", [f"<{loop.name}/>" for loop in loops])
        clock = [line for line in _timing(run) if "unit" not in line]
        summary = [line for line in _overall(engine, run, module) if "<unit>" not in line and "Interval" not in line]
        end = summary.pop()
        summary += [
            f"<PipelineInitiationInterval>{_most(engine, module)}</PipelineInitiationInterval>",
            f"<PipelineType>{'dataflow' if engine.functions[module].dataflow else 'no'}</PipelineType>",
            end,
        ]
        if loops:
            summary += _tag("SummaryOfLoopLatency", [line for loop in loops for line in _loop(loop, run, named=True)])
        inside += _tag("PerformanceEstimates", [*clock, *summary])
        inside += _tag("AreaEstimates", _tag("Resources", list(_utilisation(engine, run, module))))
        modules += _tag("Module", inside)
    lines = _tag(
        "profile",
        [
            *_tag("ReportVersion", [f"<Version>{run.release}</Version>"]),
            *_tag("UserAssignments", _assignments(run, engine.top)),
            *_tag("PerformanceEstimates", _performance(engine, run, engine.top)),
            *_tag("AreaEstimates", _area(engine, run, engine.top)),
            *_tag("InterfaceSummary", _rtl_ports(engine, engine.top)),
            *_tag("ModuleInformation", modules),
        ],
    )
    depth, found = 0, []
    for line in lines:
        depth -= line.startswith("</")
        found.append("    " * depth + line)
        depth += not (line.startswith("</") or "</" in line or line.endswith("/>"))
    return "\n".join(found) + "\n"


def _tag(name: str, inside: list[str]) -> list[str]:
    return [f"<{name}>", *inside, f"</{name}>"]


def _assignments(run: Run, module: str) -> list[str]:
    return [
        "<unit>ns</unit>",
        "<ProductFamily>zynquplus</ProductFamily>",
        f"<Part>{run.part}</Part>",
        f"<TopModelName>{module}</TopModelName>",
        f"<TargetClockPeriod>{run.period_ns:.2f}</TargetClockPeriod>",
        f"<ClockUncertainty>{run.uncertainty_ns:.2f}</ClockUncertainty>",
        f"<FlowTarget>{run.flow_target}</FlowTarget>",
    ]


def _timing(run: Run) -> list[str]:
    estimated = run.period_ns - run.uncertainty_ns
    return _tag(
        "SummaryOfTimingAnalysis",
        ["<unit>ns</unit>", f"<EstimatedClockPeriod>{estimated:.3f}</EstimatedClockPeriod>"],
    )


def _most(engine: Engine, module: str) -> int:
    function = engine.functions[module]
    inner = [_most(engine, name) for name in function.calls if name in engine.modules]
    return max(inner, default=0) + 1 if function.dataflow else latency(function.loops) + sum(inner)


def _overall(engine: Engine, run: Run, module: str) -> list[str]:
    most, least = _most(engine, module), 1
    cycles = {"Best": least, "Average": (least + most) // 2, "Worst": most}
    lines = ["<unit>clock cycles</unit>"]
    lines += [f"<{name}-caseLatency>{count}</{name}-caseLatency>" for name, count in cycles.items()]
    for name, count in cycles.items():
        text = f"{count * run.period_ns / 1000:.3f} us"
        lines.append(f"<{name}-caseRealTimeLatency>{text}</{name}-caseRealTimeLatency>")
    if engine.functions[module].dataflow:
        lines.append(f"<DataflowPipelineThroughput>{least} ~ {most}</DataflowPipelineThroughput>")
    lines += [f"<Interval-min>{least}</Interval-min>", f"<Interval-max>{most}</Interval-max>"]
    return _tag("SummaryOfOverallLatency", lines)


def _performance(engine: Engine, run: Run, module: str) -> list[str]:
    function = engine.functions[module]
    lines = [f"<PipelineType>{'dataflow' if function.dataflow else 'no'}</PipelineType>"]
    lines += _timing(run) + _overall(engine, run, module)
    if function.loops:
        inside = [line for loop in function.loops for line in _loop(loop, run)]
        lines += _tag("SummaryOfLoopLatency", inside)
    return lines


def _loop(loop: Loop, run: Run, *, named: bool = False) -> list[str]:
    cycles = _cycles(loop)
    lines = [f"<Name>{loop.name}</Name>"] if named else []
    lines += [
        f"<TripCount>{loop.trips}</TripCount>",
        f"<Latency>{cycles}</Latency>",
        f"<AbsoluteTimeLatency>{cycles * run.period_ns:.0f}</AbsoluteTimeLatency>",
    ]
    if loop.ii:
        lines += [f"<PipelineII>{loop.ii}</PipelineII>", f"<PipelineDepth>{DEPTH}</PipelineDepth>"]
    else:
        lines.append(f"<IterationLatency>{latency(loop.inner)}</IterationLatency>")
    if named:
        lines += [f"<PipelineType>{'yes' if loop.ii else 'no'}</PipelineType>", "<InstanceList/>"]
    else:
        lines += ["<InstanceList>", "</InstanceList>"]
    for inner in loop.inner:
        lines += _loop(inner, run, named=named)
    return _tag(loop.name, lines)


def _area(engine: Engine, run: Run, module: str) -> list[str]:
    used, available = area(engine, module), PARTS[run.part]
    name = {unit: run.dsp_name if unit == "DSP" else unit for unit in UNITS}
    lines = _tag("Resources", [f"<{name[unit]}>{used[unit]}</{name[unit]}>" for unit in UNITS])
    return lines + _tag("AvailableResources", [f"<{name[unit]}>{available[unit]}</{name[unit]}>" for unit in UNITS])


def _utilisation(engine: Engine, run: Run, module: str) -> Iterator[str]:
    used, available = area(engine, module), PARTS[run.part]
    for unit in UNITS:
        short = unit.removesuffix("_18K")
        name = run.dsp_name if unit == "DSP" else unit
        share = f"{100 * used[unit] // available[unit]}" if available[unit] else "0"
        yield f"<{name}>{used[unit]}</{name}>"
        yield f"<AVAIL_{short}>{available[unit]}</AVAIL_{short}>"
        yield f"<UTIL_{short}>{'~0' if share == '0' and used[unit] else share}</UTIL_{short}>"


def _rtl_ports(engine: Engine, module: str) -> list[str]:
    reset = "ap_rst_n" if module == engine.top else "ap_rst"
    ports = [("ap_clk", "in", 1), (reset, "in", 1)]
    if module == engine.top:
        ports.append(("interrupt", "out", 1))
        ports += [("s_axi_control_AWVALID", "in", 1), ("s_axi_control_WDATA", "in", 32)]
        for bundle in engine.bundles:
            ports += [(f"m_axi_{bundle}_ARVALID", "out", 1), (f"m_axi_{bundle}_ARADDR", "out", 64)]
            ports += [(f"m_axi_{bundle}_RDATA", "in", engine.constants["BEAT_BITS"])]
    lines: list[str] = []
    for name, direction, bits in ports:
        kind = "m_axi" if name.startswith("m_axi") else "s_axi" if name.startswith("s_axi") else "ap_ctrl_hs"
        inside = [f"<name>{name}</name>", f"<Object>{module}</Object>", "<Type>return value</Type>", "<Scope></Scope>"]
        inside += [f"<IOProtocol>{kind}</IOProtocol>", "<IOConfig></IOConfig>", f"<Dir>{direction}</Dir>"]
        lines += _tag("RtlPorts", [*inside, f"<Bits>{bits}</Bits>", "<Attribute>control</Attribute>"])
    return lines


def csynth_rpt(engine: Engine, run: Run, project: str, solution: str, module: str) -> str:
    """The readable report of a module, without its details."""
    rule = "=" * 64
    used = area(engine, module)
    row = "|".join(f"{used[unit]:>9}" for unit in UNITS)
    return f"""\

{rule}
== Vitis HLS Report for '{module}'
{rule}
* Version:        {run.release}
* Project:        {project}
* Solution:       {solution} (Vivado IP Flow Target)
* Product family: zynquplus
* Target device:  {run.part}

{rule}
== Performance Estimates
{rule}
+ Timing:
    * Summary:
    +--------+----------+----------+------------+
    |  Clock |  Target  | Estimated| Uncertainty|
    +--------+----------+----------+------------+
    |ap_clk  |{run.period_ns:>7.2f} ns|{run.period_ns - run.uncertainty_ns:>7.3f} ns|{run.uncertainty_ns:>9.2f} ns|
    +--------+----------+----------+------------+

{rule}
== Utilization Estimates
{rule}
* Summary:
|{"|".join(f"{run.dsp_name if unit == 'DSP' else unit:>9}" for unit in UNITS)}|
|{row}|
"""


def cosim_rpt(solution: str, cycles: int, passed: bool) -> str:
    """`<top>_cosim.rpt` of one transaction."""
    latency_cells = "|".join([f"{cycles:>15}"] * 3)
    none = "|".join([f"{'NA':>15}"] * 3)
    edge = "+----------+----------+" + ("-" * 47 + "+") * 2 + "-" * 22 + "+"
    status = "Pass" if passed else "Fail"
    wide = "-" * 47
    three = "|".join(f"{word:^15}" for word in ("min", "avg", "max"))
    lines = [
        f"Solution          : {solution}.",
        "Simulation tool   : xsim.",
        "",
        edge,
        f"|          |          |{'Latency(Clock Cycles)':^47}|{'Interval(Clock Cycles)':^47}| Total Execution Time |",
        f"+   RTL    +  Status  +{wide}+{wide}+    (Clock Cycles)    +",
        f"|          |          |{three}|{three}|                      |",
        edge,
        f"|      VHDL|        NA|{none}|{none}|{'NA':>22}|",
        f"|   Verilog|{status:>10}|{latency_cells}|{none}|{cycles:>22}|",
        edge,
    ]
    return "\n".join(lines) + "\n"


def write_text(path: Path, text: str) -> None:
    """Writes a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
