"""Makes what Vivado leaves of a build: a hardware handoff (.hwh) and a bitstream whose header is real.

The handoff has the instances, registers, addresses and connections of the project's block design, in the form that
Vivado 2022.1 writes, but only those signals of each bus that PYNQ's parser needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from edgemoe_gen.design import Design

ENGINE_ADDRESS, IDENTITY_ADDRESS, INTERRUPT_ADDRESS = 0xA0000000, 0xA0010000, 0xA0020000
DDR_HIGH = 0x7FFFFFFF
IOPLL_MHZ = 33.330004 * 45  # as Vivado counts on these boards; PYNQ counts with 33.333
MASTER_SIGNALS = (("ARADDR", "O", 63), ("ARVALID", "O", 0), ("ARREADY", "I", 0), ("RDATA", "I", 127))
CONTROL_FIELDS = (("AP_START", 0), ("AP_DONE", 1), ("AP_IDLE", 2), ("AP_READY", 3), ("AUTO_RESTART", 7))


def write_bitstream(folder: Path, design: Design, clock_mhz: float | None = None) -> Path:
    """`edgemoe.bit` and `edgemoe.hwh` of a design; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "edgemoe.bit").write_bytes(bit_bytes(design.board.part))
    (folder / "edgemoe.hwh").write_bytes(handoff_bytes(design, clock_mhz))
    return folder


def bit_bytes(part: str, content: bytes = bytes(range(256)) * 4) -> bytes:
    """A .bit file: a real header, and `content` in place of a configuration."""
    header = bytes.fromhex("00090ff00ff00ff00ff0000001")
    for letter, text in (
        ("a", "edgemoe_wrapper;UserID=0XFFFFFFFF;Version=2022.1"),
        ("b", part),
        ("c", "2026/01/01"),
        ("d", "00:00:00"),
    ):
        data = text.encode() + b"\0"
        header += letter.encode() + len(data).to_bytes(2, "big") + data
    return header + b"e" + len(content).to_bytes(4, "big") + content


def handoff_bytes(design: Design, clock_mhz: float | None = None) -> bytes:
    """A .hwh of a design."""
    root = Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="Thu Jan 1 00:00:00 2026", VIVADOVERSION="2022.1")
    device, package, speed = design.board.part.split("-")[:3]
    SubElement(
        root, "SYSTEMINFO", ARCH="zynquplus", BOARD=design.board.board_part, DEVICE=device, NAME="edgemoe",
        PACKAGE=package, SPEEDGRADE=f"-{speed}",
    )  # fmt: skip
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    divisor = math.ceil(IOPLL_MHZ / (clock_mhz or design.knobs.clock_mhz) - 0.01)
    hertz = str(round(1e6 * IOPLL_MHZ / divisor))
    masters = ["program", *(f"weights_{i}" for i in range(design.knobs.weight_ports)), "input", "result"]
    _processing_system(modules, [f"m_axi_gmem_{name}" for name in masters], divisor, hertz)
    _engine(modules, design, [f"m_axi_gmem_{name}" for name in masters], hertz)
    _identity(modules, design.identity)
    _interrupts(modules)
    return b"\xef\xbb\xbf" + ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _module(modules: Element, instance: str, vlnv: str, parameters: Mapping[str, str]) -> Element:
    module = SubElement(
        modules, "MODULE", FULLNAME=f"/{instance}", INSTANCE=instance, IPTYPE="PERIPHERAL", IS_ENABLE="1",
        MODTYPE=vlnv.split(":")[2], VLNV=vlnv,
    )  # fmt: skip
    SubElement(module, "ADDRESSBLOCKS")
    table = SubElement(module, "PARAMETERS")
    for name, value in parameters.items():
        SubElement(table, "PARAMETER", NAME=name, VALUE=value)
    for part in ("PORTS", "BUSINTERFACES", "MEMORYMAP"):
        SubElement(module, part)
    return module


def _port(module: Element, name: str, direction: str, to: Iterable[tuple[str, str]] = (), **more: str) -> None:
    port = SubElement(_part(module, "PORTS"), "PORT", DIR=direction, NAME=name, **({"SIGIS": "undef"} | more))
    connections = SubElement(port, "CONNECTIONS")
    for instance, pin in to:
        SubElement(connections, "CONNECTION", INSTANCE=instance, PORT=pin)


