"""Writes a hardware handoff (.hwh) from a design alone, in the layout of Vivado, which PYNQ reads.

It replaces Vivado's own file before synthesis: instances, addresses, registers, connections and clock are those that
`flow/bitstream.tcl` will give. Layout: EDKSYSTEM > MODULES > MODULE, each with address blocks, parameters, ports, buses
and memory map, as in files of Vivado 2019.1 to 2023.2.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.registers import Register
from edgemoe_gen.overlay.block_design import Block, BlockDesign, Bus, Pin, Range, block_design

MEMORY_MAPPED = "xilinx.com:interface:aximm:1.0"
VIVADO = "2023.2"  # whose layout this is
# Signals of a bus that the master drives, then those that the slave drives; a width may be that of data or address.
_LITE_OUT = {
    "AWADDR": "address", "AWPROT": 3, "AWVALID": 0, "WDATA": "data", "WSTRB": "strobe", "WVALID": 0, "BREADY": 0,
    "ARADDR": "address", "ARPROT": 3, "ARVALID": 0, "RREADY": 0,
}  # fmt: skip
_LITE_IN = {"AWREADY": 0, "WREADY": 0, "BRESP": 2, "BVALID": 0, "ARREADY": 0, "RDATA": "data", "RRESP": 2, "RVALID": 0}
_BURST = {"LEN": 8, "SIZE": 3, "BURST": 2, "LOCK": 1, "CACHE": 4, "QOS": 4}
_FULL_OUT = {**_LITE_OUT, **{f"A{way}{name}": bits for way in "WR" for name, bits in _BURST.items()}, "WLAST": 0}
_FULL_IN = {**_LITE_IN, "RLAST": 0}


def write_hwh(design: Design, path: Path, clock_mhz: float | None = None) -> None:
    """Writes the handoff of a design to `path`; the folder must be there.

    Args:
        design: whose engine, on whose board.
        path: of the file.
        clock_mhz: clock of the engine; None takes the design's own.
    """
    path.write_bytes(hwh_bytes(design, clock_mhz))


def hwh_bytes(design: Design, clock_mhz: float | None = None) -> bytes:
    """The handoff of a design: the same design gives the same bytes."""
    facts = block_design(design, clock_mhz)
    device, package, *grade = design.board.part.split("-")
    # The time is part of the layout, but a file that says when it was made would differ with every build.
    root = Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="Thu Jan  1 00:00:00 1970", VIVADOVERSION=VIVADO)
    SubElement(
        root, "SYSTEMINFO", ARCH="zynquplus", BOARD=design.board.board_part, DEVICE=device, NAME=facts.name,
        PACKAGE=package, SPEEDGRADE=f"-{grade[0]}",
    )  # fmt: skip
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    writer = _Writer(facts)
    modules.extend(writer.module(block) for block in facts.blocks)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    header = '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n'
    return b"\xef\xbb\xbf" + f"{header}{text}\n".encode()


class _Writer:
    """Elements of one block design."""

    def __init__(self, facts: BlockDesign) -> None:
        self.facts = facts
        self.blocks = {block.name: block for block in facts.blocks}
        self.drivers = {sink: driver for driver, sinks in facts.nets.items() for sink in sinks}
        self.masters = {slave: master for master, slave in facts.links.items()}

    def module(self, block: Block) -> Element:
        """One instance."""
        role = {"smartconnect": "BUS", "axi_intc": "INTERRUPT_CNTLR"}.get(block.kind, "PERIPHERAL")
        said = {
            "COREREVISION": "0", "FULLNAME": f"/{block.name}", "HWVERSION": block.vlnv.split(":")[3],
            "INSTANCE": block.name, "IPTYPE": "BUS" if role == "BUS" else "PERIPHERAL", "IS_ENABLE": "1",
            "MODCLASS": role, "MODTYPE": block.kind, "VLNV": block.vlnv,
        }  # fmt: skip
        if block.kind == "zynq_ultra_ps_e":
            said |= {"CONFIGURABLE": "TRUE", "IS_PL": "FALSE"}
            del said["MODCLASS"]
        element = Element("MODULE", said)
        SubElement(element, "DOCUMENTS")
        for address_block in self.address_blocks(block):
            SubElement(element, "ADDRESSBLOCKS").append(address_block)
        parameters = SubElement(element, "PARAMETERS")
        names = {"Component_Name": f"{self.facts.name}_{block.name}_0", "EDK_IPTYPE": said["IPTYPE"]}
        for name, value in {**block.parameters, **names}.items():
            SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
        ports = SubElement(element, "PORTS")
        ports.extend(self.pin(block, pin) for pin in block.pins)
        buses = SubElement(element, "BUSINTERFACES")
        for bus in block.buses:
            ports.extend(self.signals(block, bus))
            buses.append(self.bus(block, bus))
        self.memory_map(element, block)
        return element

    def address_blocks(self, block: Block) -> list[Element]:
        """Registers of a slave; memory behind the processing system's ports."""
        found = []
        if block.registers:
            said = {"ACCESS": "read-write", "INTERFACE": block.buses[0].name, "NAME": "Reg", "RANGE": "65536"}
            element = Element("ADDRESSBLOCK", {**said, "USAGE": "register"})
            SubElement(element, "REGISTERS").extend(_register(register) for register in block.registers)
            found.append(element)
        names = {bus.name: bus.ports.upper() for bus in block.buses}
        for place in {
            r.block: r for r in self.facts.ranges if r.slave[0] == block.name and r.kind == "MEMORY"
        }.values():
            said = {"ACCESS": "", "INTERFACE": names[place.slave[1]], "NAME": place.block, "RANGE": f"{place.size:#x}"}
            found.append(Element("ADDRESSBLOCK", {**said, "USAGE": "memory"}))
        return found

    def pin(self, block: Block, pin: Pin) -> Element:
        """A port that belongs to no memory-mapped bus."""
        here = (block.name, pin.name)
        driver = here if pin.direction == "O" else self.drivers.get(here)
        ends = self.facts.nets.get(here, ()) if pin.direction == "O" else (driver,) if driver else ()
        said = {"DIR": pin.direction, "NAME": pin.name, "SIGIS": pin.kind}
        if pin.kind == "clk":
            said["CLKFREQUENCY"] = str(self.facts.clock_hz)
        if pin.kind == "INTERRUPT":
            said["SENSITIVITY"] = "LEVEL_HIGH"
        return _port(said, pin.left, "_".join(driver or here), ends)

    def peer(self, block: Block, bus: Bus) -> tuple[str, Bus]:
        """Instance and bus at the other end."""
        here = (block.name, bus.name)
        instance, name = self.facts.links[here] if bus.is_master else self.masters[here]
        return instance, next(other for other in self.blocks[instance].buses if other.name == name)

    def signals(self, block: Block, bus: Bus) -> list[Element]:
        """Ports of a bus, each connected with the port of the same meaning at the other end."""
        instance, other = self.peer(block, bus)
        far = {logical: physical for logical, physical, _, _ in _signals(other)}
        owner = block.name if bus.is_master else instance
        found = []
        for logical, physical, left, drives in _signals(bus):
            said = {"DIR": "O" if drives else "I", "NAME": physical, "SIGIS": "undef"}
            ends = ((instance, far[logical]),) if logical in far else ()
            wire = physical if bus.is_master else far.get(logical, physical)
            found.append(_port(said, left, f"{owner}_{wire}", ends))
        return found

    def bus(self, block: Block, bus: Bus) -> Element:
        """One BUSINTERFACE."""
        master = (block.name, bus.name) if bus.is_master else self.masters[(block.name, bus.name)]
        said = {"BUSNAME": "_".join(master), "DATAWIDTH": str(bus.data), "NAME": bus.name}
        element = Element(
            "BUSINTERFACE", {**said, "TYPE": "MASTER" if bus.is_master else "SLAVE", "VLNV": MEMORY_MAPPED}
        )
        facts = {"DATA_WIDTH": bus.data, "ADDR_WIDTH": bus.address, "PROTOCOL": bus.protocol}
        for name, value in {**facts, "FREQ_HZ": self.facts.clock_hz}.items():
            SubElement(element, "PARAMETER", NAME=name, VALUE=str(value))
        maps = SubElement(element, "PORTMAPS")
        for logical, physical, _, _ in _signals(bus):
            SubElement(maps, "PORTMAP", LOGICAL=logical, PHYSICAL=physical)
        return element

    def memory_map(self, element: Element, block: Block) -> None:
        """MEMORYMAP and PERIPHERALS of an instance with masters."""
        mine = [place for place in self.facts.ranges if place.master[0] == block.name]
        if not mine:
            return
        SubElement(element, "MEMORYMAP").extend(self.memory_range(place) for place in mine)
        peripherals = SubElement(element, "PERIPHERALS")
        for instance in dict.fromkeys(place.slave[0] for place in mine):
            SubElement(peripherals, "PERIPHERAL", INSTANCE=instance)

    def memory_range(self, place: Range) -> Element:
        """One MEMRANGE."""
        instance, bus = place.slave
        prefix = f"C_{bus.upper()}_" if ":hls:" in self.blocks[instance].vlnv else "C_"
        return Element(
            "MEMRANGE", ADDRESSBLOCK=place.block, BASENAME=f"{prefix}BASEADDR", BASEVALUE=f"0x{place.base:08X}",
            HIGHNAME=f"{prefix}HIGHADDR", HIGHVALUE=f"0x{place.base + place.size - 1:08X}", INSTANCE=instance,
            IS_DATA="TRUE", IS_INSTRUCTION="TRUE", MASTERBUSINTERFACE=place.master[1], MEMTYPE=place.kind,
            SLAVEBUSINTERFACE=bus,
        )  # fmt: skip


