"""The kit: the folder in which the vendor's tools run, with only the files that they need.

In: a rendered project. Out: `src/`, `testbench/`, `data/cosim/`, the scripts, and later the tools' files. All paths in
the scripts are relative to the kit, so it can be copied to another machine. `collect` takes results out of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgemoe_gen.base.copying import copy_files, copy_folder
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import ConfigError, OverlayError, ToolError
from edgemoe_gen.base.parsing import read_json
from edgemoe_gen.flow.failures import missing_result
from edgemoe_gen.flow.hooks import files_of_hooks
from edgemoe_gen.flow.reports.collect import REPORTS
from edgemoe_gen.hardware.names import BITSTREAM, HANDOFF, TOP

FACTS, README, ARCHIVE = "kit.json", "README.md", "edgemoe-results.tar.gz"
OPTIONS = "flow/options.tcl"
RTL = "rtl"  # folder of RTL that edgemoe-gen has made; only of a kit without Vitis HLS
_PARTS = ("src", "testbench", "data/cosim", "flow", "hls.cfg", "run.sh")
ARCHIVED = (*_PARTS, FACTS, README)  # run.sh packs these with reports and logs, so that the archive unpacks to a kit
# Projects of the two generations of tools: what is in them has the same layout.
HLS_WORK = ("hls_project/solution", "hls_component/hls")
# What a stage leaves in the kit; cleared before it runs, by the rendered run.sh too, so that no old result passes for a
# new one.
LEFT: Mapping[str, tuple[str, ...]] = {
    "hls": ("hls_project", "hls_component"),
    "cosim": tuple(f"{work}/sim" for work in HLS_WORK),
    "ip": ("ip", "ip.partial", *(f"{work}/impl" for work in HLS_WORK)),
    "rtl_ip": ("ip", "ip.partial", "rtl_ip_project"),
    "bitstream": ("bitstream", "bitstream.partial", "vivado_project"),
}
BITSTREAM_FILES = (BITSTREAM, HANDOFF)
KitFiles = Mapping[str, str | bytes]  # content by path in the kit
EXPECTED = "data/cosim/expected.bin"  # follows from the other files
# What each stage's result depends on: files, or folders with "/"; of a bitstream the IP too.
_SYNTHESIS = ("src/", "flow/hls.tcl", "hls.cfg", *files_of_hooks("hls"))
_READ: Mapping[str, tuple[str, ...]] = {
    "hls": _SYNTHESIS,
    "cosim": (*_SYNTHESIS, "testbench/", "data/cosim/", "flow/cosim.tcl"),
    "ip": (*_SYNTHESIS, "flow/ip.tcl"),
    "rtl_ip": ("flow/rtl_ip.tcl", "flow/rtl_ip.v", "flow/rtl_ip_ooc.xdc"),
    "bitstream": ("flow/bitstream.tcl", *files_of_hooks("bitstream")),
}


def kit_files(accelerator: Path) -> list[Path]:
    """Files of a rendered project that belong to the kit, relative to it, sorted."""
    found: list[Path] = []
    for part in _PARTS:
        path = accelerator / part
        found += [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path] if path.is_file() else []
    return sorted(path.relative_to(accelerator) for path in found)


def read_kit(accelerator: Path) -> dict[str, bytes]:
    """Files of a rendered project that belong to the kit, path to content."""
    return {file.as_posix(): (accelerator / file).read_bytes() for file in kit_files(accelerator)}


def files_of(stage: str, files: KitFiles) -> KitFiles:
    """The kit's files on which a stage's result depends."""
    return {name: data for name, data in files.items() if name.startswith(_READ[stage]) and name != EXPECTED}


def wants_tcl(files: KitFiles) -> bool:
    """Whether synthesis must use the Tcl scripts, because of a hook of the user."""
    return any(file in files for file in files_of_hooks("hls"))


def write_kit(accelerator: Path, kit: Path, replaced: Mapping[str, str] | None = None) -> None:
    """Writes the kit; files that are right already and the tools' files stay untouched.

    Args:
        accelerator: the rendered project.
        kit: folder of the kit; made if missing.
        replaced: text of files that differ from the rendered ones, such as `flow/options.tcl` for another clock.

    Raises:
        ConfigError: the folder can't be written to.
    """
    try:
        for file in kit_files(accelerator):
            said = (replaced or {}).get(file.as_posix())
            content = (accelerator / file).read_bytes() if said is None else said.encode()
            target = kit / file
            if target.is_file() and target.read_bytes() == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            shutil.copymode(accelerator / file, target)
    except OSError as error:
        raise ConfigError(f"{kit} cannot be written to: {error.strerror}", "choose another folder") from error


def clear(stage: str, kit: Path) -> None:
    """Removes the files of an earlier run of a stage from the kit."""
    for name in LEFT[stage]:
        path = kit / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def has_synthesis(kit: Path) -> bool:
    """Whether the kit holds a synthesised project, from which `ip` and `cosim` continue."""
    return _synthesis_report(kit) is not None


def place_ip(kit: Path) -> None:
    """Copies the exported IP, of either tool, to the place where the block design looks for it."""
    made = _packaged(kit)
    if made is not None:
        copy_folder(made, kit / "ip", kit)


def _packaged(kit: Path) -> Path | None:
    """Folder of the packaged IP.

    The guide says "impl/ip of the solution", but not its place below the work folder. Of several the highest is the IP.
    """
    for work in HLS_WORK:
        if (kit / work / "impl/ip/component.xml").is_file():
            return kit / work / "impl/ip"
    roots = [kit / Path(work).parts[0] for work in HLS_WORK]
    found = [path.parent for root in roots for path in root.rglob("component.xml")]
    return min(found, key=lambda path: (len(path.parts), path), default=None)


def place_rtl(rtl: Path, kit: Path) -> None:
    """Copies the RTL of edgemoe-gen to the place from which packaging takes it."""
    if (kit / RTL).is_dir():
        shutil.rmtree(kit / RTL)
    copy_folder(rtl, kit / RTL, rtl)


def place_collected_ip(ip: Path, kit: Path) -> None:
    """Copies an earlier IP, perhaps from another machine, to the place where the block design looks for it."""
    if (kit / "ip").is_dir():
        shutil.rmtree(kit / "ip")
    copy_folder(ip, kit / "ip", ip)


def collect(stage: str, kit: Path, folder: Path, log: Path | None = None) -> str:
    """Copies a stage's results from the kit to `folder`; returns a few words on them.

    Raises:
        ToolError: a result is missing, although the tool ended well; names it and the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if stage == "hls":
        report = _synthesis_report(kit)
        if report is None:
            raise _missing(stage, f"the report {TOP}_csynth.xml", log, kit)
        copied = _copy_all(report.parent, folder / "reports", (".xml", ".rpt"), kit)
        return f"{copied} reports"
    if stage == "cosim":
        reports = cosim_reports(kit)
        if not reports:
            raise _missing(stage, f"the report {TOP}_cosim.rpt", log, kit)
        return f"{_copy_all(reports[0].parent, folder, ('.rpt', '.xml'), kit)} reports"
    if stage == "ip":
        if not (kit / "ip/component.xml").is_file():
            raise _missing(stage, "ip/component.xml", log, kit)
        copy_folder(kit / "ip", folder, kit)
        return f"{sum(p.is_file() for p in folder.rglob('*'))} files"
    for name in BITSTREAM_FILES:
        path = kit / "bitstream" / name
        if not path.is_file() or not path.stat().st_size:
            raise _missing(stage, f"bitstream/{name}", log, kit)
    copy_folder(kit / "bitstream", folder, kit)
    return f"{(folder / BITSTREAM_FILES[0]).stat().st_size / 1e6:,.1f} MB"


