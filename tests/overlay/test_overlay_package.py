"""The packaged overlay: its files, its wheel, and what is refused."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.design import make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.overlay.driver.manifest import find_overlay, read_manifest
from edgemoe_gen.overlay.facts import Figure
from edgemoe_gen.overlay.package import (
    OverlayFacts,
    WrittenOverlay,
    check_name,
    default_name,
    write_overlay,
)
from tests.overlay.handoff_files import bit_bytes, handoff_bytes, write_bitstream
from tests.overlay.small_builds import NAME, SmallBuild
from tests.sim.engines import small_design

SHARED = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture(scope="module")
def parts(build: SmallBuild, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build.write(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def overlay(build: SmallBuild, parts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> WrittenOverlay:
    return write_overlay(NAME, *parts, tmp_path_factory.mktemp("overlay"), build.facts)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_manifest_has_the_checksum_of_every_other_file(overlay: WrittenOverlay) -> None:
    files = files_of(overlay.folder)
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name, digest in manifest["files"].items():
        assert name == "README.md" or f"{digest}  {name}" in files["README.md"].decode()


def test_manifest_says_what_the_overlay_is(build: SmallBuild, overlay: WrittenOverlay) -> None:
    content = json.loads((overlay.folder / "manifest.json").read_text(encoding="utf-8"))
    assert content["board"]["part"] == "xczu7ev-ffvc1156-2-e"
    assert content["design"]["identity"] == f"{build.design.identity:016x}"
    assert content["clock_mhz"] == pytest.approx(299.97, abs=0.01)
    assert [task["name"] for task in content["tasks"]] == list(build.spec.task_names)
    assert content["hardware"]["registers"]["pointers"]["weights_1"] == ["weights_1_1", "weights_1_2"]
    weights = (overlay.folder / "weights.bin").stat().st_size
    layout = content["weights"]
    assert weights == layout["header_bytes"] + layout["ports"] * layout["port_bytes"] + layout["constant_bytes"]
    for task in content["tasks"]:
        program = overlay.folder / task["program"]
        assert program.stat().st_size == content["buffers"][f"program of {task['name']}"]
        assert (overlay.folder / task["expected"]).stat().st_size == task["result"]["size"]
    assert (overlay.folder / content["selftest_image"]).stat().st_size == content["image"]["size"]


def test_same_input_gives_the_same_bytes(build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path) -> None:
    written = [write_overlay(NAME, *parts, tmp_path / name, build.facts) for name in ("a", "b")]
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert written[0].version == written[1].version


def test_other_content_has_another_version(
    build: SmallBuild, parts: tuple[Path, Path], overlay: WrittenOverlay, tmp_path: Path
) -> None:
    facts = replace(build.facts, picture=255 - build.frame)
    assert write_overlay(NAME, *parts, tmp_path, facts).version != overlay.version


def test_no_file_holds_an_absolute_path(overlay: WrittenOverlay) -> None:
    for name, data in files_of(overlay.folder.parent).items():
        for root in (str(Path(__file__).parents[2]), str(overlay.folder.parent), str(Path.home())):
            assert root == "/" or root.encode() not in data, (name, root)


def test_wheel_is_valid(overlay: WrittenOverlay) -> None:
    with zipfile.ZipFile(overlay.wheel) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    info = f"{NAME}-{overlay.version}.dist-info"
    assert overlay.wheel.name == f"{NAME}-{overlay.version}-py3-none-any.whl"
    assert re.fullmatch(r"\d+\.\d+\.\d+\+b[0-9a-f]{12}", overlay.version)
    assert list(files)[-1] == f"{info}/RECORD"
    rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    assert [row[0] for row in rows] == list(files)
    for name, digest, size in rows[:-1]:
        wanted = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={wanted}", len(files[name]))
    assert {n: d for n, d in files.items() if not n.startswith(info)} == {
        f"{NAME}/{name}": data for name, data in files_of(overlay.folder).items()
    }


def test_wheel_installs_and_imports_alone(overlay: WrittenOverlay, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site), "-q"]
    subprocess.run([*pip, str(overlay.wheel)], check=True, capture_output=True)
    script = f"""
