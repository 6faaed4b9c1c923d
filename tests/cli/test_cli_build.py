"""`edgemoe-gen build`: stages, resuming, the lock, and what is left behind."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.base.build_files import DESIGN, ESTIMATE, REPORT, TIMING
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.pipeline.support.folders import open_stages
from edgemoe_gen.program.file import read_program, read_weights
from tests.cli.conftest import Outcome, Project

Run = Callable[..., Outcome]


def build(run: Run, project: Project, output: Path, *more: object) -> Outcome:
    return run("build", *project.network, "--image", project.images, *project.knobs, "--output", output, *more)


def states(outcome: Outcome) -> dict[str, bool]:
    """Whether each stage was skipped."""
    lines = re.findall(
        r"^(render|compile|csim|simulate|report) +[\d.]+ (?:s|min \d+ s) +(.*)$", outcome.out, re.MULTILINE
    )
    unchanged = re.findall(r"^unchanged: (.*)$", outcome.out, re.MULTILINE)
    known = ("render", "compile", "csim", "simulate", "report")
    skipped = [name for line in unchanged for name in line.split(", ") if name in known]
    return {name: False for name, _ in lines} | dict.fromkeys(skipped, True)


def test_build_leaves_sources_program_weights_and_reports(built: Path) -> None:
    for name in ("README.md", "src/engine.cpp", "sim/simulate.cpp", "testbench/main.cpp", "design.json", "formats.json",
                 "data/program.bin", "data/weights.bin"):  # fmt: skip
        assert (built / "accelerator" / name).is_file(), name
    assert (built / "report.html").is_file()
    assert not list(built.rglob("*partial*"))


def test_weights_on_disk_belong_to_the_program_and_design(built: Path) -> None:
    from edgemoe_gen.design import Knobs, make_design
    from edgemoe_gen.hardware.boards import load_board

    facts = json.loads((built / "accelerator" / "design.json").read_text())
    knobs = Knobs(**{name: knob["value"] for name, knob in facts["knobs"].items()})
    design = make_design(knobs, load_board("zcu104"))
    program = read_program(built / "accelerator" / "data" / "program.bin", design)
    weights = read_weights(built / "accelerator" / "data" / "weights.bin", design, program)
    assert weights.weights.size > 0


def test_report_says_what_matters_with_its_tier(built: Path) -> None:
    report = json.loads((built / "report.json").read_text())
    assert re.fullmatch(
        r"fits ZCU104 \(estimate\): [\d,]+ of 1,728 DSP · [\d.]+ ms a frame \(timed simulation\), decoders "
        r"on the host not counted · MSE \S+ of the final tokens · \d+ of 264 top-2 sets equal",
        report["headline"],
    )
    for name in ("errors", "traffic"):
        assert report[name]["tier"] == "C simulation", name
    for name in ("resources", "cycles"):
        assert report[name]["tier"] == "estimate", name
    assert report["stopped_before"] == "hls"


def test_accelerator_of_the_report_is_close_to_float(built: Path) -> None:
    errors = json.loads((built / "report.json").read_text())["errors"]
    # 18-bit activations of about unit size: a step is 2^-14 or less, and an error of 30 steps squared is 3.4e-6.
    assert 0 < errors["mse_forced"] < 3.4e-6
    assert len(errors["blocks"]) == 4
    assert errors["sets"] == 2 * 2 * 2 * 33  # pictures, tasks, blocks with experts, tokens


def test_ground_truth_gives_metrics_of_both_sides(built: Path) -> None:
    quality = {row["task"]: row for row in json.loads((built / "report.json").read_text())["quality"]}
    assert quality["semseg"]["metric"] == "mIoU"
    assert quality["semseg"]["pictures"] == 1  # only one of both pictures has ground truth
    assert abs(quality["depth"]["float"] - quality["depth"]["accelerator"]) < 0.01
    # What of the picture's ground truth is marked, see the project.
    assert (quality["semseg"]["pixels"], quality["semseg"]["ignored"]) == (28 * 64, 4 * 64)
    assert (quality["depth"]["pixels"], quality["depth"]["ignored"]) == (30 * 64, 2 * 64)


def test_the_report_says_how_pixels_are_normalised_and_how_many_count(built: Path) -> None:
    facts = json.loads((built / "report.json").read_text())["network"]["normalisation"]
    assert (facts["scale"], facts["name"], facts["from"]) == (1 / 256, "unit256", "spec.toml (normalise: unit256)")
    page = (built / "report.html").read_text()
    assert "scale 1/256, mean 0, std 1 (unit256); from spec.toml" in page
    assert "1,792 of 2,048" in page and "1,920 of 2,048" in page


def test_traffic_is_close_to_the_least_possible(built: Path) -> None:
    traffic = json.loads((built / "report.json").read_text())["traffic"]
    assert traffic["ports"]["image"] >= traffic["needed"]["image"]
    assert traffic["total"] == sum(traffic["ports"].values())
    # A network of 74,000 weights: its program is a tenth of its traffic.
    assert 1.0 <= traffic["ratio"] < 1.15


def test_documents_of_a_build_say_their_schema_first(built: Path) -> None:
    for document, place in ((DESIGN, "accelerator"), (ESTIMATE, "accelerator"), (TIMING, ""), (REPORT, "")):
        facts = document.read(built / place)
        assert next(iter(facts.items())) == ("schema", document.schema), document.name
    assert "schema" not in REPORT.read(built)["timing"]


def test_report_needs_nothing_from_outside(built: Path) -> None:
    page = (built / "report.html").read_text()
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", page)
    assert "@import" not in page and "url(" not in page


def test_report_lists_the_kernels_and_their_bounds(built: Path) -> None:
    from edgemoe_gen.sim.cases_maps import OF_DECODERS
    from edgemoe_gen.sim.kernels import KERNELS
    from edgemoe_gen.sim.recorded import RECORDED

    rows = {row["kernel"]: row for row in json.loads((built / "report.json").read_text())["kernels"]["rows"]}
    assert tuple(rows) == tuple(name for name in KERNELS if name not in OF_DECODERS)  # which the design does not have
    for name, row in rows.items():
        assert 0 < row["largest_error"] <= row["bound"] or row["largest_error"] == 0, name
        assert (row["recorded"] > 0) == (name in RECORDED), name


def test_broken_kernel_ends_the_build_and_keeps_the_last_report(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemoe_gen.sim.kernels import CaseResult

    broken = CaseResult("gelu", "all", "extreme", 1.0, 0.5, 0.1, where="value 3")
    monkeypatch.setattr("edgemoe_gen.pipeline.support.kernels.run_kernels", lambda *_, **__: [broken])
    shutil.copytree(built, here / "out")
    (here / "out" / "csim" / "kernels.json").unlink()  # so that the stage runs again
    before = (here / "out" / "report.json").read_bytes()
    outcome = build(run, project, here / "out")
    assert outcome.code == 1
    for word in ("kernel gelu", "'all'", "0.5", "value 3", "csim --kernel gelu"):
        assert word in outcome.err, outcome.err
    assert (here / "out" / "report.json").read_bytes() == before
    assert not list((here / "out").rglob("*partial*"))


def test_knobs_in_use_are_listed_and_the_users_are_marked(run: Run, project: Project, here: Path) -> None:
    outcome = build(run, project, here / "out")
    assert "tokens_parallel=2*" in outcome.out and re.search(r"activation_bits=18[,\n]", outcome.out)
    knobs = {row["name"]: row for row in json.loads((here / "out" / "report.json").read_text())["knobs"]}
    assert knobs["tokens_parallel"]["chosen"] and not knobs["activation_bits"]["chosen"]


def test_new_names_of_classes_make_the_report_alone_anew(run: Run, project: Project, built: Path, here: Path) -> None:
    shutil.copytree(built, here / "out")
    outcome = build(run, project, here / "out", "--class-names", "semseg=wall,floor,bed,door,sky")
    assert states(outcome) == {"render": True, "compile": True, "csim": True, "simulate": True, "report": False}
    page = (here / "out" / "report.html").read_text()
    assert "wall" in page and "class 0" not in page


def test_second_build_skips_every_stage(run: Run, project: Project, here: Path) -> None:
    first, second = build(run, project, here / "out"), build(run, project, here / "out")
    assert first.code == second.code == 0, first.err + second.err
    assert set(states(second)) == {"render", "compile", "csim", "simulate", "report"}
    assert all(states(second).values())
    assert second.out.splitlines()[-1].startswith('stopped before stage "hls"')


@pytest.mark.slow
def test_until_and_only_run_what_they_name_and_report_no_stale_figures(run: Run, project: Project, here: Path) -> None:
    rendered = build(run, project, here / "out", "--until", "render")
    assert rendered.code == 0 and 'stopped before stage "compile": not asked for' in rendered.out
    assert not (here / "out" / "report.json").exists()
    linted = build(run, project, here / "out", "--until", "lint")
    assert linted.code == 0 and 'stopped before stage "preview": not asked for' in linted.out
    assert (here / "out" / "report.json").exists() and (here / "out" / "lint.json").exists()
    again = build(run, project, here / "out", "--only", "lint")
    assert again.code == 0 and "render " not in again.out and "no findings" in again.out
    changed = build(run, project, here / "out", "--knob", "activation_bits=17", "--only", "render")
    assert changed.code == 0 and "fits ZCU104" not in changed.out


@pytest.mark.slow
def test_new_picture_repeats_simulation_but_not_rendering(run: Run, project: Project, here: Path) -> None:
    images = [project.images / f"scene_{i}.png" for i in range(2)]
    fixed = ["build", *project.network, *project.knobs, "--output", here / "out", "--calibrate", images[0]]
    assert run(*fixed, "--image", images[0]).code == 0
    again = run(*fixed, "--image", images[0], "--image", images[1])
    assert states(again) == {"render": True, "compile": True, "csim": False, "simulate": True, "report": False}


def test_a_deleted_output_is_made_anew(run: Run, project: Project, built: Path, here: Path) -> None:
    shutil.copytree(built, here / "out")
    weights = here / "out" / "accelerator" / "data" / "weights.bin"
    good = weights.read_bytes()
    weights.unlink()
    again = build(run, project, here / "out")
    assert not states(again)["render"]
    assert weights.read_bytes() == good


def test_files_that_were_changed_or_added_by_hand_are_never_lost(
    run: Run, project: Project, built: Path, here: Path
) -> None:
    shutil.copytree(built, here / "out")
    source = here / "out" / "accelerator" / "src" / "engine.cpp"
    good = source.read_text()
    source.write_text(f"// mine\n{good}")
    (source.parent / "mine.h").write_text("mine")
    for more in ((), ("--knob", "activation_bits=17"), ("--from", "render")):
        outcome = build(run, project, here / "out", *more, "--until", "render")
        assert outcome.code == 2
        assert "src/engine.cpp (changed); src/mine.h (added)" in outcome.err and "--force" in outcome.err
    generated = run("generate", *project.network, *project.knobs, "--output", here / "out")
    assert generated.code == 2 and "src/mine.h (added)" in generated.err
    assert source.read_text() == f"// mine\n{good}"
    forced = build(run, project, here / "out", "--force", "--until", "render")
    assert forced.code == 0 and "it is now accelerator.edited-1" in forced.err
    assert source.read_text() == good
    assert (here / "out/accelerator.edited-1/src/mine.h").read_text() == "mine"


def test_what_is_not_to_be_lost_includes_the_preview(run: Run, project: Project, built: Path, here: Path) -> None:
    shutil.copytree(built, here / "out")
    readme = here / "out/preview/small_zcu104/README.md"
    readme.write_text("mine")
    outcome = build(run, project, here / "out")
    assert outcome.code == 2 and "small_zcu104/README.md (changed)" in outcome.err
    assert readme.read_text() == "mine"


def test_without_libclang_a_build_reaches_the_preview_and_says_that_lint_is_left_out(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built, here / "out")
    (here / "out/lint.json").unlink()
    shutil.rmtree(here / "out/preview")
    monkeypatch.setattr("edgemoe_gen.linting.libclang_missing", lambda: "no module")
    outcome = build(run, project, here / "out")
    assert outcome.code == 0, outcome.err
    left_out = "left out: libclang is not there (no module): pip install"
    assert re.search(rf"^lint +[\d.]+ s +{re.escape(left_out)}", outcome.out, re.MULTILINE)
    assert outcome.out.splitlines()[-1].startswith('stopped before stage "hls"')
    assert (here / "out/preview/small_zcu104").is_dir() and not (here / "out/lint.json").exists()
    assert "lint" not in json.loads((here / "out/report.json").read_text())["stages"]
    assert "lint       left out" in build(run, project, here / "out", "--dry-run").out
    again = build(run, project, here / "out").out.splitlines()
    assert len(again) == 4 and re.fullmatch("unchanged: render, .*preview.*; left out: lint", again[0])
    asked = run("lint", here / "out")
    assert asked.code == 2 and '[lint]"' in asked.err


def test_generate_renders_again_whatever_it_renders_from_changes(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def depth() -> str:
        text = (here / "build/accelerator/src/engine.cpp").read_text()
        return str(re.findall(r"STREAM variable = sums depth = (\d+)", text)[0])

    def generate() -> None:
        outcome = run("generate")
        assert outcome.code == 0, outcome.err

    config = here / "edgemoe.toml"
    config.write_text('board = "zcu104"\n')
    generate()
    first = depth()
    config.write_text('board = "zcu104"\n[fifo_depths]\nsums = 77\n')
    generate()
    assert depth() == "77" != first
    monkeypatch.setattr("edgemoe_gen.codegen.synthesis.CLOCK_UNCERTAINTY_PERCENT", 10)
    generate()
    assert "leaves 10% to routing" in (here / "build/accelerator/flow/hls.tcl").read_text()
    before = (here / "build/accelerator/flow/hls.tcl").stat().st_mtime_ns
    generate()
    assert (here / "build/accelerator/flow/hls.tcl").stat().st_mtime_ns == before


def test_same_build_gives_same_bytes(run: Run, project: Project, built: Path, here: Path) -> None:
    assert build(run, project, here / "out").code == 0
    for name in ("accelerator/data/program.bin", "accelerator/data/weights.bin", "accelerator/src/config.h"):
        assert (here / "out" / name).read_bytes() == (built / name).read_bytes(), name


def test_second_build_in_one_folder_is_refused(run: Run, project: Project, here: Path) -> None:
    with open_stages(here / "out", lambda _: None):
        outcome = build(run, project, here / "out")
    assert outcome.code == 2
    assert "another build is at work" in outcome.err


def test_a_build_killed_while_its_outputs_move_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(folder: Path) -> str:
        (folder / "thing").write_text("whole")
        return "made"

    with monkeypatch.context() as patch:
        # As if the process ended here: the output is in its place, and the build does not know yet.
        patch.setattr(
            "edgemoe_gen.pipeline.support.folders.digest_of", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with open_stages(here / "out", lambda _: None) as stages, pytest.raises(KeyboardInterrupt):
            stages.run("things", "1", ["thing"], make, anew=True)
    assert (here / "out" / "thing").exists()
    with open_stages(here / "out", lambda _: None) as stages:
        assert not stages.run("things", "1", ["thing"], make).skipped
        assert stages.run("things", "1", ["thing"], make).skipped


def test_a_stage_that_can_t_write_says_where(here: Path) -> None:
    def fail(folder: Path) -> str:
        raise OSError(28, "No space left on device", str(folder / "thing"))

    with open_stages(here / "out", lambda _: None) as stages, pytest.raises(ConfigError, match="No space left"):
        stages.run("things", "1", ["thing"], fail)


def test_what_a_stage_needs_before_it_starts_is_not_done_for_one_that_is_skipped(here: Path) -> None:
    done: list[str] = []

    def make(folder: Path) -> str:
        done.append("make")
        (folder / "x").write_text("x")
        return ""

    with open_stages(here / "out", lambda _: None) as stages:
        for inputs in ("a", "a", "b"):
            stages.run("x", inputs, ["x"], make, before=lambda: done.append("before"))
    assert done == ["before", "make"] * 2


def test_failing_stage_keeps_the_outputs_of_the_last_build(here: Path) -> None:
    def fail(folder: Path) -> str:
        (folder / "thing").write_text("half")
        raise ConfigError("no", "")

    def succeed(folder: Path) -> str:
        (folder / "thing").write_text("whole")
        return ""

    with open_stages(here / "out", lambda _: None) as stages:
        stages.run("one", "a", ["thing"], succeed)
        with pytest.raises(ConfigError):
            stages.run("one", "b", ["thing"], fail)
    assert (here / "out" / "thing").read_text() == "whole"
    assert not list((here / "out").rglob("*partial*"))


def test_interrupted_build_exits_130(run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgemoe_gen.program.compile.compile_network", interrupt)
    outcome = build(run, project, here / "out")
    assert outcome.code == 130
    assert not (here / "out" / "accelerator").exists()
    assert not list((here / "out").rglob("*partial*"))


@pytest.mark.slow
def test_a_build_compiles_each_program_once(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def counted(module: str, name: str) -> None:
        compile_it = getattr(importlib.import_module(f"edgemoe_gen.{module}"), name)

        def count(*given: object, **more: object) -> object:
            compiled.append(" ".join([name, *(keyword for keyword in more if keyword != "decoders")]))
            return compile_it(*given, **more)

        monkeypatch.setattr(f"edgemoe_gen.{module}.{name}", count)

    counted("pipeline.support.frames", "compile_network")
    counted("pipeline.support.context", "compile_short")
    counted("program.compile", "compile_network")  # the other stages take it from there
    assert build(run, project, here / "out").code == 0
    assert sorted(compiled) == ["compile_network", "compile_network taps one_picture", "compile_short"]


def test_pinned_tensor_takes_its_binary_point(run: Run, project: Project, here: Path) -> None:
    image = project.images / "scene_0.png"
    assert run("init", *project.network, "--image", image, *project.knobs).code == 0
    config = here / "edgemoe.toml"
    config.write_text(config.read_text() + '"blocks.0.query" = 3\n')
    assert run("build").code == 0
    rows = json.loads((here / "build" / "accelerator" / "formats.json").read_text())
    pinned = next(row for row in rows if row["name"] == "blocks.0.query")
    assert (pinned["fraction"], pinned["pinned"]) == (3, True)


def test_plain_vit_builds_with_its_head(run: Run, here: Path, project: Project) -> None:
    from tests.factory import write_checkpoint

    sizes: dict[str, Any] = {"router": "none", "head_classes": 7, "tasks": {"classify": 7}}
    checkpoint = write_checkpoint(here / "vit.safetensors", prefix="", **sizes)
    arguments = ["--heads", 2, "--image-height", 32, "--image-width", 64, "--normalise", "imagenet"]
    arguments += ["--image", project.images / "scene_0.png"]
    outcome = run("build", checkpoint, *arguments, *project.knobs, "--json")
    assert outcome.code == 0, outcome.err
    assert "sets equal" not in json.loads(outcome.out)["headline"]
    assert "probability" in (here / "build" / "report.html").read_text()


def test_json_of_a_build_is_all_that_stdout_holds(run: Run, project: Project, here: Path) -> None:
    outcome = build(run, project, here / "out", "--json")
    assert json.loads(outcome.out)["stopped_before"] == "hls"


def test_maps_of_the_report_are_kept(built: Path) -> None:
    with np.load(built / "csim" / "frame_0.npz") as archive:
        assert archive["picture"].shape == (32, 64, 3)
        assert archive["ours"].shape == archive["theirs"].shape == archive["truth"].shape == (32, 64)


def test_weights_of_another_design_are_refused(built: Path) -> None:
    from edgemoe_gen.base.errors import ProgramError
    from edgemoe_gen.design import Knobs, make_design
    from edgemoe_gen.hardware.boards import load_board

    path = built / "accelerator" / "data" / "weights.bin"
    with pytest.raises(ProgramError) as caught:
        read_weights(path, make_design(Knobs(), load_board("zcu104")))
    assert str(path) in caught.value.message and caught.value.exit_code == 2


def test_rendered_testbench_finds_the_result_of_the_simulation(built: Path, here: Path) -> None:
    import subprocess

    from edgemoe_gen.sim.compiler import find_compiler

    accelerator = built / "accelerator"
    flags = ["-std=c++14", "-O1", "-DEDGEMOE_PLAIN_INTEGERS", "-Wno-unknown-pragmas", f"-I{accelerator / 'src'}"]
    sources = [str(accelerator / name) for name in ("testbench/main.cpp", "src/engine.cpp")]
    subprocess.run([find_compiler(), *flags, *sources, "-o", str(here / "csim")], check=True)
    done = subprocess.run([here / "csim", accelerator / "data"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("PASS: 0 of"), done.stdout
    shutil.copytree(accelerator / "data", here / "data")
    expected = here / "data" / "expected.bin"
    expected.write_bytes(bytes(1) + expected.read_bytes()[1:-1] + bytes([expected.read_bytes()[-1] ^ 1]))
    assert subprocess.run([here / "csim", here / "data"], capture_output=True, check=False).returncode == 1
