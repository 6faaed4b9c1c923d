"""Reads a hardware handoff file (.hwh), which Vivado writes beside a bitstream, and checks that it fits a design.

In: the file. Out: `Handoff`, all facts for the overlay. The file is data of a vendor's tool: anything unexpected is an
error that names the file and the missing fact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.parsing import XML_LIMIT, parse_xml
from edgemoe_gen.base.reading import read_bytes
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import bundles
from edgemoe_gen.hardware.names import TOP, VLNV
from edgemoe_gen.overlay.driver.hardware import CONTROL, IDENTITY_WORDS, engine_registers

ENGINE, ENGINE_TYPE = TOP, VLNV
IDENTITY_BLOCK, IDENTITY_TYPE = "design_id", "xilinx.com:ip:axi_gpio"
PS_TYPE = "xilinx.com:ip:zynq_ultra_ps_e"
IDENTITY_PINS = ("gpio_io_i", "gpio2_io_i")  # inputs of an AXI GPIO's two channels (PG144)
CONTROL_FIELDS = ("AP_START", "AP_DONE", "AP_IDLE")
# Dividers of the PS are whole numbers, so a clock that was asked for is met to within the step of a small divisor.
CLOCK_TOLERANCE = 0.1


@dataclass(frozen=True)
class Handoff:
    """Facts of a .hwh for an overlay.

    Attributes:
        name: of the block design.
        part: device, package and speed grade, as far as the file names them.
        clock_mhz: clock of the engine.
        masters: the engine's AXI masters that are connected.
    """

    name: str
    part: str
    clock_mhz: float
    masters: tuple[str, ...]


def read_handoff(path: Path, design: Design, clock_mhz: float) -> Handoff:
    """Reads a .hwh and refuses a file of another design.

    Args:
        path: the file.
        design: whose engine it must hold, on whose board.
        clock_mhz: clock that the bitstream was built for.

    Raises:
        OverlayError: not readable; of another board, design or clock; or something that the driver needs is missing.
    """
    return _Reader(path).read(design, clock_mhz)


def check_handoff(path: Path) -> None:
    """Refuses what is no whole .hwh, of whatever design.

    Raises:
        OverlayError: names the file and what is wrong with it.
    """
    _Reader(path)


class _Reader:
    """One file, with its modules by instance."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = read_bytes(path, XML_LIMIT)
        except OSError as error:
            raise OverlayError(f"{path} can't be read: {error.strerror}", "build the bitstream again") from error
        try:
            self.root = parse_xml(data)
        except ValueError as error:
            raise self.error(str(error)) from error
        if self.root.tag != "EDKSYSTEM":
            raise self.error(f"is not a hardware handoff: its root is {self.root.tag}, not EDKSYSTEM")
        self.modules = {module.get("INSTANCE", ""): module for module in self.root.findall("MODULES/MODULE")}

    def error(self, what: str) -> OverlayError:
        return OverlayError(f"{self.path} {what}", "give the .hwh of this design's own bitstream, or build it again")

    def read(self, design: Design, clock_mhz: float) -> Handoff:
        system = self.root.find("SYSTEMINFO")
        if system is None:
            raise self.error("has no SYSTEMINFO")
        name = system.get("NAME", "")
        part = f"{system.get('DEVICE', '')}-{system.get('PACKAGE', '')}{system.get('SPEEDGRADE', '')}"
        if not f"{design.board.part.lower()}-".startswith(f"{part.lower()}-"):
            raise self.error(f"is for the part {part}, but board {design.board.name} has {design.board.part}")
        engine = self.module(ENGINE, ENGINE_TYPE)
        self.check_registers(ENGINE, engine, engine_registers(design.knobs.weight_ports))
        self.check_control(engine)
        gpio = self.module(IDENTITY_BLOCK, IDENTITY_TYPE)
        self.check_registers(IDENTITY_BLOCK, gpio, IDENTITY_WORDS)
        self.check_identity(gpio, design)
        self.check_addresses()
        actual = self.clock_mhz(engine)
        if abs(actual - clock_mhz) > CLOCK_TOLERANCE * clock_mhz:
            raise self.error(f"clocks the engine at {actual:.1f} MHz, but the bitstream was built for {clock_mhz:.1f}")
        return Handoff(name, part, actual, self.masters(engine, design))

    def module(self, instance: str, kind: str) -> ElementTree.Element:
        """A module by instance; `kind` is its VLNV, or the start of it."""
        module = self.modules.get(instance)
        if module is None:
            found = ", ".join(sorted(filter(None, self.modules))) or "none"
            raise self.error(f"has no instance '{instance}'; its instances are: {found}")
        if not f"{module.get('VLNV', '')}:".startswith(f"{kind}:"):
            raise self.error(f"has an instance '{instance}' of type {module.get('VLNV')}, not {kind}")
        return module

    def check_registers(self, instance: str, module: ElementTree.Element, needed: Sequence[str]) -> None:
        found = {register.get("NAME") for register in module.iter("REGISTER")}
        missing = [name for name in needed if name not in found]
        if missing:
            raise self.error(f"has no register {', '.join(missing)} in '{instance}'")

    def check_control(self, engine: ElementTree.Element) -> None:
        control = next(r for r in engine.iter("REGISTER") if r.get("NAME") == CONTROL)
        fields = {field.get("NAME") for field in control.iter("FIELD")}
        missing = [name for name in CONTROL_FIELDS if name not in fields]
        if missing:
            raise self.error(f"has no field {', '.join(missing)} in register {CONTROL} of '{ENGINE}'")

    def check_identity(self, gpio: ElementTree.Element, design: Design) -> None:
        """The two constants behind the GPIO are the design's identity, low word first."""
        found = 0
        for place, pin in enumerate(IDENTITY_PINS):
            found |= self.constant(gpio, pin) << (32 * place)
        if found != design.identity:
            raise self.error(f"is of design {found:016x}, but this build is of design {design.identity:016x}")

    def constant(self, gpio: ElementTree.Element, pin: str) -> int:
        port = next((p for p in gpio.iter("PORT") if p.get("NAME") == pin), None)
        sources = [] if port is None else [c.get("INSTANCE", "") for c in port.iter("CONNECTION")]
        for module in (self.modules[name] for name in sources if name in self.modules):
            text = parameter(module, "CONST_VAL")
            if text is not None:
                try:
                    return int(text, 0) & 0xFFFFFFFF
                except ValueError as error:
                    raise self.error(f"has CONST_VAL {text!r} in '{module.get('INSTANCE')}'") from error
        raise self.error(f"has no constant at pin {pin} of '{IDENTITY_BLOCK}'")

    def check_addresses(self) -> None:
        """The processing system must reach the engine and the identity, or PYNQ does not list them."""
        reached = {
            memory.get("INSTANCE")
            for module in self.modules.values()
            if module.get("VLNV", "").startswith(f"{PS_TYPE}:")
            for memory in module.iter("MEMRANGE")
        }
        for instance in (ENGINE, IDENTITY_BLOCK):
            if instance not in reached:
                raise self.error(f"gives '{instance}' no address")

    def clock_mhz(self, engine: ElementTree.Element) -> float:
        port = next((p for p in engine.iter("PORT") if p.get("NAME") == "ap_clk"), None)
        text = "" if port is None else port.get("CLKFREQUENCY", "")
        if not re.fullmatch("[0-9]{1,12}", text) or not int(text):
            raise self.error(f"has no clock frequency at ap_clk of '{ENGINE}'")
        return int(text) / 1e6

    def masters(self, engine: ElementTree.Element, design: Design) -> tuple[str, ...]:
        # Vivado names the bus of an interface that nothing is connected to "__NOC__".
        connected = {
            bus.get("NAME")
            for bus in engine.iter("BUSINTERFACE")
            if bus.get("TYPE") in ("MASTER", "INITIATOR") and bus.get("BUSNAME") != "__NOC__"
        }
        names = tuple(f"m_axi_{bundle}" for bundle in bundles(design.knobs.weight_ports))
        missing = [name for name in names if name not in connected]
        if missing:
            raise self.error(f"has no connected master {', '.join(missing)} of '{ENGINE}'")
        return names


def parameter(module: ElementTree.Element, name: str) -> str | None:
    """A parameter of a module, or None."""
    for entry in module.findall("PARAMETERS/PARAMETER"):
        if entry.get("NAME") == name:
            return entry.get("VALUE")
    return None
