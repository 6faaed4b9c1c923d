"""`edgemoe-gen sim-board`: a user's script on the simulated board, with results that are those of `--backend csim`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.cli import main
from tests.factory import write_checkpoint, write_spec

ROOT = Path(__file__).parents[2]
SMALL = (
    "tokens_parallel=2", "out_parallel=8", "in_parallel=8", "weight_ports=1", "weight_fifo_beats=256", "max_tokens=33",
    "max_dim=32", "max_query=32", "max_cache=64", "max_hidden=192", "max_experts=64", "max_top_k=4",
)  # fmt: skip
SCRIPT = """
import sys
import numpy as np
from PIL import Image
from edgemoe_gen.overlay import Accelerator

name, picture, *tasks = sys.argv[1:]
frame = np.asarray(Image.open(picture).convert("RGB"))
results = {}
with Accelerator(name, timeout=600) as accelerator:
    for task in tasks:
        result = accelerator.run(frame, task)
        for part in ("tokens", "output", "ids"):
            if getattr(result, part) is not None:
                results[f"{task}.{part}"] = getattr(result, part)
np.savez("results.npz", **results)
print("tasks:", *accelerator.tasks)
"""
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
Command = Callable[..., tuple[int, str, str]]


def make_project(folder: Path, checkpoint: Path, spec: list[str], images: Path, knobs: tuple[str, ...]) -> Path:
    """A project with `edgemoe.toml`, built as far as a machine without the vendor's tools goes; the file."""
    config = folder / "edgemoe.toml"
    said = [str(checkpoint), *spec, "--image", str(images), "--board", "zcu104"]
    said += [part for knob in knobs for part in ("--knob", knob)]
    assert main(["init", *said, "--output", str(folder / "build"), "--file", str(config)]) == 0
    assert main(["build", "--config", str(config), "--until", "csim"]) == 0
    return config


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, built without a bitstream. Tests must not change it."""
    folder = tmp_path_factory.mktemp("project")
    images = folder / "images"
    images.mkdir()
    pixels = np.random.default_rng(5).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(images / "scene.png")
    checkpoint, spec = write_checkpoint(folder / "small.pth.tar"), write_spec(folder / "spec.toml")
    return make_project(folder, checkpoint, ["--spec", str(spec)], images, (*SMALL, "max_map_width=0"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs sim-board in an empty folder: exit code, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["sim-board", *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


def same_as_csim(run: Command, config: Path, name: str, picture: Path, tasks: tuple[str, ...]) -> None:
    """The same picture by a script on the simulated board and by `run --backend csim`."""
    Path("script.py").write_text(SCRIPT)
    code, out, err = run("--config", config, "script.py", name, picture, *tasks)
    assert code == 0, err
    assert out == f"tasks: {' '.join(tasks)}\n"
    with np.load("results.npz") as results:
        for task in tasks:
            wanted = api.run(config=config, image=picture, task=task, backend="csim")
            assert np.array_equal(results[f"{task}.tokens"], wanted.tokens)
            shown = results[f"{task}.output" if wanted.ids is None else f"{task}.ids"]
            assert wanted.shown is not None and np.array_equal(shown, wanted.shown)
            assert np.ptp(wanted.shown) > 0


@pytest.mark.pynq
def test_results_are_those_of_c_simulation_to_the_bit(run: Command, project: Path) -> None:
    same_as_csim(run, project, "small_zcu104", project.parent / "images" / "scene.png", ("semseg", "depth"))


@pytest.mark.pynq
@pytest.mark.slow
def test_results_of_the_example_are_those_of_c_simulation_to_the_bit(
    run: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scenes = ROOT / "examples/scenes"
    images = sorted((scenes / "images").glob("*.png"))
    chosen = tmp_path_factory.mktemp("scenes")
    spec = ["--spec", str(scenes / "spec.toml")]
    config = make_project(chosen, scenes / "checkpoint.pth.tar", spec, images[0], ())
    same_as_csim(run, config, "scenes_zcu104", images[1], ("semseg", "depth"))


@pytest.mark.pynq
def test_text_runs_like_a_script_with_arguments_of_its_own(run: Command, project: Path) -> None:
    code = "import sys; from small_zcu104 import Accelerator; a = Accelerator('small_zcu104'); print(sys.argv, a.tasks)"
    ended, out, err = run("--overlay", project.parent / "build", "--config", project, "-c", code, "x", "--flag")
    assert (ended, out) == (0, "['-c', 'x', '--flag'] ('semseg', 'depth')\n"), err


@pytest.mark.pynq
def test_errors_of_a_script_are_its_own(run: Command, project: Path) -> None:
    Path("script.py").write_text("import sys\n\ndef f():\n    raise ValueError('of mine')\n\nf()\n")
    code, _, err = run("--config", project, "script.py")
    assert code == 1 and "ValueError: of mine" in err and 'File "script.py", line 6' in err
    assert "runpy" not in err and "edgemoe" not in err
    for text, wanted in (("raise SystemExit(7)", 7), ("raise SystemExit('no')", 1), ("raise SystemExit", 0)):
        code, _, err = run("--config", project, "-c", text)
        assert code == wanted and "Traceback" not in err
        assert ("no\n" in err) == (wanted == 1)


@pytest.mark.pynq
def test_a_script_leaves_pynq_and_python_as_they_were(run: Command, project: Path) -> None:
    from pynq.pl_server.device import Device

    before = list(sys.path), list(sys.argv), Device.__dict__.get("_active_device")
    assert run("--config", project, "-c", "import sys; sys.path.insert(0, 'x')")[0] == 0
    assert before == (sys.path, sys.argv, Device.__dict__.get("_active_device"))


@pytest.mark.pynq
def test_memory_and_latency_are_those_asked_for(run: Command, project: Path) -> None:
    text = "import pynq; b = pynq.Device.active_device; print(b.ddr.size, b.latency)"
    assert run("--config", project, "--ddr-mib", 3, "--latency-ms", 12.5, "-c", text)[1] == "3145728 0.0125\n"


@pytest.mark.pynq
def test_what_is_no_overlay_is_refused(run: Command, project: Path, tmp_path: Path) -> None:
    code, _, err = run("--overlay", tmp_path, "-c", "print(1)")
    assert code == 2 and "is neither an overlay, which has a manifest.json, nor the folder of a build" in err
    other = project.with_name("other.toml")  # beside it: paths in it are relative
    other.write_text(project.read_text().replace("tokens_parallel = 2", "tokens_parallel = 3"))
    code, _, err = run("--overlay", project.parent / "build", "--config", other, "-c", "print(1)")
    assert code == 2 and "is not a build of this project: its design is another one" in err


def test_a_missing_script_is_refused(run: Command) -> None:
    code, _, err = run("nowhere.py")
    assert code == 2 and "there is no script nowhere.py" in err
    code, _, err = run()
    assert code == 2 and "no script is named" in err


@pytest.mark.skipif(find_spec("pynq") is not None, reason="PYNQ is installed")
def test_without_pynq_the_error_says_what_to_install(run: Command) -> None:
    code, _, err = run("-c", "print(1)")
    assert code == 2 and "the simulated board needs PYNQ" in err and "[pynq]" in " ".join(err.split())


@pytest.mark.pynq
def test_without_a_build_a_script_that_imports_an_overlay_gets_one_sentence(run: Command, project: Path) -> None:
    Path("script.py").write_text("import m3vit_nowhere\n")
    code, out, err = run("script.py")
    assert (code, out) == (2, "")
    assert "script.py imports 'm3vit_nowhere', which is not installed, and there is no build here" in err
    assert "--overlay" in err and "Traceback" not in err and "compiling" not in err
    assert run("-c", "print(1)")[:2] == (0, "1\n"), "a script that needs no overlay runs"
    code, _, err = run("--config", project, "script.py")
    assert code == 1 and "Traceback" in err, "beside an overlay it is the script's own mistake"


@pytest.mark.pynq
def test_compiling_is_said_where_something_is_compiled(
    run: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "compiling" not in run("--config", project, "-c", "print(1)")[2]
    monkeypatch.setenv("EDGEMOE_CACHE", str(tmp_path / "cache"))
    assert "compiling the simulation" in run("--config", project, "-c", "print(1)")[2]
