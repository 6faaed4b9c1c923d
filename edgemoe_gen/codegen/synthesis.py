"""Settings of the scripts of Vitis HLS: clock, files, and a value for every default that differs by release or flow.

In: a design. Out: names for the templates `flow/hls.tcl`, `flow/cosim.tcl`, `flow/ip.tcl` and `flow/hls.cfg`. Each
setting stands here once, with its reason, so both generations of the tool get the same settings. Option names are from
UG1399 ("Configuration Commands", and "Tcl to Config File Command Map" for the keys).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgemoe_gen.base.arithmetic import ceil_div
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import AXI_BURST, AXI_LATENCY, AXI_OUTSTANDING
from edgemoe_gen.hardware.names import IP_LIBRARY, IP_VENDOR, IP_VERSION, TOP

PROJECT = "hls_project"
SOLUTION = "solution"
# Share of the period that HLS leaves to routing: its own default, stated because it decides the schedule.
CLOCK_UNCERTAINTY_PERCENT = 27
# C++14 is what UG1399 promises for every release; all sources are in src/, which is beside the scripts.
CFLAGS = "-std=c++14 -Isrc"
DESIGN_FILES = ("src/engine.cpp",)
TESTBENCH_FILES = ("testbench/main.cpp",)
TESTBENCH_DATA = tuple(f"data/cosim/{name}.bin" for name in ("program", "weights", "image", "expected"))
# Co-simulation copies the data files into the folder that it runs in.
TESTBENCH_ARGUMENTS = "."
REGION_FIFO_DEPTH = 2
# Arrays with fewer elements become registers (UG1399, "Array Partition Configuration"); so those of up to three do.
COMPLETE_THRESHOLD = 4
RESET_REGISTERS = 3  # on the reset net
PS_PER_SECOND_AND_MHZ = 1_000_000


@dataclass(frozen=True)
class Setting:
    """One setting of the tool.

    Attributes:
        tcl: the command that sets it.
        cfg: the same as a line of a configuration file.
        why: the reason for this value.
        everywhere: False if some release since 2021.1 does not know it; that release's own default is then this value.
    """

    tcl: str
    cfg: str
    why: str
    everywhere: bool = True


def budget_ns(clock_mhz: float) -> float:
    """Part of a period that C synthesis may use for logic."""
    period_ps, uncertainty_ps = _period_and_uncertainty_ps(clock_mhz)
    return (period_ps - uncertainty_ps) / 1000


def period_ns(clock_mhz: float) -> str:
    """The period in the form of scripts."""
    return _nanoseconds(_period_and_uncertainty_ps(clock_mhz)[0])


def _period_and_uncertainty_ps(clock_mhz: float) -> tuple[int, int]:
    period_ps = int(PS_PER_SECOND_AND_MHZ / clock_mhz)  # rounded down: never a slower clock than asked
    return period_ps, ceil_div(period_ps * CLOCK_UNCERTAINTY_PERCENT, 100)


def synthesis_context(design: Design) -> dict[str, Any]:
    """Names that the scripts of Vitis HLS use beside those of `context`: one, `hls`."""
    _, uncertainty_ps = _period_and_uncertainty_ps(design.knobs.clock_mhz)
    return {
        "hls": {
            "top": TOP,
            "project": PROJECT,
            "solution": SOLUTION,
            "part": design.board.part,
            "flow_target": "vivado",
            "clock_period_ns": period_ns(design.knobs.clock_mhz),
            "clock_uncertainty_ns": _nanoseconds(uncertainty_ps),
            "clock_uncertainty_percent": CLOCK_UNCERTAINTY_PERCENT,
            "clock_mhz": f"{design.knobs.clock_mhz:g}",
            "cflags": CFLAGS,
            "design_files": DESIGN_FILES,
            "testbench_files": TESTBENCH_FILES,
            "testbench_data": TESTBENCH_DATA,
            "testbench_arguments": TESTBENCH_ARGUMENTS,
            "groups": _groups(design),
            "ip": {
                "vendor": IP_VENDOR,
                "library": IP_LIBRARY,
                "name": TOP,
                "version": IP_VERSION,
                "display_name": "Edge-MoE engine",
                "description": f"Mixture-of-experts vision transformer engine of design {design.identity:016x}",
            },
        }
    }


def _nanoseconds(picoseconds: int) -> str:
    return f"{picoseconds // 1000}.{picoseconds % 1000:03d}"


def _set(group: str, option: str, value: str | int | bool, why: str, *, everywhere: bool = True) -> Setting:
    said = f"={str(value).lower()}" if isinstance(value, bool) else f" {value}"
    written = int(value) if isinstance(value, bool) else value
    return Setting(f"config_{group} -{option}{said}", f"syn.{group}.{option}={written}", why, everywhere)


def _groups(design: Design) -> list[dict[str, Any]]:
    beat_bytes = design.knobs.port_bits // 8
    return [
        {"title": title, "settings": settings}
        for title, settings in (
            ("AXI ports", _interface(beat_bytes)),
            ("Loops and pipelines", _compile()),
            ("Dataflow", _dataflow()),
            ("Arrays and FIFOs", _memories()),
            ("RTL", _rtl()),
        )
    ]


def _interface(beat_bytes: int) -> list[Setting]:
    group = "interface"
    return [
        _set(group, "m_axi_addr64", True, "The driver writes 64-bit addresses: two registers a pointer."),
        _set(group, "m_axi_offset", "slave", "Addresses come through the control registers."),
        _set(group, "m_axi_latency", AXI_LATENCY, "As in the pragmas; the flow for kernels has 64, that for IP has 0."),
        _set(
            group,
            "m_axi_alignment_byte_size",
            beat_bytes,
            "Every buffer begins on a beat; the default is 1 or 64 by flow. Too large a value breaks bursts.",
        ),
        _set(
            group, "m_axi_max_widen_bitwidth", 0, "A port is as wide as the processing system's already: no widening."
        ),
        _set(group, "m_axi_max_read_burst_length", AXI_BURST, "Longest burst of the processing system's ports."),
        _set(group, "m_axi_max_write_burst_length", AXI_BURST, "The same for writes."),
        _set(group, "m_axi_num_read_outstanding", AXI_OUTSTANDING, "Hides the latency of DDR."),
        _set(group, "m_axi_num_write_outstanding", AXI_OUTSTANDING, "The same for writes."),
        _set(group, "m_axi_auto_max_ports", False, "Bundles say which arguments share a port."),
        _set(
            group,
            "m_axi_conservative_mode",
            True,
            "A write asks for the bus only when its data is there, so that ports can't block each other.",
            everywhere=False,
        ),
        _set(group, "m_axi_flush_mode", False, "No port ever writes what was not computed.", everywhere=False),
        _set(group, "m_axi_buffer_impl", "bram", "Burst buffers, as the estimate counts them.", everywhere=False),
        _set(
            group,
            "s_axilite_interrupt_mode",
            "tow",
            "The driver clears an interrupt by writing, not by reading.",
            everywhere=False,
        ),
    ]


def _compile() -> list[Setting]:
    group = "compile"
    return [
        _set(
            group,
            "pipeline_loops",
            0,
            "A loop is pipelined where a pragma says so, nowhere else; the default is every one of 64 or more trips.",
        ),
        _set(
            group,
            "pipeline_style",
            "frp",
            "A stalled pipeline still delivers what it has computed; 2021.1 would take stp, which does not.",
        ),
        _set(group, "unsafe_math_optimizations", False, "All arithmetic is exact; nothing may be reordered."),
        _set(group, "no_signed_zeros", False, "The same."),
        _set(group, "name_max_length", 256, "Names in reports are those in the source; releases differ: 80 or 256."),
        Setting(
            "config_unroll -tripcount_threshold 0",
            "syn.unroll.tripcount_threshold=0",
            "A loop is unrolled where a pragma says so, nowhere else.",
        ),
        Setting(
            "config_schedule -enable_dsp_full_reg=true",
            "syn.schedule.enable_dsp_full_reg=1",
            "A DSP48E2 needs all of its registers for 300 MHz.",
        ),
    ]


def _dataflow() -> list[Setting]:
    group = "dataflow"
    return [
        _set(
            group,
            "default_channel",
            "fifo",
            "Processes talk through FIFOs only; a ping-pong buffer in a report would be a mistake in the source.",
        ),
        _set(
            group,
            "fifo_depth",
            REGION_FIFO_DEPTH,
            "Only of FIFOs without a STREAM pragma; all of the engine's have one.",
        ),
        _set(
            group,
            "scalar_fifo_depth",
            REGION_FIFO_DEPTH,
            "FIFOs that the tool adds for scalars: a region runs once at a time, so that one entry is enough.",
        ),
        _set(group, "start_fifo_depth", REGION_FIFO_DEPTH, "FIFOs that the tool adds for starts: the same."),
        _set(group, "strict_mode", "warning", "A region that is not canonical is named in the log."),
        _set(
            group,
            "task_level_fifo_depth",
            REGION_FIFO_DEPTH,
            "FIFOs that the tool adds between whole processes: the same.",
            everywhere=False,
        ),
        _set(
            group,
            "override_user_fifo_depth",
            0,
            "FIFOs are as deep as the STREAM pragmas say, and nothing changes that.",
            everywhere=False,
        ),
        _set(
            group,
            "disable_fifo_sizing_opt",
            True,
            "The tool resizes no FIFO, so that block RAM is what the estimate counts.",
            everywhere=False,
        ),
    ]


def _memories() -> list[Setting]:
    group = "array_partition"
    return [
        _set(
            group,
            "complete_threshold",
            COMPLETE_THRESHOLD,
            "Arrays with fewer elements become registers.",
            everywhere=False,
        ),
        _set(
            group,
            "throughput_driven",
            "auto",
            "Local arrays of a pipelined loop may be split where its II asks for it; memories have pragmas.",
            everywhere=False,
        ),
        Setting(
            "config_storage fifo -auto_srl_max_bits 1024 -auto_srl_max_depth 2",
            "syn.storage=fifo auto_srl_max_bits=1024 auto_srl_max_depth=2",
            "Small FIFOs become shift registers, larger ones memories.",
        ),
    ]


def _rtl() -> list[Setting]:
    group = "rtl"
    return [
        _set(group, "reset", "control", "State machines are reset; memories hold nothing before a program fills them."),
        _set(group, "reset_level", "low", "AXI's: the pin is ap_rst_n."),
        _set(group, "reset_async", False, "Synchronous, as the reset block of the design drives it."),
        _set(
            group,
            "register_reset_num",
            RESET_REGISTERS,
            "On the reset net; the flow for kernels has 3, that for IP 0.",
        ),
        _set(group, "register_all_io", False, "AXI adapters have registers of their own."),
        _set(group, "module_auto_prefix", True, "Modules carry the top's name, so that no two IPs clash."),
        _set(
            group,
            "deadlock_detection",
            "sim",
            "A deadlock ends RTL co-simulation with a message, and costs no logic.",
            everywhere=False,
        ),
    ]
