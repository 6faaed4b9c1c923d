"""The packaged IP as `export_design` leaves it: component.xml (IP-XACT 1685-2009) and placeholders of the Verilog.

Bus interfaces follow the engine's bundles, registers its arguments, so that a block design can be built from it.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import escape

from vitis_report import write_text
from vitis_source import CONTROL_BYTES, Engine

SPACES = (
    'xmlns:xilinx="http://www.xilinx.com" xmlns:spirit="http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
RTL = "EDGEMOE_STANDIN_RTL"  # folder of Verilog that synthesis is to have made, instead of placeholders
FIXED = (
    ("CTRL", 0x00, "read-write", "Control signals"),
    ("GIER", 0x04, "read-write", "Global Interrupt Enable Register"),
    ("IP_IER", 0x08, "read-write", "IP Interrupt Enable Register"),
    ("IP_ISR", 0x0C, "read-write", "IP Interrupt Status Register"),
)
CTRL_FIELDS = (("AP_START", 0), ("AP_DONE", 1), ("AP_IDLE", 2), ("AP_READY", 3), ("AUTO_RESTART", 7), ("INTERRUPT", 9))


def write_ip(engine: Engine, folder: Path, identity: dict[str, str]) -> None:
    """Writes the IP: `identity` has vendor, library, ipname, version, display_name and description."""
    write_text(folder / "component.xml", component_xml(engine, identity))
    given = os.environ.get(RTL)
    for file in sorted(Path(given).glob("*.sv")) if given else ():
        write_text(folder / f"hdl/verilog/{file.stem}.v", file.read_text(encoding="utf-8"))
    for module in engine.modules if not given else ():
        name = engine.top if module == engine.top else f"{engine.top}_{module}"
        ports = ", ".join(_pins(engine)) if module == engine.top else "ap_clk, ap_rst"
        write_text(folder / f"hdl/verilog/{name}.v", f"`timescale 1 ns / 1 ps\n\nmodule {name} ({ports});\nendmodule\n")
    write_text(
        folder / f"xgui/{identity['ipname']}_v{identity['version'].replace('.', '_')}.tcl", "proc init_gui {} {}\n"
    )


def component_xml(engine: Engine, identity: dict[str, str]) -> str:
    """Text of component.xml."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<spirit:component {SPACES}>",
        *_fields(vendor=identity["vendor"], library=identity["library"]),
        *_fields(name=identity["ipname"], version=identity["version"]),
        "<spirit:busInterfaces>",
        *_bus("s_axi_control", "interface", "aximm", "slave", memory="s_axi_control"),
        *_bus("ap_clk", "signal", "clock", "slave"),
        *_bus("ap_rst_n", "signal", "reset", "slave", {"POLARITY": "ACTIVE_LOW"}),
        *_bus("interrupt", "signal", "interrupt", "master", {"SENSITIVITY": "LEVEL_HIGH"}),
    ]
    width = str(engine.constants["BEAT_BITS"])
    for bundle in engine.bundles:
        facts = {"ADDR_WIDTH": "64", "DATA_WIDTH": width, "MAX_BURST_LENGTH": "16", "PROTOCOL": "AXI4"}
        lines += _bus(f"m_axi_{bundle}", "interface", "aximm", "master", facts, memory=f"Data_m_axi_{bundle}")
    lines += ["</spirit:busInterfaces>", "<spirit:addressSpaces>"]
    for bundle in engine.bundles:
        lines += _fields("addressSpace", name=f"Data_m_axi_{bundle}", range="16E", width="64")
    lines += ["</spirit:addressSpaces>", "<spirit:memoryMaps>", "<spirit:memoryMap>"]
    lines += [*_fields(name="s_axi_control"), "<spirit:addressBlock>"]
    lines += _fields(name="Reg", baseAddress="0", range="65536", width="32", usage="register", access="read-write")
    registers = [*FIXED, *((r.name, r.offset, r.access, r.what) for r in engine.registers)]
    assert FIXED[-1][1] + 4 == CONTROL_BYTES
    for name, offset, access, what in registers:
        lines += ["<spirit:register>", *_fields(name=name, displayName=name, description=what)]
        lines += _fields(addressOffset=f"0x{offset:x}", size="32", access=access)
        for field, bit in CTRL_FIELDS if name == "CTRL" else ():
            lines += _fields("field", name=field, bitOffset=str(bit), bitWidth="1")
        lines.append("</spirit:register>")
    lines += ["</spirit:addressBlock>", "</spirit:memoryMap>", "</spirit:memoryMaps>"]
    lines += ["<spirit:model>", "<spirit:ports>"]
    for pin in _pins(engine):
        lines += _fields("port", name=pin)
    lines += ["</spirit:ports>", "</spirit:model>"]
    lines += _fields(description=identity["description"])
    lines += ["<spirit:vendorExtensions>", "<xilinx:coreExtensions>"]
    lines += [f"<xilinx:displayName>{escape(identity['display_name'])}</xilinx:displayName>"]
    lines += ["</xilinx:coreExtensions>", "</spirit:vendorExtensions>", "</spirit:component>"]
    return "\n".join(lines) + "\n"


def _fields(around: str = "", **values: str) -> list[str]:
    lines = [f"<spirit:{name}>{escape(value)}</spirit:{name}>" for name, value in values.items()]
    return [f"<spirit:{around}>", *lines, f"</spirit:{around}>"] if around else lines


def _bus(
    name: str, library: str, kind: str, mode: str, parameters: dict[str, str] | None = None, memory: str = ""
) -> list[str]:
    reference = 'spirit:vendor="xilinx.com" spirit:library="{}" spirit:name="{}" spirit:version="1.0"'
    lines = ["<spirit:busInterface>", *_fields(name=name)]
    lines.append(f"<spirit:busType {reference.format(library if kind == 'aximm' else 'signal', kind)}/>")
    link = {"slave": "memoryMapRef", "master": "addressSpaceRef"}[mode]
    attribute = f'spirit:{link.removesuffix("Ref")}Ref="{memory}"'
    lines += (
        [f"<spirit:{mode}>", f"<spirit:{link} {attribute}/>", f"</spirit:{mode}>"] if memory else [f"<spirit:{mode}/>"]
    )
    if parameters:
        lines.append("<spirit:parameters>")
        for key, value in parameters.items():
            lines += _fields("parameter", name=key, value=value)
        lines.append("</spirit:parameters>")
    return [*lines, "</spirit:busInterface>"]


def _pins(engine: Engine) -> list[str]:
    channels = ("ARADDR", "ARVALID", "ARREADY", "RDATA", "RVALID", "RREADY", "AWADDR", "AWVALID", "WDATA", "WVALID")
    names = ["ap_clk", "ap_rst_n", "interrupt"]
    for bus in ("s_axi_control", *(f"m_axi_{bundle}" for bundle in engine.bundles)):
        names += [f"{bus}_{channel}" for channel in channels]
    return names
