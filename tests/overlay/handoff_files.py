"""Makes what Vivado leaves of a build: a hardware handoff (.hwh) and a bitstream whose header is real."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.registers import Register
from edgemoe_gen.hardware.registers import engine_registers as registers_of
from edgemoe_gen.overlay.generated_hwh import hwh_bytes


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
    return hwh_bytes(design, clock_mhz)


def engine_registers(design: Design) -> dict[str, Register]:
    """Registers of a design's engine by name."""
    return {register.name: register for register in registers_of(design.knobs.weight_ports)}