def _signals(bus: Bus) -> list[tuple[str, str, int, bool]]:
    """Signals of a bus: logical name, physical name, leftmost bit (-1: a single wire), whether this end drives it."""
    widths = {"address": bus.address, "data": bus.data, "strobe": bus.data // 8}
    full = bus.protocol == "AXI4"
    found = []
    for names, by_master in ((_FULL_OUT if full else _LITE_OUT, True), (_FULL_IN if full else _LITE_IN, False)):
        for name, width in names.items():
            bits = widths[width] if isinstance(width, str) else int(str(width))
            physical = f"{bus.ports}_{name if bus.upper else name.lower()}"
            found.append((name, physical, bits - 1, by_master == bus.is_master))
    return found


def _port(said: dict[str, str], left: int, signal: str, ends: tuple[tuple[str, str], ...]) -> Element:
    said = said | ({"LEFT": str(left), "RIGHT": "0"} if left >= 0 else {}) | ({"SIGNAME": signal} if ends else {})
    element = Element("PORT", dict(sorted(said.items())))
    if ends:
        connections = SubElement(element, "CONNECTIONS")
        for instance, pin in ends:
            SubElement(connections, "CONNECTION", INSTANCE=instance, PORT=pin)
    return element


def _register(register: Register) -> Element:
    element = Element("REGISTER", NAME=register.name)
    _properties(
        element, DESCRIPTION=register.meaning, ADDRESS_OFFSET=register.offset, SIZE=32, ACCESS=register.access,
        IS_ENABLED="true", RESET_VALUE=0,
    )  # fmt: skip
    inside = SubElement(element, "FIELDS")
    for name, low, bits in register.parts:
        entry = SubElement(inside, "FIELD", NAME=name)
        _properties(
            entry, DESCRIPTION=name, ADDRESS_OFFSET=low, ACCESS=register.access, MODIFIED_READ_VALUES="",
            WRITE_CONSTRAINT=0, READ_ACTION="", BIT_OFFSET=low, BIT_WIDTH=bits,
        )  # fmt: skip
    return element


def _properties(element: Element, **values: object) -> None:
    for name, value in values.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=str(value))
