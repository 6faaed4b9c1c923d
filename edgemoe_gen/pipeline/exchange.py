"""Export of the kit to a machine that has the vendor's tools, and import of the results.

A kit belongs to the rendered project from which it was exported: `kit.json` names the project, and results are taken
back only if every file of the kit is unchanged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.build_files import ACCELERATOR, RTL_FOLDER
from edgemoe_gen.base.copying import copy_file
from edgemoe_gen.base.errors import ConfigError, OverlayError
from edgemoe_gen.base.reading import read_bytes
from edgemoe_gen.base.version import __version__
from edgemoe_gen.codegen import render_kit_readme
from edgemoe_gen.design import Design
from edgemoe_gen.flow import kit as kits
from edgemoe_gen.flow.rtl_source import OPEN, VITIS
from edgemoe_gen.hardware.names import BITSTREAM, HANDOFF
from edgemoe_gen.overlay.bitfile import check_bitstream
from edgemoe_gen.overlay.handoff import check_handoff
from edgemoe_gen.pipeline.differences import Differences, write_differences
from edgemoe_gen.pipeline.stages import bitstream
from edgemoe_gen.pipeline.stages.ip import RTL_IP
from edgemoe_gen.pipeline.stages.table import tool_stages
from edgemoe_gen.pipeline.support.folders import StageResult, open_stages
from edgemoe_gen.pipeline.support.vendor import LOGS, ToolStage


@dataclass(frozen=True, repr=False)
class ImportResult(Brief):
    """Results that were taken out of a kit, stage by stage, into a build's folder.

    Attributes:
        output: the build's folder.
        stages: stages whose results were taken.
        notes: results that the kit lacks.
        differences: differences between C synthesis and the assumptions; None without C synthesis in the kit.
    """

    output: Path
    stages: tuple[StageResult, ...]
    notes: tuple[str, ...] = ()
    differences: Differences | None = None


def export_kit(output: Path, folder: Path, design: Design, hls: str) -> None:
    """Writes the kit to `folder`, whole or not at all; a kit of the same project stays as it is.

    Args:
        output: the build's folder.
        folder: folder of the kit.
        design: design of the build.
        hls: maker of the RTL; RTL of edgemoe-gen goes with the kit.

    Raises:
        ConfigError: the folder holds something else, or can't be written to.
        SimulationError: edgemoe-gen has no RTL of the design.
    """
    facts = {
        "generator": f"edgemoe-gen {__version__}",
        "board": design.board.name,
        "part": design.board.part,
        "design": f"{design.identity:016x}",
        "hls": hls,
    }
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if folder.is_dir() and (folder / kits.FACTS).is_file() and not _changed(output, folder, hls):
            return
        raise ConfigError(
            f"{folder} exists and is no export of this very design", "choose a folder that does not exist yet"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        kits.write_kit(output / ACCELERATOR, partial)
        if hls == OPEN:
            RTL_IP.place(output, partial)
        kits.write_facts(partial, facts)
        (partial / kits.README).write_text(render_kit_readme(design), encoding="utf-8")
        partial.replace(folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", "choose another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def import_results(kit: Path, output: Path, on_stage: Callable[[StageResult], None]) -> ImportResult:
    """Takes all results of a kit into the build in `output`; the next build continues from them.

    Raises:
        OverlayError: the folder is no exported kit, was exported from another build, holds no result, or a damaged one.
        SimulationError: co-simulation failed there.
        ConfigError: there is no build in `output`.
    """
    facts = kits.read_facts(kit)
    accelerator = output / ACCELERATOR
    if not (accelerator / "src").is_dir():
        raise ConfigError(f"there is no build in {output}", "name the folder of the build with --output")
    hls = str(facts.get("hls", VITIS))
    changed = _changed(output, kit, hls)
    if changed:
        ours, theirs = f"edgemoe-gen {__version__}", str(facts.get("generator"))
        by = "" if ours == theirs else f" (it was exported by {theirs}, this is {ours})"
        raise OverlayError(
            f"{kit} does not belong to the build in {output}: {changed} differs{by}",
            "build again as when it was exported, or export it again",
        )
    found, notes = kits.results_in(kit), _lacking(kit, hls)
    if not found:
        began = [note for note in notes if "incomplete" in note]
        raise OverlayError(
            f"{kit} holds no whole results yet: {'; '.join(began)}" if began else f"{kit} holds no results yet",
            "run ./run.sh there, on a machine with the vendor's tools",
        )
    files = kits.read_kit(accelerator)
    with open_stages(output, on_stage, force=None) as stages:
        for stage in (stage for stage in tool_stages(hls) if stage.name in found):
            log = kit / LOGS / f"{stage.name}.log"

            def work(folder: Path, stage: ToolStage = stage, log: Path = log) -> str:
                name = stage.name
                if stage is bitstream.BITSTREAM:
                    _refuse_damaged(kit / name, str(facts.get("part", "")))
                detail = kits.collect(name, kit, folder / name) + stage.verdict(kit / name)
                stage.check(folder / name, log)
                if log.is_file():
                    (output / LOGS).mkdir(exist_ok=True)
                    copy_file(log, output / LOGS / log.name, kit)
                return f"imported: {detail}"

            stages.run(stage.name, stage.inputs_of(files, output), stage.outputs, work, anew=True)
        return ImportResult(output, tuple(stages.results), notes, write_differences(output))


def _lacking(kit: Path, hls: str) -> tuple[str, ...]:
    """A sentence for each stage with missing results. Co-simulation that has not run is not missed."""
    known = kits.missing_in(kit)
    notes = []
    for stage in tool_stages(hls):
        missing = known.get(stage.name)
        if missing is None and not stage.on_request:
            notes.append(f"there is nothing of stage {stage.name} yet")
        elif missing:
            verb = "is" if len(missing) == 1 else "are"
            notes.append(f"results of stage {stage.name} are incomplete: {_listed(missing)} {verb} missing")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _refuse_damaged(folder: Path, part: str) -> None:
    """Refuses a truncated copy, which must not pass for a bitstream."""
    try:
        check_bitstream(folder / BITSTREAM, part)
        check_handoff(folder / HANDOFF)
    except OverlayError as error:
        raise OverlayError(
            error.message, "copy the folder again from where it ran, or run ./run.sh bitstream there once more"
        ) from error


def _changed(output: Path, kit: Path, hls: str) -> str:
    """The first file of a kit that differs from the build's; "" if none does."""
    accelerator, rtl = output / ACCELERATOR, output / RTL_FOLDER
    files = {file: accelerator / file for file in kits.kit_files(accelerator)}
    if hls == OPEN:
        files |= {Path(kits.RTL, path.name): path for path in sorted(rtl.glob("*"))}
    for file, ours in files.items():
        path = kit / file
        if not path.is_file() or read_bytes(path) != ours.read_bytes():
            return file.as_posix()
    return ""
