"""Reports in the layouts of several releases of the vendor's tools, made up here for tests.

Each function gives a whole report's text; `write_results` lays out a build's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOP = "edgemoe_engine"
CLOCK = "clk_pl_0"


def header(
    command: str, state: str | None = "Routed", release: str = "2023.2", device: str = "xczu7ev-ffvc1156-2-e"
) -> str:
    """Head of a report; without the line of the design's state where that is None."""
    rule = "-" * 90
    text = f"""Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
{rule}
| Tool Version : Vivado v.{release} (lin64) Build 1 Fri Oct 13 20:13:54 MDT 2023
| Date         : Fri Jan 24 16:57:57 2025
| Host         : somewhere running 64-bit Ubuntu
| Command      : {command}
| Design       : edgemoe_wrapper
| Device       : {device}
| Speed File   : -2
| Design State : {state}
{rule}

"""
    return text if state is not None else text.replace("| Design State : None\n", "")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A bordered table: the first column on the left, the others on the right."""
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(cells: Sequence[str], centred: bool = False) -> str:
        texts = [
            cell.center(width) if centred else cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(texts) + " |"

    return "\n".join([rule, line(columns, True), rule, *(line(row) for row in rows), rule, ""])


SITES_USED = {
    "CLB LUTs": ("98765", "230400"),
    "CLB Registers": ("150001", "460800"),
    "Block RAM Tile": ("117.5", "312"),
    "URAM": ("64", "96"),
    "DSPs": ("1234", "1728"),
}


def utilisation(
    used: Mapping[str, tuple[str, str]] = SITES_USED,
    extra: Sequence[str] = ("Fixed", "Prohibited"),
    mark: str = "",
    state: str | None = "Routed",
) -> str:
    """A flat report; `extra` columns stand between Used and Available, `mark` behind the LUTs' name."""
    columns = ["Site Type", "Used", *extra, "Available", "Util%"]

    def row(name: str, count: str, available: str) -> list[str]:
        return [name, count, *("0" for _ in extra), available, "<0.01"]

    def rows(*names: str) -> list[list[str]]:
        return [row(name + (mark if "LUTs" in name else ""), *used[name]) for name in names if name in used]

    logic = rows("CLB LUTs", "Slice LUTs", "CLB Registers", "Slice Registers")
    logic[1:1] = [row("  LUT as Logic", "80000", "230400"), row("  LUT as Memory", "18765", "101760")]
    memory = rows("Block RAM Tile")
    memory += [row("  RAMB36/FIFO*", "100", "312"), row("  RAMB18", "35", "624"), *rows("URAM")]
    parts = [
        ("1. CLB Logic", table(columns, logic)),
        ("3. BLOCKRAM", table(columns, memory)),
        ("4. ARITHMETIC", table(columns, rows("DSPs"))),
        ("9. Primitives", table(["Ref Name", "Used", "Functional Category"], [["URAM", "7", "BLOCKRAM"]])),
    ]
    text = "".join(f"{title}\n{'-' * len(title)}\n\n{body}\n\n" for title, body in parts)
    return header("report_utilization -file utilization.rpt", state) + "Utilization Design Information\n\n" + text


def hierarchy(dsp_title: str = "DSP Blocks", uram: bool = True) -> str:
    columns = ["Instance", "Module", "Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs", "RAMB36", "RAMB18"]
    columns += ["URAM", dsp_title] if uram else [dsp_title]
    rows = [
        ["edgemoe_wrapper", "(top)", "98765", "80000", "9000", "9765", "150001", "100", "35", "64", "1234"],
        ["  (edgemoe_wrapper)", "(top)", "0", "0", "0", "0", "0", "0", "0", "0", "0"],
        ["  edgemoe_i", "edgemoe", "98765", "80000", "9000", "9765", "150001", "100", "35", "64", "1234"],
        [
            "    edgemoe_engine",
            "edgemoe_engine_0",
            "90000",
            "75000",
            "8000",
            "7000",
            "140000",
            "98",
            "33",
            "64",
            "1230",
        ],
        ["      inst", "edgemoe_engine", "90000", "75000", "8000", "7000", "140000", "98", "33", "64", "1230"],
        ["    ps", "edgemoe_ps_0", "200", "200", "0", "0", "300", "0", "0", "0", "0"],
    ]
    if not uram:
        rows = [row[:9] + row[10:] for row in rows]
    return (
        header("report_utilization -hierarchical -file x.rpt")
        + "1. Utilization by Hierarchy\n\n"
        + table(columns, rows)
    )


