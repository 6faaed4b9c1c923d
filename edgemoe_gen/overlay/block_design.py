"""The block design of an accelerator as facts: the result of `flow/bitstream.tcl`, without Vivado.

In: a design. Out: blocks with their pins, buses and registers; connections; addresses. Wiring and addresses come from
`codegen.wiring`, from which the script is rendered too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgemoe_gen.codegen.wiring import ENGINE, ENGINE_VLNV, PROCESSING_SYSTEM, PROJECT, MemoryPort, Wiring, wiring
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import bundles
from edgemoe_gen.hardware.registers import CONTROL_BITS, Register, control_address_bits, engine_registers

PS_VLNV = "xilinx.com:ip:zynq_ultra_ps_e:3.4"
# The PLL that the logic's clock is divided from: 45 times the 33.33 MHz that these boards give, as Vivado counts.
IOPLL_MHZ = 33.330004 * 45
MAX_DIVISOR = 63  # six bits each, two in a row (UG1087, CRL_APB PL0_REF_CTRL)
SOURCES, LINES = "interrupt_sources", "interrupt_lines"  # concats before and behind the interrupt controller
DDR_LOW_BYTES = 0x8000_0000
PS_CONTROL_BITS, PS_MEMORY_BITS, ENGINE_BITS = 40, 49, 64
IP_ADDRESS_BITS = 9


@dataclass(frozen=True)
class Pin:
    """A pin outside of memory-mapped buses; `left` is -1 for a single wire; `kind` is Vivado's SIGIS."""

    name: str
    direction: str
    kind: str = "undef"
    left: int = -1


@dataclass(frozen=True)
class Bus:
    """A memory-mapped bus: `ports` begins the names of its signals, which are upper case at an engine of HLS."""

    name: str
    is_master: bool
    ports: str
    data: int
    address: int
    protocol: str = "AXI4"
    upper: bool = False


@dataclass(frozen=True)
class Block:
    """One instance."""

    name: str
    vlnv: str
    parameters: dict[str, str] = field(default_factory=dict)
    pins: tuple[Pin, ...] = ()
    buses: tuple[Bus, ...] = ()
    registers: tuple[Register, ...] = ()  # behind its first slave bus

    @property
    def kind(self) -> str:
        """Name of its IP."""
        return self.vlnv.split(":")[2]


@dataclass(frozen=True)
class Range:
    """Addresses that a master bus sees: a slave bus from `base` on. `kind` is REGISTER or MEMORY."""

    master: tuple[str, str]
    slave: tuple[str, str]
    base: int
    size: int
    block: str
    kind: str


@dataclass(frozen=True)
class BlockDesign:
    """The whole block design.

    Attributes:
        name: name of the block design.
        blocks: in alphabetical order.
        links: master to slave, as (instance, bus).
        nets: driver to sinks, as (instance, pin).
        ranges: address ranges of each master.
        clock_hz: clock of all logic.
    """

    name: str
    blocks: tuple[Block, ...]
    links: dict[tuple[str, str], tuple[str, str]]
    nets: dict[tuple[str, str], tuple[tuple[str, str], ...]]
    ranges: tuple[Range, ...]
    clock_hz: int


# PG144, "Register Space" of the AXI GPIO; PG099, that of the interrupt controller.
GPIO_REGISTERS = tuple(
    Register(name, offset, "read-write", f"Channel-{channel} AXI GPIO {what} register")
    for name, offset, channel, what in (
        ("GPIO_DATA", 0x0, 1, "Data"), ("GPIO_TRI", 0x4, 1, "3-State Control"),
        ("GPIO2_DATA", 0x8, 2, "Data"), ("GPIO2_TRI", 0xC, 2, "3-State Control"),
    )
)  # fmt: skip
INTERRUPT_REGISTERS = tuple(
    Register(name, 4 * place, access, meaning)
    for place, (name, access, meaning) in enumerate((
        ("ISR", "read-write", "Interrupt Status Register"), ("IPR", "read-only", "Interrupt Pending Register"),
        ("IER", "read-write", "Interrupt Enable Register"), ("IAR", "write-only", "Interrupt Acknowledge Register"),
        ("SIE", "write-only", "Set Interrupt Enables"), ("CIE", "write-only", "Clear Interrupt Enables"),
        ("IVR", "read-only", "Interrupt Vector Register"), ("MER", "read-write", "Master Enable Register"),
    ))
)  # fmt: skip


