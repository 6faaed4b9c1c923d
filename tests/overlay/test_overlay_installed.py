"""An installed overlay as PYNQ sees it: found by name, with its notebook; and one made by the whole Vivado script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.codegen.render import write_sources
from edgemoe_gen.flow.rtl_source import CHOICES, OPEN, OWN
from edgemoe_gen.overlay import Accelerator
from edgemoe_gen.overlay.package import write_overlay
from tests.flow.packaged_engine import write_packaged_engine, write_rtl_stub
from tests.flow.standin_vivado import TCLSH, install_vivado
from tests.overlay.small_builds import NAME, SmallBuild

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)

pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


@pytest.fixture
def board(build: SmallBuild) -> Iterator[Any]:
    from tests.overlay.simulated_board import SimulatedDevice

    device = SimulatedDevice(build.engine)
    device.plug_in()
    yield device
    assert not device.allocated, "buffers were not given back"


@pytest.fixture
def site(build: SmallBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with the overlay in it."""
    import pkg_resources

    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site), "-q"]
    subprocess.run([*pip, str(build.package(tmp_path / "build").wheel)], check=True, capture_output=True)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(pkg_resources, "working_set", pkg_resources.WorkingSet())
    monkeypatch.setattr(pkg_resources, "iter_entry_points", pkg_resources.working_set.iter_entry_points)
    yield site
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        del sys.modules[name]


@pytest.mark.usefixtures("site")
def test_installed_overlay_is_found_by_name(build: SmallBuild, board: Any) -> None:
    with Accelerator(NAME) as accelerator:
        assert np.array_equal(accelerator.run(build.frame, "depth").tokens, build.tokens(build.frame)["depth"])
    assert board.loads == 1


@pytest.mark.usefixtures("board")
def test_pynq_finds_the_bitstream_by_name(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pynq

    monkeypatch.chdir(tmp_path)
    overlay = pynq.Overlay(f"{NAME}.bit")
    assert Path(overlay.bitfile_name) == site / NAME / f"{NAME}.bit"
    assert {"edgemoe_engine", "design_id"} <= set(overlay.ip_dict)


@pytest.mark.usefixtures("site")
def test_pynq_delivers_the_notebook_and_it_runs_from_load_to_close(
    board: Any, build: SmallBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pynq._cli import get_notebooks

    target = tmp_path / "jupyter"
    monkeypatch.setattr(sys, "argv", ["pynq", NAME, "-p", str(target)])
    get_notebooks.main()
    delivered = target / NAME
    assert {path.name for path in delivered.iterdir()} >= {f"{NAME}.ipynb", "picture.npy"}
    monkeypatch.chdir(delivered)
    names: dict[str, Any] = {}
    for cell in json.loads((delivered / f"{NAME}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    picture = names["picture_of"](names["results"]["semseg"].tokens)
    assert picture.shape == (build.spec.image.height, build.spec.image.width, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
    assert "maps" not in names  # this network has no decoders
    assert np.array_equal(names["results"]["depth"].tokens, build.tokens(build.frame)["depth"])
    said = capsys.readouterr().out
    assert said.count("ms in the engine") == 2 * len(build.spec.task_names)
    assert f"10 frames, {10 * len(build.spec.task_names)} results" in said
    assert board.loads == 1


@pytest.mark.skipif(TCLSH is None, reason="the stand-in of Vivado needs tclsh")
@pytest.mark.parametrize("hls", CHOICES)
def test_what_the_vivado_script_leaves_is_packaged_and_runs(
    build: SmallBuild, board: Any, tmp_path: Path, hls: str
) -> None:
    kit = tmp_path / "kit"
    write_sources(build.design, kit)
    scripts = ["rtl_ip", "bitstream"] if hls == OPEN else ["bitstream"]
    if hls == OPEN:
        write_rtl_stub(kit / "rtl", build.design)
    else:
        write_packaged_engine(kit / "ip", build.design)
    vivado = install_vivado(tmp_path / "bin")
    for script in scripts:
        command = [str(vivado), "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", f"flow/{script}.tcl"]
        subprocess.run(command, cwd=kit, check=True, capture_output=True, env={**os.environ, "EDGEMOE_JOBS": "1"})
    accelerator, _ = build.write(tmp_path / "build")
    facts = replace(build.facts, hls=hls)
    overlay = write_overlay(NAME, accelerator, kit / "bitstream", tmp_path / "out", facts)
    assert json.loads((overlay.folder / "manifest.json").read_text()).get("rtl") == (OWN if hls == OPEN else None)
    with Accelerator(overlay.folder) as opened:
        assert tuple(opened.selftest()) == build.spec.task_names
    assert board.loads == 1
