"""Copies out of a folder that others filled: regular files only, and none from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.base.copying import copy_file, copy_folder
from edgemoe_gen.base.errors import OverlayError

SECRET = "not for others"


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text(SECRET)
    kit = tmp_path / "kit"
    (kit / "ip" / "hdl").mkdir(parents=True)
    (kit / "ip" / "hdl" / "a.v").write_text("module a; endmodule")
    return kit


def test_what_is_inside_is_copied_also_through_a_link(kit: Path, tmp_path: Path) -> None:
    (kit / "ip" / "b.v").symlink_to("hdl/a.v")
    copy_folder(kit / "ip", tmp_path / "to", kit)
    assert (tmp_path / "to" / "hdl" / "a.v").read_text() == "module a; endmodule"
    assert (tmp_path / "to" / "b.v").read_text() == "module a; endmodule"
    assert not (tmp_path / "to" / "b.v").is_symlink()


BAD: dict[str, Callable[[Path], object]] = {
    "a link to a file outside": lambda place: place.symlink_to("../../secret/key"),
    "an absolute link": lambda place: place.symlink_to(place.parents[2] / "secret" / "key"),
    "a link to a folder outside": lambda place: place.symlink_to("../../secret"),
    "a link to itself": lambda place: place.symlink_to(place.name),
    "a loop of folders": lambda place: place.symlink_to("."),
    "a link to nowhere": lambda place: place.symlink_to("gone"),
    "a pipe": os.mkfifo,
    "a device": lambda place: place.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_anything_else_is_refused_by_name(kit: Path, tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(kit / "ip" / "odd")
    with pytest.raises(OverlayError, match="odd"):
        copy_folder(kit / "ip", tmp_path / "to", kit)
    copied = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert all(SECRET not in path.read_text() for path in copied)


def test_a_kit_whose_folder_is_a_link_outside_is_refused(kit: Path, tmp_path: Path) -> None:
    (kit / "logs").symlink_to(tmp_path / "secret")
    with pytest.raises(OverlayError, match="lies outside"):
        copy_folder(kit / "logs", tmp_path / "to", kit)
    with pytest.raises(OverlayError, match="lies outside"):
        copy_file(kit / "logs" / "key", tmp_path / "taken", kit)
    assert not (tmp_path / "taken").exists()