def _bus(module: Element, name: str, kind: str, bus: str, other: tuple[str, str]) -> None:
    """One side of an AXI bus; `other` is the instance and interface at its far end."""
    flip = {"I": "O", "O": "I"}
    place = SubElement(
        _part(module, "BUSINTERFACES"), "BUSINTERFACE", BUSNAME=bus, DATAWIDTH="128", NAME=name, TYPE=kind,
        VLNV="xilinx.com:interface:aximm:1.0",
    )  # fmt: skip
    SubElement(place, "PARAMETER", NAME="DATA_WIDTH", VALUE="128")
    maps = SubElement(place, "PORTMAPS")
    for signal, direction, high in MASTER_SIGNALS:
        SubElement(maps, "PORTMAP", LOGICAL=signal, PHYSICAL=f"{name}_{signal}")
        way = direction if kind == "MASTER" else flip[direction]
        far = [(other[0], f"{other[1]}_{signal}")]
        _port(module, f"{name}_{signal}", way, far, LEFT=str(high), RIGHT="0")


def _registers(module: Element, interface: str, registers: Mapping[str, tuple[int, str, Mapping[str, int]]]) -> None:
    block = SubElement(
        _part(module, "ADDRESSBLOCKS"), "ADDRESSBLOCK", ACCESS="read-write", INTERFACE=interface, NAME="Reg",
        RANGE="65536", USAGE="register",
    )  # fmt: skip
    table = SubElement(block, "REGISTERS")
    for name, (offset, access, fields) in registers.items():
        register = SubElement(table, "REGISTER", NAME=name)
        _properties(register, DESCRIPTION=name, ADDRESS_OFFSET=offset, SIZE=32, ACCESS=access, IS_ENABLED="true")
        inside = SubElement(register, "FIELDS")
        for field, low in (fields or {name: 0}).items():
            width = 1 if fields else 32
            entry = SubElement(inside, "FIELD", NAME=field)
            _properties(entry, DESCRIPTION=field, ACCESS=access, BIT_OFFSET=low, BIT_WIDTH=width)


def _properties(parent: Element, **values: object) -> None:
    for name, value in values.items():
        SubElement(parent, "PROPERTY", NAME=name, VALUE=str(value))


def _range(module: Element, instance: str, base: int, high: int, kind: str, master: str, slave: str) -> None:
    SubElement(
        _part(module, "MEMORYMAP"), "MEMRANGE", ADDRESSBLOCK="HP0_DDR_LOW" if kind == "MEMORY" else "Reg",
        BASEVALUE=f"0x{base:08X}", HIGHVALUE=f"0x{high:08X}", INSTANCE=instance, MASTERBUSINTERFACE=master,
        MEMTYPE=kind, SLAVEBUSINTERFACE=slave,
    )  # fmt: skip


def _part(module: Element, name: str) -> Element:
    part = module.find(name)
    assert part is not None
    return part


def _processing_system(modules: Element, masters: list[str], divisor: int, hertz: str) -> None:
    clock = {
        "PSU__FPGA_PL0_ENABLE": "1",
        "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
        "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0": str(divisor),
        "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1": "1",
        "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": f"{int(hertz) / 1e6:.6f}",
    }
    for i in (1, 2, 3):
        clock |= {
            f"PSU__FPGA_PL{i}_ENABLE": "0",
            f"PSU__CRL_APB__PL{i}_REF_CTRL__SRCSEL": "IOPLL",
            f"PSU__CRL_APB__PL{i}_REF_CTRL__DIVISOR0": "4",
            f"PSU__CRL_APB__PL{i}_REF_CTRL__DIVISOR1": "1",
            f"PSU__CRL_APB__PL{i}_REF_CTRL__ACT_FREQMHZ": "100",
        }
    clock |= {"C_MAXIGP0_DATA_WIDTH": "128"}
    ps = _module(modules, "ps", "xilinx.com:ip:zynq_ultra_ps_e:3.4", clock)
    _bus(ps, "M_AXI_HPM0_FPD", "MASTER", "control", ("edgemoe_engine", "s_axi_control"))
    for i, master in enumerate(masters):
        _bus(ps, f"S_AXI_{i}", "SLAVE", f"edgemoe_engine_{master}", ("edgemoe_engine", master))
    _port(ps, "pl_clk0", "O", [("edgemoe_engine", "ap_clk")], SIGIS="clk", CLKFREQUENCY=hertz)
    _port(ps, "pl_ps_irq0", "I", [("interrupts", "irq")], SIGIS="INTERRUPT", LEFT="0", RIGHT="0")
    for instance, base, slave in (
        ("edgemoe_engine", ENGINE_ADDRESS, "s_axi_control"),
        ("design_id", IDENTITY_ADDRESS, "S_AXI"),
        ("interrupts", INTERRUPT_ADDRESS, "s_axi"),
    ):
        _range(ps, instance, base, base + 0xFFFF, "REGISTER", "M_AXI_HPM0_FPD", slave)