def columns_text(titles: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> str:
    """A table of a timing summary: `names` columns on the left, figures on the right under their titles' ends."""
    widths = [
        max(len(row[i]) for row in (titles, *rows)) if i < names else max(len(title), 9) + (3 if "(ns)" in title else 0)
        for i, title in enumerate(titles)
    ]

    def line(cells: Sequence[str]) -> str:
        texts = [c.ljust(w) if i < names else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "  ".join(texts).rstrip() + "  \n"

    return line(titles) + line(["-" * len(title) for title in titles]) + "".join(line(row) for row in rows)


CHECKS = [
    f"{kind}{rest}"
    for kind, total in (("WNS", "TNS"), ("WHS", "THS"), ("WPWS", "TPWS"))
    for kind, rest in ((kind, "(ns)"), (total, "(ns)"), (total, " Failing Endpoints"), (total, " Total Endpoints"))
]


def timing(
    slack: str = "0.120",
    hold: str = "0.010",
    period: str = "3.333",
    mhz: str = "300.000",
    verdict: str | None = None,
    state: str | None = "Routed",
    wires: str = "routed",
    details: bool = True,
    inter: str = "",
) -> str:
    """A timing summary of a design with the engine's clock and another one without paths.

    `inter`: slack from the one to the other; none if empty.
    """
    failing = "7" if slack.startswith("-") else "0"
    held = "2" if hold.startswith("-") else "0"
    worst = min([slack, *([inter] if inter else [])], key=float)
    figures = ["-1.500" if failing != "0" else "0.000", failing, "123456", hold, "0.000", held, "123456"]
    pulse = ["0.400", "0.000", "0", "45678"]
    bad = any(text.startswith("-") for text in (slack, hold, inter))
    said = "Timing constraints are not met." if bad else "All user specified timing constraints are met."

    def section(title: str, body: str) -> str:
        rule = "-" * 96
        return f"{rule}\n| {title}\n| {'-' * len(title)}\n{rule}\n\n{body}\n\n"

    clocks = [
        [CLOCK, f"{{0.000 {float(period) / 2:.3f}}}", period, mhz],
        ["other_clock", "{0.000 5.000}", "10.000", "100.000"],
    ]
    inner = [[CLOCK, slack, *figures, *pulse], ["  other_clock", *[""] * 8, "2.000", "0.000", "0", "1"]]
    crossing = [["other_clock", CLOCK, inter, "0.000", "0", "12", "0.500", "0.000", "0", "12"]] if inter else []
    text = header("report_timing_summary -file timing_summary.rpt", state)
    text += "Timing Summary Report\n\n" + section("Timer Settings", "  Enable Multi Corner Analysis  :  Yes\n")
    text += section(
        "Design Timing Summary",
        columns_text(["  " + CHECKS[0], *CHECKS[1:]], [[worst, *figures, *pulse]], 0)
        + f"\n\n{said if verdict is None else verdict}\n",
    )
    text += section("Clock Summary", columns_text(["Clock", "Waveform(ns)", "Period(ns)", "Frequency(MHz)"], clocks, 4))
    text += section("Intra Clock Table", columns_text(["Clock", *CHECKS], inner, 1))
    text += section("Inter Clock Table", columns_text(["From Clock", "To Clock", *CHECKS[:8]], crossing, 2))
    text += section(
        "Other Path Groups Table", columns_text(["Path Group", "From Clock", "To Clock", *CHECKS[:8]], [], 3)
    )
    return text + section("Timing Details", _details(slack, hold, period, inter, wires) if details else "")


def _details(slack: str, hold: str, period: str, inter: str, wires: str) -> str:
    def path(value: str, source: str, clock: str, bracket: str, kind: str) -> str:
        state = "VIOLATED" if value.startswith("-") else "MET"
        edges = f"{{rise@0.000ns fall@1.666ns period={period}ns}}"
        return f"""Slack ({state}) :{value:>18}ns  ({bracket})
  Source:                 edgemoe_i/edgemoe_engine/inst/{source}/C
                            (rising edge-triggered cell FDRE clocked by {clock}  {edges})
  Destination:            edgemoe_i/edgemoe_engine/inst/mac_U0/sum_reg[31]/D
                            (rising edge-triggered cell FDRE clocked by {CLOCK}  {edges})
  Path Group:             {CLOCK}
  Path Type:              {kind} (Max at Slow Process Corner)
  Requirement:            {period}ns  ({CLOCK} rise@{period}ns - {clock} rise@0.000ns)
  Data Path Delay:        3.600ns  (logic 1.044ns (29.000%)  route 2.556ns (71.000%))
  Logic Levels:           12  (CARRY8=2 LUT6=10)
  Clock Path Skew:        -0.100ns (DCD - SCD + CPR)

    Location             Delay type                Incr(ns)  Path(ns)    Netlist Resource(s)
  -------------------------------------------------------------------    -------------------
    SLICE_X1Y1           net (fo=1, {wires})           1.664     1.664    edgemoe_i/x

"""

    setup, least = "required time - arrival time", "arrival time - required time"
    paths = path("0.900", "far_U0/b_reg[0]", CLOCK, setup, "Setup") + path(
        slack, "row_U0/a_reg[3]", CLOCK, setup, "Setup"
    )
    if inter:
        paths += path(inter, "other_U0/c_reg[1]", "other_clock", setup, "Setup")
    return paths + path(hold, "near_U0/d_reg[0]", CLOCK, least, "Hold")


def power(activity: str = "---", state: str | None = "routed") -> str:
    summary = [
        ("Total On-Chip Power (W)", "7.654"),
        ("Design Power Budget (W)", "Unspecified*"),
        ("Dynamic (W)", "6.900"),
        ("Device Static (W)", "0.754"),
        ("Junction Temperature (C)", "32.5"),
        ("Confidence Level", "Medium"),
        ("Simulation Activity File", activity),
    ]
    rule = "+" + "-" * 28 + "+" + "-" * 20 + "+"
    first = "\n".join([rule, *(f"| {name:<26} | {value:<18} |" for name, value in summary), rule])
    parts = table(
        ["On-Chip", "Power (W)", "Used", "Available", "Utilization (%)"],
        [
            ["Clocks", "0.500", "3", "---", "---"],
            ["CLB Logic", "1.250", "98765", "---", "---"],
            ["  LUT as Logic", "1.000", "80000", "230400", "34.72"],
            ["  LUT as Shift Register", "<0.001", "16", "101760", "<0.01"],
            ["DSPs", "2.000", "1234", "1728", "71.41"],
            ["PS8", "2.700", "1", "---", "---"],
            ["Static Power", "0.754", "", "", ""],
            ["Total", "7.654", "", "", ""],
        ],
    )
    return (
        header("report_power -file power.rpt", state)
        + f"1. Summary\n\n{first}\n\n\n1.1 On-Chip Components\n\n{parts}\n"
    )


def csynth(
    name: str = TOP,
    latency: str = "undef",
    interval: str = "undef",
    dsp: str = "DSP",
    loops: str = "",
    used: tuple[int, int, int, int, int] = (236, 1200, 140000, 110000, 64),
    modules: str = "",
    release: str = "2023.2",
) -> str:
    bram, dsps, ff, lut, uram = used
    return f"""<profile>
<ReportVersion><Version>{release}</Version></ReportVersion>
<UserAssignments><unit>ns</unit><Part>xczu7ev-ffvc1156-2-e</Part><TopModelName>{name}</TopModelName>
<TargetClockPeriod>3.33</TargetClockPeriod><ClockUncertainty>0.90</ClockUncertainty></UserAssignments>
<PerformanceEstimates><PipelineType>dataflow</PipelineType>
<SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>2.433</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><unit>clock cycles</unit>
<Best-caseLatency>{latency}</Best-caseLatency><Average-caseLatency>{latency}</Average-caseLatency>
<Worst-caseLatency>{latency}</Worst-caseLatency>
<Interval-min>{interval}</Interval-min><Interval-max>{interval}</Interval-max></SummaryOfOverallLatency>
{f"<SummaryOfLoopLatency>{loops}</SummaryOfLoopLatency>" if loops else ""}
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>{bram}</BRAM_18K><{dsp}>{dsps}</{dsp}><FF>{ff}</FF><LUT>{lut}</LUT>
<URAM>{uram}</URAM></Resources>
<AvailableResources><BRAM_18K>624</BRAM_18K><{dsp}>1728</{dsp}><FF>460800</FF><LUT>230400</LUT><URAM>96</URAM>
</AvailableResources></AreaEstimates>
{f"<ModuleInformation>{modules}</ModuleInformation>" if modules else ""}
</profile>
"""


def module(name: str, latency: str = "40", interval: str = "12 ~ 40", loops: str = "") -> str:
    """An entry of ModuleInformation."""
    return f"""<Module><Name>{name}</Name><PerformanceEstimates>
<SummaryOfTimingAnalysis><TargetClockPeriod>3.33</TargetClockPeriod><ClockUncertainty>0.90</ClockUncertainty>
<EstimatedClockPeriod>2.100</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Best-caseLatency>{latency}</Best-caseLatency><Average-caseLatency>{latency}</Average-caseLatency>
<Worst-caseLatency>{latency}</Worst-caseLatency><PipelineInitiationInterval>{interval}</PipelineInitiationInterval>
<PipelineType>no</PipelineType></SummaryOfOverallLatency>
<SummaryOfLoopLatency>{loops}</SummaryOfLoopLatency></PerformanceEstimates>
<AreaEstimates><Resources><FF>900</FF><AVAIL_FF>460800</AVAIL_FF><LUT>800</LUT><AVAIL_LUT>230400</AVAIL_LUT>
<BRAM_18K>3</BRAM_18K><AVAIL_BRAM>624</AVAIL_BRAM><DSP>5</DSP><AVAIL_DSP>1728</AVAIL_DSP><UTIL_DSP>~0</UTIL_DSP>
<URAM>0</URAM><AVAIL_URAM>96</AVAIL_URAM></Resources></AreaEstimates></Module>
"""


def loop(name: str, ii: str = "1", trip: str = "16", latency: str = "18", inner: str = "") -> str:
    return (
        f"<{name}><Name>{name}</Name><TripCount>{trip}</TripCount><Latency>{latency}</Latency>"
        f"<PipelineII>{ii}</PipelineII><PipelineDepth>3</PipelineDepth>{inner}</{name}>"
    )


def cosim(status: str = "Pass", total: bool = True) -> str:
    """A report of co-simulation; older releases have no column of the total."""
    wide, tall = "-" * 47, "-" * 15
    last = ("|" + "Total Execution Time".center(22), "+" + "(Clock Cycles)".center(22), "|" + " " * 22, "+" + "-" * 22)
    top, middle, below, rule = last if total else ("", "", "", "")
    cells = [status, "2570", "2590", "2600", "NA", "NA", "NA"]
    result = "|   Verilog|" + "|".join(cell.rjust(10 if i == 0 else 15) for i, cell in enumerate(cells))
    nothing = "|      VHDL|" + "|".join("NA".rjust(10 if i == 0 else 15) for i in range(7))
    mins = "|".join(title.center(15) for title in ("min", "avg", "max", "min", "avg", "max"))
    border = f"+----------+----------+{wide}+{wide}{rule}+"
    heads = "|".join(title.center(47) for title in ("Latency(Clock Cycles)", "Interval(Clock Cycles)"))
    return f"""Report time       : Sun May 17 03:38:56 AM CST 2026.
Solution          : solution.
Simulation tool   : xsim.

{border}
|          |          |{heads}{top}|
+   RTL    +  Status  +{wide}+{wide}{middle}+
|          |          |{mins}{below}|
{border.replace(wide, f"{tall}+{tall}+{tall}")}
{nothing}{"|" + "NA".rjust(22) if total else ""}|
{result}{"|" + "9001".rjust(22) if total else ""}|
{border}
"""


def write_hls(folder: Path, latency: str = "undef") -> None:
    """`hls/reports`: the whole design, and a file each of the top and one module."""
    folder.mkdir(parents=True)
    loops = loop("rows", inner=loop("columns", ii="2", trip="?", latency="4 ~ 400"))
    mac = module("mac_unit", loops=loops)
    (folder / "csynth.xml").write_text(csynth(latency=latency, modules=mac + module("loader", "undef", "undef")))
    (folder / f"{TOP}_csynth.xml").write_text(csynth(latency=latency))
    (folder / "mac_unit_csynth.xml").write_text(csynth("mac_unit", "40", "40", loops=loops, used=(3, 5, 900, 800, 0)))


def write_bitstream(folder: Path, **of_timing: Any) -> None:
    """`bitstream`: the four reports of Vivado."""
    folder.mkdir(parents=True)
    (folder / "utilization.rpt").write_text(utilisation())
    (folder / "utilization_hierarchical.rpt").write_text(hierarchy())
    (folder / "timing_summary.rpt").write_text(timing(**of_timing))
    (folder / "power.rpt").write_text(power())