import sys
sys.path[:0] = [{str(site)!r}]
sys.modules["edgemoe_gen"] = sys.modules["torch"] = sys.modules["pynq"] = None  # as if not installed
import {NAME} as overlay
from importlib.metadata import entry_points, version
from {NAME}.driver.manifest import find_overlay, read_manifest
manifest = read_manifest(find_overlay({NAME!r}))
for name in manifest.checksums:
    manifest.read(name)
assert version({NAME!r}) == overlay.__version__ == manifest.version == {overlay.version!r}
for group, target in (("pynq.overlays", {NAME!r}), ("pynq.notebooks", {NAME + ".notebooks"!r})):
    [entry] = [e for e in entry_points(group=group) if e.name == {NAME!r}]
    assert entry.value == target and entry.load().__name__ == target
try:
    overlay.load()
except overlay.OverlayError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pynq can't be imported")


def test_notebook_is_valid_and_in_order(overlay: WrittenOverlay) -> None:
    notebook = json.loads((overlay.folder / f"notebooks/{NAME}.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 4)
    codes = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in notebook["cells"]:
        wanted = {"cell_type", "metadata", "source"}
        wanted |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == wanted and "".join(cell["source"]).strip()
    for code in codes:
        compile(code, NAME, "exec")
    order = ["load()", "selftest()", "picture.npy", ".run_tasks(", "picture_of(", ".stream(", "close()"]
    assert [i for i, code in enumerate(codes) for word in order if word in code] == sorted(range(len(order)))


def test_readme_names_everything_and_the_tier_of_figures(
    build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    facts = replace(build.facts, figures=(Figure("a frame", "3.1 ms", "estimate"),))
    written = write_overlay(NAME, *parts, tmp_path, facts)
    text = (written.folder / "README.md").read_text(encoding="utf-8")
    assert "| a frame | 3.1 ms | estimate |" in text
    assert f"pip install --no-deps {written.wheel.name}" in text
    assert f"{build.design.identity:016x}" in text
    assert "semseg, depth" in text


@pytest.mark.parametrize(
    "name", ["", "M3vit", "m3vit-zcu104", "3vit", "class", "json", "pynq", "a__b", "a_", "a/b", "ä"]
)
def test_name_that_is_no_package_is_refused(name: str, build: SmallBuild, tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match=f"'{name}' "):
        write_overlay(name, tmp_path, tmp_path, tmp_path / "out", build.facts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("checkpoint", "network"),
    [
        (None, "m3vit"),
        ("/nets/tiny.pth.tar", "tiny"),
        ("/nets/DeiT-Tiny.v2.safetensors", "deit_tiny_v2"),
        ("/nets/shards", "shards"),  # a folder of rank files
        ("/nets/16x16.pt", "net_16x16"),
        ("/nets/city/checkpoint.pth", "city"),
        ("/nets/city/checkpoints/model_best_0300.pth.tar", "city"),
        ("/nets/city/0.pth", "city"),
        ("/checkpoint.pth", "m3vit"),
        ("/nets/\u7db2.pth", "nets"),
    ],
)
def test_default_name_is_the_networks_and_the_boards(checkpoint: str | None, network: str) -> None:
    path = None if checkpoint is None else Path(checkpoint)
    assert default_name(load_board("zcu104"), path) == f"{network}_zcu104"


@given(st.text(max_size=80), st.text(st.characters(exclude_characters="/\0"), max_size=80))
def test_default_name_is_always_allowed(board: str, checkpoint: str) -> None:
    check_name(default_name(replace(load_board("zcu104"), name=board), Path("/nets") / checkpoint))


def test_overlay_is_never_written_over_another(build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path) -> None:
    write_overlay(NAME, *parts, tmp_path, build.facts)
    with pytest.raises(OverlayError, match="exists already"):
        write_overlay(NAME, *parts, tmp_path, build.facts)


def handoff_changes() -> dict[str, tuple[bytes, bytes, str]]:
    return {
        "engine missing": (b"edgemoe_engine", b"ViT_compute_0", "has no instance 'edgemoe_engine'; its instances are"),
        "engine of another kind": (b"edgemoe:hls:edgemoe_engine", b"xilinx.com:hls:SkyNet", "of type xilinx.com:hls"),
        "register missing": (b'NAME="weights_1_2"', b'NAME="weights_9"', "has no register weights_1_2"),
        "field missing": (b'NAME="AP_IDLE"', b'NAME="AP_LAZY"', "has no field AP_IDLE in register CTRL"),
        "identity missing": (b'INSTANCE="design_id"', b'INSTANCE="gpio"', "has no instance 'design_id'"),
        "identity unconnected": (b'NAME="gpio2_io_i"', b'NAME="gpio3_io_i"', "no constant at pin gpio2_io_i"),
        "other part": (b'DEVICE="xczu7ev"', b'DEVICE="xczu9eg"', "the part xczu9eg-ffvc1156-2, but board zcu104"),
        "other speed": (b'SPEEDGRADE="-2"', b'SPEEDGRADE="-1"', "is for the part xczu7ev-ffvc1156-1"),
        "no clock": (b"CLKFREQUENCY", b"FREQUENCY", "has no clock frequency"),
        "slow clock": (b'CLKFREQUENCY="299', b'CLKFREQUENCY="149', "at 150.0 MHz, but the bitstream was built for 300"),
        "master not connected": (b'="edgemoe_engine_m_axi_gmem_input"', b'="__NOC__"', "m_axi_gmem_input"),
        "no address": (b'INSTANCE="edgemoe_engine" IS_DATA', b'INSTANCE="ps" IS_DATA', "'edgemoe_engine' no address"),
        "entities": (b"<EDKSYSTEM", b"<!DOCTYPE a []><EDKSYSTEM", "declares a document type"),
        "not XML": (b"</EDKSYSTEM>", b"", "is not readable as XML"),
        "other root": (b"EDKSYSTEM", b"PROJECT", "its root is PROJECT"),
    }  # fmt: skip


@pytest.mark.parametrize("change", handoff_changes().values(), ids=handoff_changes())
def test_handoff_of_something_else_is_refused_by_name(
    change: tuple[bytes, bytes, str], build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new, message = change
    data = handoff_bytes(build.design)
    assert old in data
    data = data.replace(old, new)
    bitstream = write_bitstream(tmp_path / "bitstream", build.design)
    (bitstream / "edgemoe.hwh").write_bytes(data)
    with pytest.raises(OverlayError) as caught:
        write_overlay(NAME, parts[0], bitstream, tmp_path / "out", build.facts)
    assert message in caught.value.message and "edgemoe.hwh" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_handoff_of_another_design_is_refused_although_its_registers_fit(
    build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    other = small_design(weight_fifo_beats=512)
    assert handoff_bytes(other).count(b"REGISTER") == handoff_bytes(build.design).count(b"REGISTER")
    bitstream = write_bitstream(tmp_path / "bitstream", other)
    message = f"is of design {other.identity:016x}, but this build is of design {build.design.identity:016x}"
    with pytest.raises(OverlayError, match=message):
        write_overlay(NAME, parts[0], bitstream, tmp_path / "out", build.facts)


@pytest.mark.parametrize("name", ["edge_moe_zcu102.hwh", "skynet_zcu104.hwh"])
def test_real_handoff_of_another_design_is_refused(
    name: str, build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    if not (SHARED / name).is_file():
        pytest.skip(f"needs {name}")
    board = load_board(name.split("_")[-1][:6])
    design = make_design(build.design.knobs, board)
    bitstream = write_bitstream(tmp_path / "bitstream", design)
    (bitstream / "edgemoe.hwh").write_bytes((SHARED / name).read_bytes())
    with pytest.raises(OverlayError, match=r"has no instance 'edgemoe_engine'; its instances are: .*(ViT|SkyNet)"):
        write_overlay(NAME, parts[0], bitstream, tmp_path / "out", replace(build.facts, design=design))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bit_bytes("xczu7ev-ffvc1156-2-e")[:-10], "is cut short by 10 bytes"),
        (bit_bytes("xczu7ev-ffvc1156-2-e") + b"x", "is too long by 1 bytes"),
        (bit_bytes("xczu9eg-ffvb1156-2-e"), "is for the part 'xczu9eg-ffvb1156-2-e', but the board has xczu7ev"),
        (bit_bytes("xczu7ev-ffvc1156-2-e")[:40], "is not a bitstream"),
        (b"", "is not a bitstream"),
        (b"<html>" * 100, "is not a bitstream"),
    ],
)
def test_bitstream_of_another_part_or_length_is_refused(
    data: bytes, message: str, build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    bitstream = write_bitstream(tmp_path, build.design)
    (bitstream / "edgemoe.bit").write_bytes(data)
    with pytest.raises(OverlayError, match=message):
        write_overlay(NAME, parts[0], bitstream, tmp_path / "out", build.facts)


@pytest.mark.parametrize("name", ["program.bin", "weights.bin", "image.bin", "expected.bin"])
def test_files_of_another_build_are_refused(
    name: str, build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    data = tmp_path / "accelerator/data"
    data.mkdir(parents=True)
    for path in (parts[0] / "data").iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    (data / name).write_bytes((data / name).read_bytes()[:-16])
    with pytest.raises(OverlayError, match=name):
        write_overlay(NAME, data.parent, parts[1], tmp_path / "out", build.facts)
    (data / name).unlink()
    with pytest.raises(OverlayError, match=f"{name} can't be read"):
        write_overlay(NAME, data.parent, parts[1], tmp_path / "out", build.facts)
    assert not (tmp_path / "out").exists()


def test_picture_of_a_wrong_size_is_refused(build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path) -> None:
    facts = replace(build.facts, picture=np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(OverlayError, match=r"the notebook's picture is uint8 \[3, 3, 3\]"):
        write_overlay(NAME, *parts, tmp_path, facts)


def test_overlay_without_a_picture_has_a_test_pattern(
    build: SmallBuild, parts: tuple[Path, Path], tmp_path: Path
) -> None:
    facts = OverlayFacts(build.design, build.spec, build.program, build.design.knobs.clock_mhz)
    picture = np.load(write_overlay(NAME, *parts, tmp_path, facts).folder / "notebooks/picture.npy")
    assert picture.shape == (32, 64, 3) and picture.dtype == np.uint8 and len(np.unique(picture)) > 100


def test_unknown_overlay_and_foreign_manifest_are_refused(overlay: WrittenOverlay, tmp_path: Path) -> None:
    assert find_overlay(overlay.folder) == overlay.folder.resolve()
    for where in ("no_such_overlay", "json", str(tmp_path), "a b"):
        with pytest.raises(OverlayError, match="is neither an installed overlay nor a folder"):
            find_overlay(where)
    content: dict[str, Any] = json.loads((overlay.folder / "manifest.json").read_text(encoding="utf-8"))
    for broken, message in (
        ("{", "can't be read"),
        ("[]", "it does not say its schema"),
        (json.dumps(content | {"schema": "3"}), "it does not say its schema"),
        (json.dumps(content | {"schema": 1}), "has the schema 1, made by edgemoe-gen 0.1.0, but this driver reads 5"),
        (json.dumps({k: v for k, v in content.items() if k != "tasks"}), "is damaged: tasks is missing"),
    ):
        (tmp_path / "manifest.json").write_text(broken, encoding="utf-8")
        with pytest.raises(OverlayError, match=message):
            read_manifest(tmp_path)
