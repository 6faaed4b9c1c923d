"""Ground truth: whose file is whose, what counts in it, and damage."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import ImageError
from edgemoe_gen.model import BlockSpec, ImageSpec, ModelSpec, RouterSpec, TaskSpec
from edgemoe_gen.pictures.truth import IGNORED, find_truth, read_truth, without_truth

SPEC = ModelSpec(
    ImageSpec.named(2, 3, "unit"), 1, 8, 1, (BlockSpec(0, 0, 8),), RouterSpec("none"),
    (TaskSpec("semseg", 5), TaskSpec("depth", 1), TaskSpec("edge", 1), TaskSpec("left_disparity", 1)), 6, False,
)  # fmt: skip
NAN = float("nan")


def made(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def read(path: Path, **arrays: Any) -> Any:
    np.savez(path, **arrays)
    return read_truth(path, SPEC)


# Whose file is whose


def test_beside_the_picture(tmp_path: Path) -> None:
    a, b, truth = made(tmp_path, "a.b.png", "b.png", "a.b.npz")
    assert find_truth([a, b], None) == {a: truth}


def test_one_truth_for_two_pictures_is_refused(tmp_path: Path) -> None:
    pictures = made(tmp_path, "a/1.png", "b/1.png")
    made(tmp_path, "labels/1.npz")
    with pytest.raises(ImageError, match=r"a/1.png and .*b/1.png would both take .*labels/1.npz"):
        find_truth(pictures, tmp_path / "labels")
    same = made(tmp_path, "c/1.png", "c/1.jpg", "c/1.npz")
    with pytest.raises(ImageError, match="would both take"):
        find_truth(same[:2], None)


def test_folders_tell_pictures_of_one_name_apart(tmp_path: Path) -> None:
    a, b = made(tmp_path, "images/a/1.png", "images/b/1.png")
    of_a, of_b, _ = made(tmp_path, "labels/a/1.npz", "labels/b/1.npz", "labels/1.npz")
    assert find_truth([a, b], tmp_path / "labels") == {a: of_a, b: of_b}
    assert find_truth([b], tmp_path / "labels") == {b: of_b}, "also alone"


def test_truth_of_another_folder_is_nobodys(tmp_path: Path) -> None:
    a, b = made(tmp_path, "images/a/1.png", "images/b/1.png")
    (of_a, _) = made(tmp_path, "labels/a/1.npz", "labels/1.npz")
    assert find_truth([a, b], tmp_path / "labels") == {a: of_a}


def test_bare_names_do_where_they_are_enough(tmp_path: Path) -> None:
    a, b = made(tmp_path, "a/1.png", "b/2.png")
    one, two = made(tmp_path, "labels/1.npz", "labels/2.npz")
    assert find_truth([a, b], tmp_path / "labels") == {a: one, b: two}


def test_relative_paths_are_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "images/a/1.png", "labels/a/1.npz")
    monkeypatch.chdir(tmp_path)
    assert find_truth([Path("images/a/1.png")], Path("labels")) == {Path("images/a/1.png"): Path("labels/a/1.npz")}


def test_no_truth_at_all_is_refused_only_where_it_was_asked_for(tmp_path: Path) -> None:
    pictures = made(tmp_path, "a/1.png")
    (tmp_path / "labels").mkdir()
    assert find_truth(pictures, None) == {}
    with pytest.raises(ImageError, match="holds nothing for the picture"):
        find_truth(pictures, tmp_path / "labels")


def test_pictures_without_truth_are_named() -> None:
    names = [str(i) for i in range(9)]
    assert without_truth(names, [True] * 9) == without_truth(names, [False] * 9) == ""
    some = without_truth(names, [i == 4 for i in range(9)], "depth: ")
    assert some == "depth: no ground truth for 8 of 9 pictures: 0, 1, 2, 3, 5 and 3 more"


# What counts


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, np.uint64, np.float16, np.float32, bool])
def test_labels_of_every_type_are_numbers_of_classes(dtype: Any, tmp_path: Path) -> None:
    labels = np.array([[0, 1, 1], [1, 0, 0]], dtype)
    found = read(tmp_path / "a.npz", labels=labels)["labels"]
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, labels.astype(int))


def test_labels_that_are_marked_do_not_count(tmp_path: Path) -> None:
    found = read(tmp_path / "a.npz", labels=np.array([[0, NAN, -7], [np.inf, 3, 1e30]]))["labels"]
    assert found[0, 0] == 0 and found[1, 1] == 3 and (found[[0, 0, 1], [1, 2, 0]] == IGNORED).all() and found[1, 2] > 5
    most = np.array([[2**64 - 1, 0, 255], [1, 2, 3]], np.uint64)
    assert read(tmp_path / "a.npz", labels=most)["labels"].tolist() == [[IGNORED, 0, 255], [1, 2, 3]]


@pytest.mark.parametrize("ignored", [0, [0], np.uint8(0), [0, 77]])
def test_a_class_that_the_file_ignores_does_not_count(ignored: Any, tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [0, 1, 255]], np.uint8)
    found = read(tmp_path / "a.npz", labels=labels, semseg=labels, ignore_index=ignored)
    for name in ("labels", "semseg"):
        assert found[name].tolist() == [[IGNORED, 1, 2], [IGNORED, 1, 255]]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16])
def test_depth_that_was_not_measured_is_nan(dtype: Any, tmp_path: Path) -> None:
    depth = np.array([[0, 2, -1], [4, 5, 6]], dtype)
    for name in ("depth", "left_disparity"):
        np.testing.assert_array_equal(read(tmp_path / "a.npz", **{name: depth})[name], [[NAN, 2, NAN], [4, 5, 6]])
    holes = np.array([[NAN, np.inf, -np.inf], [1, 0.5, 0]])
    np.testing.assert_array_equal(read(tmp_path / "a.npz", depth=holes)["depth"], [[NAN] * 3, [1, 0.5, NAN]])


def test_nothing_is_a_value_of_other_tasks(tmp_path: Path) -> None:
    edge = np.array([[0, 1, NAN], [0, -1, 0]])
    np.testing.assert_array_equal(read(tmp_path / "a.npz", edge=edge)["edge"], edge)


def test_arrays_of_other_names_are_not_read(tmp_path: Path) -> None:
    assert read(tmp_path / "a.npz", tokens=np.zeros(7), note=np.array(["x"])) == {}


# Damage


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"labels": np.zeros((3, 2), int)}, ("labels", "[3, 2]", "[2, 3]")),
        ({"labels": np.zeros((1, 2, 3), int)}, ("labels", "[1, 2, 3]")),
        ({"depth": np.zeros(())}, ("depth", "[]")),
        ({"labels": np.full((2, 3), 0.5)}, ("labels", "not whole")),
        ({"depth": np.zeros((2, 3), complex)}, ("depth", "complex128")),
        ({"depth": np.zeros((2, 3), bool)}, ("depth", "bool")),
        ({"semseg": np.full((2, 3), "road")}, ("semseg", "<U4")),
        ({"labels": np.full((2, 3), None)}, ("labels", "object")),
        ({"labels": np.zeros((2, 3), int), "ignore_index": np.array(1.5)}, ("ignore_index", "float64")),
    ],
)
def test_an_unfit_array_is_refused_by_its_name(arrays: dict[str, Any], parts: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read(tmp_path / "a.npz", **arrays)
    assert all(part in caught.value.message for part in ("a.npz", *parts)) and caught.value.hint


def test_one_array_or_a_text_under_the_name_of_an_archive_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("no archive")
    for name in ("a.npz", "b.npz"):
        with pytest.raises(ImageError, match=name):
            read_truth(tmp_path / name, SPEC)


def test_an_array_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    """A header of 128 bytes says 2**40 numbers."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("depth.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
        )
    with pytest.raises(ImageError, match="1048576"):
        read_truth(tmp_path / "a.npz", SPEC)


@settings(deadline=None, max_examples=150)
@given(
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    packed=st.booleans(),
)
def test_a_damaged_file_is_a_sentence_or_truth_of_the_right_size(
    tmp_path_factory: pytest.TempPathFactory, cut: float, changes: list[tuple[float, int]], packed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    save = np.savez_compressed if packed else np.savez
    save(path, labels=np.arange(6, dtype=np.uint8).reshape(2, 3), depth=np.ones((2, 3), np.float32))
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[min(int(place * len(data)), len(data) - 1)] = value
    path.write_bytes(bytes(data[: int(cut * len(data))]))
    try:
        found = read_truth(path, SPEC)
    except ImageError as error:
        assert "damaged.npz" in error.message and error.hint
    else:
        assert all(values.shape == (2, 3) for values in found.values())
