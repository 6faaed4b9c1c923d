"""Files of others: only regular ones are opened, texts and arrays are bounded, and copies stay inside of a folder."""

from __future__ import annotations

import io
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgemoe_gen.base.arrays import read_array, read_arrays
from edgemoe_gen.base.copying import copy_file, copy_folder
from edgemoe_gen.base.errors import EdgeMoEError, OverlayError, SpecError
from edgemoe_gen.base.parsing import parse_json, parse_toml, parse_xml
from edgemoe_gen.base.reading import UnfitFileError, escaped, open_regular, read_bytes, read_text
from edgemoe_gen.flow.kit import read_facts
from edgemoe_gen.flow.reports.csynth import read_csynth
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import ImageSpec, load_checkpoint, load_image
from edgemoe_gen.model.specfile import read_spec_file
from edgemoe_gen.overlay.bitfile import check_bitstream
from edgemoe_gen.overlay.driver.manifest import read_manifest
from edgemoe_gen.overlay.handoff import check_handoff
from edgemoe_gen.program.file import read_program, read_weights
from edgemoe_gen.project.config import read_config
from edgemoe_gen.tuning.apply import apply_point
from tests.sim.engines import small_design

READERS: dict[str, Callable[[Path], object]] = {
    "a.pth": load_checkpoint,
    "a.safetensors": load_checkpoint,
    "spec.toml": read_spec_file,
    "spec.yml": read_spec_file,
    "edgemoe.toml": read_config,
    "mine.toml": lambda path: load_board(str(path)),
    "a.png": lambda path: load_image(path, ImageSpec(8, 16)),
    "a.npy": lambda path: load_image(path, ImageSpec(8, 16)),
    "program.bin": lambda path: read_program(path, small_design()),
    "weights.bin": lambda path: read_weights(path, small_design()),
    "manifest.json": lambda path: read_manifest(path.parent),
    "kit.json": lambda path: read_facts(path.parent),
    "tune.json": lambda path: apply_point(1, path, path.parent / "edgemoe.toml"),
    "a.hwh": check_handoff,
    "a.bit": lambda path: check_bitstream(path, "x"),
}


