"""Every reader of a file that others write takes any damage: it reads the file, or refuses it in words of our own.

`EDGEMOE_FUZZ` says how many mutations a reader gets (40), `EDGEMOE_FUZZ_SEED` from which seed; that is the day by
default, and stands in the message of a failure.
"""

from __future__ import annotations

import collections
import datetime
import functools
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.design import Design
from edgemoe_gen.flow.kit import read_facts
from edgemoe_gen.flow.reports.cosim import read_cosim
from edgemoe_gen.flow.reports.csynth import read_csynth
from edgemoe_gen.flow.reports.power import read_power
from edgemoe_gen.flow.reports.timing import read_timing
from edgemoe_gen.flow.reports.utilisation import read_hierarchy, read_utilisation
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.model import ImageSpec, load_checkpoint, load_image
from edgemoe_gen.model.specfile import read_spec_file
from edgemoe_gen.overlay.bitfile import check_bitstream
from edgemoe_gen.overlay.driver.manifest import read_manifest
from edgemoe_gen.overlay.handoff import check_handoff, read_handoff
from edgemoe_gen.pictures.found import open_picture
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.program.file import program_bytes, read_program, read_weights, weight_bytes
from edgemoe_gen.project.config import read_config
from edgemoe_gen.simulated.designs import find_design
from edgemoe_gen.tuning.apply import apply_point
from tests.factory import make_state, save_state, write_spec
from tests.flow.reports import vendor_reports
from tests.fuzz.mutations import mutated
from tests.overlay.handoff_files import bit_bytes, handoff_bytes
from tests.sim.engines import random_case, small_design

MANY = int(os.environ.get("EDGEMOE_FUZZ", "40"))
SEED = os.environ.get("EDGEMOE_FUZZ_SEED", datetime.date.today().isoformat())
LONGEST = 4500  # characters of a message
IMAGE = ImageSpec(8, 16)
YML = b"""backbone: VisionTransformer_moe
train_db_name: NYUD
mlp_ratio: 4.
task_dictionary: {include_semseg: True}
backbone_kwargs:
  num_heads: 3
  img_size: [64, 128]
  moe_top_k: 2
"""
CONFIG = b"""board = "zcu104"
[project]
checkpoint = "x"
images = ["a"]
[knobs]
tokens_parallel = 4
[numerics]
calibration_images = 3
[numerics.pinned]
"a.b" = 3
[model]
heads = 3
[model.image]
height = 64
"""
FACTS = b'{"generator":"edgemoe-gen 0.1.0","board":"zcu104","part":"x","design":"00"}'
SEARCH = {"version": 1, "project": {"file": None, "toml": ""}, "default": None, "front": [], "chosen": {}, "board": {}}

Content = Callable[[Path], bytes]
Read = Callable[[Path], object]


@functools.cache
def design() -> Design:
    return small_design()


@functools.cache
def network() -> tuple[bytes, bytes]:
    case = random_case(seed=70)
    program = compile_network(design(), case.model, case.network, case.formats(design()), ("semseg", "depth"))
    return program_bytes(program), weight_bytes(program)


def checkpoint(suffix: str, **how: Any) -> Content:
    def content(folder: Path) -> bytes:
        pytest.importorskip("torch")
        state = make_state(dim=8, depth=2, decoder_width=4, router="single")
        return save_state(folder / f"whole{suffix}", state, **how).read_bytes()

    return content


def pickled(folder: Path) -> bytes:
    """The pickle of a checkpoint; `in_zip` puts it back, so that checksums do not hide it."""
    with zipfile.ZipFile(io.BytesIO(checkpoint(".pth")(folder))) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl")))


def in_zip(path: Path) -> object:
    pickle = path.read_bytes()
    whole = io.BytesIO(checkpoint(".pth")(path.parent))
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, pickle if name.endswith("/data.pkl") else source.read(name))
    return load_checkpoint(path)


def shards(path: Path) -> object:
    """The bytes are those of rank 1."""
    folder = path.parent / "shards"
    if not folder.is_dir():
        save_state(folder, make_state(dim=8, depth=2, decoder_width=4), shards=2)
    (folder / "1.pth").write_bytes(path.read_bytes())
    return load_checkpoint(folder)


def picture(kind: str) -> Content:
    def content(_: Path) -> bytes:
        made = io.BytesIO()
        Image.fromarray(np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)).save(made, kind)
        return made.getvalue()

    return content


def saved(save: Callable[[io.BytesIO], object]) -> Content:
    def content(_: Path) -> bytes:
        made = io.BytesIO()
        save(made)
        return made.getvalue()

    return content


