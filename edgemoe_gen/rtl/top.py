"""The engine with its buses: an AXI master for each bundle, and the control registers as Vitis HLS lays them out.

Module and ports have the names of Vitis HLS, so one block design and one testbench serve both.

Ports of one bundle share a master. They belong to one process. It requests a burst of a port only when it has read all
beats of the burst before, so arriving beats always belong to the reading port.

A bad answer of the memory ends the run, since a damaged program could make the engine wait forever. The masters give
up, the engine is reset, and the status says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import (
    ADDRESS_BITS,
    AXI_BURST,
    AXI_OUTSTANDING,
    MASTER,
    READ,
    AxiPort,
    axi_ports,
    is_answer,
    signal_bits,
)
from edgemoe_gen.hardware.descriptor import STATUSES
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.hardware.registers import Register, engine_registers
from edgemoe_gen.rtl.expressions import vector
from edgemoe_gen.rtl.library import FIRST_ARGUMENT, axilite_parameters, library
from edgemoe_gen.rtl.process import Process, Signal
from edgemoe_gen.rtl.structure import instance, module_text

BUS_ERROR = list(STATUSES).index("BUS_ERROR")
INSIDE = ("ap_clk", "ap_rst_n", "ap_start", "ap_done", "ap_ready", "ap_idle", "arguments", "values", "values_valid")


def make_top(engine: Process, design: Design) -> Process:
    """The top module around an engine's region."""
    return _Top(engine, design).process()


