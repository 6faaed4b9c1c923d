"""What `doctor` says of a machine, on install folders made for each test."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import BoardError
from edgemoe_gen.base.extras import EXTRAS, Extra, installed
from edgemoe_gen.flow.check import Check
from edgemoe_gen.flow.tools import find_tools
from edgemoe_gen.flow.vendor_checks import named_releases, vendor_checks
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.pipeline.diagnosis import Diagnosis, doctor
from edgemoe_gen.pipeline.stages.table import NAMES, STAGES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
BOARDS = ("kv260", "ultra96v2", "zcu102", "zcu104")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty install folder, the only one that is looked in."""
    for variable in ("XILINX_HLS", "XILINX_VITIS", "XILINX_VIVADO", "XILINXD_LICENSE_FILE", "LM_LICENSE_FILE"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("EDGEMOE_TOOLS", str(folder))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def install(root: Path, place: str, *names: str, text: str = "#!/bin/sh\n") -> None:
    (root / place / "bin").mkdir(parents=True)
    for name in names:
        (root / place / "bin" / name).write_text(text)
        (root / place / "bin" / name).chmod(0o755)


def install_board(root: Path, place: str, board: str) -> None:
    vendor, name, _, version = load_board(board).board_part.split(":")
    folder = root / place / "data/boards/board_files" / name / version
    folder.mkdir(parents=True)
    (folder / "board.xml").write_text(
        f'<board vendor="{vendor}" name="{name}"><file_version>{version}</file_version></board>'
    )


def by_name(found: Diagnosis) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


@pytest.mark.usefixtures("root")
def test_machine_without_tools_is_ready_up_to_lint() -> None:
    found = doctor()
    assert list(found.stages) == ["generate", *NAMES]
    assert not any(found.stages[name].ready for name in ("hls", "cosim", "ip", "bitstream"))
    assert found.stages["compile"].ready and found.stages["package"].ready
    assert "vitis_hls" in found.stages["hls"].missing and "Vivado" in found.stages["bitstream"].missing
    assert "settings64.sh" in by_name(found)["vivado"].advice
    assert not any(name.startswith("board files") for name in by_name(found))


def test_stages_say_what_would_run_with_classic_tools(root: Path) -> None:
    install(root, "Vitis_HLS/2022.1", "vitis_hls")
    install(root, "Vivado/2022.1", "vivado")
    found = doctor()
    assert found.stages["hls"].uses == found.stages["ip"].uses == "vitis_hls 2022.1 (classic)"
    assert found.stages["bitstream"].ready and found.stages["bitstream"].uses == "vivado 2022.1"
    checks = by_name(found)
    assert (
        checks["vivado"].status == "ok" and str(root) in checks["vivado"].found and "2022.1" in checks["vivado"].found
    )
    assert checks["v++"].status == "not needed" and checks["v++"].advice == ""


def test_stages_say_what_would_run_with_unified_tools(root: Path) -> None:
    install(root, "2025.1/Vitis", "v++", "vitis-run")
    found = doctor()
    assert found.stages["hls"].uses == "v++ 2025.1 (unified)"
    assert found.stages["cosim"].uses == "vitis-run 2025.1 (unified)"
    assert not found.stages["bitstream"].ready and by_name(found)["vitis_hls"].status == "not needed"


def test_vivado_without_hls_makes_no_bitstream(root: Path) -> None:
    install(root, "Vivado/2022.1", "vivado")
    stage = doctor().stages["bitstream"]
    assert not stage.ready and "Vitis HLS" in stage.missing


def test_board_files_of_all_boards_are_looked_for(root: Path) -> None:
    install(root, "Vivado/2023.2", "vivado")
    install_board(root, "Vivado/2023.2", "zcu104")
    checks = by_name(doctor())
    assert {name: checks[f"board files {name}"].status for name in BOARDS} == {
        "kv260": "missing", "ultra96v2": "missing", "zcu102": "missing", "zcu104": "ok",
    }  # fmt: skip
    assert "xhub::install" in checks["board files kv260"].advice


def test_board_asked_for_is_the_only_one_and_decides(root: Path) -> None:
    install(root, "Vitis_HLS/2023.2", "vitis_hls")
    install(root, "Vivado/2023.2", "vivado")
    install_board(root, "Vivado/2023.2", "zcu104")
    assert doctor("zcu104").stages["bitstream"].ready
    other = doctor("kv260")
    assert [name for name in by_name(other) if name.startswith("board files")] == ["board files kv260"]
    assert not other.stages["bitstream"].ready and "kv260_som" in other.stages["bitstream"].missing
    with pytest.raises(BoardError):
        doctor("zcu999")


def licence(board: str) -> Check:
    return by_name(doctor(board))["licence"]


def test_licence_is_asked_for_where_the_free_edition_ends(root: Path) -> None:
    install(root, "Vivado/2023.2", "vivado")
    assert licence("zcu104").status == "ok" and "free edition covers zcu104" in licence("zcu104").found
    assert licence("zcu102").status == "missing" and "XILINXD_LICENSE_FILE" in licence("zcu102").advice


def test_licence_is_always_asked_for_from_2026_on(root: Path) -> None:
    install(root, "2026.1/Vivado", "vivado")
    assert licence("zcu104").status == "missing" and "Basic" in licence("zcu104").advice


def test_licence_that_is_named_but_not_there_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XILINXD_LICENSE_FILE", str(root / "gone.lic"))
    assert licence("zcu104").status == "low" and "gone.lic" in licence("zcu104").advice
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "2100@server")
    assert licence("zcu102").status == "ok" and "2100@server" in licence("zcu102").found


