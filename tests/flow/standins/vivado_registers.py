"""Address blocks of a hardware description: registers of the engine from its component.xml, of the vendor's IP as in
their guides (PG144 for axi_gpio, PG099 for axi_intc), memory of the processing system.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vivado_ipxact import SPIRIT, text

Json = dict[str, Any]
Register = tuple[str, int, str, str]

GPIO: tuple[Register, ...] = (
    ("GPIO_DATA", 0x0, "read-write", "Channel-1 AXI GPIO Data register"),
    ("GPIO_TRI", 0x4, "read-write", "Channel-1 AXI GPIO 3-State Control register"),
    ("GPIO2_DATA", 0x8, "read-write", "Channel-2 AXI GPIO Data register"),
    ("GPIO2_TRI", 0xC, "read-write", "Channel-2 AXI GPIO 3-State Control register"),
)
INTERRUPTS: tuple[Register, ...] = (
    ("ISR", 0x00, "read-write", "Interrupt Status Register"),
    ("IPR", 0x04, "read-only", "Interrupt Pending Register"),
    ("IER", 0x08, "read-write", "Interrupt Enable Register"),
    ("IAR", 0x0C, "write-only", "Interrupt Acknowledge Register"),
    ("SIE", 0x10, "write-only", "Set Interrupt Enables"),
    ("CIE", 0x14, "write-only", "Clear Interrupt Enables"),
    ("IVR", 0x18, "read-only", "Interrupt Vector Register"),
    ("MER", 0x1C, "read-write", "Master Enable Register"),
)
# Fields of the registers that every block-level HLS control bus has (UG1399, "S_AXILITE control register map").
FIELDS = {
    "CTRL": (("AP_START", 0, 1), ("AP_DONE", 1, 1), ("AP_IDLE", 2, 1), ("AP_READY", 3, 1), ("AUTO_RESTART", 7, 1)),
    "GIER": (("Enable", 0, 1),),
    "IP_IER": (("CHAN0_INT_EN", 0, 1), ("CHAN1_INT_EN", 1, 1)),
    "IP_ISR": (("CHAN0_INT_ST", 0, 1), ("CHAN1_INT_ST", 1, 1)),
}


def address_blocks(cell: Json, model: Json) -> list[Element]:
    """The ADDRESSBLOCK elements of a cell."""
    if "component" in cell:
        return component_blocks(Path(cell["component"]))
    kind = cell["vlnv"].split(":")[2]
    if kind == "axi_gpio":
        return [block("S_AXI", [register(*facts) for facts in GPIO])]
    if kind == "axi_intc":
        return [block("s_axi", [register(*facts) for facts in INTERRUPTS])]
    if kind == "zynq_ultra_ps_e":
        return memory_blocks(cell, model)
    return []


def block(interface: str, registers: list[Element], size: str = "65536") -> Element:
    """A block of registers behind a bus."""
    element = Element(
        "ADDRESSBLOCK", ACCESS="read-write", INTERFACE=interface, NAME="Reg", RANGE=size, USAGE="register"
    )
    SubElement(element, "REGISTERS").extend(registers)
    return element


def properties(element: Element, **values: str) -> None:
    """PROPERTY children, in the order given."""
    for name, value in values.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=value)


def register(name: str, offset: int, access: str, what: str, fields: tuple[tuple[str, int, int], ...] = ()) -> Element:
    """One register of 32 bits; without fields of its own it has one that is all of it."""
    element = Element("REGISTER", NAME=name)
    properties(
        element,
        DESCRIPTION=what,
        ADDRESS_OFFSET=str(offset),
        SIZE="32",
        ACCESS=access,
        IS_ENABLED="true",
        RESET_VALUE="0",
    )
    all_fields = SubElement(element, "FIELDS")
    for field, bit, width in fields or ((name, 0, 32),):
        found = SubElement(all_fields, "FIELD", NAME=field)
        properties(
            found,
            DESCRIPTION=f"Bit {bit + width - 1} to {bit} of {field}",
            ADDRESS_OFFSET=str(bit),
            ACCESS=access,
            MODIFIED_READ_VALUES="",
            WRITE_CONSTRAINT="0",
            READ_ACTION="",
            BIT_OFFSET=str(bit),
            BIT_WIDTH=str(width),
        )
    return element


def component_blocks(path: Path) -> list[Element]:
    """Blocks of a packaged IP: each memory map is named like its bus."""
    root = ElementTree.parse(path).getroot()
    found = []
    for memory_map in root.iter(f"{SPIRIT}memoryMap"):
        items = list(memory_map.iter(f"{SPIRIT}register"))
        names = {text(item, "name") for item in items}
        registers = [
            register(
                text(item, "name"),
                int(text(item, "addressOffset", "0"), 0),
                text(item, "access", "read-write"),
                text(item, "description"),
                FIELDS.get(text(item, "name"), ()) or value_fields(item) or argument_field(text(item, "name"), names),
            )
            for item in items
        ]
        size = str(int(text(memory_map, "addressBlock/range", "65536"), 0))
        found.append(block(text(memory_map, "name"), registers, size))
    return found


def argument_field(name: str, names: set[str]) -> tuple[tuple[str, int, int], ...]:
    """The field of an argument's register: both words of a pointer have a field with the argument's own name."""
    for end, other in (("_1", "_2"), ("_2", "_1")):
        argument = name.removesuffix(end)
        if argument != name and argument + other in names:
            return ((argument, 0, 32),)
    if name.endswith("_ctrl"):
        return ((name.removesuffix("_ctrl") + "_ap_vld", 0, 1),)
    return ((name, 0, 32),)


def value_fields(item: Element) -> tuple[tuple[str, int, int], ...]:
    """Fields that a packaged IP lists of a register."""
    return tuple(
        (text(field, "name"), int(text(field, "bitOffset", "0"), 0), int(text(field, "bitWidth", "1"), 0))
        for field in item.findall(f"{SPIRIT}field")
    )


def memory_blocks(cell: Json, model: Json) -> list[Element]:
    """Blocks of memory that masters reach through the processing system's ports."""
    found = []
    for item in {segment["segment"]: segment for segment in model["segments"]}.values():
        owner, *interface, name = item["segment"].lstrip("/").split("/")
        if owner == cell["name"] and item["kind"] == "MEMORY":
            size = hex(int(item["high"], 16) - int(item["base"], 16) + 1)
            facts = {"ACCESS": "", "INTERFACE": interface[0], "NAME": name, "RANGE": size, "USAGE": "memory"}
            found.append(Element("ADDRESSBLOCK", facts))
    return found