def truth(path: Path) -> object:
    (path.parent / f"{path.stem}.png").write_bytes(picture("PNG")(path.parent))
    return open_picture(path.parent / f"{path.stem}.png", IMAGE)


def text(made: Callable[[], str]) -> Content:
    return lambda _: made().encode()


def manifest(_: Path) -> bytes:
    from tests.overlay.small_builds import small_build

    return made_manifest(small_build)


@functools.cache
def made_manifest(build: Callable[[], Any]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        data: bytes = (build().package(Path(folder)).folder / "manifest.json").read_bytes()
    return data


def overlay(path: Path) -> object:
    return read_manifest(path.parent), find_design(path.parent)


def board(_: Path) -> bytes:
    return (resource_folder("boards") / "zcu104.toml").read_bytes()


def _handoff(path: Path) -> Any:
    check_handoff(path)
    return read_handoff(path, design(), 300.0)


READERS: dict[str, tuple[str, Content, Read]] = {
    "checkpoint": ("a.pth", checkpoint(".pth"), load_checkpoint),
    "checkpoint's pickle": ("p.pth", pickled, in_zip),
    "legacy checkpoint": ("b.pth", checkpoint(".pth", legacy=True), load_checkpoint),
    "safetensors": ("c.safetensors", checkpoint(".safetensors"), load_checkpoint),
    "shard": ("1.part", checkpoint(".pth"), shards),
    "spec": ("s.toml", lambda folder: write_spec(folder / "whole.toml").read_bytes(), read_spec_file),
    "yml": ("s.yml", lambda _: YML, read_spec_file),
    "project": ("edgemoe.toml", lambda _: CONFIG, read_config),
    "board": ("mine.toml", board, lambda path: load_board(str(path))),
    "png": ("a.png", picture("PNG"), lambda path: load_image(path, IMAGE)),
    "jpeg": ("a.jpg", picture("JPEG"), lambda path: load_image(path, IMAGE)),
    "npy": ("a.npy", saved(lambda s: np.save(s, np.zeros((8, 16, 3), np.uint8))), lambda p: load_image(p, IMAGE)),
    "truth": ("t.npz", saved(lambda s: np.savez_compressed(s, labels=np.zeros((8, 16), np.int64))), truth),
    "program": ("p.bin", lambda _: network()[0], lambda path: read_program(path, design())),
    "weights": ("w.bin", lambda _: network()[1][:4096], lambda path: read_weights(path, design())),
    "manifest": ("manifest.json", manifest, overlay),
    "handoff": (
        "a.hwh",
        lambda _: handoff_bytes(design(), 300.0),
        _handoff,
    ),
    "bitstream": ("a.bit", lambda _: bit_bytes("x"), lambda path: check_bitstream(path, "x")),
    "csynth": ("c.xml", text(vendor_reports.csynth), read_csynth),
    "cosim": ("c.rpt", text(vendor_reports.cosim), read_cosim),
    "utilisation": ("u.rpt", text(vendor_reports.utilisation), read_utilisation),
    "hierarchy": ("h.rpt", text(vendor_reports.hierarchy), read_hierarchy),
    "timing": ("t.rpt", text(vendor_reports.timing), read_timing),
    "power": ("w.rpt", text(vendor_reports.power), read_power),
    "kit": ("kit.json", lambda _: FACTS, lambda path: read_facts(path.parent)),
    "search": ("tune.json", lambda _: json.dumps(SEARCH).encode(), lambda path: apply_point(1, path, Path("out.toml"))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_our_own_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, content, read = READERS[name]
    whole, path = content(tmp_path), tmp_path / file
    seen = collections.Counter[str]()
    for number in range(MANY):
        data = mutated(whole, random.Random(f"{SEED} {name} {number}"))
        path.write_bytes(data)
        try:
            read(path)
            seen["read"] += 1
        except EdgeMoEError as error:
            assert error.exit_code != 70 and 0 < len(error.message) <= LONGEST
            assert all(c.isprintable() or c in "\n\t" for c in error.message + error.hint), error.message
            seen["refused"] += 1
        except Exception as error:
            raise AssertionError(f"EDGEMOE_FUZZ_SEED={SEED}, {name}, mutation {number}: {error!r}") from error
    assert sum(seen.values()) == MANY


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_the_whole_file_is_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would only see refusals of files that were wrong from the start."""
    if name in ("search", "weights", "shard"):  # parts of larger things
        pytest.skip("is no whole file here")
    monkeypatch.chdir(tmp_path)
    file, content, read = READERS[name]
    (tmp_path / file).write_bytes(content(tmp_path))
    read(tmp_path / file)
