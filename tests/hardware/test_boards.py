"""Boards: those that ship load, a file of one's own works, and a wrong one is refused with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.base.errors import BoardError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.design import make_design
from edgemoe_gen.design.knobs import Knobs
from edgemoe_gen.hardware.boards import Board, board_names, load_board

# Of the devices' data sheets: part, LUT, FF, BRAM36, UltraRAM, DSP.
KNOWN = {
    "zcu104": ("xczu7ev-ffvc1156-2-e", 230_400, 460_800, 312, 96, 1_728),
    "zcu102": ("xczu9eg-ffvb1156-2-e", 274_080, 548_160, 912, 0, 2_520),
    "kv260": ("xck26-sfvc784-2LV-c", 117_120, 234_240, 144, 64, 1_248),
    "ultra96v2": ("xczu3eg-sbva484-1-i", 70_560, 141_120, 216, 0, 360),
}


def board_text() -> str:
    return (resource_folder("boards") / "zcu104.toml").read_text(encoding="utf-8")


def test_the_boards_that_ship_are_those_known() -> None:
    assert board_names() == sorted(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_a_board_s_facts_are_its_data_sheet_s(name: str) -> None:
    board = load_board(name)
    assert (board.part, board.lut, board.ff, board.bram36, board.uram, board.dsp) == KNOWN[name]
    assert board.name == name and board.title and board.source
    assert 0 < board.ddr_efficiency <= 1
    assert load_board(name.upper()) == board


def test_a_file_of_one_s_own_works_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(board_text().replace("dsp = 1728", "dsp = 4096").replace("clock_mhz = 300.0", "clock_mhz = 250"))
    board = load_board(str(path))
    assert (board.name, board.dsp, board.clock_mhz) == ("mine", 4096, 250.0)
    assert isinstance(board, Board) and isinstance(board.clock_mhz, float)
    assert make_design(Knobs(), board).board is board


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dsp = 1728", "dsps = 1728", r"mine\.toml: unknown key 'dsps'"),
        ("dsp = 1728", "", r"mine\.toml: key 'dsp' is missing"),
        ("dsp = 1728", 'dsp = "many"', r"mine\.toml: 'dsp' is 'many', but must be of type int"),
        ("dsp = 1728", "dsp = 17.28", r"mine\.toml: 'dsp' is 17.28, but must be of type int"),
        ("dsp = 1728", "dsp = true", r"mine\.toml: 'dsp' is True, but must be of type int"),
        ("dsp = 1728", "dsp = 0", r"mine\.toml: 'dsp' is 0, but must be positive"),
        ("lut = 230400", "lut = -1", r"mine\.toml: 'lut' is -1, but must be positive"),
        ("uram = 96", "uram = -1", r"mine\.toml: 'uram' is -1, but must be positive"),
        ("clock_mhz = 300.0", 'clock_mhz = "300"', r"mine\.toml: 'clock_mhz' is '300', but must be of type float"),
        ("clock_mhz = 300.0", "clock_mhz = true", r"mine\.toml: 'clock_mhz' is True, but must be of type float"),
        ("clock_mhz = 300.0", "clock_mhz = 49", r"mine\.toml: 'clock_mhz' is 49, but must lie between 50 and 600"),
        ("clock_mhz = 300.0", "clock_mhz = 3e8", r"mine\.toml: 'clock_mhz' is 3e\+08, but must lie between 50 and 600"),
        ("clock_mhz = 300.0", "clock_mhz = nan", r"mine\.toml: 'clock_mhz' is nan, but must be positive"),
        ("ddr_gb_per_s = 17.0", "ddr_gb_per_s = inf", r"mine\.toml: 'ddr_gb_per_s' is inf, but must be positive"),
        ("dsp = 1728", f"dsp = {10**400}", r"mine\.toml is not readable as TOML: .* 1,329 bits"),
        ("ddr_efficiency = 0.8", "ddr_efficiency = 80", r"mine\.toml: 'ddr_efficiency' is 80, but must lie between"),
        ("port_bits = 128", "port_bits = 100", r"mine\.toml: 'port_bits' is 100, but a memory port has 64 or 128"),
        ("port_bits = 128", "port_bits = 1024", r"mine\.toml: 'port_bits' is 1024, but a memory port has 64 or 128"),
        ("dsp = 1728", "dsp = ", r"mine\.toml is not readable as TOML"),
        ("xczu7ev-ffvc1156-2-e", "xczu7ev; exec id", r"mine\.toml: 'part' is 'xczu7ev; exec id'"),
        ("xilinx.com:zcu104:part0:1.1", "[exec id]", r"mine\.toml: 'board_part' is '\[exec id\]'"),
        ('title = "', 'title = "two\\nlines ', r"mine\.toml: 'title' is .*, but must be one line"),
        ('pynq_image = "', 'pynq_image = "a\\"b', r"mine\.toml: 'pynq_image' is .*without quotes"),
        ('source = "', 'source = "a\\\\b', r"mine\.toml: 'source' is .*backslashes"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = board_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(BoardError, match=message):
        load_board(str(path))


def test_a_board_without_uram_is_a_board(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(board_text().replace("uram = 96", "uram = 0"))
    assert load_board(str(path)).uram == 0


@pytest.mark.parametrize("name", ["zcu999", "nowhere/board.toml", "../zcu104"])
def test_an_unknown_board_is_refused_with_those_known(name: str) -> None:
    with pytest.raises(BoardError, match="there is no board") as error:
        load_board(name)
    assert "zcu104" in error.value.hint


def test_a_clock_that_a_board_may_ask_for_is_one_that_the_knob_takes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for clock in (50, 600):
        path.write_text(board_text().replace("clock_mhz = 300.0", f"clock_mhz = {clock}"))
        assert Knobs().turned({"clock_mhz": load_board(str(path)).clock_mhz}).clock_mhz == clock


def test_a_board_file_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(BoardError, match=r"there is no board file nope\.toml"):
        load_board("nope.toml")


def test_a_file_of_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(BoardError, match=r"picture\.toml is not readable"):
        load_board(str(path))
