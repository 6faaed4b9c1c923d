"""Which files of a folder are pictures, what they are called, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.pictures.found import find_pictures, left_out, picture_names


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pictures_of_every_format_are_taken_in_natural_order(tmp_path: Path) -> None:
    names = ["s1.png", "s2.JPG", "s3.jpeg", "s9.webp", "s10.bmp", "s11.tif", "s12.TIFF", "s20.npy"]
    make(tmp_path, *reversed(names))
    assert [path.name for path in find_pictures([tmp_path])] == names
    assert left_out([tmp_path]) == []


def test_hidden_files_are_passed_over_and_others_named_once(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "a.npz", "._a.png", ".DS_Store", "Thumbs.db", "b.gif", "notes.txt", "inner/c.png")
    assert [path.name for path in find_pictures([tmp_path])] == ["a.png"]
    (said,) = left_out([tmp_path, tmp_path])
    assert said == f"{tmp_path}: not taken as pictures: b.gif, notes.txt; folders in it are not searched: inner"


def test_a_folder_whose_name_is_a_pictures_and_a_broken_link_are_no_pictures(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png/c.png")
    (tmp_path / "d.png").symlink_to(tmp_path / "gone")
    assert [path.name for path in find_pictures([tmp_path])] == ["a.png"]
    assert "d.png" in left_out([tmp_path])[0] and "b.png" in left_out([tmp_path])[0]


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    make(tmp_path, "a.png", *(f"{i}.heic" for i in range(9)))
    assert left_out([tmp_path])[0].endswith("0.heic, 1.heic, 2.heic, 3.heic, 4.heic and 4 more")


def test_a_folder_of_folders_is_refused_with_their_names(tmp_path: Path) -> None:
    make(tmp_path, "city/a.png")
    with pytest.raises(ImageError, match="holds no picture") as caught:
        find_pictures([tmp_path])
    assert "city" in caught.value.hint and ".webp" in caught.value.hint


def test_a_picture_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png", "inner/x")
    again = tmp_path / "inner" / ".." / "b.png"
    assert find_pictures([again, tmp_path]) == [again, tmp_path / "a.png"]


def test_names_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("x/1.png", "y/1.png", "y/2.png", "y/3.png", "y/3.jpg")]
    assert list(picture_names(paths).values()) == ["x/1", "y/1", "2", "y/3.png", "y/3.jpg"]