def clock_divisors(clock_mhz: float) -> tuple[int, int]:
    """Both dividers of the logic's clock, for the fastest clock up to the requested one."""
    least = max(1, math.ceil(IOPLL_MHZ / clock_mhz - 0.01))
    second = math.ceil(least / MAX_DIVISOR)
    return math.ceil(least / second), second


def block_design(design: Design, clock_mhz: float | None = None) -> BlockDesign:
    """The block design that `flow/bitstream.tcl` builds for a design; `clock_mhz`: another clock than its own."""
    facts = wiring(design)
    first, second = clock_divisors(clock_mhz or design.knobs.clock_mhz)
    hertz = round(1e6 * IOPLL_MHZ / (first * second))
    engine = _engine(design, facts)
    ps = _processing_system(facts, clock_mhz or design.knobs.clock_mhz, (first, second), hertz)
    control = _control(facts, engine.buses[0].address)
    memory = [_memory_connect(port) for port in facts.memory_ports]
    blocks = [engine, ps, control, *memory, *_identity(facts), *_interrupts(facts), _reset()]
    nets = dict(_nets(facts))
    links = dict(_links(facts))
    return BlockDesign(PROJECT, tuple(sorted(blocks, key=lambda b: b.name)), links, nets, tuple(_ranges(facts)), hertz)


def _engine(design: Design, facts: Wiring) -> Block:
    bits = design.knobs.port_bits
    wired = {master.bundle: master for port in facts.memory_ports for master in port.masters}
    masters = [wired[bundle] for bundle in bundles(design.knobs.weight_ports)]
    registers = engine_registers(design.knobs.weight_ports)
    address = control_address_bits(registers)
    buses = [Bus("s_axi_control", False, "s_axi_control", CONTROL_BITS, address, "AXI4LITE", True)]
    buses += [Bus(m.interface, True, m.interface, bits, ENGINE_BITS, upper=True) for m in masters]
    base = {slave.cell: slave for slave in facts.control}[ENGINE]
    high = int(base.offset, 0) + int(base.range, 0) - 1
    parameters = {
        "C_S_AXI_CONTROL_ADDR_WIDTH": str(address),
        "C_S_AXI_CONTROL_DATA_WIDTH": str(CONTROL_BITS),
        "clk_period": f"{1000 / design.knobs.clock_mhz:.2f}",
        "C_S_AXI_CONTROL_BASEADDR": base.offset,
        "C_S_AXI_CONTROL_HIGHADDR": f"0x{high:08X}",
    }
    pins = (Pin("ap_clk", "I", "clk"), Pin("ap_rst_n", "I", "rst"), Pin("interrupt", "O", "INTERRUPT"))
    return Block(ENGINE, ENGINE_VLNV, parameters, pins, tuple(buses), registers)


