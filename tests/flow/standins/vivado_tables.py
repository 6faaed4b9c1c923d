"""Reports in Vivado's layout, with numbers that follow from the stand-in's model.

Two layouts: before 2021.2 "CLB LUTs*" and no column "Prohibited" in utilisation, later "CLB LUTs" and that column.
The engine takes fixed shares of the device, the other cells what such cells take.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Row = tuple[str, ...]

ENGINE_SHARES = {"lut": 0.46, "ff": 0.33, "bram": 0.41, "uram": 0.67, "dsp": 0.62}
# LUT and flip-flops of the vendor's cells, about what they take in public reports; a SmartConnect for each of its ends.
CELLS = {
    "zynq_ultra_ps_e": (0, 0),
    "smartconnect": (620, 940),
    "proc_sys_reset": (19, 40),
    "axi_intc": (92, 131),
    "axi_gpio": (78, 116),
}
MEMORY_LUT_SHARE = 0.09  # of a device's LUTs that the engine uses as memory, of those that it uses
CHECKS = (
    "no_clock", "constant_clock", "pulse_width_clock", "unconstrained_internal_endpoints", "no_input_delay",
    "no_output_delay", "multiple_clock", "generated_clocks", "loops", "partial_input_delay", "partial_output_delay",
    "latch_loops",
)  # fmt: skip


def usage(model: Json) -> dict[str, dict[str, int]]:
    """Resources by cell."""
    found = {}
    for cell in model["cells"]:
        kind = cell["vlnv"].split(":")[2]
        if "component" in cell:
            found[cell["name"]] = {key: int(int(model["project"][key]) * share) for key, share in ENGINE_SHARES.items()}
        else:
            lut, ff = CELLS.get(kind, (0, 0))
            ends = len(cell["buses"]) if kind == "smartconnect" else 1
            found[cell["name"]] = {"lut": lut * ends, "ff": ff * ends, "bram": 0, "uram": 0, "dsp": 0}
    return found


def total(model: Json, key: str) -> int:
    """Sum over all cells."""
    return sum(cell[key] for cell in usage(model).values())


def table(header: Row, rows: list[Row]) -> str:
    """A table with borders, numbers to the right as Vivado sets them."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(row: Row, left: bool) -> str:
        cells = [
            f" {cell.ljust(width) if place == 0 or left else cell.rjust(width)} "
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "|" + "|".join(cells) + "|"

    title = "|" + "|".join(f" {cell.center(width)} " for cell, width in zip(header, widths, strict=True)) + "|"
    return "\n".join([rule, title, rule, *(line(row, False) for row in rows), rule])


def head(model: Json, path: Path, command: str, state: str, contents: list[str], title: str) -> str:
    """Head of a report."""
    project, release = model["project"], model["release"]
    device, package, speed = project["part"].split("-")[:3]
    facts = {
        "Tool Version": f"Vivado v.{release} (lin64) Build 4029153 Fri Oct 13 20:13:54 MDT 2023",
        "Date": "Mon Jan  1 00:00:00 2024",
        "Host": "standin running 64-bit Ubuntu 22.04.5 LTS",
        "Command": f"{command} -file {path.as_posix()}",
        "Design": f"{model['design']}_wrapper",
        "Device": project["part"],
        "Speed File": f"-{speed}",
        "Design State": state,
    }
    if command.startswith("report_timing"):
        more = {"Speed File": f"-{speed}  PRODUCTION 1.30 05-15-2022", "Temperature Grade": "E"}
        facts |= {"Device": f"{device}-{package}"} | more
        if release < "2023.1":  # as in public reports of 2020.2, 2021.2 and 2022.2
            del facts["Design State"]
    elif command.startswith("report_power"):
        del facts["Speed File"]
        facts |= {"Grade": "extended", "Process": "typical", "Characterization": "Production"}
    width = max(map(len, facts))
    lines = [f"| {key:{width}} : {value}" for key, value in facts.items()]
    rule = "-" * (max(map(len, lines)) + 1)
    year = release.split(".")[0]
    holder = "Copyright 1986-2022 Xilinx, Inc. All Rights Reserved."
    if int(year) >= 2023:
        holder += f" Copyright 2022-{year} Advanced Micro Devices, Inc. All Rights Reserved."
    listing = ["Table of Contents", "-" * 17, *contents, ""] if contents else []
    return "\n".join([holder, rule, *lines, rule, "", title, "", *listing, ""])


def heading(text: str) -> str:
    """A section's heading."""
    return f"{text}\n{'-' * len(text)}\n\n"


def is_old(model: Json) -> bool:
    """True for releases with the old layout of utilisation."""
    year, quarter = (int(part) for part in model["release"].split(".")[:2])
    return (year, quarter) < (2021, 2)


def utilization(model: Json, path: Path) -> str:
    """`report_utilization`: flat."""
    old = is_old(model)
    available = {key: int(model["project"][key]) for key in ENGINE_SHARES}
    used = {key: total(model, key) for key in ENGINE_SHARES}
    memory = int(used["lut"] * MEMORY_LUT_SHARE)

    def row(name: str, count: int | str, of: int) -> Row:
        share = f"{100 * int(count) / of:.2f}" if of else "0.00"
        return (name, str(count), "0", str(of), share) if old else (name, str(count), "0", "0", str(of), share)

    def part(name: str, count: int) -> Row:
        return (name, str(count), "0", "", "") if old else (name, str(count), "0", "", "", "")

    fixed = ("Used", "Fixed", "Available", "Util%") if old else ("Used", "Fixed", "Prohibited", "Available", "Util%")
    star = "*" if old else ""
    luts, registers = available["lut"], available["ff"]
    logic = table(
        ("Site Type", *fixed),
        [
            row(f"CLB LUTs{star}", used["lut"], luts),
            row("  LUT as Logic", used["lut"] - memory, luts),
            row("  LUT as Memory", memory, luts // 2),
            part("    LUT as Distributed RAM", memory // 3),
            part("    LUT as Shift Register", memory - memory // 3),
            row("CLB Registers", used["ff"], registers),
            row("  Register as Flip Flop", used["ff"], registers),
            row("  Register as Latch", 0, registers),
            row("CARRY8", used["lut"] // 33, luts // 8),
        ],
    )
    narrow = 2 * (used["bram"] // 4)
    blocks = [
        row("Block RAM Tile", used["bram"], available["bram"]),
        row("  RAMB36/FIFO*", used["bram"] - narrow // 2, available["bram"]),
        part("    RAMB36E2 only", used["bram"] - narrow // 2),
        row("  RAMB18", narrow, 2 * available["bram"]),
        part("    RAMB18E2 only", narrow),
    ]
    if available["uram"]:
        blocks.append(row("URAM", used["uram"], available["uram"]))
    arithmetic = [row("DSPs", used["dsp"], available["dsp"]), part("  DSP48E2 only", used["dsp"])]
    text = head(
        model,
        path,
        "report_utilization",
        "Routed",
        ["1. CLB Logic", "2. CLB Logic Distribution", "3. BLOCKRAM", "4. ARITHMETIC"],
        "Utilization Design Information",
    )
    note = "* Warning! The Final LUT count, after physical optimizations and full implementation, is typically lower.\n"
    text += heading("1. CLB Logic") + logic + "\n" + note + "\n\n"
    clb = row("CLB", min(luts // 8, used["lut"] // 6), luts // 8)
    text += heading("2. CLB Logic Distribution") + table(("Site Type", *fixed), [clb]) + "\n\n\n"
    text += heading("3. BLOCKRAM") + table(("Site Type", *fixed), blocks) + "\n"
    text += "* Note: Each Block RAM Tile only has one FIFO logic available.\n\n\n"
    return text + heading("4. ARITHMETIC") + table(("Site Type", *fixed), arithmetic) + "\n\n\n"


def utilization_by_hierarchy(model: Json, path: Path) -> str:
    """`report_utilization -hierarchical`: instances indented by two spaces a level."""
    design = model["design"]
    header: Row = (
        "Instance",
        "Module",
        "Total LUTs",
        "Logic LUTs",
        "LUTRAMs",
        "SRLs",
        "FFs",
        "RAMB36",
        "RAMB18",
        "URAM",
    )
    header = (*header, "DSP48 Blocks" if is_old(model) else "DSP Blocks")
    cells = usage(model)

    def row(depth: int, instance: str, module: str, parts: list[dict[str, int]]) -> Row:
        sums = {key: sum(part[key] for part in parts) for key in ENGINE_SHARES}
        memory = int(sums["lut"] * MEMORY_LUT_SHARE)
        narrow = 2 * (sums["bram"] // 4)
        logic = [sums["lut"], sums["lut"] - memory, memory // 3, memory - memory // 3, sums["ff"]]
        numbers = [*logic, sums["bram"] - narrow // 2, narrow, sums["uram"], sums["dsp"]]
        return (" " * (2 * depth) + instance, module, *map(str, numbers))

    everything = list(cells.values())
    rows = [row(0, f"{design}_wrapper", "(top)", everything), row(1, f"{design}_i", design, everything)]
    rows += [row(2, name, f"{design}_{name}_0", [cells[name]]) for name in sorted(cells)]
    text = head(
        model,
        path,
        "report_utilization -hierarchical",
        "Routed",
        ["1. Utilization by Hierarchy"],
        "Utilization Design Information",
    )
    note = (
        "* Note: The sum of lower-level cells may be larger than their parent cells total, due to cross-hierarchy LUT"
    )
    return text + heading("1. Utilization by Hierarchy") + table(header, rows) + f"\n{note} combining\n\n\n"


def timing_summary(model: Json, path: Path, slack: float) -> str:
    """`report_timing_summary`: `slack` is the worst negative slack in ns."""
    ps = next(cell for cell in model["cells"] if "zynq_ultra_ps_e" in cell["vlnv"])
    mhz = float(ps["config"]["PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"])
    period = 1000 / mhz
    ends = 2 * total(model, "ff")
    failing, violation = failures(slack)
    rule = "-" * 96
    columns = (
        "    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing "
        "Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints  "
    )
    values = (
        f"{slack:11.3f}{violation:13.3f}{failing:23d}{ends:21d}{0.010:13.3f}{0.0:13.3f}{0:23d}{ends:21d}"
        f"{period / 2 - 0.5:13.3f}{0.0:13.3f}{0:24d}{ends // 2:22d}  "
    )
    dashes = re.sub(r"\S+(?: \S+)*", lambda name: "-" * len(name[0]), columns)
    verdict = "All user specified timing constraints are met." if slack >= 0 else "Timing constraints are not met."
    text = head(
        model, path, "report_timing_summary -max_paths 10 -report_unconstrained", "Routed", [], "Timing Summary Report"
    )
    listing = [f"{place}. checking {name} (0)" for place, name in enumerate(CHECKS, 1)]
    text += "\n".join(["check_timing report", "", "Table of Contents", "-" * 17, *listing, "", "", ""])
    boxes = [
        ("Design Timing Summary", f"{columns}\n{dashes}\n{values}\n\n\n{verdict}"),
        (
            "Clock Summary",
            "Clock     Waveform(ns)         Period(ns)      Frequency(MHz)\n"
            "-----     ------------         ----------      --------------\n"
            f"clk_pl_0  {{0.000 {period / 2:.3f}}}        {period:.3f}           {mhz:.3f}         ",
        ),
        (
            "Intra Clock Table",
            f"Clock     {columns}\n-----     {dashes}\nclk_pl_0  {values}",
        ),
        ("Timing Details", path_details(model, slack, period)),
    ]
    for title, body in boxes:
        text += f"{rule}\n| {title}\n| {'-' * len(title)}\n{rule}\n\n{body}\n\n\n"
    return text


def failures(slack: float) -> tuple[int, float]:
    """Endpoints that miss the clock, and the sum of what they miss in ns."""
    return (613, -118.204) if slack < 0 else (0, 0.0)


def path_details(model: Json, slack: float, period: float) -> str:
    """The worst path, through the engine's compute unit."""
    engine = next(cell["name"] for cell in model["cells"] if "component" in cell)
    state = "MET" if slack >= 0 else "VIOLATED"
    failing, violation = failures(slack)
    start = f"{model['design']}_i/{engine}/inst/multiply_U0"
    delay = period - slack - 0.1
    clock = f"clocked by clk_pl_0  {{rise@0.000ns fall@{period / 2:.3f}ns period={period:.3f}ns}}"
    return f"""---------------------------------------------------------------------------------------------------
From Clock:  clk_pl_0
  To Clock:  clk_pl_0

Setup :{failing:13d}  Failing Endpoints,  Worst Slack{slack:13.3f}ns,  Total Violation{violation:13.3f}ns
Hold  :            0  Failing Endpoints,  Worst Slack        0.010ns,  Total Violation        0.000ns
---------------------------------------------------------------------------------------------------


Max Delay Paths
--------------------------------------------------------------------------------------
Slack ({state}) :{slack:18.3f}ns  (required time - arrival time)
  Source:                 {start}/operands_reg[17]/C
                            (rising edge-triggered cell FDRE {clock})
  Destination:            {start}/sums_reg[40]/D
                            (rising edge-triggered cell FDRE {clock})
  Path Group:             clk_pl_0
  Path Type:              Setup (Max at Slow Process Corner)
  Requirement:            {period:.3f}ns  (clk_pl_0 rise@{period:.3f}ns - clk_pl_0 rise@0.000ns)
  Data Path Delay:        {delay:.3f}ns  (logic {delay * 0.55:.3f}ns (55.000%)  route {delay * 0.45:.3f}ns (45.000%))
  Logic Levels:           5  (CARRY8=2 LUT3=1 LUT6=2)

    Location             Delay type                Incr(ns)  Path(ns)    Netlist Resource(s)
  -------------------------------------------------------------------    -------------------
    SLICE_X40Y101        net (fo=1, routed)           0.310     0.389    {start}/operands[17]"""


def power(model: Json, path: Path) -> str:
    """`report_power`: vector-less, so an estimate."""
    mhz = float(
        next(c for c in model["cells"] if "zynq_ultra_ps_e" in c["vlnv"])["config"][
            "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"
        ]
    )
    scale = mhz / 300
    parts = {
        "Clocks": total(model, "ff") * 3.1e-6 * scale,
        "CLB Logic": total(model, "lut") * 7.4e-6 * scale,
        "Signals": total(model, "lut") * 8.0e-6 * scale,
        "Block RAM": total(model, "bram") * 2.2e-3 * scale,
        "URAM": total(model, "uram") * 4.0e-3 * scale,
        "DSPs": total(model, "dsp") * 0.9e-3 * scale,
        "PS8": 2.712,
    }
    dynamic, static = sum(parts.values()), 0.71
    summary = [
        ("Total On-Chip Power (W)", f"{dynamic + static:.3f}"),
        ("Design Power Budget (W)", "Unspecified*"),
        ("Power Budget Margin (W)", "NA"),
        ("Dynamic (W)", f"{dynamic:.3f}"),
        ("Device Static (W)", f"{static:.3f}"),
        ("Effective TJA (C/W)", "1.0"),
        ("Max Ambient (C)", "90.2"),
        ("Junction Temperature (C)", "34.8"),
        ("Confidence Level", "Medium"),
        ("Setting File", "---"),
        ("Simulation Activity File", "---"),
        ("Design Nets Matched", "NA"),
    ]
    rule = f"+{'-' * 26}+{'-' * 14}+"
    rows = "\n".join(f"| {name:24} | {value:12} |" for name, value in summary)
    components: list[Row] = [(name, f"{watts:.3f}", "---", "---", "---") for name, watts in parts.items()]
    components += [("Static Power", f"{static:.3f}", "", "", ""), ("Total", f"{dynamic + static:.3f}", "", "", "")]
    text = head(model, path, "report_power", "routed", ["1. Summary", "1.1 On-Chip Components"], "Power Report")
    text += heading("1. Summary") + f"{rule}\n{rows}\n{rule}\n"
    text += "* Specify Design Power Budget using, set_operating_conditions -design_power_budget <value in Watts>\n\n\n"
    header = ("On-Chip", "Power (W)", "Used", "Available", "Utilization (%)")
    return text + heading("1.1 On-Chip Components") + table(header, components) + "\n\n\n"