def within(seconds: float, work: Callable[[], object]) -> None:
    """Fails instead of waiting where a reader waits."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the reader waits"


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "endless"])
@pytest.mark.parametrize("name", READERS)
def test_no_reader_waits_for_what_is_no_regular_file(name: str, kind: str, tmp_path: Path) -> None:
    path, caught = tmp_path / name, list[BaseException]()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "x").touch()
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else "/dev/null")

    def work() -> None:
        try:
            READERS[name](path)
        except BaseException as error:
            caught.append(error)

    within(30, work)
    assert caught and isinstance(caught[0], EdgeMoEError), caught
    assert path.name in caught[0].message or path.parent.name in caught[0].message


def test_a_report_that_is_a_pipe_is_a_warning(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.xml")
    assert "FIFO" in read_csynth(tmp_path / "c.xml").warnings[0]


def test_a_file_over_its_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(11))
    assert read_bytes(path, 11) == bytes(11)
    for read in (read_bytes, read_text, open_regular):
        with pytest.raises(UnfitFileError, match="more than the 10"):
            read(path, 10)


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    assert escaped(text).isprintable()
    assert EdgeMoEError(text).message.replace("\n", "").replace("\t", "").isprintable()


def test_a_message_stays_bounded_whatever_a_file_says() -> None:
    assert len(EdgeMoEError("x" * 1_000_000, "y" * 1_000_000).message) < 5000


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "{", "nul", '"\ud800'])
def test_json_that_is_none_gives_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 50 + "]" * 50,
        ".".join("a" * 200) + " = 1",
        "a = 0x" + "f" * 5000,
        "a = " + "9" * 5000,
        "a = 9223372036854775808",
        "a = \x1b",
    ],
    ids=range(7),
)
def test_settings_that_no_machine_counts_with_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        parse_toml(text)
    assert str(caught.value).isprintable()
    (tmp_path / "spec.toml").write_text(f"[model]\n{text}")
    with pytest.raises(SpecError):
        read_spec_file(tmp_path / "spec.toml")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nbackbone_kwargs: {d: *c}",
        "a: &a {x: 1}\nbackbone_kwargs:\n  <<: *a",
        "backbone_kwargs: &a {x: *a}",
        "backbone_kwargs: {num_heads: 0x" + "f" * 400 + "}",
        "backbone_kwargs: {num_heads: !!int ''}",
        "backbone_kwargs: {num_heads: !!timestamp x}",
        "mlp_ratio: " + "1:" * 400 + "1.0\nbackbone_kwargs: {}",
        "mlp_ratio: .inf\nbackbone_kwargs: {}",
        "backbone_kwargs: " + "[" * 5000,
        "backbone_kwargs: {a: " + "x" * 300_000 + "}",
        "backbone_kwargs: !!python/object/apply:os.system ['true']",
    ],
    ids=range(11),
)
def test_yml_that_grows_or_breaks_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text(text)
    with pytest.raises(SpecError, match=r"s\.yml"):
        read_spec_file(tmp_path / "s.yml")


def test_an_alias_of_a_plain_value_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text("a: &a 3\nbackbone_kwargs: {num_heads: *a}")
    assert read_spec_file(tmp_path / "s.yml").heads == 3


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE a [<!ENTITY a "x">]><a>&a;</a>',
        '<?xml version="1.0"?><a/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-99"?><a/>',
        b'<?xml version="1.0" encoding="gb2312"?><a/>',
        b"<a>" + b"<b/>" * 2_100_000 + b"</a>",
        b"<a>\xff</a>",
        b"",
    ],
    ids=range(7),
)
def test_xml_that_grows_or_breaks_gives_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_xml(data)


def npy(values: object) -> bytes:
    made = io.BytesIO()
    np.save(made, values)  # type: ignore[arg-type]
    return made.getvalue()


def test_arrays_come_back(tmp_path: Path) -> None:
    for values in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.array(3), np.zeros((0, 2))):
        (tmp_path / "a.npy").write_bytes(npy(values))
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), values)
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(3), b=np.ones(2))
    assert set(read_arrays(tmp_path / "a.npz")) == {"a", "b"} and set(read_arrays(tmp_path / "a.npz", ("b",))) == {"b"}


@pytest.mark.parametrize(
    "data",
    [
        npy(np.zeros(4))[:-1],
        npy(np.zeros(4)) + b"x",
        npy(np.zeros((4, 1))).replace(b"(4, 1)", b"(9**99,)"[:6]),
        npy(np.zeros(4)).replace(b"(4,)", b"(-4,"),
        npy(np.array([{}], object)),
        npy(np.zeros(1, [("a", "f4")])),
        npy(np.zeros(4)).replace(b"\x93NUMPY\1", b"\x93NUMPY\x09"),
        b"",
        b"PK\3\4",
    ],
    ids=range(9),
)
def test_an_array_of_another_size_or_kind_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ValueError):
        read_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", data)
    with pytest.raises(ValueError):
        read_arrays(tmp_path / "a.npz")


def test_an_archive_that_inflates_is_refused_before_it_does(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(3 << 20))
    with pytest.raises(UnfitFileError, match="more than"):
        read_arrays(tmp_path / "a.npz", limit=1 << 20)


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    made = io.BytesIO()
    Image.new("L", (8, 8)).save(made, "PNG")
    data = bytearray(made.getvalue())
    data[16:24] = struct.pack(">II", 9000, 9000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(EdgeMoEError, match="pixels"):
        load_image(tmp_path / "a.png", ImageSpec(8, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "kit"
    (folder / "ip/hdl").mkdir(parents=True)
    (folder / "ip/hdl/a.v").write_text("module")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    return folder


def test_a_folder_is_copied_with_links_inside_of_it(folder: Path, tmp_path: Path) -> None:
    (folder / "ip/b.v").symlink_to("hdl/a.v")
    copy_folder(folder / "ip", tmp_path / "copy", folder)
    assert (tmp_path / "copy/hdl/a.v").read_text() == (tmp_path / "copy/b.v").read_text() == "module"
    assert not (tmp_path / "copy/b.v").is_symlink()


@pytest.mark.parametrize("target", ["../../secret", "../../outside", ".", "/dev/zero", "nowhere", "loop"])
def test_a_link_that_leaves_the_folder_or_goes_round_is_refused(folder: Path, tmp_path: Path, target: str) -> None:
    (folder / "ip/loop").symlink_to(target)
    with pytest.raises(OverlayError, match="loop"):
        copy_folder(folder / "ip", tmp_path / "copy", folder)
    assert not any(p.is_symlink() or "secret" in p.name for p in (tmp_path / "copy").rglob("*"))


def test_a_folder_that_is_itself_a_link_to_outside_and_a_pipe_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "bitstream").symlink_to(tmp_path / "outside")
    with pytest.raises(OverlayError, match="outside"):
        copy_folder(folder / "bitstream", tmp_path / "copy", folder)
    os.mkfifo(folder / "ip/pipe")
    with pytest.raises(OverlayError, match="FIFO"):
        copy_file(folder / "ip/pipe", tmp_path / "pipe", folder)
