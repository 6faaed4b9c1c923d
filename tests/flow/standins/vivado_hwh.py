"""Writes a hardware description (.hwh) from the stand-in's model, in the layout that Vivado writes and PYNQ reads.

EDKSYSTEM > MODULES > MODULE, each with its address blocks, parameters, ports, buses and memory map.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vivado_registers import address_blocks

Json = dict[str, Any]

AXIMM = "xilinx.com:interface:aximm:1.0"
# Signals of a bus: name, width (a word, or 0 for one bit without a range), and whether the master drives it.
LITE = (
    ("AWADDR", "address", True), ("AWPROT", "3", True), ("AWVALID", "", True), ("AWREADY", "", False),
    ("WDATA", "data", True), ("WSTRB", "strobe", True), ("WVALID", "", True), ("WREADY", "", False),
    ("BRESP", "2", False), ("BVALID", "", False), ("BREADY", "", True),
    ("ARADDR", "address", True), ("ARPROT", "3", True), ("ARVALID", "", True), ("ARREADY", "", False),
    ("RDATA", "data", False), ("RRESP", "2", False), ("RVALID", "", False), ("RREADY", "", True),
)  # fmt: skip
FULL = (
    *LITE,
    ("AWLEN", "8", True), ("AWSIZE", "3", True), ("AWBURST", "2", True), ("AWLOCK", "1", True), ("AWCACHE", "4", True),
    ("AWQOS", "4", True), ("WLAST", "", True),
    ("ARLEN", "8", True), ("ARSIZE", "3", True), ("ARBURST", "2", True), ("ARLOCK", "1", True), ("ARCACHE", "4", True),
    ("ARQOS", "4", True), ("RLAST", "", False),
)  # fmt: skip
BUSES = ("smartconnect",)


def main(model_path: Path, path: Path) -> None:
    """Writes the description of the model at `model_path` to `path`."""
    model = json.loads(model_path.read_text(encoding="utf-8"))
    root = build(model)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    header = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
    path.write_bytes(b"\xef\xbb\xbf" + (header + text + "\n").encode())


def build(model: Json) -> Element:
    """The whole tree."""
    project = model["project"]
    device, package, *grade = project["part"].split("-")
    root = Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="Mon Jan  1 00:00:00 2024", VIVADOVERSION=model["release"])
    SubElement(
        root,
        "SYSTEMINFO",
        ARCH="zynquplus",
        BOARD=project["board_part"],
        DEVICE=device,
        NAME=model["design"],
        PACKAGE=package,
        SPEEDGRADE=f"-{grade[0]}",
    )
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    wires = Wires(model)
    for cell in sorted(model["cells"], key=lambda item: str(item["name"])):
        module(modules, cell, model, wires)
    return root


class Wires:
    """Who is connected with whom, and the frequency of the one clock."""

    def __init__(self, model: Json) -> None:
        self.sinks = {net["driver"].lstrip("/"): [s.lstrip("/") for s in net["sinks"]] for net in model["nets"]}
        self.driver = {sink: driver for driver, sinks in self.sinks.items() for sink in sinks}
        self.slave = {bus["master"].lstrip("/"): bus["slave"].lstrip("/") for bus in model["buses"]}
        self.master = {slave: master for master, slave in self.slave.items()}
        self.bus = {f"{cell['name']}/{bus['name']}": bus for cell in model["cells"] for bus in cell["buses"]}
        ps = next(cell for cell in model["cells"] if kind(cell) == "zynq_ultra_ps_e")
        self.clock_hz = round(float(ps["config"]["PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"]) * 1e6)

    def facing(self, path: str) -> Json:
        """The bus at the other end; its widths count where this end has none of its own."""
        return dict(self.bus[self.slave.get(path) or self.master[path]])

    def widths(self, path: str) -> tuple[int, int]:
        """Data and address bits of a bus, seen through SmartConnects, whose own ends take those of their peers."""
        bus = self.bus[path]
        if int(bus["data"]):
            return int(bus["data"]), int(bus["address"])
        facing = self.facing(path)
        return int(facing["data"]), int(facing["address"])


def kind(cell: Json) -> str:
    """Name of the cell's IP."""
    return str(cell["vlnv"]).split(":")[2]