def cosim_reports(kit: Path) -> list[Path]:
    """Reports of co-simulation in a kit."""
    return sorted(path for work in HLS_WORK for path in (kit / work / "sim/report").glob("*_cosim.rpt"))


def results_in(kit: Path) -> list[str]:
    """Stages whose results a kit holds, in their order."""
    found = {
        "hls": has_synthesis(kit),
        "cosim": bool(cosim_reports(kit)),
        "ip": (kit / "ip/component.xml").is_file(),
        "bitstream": all((kit / "bitstream" / name).is_file() for name in BITSTREAM_FILES),
    }
    return [stage for stage, there in found.items() if there]


def missing_in(kit: Path) -> dict[str, list[str]]:
    """Missing result files of stages that have begun, by stage; stages without any file are left out.

    A bitstream without a report is taken all the same; the build's report then says what is unknown.
    """
    missing: dict[str, list[str]] = {}
    if any((kit / name).exists() for name in LEFT["hls"]):
        missing["hls"] = [] if has_synthesis(kit) else [f"the report {TOP}_csynth.xml"]
    if any((kit / name).exists() for name in LEFT["cosim"]):
        missing["cosim"] = [] if cosim_reports(kit) else [f"the report {TOP}_cosim.rpt"]
    # A project has a folder impl/ after synthesis already, so only an IP in it tells that packaging has begun.
    begun = ("ip", "ip.partial", *(f"{work}/impl/ip" for work in HLS_WORK))
    if any((kit / name).exists() for name in begun) or _packaged(kit) is not None:
        missing["ip"] = [] if (kit / "ip/component.xml").is_file() else ["ip/component.xml"]
    if any((kit / name).exists() for name in LEFT["bitstream"]):
        wanted = [f"bitstream/{name}" for name in (*BITSTREAM_FILES, *REPORTS)]
        missing["bitstream"] = [name for name in wanted if not (kit / name).is_file()]
    return missing


