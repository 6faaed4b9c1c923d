"""Where the data files of the package are: templates, HLS headers and boards.

In the repository they stand at the top level; a wheel carries the same folders below `edgemoe_gen/data`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent  # edgemoe_gen


@cache
def resource_folder(name: str) -> Path:
    """Folder `templates`, `hls` or `boards`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (PACKAGE / "data", PACKAGE.parent):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"the installation of edgemoe-gen lacks its folder '{name}'")