def _processing_system(facts: Wiring, wanted_mhz: float, divisors: tuple[int, int], hertz: int) -> Block:
    clock = "PSU__CRL_APB__PL{}_REF_CTRL__{}"
    parameters = dict(facts.ps_properties)
    parameters |= {"PSU__CRL_APB__IOPLL_CTRL__FBDIV": "90", "PSU__CRL_APB__IOPLL_CTRL__DIV2": "1"}
    # PYNQ reads the settings of all four clocks, whether they are in use or not.
    for number in range(4):
        used = number == 0
        parameters |= {
            f"PSU__FPGA_PL{number}_ENABLE": str(int(used)),
            clock.format(number, "SRCSEL"): "IOPLL",
            clock.format(number, "FREQMHZ"): f"{wanted_mhz:g}" if used else "100",
            clock.format(number, "ACT_FREQMHZ"): f"{hertz / 1e6:.6f}" if used else "100",
            clock.format(number, "DIVISOR0"): str(divisors[0] if used else 15),
            clock.format(number, "DIVISOR1"): str(divisors[1] if used else 1),
        }
    # PYNQ sets the width of the first control port by this one; what it says is what the properties say.
    parameters |= {"C_MAXIGP0_DATA_WIDTH": str(CONTROL_BITS), "PSU__USE__IRQ0": "1"}
    buses = [Bus(facts.control_master, True, "maxigp0", CONTROL_BITS, PS_CONTROL_BITS)]
    buses += [Bus(p.interface, False, p.segments.lower(), p.data_bits, PS_MEMORY_BITS) for p in facts.memory_ports]
    own = [pin.split("/")[1] for pin in facts.clock_pins if pin.startswith(f"{PROCESSING_SYSTEM}/")]
    pins = (
        Pin("pl_clk0", "O", "clk"), Pin("pl_resetn0", "O", "rst"), Pin(facts.ps_interrupt, "I", "INTERRUPT", 0),
        *(Pin(name, "I", "clk") for name in own),
    )  # fmt: skip
    return Block(PROCESSING_SYSTEM, PS_VLNV, parameters, pins, tuple(buses))


def _control(facts: Wiring, address: int) -> Block:
    buses = [Bus("S00_AXI", False, "S00_AXI", CONTROL_BITS, PS_CONTROL_BITS)]
    for slave in facts.control:
        bits = address if slave.cell == ENGINE else IP_ADDRESS_BITS
        buses.append(Bus(slave.output, True, slave.output, CONTROL_BITS, bits, "AXI4LITE"))
    return _connect("control", buses)


def _memory_connect(port: MemoryPort) -> Block:
    buses = [Bus(m.input, False, m.input, port.data_bits, ENGINE_BITS) for m in port.masters]
    return _connect(port.connect, [*buses, Bus("M00_AXI", True, "M00_AXI", port.data_bits, PS_MEMORY_BITS)])


def _connect(name: str, buses: list[Bus]) -> Block:
    masters = sum(bus.is_master for bus in buses)
    parameters = {"NUM_SI": str(len(buses) - masters), "NUM_MI": str(masters), "NUM_CLKS": "1", "HAS_ARESETN": "1"}
    pins = (Pin("aclk", "I", "clk"), Pin("aresetn", "I", "rst"))
    return Block(name, "xilinx.com:ip:smartconnect:1.0", parameters, pins, tuple(buses))


def _slave(facts: Wiring, cell: str) -> dict[str, str]:
    place = next(slave for slave in facts.control if slave.cell == cell)
    high = int(place.offset, 0) + int(place.range, 0) - 1
    return {"C_BASEADDR": place.offset, "C_HIGHADDR": f"0x{high:08X}"}


def _identity(facts: Wiring) -> Iterator[Block]:
    parameters = {
        "C_IS_DUAL": "1", "C_ALL_INPUTS": "1", "C_ALL_INPUTS_2": "1", "C_GPIO_WIDTH": "32", "C_GPIO2_WIDTH": "32",
        "C_INTERRUPT_PRESENT": "0", **_slave(facts, "design_id"),
    }  # fmt: skip
    pins = [Pin("s_axi_aclk", "I", "clk"), Pin("s_axi_aresetn", "I", "rst")]
    pins += [Pin(word.pin, "I", left=31) for word in facts.identity_words]
    bus = Bus("S_AXI", False, "s_axi", CONTROL_BITS, IP_ADDRESS_BITS, "AXI4LITE")
    yield Block("design_id", "xilinx.com:ip:axi_gpio:2.0", parameters, tuple(pins), (bus,), GPIO_REGISTERS)
    for word in facts.identity_words:
        constant = {"CONST_WIDTH": "32", "CONST_VAL": word.value}
        yield Block(word.cell, "xilinx.com:ip:xlconstant:1.1", constant, (Pin("dout", "O", left=31),))


