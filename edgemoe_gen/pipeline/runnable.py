"""The overlay that a script is to run on: one that is there, or one made of a build that has no bitstream yet.

In: what the user names. Out: the folder of an overlay whose parent folder is where Python finds it by name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgemoe_gen.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.errors import OverlayError
from edgemoe_gen.overlay.designs import DESIGN, find_design
from edgemoe_gen.overlay.driver.manifest import MANIFEST
from edgemoe_gen.overlay.preview import write_preview
from edgemoe_gen.parsing import read_json
from edgemoe_gen.pipeline.work import Work
from edgemoe_gen.project import Progress, no_progress


def runnable_overlay(where: Path, scratch: Path, config: Config, progress: Progress = no_progress) -> Path:
    """The overlay in a folder: of a build the packaged one, else the preview, as far as they are of its design.

    Args:
        where: folder of an overlay, or of a build.
        scratch: empty folder; a preview is written here where the build has no overlay.
        config: the project that the build is of; looked at for a preview only.
        progress: called with text, steps done, steps in all.

    Raises:
        OverlayError: the folder is neither, holds several overlays, or is of another design than the project.
        EdgeMoEError: of the project.
    """
    if (where / MANIFEST).is_file():
        return where.resolve()
    found = _packaged_of_the_build(where) or _overlays(where, "preview") or _overlays(where, "overlay")
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(where)) for path in found)
        raise OverlayError(f"{where} holds several overlays: {names}", "name one of them")
    if found:
        return found[0].resolve()
    if not (where / "accelerator" / DESIGN).is_file():
        raise OverlayError(
            f"{where} is neither an overlay, which has a {MANIFEST}, nor the folder of a build",
            "give the folder that `edgemoe-gen build` wrote, or the overlay in it",
        )
    return _preview(where, scratch, config, progress)


def default_build(config: Config) -> Path | None:
    """The project's build, where there is one."""
    folder = config.output or Path(DEFAULT_OUTPUT)
    return folder if (folder / "accelerator" / DESIGN).is_file() else None


def _overlays(build: Path, kind: str) -> list[Path]:
    return sorted(path.parent for path in build.glob(f"{kind}/*/{MANIFEST}"))


def _packaged_of_the_build(build: Path) -> list[Path]:
    """Overlays of the design that was rendered last; one that was packaged before it changed is another's."""
    rendered = _identity(build / "accelerator" / DESIGN)
    return [path for path in _overlays(build, "overlay") if rendered == _identity(path / MANIFEST, "design") != ""]


def _identity(path: Path, *tables: str) -> str:
    """A design's identity as a JSON file says it, inside of tables; "" where it says none."""
    try:
        facts = read_json(path)
        for table in tables:
            facts = facts[table]
        return str(facts["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _preview(build: Path, scratch: Path, config: Config, progress: Progress) -> Path:
    work = Work(replace(config, output=build), progress)
    work.accelerator = build / "accelerator"
    built = find_design(work.accelerator)
    if built is None or built.identity != work.design.identity:
        raise OverlayError(
            f"{build} is not a build of this project: its design is another one", "build the project again"
        )
    return write_preview(work.overlay_name, work.accelerator, scratch, work.overlay_facts())