def module(modules: Element, cell: Json, model: Json, wires: Wires) -> None:
    """One MODULE."""
    name, vlnv = cell["name"], cell["vlnv"]
    role = "BUS" if kind(cell) in BUSES else "INTERRUPT_CNTLR" if kind(cell) == "axi_intc" else "PERIPHERAL"
    facts = {
        "COREREVISION": "0",
        "FULLNAME": f"/{name}",
        "HWVERSION": vlnv.split(":")[3],
        "INSTANCE": name,
        "IPTYPE": "BUS" if role == "BUS" else "PERIPHERAL",
        "IS_ENABLE": "1",
        "MODCLASS": role,
        "MODTYPE": kind(cell),
        "VLNV": vlnv,
    }
    if kind(cell) == "zynq_ultra_ps_e":
        facts |= {"CONFIGURABLE": "TRUE", "IS_PL": "FALSE"}
        del facts["MODCLASS"]
    element = SubElement(modules, "MODULE", facts)
    SubElement(element, "DOCUMENTS")
    for block in address_blocks(cell, model):
        SubElement(element, "ADDRESSBLOCKS").append(block)
    parameters(SubElement(element, "PARAMETERS"), cell, model)
    all_ports = SubElement(element, "PORTS")
    for pin in cell["pins"]:
        scalar_port(all_ports, cell, pin, wires)
    buses = SubElement(element, "BUSINTERFACES")
    for bus in cell["buses"]:
        bus_ports(all_ports, cell, bus, wires)
        bus_interface(buses, cell, bus, wires)
    memory_map(element, cell, model)


def parameters(element: Element, cell: Json, model: Json) -> None:
    """Configuration, then base and high address of each slave that a master reaches."""
    values = dict(cell["config"])
    values["Component_Name"] = f"{model['design']}_{cell['name']}_0"
    values["EDK_IPTYPE"] = "BUS" if kind(cell) in BUSES else "PERIPHERAL"
    for segment in model["segments"]:
        owner, bus = segment["slave"].lstrip("/").split("/")
        if owner == cell["name"] and segment["kind"] == "REGISTER":
            prefix = address_prefix(cell, bus)
            values |= {f"{prefix}BASEADDR": segment["base"], f"{prefix}HIGHADDR": segment["high"]}
    for key, value in values.items():
        SubElement(element, "PARAMETER", NAME=key, VALUE=str(value))


def address_prefix(cell: Json, bus: str) -> str:
    """C_ for the vendor's peripherals, C_<BUS>_ for an engine of HLS."""
    return f"C_{bus.upper()}_" if ":hls:" in cell["vlnv"] else "C_"


def port(element: Element, name: str, direction: str, left: int, signal: str, ends: list[str], **more: str) -> None:
    """One PORT: `ends` are `cell/port` at the other ends, `left` is -1 without a range."""
    facts = {"DIR": direction, "NAME": name} | ({"LEFT": str(left), "RIGHT": "0"} if left >= 0 else {}) | more
    if ends:
        facts["SIGNAME"] = signal
    found = SubElement(element, "PORT", dict(sorted(facts.items())))
    if ends:
        connections = SubElement(found, "CONNECTIONS")
        for end in ends:
            instance, other = end.split("/")
            SubElement(connections, "CONNECTION", INSTANCE=instance, PORT=other)


def scalar_port(element: Element, cell: Json, pin: Json, wires: Wires) -> None:
    """A port that belongs to no memory-mapped bus."""
    path = f"{cell['name']}/{pin['name']}"
    ends = (
        list(wires.sinks.get(path, ())) if pin["dir"] == "O" else [wires.driver[path]] if path in wires.driver else []
    )
    source = path if pin["dir"] == "O" else wires.driver.get(path, path)
    more = {"SIGIS": "INTERRUPT" if pin["kind"] == "interrupt" else pin["kind"]}
    if pin["kind"] == "clk":
        more["CLKFREQUENCY"] = str(wires.clock_hz)
    if pin["kind"] == "interrupt":
        more["SENSITIVITY"] = "LEVEL_HIGH"
    port(element, pin["name"], pin["dir"], int(pin["left"]), source.replace("/", "_"), ends, **more)