def _interrupts(facts: Wiring) -> Iterator[Block]:
    parameters = {"C_NUM_INTR_INPUTS": "1", "C_IRQ_IS_LEVEL": "1", "C_IRQ_CONNECTION": "1", "C_HAS_IPR": "1"}
    parameters |= _slave(facts, "interrupts")
    pins = (
        Pin("s_axi_aclk", "I", "clk"), Pin("s_axi_aresetn", "I", "rst"), Pin("intr", "I", "INTERRUPT", 0),
        Pin("irq", "O", "INTERRUPT"),
    )  # fmt: skip
    bus = Bus("s_axi", False, "s_axi", CONTROL_BITS, IP_ADDRESS_BITS, "AXI4LITE")
    yield Block("interrupts", "xilinx.com:ip:axi_intc:4.1", parameters, pins, (bus,), INTERRUPT_REGISTERS)
    for name in (SOURCES, LINES):
        yield Block(name, "xilinx.com:ip:xlconcat:2.1", {"NUM_PORTS": "1", "IN0_WIDTH": "1"},
                    (Pin("In0", "I", left=0), Pin("dout", "O", left=0)))  # fmt: skip


def _reset() -> Block:
    pins = [Pin("slowest_sync_clk", "I", "clk"), Pin("ext_reset_in", "I", "rst")]
    pins += [Pin(name, "O", "rst", 0) for name in ("interconnect_aresetn", "peripheral_aresetn")]
    return Block("reset", "xilinx.com:ip:proc_sys_reset:5.0", {"C_EXT_RESET_HIGH": "0"}, tuple(pins))


def _nets(facts: Wiring) -> Iterator[tuple[tuple[str, str], tuple[tuple[str, str], ...]]]:
    def pins(paths: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        return tuple((path.split("/")[0], path.split("/")[1]) for path in paths)

    yield (PROCESSING_SYSTEM, "pl_clk0"), pins(facts.clock_pins)
    yield (PROCESSING_SYSTEM, "pl_resetn0"), (("reset", "ext_reset_in"),)
    yield ("reset", "interconnect_aresetn"), pins(facts.interconnect_reset_pins)
    yield ("reset", "peripheral_aresetn"), pins(facts.peripheral_reset_pins)
    for word in facts.identity_words:
        yield (word.cell, "dout"), (("design_id", word.pin),)
    yield (ENGINE, facts.interrupt), ((SOURCES, "In0"),)
    yield (SOURCES, "dout"), (("interrupts", "intr"),)
    yield ("interrupts", "irq"), ((LINES, "In0"),)
    yield (LINES, "dout"), ((PROCESSING_SYSTEM, facts.ps_interrupt),)


def _links(facts: Wiring) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    yield (PROCESSING_SYSTEM, facts.control_master), ("control", "S00_AXI")
    for slave in facts.control:
        yield ("control", slave.output), (slave.cell, slave.interface)
    for port in facts.memory_ports:
        for master in port.masters:
            yield (ENGINE, master.interface), (port.connect, master.input)
        yield (port.connect, "M00_AXI"), (PROCESSING_SYSTEM, port.interface)


def _ranges(facts: Wiring) -> Iterator[Range]:
    control = (PROCESSING_SYSTEM, facts.control_master)
    for place in facts.control:
        slave = (place.cell, place.interface)
        yield Range(control, slave, int(place.offset, 0), int(place.range, 0), "Reg", "REGISTER")
    for port in facts.memory_ports:
        for master in port.masters:
            slave = (PROCESSING_SYSTEM, port.interface)
            yield Range((ENGINE, master.interface), slave, 0, DDR_LOW_BYTES, f"{port.name}_DDR_LOW", "MEMORY")
