"""Packaging of the RTL of edgemoe-gen as an IP of the block design: its buses, registers and files.

In: a design. Out: the name `ip` of the templates `flow/rtl_ip.*`, which compute nothing. Ports and registers are those
of the IP that Vitis HLS would export, so block design, hardware description and driver serve both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgemoe_gen.codegen.synthesis import RESET_REGISTERS, period_ns
from edgemoe_gen.codegen.wiring import CONTROL_RANGE
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import (
    ADDRESS_BITS,
    AXI_BURST,
    AXI_OUTSTANDING,
    LITE,
    MASTER,
    bundles,
    is_answer,
    signal_bits,
)
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.hardware.registers import CONTROL_BITS, control_address_bits, engine_registers

WRAPPER = f"{TOP}_ip"  # the module that is packaged
CONTROL_BUS = "s_axi_control"
AXI3_ONLY = ("WID",)
AXI4_BITS = {"AWLOCK": 1, "ARLOCK": 1}  # where the RTL has AXI3's two, as Vitis HLS exports them


@dataclass(frozen=True)
class PackagedPort:
    """A port of the IP: its name, that of its bus (the logical one), direction, and the range of its declaration."""

    name: str
    logical: str
    direction: str
    range: str
    net: str


@dataclass(frozen=True)
class PackagedBus:
    """A memory-mapped bus of the IP: mode as IP-XACT says it, address space of a master, parameters."""

    name: str
    mode: str
    space: str
    ports: tuple[PackagedPort, ...]
    parameters: tuple[tuple[str, str], ...]


def packaging_context(design: Design) -> dict[str, Any]:
    """Names that the templates of packaging use, beside those of `synthesis_context`: one, `ip`."""
    registers = engine_registers(design.knobs.weight_ports)
    buses = (_control(control_address_bits(registers)), *(_master(each, design) for each in _masters(design)))
    return {
        "ip": {
            "wrapper": WRAPPER,
            "buses": buses,
            "clocked": ":".join(bus.name for bus in buses),
            "control": CONTROL_BUS,
            "left_open": [f"{bundle}_{name}" for bundle in _masters(design) for name in AXI3_ONLY],
            "locks": [f"{bundle}_{name}" for bundle in _masters(design) for name in AXI4_BITS],
            "reset_last": RESET_REGISTERS - 1,
            "reset_before": RESET_REGISTERS - 2,
            "registers": [
                {
                    "name": register.name,
                    "offset": f"0x{register.offset:02X}",
                    "access": register.access,
                    "meaning": register.meaning,
                    "fields": [{"name": name, "low": low, "bits": bits} for name, low, bits in register.parts],
                }
                for register in registers
            ],
            "register_range": CONTROL_RANGE,
            "address_bits": ADDRESS_BITS,
            "period_ns": period_ns(design.knobs.clock_mhz),
        }
    }


def _masters(design: Design) -> list[str]:
    return [f"m_axi_{bundle}" for bundle in bundles(design.knobs.weight_ports)]


def _control(address_bits: int) -> PackagedBus:
    ports = tuple(
        _port(CONTROL_BUS, name, not is_answer(name), signal_bits(bits, CONTROL_BITS, address_bits))
        for name, bits in LITE
    )
    parameters = (("PROTOCOL", "AXI4LITE"), ("DATA_WIDTH", str(CONTROL_BITS)), ("ADDR_WIDTH", str(address_bits)))
    return PackagedBus(CONTROL_BUS, "slave", "", ports, parameters)


def _master(name: str, design: Design) -> PackagedBus:
    data = design.knobs.port_bits
    ports = tuple(
        _port(name, signal, is_answer(signal), AXI4_BITS.get(signal, signal_bits(bits, data)))
        for signal, bits in MASTER
        if signal not in AXI3_ONLY
    )
    parameters = (
        ("PROTOCOL", "AXI4"),
        ("DATA_WIDTH", str(data)),
        ("ADDR_WIDTH", str(ADDRESS_BITS)),
        ("MAX_BURST_LENGTH", str(AXI_BURST)),
        ("NUM_READ_OUTSTANDING", str(AXI_OUTSTANDING)),
        ("NUM_WRITE_OUTSTANDING", str(AXI_OUTSTANDING)),
        ("SUPPORTS_NARROW_BURST", "0"),
    )
    return PackagedBus(name, "master", f"Data_{name}", ports, parameters)


def _port(bus: str, signal: str, is_input: bool, bits: int) -> PackagedPort:
    name = f"{bus}_{signal}"
    width = f"[{bits - 1}:0] " if bits > 1 else ""
    # The RTL has two bits of AxLOCK; the upper one is always 0.
    net = f"{{{name}_high, {name}}}" if signal in AXI4_BITS else name
    return PackagedPort(name, signal, "input" if is_input else "output", width, net)
