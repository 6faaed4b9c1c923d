"""Steps of a vendor tool, read from the lines that it prints.

One line in, a few words out, or None for a line that begins nothing. The patterns follow logs of Vitis HLS 2021.1 to
2025.2, of vitis-run and v++, and of Vivado. They are only for display, so an unknown line does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator


def _module(what: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{what} {match['name']}"


def _transactions(match: re.Match[str]) -> str:
    share = f" ({match['share']}%)" if match["share"] else ""
    return f"RTL simulation: {match['done']} of {match['all']} transactions{share}"


def _run(match: re.Match[str]) -> str:
    name = match["name"]
    if name == "synth_1":
        return "synthesis: started"
    if name == "impl_1":
        return "implementation: started"
    return f"synthesis of {name.removesuffix('_synth_1')}"


def _phase(match: re.Match[str]) -> str:
    return f"phase {match['number']}: {match['name'].strip()}"


_COMMANDS = {
    "create_project": "creating the project",
    "create_bd_design": "building the block design",
    "validate_bd_design": "validating the block design",
    "make_wrapper": "writing the block design's wrapper",
    "generate_target": "generating the block design's sources",
    "synth_design": "synthesis",
    "link_design": "linking the netlist",
    "opt_design": "logic optimization",
    "power_opt_design": "power optimization",
    "place_design": "placing",
    "phys_opt_design": "physical optimization",
    "route_design": "routing",
    "write_bitstream": "writing the bitstream",
    "write_hw_platform": "writing the hardware platform",
    "report_utilization": "report of utilization",
    "report_timing_summary": "report of timing",
    "report_power": "report of power",
    "report_drc": "checking design rules",
    "csynth_design": "reading the sources",
    "csim_design": "C simulation",
    "cosim_design": "co-simulation: preparing",
    "export_design": "packaging the IP",
}


def _command(match: re.Match[str]) -> str | None:
    return _COMMANDS.get(match["name"])


_READINGS: tuple[tuple[str, str | Callable[[re.Match[str]], str | None]], ...] = (
    # Vitis HLS: synthesis.
    (r"INFO: \[HLS 200-10\] Analyzing design file '(?:.*/)?(?P<name>[^'/]+)'", _module("compiling")),
    (r"INFO: \[HLS 200-10\] Starting code transformations", "transforming the code"),
    (r"INFO: \[HLS 200-10\] Checking synthesizability", "checking that the code can be synthesized"),
    (r"INFO: \[HLS 200-10\] Starting hardware synthesis", "scheduling"),
    (r"INFO: \[HLS 200-42\] -- Implementing module '(?P<name>[^']+)'", _module("scheduling")),
    (r"INFO: \[BIND 205-100\] Starting micro-architecture generation", "binding"),
    (r"INFO: \[HLS 200-10\] -- Generating RTL for module '(?P<name>[^']+)'", _module("generating RTL of")),
    (r"INFO: \[VLOG 209-307\] Generating Verilog", "writing Verilog"),
    # Vitis HLS: packaging.
    (r"INFO: \[IMPL 213-8\] Exporting RTL", "packaging the IP"),
    (r"INFO: \[IP_Flow 19-1686\] Generating 'Synthesis' target for IP '(?P<name>[^']+)'", _module("generating")),
    # Vitis HLS: co-simulation.
    (r"INFO: \[COSIM 212-14\] Instrumenting C test bench", "co-simulation: instrumenting the test bench"),
    (r"INFO: \[COSIM 212-302\] Starting C TB testing", "co-simulation: running the C test bench"),
    (r"INFO: \[COSIM 212-12\] Generating RTL test bench", "co-simulation: generating the RTL test bench"),
    (r"INFO: \[COSIM 212-323\] Starting (?:verilog|Verilog) simulation", "co-simulation: building"),
    (r"INFO: \[COSIM 212-15\] Starting XSIM", "co-simulation: building"),
    (r"Built simulation snapshot", "RTL simulation: started"),
    (
        r"// RTL Simulation : (?P<done>\d+) / (?P<all>\d+) \[(?:(?P<share>[\d.]+)%|[^\]]*)\]",
        _transactions,
    ),
    (r"INFO: \[COSIM 212-316\] Starting C post checking", "co-simulation: comparing the results"),
    # Vivado. A sourced script echoes its commands after "# ", a run prints "Command: ".
    (r"(?:Command: |#+ |INFO: \[HLS 200-1510\] Running: )(?P<name>[a-z_]+)\b", _command),
    (r"\[[^\]]*\d\d:\d\d:\d\d[^\]]*\] Launched (?P<name>\S+?)\.\.\.", _run),
    (r"INFO: \[BD 41-1029\] Generation completed for the IP Integrator block (?P<name>\S+)", _module("generated")),
    (r"Start(?:ing)? RTL Elaboration", "synthesis: elaborating"),
    (r"Start RTL Component Statistics", "synthesis: RTL components"),
    (r"Start Cross Boundary and Area Optimization", "synthesis: area optimization"),
    (r"Start Timing Optimization", "synthesis: timing optimization"),
    (r"Start Technology Mapping", "synthesis: technology mapping"),
    (r"Starting Logic Optimization Task", "logic optimization"),
    (r"Starting Placer Task", "placing"),
    (r"Starting Physical Synthesis Task", "physical optimization"),
    (r"Starting Routing Task", "routing"),
    # Phases of optimization, placing and routing; a line with a checksum ends one. Two levels are enough to show.
    (r"(?:\[[\d:]+\] )?Phase (?P<number>\d+(?:\.\d+)?) (?P<name>[^|]+)$", _phase),
    (r"Creating bitmap|Creating bitstream", "writing the bitstream"),
)
_PATTERNS = tuple((re.compile(pattern), reading) for pattern, reading in _READINGS)


def step_of(line: str) -> str | None:
    """The step that begins with this line, in a few words; None if none begins."""
    text = line.strip()
    for pattern, reading in _PATTERNS:
        match = pattern.match(text)
        if match:
            return reading if isinstance(reading, str) else reading(match)
    return None


# How lines that begin a step begin themselves. It is looked for in whole blocks, which is a hundred times faster than
# line by line: an RTL simulation can print hundreds of megabytes.
_CANDIDATE = re.compile(
    rb"^[ \t]*(?:INFO: \[(?:HLS 200-(?:10|42|1510)|BIND|VLOG|IMPL|IP_Flow 19-1686|COSIM|BD)"
    rb"|// RTL Simulation|Built |Command: |#|Start|Phase |\[[^\]\n]*\d\d:\d\d:\d\d|Creating bit)[^\n]{0,1000}",
    re.MULTILINE,
)


def steps_in(block: bytes) -> Iterator[str]:
    """The steps that a block of whole lines begins, in their order."""
    for line in _CANDIDATE.finditer(block):
        step = step_of(line[0].decode("utf-8", errors="replace"))
        if step:
            yield step
