"""Which vendor tools are found, in which order, and what the stages run with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError, ToolError
from edgemoe_gen.flow.installation import ask_release, board_versions, is_free, licences
from edgemoe_gen.flow.tools import (
    MissingToolError,
    Tool,
    Toolset,
    find_tools,
    hls_generation,
    parallel_jobs,
    stage_commands,
    tool_environment,
    why_missing,
)
from edgemoe_gen.hardware.boards import load_board


def program(folder: Path, *names: str, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def test_nothing_is_found_on_a_bare_machine(tmp_path: Path) -> None:
    tools = find_tools({"PATH": str(tmp_path)}, [tmp_path])
    assert tools == Toolset() and hls_generation(tools) is None


def test_classic_layout_gives_release_and_root(tmp_path: Path) -> None:
    hls = program(tmp_path / "Vitis_HLS/2022.1/bin", "vitis_hls")
    program(tmp_path / "Vivado/2022.1/bin", "vivado")
    program(tmp_path / "Vitis/2022.1/bin", "v++")
    tools = find_tools({}, [tmp_path])
    assert tools.vitis_hls == Tool("vitis_hls", hls / "vitis_hls", "2022.1", str(tmp_path))
    assert tools.vivado and tools.vivado.release == "2022.1"
    assert hls_generation(tools) == "classic" and not tools.notes


def test_layout_of_2025_is_found_and_is_unified(tmp_path: Path) -> None:
    program(tmp_path / "2025.1/Vitis/bin", "v++", "vitis-run")
    program(tmp_path / "2025.1/Vivado/bin", "vivado")
    tools = find_tools({}, [tmp_path])
    assert [tool.release for tool in tools.found] == ["2025.1"] * 3
    assert hls_generation(tools) == "unified"


def test_newest_release_below_the_roots_is_taken(tmp_path: Path) -> None:
    for release in ("2021.2", "2023.2", "2022.1"):
        program(tmp_path / "a" / f"Vivado/{release}/bin", "vivado")
    program(tmp_path / "b/2024.1/Vivado/bin", "vivado")
    vivado = find_tools({}, [tmp_path / "a", tmp_path / "b"]).vivado
    assert vivado and (vivado.release, vivado.origin) == ("2024.1", str(tmp_path / "b"))


def test_path_goes_before_variables_and_variables_before_roots(tmp_path: Path) -> None:
    program(tmp_path / "root/Vivado/2024.2/bin", "vivado")
    program(tmp_path / "said/Vivado/2023.1/bin", "vivado")
    own = program(tmp_path / "own/Vivado/2022.2/bin", "vivado")
    environ = {"XILINX_VIVADO": str(tmp_path / "said/Vivado/2023.1")}
    roots = [tmp_path / "root"]
    by_variable = find_tools(environ, roots).vivado
    by_path = find_tools({**environ, "PATH": str(own)}, roots).vivado
    assert by_variable and (by_variable.release, by_variable.origin) == ("2023.1", "$XILINX_VIVADO")
    assert by_path and (by_path.release, by_path.origin) == ("2022.2", "PATH")


def test_hls_on_path_is_not_mixed_with_an_older_one_below_a_root(tmp_path: Path) -> None:
    own = program(tmp_path / "own/2025.1/Vitis/bin", "v++", "vitis-run")
    program(tmp_path / "root/Vitis_HLS/2022.1/bin", "vitis_hls")
    tools = find_tools({"PATH": str(own)}, [tmp_path / "root"])
    assert tools.vitis_hls is None and hls_generation(tools) == "unified"


def test_vivado_of_the_release_of_hls_goes_before_a_newer_one(tmp_path: Path) -> None:
    own = program(tmp_path / "own/Vitis_HLS/2022.1/bin", "vitis_hls")
    for release in ("2022.1", "2024.1"):
        program(tmp_path / f"root/Vivado/{release}/bin", "vivado")
    vivado = find_tools({"PATH": str(own)}, [tmp_path / "root"]).vivado
    assert vivado and vivado.release == "2022.1"


def test_two_releases_are_noted(tmp_path: Path) -> None:
    program(tmp_path / "Vitis_HLS/2022.1/bin", "vitis_hls")
    program(tmp_path / "Vivado/2023.2/bin", "vivado")
    (note,) = find_tools({}, [tmp_path]).notes
    assert "2022.1" in note and "2023.2" in note


@pytest.mark.parametrize(("release", "noted"), [("2021.1", True), ("2021.2", True), ("2022.1", False)])
def test_a_release_that_cannot_package_since_2022_is_noted_before(tmp_path: Path, release: str, noted: bool) -> None:
    program(tmp_path / f"Vitis_HLS/{release}/bin", "vitis_hls")
    program(tmp_path / f"Vivado/{release}/bin", "vivado")
    notes = find_tools({}, [tmp_path]).notes
    assert [f"vitis_hls {release} cannot package" in note and "76960" in note for note in notes] == [True] * noted


def test_too_old_releases_are_passed_over_with_a_note(tmp_path: Path) -> None:
    program(tmp_path / "Vivado/2019.1/bin", "vivado")
    tools = find_tools({}, [tmp_path])
    assert tools.vivado is None
    assert "vivado 2019.1" in tools.notes[0] and "too old" in tools.notes[0]


def test_release_of_a_link_is_that_of_its_target(tmp_path: Path) -> None:
    real = program(tmp_path / "x/Vivado/2023.2/bin", "vivado") / "vivado"
    (tmp_path / "links").mkdir()
    (tmp_path / "links/vivado").symlink_to(real)
    vivado = find_tools({"PATH": str(tmp_path / "links")}, []).vivado
    assert vivado and vivado.release == "2023.2" and vivado.path == tmp_path / "links/vivado"


def test_files_that_cannot_be_run_are_no_tools(tmp_path: Path) -> None:
    (program(tmp_path, "vivado") / "vivado").chmod(0o644)
    (tmp_path / "v++").mkdir()
    assert find_tools({"PATH": str(tmp_path)}, []).found == ()


def test_install_folders_can_be_set_by_a_variable(tmp_path: Path) -> None:
    program(tmp_path / "Vivado/2023.2/bin", "vivado")
    assert find_tools({"EDGEMOE_TOOLS": str(tmp_path)}).vivado
    assert find_tools({"EDGEMOE_TOOLS": ""}).vivado is None


def test_commands_of_each_generation(tmp_path: Path) -> None:
    def lines(*names: str) -> list[str]:
        folder = program(tmp_path / "-".join(names), *names)
        tools = find_tools({"PATH": str(folder)}, [])
        return [stage_commands(stage, tools)[0].line() for stage in ("hls", "cosim", "ip")]

    assert lines("vitis_hls", "v++") == [f"vitis_hls -f flow/{name}.tcl" for name in ("hls", "cosim", "ip")]
    assert lines("vitis-run") == [f"vitis-run --mode hls --tcl flow/{name}.tcl" for name in ("hls", "cosim", "ip")]
    assert lines("v++", "vitis-run") == [
        "v++ -c --mode hls --config hls.cfg --work_dir hls_component",
        "vitis-run --mode hls --cosim --config hls.cfg --work_dir hls_component",
        "vitis-run --mode hls --package --config hls.cfg --work_dir hls_component",
    ]


def test_bitstream_runs_vivado_in_batch_by_its_path(tmp_path: Path) -> None:
    folder = program(tmp_path / "with space", "vivado")
    (command,) = stage_commands("bitstream", find_tools({"PATH": str(folder)}, []))
    assert command.argv[0] == str(folder / "vivado")
    assert command.line() == "vivado -mode batch -nojournal -log vivado.log -source flow/bitstream.tcl"


def test_missing_tool_is_refused_with_what_to_do(tmp_path: Path) -> None:
    tools = find_tools({"PATH": str(program(tmp_path, "v++"))}, [])
    with pytest.raises(MissingToolError) as raised:
        stage_commands("hls", tools)
    assert raised.value.exit_code == 2 and not isinstance(raised.value, ToolError)
    assert "v++" in raised.value.message and "vitis-run" in raised.value.message
    assert all(word in raised.value.hint for word in ("settings64.sh", "doctor", "--export"))
    assert "Vivado" in why_missing("bitstream", tools) and why_missing("render", tools) == ""


def test_tool_below_a_root_runs_as_if_settings_had_been_sourced(tmp_path: Path) -> None:
    program(tmp_path / "Vitis_HLS/2022.1/bin", "vitis_hls")
    program(tmp_path / "Vivado/2022.1/bin", "vivado")
    tools = find_tools({}, [tmp_path])
    assert tools.vitis_hls
    made = tool_environment(tools.vitis_hls, {"PATH": "/usr/bin", "KEPT": "yes"}, tools)
    assert made["PATH"].split(os.pathsep)[:2] == [str(tmp_path / "Vitis_HLS/2022.1/bin"), "/usr/bin"]
    assert str(tmp_path / "Vivado/2022.1/bin") in made["PATH"]
    assert made["XILINX_HLS"] == str((tmp_path / "Vitis_HLS/2022.1").resolve())
    assert made["XILINX_VIVADO"] == str((tmp_path / "Vivado/2022.1").resolve())
    assert made["KEPT"] == "yes" and made["EDGEMOE_JOBS"] == str(os.cpu_count())


def test_what_the_user_has_set_is_kept(tmp_path: Path) -> None:
    tool = Tool("vivado", program(tmp_path, "vivado") / "vivado", "", "PATH")
    environ = {"PATH": f"/usr/bin:{tmp_path}", "EDGEMOE_JOBS": "1", "XILINX_VIVADO": "/mine"}
    assert tool_environment(tool, environ) == environ


@pytest.mark.parametrize("said", ["many", "0", "-1", "1.5", "²"])
def test_a_wrong_number_of_jobs_is_refused(said: str) -> None:
    with pytest.raises(ConfigError, match=f"EDGEMOE_JOBS is '{said}', but must be a whole number"):
        parallel_jobs({"EDGEMOE_JOBS": said})


def test_jobs_that_are_not_said_are_one_a_processor() -> None:
    assert parallel_jobs({"EDGEMOE_JOBS": ""}) == parallel_jobs({}) == (os.cpu_count() or 1)


def board_file(folder: Path, name: str, version: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "board.xml").write_text(
        f'<?xml version="1.0"?>\n<board schema_version="2.0" vendor="xilinx.com" name="{name}" display_name="x">\n'
        f"<file_version>{version}</file_version>\n</board>\n"
    )
    return folder


@pytest.mark.parametrize(
    "store",
    ["Vivado/2023.2/data/boards/board_files/zcu104/1.1",
     "Vivado/2023.2/data/xhub/boards/XilinxBoardStore/boards/Xilinx/zcu104/1.1"],
)  # fmt: skip
def test_board_files_are_found_in_each_store(tmp_path: Path, store: str) -> None:
    program(tmp_path / "Vivado/2023.2/bin", "vivado")
    tools, board = find_tools({}, [tmp_path]), load_board("zcu104")
    assert board_versions(tools, board, {}) == {}
    folder = board_file(tmp_path / store, "zcu104", "1.1")
    assert board_versions(tools, board, {}) == {"1.1": folder}
    assert board_versions(tools, load_board("zcu102"), {}) == {}


def test_board_files_of_2025_lie_beside_vivado(tmp_path: Path) -> None:
    program(tmp_path / "2025.1/Vivado/bin", "vivado")
    board_file(tmp_path / "2025.1/data/xhub/boards/XilinxBoardStore/boards/Xilinx/zcu104/1.1", "zcu104", "1.1")
    assert list(board_versions(find_tools({}, [tmp_path]), load_board("zcu104"), {})) == ["1.1"]


def test_board_files_of_another_version_are_told_apart(tmp_path: Path) -> None:
    program(tmp_path / "Vivado/2023.2/bin", "vivado")
    home = tmp_path / "home"
    folder = board_file(home / ".Xilinx/Vivado/2023.2/xhub/boards/XilinxBoardStore/boards/a/b", "zcu104", "1.0")
    tools, board = find_tools({}, [tmp_path]), load_board("zcu104")
    assert board_versions(tools, board, {"HOME": str(home)}) == {"1.0": folder}


def test_free_edition_covers_all_boards_but_the_zcu102() -> None:
    assert {name: is_free(load_board(name)) for name in ("zcu104", "kv260", "ultra96v2", "zcu102")} == {
        "zcu104": True, "kv260": True, "ultra96v2": True, "zcu102": False,
    }  # fmt: skip


def test_licences_are_looked_for_where_the_tools_look(tmp_path: Path) -> None:
    (tmp_path / ".Xilinx").mkdir()
    (tmp_path / ".Xilinx/mine.lic").write_text("")
    environ = {"HOME": str(tmp_path), "XILINXD_LICENSE_FILE": f"2100@server:{tmp_path}/none.lic"}
    there, gone = licences(environ)
    assert there == ["2100@server ($XILINXD_LICENSE_FILE)", str(tmp_path / ".Xilinx/mine.lic")]
    assert gone == [f"{tmp_path}/none.lic ($XILINXD_LICENSE_FILE)"]


def test_tool_tells_its_release_when_asked(tmp_path: Path) -> None:
    text = '#!/bin/sh\n[ "$1" = -version ] && echo "vivado v2023.2 (64-bit)"\ntouch left_here\n'
    path = program(tmp_path, "vivado", text=text) / "vivado"
    assert ask_release(Tool("vivado", path, "", "PATH")) == "2023.2"
    assert not Path("left_here").exists()


def test_tool_that_does_not_answer_is_not_awaited(tmp_path: Path) -> None:
    path = program(tmp_path, "vivado", text="#!/bin/sh\nsleep 600\n") / "vivado"
    assert ask_release(Tool("vivado", path, "", "PATH"), seconds=0.3) == ""


def test_a_place_that_cannot_be_looked_at_holds_no_tool(tmp_path: Path) -> None:
    """A name that is too long is an OSError to everybody, an unreadable folder only to those who are not root."""
    locked, long = tmp_path / "locked", str(tmp_path / ("x" * 300))
    program(locked, "vivado")
    there = program(tmp_path / "bin", "vivado")
    locked.chmod(0)
    try:
        found = find_tools({"PATH": os.pathsep.join([long, str(locked), str(there)])}, [])
    finally:
        locked.chmod(0o755)
    assert found.vivado and found.vivado.path in (there / "vivado", locked / "vivado")
    assert find_tools({"EDGEMOE_TOOLS": long, "XILINX_VIVADO": long}) == Toolset()


def test_unreadable_places_hold_no_licence_and_no_board_files(tmp_path: Path) -> None:
    program(tmp_path / "Vivado/2023.2/bin", "vivado")
    tools, long = find_tools({}, [tmp_path]), str(tmp_path / ("x" * 300))
    assert licences({"LM_LICENSE_FILE": long, "HOME": long}) == ([], [f"{long} ($LM_LICENSE_FILE)"])
    store = tmp_path / "Vivado/2023.2/data/boards/board_files"
    board_file(store / "zcu104/1.1", "zcu104", "1.1").joinpath("board.xml").chmod(0)
    assert list(board_versions(tools, load_board("zcu104"), {"HOME": long})) in ([], ["1.1"])
