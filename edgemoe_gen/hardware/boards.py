"""Boards: plain facts from `boards/<name>.toml`, or from a file of the user's own."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import BoardError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.base.names import CONTROL, near
from edgemoe_gen.base.parsing import parse_toml, read_settings
from edgemoe_gen.base.settings import unknown_key, value_of_kind


@dataclass(frozen=True)
class Board:
    """One board. Resources are counts of primitives; rates in MHz and GB/s (10^9 bytes a second).

    Attributes:
        name: name for `--board`.
        title: full name.
        part: device as Vivado names it.
        board_part: board file as Vivado names it.
        lut, ff, bram36, uram, dsp: resources of the device.
        ddr_gb_per_s: peak rate of the memory behind the ports.
        ddr_efficiency: share of the peak that long bursts reach.
        memory_ports: the processing system's AXI ports from logic to memory, in the order in which weight ports take
            them: ports that share a port of the memory controller come last.
        port_bits: widest data path of one port.
        clock_mhz: clock that a design asks for by default.
        pynq_image: system that the overlay runs on.
        source: source of the facts.
    """

    name: str
    title: str
    part: str
    board_part: str
    lut: int
    ff: int
    bram36: int
    uram: int
    dsp: int
    ddr_gb_per_s: float
    ddr_efficiency: float
    memory_ports: tuple[str, ...]
    port_bits: int
    clock_mhz: float
    pynq_image: str = ""
    source: str = ""

    @property
    def ports(self) -> int:
        """Number of AXI ports from logic to memory."""
        return len(self.memory_ports)


def board_names() -> list[str]:
    """Names of the boards that come with the package."""
    return sorted(path.stem for path in resource_folder("boards").glob("*.toml"))


def load_board(name: str) -> Board:
    """Board by name, or from a `.toml` file by path.

    Raises:
        BoardError: no such board, or the file breaks the schema; names file and key.
    """
    path = board_file(name)
    try:
        table = parse_toml(read_settings(path))
    except OSError as error:
        raise BoardError(f"{path} can't be read: {error.strerror}", "check the path and its permissions") from error
    except ValueError as error:
        raise BoardError(f"{path.name} is not readable as TOML: {error}") from error
    return _board(path, table)


def board_file(name: str) -> Path:
    """The file of a board, by its name or path.

    Raises:
        BoardError: there is none.
    """
    path = Path(name) if name.endswith(".toml") else resource_folder("boards") / f"{name.lower()}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise BoardError(
                f"there is no board file {name}",
                f"check the path, or take a board that comes along: {', '.join(board_names())}",
            )
        raise BoardError(
            f"there is no board '{name}'",
            near(name, board_names(), "known boards") + "; or give the path of a board file that ends with .toml",
        )
    return path


# What a Zynq UltraScale+ processing system offers to logic (UG1085, table "PS-PL AXI interfaces").
MEMORY_PORTS = ("HP0", "HP1", "HP2", "HP3", "HPC0", "HPC1")
PORT_BITS = (64, 128)  # of their data paths; 32 there are too, but no engine is that narrow
# The clock's are those of the knob; an efficiency is a share of the peak, and DRAM that gets less is none.
_RANGES = {"clock_mhz": (50.0, 600.0), "ddr_efficiency": (0.01, 1.0)}
_ABSURD = 1e15  # what no board has of anything; infinity is beyond it too
# Vivado's names of parts; they stand in Tcl without quotes.
_VIVADO_NAMES = ("part", "board_part")
_VIVADO_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


def _board(path: Path, table: dict[str, Any]) -> Board:
    values: dict[str, Any] = {"name": path.stem}
    known = {field.name: field for field in fields(Board)}
    wrong = unknown_key(table, known)
    if wrong is not None:
        raise BoardError(f"{path.name}: unknown key '{wrong}'", near(wrong, known, "known keys"))
    for key, field in known.items():
        if key not in table:
            if key not in values and field.default is MISSING:
                raise BoardError(f"{path.name}: key '{key}' is missing", "compare with the board files that ship")
            continue
        if key == "memory_ports":
            values[key] = _memory_ports(path, table[key])
            continue
        kind = str(field.type)
        try:
            value = value_of_kind(table[key], "number" if kind == "float" else kind)
        except ValueError:
            raise BoardError(f"{path.name}: '{key}' is {table[key]!r}, but must be of type {kind}") from None
        if isinstance(value, (int, float)):
            _check_number(path, key, value)
        if isinstance(value, str):
            _check_text(path, key, value)
        values[key] = value
    _check_text(path, "name", values["name"])
    return Board(**values)


def _check_number(path: Path, key: str, value: float) -> None:
    if not 0 <= value < _ABSURD or (value == 0 and key != "uram"):
        raise BoardError(f"{path.name}: '{key}' is {value}, but must be positive and finite")
    if key == "port_bits" and value not in PORT_BITS:
        raise BoardError(f"{path.name}: 'port_bits' is {value}, but a memory port has {PORT_BITS[0]} or {PORT_BITS[1]}")
    least, most = _RANGES.get(key, (0, _ABSURD))
    if not least <= value <= most:
        raise BoardError(f"{path.name}: '{key}' is {value:g}, but must lie between {least:g} and {most:g}")


def _check_text(path: Path, key: str, value: str) -> None:
    """Checks that a text can stand unchanged in Tcl, C++ comments and Markdown."""
    if key in _VIVADO_NAMES:
        if not _VIVADO_NAME.fullmatch(value):
            raise BoardError(
                f"{path.name}: '{key}' is {value!r}, which is no name of Vivado's",
                "use letters, digits, dots, colons, hyphens and underscores, as in the board files that ship",
            )
    elif CONTROL.search(value) or '"' in value or "\\" in value:
        raise BoardError(
            f"{path.name}: '{key}' is {value!r}, but must be one line without quotes and backslashes",
            "write it in plain characters",
        )


def _memory_ports(path: Path, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or len(set(map(str, value))) < len(value):
        raise BoardError(f"{path.name}: 'memory_ports' is {value!r}, but must be a list of different ports")
    for port in value:
        if port not in MEMORY_PORTS:
            raise BoardError(
                f"{path.name}: 'memory_ports' holds {port!r}, which is no memory port of the processing system",
                f"known ports: {', '.join(MEMORY_PORTS)}",
            )
    return tuple(value)


def speed_grade(part: str) -> str:
    """Speed grade in Vivado's name of a part: "2" of xczu7ev-ffvc1156-2-e, "2L" of xck26-sfvc784-2LV-c."""
    for token in part.lower().split("-")[2:]:
        if token[:1].isdigit():
            return token[0] + ("L" if "l" in token else "")
    return ""
