"""Writes a wheel (PyPA binary distribution format 1.0) of files that need no building: pure Python and data.

Deterministic: the same files give the same bytes, on every machine. So nothing is compressed, files stand in the order
of their names, and all are dated the first day that a zip file can name.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgemoe_gen.base.version import __version__

TAG = "py3-none-any"
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def wheel_name(name: str, version: str) -> str:
    """File name of a wheel."""
    return f"{name}-{version}-{TAG}.whl"


def write_wheel(
    name: str, version: str, metadata: str, entry_points: str, files: Mapping[str, bytes], folder: Path
) -> Path:
    """Writes `<name>-<version>-py3-none-any.whl`.

    Args:
        name: of the distribution, already normalised: lower case and underscores.
        version: normalised.
        metadata: contents of METADATA.
        entry_points: contents of entry_points.txt.
        files: contents by path inside site-packages.
        folder: where to.

    Returns:
        The wheel.
    """
    info = f"{name}-{version}.dist-info"
    wheel = f"Wheel-Version: 1.0\nGenerator: edgemoe-gen ({__version__})\nRoot-Is-Purelib: true\nTag: {TAG}\n"
    own = {"METADATA": metadata, "WHEEL": wheel, "entry_points.txt": entry_points}
    everything = {path: files[path] for path in sorted(files)}
    everything.update({f"{info}/{path}": text.encode() for path, text in sorted(own.items())})
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in everything.items()]
    record.append(f"{info}/RECORD,,")
    everything[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()
    target = folder / wheel_name(name, version)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path, data in everything.items():
            entry = zipfile.ZipInfo(path, _DATE)
            entry.create_system = 3  # Unix, whatever this machine is: the mode below is Unix's
            entry.external_attr = _MODE
            archive.writestr(entry, data)
    return target


def _digest(data: bytes) -> str:
    """SHA-256 as RECORD wants it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
