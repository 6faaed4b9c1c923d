"""Wiring of the block design: every number, name and property for the Vivado script.

In: a `Design`. Out: a `Wiring` of plain facts; `wiring_context` gives it to the templates, which compute nothing.
Names of the processing system's pins and properties: PG201 (Zynq UltraScale+ MPSoC PS); its ports: UG1085.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgemoe_gen.design.design import Design
from edgemoe_gen.hardware.axi import bundles, weight_bundles
from edgemoe_gen.hardware.names import TOP, VLNV

PROJECT = "edgemoe"
ENGINE, ENGINE_VLNV = TOP, VLNV
PROCESSING_SYSTEM = "ps"
CONTROL_BASE = 0xA000_0000  # first address of M_AXI_HPM0_FPD's lower window (UG1085, system address map)
CONTROL_RANGE = 0x1_0000  # 64 KiB each: what Vivado would choose
CONTROL_CLOCK = "maxihpm0_fpd_aclk"
BITS_PER_WORD = 32
WORD_MASK = 0xFFFF_FFFF
JOBS = 4
# Explores placement and routing, then moves registers once more after routing. It takes about twice the time of the
# default strategy and is worth it here: wide multiplier arrays at 300 MHz rarely close with the defaults.
IMPLEMENTATION_STRATEGY = "Performance_ExplorePostRoutePhysOpt"
SYNTHESIS_STRATEGY = "Vivado Synthesis Defaults"  # every IP is synthesised on its own; the top is only wires

# PS port by the name that boards use -> number n of S_AXI_GPn in the PS's configuration.
GP_NUMBERS = {"HPC0": 0, "HPC1": 1, "HP0": 2, "HP1": 3, "HP2": 4, "HP3": 5}
UNUSED_SLAVES = ("PSU__USE__S_AXI_GP6", "PSU__USE__S_AXI_ACP", "PSU__USE__S_AXI_ACE")


@dataclass(frozen=True)
class Master:
    """One AXI master of the engine and the SmartConnect input that it takes.

    Attributes:
        bundle: HLS's name of it.
        interface: pin of the engine, `m_axi_<bundle>`.
        address_space: the engine's address space, `Data_m_axi_<bundle>`.
        input: slave interface of the SmartConnect, for example S00_AXI.
    """

    bundle: str
    interface: str
    address_space: str
    input: str


@dataclass(frozen=True)
class MemoryPort:
    """One memory port of the processing system in use, the SmartConnect before it, and the masters behind that.

    Attributes:
        name: as in the board's file, for example HP0.
        interface, clock: pins of the processing system.
        segments: where its memory segments stand, for example SAXIGP2.
        data_bits: width that it is configured to: that of the engine's masters, so nothing converts widths.
        connect: name of the SmartConnect.
        masters: in the order of the SmartConnect's inputs.
    """

    name: str
    interface: str
    clock: str
    segments: str
    data_bits: int
    connect: str
    masters: tuple[Master, ...]

    @property
    def inputs(self) -> int:
        """Inputs of the SmartConnect."""
        return len(self.masters)


@dataclass(frozen=True)
class ControlSlave:
    """One register block that the processor reaches.

    Attributes:
        cell: instance; interface: its AXI4-Lite pin; segment: its address segment below the cell.
        output: master interface of the control SmartConnect.
        offset, range: address and bytes, as hexadecimal text.
    """

    cell: str
    interface: str
    segment: str
    output: str
    offset: str
    range: str


@dataclass(frozen=True)
class IdentityWord:
    """Half of the design's identity: a constant cell, its value, and the input of `design_id` that it drives."""

    cell: str
    value: str
    pin: str


@dataclass(frozen=True)
class Wiring:
    """The block design as facts.

    Attributes:
        memory_ports: ports in use, in the board's order.
        control: register blocks in the order of their addresses.
        identity_words: low word first.
        ps_properties: (name, value) of the processing system's configuration, without `CONFIG.`; clock excluded, since
            it comes from options.tcl.
        clock_pins: everything that the one clock drives.
        interconnect_reset_pins, peripheral_reset_pins: what each output of the reset block drives.
        jobs: parallel runs unless EDGEMOE_JOBS says otherwise.
        synthesis_strategy, implementation_strategy: Vivado's names of them.
        control_master, interrupt, ps_interrupt: pins of the processing system and of the engine.
    """

    memory_ports: tuple[MemoryPort, ...]
    control: tuple[ControlSlave, ...]
    identity_words: tuple[IdentityWord, ...]
    ps_properties: tuple[tuple[str, str], ...]
    clock_pins: tuple[str, ...]
    interconnect_reset_pins: tuple[str, ...]
    peripheral_reset_pins: tuple[str, ...]
    jobs: int = JOBS
    synthesis_strategy: str = SYNTHESIS_STRATEGY
    implementation_strategy: str = IMPLEMENTATION_STRATEGY
    control_master: str = "M_AXI_HPM0_FPD"
    interrupt: str = "interrupt"
    ps_interrupt: str = "pl_ps_irq0"

    @property
    def control_outputs(self) -> int:
        """Outputs of the SmartConnect between the processor and the register blocks."""
        return len(self.control)


