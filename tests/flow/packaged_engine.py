"""A packaged engine for tests of the Vivado flow: component.xml as HLS writes it, or RTL to package.

Both hold what a block design needs (buses, clock, reset, interrupt, address spaces, registers, ports) and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import LITE, MASTER, is_answer, signal_bits
from edgemoe_gen.hardware.registers import CONTROL_BITS, control_address_bits, engine_registers

NAMESPACES = 'xmlns:spirit="http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"'
CONTROL = (("CTRL", 0x0), ("GIER", 0x4), ("IP_IER", 0x8), ("IP_ISR", 0xC))
FIRST_ARGUMENT = 0x10
POINTER_BYTES = 12  # two words of address and one that stays free
OUTPUT_BYTES = 16  # a word, its valid bit, and two that stay free
WORD = 4


def bundles(design: Design) -> list[str]:
    """AXI masters of the engine, by bundle."""
    weights = [f"gmem_weights_{port}" for port in range(design.knobs.weight_ports)]
    return ["gmem_program", *weights, "gmem_input", "gmem_result"]


def pointers(design: Design) -> list[str]:
    """Arguments that are addresses, in the order of their registers."""
    weights = [f"weights_{port}" for port in range(design.knobs.weight_ports)]
    return ["program", *weights, "constants", "image", "result"]


def registers(design: Design) -> list[tuple[str, int, str]]:
    """Registers of the control bus: name, offset, access (UG1399, "S_AXILITE control register map")."""
    found = [(name, offset, "read-write") for name, offset in CONTROL]
    offset = FIRST_ARGUMENT
    for name in pointers(design):
        found += [(f"{name}_1", offset, "write-only"), (f"{name}_2", offset + WORD, "write-only")]
        offset += POINTER_BYTES
    for name in ("status", "progress"):
        found += [(name, offset, "read-only"), (f"{name}_ctrl", offset + WORD, "read-only")]
        offset += OUTPUT_BYTES
    return found


def write_packaged_engine(folder: Path, design: Design, leave_out: str = "") -> Path:
    """Writes `folder/component.xml` and returns it; `leave_out` names a bus that the engine then lacks."""
    masters = [f"m_axi_{bundle}" for bundle in bundles(design) if f"m_axi_{bundle}" != leave_out]
    bits = design.knobs.port_bits
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<spirit:component {NAMESPACES}>"]
    lines += [_value("vendor", "edgemoe"), _value("library", "hls"), _value("name", "edgemoe_engine")]
    lines += [_value("version", "1.0"), "<spirit:busInterfaces>"]
    slave = '<spirit:slave><spirit:memoryMapRef spirit:memoryMapRef="s_axi_control"/></spirit:slave>'
    lines += _bus("s_axi_control", "interface", "aximm", slave, {"DATA_WIDTH": "32", "PROTOCOL": "AXI4LITE"})
    for name in masters:
        space = f'<spirit:addressSpaceRef spirit:addressSpaceRef="Data_{name}"/>'
        facts = {"ADDR_WIDTH": "64", "DATA_WIDTH": str(bits), "PROTOCOL": "AXI4"}
        lines += _bus(name, "interface", "aximm", f"<spirit:master>{space}</spirit:master>", facts)
    clocked = {"ASSOCIATED_BUSIF": ":".join(["s_axi_control", *masters]), "ASSOCIATED_RESET": "ap_rst_n"}
    lines += _bus("ap_clk", "signal", "clock", "<spirit:slave/>", clocked)
    lines += _bus("ap_rst_n", "signal", "reset", "<spirit:slave/>", {"POLARITY": "ACTIVE_LOW"})
    lines += _bus("interrupt", "signal", "interrupt", "<spirit:master/>", {"SENSITIVITY": "LEVEL_HIGH"})
    lines += ["</spirit:busInterfaces>", "<spirit:addressSpaces>"]
    lines += [f"<spirit:addressSpace>{_value('name', f'Data_{name}')}</spirit:addressSpace>" for name in masters]
    lines += ["</spirit:addressSpaces>", "<spirit:memoryMaps><spirit:memoryMap>", _value("name", "s_axi_control")]
    lines += ["<spirit:addressBlock>", _value("name", "Reg"), _value("range", "65536")]
    for name, offset, access in registers(design):
        place = _value("name", name) + _value("addressOffset", hex(offset)) + _value("size", "32")
        lines.append(f"<spirit:register>{place}{_value('access', access)}</spirit:register>")
    lines += ["</spirit:addressBlock></spirit:memoryMap></spirit:memoryMaps>", "</spirit:component>"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "component.xml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _value(name: str, text: str) -> str:
    return f"<spirit:{name}>{text}</spirit:{name}>"


def _bus(name: str, library: str, kind: str, mode: str, parameters: dict[str, str]) -> list[str]:
    type_ = f'<spirit:busType spirit:vendor="xilinx.com" spirit:library="{library}" spirit:name="{kind}"/>'
    said = "".join(
        f"<spirit:parameter>{_value('name', key)}{_value('value', value)}</spirit:parameter>"
        for key, value in parameters.items()
    )
    return [
        "<spirit:busInterface>",
        _value("name", name) + type_ + mode,
        f"<spirit:parameters>{said}</spirit:parameters>",
        "</spirit:busInterface>",
    ]


def rtl_stub(design: Design) -> str:
    """A top with the ports of the RTL and nothing in it; whether RTL has them, builds with real RTL tell."""
    address = control_address_bits(engine_registers(design.knobs.weight_ports))
    ports = [("input", 1, "ap_clk"), ("input", 1, "ap_rst_n"), ("output", 1, "interrupt")]
    for name, bits in LITE:
        way = "output" if is_answer(name) else "input"
        ports.append((way, signal_bits(bits, CONTROL_BITS, address), f"s_axi_control_{name}"))
    for bundle in bundles(design):
        for name, bits in MASTER:
            way = "input" if is_answer(name) else "output"
            ports.append((way, signal_bits(bits, design.knobs.port_bits), f"m_axi_{bundle}_{name}"))
    listed = ",\n".join(f"    {way} logic [{bits - 1}:0] {name}" for way, bits, name in ports)
    return f"module edgemoe_engine (\n{listed}\n);\nendmodule\n"


def write_rtl_stub(folder: Path, design: Design) -> None:
    """Writes it as the stage rtl leaves RTL."""
    folder.mkdir()
    (folder / "edgemoe_engine.sv").write_text(rtl_stub(design), encoding="utf-8")
    (folder / "edgemoe_engine.f").write_text("edgemoe_engine.sv\n", encoding="utf-8")
