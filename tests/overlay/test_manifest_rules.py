"""Manifests of other hands: an entry of a wrong kind is named in a sentence; nothing leaves the overlay's folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.overlay.driver.errors import OverlayError
from edgemoe_gen.overlay.driver.manifest import MANIFEST, Manifest, read_manifest
from edgemoe_gen.overlay.driver.manifest_rules import check_manifest

HOSTILE: tuple[Any, ...] = (
    None, -1, 0, 2**31, 2**70, 1e308, float("inf"), float("nan"), "", "x", "../../../../etc/passwd", "/dev/zero", [],
    {}, [[]], True, "\x1b[31m\n", [1, 2, 3], "a" * 10_000,
)  # fmt: skip
Place = tuple[Any, ...]


@pytest.fixture(scope="module")
def content(overlay: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((overlay / MANIFEST).read_text(encoding="utf-8"))
    return document


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """Places of everything in a document, of lists the first two."""
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*place, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 2)):
            yield from leaves(value[number], (*place, number))


def changed(content: dict[str, Any], place: Place, value: Any) -> Any:
    result = copy.deepcopy(content)
    inner: Any = result
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return result


def read(folder: Path, content: Any) -> Manifest | None:
    """The manifest, or None where it is refused in a sentence; anything else is raised."""
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    try:
        return read_manifest(folder)
    except OverlayError as error:
        assert str(error.message).isprintable() and len(error.message) < 600
        return None


def test_what_a_build_writes_keeps_the_rules(content: dict[str, Any]) -> None:
    check_manifest(content)


def test_no_entry_of_another_kind_or_deleted_one_ends_in_anything_but_a_sentence(
    content: dict[str, Any], tmp_path: Path
) -> None:
    refused = tried = 0
    for place in leaves(content):
        for value in HOSTILE if place else ():
            manifest = read(tmp_path, changed(content, place, value))
            tried += 1
            refused += manifest is None
            if manifest is not None:
                look(manifest)
    assert tried > 1500 and refused > tried // 3  # the driver reads about half of the places


def look(manifest: Manifest) -> None:
    """What the driver takes for granted of sizes and names."""
    image = manifest.image
    assert 1 <= image.patch <= image.height and len(image.mean) == len(image.std) == 3 and all(image.std)
    assert all(part.first + image.tokens * part.row_bytes <= image.size for part in image.slices)
    for task in manifest.tasks.values():
        assert task.result.first + task.result.tokens * task.result.row_bytes <= task.result.size
    names = [manifest.bitstream, manifest.handoff, manifest.weights.file, manifest.selftest_image]
    names += [name for task in manifest.tasks.values() for name in (task.program, task.expected)]
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names)


def test_every_entry_that_the_driver_reads_is_missed(content: dict[str, Any], tmp_path: Path) -> None:
    kept = []
    for place in leaves(content):
        if place and isinstance(place[-1], str):
            shorter = copy.deepcopy(content)
            inner: Any = shorter
            for key in place[:-1]:
                inner = inner[key]
            del inner[place[-1]]
            if read(tmp_path, shorter) is not None:
                kept.append(".".join(map(str, place)))
    unread = (
        "generator",
        "board",
        "design.knobs",
        "hardware.registers",
        "network.",
        "estimate",
        "buffers",
        "bitstream",
    )
    assert [name for name in kept if not name.startswith((*unread, "files.")) and ".parts." not in name] == []


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("image", "patch"), 0, "image.patch is 0, which is not a whole number from 1 to 4096"),
        (
            ("tasks", 0, "program"),
            [],
            r"tasks.0.program is \[\], which is not the name of a file inside of the overlay",
        ),
        (("tasks", 0, "program"), "/etc/passwd", "is not the name of a file inside of the overlay"),
        (("weights", "file"), "../weights.bin", "is not the name of a file inside of the overlay"),
        (("weights", "header_bytes"), [], "weights.header_bytes is"),
        (("image", "std"), [1, 0, 1], "image.std.1 is 0, which is not a number other than 0"),
        (("image", "tokens"), 1000, "image.tokens is 1000, but there are"),
        (("tasks", 0, "result", "size"), 4, "tasks.0.result does not fit its size"),
        (("name",), "\x1b[31m", r"name is '\\x1b\[31m', which is not a line of text"),
    ],
)
def test_the_sentence_names_entry_value_and_what_it_must_be(
    content: dict[str, Any], tmp_path: Path, place: Place, value: Any, message: str
) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(changed(content, place, value)), encoding="utf-8")
    with pytest.raises(OverlayError, match=message):
        read_manifest(tmp_path)