def refuse_results(accelerator: Path) -> None:
    """Refuses to render over files of a user's own run of the tools in the rendered project.

    Raises:
        ConfigError: names these files.
    """
    tops = dict.fromkeys(name.split("/")[0] for names in LEFT.values() for name in names)
    found = [name for name in tops if (accelerator / name).exists()]
    if found:
        raise ConfigError(
            f"{accelerator} holds results of the vendor's tools ({', '.join(found)}), which rendering would delete",
            "move or remove them; to run the tools yourself, export a kit: edgemoe-gen build --export FOLDER",
        )


def write_facts(kit: Path, facts: Mapping[str, Any]) -> None:
    """`kit.json`: the project from which the kit was exported, for the import of results."""
    write_json(kit / FACTS, facts)


def read_facts(kit: Path) -> dict[str, Any]:
    """The facts that `write_facts` wrote.

    Raises:
        OverlayError: the folder is no exported kit.
    """
    path = kit / FACTS
    try:
        facts = read_json(path)
    except FileNotFoundError as error:
        if (kit / "run.sh").is_file() and (kit / "flow").is_dir():
            raise OverlayError(
                f"{kit} is a rendered project, not an exported kit: it holds no {FACTS}, so its results can't be told "
                "from those of another design",
                "export a kit and run its run.sh: edgemoe-gen build --export FOLDER",
            ) from error
        raise OverlayError(
            f"{kit} holds no {FACTS}: it was not exported by edgemoe-gen",
            "give the folder that `edgemoe-gen build --export` wrote",
        ) from error
    except (OSError, ValueError) as error:
        raise OverlayError(f"{path} cannot be read: {error}", "copy the whole folder again") from error
    if not isinstance(facts, dict) or not str(facts.get("generator", "")).startswith("edgemoe-gen"):
        raise OverlayError(
            f"{path} is not of edgemoe-gen: its key 'generator' says otherwise", "export the folder again"
        )
    for key in ("board", "part", "design"):
        if not isinstance(facts.get(key), str):
            raise OverlayError(f"{path} is damaged: its key '{key}' holds no text", "copy the whole folder again")
    return facts


def _synthesis_report(kit: Path) -> Path | None:
    for work in HLS_WORK:
        path = kit / work / f"syn/report/{TOP}_csynth.xml"
        if path.is_file():
            return path
    return None


def _copy_all(source: Path, folder: Path, suffixes: Iterable[str], kit: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return copy_files(sorted(path for path in source.iterdir() if path.suffix in tuple(suffixes)), folder, kit)


def _missing(stage: str, what: str, log: Path | None, kit: Path) -> ToolError:
    if log is None:
        return ToolError(f"{kit} holds no result of stage {stage}: {what} is missing", "run the stage there first")
    return missing_result(stage, what, log, kit)
