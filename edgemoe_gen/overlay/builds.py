"""The overlay in the folder of a build: the packaged overlay, else the preview, if it is of the build's design."""

from __future__ import annotations

from pathlib import Path

from edgemoe_gen.base.build_files import ACCELERATOR, DESIGN, OVERLAY, PREVIEW
from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.overlay.driver.manifest import MANIFEST


def is_build(folder: Path) -> bool:
    """Whether a folder is that of a build."""
    return (folder / ACCELERATOR / DESIGN.name).is_file()


def overlay_in(build: Path) -> Path | None:
    """The overlay in a build's folder, or None.

    Raises:
        OverlayError: there are several.
    """
    found = _packaged(build) or _overlays(build, PREVIEW) or _overlays(build, OVERLAY)
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(build)) for path in found)
        raise OverlayError(f"{build} holds several overlays: {names}", "name one of them")
    return found[0] if found else None


def _overlays(build: Path, kind: str) -> list[Path]:
    return sorted(path.parent for path in build.glob(f"{kind}/*/{MANIFEST}"))


def _packaged(build: Path) -> list[Path]:
    """Overlays of the design that was rendered last; one that was packaged before it changed is another's."""
    rendered = _identity(build / ACCELERATOR / DESIGN.name)
    return [path for path in _overlays(build, OVERLAY) if rendered == _identity(path / MANIFEST, "design") != ""]


def _identity(path: Path, *tables: str) -> str:
    """A design's identity as a JSON file says it, inside of tables; "" where it says none."""
    try:
        facts = DESIGN.read(path.parent) if path.name == DESIGN.name else read_json(path)
        for table in tables:
            facts = facts[table]
        return str(facts["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