class _Top:
    def __init__(self, engine: Process, design: Design) -> None:
        self._engine = engine
        self._ports = axi_ports(design.knobs.weight_ports)
        self._registers = engine_registers(design.knobs.weight_ports)
        self._bits = design.knobs.port_bits
        self._signals = [Signal("ap_clk", True, 1), Signal("ap_rst_n", True, 1)]
        self._sizes = {signal.name: signal.bits for signal in engine.signals}

    def process(self) -> Process:
        """Text and ports."""
        lines = [f"wire {vector(s.bits)} engine_{s.name};" for s in self._engine.signals if s.name[:6] != "ap_clk"]
        bundles = dict.fromkeys(port.bundle for port in self._ports)
        lines += [line for bundle in bundles for line in (f"wire {bundle}_idle;", f"wire [1:0] {bundle}_error;")]
        lines += self._control(list(bundles))
        for bundle in bundles:
            lines += self._master(bundle, [port for port in self._ports if port.bundle == bundle])
        nets = {s.name: f"engine_{s.name}" for s in self._engine.signals} | {"ap_clk": "ap_clk"}
        lines += instance(self._engine, "engine", nets)
        text = module_text(TOP, "the engine with its buses", self._signals, lines)
        return Process(TOP, text, tuple(self._signals), {}, {}, ())

    def _word(self, name: str) -> int:
        """Number of a register among the words of arguments."""
        found: Register = next(register for register in self._registers if register.name == name)
        return (found.offset - FIRST_ARGUMENT) // 4

    def _control(self, bundles: list[str]) -> list[str]:
        module = library()["axilite"]
        parameters = axilite_parameters(self._registers)
        words = int(str(parameters["WORDS"]))
        nets = {port.name: port.name for port in module.ports}
        nets |= {"ap_start": "start", "ap_done": "done", "ap_ready": "done", "ap_idle": "idle"}
        for port in module.ports:
            prefix, _, signal = port.name.rpartition("_")
            if signal.endswith("prot"):  # Vitis HLS has none
                nets[port.name] = "3'd0"
            elif port.name not in INSIDE:
                bits = int(str(parameters["ADDRESS_BITS"])) if port.width == "ADDRESS_BITS" else int(port.width)
                nets[port.name] = f"{prefix}_{signal.upper()}" if prefix else port.name
                self._signals.append(Signal(nets[port.name], port.is_input, bits))
        errors = ", ".join(f"{bundle}_error" for bundle in bundles)
        quiet = " & ".join(f"{bundle}_idle" for bundle in bundles)
        lines = ["", "// The registers keep ap_start until the engine has ended; the engine takes a pulse."]
        lines += [
            "// A run has ended when all that it wrote is in memory; one with a bad answer when no answer is due."
        ]
        lines += ["logic start, started, ended, failed;", f"wire failing = |{{{errors}}};"]
        lines += [f"wire done = (failed | (ended & ~failing)) & {quiet};", "wire idle = ~(start | started);"]
        lines += ["always_ff @(posedge ap_clk) begin", "  ended <= ap_rst_n & ~done & (ended | engine_ap_done);"]
        lines += ["  failed <= ap_rst_n & ~done & (failed | failing);"]
        lines += ["  started <= ap_rst_n & ~done & (started | start);", "end"]
        lines += ["assign engine_ap_start = start & ~started;", "assign engine_ap_rst_n = ap_rst_n & ~failed;"]
        lines += [f"wire {vector(32 * words)} arguments, values;", f"wire {vector(words)} values_valid;"]
        status, progress = self._word("status"), self._word("progress")
        values, valid = ["32'd0"] * words, ["1'b0"] * words
        values[progress], valid[progress] = "engine_progress_write_data", "engine_progress_write_enable"
        values[status] = f"failed ? 32'd{BUS_ERROR} : engine_status_write_data"
        valid[status] = "failed ? done : engine_status_write_enable"
        lines.append(f"assign values = {{{', '.join(reversed(values))}}};")
        lines.append(f"assign values_valid = {{{', '.join(reversed(valid))}}};")
        return lines + module.instance("control", parameters, nets).splitlines()

    def _base(self, port: AxiPort) -> str:
        first = 32 * self._word(f"{port.name}_1")
        return f"arguments[{first + ADDRESS_BITS - 1}:{first}]"

    def _master(self, bundle: str, ports: list[AxiPort]) -> list[str]:
        reads = ports[0].direction == READ
        module = library()["axi_read" if reads else "axi_write"]
        low = (self._bits // 8 - 1).bit_length()
        index = ADDRESS_BITS - low
        given: Mapping[str, object] = {
            "DATA_BITS": self._bits, "ADDRESS_BITS": ADDRESS_BITS, "INDEX_BITS": index, "MAX_BURST": AXI_BURST,
            "OUTSTANDING": AXI_OUTSTANDING,
        }  # fmt: skip
        lines = ["", f"// {bundle}: {', '.join(port.name for port in ports)}"]
        firsts, counts, writes = [], [], []
        for port in ports:
            request = f"engine_{port.name}_request"
            wire = f"first_{port.name}"
            base = self._base(port)
            lines.append(f"wire {vector(ADDRESS_BITS)} base_{port.name} = {base};")
            lines.append(
                f"wire {vector(index)} {wire} = "
                f"base_{port.name}[{ADDRESS_BITS - 1}:{low}] + {request}_din[{index - 1}:0];"
            )
            firsts.append(wire)
            counts.append(f"{request}_din[{64 + index - 1}:64]")
            writes.append(f"{request}_write")
            lines.append(f"assign {request}_full_n = {bundle}_room;")
        lines.append(f"wire {bundle}_room;")
        nets = {
            "ap_clk": "ap_clk", "ap_rst_n": "ap_rst_n", "base": f"{ADDRESS_BITS}'d0",
            "stop": "failed", "error": f"{bundle}_error", "idle": f"{bundle}_idle",
            "request_first": _picked(writes, firsts), "request_beats": _picked(writes, counts),
            "request_write": " | ".join(writes), "request_full_n": f"{bundle}_room",
        }  # fmt: skip
        if reads:
            lines += [f"wire {vector(self._bits)} {bundle}_beat;", f"wire {bundle}_there;"]
            for port in ports:
                lines += [f"assign engine_{port.name}_dout = {bundle}_beat;"]
                lines += [f"assign engine_{port.name}_empty_n = {bundle}_there;"]
            taken = " | ".join(f"engine_{port.name}_read" for port in ports)
            nets |= {"beat_dout": f"{bundle}_beat", "beat_empty_n": f"{bundle}_there", "beat_read": taken}
        else:
            name = f"engine_{ports[0].name}"
            nets |= {"beat_din": f"{name}_din", "beat_write": f"{name}_write", "beat_full_n": f"{name}_full_n"}
        pins = [pin.name for pin in module.ports if pin.name.startswith("m_axi_")]
        nets |= {pin: f"m_axi_{bundle}_{pin.removeprefix('m_axi_').upper()}" for pin in pins}
        lock = "m_axi_arlock" if reads else "m_axi_awlock"  # one bit of the two that Vitis HLS exports, as in AXI3
        lines += [f"wire {bundle}_lock;", f"assign {nets[lock]} = {{1'b0, {bundle}_lock}};"]
        driven = {*nets.values()}
        nets[lock] = f"{bundle}_lock"
        for name, bits in MASTER:
            signal = Signal(f"m_axi_{bundle}_{name}", is_answer(name), signal_bits(bits, self._bits))
            self._signals.append(signal)
            if not signal.is_input and signal.name not in driven:
                lines.append(f"assign {signal.name} = '0;")
        return lines + module.instance(f"master_{bundle}", given, nets).splitlines()


def _picked(conditions: list[str], values: list[str]) -> str:
    text = values[-1]
    for condition, value in reversed(list(zip(conditions[:-1], values[:-1], strict=True))):
        text = f"{condition} ? {value} : {text}"
    return text


__all__ = ["make_top"]
