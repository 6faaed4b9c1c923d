"""The engine's control registers: name, place, access and fields, for hardware, hardware description and driver.

In: the number of weight ports. UG1399, "S_AXILITE control register map".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONTROL_BITS = 32  # of a register


@dataclass(frozen=True)
class Register:
    """A register of 32 bits: byte offset, access, and its fields of one bit (none: the register is one field)."""

    name: str
    offset: int
    access: str = "read-write"
    meaning: str = ""
    fields: tuple[tuple[str, int], ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, int, int], ...]:
        """Name, lowest bit and bits of each field, as in descriptions: a pointer's halves have its name."""
        if self.fields:
            return tuple((name, low, 1) for name, low in self.fields)
        is_half = self.access == "write-only" and self.name.endswith(("_1", "_2"))
        return ((self.name[:-2] if is_half else self.name, 0, CONTROL_BITS),)


def engine_registers(weight_ports: int) -> tuple[Register, ...]:
    """Registers of the engine's control bus.

    UG1399, "S_AXILITE control register map": four control registers, then 12 bytes for each 64-bit pointer, then 16
    bytes for each scalar output, whose second word says that the value is valid.
    """
    found = [
        Register("CTRL", 0x0, "read-write", "Control signals", (
            ("AP_START", 0), ("AP_DONE", 1), ("AP_IDLE", 2), ("AP_READY", 3), ("AUTO_RESTART", 7),
        )),
        Register("GIER", 0x4, "read-write", "Global Interrupt Enable Register", (("Enable", 0),)),
        Register("IP_IER", 0x8, "read-write", "IP Interrupt Enable Register",
                 (("CHAN0_INT_EN", 0), ("CHAN1_INT_EN", 1))),
        Register("IP_ISR", 0xC, "read-write", "IP Interrupt Status Register",
                 (("CHAN0_INT_ST", 0), ("CHAN1_INT_ST", 1))),
    ]  # fmt: skip
    offset = 0x10
    for name in ("program", *(f"weights_{port}" for port in range(weight_ports)), "constants", "image", "result"):
        for half in (1, 2):
            found.append(Register(f"{name}_{half}", offset + 4 * (half - 1), "write-only", f"Data signal of {name}"))
        offset += 12
    for name in ("status", "progress"):
        found.append(Register(name, offset, "read-only", f"Data signal of {name}"))
        valid = ((f"{name}_ap_vld", 0),)
        found.append(Register(f"{name}_ctrl", offset + 4, "read-only", f"Control signal of {name}", valid))
        offset += 16
    return tuple(found)


def control_address_bits(registers: Sequence[Register]) -> int:
    """Width of the control bus' addresses."""
    return registers[-1].offset.bit_length()
