"""The top module under test: many instances of the library's modules side by side, and the same with planted faults.

Every port of an instance is a port of the top, with the instance's name before it; instances of a group share clock and
reset. All tests run on one executable, which is built once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgemoe_gen.hardware.registers import engine_registers
from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.library import argument_kinds, axilite_parameters, library, sources

TOP = "bench"
WEIGHT_PORTS = 4


@dataclass(frozen=True)
class Instance:
    """One instance; strings among the parameters are put in quotes unless they are numbers of SystemVerilog."""

    name: str
    module: str
    group: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def parameter(self, name: str) -> int:
        """A number among its parameters."""
        value = self.parameters.get(name, library()[self.module].parameters[name])
        return int(str(value))


@dataclass(frozen=True)
class Fault:
    """What may be wrong with a module.

    Attributes:
        test: cocotb test that must fail by it; MODULE.TEST, without the prefix of the modules.
        old, new: a text of the source and what it becomes; FAULT there is 1 while this fault is chosen.
    """

    name: str
    module: str
    test: str
    old: str
    new: str


FIFO_DEPTHS = {
    "registers": (1, 2, 5), "srl": (1, 2, 3, 17, 33), "distributed": (1, 2, 3, 20), "block": (1, 2, 3, 37),
    "ultra": (1, 2, 5, 19),
}  # fmt: skip
FIFOS = [
    Instance(f"{style}_{depth}", "fifo", "fifo", {"WIDTH": 16, "DEPTH": depth, "STYLE": style})
    for style, depths in FIFO_DEPTHS.items()
    for depth in depths
] + [
    Instance("strict_1", "fifo", "fifo", {"WIDTH": 16, "DEPTH": 1, "FLOW": "1'b0"}),
    Instance("flowing_4", "fifo", "fifo", {"WIDTH": 16, "DEPTH": 4, "STYLE": "block", "FLOW": "1'b1"}),
]
MEMORIES = [
    Instance(f"{style}_{latency}_{lanes}", "memory", "memory",
             {"WIDTH": 36, "DEPTH": 13, "LANES": lanes, "LATENCY": latency, "STYLE": style})
    for style, latency, lanes in (
        ("block", 1, 4), ("block", 2, 1), ("ultra", 3, 4), ("ultra", 1, 2), ("distributed", 1, 4), ("registers", 2, 2),
    )
]  # fmt: skip
ROM_WORDS = [(7 * i * i + 3 * i + 1) % 4093 for i in range(11)]
ROM_CONTENT = f"{12 * len(ROM_WORDS)}'h" + "".join(f"{word:03x}" for word in reversed(ROM_WORDS))
ROMS = [
    Instance("rom_content", "rom", "rom", {"WIDTH": 12, "DEPTH": 11, "LATENCY": 2, "CONTENT": ROM_CONTENT}),
    Instance("rom_file", "rom", "rom", {"WIDTH": 12, "DEPTH": 11, "LATENCY": 1, "STYLE": "block", "FILE": "rom.hex"}),
]
READS = [
    Instance("r32", "axi_read", "r32", {"DATA_BITS": 32, "OUTSTANDING": 4, "STYLE": "distributed", "ID": 1}),
    Instance("r128", "axi_read", "r128", {"DATA_BITS": 128, "OUTSTANDING": 16}),
    # A buffer that is smaller than all bursts that may be on their way, and bursts longer than 4 KiB.
    Instance("r512", "axi_read", "r512", {"DATA_BITS": 512, "MAX_BURST": 128, "OUTSTANDING": 3, "BUFFER": 150,
                                          "STYLE": "ultra", "ID_BITS": 4, "ID": 9, "ADDRESS_BITS": 40}),
]  # fmt: skip
WRITES = [
    Instance("w32", "axi_write", "w32", {"DATA_BITS": 32, "OUTSTANDING": 2, "ID": 1}),
    Instance("w128", "axi_write", "w128", {"DATA_BITS": 128, "STYLE": "block"}),
    Instance("w512", "axi_write", "w512", {"DATA_BITS": 512, "MAX_BURST": 128, "OUTSTANDING": 3, "BUFFER": 128,
                                           "ID_BITS": 4, "ID": 9, "ADDRESS_BITS": 40}),
]  # fmt: skip
REGISTERS = engine_registers(WEIGHT_PORTS)
KINDS = argument_kinds(REGISTERS)
CONTROL = [Instance("control", "axilite", "control", axilite_parameters(REGISTERS))]
DOTS = [
    Instance("dot_1", "dot", "dot", {"PRODUCTS": 1, "C_BITS": 30, "ADDENDS": "1'h1"}),
    Instance("dot_2", "dot", "dot", {"PRODUCTS": 2, "A_BITS": 18, "BITS": 37, "ADDENDS": "2'h0"}),
    Instance("dot_6", "dot", "dot", {"PRODUCTS": 6, "A_BITS": 20, "B_BITS": 16, "C_BITS": 40, "ADDENDS": "6'h35"}),
]
INSTANCES = {i.name: i for i in (*FIFOS, *MEMORIES, *ROMS, *READS, *WRITES, *CONTROL, *DOTS)}

# Each must be caught by the tests of its module.
FAULTS = (
    Fault("fifo takes one element too many", "fifo", "fifo.random_traffic",
          "has_room <= occupancy != ALMOST;", "has_room <= FAULT || occupancy != ALMOST;"),
    Fault("fifo is full one element too early", "fifo", "fifo.random_traffic",
          "occupancy <= occupancy + ONE;", "occupancy <= occupancy + ((FAULT && occupancy == ALMOST) ? '0 : ONE);"),
    Fault("fifo takes what it has no room for", "fifo", "fifo.random_traffic",
          "assign push = write && full_n;", "assign push = write && (full_n || FAULT);"),
    Fault("fifo shows the place before the oldest", "fifo", "fifo.random_traffic",
          "else if (push && !pop && has_element) oldest", "else if (push && !pop && (has_element || FAULT)) oldest"),
    Fault("fifo forgets the newest element", "fifo", "fifo.an_element_every_cycle",
          "is_newest <= push && free == following;", "is_newest <= !FAULT && push && free == following;"),
    Fault("fifo wraps as if its depth were a power of two", "fifo", "fifo.random_traffic",
          "assign following = !pop ? first : first == LAST ?",
          "assign following = !pop ? first : (first == LAST && !FAULT) ?"),
    Fault("memory writes all lanes", "memory", "memory.random_accesses",
          "(* ram_style = \"block\" *) logic [WIDTH-1:0] words[DEPTH];\n"
          "    always_ff @(posedge ap_clk) begin\n"
          "      for (int l = 0; l < LANES; l++) begin\n"
          "        if (write_enable[l])",
          "(* ram_style = \"block\" *) logic [WIDTH-1:0] words[DEPTH];\n"
          "    always_ff @(posedge ap_clk) begin\n"
          "      for (int l = 0; l < LANES; l++) begin\n"
          "        if (FAULT ? |write_enable : write_enable[l])"),
    Fault("memory moves its later stages in a stall", "memory", "memory.random_accesses",
          "if (read_enable[s]) stage[s]", "if (read_enable[s] || FAULT) stage[s]"),
    Fault("memory hides a collision", "memory", "memory.random_accesses",
          "write_address == read_address}};", "write_address == read_address && !FAULT}};"),
    Fault("rom reads the neighbouring word", "rom", "memory.tables",
          "assign read_data = stage[LATENCY-1];", "assign read_data = stage[LATENCY-1] ^ WIDTH'(FAULT);"),
    Fault("dot takes factors of another stage", "dot", "dot.sums",
          "if (go[FIRST]) wide_1 <= wide;", "if (go[FIRST+int'(FAULT)]) wide_1 <= wide;"),
    Fault("dot has no sign", "dot", "dot.sums",
          "wire signed [17:0] narrow = 18'($signed(b[k*B_BITS+:B_BITS]));",
          "wire signed [17:0] narrow = FAULT ? 18'(b[k*B_BITS+:B_BITS]) : 18'($signed(b[k*B_BITS+:B_BITS]));"),
    Fault("dot takes its addend too early", "dot", "dot.sums",
          "if (go[k+1]) added <= addend;", "if (FAULT ? go[k] : go[k+1]) added <= addend;"),
    Fault("bursts cross 4 KiB by a beat", "axi_bursts", "axi_read.limits_of_bursts",
          "assign to_boundary = PAGE_BEATS - {1'b0, place};",
          "assign to_boundary = PAGE_BEATS - {1'b0, place} + (PLACE_BITS + 1)'(FAULT && place != '0);"),
    Fault("bursts are a beat too long", "axi_bursts", "axi_read.limits_of_bursts",
          "BURST_BITS'(left) : BURST_BITS'(MAX_BURST);", "BURST_BITS'(left) : BURST_BITS'(MAX_BURST + int'(FAULT));"),
    Fault("bursts forget the last beat of a long request", "axi_bursts", "axi_read.limits_of_bursts",
          "assign is_last = left == INDEX_BITS'(burst);",
          "assign is_last = left == INDEX_BITS'(burst) || (FAULT && left == INDEX_BITS'(burst) + 1);"),
    Fault("bursts do not turn the page", "axi_bursts", "axi_read.limits_of_bursts",
          "if (WIDER'(to_boundary) == WIDER'(burst)) page", "if (WIDER'(to_boundary) == WIDER'(burst) && !FAULT) page"),
    Fault("bursts ask for something where nothing is asked for", "axi_bursts", "axi_read.limits_of_bursts",
          "burst_valid <= beats != '0;", "burst_valid <= beats != '0 || FAULT;"),
    Fault("bursts are lost where the address channel waits", "axi_read", "axi_read.limits_of_bursts",
          "assign burst_ready = (!m_axi_arvalid || m_axi_arready)",
          "assign burst_ready = (!m_axi_arvalid || m_axi_arready || FAULT)"),
    Fault("reading asks for more than the buffer holds", "axi_read", "axi_read.a_kernel_that_takes_nothing",
          "room >= ROOM_BITS'(burst_beats)", "(room >= ROOM_BITS'(burst_beats) || (FAULT && room != '0))"),
    Fault("reading has one burst too many on its way", "axi_read", "axi_read.a_beat_every_cycle",
          "&& in_flight != COUNT_BITS'(OUTSTANDING)", "&& in_flight != COUNT_BITS'(OUTSTANDING + int'(FAULT))"),
    Fault("reading loses a beat under back-pressure", "axi_read", "axi_read.a_kernel_that_takes_nothing",
          ".write(m_axi_rvalid),", ".write(m_axi_rvalid && !(FAULT && room == '0)),"),
    Fault("reading forgets an error", "axi_read", "axi_read.errors_are_kept",
          "if (arrives && m_axi_rresp[1] && error == '0)", "if (arrives && m_axi_rresp[1] && (error == '0 || FAULT))"),
    Fault("reading is idle with bursts on their way", "axi_read", "axi_read.idle_means_nothing_asked",
          "assign idle = nothing_asked && in_flight == '0;",
          "assign idle = nothing_asked && (in_flight == '0 || FAULT);"),
    Fault("reading asks on when it must stop", "axi_read", "axi_read.giving_up",
          "&& !stop;\n  assign goes", "&& (!stop || FAULT);\n  assign goes"),
    Fault("reading keeps its room when it must stop", "axi_read", "axi_read.giving_up",
          "room <= ROOM_BITS'(BUFFER);", "room <= FAULT && ap_rst_n ? room : ROOM_BITS'(BUFFER);"),
    Fault("writing keeps beats of no burst when it must stop", "axi_write", "axi_write.giving_up",
          "assign buffer_rst_n = keeps_rst_n ||", "assign buffer_rst_n = keeps_rst_n || (FAULT && ap_rst_n) ||"),
    Fault("writing drops beats of bursts when it must stop", "axi_write", "axi_write.giving_up",
          "(ap_rst_n && unanswered != '0);", "(ap_rst_n && unanswered != '0 && !FAULT);"),
    Fault("writing begins before it has all beats", "axi_write", "axi_write.beats_before_their_request",
          "held >= HELD_BITS'(burst_beats)", "(held >= HELD_BITS'(burst_beats) || (FAULT && held != '0))"),
    Fault("writing does not wait for the data channel", "axi_write", "axi_write.limits_of_bursts",
          "assign sent = m_axi_wvalid && m_axi_wready;", "assign sent = m_axi_wvalid && (m_axi_wready || FAULT);"),
    Fault("writing is idle before the last response", "axi_write", "axi_write.beats_before_their_request",
          "assign idle = nothing_asked && unanswered == '0;",
          "assign idle = nothing_asked && (unanswered == '0 || FAULT);"),
    Fault("writing has one burst too many without response", "axi_write", "axi_write.a_beat_every_cycle",
          "unanswered != COUNT_BITS'(OUTSTANDING)", "unanswered != COUNT_BITS'(OUTSTANDING + int'(FAULT))"),
    Fault("writing takes responses for good", "axi_write", "axi_write.errors_are_kept",
          "if (answered && m_axi_bresp[1]", "if (!FAULT && answered && m_axi_bresp[1]"),
    Fault("writing marks the last beat one too early", "axi_write", "axi_write.limits_of_bursts",
          "assign m_axi_wlast = left == BURST_BITS'(1);", "assign m_axi_wlast = left == BURST_BITS'(1 + int'(FAULT));"),
    Fault("control does not clear done", "axilite", "axilite.done_is_never_lost",
          "else if (read_control) done <= 1'b0;", "else if (read_control && !FAULT) done <= 1'b0;"),
    Fault("control clears done while it is set", "axilite", "axilite.done_is_never_lost",
          "if (run_ends) done <= 1'b1;", "if (run_ends && !(FAULT && read_control)) done <= 1'b1;"),
    Fault("control keeps its start", "axilite", "axilite.restarting",
          "else if (ap_ready) ap_start <= auto_restart;", "else if (ap_ready) ap_start <= auto_restart || FAULT;"),
    Fault("control sets an interrupt that is not enabled", "axilite", "axilite.interrupts",
          "if (enable[0] && ap_done) status[0]", "if ((enable[0] || FAULT) && ap_done) status[0]"),
    Fault("control overwrites its interrupts instead of toggling", "axilite", "axilite.interrupts",
          "status[0] <= !status[0];", "status[0] <= FAULT || !status[0];"),
    Fault("control ignores the global enable", "axilite", "axilite.interrupts",
          "interrupt <= global_enable && status != '0;", "interrupt <= (global_enable || FAULT) && status != '0;"),
    Fault("control writes whole words", "axilite", "axilite.bytes_and_channels",
          "write_place == PLACE && s_axi_control_wstrb[b])",
          "write_place == PLACE && (s_axi_control_wstrb[b] || FAULT))"),
    Fault("control keeps the valid bit of a value", "axilite", "axilite.like_the_simulated_board",
          "else if (read_now && read_place == PLACE) written",
          "else if (read_now && read_place == PLACE && !FAULT) written"),
    Fault("control has its arguments a word off", "axilite", "axilite.like_the_simulated_board",
          "localparam logic [PLACE_BITS-1:0] PLACE = PLACE_BITS'(FIRST + w);\n    logic [31:0] word;",
          "logic [PLACE_BITS-1:0] PLACE;\n    assign PLACE = PLACE_BITS'(FIRST + w + int'(FAULT));\n"
          "    logic [31:0] word;"),
)  # fmt: skip


def bench_sources() -> dict[str, str]:
    """The bench over the library as it is."""
    return {**sources({i.module for i in INSTANCES.values()}), f"{TOP}.sv": top_of(INSTANCES.values())}


def faulty_sources() -> dict[str, str]:
    """The same with all faults in it, of which the top's input `fault` chooses one by its number, from 1 on."""
    found = bench_sources()
    for number, fault in enumerate(FAULTS, 1):
        file = f"{fault.module}.sv"
        assert found[file].count(fault.old) == 1, f"{fault.name}: {fault.old!r} is not once in {file}"
        found[file] = found[file].replace(fault.old, fault.new.replace("FAULT", f"({TOP}.fault == 8'd{number})"))
    found[f"{TOP}.sv"] = found[f"{TOP}.sv"].replace(f"module {TOP} (", f"module {TOP} (\n  input logic [7:0] fault,")
    return {
        name: "/* verilator lint_off WIDTHEXPAND */ /* verilator lint_off UNUSEDSIGNAL */\n" + text
        for name, text in found.items()
    }


def build_bench(faulty: bool = False) -> Path:
    """The executable."""
    return verilator.build(faulty_sources() if faulty else bench_sources(), TOP)


def top_of(instances: Iterable[Instance]) -> str:
    """The top module with these instances."""
    ports: dict[str, str] = {}
    body = ""
    for instance in instances:
        module = library()[instance.module]
        given = {key: _quoted(value) for key, value in instance.parameters.items()}
        nets = {}
        for port in module.ports:
            shared = port.name in ("ap_clk", "ap_rst_n")
            net = f"{instance.group if shared else instance.name}_{port.name}"
            width = _with(port.width, {**module.parameters, **given})
            ports[net] = f"  {'input' if port.is_input else 'output'} logic [{width}-1:0] {net}"
            nets[port.name] = net
        body += module.instance(f"i_{instance.name}", given, nets)
    return f"module {TOP} (\n" + ",\n".join(ports.values()) + f"\n);\n{body}endmodule\n"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) and "'" not in value else str(value)


def _with(width: str, parameters: Mapping[str, str]) -> str:
    while any(re.search(rf"\b{name}\b", width) for name in parameters):
        for name, value in parameters.items():
            width = re.sub(rf"\b{name}\b", str(value), width)
    return f"({width})"