def signals(bus: Json, data: int, address: int) -> list[tuple[str, str, int, bool]]:
    """Signals of a bus: logical name, physical name, leftmost bit, and whether this end drives it."""
    widths = {"address": address, "data": data, "strobe": data // 8, "": 0}
    upper = bus["ports"].startswith(("m_axi_", "s_axi_")) and bus["ports"] != "s_axi"
    found = []
    for name, width, by_master in FULL if bus["protocol"] == "AXI4" else LITE:
        physical = f"{bus['ports']}_{name if upper else name.lower()}"
        bits = widths[width] if width in widths else int(width)
        found.append((name, physical, bits - 1 if bits else -1, by_master == (bus["mode"] == "MASTER")))
    return found


def bus_ports(element: Element, cell: Json, bus: Json, wires: Wires) -> None:
    """Ports of a bus, each connected with the port of the same meaning at the other end."""
    path = f"{cell['name']}/{bus['name']}"
    peer = wires.slave.get(path) or wires.master[path]
    other = {name: physical for name, physical, _, _ in signals(wires.bus[peer], *wires.widths(peer))}
    master = bus if bus["mode"] == "MASTER" else wires.bus[peer]
    owner = cell["name"] if bus["mode"] == "MASTER" else peer.split("/")[0]
    named = {name: physical for name, physical, _, _ in signals(master, 32, 32)}
    for name, physical, left, drives in signals(bus, *wires.widths(path)):
        ends = [f"{peer.split('/')[0]}/{other[name]}"] if name in other else []
        signal = f"{owner}_{named.get(name, physical)}"
        port(element, physical, "O" if drives else "I", left, signal, ends, SIGIS="undef")


def bus_interface(element: Element, cell: Json, bus: Json, wires: Wires) -> None:
    """One BUSINTERFACE."""
    path = f"{cell['name']}/{bus['name']}"
    master = path if bus["mode"] == "MASTER" else wires.master[path]
    data, address = wires.widths(path)
    found = SubElement(
        element,
        "BUSINTERFACE",
        BUSNAME=master.replace("/", "_"),
        DATAWIDTH=str(data),
        NAME=bus["name"],
        TYPE=bus["mode"],
        VLNV=AXIMM,
    )
    facts = {"DATA_WIDTH": data, "ADDR_WIDTH": address, "PROTOCOL": bus["protocol"], "FREQ_HZ": wires.clock_hz}
    for key, value in facts.items():
        SubElement(found, "PARAMETER", NAME=key, VALUE=str(value))
    maps = SubElement(found, "PORTMAPS")
    for name, physical, _, _ in signals(bus, data, address):
        SubElement(maps, "PORTMAP", LOGICAL=name, PHYSICAL=physical)


def memory_map(element: Element, cell: Json, model: Json) -> None:
    """MEMORYMAP and PERIPHERALS of a cell with masters."""
    cells = {item["name"]: item for item in model["cells"]}
    mine = [item for item in model["segments"] if item["master"].lstrip("/").split("/")[0] == cell["name"]]
    if not mine:
        return
    ranges = SubElement(element, "MEMORYMAP")
    for item in mine:
        owner, bus = item["slave"].lstrip("/").split("/")
        prefix = address_prefix(cells[owner], bus) if item["kind"] == "REGISTER" else "C_"
        SubElement(
            ranges,
            "MEMRANGE",
            ADDRESSBLOCK=item["segment"].split("/")[-1],
            BASENAME=f"{prefix}BASEADDR",
            BASEVALUE=item["base"],
            HIGHNAME=f"{prefix}HIGHADDR",
            HIGHVALUE=item["high"],
            INSTANCE=owner,
            IS_DATA="TRUE",
            IS_INSTRUCTION="TRUE",
            MASTERBUSINTERFACE=item["master"].split("/")[-1],
            MEMTYPE=item["kind"],
            SLAVEBUSINTERFACE=bus,
        )
    peripherals = SubElement(element, "PERIPHERALS")
    for owner in dict.fromkeys(item["slave"].lstrip("/").split("/")[0] for item in mine):
        SubElement(peripherals, "PERIPHERAL", INSTANCE=owner)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