def _engine(modules: Element, design: Design, masters: list[str], hertz: str) -> None:
    engine = _module(modules, "edgemoe_engine", "edgemoe:hls:edgemoe_engine:1.0", {"clk_period": "3.333"})
    _registers(engine, "s_axi_control", engine_registers(design))
    _bus(engine, "s_axi_control", "SLAVE", "control", ("ps", "M_AXI_HPM0_FPD"))
    for i, master in enumerate(masters):
        _bus(engine, master, "MASTER", f"edgemoe_engine_{master}", ("ps", f"S_AXI_{i}"))
        _range(engine, "ps", 0, DDR_HIGH, "MEMORY", master, f"S_AXI_{i}")
    _port(engine, "ap_clk", "I", [("ps", "pl_clk0")], SIGIS="clk", CLKFREQUENCY=hertz)
    _port(engine, "interrupt", "O", [("interrupts", "intr")], SIGIS="INTERRUPT")


def engine_registers(design: Design) -> dict[str, tuple[int, str, Mapping[str, int]]]:
    """Offset, access and fields by name, as Vitis HLS lays them out: a 64-bit pointer takes 12 bytes."""
    registers: dict[str, tuple[int, str, Mapping[str, int]]] = {
        "CTRL": (0, "read-write", dict(CONTROL_FIELDS)),
        "GIER": (4, "read-write", {"Enable": 0}),
        "IP_IER": (8, "read-write", {"CHAN0_INT_EN": 0}),
        "IP_ISR": (12, "read-write", {"CHAN0_INT_ST": 0}),
    }
    place = 16
    for name in (
        "program",
        *(f"weights_{i}" for i in range(design.knobs.weight_ports)),
        "constants",
        "image",
        "result",
    ):
        registers[f"{name}_1"] = (place, "write-only", {})
        registers[f"{name}_2"] = (place + 4, "write-only", {})
        place += 12
    registers["status"] = (place, "read-only", {})
    registers["status_ctrl"] = (place + 4, "read-only", {"status_ap_vld": 0})
    return registers


def _identity(modules: Element, identity: int) -> None:
    gpio = _module(modules, "design_id", "xilinx.com:ip:axi_gpio:2.0", {"C_IS_DUAL": "1", "C_ALL_INPUTS": "1"})
    names = (("GPIO_DATA", 0), ("GPIO_TRI", 4), ("GPIO2_DATA", 8), ("GPIO2_TRI", 12))
    _registers(gpio, "S_AXI", {name: (offset, "read-write", {}) for name, offset in names})
    _bus(gpio, "S_AXI", "SLAVE", "identity", ("ps", "M_AXI_HPM0_FPD"))
    for place, pin in enumerate(("gpio_io_i", "gpio2_io_i")):
        name = f"design_id_{('low', 'high')[place]}"
        value = f"0x{identity >> (32 * place) & 0xFFFFFFFF:08X}"
        constant = _module(modules, name, "xilinx.com:ip:xlconstant:1.1", {"CONST_WIDTH": "32", "CONST_VAL": value})
        _port(constant, "dout", "O", [("design_id", pin)], LEFT="31", RIGHT="0")
        _port(gpio, pin, "I", [(name, "dout")], LEFT="31", RIGHT="0")


def _interrupts(modules: Element) -> None:
    intc = _module(modules, "interrupts", "xilinx.com:ip:axi_intc:4.1", {"C_NUM_INTR_INPUTS": "1"})
    _registers(intc, "s_axi", {"ISR": (0, "read-write", {}), "IER": (8, "read-write", {})})
    _bus(intc, "s_axi", "SLAVE", "interrupts", ("ps", "M_AXI_HPM0_FPD"))
    _port(intc, "intr", "I", [("edgemoe_engine", "interrupt")], SIGIS="INTERRUPT", LEFT="0", RIGHT="0")
    _port(intc, "irq", "O", [("ps", "pl_ps_irq0")], SIGIS="INTERRUPT")