def test_release_that_the_path_does_not_name_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root, "own", "vivado", text='#!/bin/sh\necho "vivado v2024.1 (64-bit)"\n')
    monkeypatch.setenv("PATH", f"{root / 'own/bin'}:/usr/bin:/bin")
    assert by_name(doctor())["vivado"].found.startswith("2024.1: ")


def test_too_old_release_is_told_even_if_only_the_tool_knows_it(root: Path) -> None:
    install(root, "own", "vivado", text='#!/bin/sh\necho "Vivado v2019.1 (64-bit)"\n')
    tools = named_releases(find_tools({"PATH": str(root / "own/bin")}, []), {"PATH": "/usr/bin:/bin"})
    assert "2019.1 is too old" in tools.notes[0] and tools.vivado is None
    install(root, "Vivado/2018.3", "vivado")
    note = by_name(doctor())["tool releases"].found
    assert "vivado 2018.3" in note and "too old" in note


def test_a_release_that_cannot_package_is_told_before(root: Path) -> None:
    install(root, "Vitis_HLS/2021.2", "vitis_hls")
    check = by_name(doctor())["tool releases"]
    assert "vitis_hls 2021.2 cannot package an IP since 2022" in check.found and "76960" in check.found
    assert by_name(doctor())["vitis_hls"].status == "ok"


def test_small_disk_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk() -> Check:
        return next(check for check in vendor_checks(find_tools(), [], {}, root) if check.name == "disk for Vivado")

    monkeypatch.setattr("edgemoe_gen.flow.vendor_checks.FLOW_DISK_GB", 0.0)
    assert disk().status == "ok"
    monkeypatch.setattr("edgemoe_gen.flow.vendor_checks.FLOW_DISK_GB", 1e9)
    assert disk().status == "low" and "GB" in disk().advice


@pytest.mark.usefixtures("root")
def test_json_holds_checks_and_stages() -> None:
    said = json.loads(json.dumps(doctor().as_dict()))
    assert set(said) == {"checks", "extras", "stages", "commands"}
    assert set(said["stages"]["hls"]) == {"ready", "uses", "missing"}


def test_a_gap_before_the_vendors_stages_is_theirs_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root, "Vitis_HLS/2023.2", "vitis_hls")
    install(root, "Vivado/2023.2", "vivado")
    assert all(stage.ready for stage in doctor().stages.values())
    monkeypatch.setattr(
        "edgemoe_gen.pipeline.diagnosis._compiler", lambda: Check("C++ compiler", "missing", "no", "csim")
    )
    found = doctor().stages
    assert found["render"].ready
    for stage in ("csim", "hls", "cosim", "ip", "bitstream", "package"):
        assert not found[stage].ready and "C++ compiler" in found[stage].missing, stage


def test_without_libclang_lint_alone_can_t_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root, "Vitis_HLS/2023.2", "vitis_hls")
    install(root, "Vivado/2023.2", "vivado")
    monkeypatch.setattr("edgemoe_gen.pipeline.diagnosis.libclang_missing", lambda: "it is not there")
    found = doctor()
    assert [name for name, stage in found.stages.items() if not stage.ready] == ["lint"]
    assert by_name(found)["libclang"].needed_for == "lint, which a build leaves out without it"


@pytest.mark.usefixtures("root")
def test_packaging_opens_the_model_and_so_needs_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    stage = doctor().stages["package"]
    assert not stage.ready and stage.missing == "not here: torch"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("extra", [extra for extra in EXTRAS if extra.name in {s.optional_extra for s in STAGES}])
def test_a_stage_that_a_build_leaves_out_is_not_ready(extra: Extra, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, *extra.packages)
    monkeypatch.setattr("edgemoe_gen.pipeline.diagnosis.libclang_missing", lambda: "it is not there")
    stages = doctor().stages
    for stage in STAGES:
        if stage.optional_extra == extra.name:
            assert not stages[stage.name].ready and stages[stage.name].missing.startswith("not here: "), stage.name


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    there = importlib.metadata.version

    def version(name: str) -> str:
        if name in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.usefixtures("root")
def test_extras_say_what_they_lack_and_which_commands_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "optuna", "distributed")
    found = doctor()
    lacks = {one.extra.name: one.lacks for one in found.extras}
    assert lacks["tune"] == ("optuna",) and lacks["cluster"] == ("distributed",)
    assert not found.commands["tune"].ready and found.commands["tune"].missing == "not here: [tune]"
    assert all("[tune]" not in stage.missing for name, stage in found.commands.items() if name != "tune")


def test_a_package_counts_under_the_name_of_its_module_too(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "opencv-python-headless", "optuna")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name == "cv2" else None)
    assert installed("opencv-python-headless") and not installed("optuna")


def test_extras_are_those_that_the_package_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {name: {re.split(r"[<>=[]", line)[0] for line in lines} for name, lines in declared.items()}
    # PYNQ's own packages stand there only to be held back.
    named["pynq"] &= {"pynq"}
    assert {extra.name: set(extra.packages) for extra in EXTRAS} == named


def test_the_page_shows_the_table_of_extras() -> None:
    page = (ROOT / "docs/flow.md").read_text(encoding="utf-8")
    section = page.partition("## Extras")[2].partition("\n## ")[0]
    rows = [
        tuple(part.strip() for part in line.strip("|").split("|")) for line in section.splitlines() if line[:3] == "| `"
    ]
    assert rows == [(f"`[{e.name}]`", ", ".join(e.packages), e.purpose, e.needed_by) for e in EXTRAS]
