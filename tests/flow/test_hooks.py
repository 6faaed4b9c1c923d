"""Tcl of the user's own: it runs at its point, in each generation of the tools, and is named where it stops."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.flow.failures import explain
from edgemoe_gen.flow.hooks import HOOKS
from edgemoe_gen.flow.kit import files_of, wants_tcl
from edgemoe_gen.flow.tools import Command, Tool
from edgemoe_gen.project.config import Config, parse_config, read_config
from edgemoe_gen.project.opening import open_hooks
from edgemoe_gen.project.writing import config_to_toml
from tests.flow.hls_kit import small_design
from tests.flow.hls_kit import write_kit as write_hls_kit
from tests.flow.standin_vitis import install_classic, install_unified, tclsh
from tests.flow.vivado_kits import make, run, write_kit

needs_tclsh = pytest.mark.skipif(tclsh() is None, reason="tclsh, which runs the stand-ins, is not installed")
VIVADO = [hook for hook in HOOKS if hook.stage == "bitstream"]
# What the run's log says behind which, and before which, each hook has run.
AROUND = {
    "before_synthesis": ("*** Running vivado", "Command: synth_design"),
    "after_synthesis": ("synth_design completed", "synth_design: Time"),
    "before_place": ("opt_design completed", "Command: place_design"),
    "before_route": ("place_design completed", "Command: route_design"),
    "after_route": ("route_design completed", "Command: post_route_phys_opt_design"),
    "before_bitstream": ("route_design completed", "Command: write_bitstream"),
}


@needs_tclsh
def test_each_hook_of_vivado_runs_at_its_point_in_the_folder_of_its_run(tmp_path: Path) -> None:
    texts = {h.name: f'puts "here is {h.name}"\nclose [open {h.name}.mark w]\n' for h in VIVADO}
    kit = write_kit(tmp_path / "a kit with spaces", make(), hooks=texts)
    done = run(kit)
    assert done.code == 0, done.text[-3000:]
    for hook in VIVADO:
        log = done.log(hook.run)
        at = log.index(f"here is {hook.name}")
        before, after = AROUND[hook.name]
        assert before in log[:at], hook.name
        assert hook.name == "after_synthesis" or (after in log[at:] and after not in log[:at]), hook.name
        assert (kit / f"vivado_project/edgemoe.runs/{hook.run}/{hook.name}.mark").is_file()
    assert str(tmp_path) not in "".join(p.read_text() for p in (kit / "flow").rglob("*.tcl"))


@needs_tclsh
@pytest.mark.parametrize("release", ["2021.1", "2025.2"])
def test_a_hook_that_stops_ends_the_run_and_is_named(tmp_path: Path, release: str) -> None:
    kit = write_kit(tmp_path / "kit", make(), hooks={"before_place": "set x 1\nno_such_command $x\n"})
    done = run(kit, release)
    assert done.code != 0 and not done.bitstream.exists()
    assert "Command: place_design" not in done.log("impl_1")
    log = tmp_path / "log"
    log.write_text(done.text)
    error = explain("bitstream", Command(Tool("vivado", Path("/t"), release, "PATH"), ()), done.code, log, kit)
    assert "the hook 'before_place' stopped: invalid command name \"no_such_command\"" in error.message
    assert "[flow.hooks]" in error.hint


@needs_tclsh
@pytest.mark.parametrize("generation", ["classic", "unified"])
@pytest.mark.parametrize("stops", [False, True])
def test_the_hook_of_synthesis_runs_before_it_in_both_generations(tmp_path: Path, generation: str, stops: bool) -> None:
    text = "set_clock_uncertainty 20% default\n" + ("error {this is not it}\n" if stops else "")
    release = "2022.1" if generation == "classic" else "2025.1"
    kit = write_hls_kit(tmp_path, small_design("zcu104"), generation, release, {"before_csynth": text}).folder
    tools = tmp_path / "bin"
    (install_classic if generation == "classic" else install_unified)(tools, release)
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    (kit / "run.sh").chmod(0o755)
    done = subprocess.run([kit / "run.sh", "hls"], env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    point = said.index("INFO: [edgemoe hook] before_csynth")
    assert said.index("config_rtl") < point and "Running: set_clock_uncertainty 20% default" in said[point:]
    assert (done.returncode != 0) == stops
    assert ("Running: csynth_design" in said[point:]) != stops
    assert (kit / "hls_project/solution/syn/report/edgemoe_engine_csynth.xml").is_file() != stops
    if stops:
        log = tmp_path / "log"
        log.write_text(said)
        error = explain("hls", Command(Tool("vitis_hls", Path("/t"), release, "PATH"), ()), 1, log, kit)
        assert "the hook 'before_csynth' stopped: this is not it" in error.message


def test_a_hook_belongs_to_the_inputs_of_its_stage_alone() -> None:
    design = small_design("zcu104")
    plain = render_sources(design)
    for hook in HOOKS:
        one, other = (render_sources(design, {hook.name: text}) for text in ("puts 1", "puts 2"))
        changed = {stage for stage in ("hls", "ip", "bitstream") if files_of(stage, one) != files_of(stage, other)}
        assert changed == ({"hls", "ip"} if hook.stage == "hls" else {"bitstream"}), hook.name
        assert one[hook.own] == "puts 1" and wants_tcl(one) == (hook.stage == "hls")
        assert {n for n in plain if not n.startswith("flow/") and one[n] != plain[n]} <= {"hls.cfg", "run.sh"}


def test_hooks_are_paths_relative_to_the_projects_file(tmp_path: Path) -> None:
    (tmp_path / "tcl").mkdir()
    (tmp_path / "tcl/place.tcl").write_text("puts here")
    path = tmp_path / "edgemoe.toml"
    path.write_text('[flow.hooks]\nbefore_place = "tcl/place.tcl"\n')
    config = read_config(path)
    assert open_hooks(config) == {"before_place": "puts here"}
    again = parse_config(config_to_toml(config, tmp_path), path)
    assert again.hooks == config.hooks
    assert open_hooks(Config().over(config)) == {"before_place": "puts here"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[flow.hooks]\nbefore_place = "gone.tcl"\n',
            "the Tcl of flow.hooks.before_place is missing: there is no file",
        ),
        ('[flow.hooks]\nbefore_place = "."\n', "the Tcl of flow.hooks.before_place"),
        ('[flow.hooks]\nbefore_placing = "x.tcl"\n', "the key 'flow.hooks.before_placing' is unknown"),
        ("[flow.hooks]\nbefore_place = 3\n", "'flow.hooks.before_place' is 3, but must be a path in quotes"),
        ('[flow]\nhook = "x"\n', "the key 'flow.hook' is unknown"),
        ('[flow]\nhooks = "x"\n', "'flow.hooks' is 'x', but must be a table"),
    ],
)
def test_a_wrong_hook_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "edgemoe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        open_hooks(read_config(path))
    assert sentence in caught.value.message and "edgemoe.toml" in caught.value.message
