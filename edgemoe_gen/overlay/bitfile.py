"""Reads the header of a Xilinx .bit file, so that a truncated file or one for another part is never packaged.

The header is a sequence of fields, each a letter, a length and its data: `a` design, `b` part, `c` date, `d` time, and
`e` the bitstream itself with a length of four bytes. PYNQ reads it in the same way (pynq/pl_server/embedded_device.py).
"""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.reading import read_bytes

_HINT = "build the bitstream again"


def check_bitstream(path: Path, part: str) -> None:
    """Refuses what is no complete bitstream for `part`.

    Raises:
        OverlayError: names the file and what is wrong with it.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise OverlayError(f"{path} can't be read: {error.strerror}", _HINT) from error
    if not data:
        raise OverlayError(f"{path} is not a bitstream: it is empty", _HINT)
    try:
        fields, rest = _fields(data)
    except (IndexError, UnicodeDecodeError) as error:
        raise OverlayError(f"{path} is not a bitstream: its header is damaged", _HINT) from error
    found = fields.get("b", "")
    if found.lower() not in (part.lower(), part.lower().rpartition("-")[0]):
        raise OverlayError(f"{path} is for the part {found!r}, but the board has {part}", _HINT)
    if rest:
        what = "is cut short" if rest > 0 else "is too long"
        raise OverlayError(f"{path} {what} by {abs(rest)} bytes", _HINT)


def _fields(data: bytes) -> tuple[dict[str, str], int]:
    """Text fields, and how many bytes of the bitstream are missing (negative: too many)."""
    position = 2 + int.from_bytes(data[0:2], "big") + 2
    fields: dict[str, str] = {}
    while True:
        letter = chr(data[position])
        position += 1
        if letter == "e":
            length = int.from_bytes(data[position : position + 4], "big")
            return fields, length - (len(data) - position - 4)
        if letter not in "abcd":
            raise IndexError(position)
        length = int.from_bytes(data[position : position + 2], "big")
        position += 2
        fields[letter] = data[position : position + length].rstrip(b"\0").decode("ascii")
        position += length