def port_of_bundle(design: Design) -> dict[str, str]:
    """The memory port of each of the engine's masters, by bundle.

    Weight port i takes the board's i-th port: they carry nearly all traffic. Program, input and result take the ports
    that remain, in order; where none remains, they share the last one.
    """
    ports = design.board.memory_ports
    weights = weight_bundles(design.knobs.weight_ports)
    others = [bundle for bundle in bundles(design.knobs.weight_ports) if bundle not in weights]
    return {bundle: ports[min(place, len(ports) - 1)] for place, bundle in enumerate((*weights, *others))}


def wiring(design: Design) -> Wiring:
    """The wiring of a design.

    A SmartConnect stands before every memory port, also before a port with one master. The port could take a master
    directly, since it is AXI4 at its pins (PG201; the engine makes the bursts of at most 16 beats that the AXI3 behind
    it needs). But the SmartConnect narrows the engine's 64-bit addresses to the port's 49. It answers addresses outside
    DDR with an error, so that they do not reach the processor's registers. And it puts registers on the long path to
    the processing system. For one master of the port's width it is little more than those registers.
    """
    ports = _memory_ports(design)
    control = _control_slaves()
    ps = PROCESSING_SYSTEM
    clock_pins = [f"{ps}/{CONTROL_CLOCK}", *(f"{ps}/{port.clock}" for port in ports)]
    clock_pins += ["reset/slowest_sync_clk", f"{ENGINE}/ap_clk", "control/aclk"]
    clock_pins += ["interrupts/s_axi_aclk", "design_id/s_axi_aclk", *(f"{port.connect}/aclk" for port in ports)]
    return Wiring(
        memory_ports=ports,
        control=control,
        identity_words=_identity_words(design),
        ps_properties=_ps_properties(ports),
        clock_pins=tuple(clock_pins),
        interconnect_reset_pins=("control/aresetn", *(f"{port.connect}/aresetn" for port in ports)),
        peripheral_reset_pins=(f"{ENGINE}/ap_rst_n", "interrupts/s_axi_aresetn", "design_id/s_axi_aresetn"),
    )


def wiring_context(design: Design) -> dict[str, Any]:
    """Names that the templates of the Vivado flow use, beside those of `context(design)`."""
    return {
        "wiring": wiring(design),
        "project": PROJECT,
        "engine": ENGINE,
        "engine_vlnv": ENGINE_VLNV,
        "ps": PROCESSING_SYSTEM,
        "clock_mhz": design.knobs.clock_mhz,
    }


def _memory_ports(design: Design) -> tuple[MemoryPort, ...]:
    taken = port_of_bundle(design)
    ports = []
    for name in design.board.memory_ports:
        bundles = [bundle for bundle, port in taken.items() if port == name]
        if not bundles:
            continue
        masters = tuple(
            Master(bundle, f"m_axi_{bundle}", f"Data_m_axi_{bundle}", f"S{place:02d}_AXI")
            for place, bundle in enumerate(bundles)
        )
        ports.append(
            MemoryPort(
                name=name,
                interface=f"S_AXI_{name}_FPD",
                clock=f"saxi{name.lower()}_fpd_aclk",
                segments=f"SAXIGP{GP_NUMBERS[name]}",
                data_bits=design.knobs.port_bits,
                connect=f"memory_{name.lower()}",
                masters=masters,
            )
        )
    return tuple(ports)


def _control_slaves() -> tuple[ControlSlave, ...]:
    blocks = [
        (ENGINE, "s_axi_control", "s_axi_control/Reg"),
        ("interrupts", "s_axi", "S_AXI/Reg"),
        ("design_id", "S_AXI", "S_AXI/Reg"),
    ]
    return tuple(
        ControlSlave(
            cell=cell,
            interface=interface,
            segment=segment,
            output=f"M{place:02d}_AXI",
            offset=f"0x{CONTROL_BASE + place * CONTROL_RANGE:08X}",
            range=f"0x{CONTROL_RANGE:08X}",
        )
        for place, (cell, interface, segment) in enumerate(blocks)
    )


def _identity_words(design: Design) -> tuple[IdentityWord, ...]:
    low, high = design.identity & WORD_MASK, design.identity >> BITS_PER_WORD
    return (
        IdentityWord("identity_low", f"0x{low:08X}", "gpio_io_i"),
        IdentityWord("identity_high", f"0x{high:08X}", "gpio2_io_i"),
    )


def _ps_properties(ports: tuple[MemoryPort, ...]) -> tuple[tuple[str, str], ...]:
    """Every port is said to be on or off: a board's preset may turn others on, whose clocks nothing would drive."""
    by_number = {GP_NUMBERS[port.name]: port for port in ports}
    properties = [
        ("PSU__FPGA_PL0_ENABLE", "1"),
        # PYNQ sets the clock up again when it loads the overlay, always from this PLL (pynq/ps.py).
        ("PSU__CRL_APB__PL0_REF_CTRL__SRCSEL", "IOPLL"),
        ("PSU__USE__M_AXI_GP0", "1"),
        ("PSU__MAXIGP0__DATA_WIDTH", "32"),
        ("PSU__USE__M_AXI_GP1", "0"),
        ("PSU__USE__M_AXI_GP2", "0"),
        ("PSU__USE__IRQ0", "1"),
        ("PSU__USE__IRQ1", "0"),
    ]
    for number in sorted(GP_NUMBERS.values()):
        properties.append((f"PSU__USE__S_AXI_GP{number}", str(int(number in by_number))))
        if number in by_number:
            properties.append((f"PSU__SAXIGP{number}__DATA_WIDTH", str(by_number[number].data_bits)))
    properties += [(name, "0") for name in UNUSED_SLAVES]
    return tuple(properties)
