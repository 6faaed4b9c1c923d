"""`init`, `inspect`, `generate`, `run`, `csim`, `boards`, `doctor`: what each shows and leaves."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen import api
from edgemoe_gen.base.extras import installing
from edgemoe_gen.cli.group import COMMANDS, group
from tests.cli.conftest import Outcome, Project
from tests.factory import write_checkpoint, write_spec

Run = Callable[..., Outcome]


@pytest.mark.slow
def test_init_writes_a_file_that_build_reads(run: Run, project: Project, here: Path) -> None:
    assert run("init", *project.network, "--image", project.images, *project.knobs, "--output", "made").code == 0
    outcome = run("build", "--task", "depth")
    assert outcome.code == 0, outcome.err
    assert json.loads((here / "made" / "report.json").read_text())["tasks"] == ["depth"]


def test_init_does_not_overwrite_without_force(run: Run, project: Project, here: Path) -> None:
    (here / "edgemoe.toml").write_text("mine")
    outcome = run("init", *project.network)
    assert outcome.code == 2 and "--force" in outcome.err
    assert (here / "edgemoe.toml").read_text() == "mine"
    assert run("init", *project.network, "--force").code == 0


def test_project_file_of_another_checkpoint_is_left_alone(run: Run, project: Project, here: Path) -> None:
    assert run("init", *project.network).code == 0
    other = write_checkpoint(here / "other.pth", depth=2)
    outcome = run("inspect", other, "--spec", project.spec, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["network"]["depth"] == 2
    shown = run("inspect", other, "--spec", project.spec)
    assert "edgemoe.toml is about" in shown.err


def test_inspect_shows_architecture_macs_and_weights(run: Run, project: Project) -> None:
    found = json.loads(run("inspect", *project.network, "--json").out)
    assert found["complete"] and not found["missing"]
    assert found["network"]["moe_blocks"] == [1, 3]
    assert found["network"]["router"] == "multi"
    macs = {row["kind"]: row["macs"] for row in found["layers"]["rows"]}
    assert macs["experts"] == 2 * 33 * 2 * 2 * 32 * 64  # blocks, tokens, top-k, two layers of dim x hidden
    assert found["layers"]["macs"] == sum(value or 0 for value in macs.values())


@pytest.mark.slow
def test_inspect_says_which_weights_bits_to_spend_first(run: Run, project: Project, here: Path) -> None:
    arguments = ["inspect", *project.network, "--image", project.images / "scene_0.png", "--task", "depth"]
    outcome = run(*arguments, "--narrow", 6, "--json")
    assert outcome.code == 0, outcome.err
    worth = json.loads(outcome.out)["worth"]
    assert (worth["tier"], worth["task"], worth["pictures"]) == ("estimate", "depth", 1)
    rows = worth["rows"]
    assert {row["group"] for row in rows} >= {"patch", "blocks.0.fc1", "blocks.1.router", "blocks.3.experts.fc2"}
    assert [row["worth"] for row in rows] == sorted((row["worth"] for row in rows), reverse=True)
    for row in rows:
        assert (row["bits"], row["full_bits"]) == (6, 16)
        assert row["worth"] == pytest.approx(row["error"] ** 2 / (10 * row["weights"]))
    (together,) = worth["together"]
    assert (together["bits"], together["rounding"]) == (6, "gptq")
    assert (together["pictures"]["seen"], together["pictures"]["unseen"]) == (1, 0)
    assert "--augment" in together["notes"][0]
    for row in together["kinds"]:
        assert row["seen"]["gptq"]["error"] < row["seen"]["nearest"]["error"] and not row["unseen"]
    shown = run(*arguments, "--narrow", 6, "--augment", 4)
    assert "Which weights' bits to spend first: depth, 1 picture (estimate)" in shown.out
    assert "All weights of 6 bits, rounded to nearest and together: RMS error (estimate)" in shown.out
    assert "3 pictures for calibration, 1 kept out and measured; made of the same pictures" in shown.err
    assert shown.out.index(rows[0]["group"]) < shown.out.index(f"{rows[-1]['group']} ")
    # The project's width is where it starts from, for experts too.
    (here / "edgemoe.toml").write_text("[knobs]\nweight_bits = 12\nexpert_weight_bits = 6\n")
    rows = json.loads(run(*arguments, "--narrow", 6, "--json").out)["worth"]["rows"]
    assert {row["full_bits"] for row in rows} == {12}


def test_inspect_names_what_the_worth_of_bits_needs(run: Run, project: Project) -> None:
    assert "worth" not in json.loads(run("inspect", *project.network, "--json").out)
    pictures = ["--image", project.images / "scene_0.png"]
    outcome = run("inspect", *project.network, "--narrow", 8)
    assert outcome.code != 0 and "no picture is named" in outcome.err
    outcome = run("inspect", *project.network, *pictures, "--narrow", 17)
    assert outcome.code == 2 and "a width of 17 bits is asked for patch" in outcome.err
    outcome = run("inspect", project.checkpoint, *pictures, "--narrow", 8)
    assert outcome.code == 0 and "--heads" in outcome.out
    assert "what bits are worth is not measured" in outcome.err


@pytest.fixture
def named(project: Project, here: Path) -> list[str]:
    """Arguments of the network with a spec that names the classes of semseg."""
    spec = here / "named.toml"
    names = '[model.class_names]\nsemseg = ["wall", "floor", "bed", "door", "sky"]\n'
    spec.write_text(project.spec.read_text() + "\n" + names)
    return [str(project.checkpoint), "--spec", str(spec)]


def test_inspect_and_run_name_classes(run: Run, project: Project, named: list[str]) -> None:
    assert "wall, floor, bed, door, sky" in run("inspect", *named).out
    arguments = ["run", *named, "--image", project.images / "scene_0.png", "--task", "semseg"]
    classes = json.loads(run(*arguments, "--json").out)["classes"]
    assert {row["name"] for row in classes} <= {"wall", "floor", "bed", "door", "sky"}
    assert sum(row["share"] for row in classes) == pytest.approx(1)
    assert f"{classes[0]['name']} " in run(*arguments).out


def test_init_carries_names_of_classes_over(run: Run, here: Path, named: list[str]) -> None:
    assert run("init", *named).code == 0
    text = (here / "edgemoe.toml").read_text()
    assert text.count('semseg = ["wall"') == 1
    found = json.loads(run("inspect", "--json").out)
    assert found["network"]["tasks"][0]["class_names"] == ["wall", "floor", "bed", "door", "sky"]


def test_names_of_the_project_win_over_those_of_the_spec(run: Run, here: Path, named: list[str]) -> None:
    assert run("init", *named).code == 0
    config = here / "edgemoe.toml"
    own = '[project.class_names]\nsemseg = ["a", "b", "c", "d", "e"]\n'
    config.write_text(config.read_text() + own)
    found = json.loads(run("inspect", "--json").out)
    assert found["network"]["tasks"][0]["class_names"] == ["a", "b", "c", "d", "e"]


def test_project_of_one_board_is_generated_for_another(run: Run, project: Project) -> None:
    assert run("init", *project.network, "--board", "zcu102", "--knob", "activation_bits=16").code == 0
    outcome = run("generate", "--board", "ultra96v2", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["board"] == "ultra96v2" and found["resources"]["fits"]
    assert found["knobs"]["activation_bits"] == 16
    there = json.loads(run("generate", "--json").out)["knobs"]
    unit = ("tokens_parallel", "out_parallel", "in_parallel")
    assert math.prod(there[name] for name in unit) > math.prod(found["knobs"][name] for name in unit)


def test_inspect_lists_what_the_checkpoint_does_not_tell(run: Run, project: Project) -> None:
    outcome = run("inspect", project.checkpoint)
    assert outcome.code == 0, outcome.err
    size, pixels = ("--heads", "--image-height", "--image-width"), ("--scale", "--mean", "--std", "--normalise")
    for option in (*size, *pixels, "--top-k"):
        assert option in outcome.out
    found = json.loads(run("inspect", project.checkpoint, "--json").out)
    assert found["network"]["heads"] is None and found["network"]["image"] is None
    assert found["layers"]["macs"] is None
    assert [row["key"] for row in found["missing"]] == [
        *("heads", "image_height", "image_width", "scale", "mean", "std", "top_k")
    ]
    assert found["network"]["normalisation"] is None


def test_inspect_asks_for_tasks_where_only_the_user_knows_them(run: Run, here: Path) -> None:
    checkpoint = write_checkpoint(here / "bare.pth", decoders=False)
    found = json.loads(run("inspect", checkpoint, "--json").out)
    assert "tasks" in [row["key"] for row in found["missing"]]


def test_inspect_shows_the_network_beside_a_contradiction(run: Run, project: Project) -> None:
    outcome = run("inspect", *project.network, "--dim", 64)
    assert outcome.code == 2
    assert "dim is given as 64" in outcome.err and "shows 32" in outcome.err
    assert "features a token" in outcome.out
    assert "say it" not in outcome.out  # the rest of what is said is believed
    swapped = run("inspect", *project.network, "--tasks", "depth,semseg")
    assert swapped.code == 2 and "tasks is given as depth, semseg" in swapped.err
    assert re.search(r"image.*32 × 64", swapped.out) and "semseg (" in swapped.out


def test_inspect_of_a_plain_vit(run: Run, here: Path) -> None:
    checkpoint = write_checkpoint(here / "vit.pth", prefix="", router="none", head_classes=7, tasks={"default": 7})
    found = json.loads(run("inspect", checkpoint, "--json").out)
    assert found["network"]["moe_blocks"] == []
    asked = ["heads", "image_height", "image_width", "scale", "mean", "std"]
    assert [row["key"] for row in found["missing"]] == asked


def test_inspect_and_init_show_how_pixels_are_normalised(run: Run, project: Project, here: Path) -> None:
    shown = "scale 1/255, mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225 (imagenet); from the command line"
    assert shown in run("inspect", *project.network, "--normalise", "imagenet").out
    facts = json.loads(run("inspect", *project.network, "--json").out)["network"]["normalisation"]
    assert (facts["scale"], facts["name"]) == (1 / 256, "unit256") and facts["from"].startswith("spec.toml")
    outcome = run("init", *project.network, "--normalise", "imagenet")
    assert outcome.code == 0 and shown in outcome.out
    assert '# normalise = "imagenet"' in (here / "edgemoe.toml").read_text()
    again = json.loads(run("inspect", "--json").out)["network"]["normalisation"]
    assert (again["name"], again["from"]) == ("imagenet", "edgemoe.toml")


def test_generate_needs_no_checkpoint(run: Run, project: Project, here: Path) -> None:
    outcome = run("generate", *project.knobs, "--output", "design", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["resources"]["fits"]
    assert "TOKENS_PARALLEL = 2" in (here / "design" / "accelerator" / "src" / "config.h").read_text()


def test_generate_gives_a_network_the_knobs_it_needs(run: Run, project: Project, here: Path) -> None:
    assert run("generate", *project.network).code == 0
    knobs = json.loads((here / "build" / "accelerator" / "design.json").read_text())["knobs"]
    assert knobs["max_tokens"]["value"] == 33


def test_generate_refuses_what_a_build_would(run: Run, project: Project, here: Path) -> None:
    fast = run("generate", "--board", "kv260", "--knob", "clock_mhz=450")
    assert fast.code == 2 and "the clock is 450 MHz" in fast.err and "333 MHz for xck26" in fast.err
    assert run("init", *project.network, *project.knobs).code == 0
    config = here / "edgemoe.toml"
    text = config.read_text()
    for name, code in (("blocks.0.query", 0), ("decoders.semseg.norm", 2), ("blocks.9.query", 2)):
        config.write_text(f'{text}"{name}" = 3\n')
        outcome = run("generate", "--output", here / "out")
        assert outcome.code == code and (code == 0 or f"'{name}' is not a tensor" in outcome.err), outcome.err


def test_run_dumps_arrays_of_both_backends(run: Run, project: Project, here: Path) -> None:
    image = project.images / "scene_0.png"
    common = [*project.network, "--image", image, "--task", "semseg"]
    simulated = run("run", *common, *project.knobs, "--backend", "csim", "--dump", "c.npz")
    assert simulated.code == 0, simulated.err
    assert "calibrated on this very picture" in simulated.err
    assert run("run", *common, "--routes", "c.npz", "--dump", "f.npz").code == 0
    with np.load(here / "c.npz") as c, np.load(here / "f.npz") as f:
        for dump in (c, f):
            assert dump["tokens"].shape == (33, 32)
            assert dump["blocks"].shape == (4, 33, 32)
            assert dump["routes"].shape == dump["scores"].shape == (2, 33, 2)
            assert dump["output"].shape == (5, 32, 64)
            assert {dump[k].dtype for k in ("tokens", "blocks", "scores", "output")} == {np.dtype(np.float32)}
        assert (np.diff(c["scores"], axis=-1) <= 0).all()
        assert np.array_equal(c["routes"], f["routes"])
        assert np.array_equal(c["blocks"][-1], c["tokens"])
        # 18-bit activations of about unit size, see test_cli_build.
        assert 0 < np.mean((c["tokens"] - f["tokens"]) ** 2) < 3.4e-6


def test_run_of_all_tasks_gives_what_each_gives_alone_in_less_traffic(project: Project, here: Path) -> None:
    """No gate depends on the task, so they share the backbone."""
    checkpoint = write_checkpoint(here / "network.pth", router="single")
    write_spec(here / "spec.toml", router="single")
    (here / "edgemoe.toml").write_text("[knobs]\n" + "\n".join(project.knobs[1::2]).replace("=", " = ") + "\n")
    given: Any = {"spec": "spec.toml", "image": project.images / "scene_0.png", "backend": "csim"}
    alone = {task: api.run(checkpoint, task=task, **given) for task in ("depth", "semseg")}
    result = api.run(checkpoint, task=["depth", "semseg", "depth"], output="all.npz", **given)
    assert list(result.by_task) == ["depth", "semseg"] and result.task == "depth"
    for task, one in result.by_task.items():
        for name in ("tokens", "blocks", "routes", "scores", "output"):
            assert np.array_equal(getattr(one, name), getattr(alone[task], name)), (task, name)
    assert len(repr(result)) < 800 and result._repr_html_().count("<img") == 2
    assert any("share the backbone" in note for note in result.notes)
    whole, apart = (sum(r.traffic.weights for r in rs if r.traffic) for rs in ([result], alone.values()))
    assert whole < 0.8 * apart
    with np.load("all.npz") as arrays:
        assert np.array_equal(arrays["semseg.tokens"], alone["semseg"].tokens) and "semseg.output" in arrays
        assert {name.partition(".")[0] for name in arrays.files} == {"depth", "semseg"}
    forced = api.run(checkpoint, task="all", routes="all.npz", **{**given, "backend": "float"})
    assert np.array_equal(forced.by_task["semseg"].routes, alone["semseg"].routes)


def test_run_without_experts_dumps_empty_routes(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_checkpoint(here / "vit.pth", prefix="", router="none", head_classes=7, tasks={"default": 7})
    size = ["--heads", 2, "--image-height", 32, "--image-width", 64, "--normalise", "imagenet"]
    outcome = run("run", checkpoint, *size, "--image", project.images / "scene_0.png", "--dump", "d.npz", "--json")
    assert outcome.code == 0, outcome.err
    assert len(json.loads(outcome.out)["top_classes"]) == 5
    with np.load(here / "d.npz") as dump:
        assert dump["routes"].shape == dump["scores"].shape == (0, 33, 0)
        assert dump["output"].shape == (7,)
    monkeypatch.setattr("edgemoe_gen.api.simulation.run_float", None)  # it is refused before anything runs
    refused = run("run", checkpoint, *size, "--image", project.images / "scene_0.png", "--output", "o.png")
    assert refused.code == 2 and "task default has no output that is a picture" in refused.err


def test_run_writes_the_result_as_a_picture(run: Run, project: Project, here: Path) -> None:
    image = project.images / "scene_1.png"
    assert run("run", *project.network, "--image", image, "--task", "all", "--output", "d.png").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["d_depth.png", "d_semseg.png"]
    with Image.open(here / "d_depth.png") as picture:
        assert picture.size == (64, 32)
    refused = run("run", *project.network, "--image", image, "--output", "d.png")
    assert refused.code == 2 and "choose one with --task, or all of them with --task all" in refused.err


def test_json_of_run_is_all_that_stdout_holds(run: Run, project: Project) -> None:
    image = project.images / "scene_1.png"
    outcome = run("run", *project.network, "--image", image, "--task", "depth", "--json")
    assert json.loads(outcome.out)["tokens"]["shape"] == [33, 32]


def test_csim_checks_kernels_and_writes_junit(run: Run, project: Project, here: Path) -> None:
    outcome = run("csim", *project.knobs, "--kernel", "softmax", "--kernel", "gelu", "--junit", "k.xml")
    assert outcome.code == 0, outcome.out + outcome.err
    assert "kept their bounds" in outcome.out
    suites = ElementTree.parse(here / "k.xml").getroot()
    assert {suite.get("name") for suite in suites} == {"softmax", "gelu"}


def test_csim_takes_inputs_from_a_network(run: Run, project: Project) -> None:
    image = project.images / "scene_0.png"
    outcome = run("csim", *project.network, *project.knobs, "--image", image, "--kernel", "linear", "--json")
    assert outcome.code == 0, outcome.err
    cases = json.loads(outcome.out)["cases"]
    assert any(case["inputs"] == "recorded" and case["skipped"] is None for case in cases)


def test_csim_says_once_what_it_lacks_to_record_inputs(run: Run, project: Project) -> None:
    knobs = ("csim", *project.knobs, "--kernel", "linear")
    for given, lacks in (
        ((), "no checkpoint and no picture (--image) is"),
        (project.network, "no picture (--image) is"),
    ):
        said = run(*knobs[:1], *given, *knobs[1:])
        assert said.code == 0 and f"skipped: {lacks} named to record inputs from" in said.err
        assert said.err.count("record") == 1


def test_an_option_without_its_value_is_explained_by_the_help_of_its_command(run: Run) -> None:
    assert "see edgemoe-gen inspect --help" in run("inspect", "--narrow").err


def test_init_takes_the_name_that_other_commands_give_the_file(run: Run, project: Project, here: Path) -> None:
    assert run("init", *project.network, "--config", "own.toml").code == 0
    assert (here / "own.toml").is_file()


def test_csim_fails_when_a_bound_is_broken(run: Run, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgemoe_gen.sim.kernels import CaseResult

    broken = CaseResult("gelu", "all", "extreme", 1.0, 0.5, 0.1, where="value 3")
    monkeypatch.setattr("edgemoe_gen.api.simulation.run_kernels", lambda *_: [broken])
    outcome = run("csim", *project.knobs, "--kernel", "gelu")
    assert outcome.code == 1
    assert "BROKEN" in outcome.out and "value 3" in outcome.out


def test_boards_lists_and_shows(run: Run) -> None:
    assert "zcu104" in run("boards").out
    assert "HP0, HP3, HP1, HPC0, HP2, HPC1" in run("boards", "kv260").out
    assert json.loads(run("boards", "zcu104", "--json").out)["dsp"] == 1728


def test_doctor_names_absent_extras_in_its_first_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.pipeline.diagnosis.installed", lambda package: package != "optuna")
    said = run("doctor").out
    first = said.splitlines()[0]
    assert first.endswith("extras not installed: tune, dev") and "tune" in first.partition("not here: ")[2]
    assert f"`[tune]`, needed by tune: {installing('tune')}" in said
    assert f"`[dev]`, which no command needs: {installing('dev')}" in said
    assert "in part, without optuna" in said


def test_doctor_says_what_each_gap_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = json.loads(run("doctor", "--json").out)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["vivado"]["status"] == "missing" and checks["vivado"]["advice"]
    assert found["stages"]["hls"]["ready"] is False and found["stages"]["generate"]["ready"] is True


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example(run: Run, name: str) -> None:
    outcome = run(name, "--help")
    assert outcome.code == 0
    assert f"edgemoe-gen {name}" in outcome.out and "Example" in outcome.out


def test_group_names_every_command() -> None:
    import click

    assert group.list_commands(click.Context(group)) == list(COMMANDS)


def test_no_command_shows_the_help(run: Run) -> None:
    outcome = run()
    assert outcome.code == 0
    assert "Commands:" in outcome.out and outcome.err == ""


@pytest.mark.parametrize("board", ["zcu104", "zcu102", "kv260"])
def test_generate_suits_the_board_without_a_checkpoint(run: Run, here: Path, board: str) -> None:
    outcome = run("generate", "--board", board, "--knob", "tokens_parallel=2", "--output", "design", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["knobs"]["tokens_parallel"] == 2
    assert all(row["used"] <= row["available"] for row in found["resources"]["against"].values())
    assert (here / "design" / "accelerator" / "src" / "engine.cpp").is_file()
