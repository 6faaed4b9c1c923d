"""What a plan says would run is what a build then runs, whatever has changed since the last one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import ConfigError, EdgeMoEError
from edgemoe_gen.flow.tools import Tool, Toolset
from edgemoe_gen.pipeline.builder import build
from edgemoe_gen.pipeline.options import BuildOptions
from edgemoe_gen.pipeline.plan import PlannedStage, plan
from edgemoe_gen.pipeline.selection import Selection
from edgemoe_gen.pipeline.support.folders import StageResult
from edgemoe_gen.pipeline.support.state import digest_of
from edgemoe_gen.project.config import Config
from tests.conftest import Once
from tests.pipeline.quick_builds import config_of, make_project, use_quick_stages

Change = Callable[[Config], Config]


def knob(name: str, value: int) -> Change:
    return lambda config: replace(config, knobs={**config.knobs, name: value})


def deleted(*names: str) -> Change:
    def delete(config: Config) -> Config:
        for name in names:
            path = Path(config.output or "") / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return config

    return delete


def edited(name: str) -> Change:
    def edit(config: Config) -> Config:
        path = Path(config.output or "") / name
        if path.parent.is_dir():
            path.write_text("mine")
        return config

    return edit


def hook(name: str) -> Change:
    def add(config: Config) -> Config:
        path = Path(config.checkpoint or "").with_name(f"{name}.tcl")
        path.write_text("puts here")
        return replace(config, hooks={**config.hooks, name: path})

    return add


def one_more_picture(config: Config) -> Config:
    folder = Path(config.checkpoint or "").parent
    return replace(config, images=(folder / "scene_0.png", folder / "scene_1.png"))


def another_checkpoint(config: Config) -> Config:
    return replace(config, checkpoint=Path(config.checkpoint or "").with_name("other.pth.tar"))


CHANGES: dict[str, Change] = {
    "nothing": lambda config: config,
    "a knob": knob("activation_bits", 17),
    "the clock": knob("clock_mhz", 250),
    "one more picture": one_more_picture,
    "another checkpoint": another_checkpoint,
    "the depth of a FIFO": lambda config: replace(config, fifo_depths={"sums": 40}),
    "the name": lambda config: replace(config, name="another"),
    "a hook of synthesis": hook("before_csynth"),
    "a hook of Vivado": hook("before_place"),
    "a source deleted": deleted("accelerator/src/engine.cpp"),
    "expected results deleted": deleted("accelerator/data/expected.bin"),
    "csim deleted": deleted("csim"),
    "timing deleted": deleted("timing.json"),
    "the preview deleted": deleted("preview"),
    "the report deleted": deleted("report.html"),
    "a report of synthesis deleted": deleted("hls/reports"),
    "the IP deleted": deleted("ip/component.xml"),
    "the bitstream deleted": deleted("bitstream/edgemoe.bit"),
    "the kit deleted": deleted("vendor"),
    "the kit and the IP deleted": deleted("vendor", "ip"),
    "a source edited": edited("accelerator/src/engine.cpp"),
    "a file added": edited("accelerator/src/mine.h"),
    "the preview edited": edited("preview/manifest.json"),
    "the IP edited": edited("ip/component.xml"),
    "notes damaged": edited(".edgemoe/stages.json"),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda tools: use_quick_stages(monkeypatch, tools)


def built(config: Config, options: BuildOptions) -> tuple[list[StageResult], str]:
    """What a build has run, and what ended it."""
    went: list[StageResult] = []
    try:
        build(config, options, on_stage=went.append)
    except EdgeMoEError as error:
        return went, error.message
    return went, ""


def compare(config: Config, options: BuildOptions) -> dict[str, str]:
    """Plans, looks that nothing has changed, builds, and compares; returns the plan's states by stage."""
    output = Path(config.output or "")
    before = digest_of([output])
    try:
        planned = plan(config, options)
    except ConfigError as error:  # of the notes, as the build says it
        assert built(config, options)[1] == error.message
        return {}
    assert digest_of([output]) == before
    results, stopped = built(config, options)
    ran = {result.name for result in results if not result.skipped and not result.left_out}
    skipped = {result.name for result in results if result.skipped} - ran
    says = {state: {stage.name for stage in planned if stage.state == state} for state in {s.state for s in planned}}
    would, may = says.get("would run", set()), says.get("may run", set())
    assert would <= ran <= would | may, (would, may, ran)
    assert says.get("up to date", set()) <= skipped <= says.get("up to date", set()) | may
    assert says.get("left out", set()) == {result.name for result in results if result.left_out}
    if stopped:
        assert stopped in {stage.why for stage in planned if stage.state == "can't run here"}
    return {stage.name: stage.state for stage in planned}


@pytest.fixture(scope="module")
def project(once: Once) -> Iterator[dict[bool, Path]]:
    """A built project without vendor tools and with them. Tests copy it."""

    def make(tools: bool) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            with pytest.MonkeyPatch.context() as patch:
                use_quick_stages(patch, tools)
                build(make_project(folder / "project"), BuildOptions(Selection.of(also=["cosim"])))

        return work

    yield {tools: once(f"quick-build-{tools}", make(tools)) / "project" for tools in (False, True)}


def copied(project: Path, folder: Path) -> Config:
    """The project in another folder, still up to date: its checkpoint and pictures are read by content."""
    shutil.copytree(project, folder / "project")
    return config_of(folder / "project")


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_plan_says_would_run_is_what_a_build_then_runs(
    change: str, tools: bool, project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path
) -> None:
    quick(tools)
    config = CHANGES[change](copied(project[tools], tmp_path))
    compare(config, BuildOptions(Selection.of(also=["cosim"])))


def states(config: Config, options: BuildOptions | None = None) -> dict[str, str]:
    return compare(config, options or BuildOptions())


def test_one_more_picture_repeats_no_synthesis(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path
) -> None:
    quick(True)
    found = states(one_more_picture(copied(project[True], tmp_path)), BuildOptions(Selection.of(also=["cosim"])))
    ran = [name for name, state in found.items() if state == "would run"]
    assert ran == ["csim", "preview", "package", "report"]
    assert {name for name, state in found.items() if state == "up to date"} == set(found) - set(ran) - {"rtlsim"}


def test_a_hook_of_vivado_makes_the_bitstream_anew_and_no_synthesis(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path
) -> None:
    quick(True)
    found = states(hook("after_route")(copied(project[True], tmp_path)))
    assert [found[name] for name in ("hls", "ip", "bitstream")] == ["up to date", "up to date", "would run"]


def test_a_hook_of_synthesis_goes_by_the_scripts_of_tcl(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(True)
    vitis_run, compiler = (Tool(name, Path("/opt") / name, "2025.1", "PATH") for name in ("vitis-run", "v++"))
    monkeypatch.setattr("edgemoe_gen.pipeline.support.vendor.find_tools", lambda: Toolset(None, vitis_run, compiler))
    config = knob("activation_bits", 17)(copied(project[True], tmp_path))
    for chosen, line in (
        (config, "v++ -c --mode hls --config hls.cfg --work_dir hls_component"),
        (hook("before_csynth")(config), "vitis-run --mode hls --tcl flow/hls.tcl"),
    ):
        planned = {stage.name: stage for stage in plan(chosen)}
        assert planned["hls"].commands == (line,)


@pytest.mark.parametrize("only", ["lint", "ip", "report"])
def test_one_stage_alone(only: str, project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path) -> None:
    quick(True)
    found = states(copied(project[True], tmp_path), BuildOptions(Selection.of(only=only)))
    assert {name for name, state in found.items() if state == "would run"} <= {only, "report"}


def test_no_build_waits_for_a_stage_that_runs_on_request_alone(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path
) -> None:
    quick(True)
    config = deleted("cosim")(copied(project[True], tmp_path))
    behind, before = (
        BuildOptions(Selection.of(**asked, also=["cosim"])) for asked in ({"first": "ip"}, {"last": "hls"})
    )
    assert states(config, behind)["package"] == "would run"
    assert build(config, before).stopped_before == "ip"
    assert states(config, before)["cosim"] == "not asked for"


def test_a_stage_that_is_not_up_to_date_before_the_first_is_named_with_the_option_that_was_said(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path
) -> None:
    quick(True)
    config = knob("activation_bits", 17)(copied(project[True], tmp_path))
    for option, selection in (("--only", Selection.of(only="hls")), ("--from", Selection.of(first="hls"))):
        planned = {stage.name: stage for stage in plan(config, BuildOptions(selection))}
        assert planned["render"].state == "can't run here"
        assert f"comes before {option} hls" in planned["render"].why
        with pytest.raises(ConfigError, match=f"comes before {option} hls") as caught:
            build(config, BuildOptions(selection))
        assert caught.value.hint.startswith(f"leave {option} out once")


def test_without_libclang_a_build_goes_on_and_says_so(
    project: dict[bool, Path], quick: Callable[[bool], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(True)
    monkeypatch.setattr("edgemoe_gen.linting.libclang_missing", lambda: "no module")
    config = knob("activation_bits", 17)(copied(project[True], tmp_path))
    found: dict[str, PlannedStage] = {stage.name: stage for stage in plan(config)}
    assert found["lint"].state == "left out" and '[lint]"' in found["lint"].why
    assert states(config)["bitstream"] == "would run"
    assert Path(config.output or "").joinpath("overlay/manifest.json").is_file()
    assert states(config)["lint"] == "left out"
    for selection in (Selection.of(only="lint"), Selection.of(last="lint")):
        with pytest.raises(ConfigError, match="stage 'lint' can't run here: libclang is not there"):
            build(config, BuildOptions(selection))
    assert compare(config, BuildOptions(Selection.of(first="hls")))["hls"] == "would run"


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4), tools=st.booleans(), force=st.booleans()
)
def test_a_plan_is_right_after_any_changes(
    changes: list[str], tools: bool, force: bool, project: dict[bool, Path], quick: Callable[[bool], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    quick(tools)
    config = copied(project[tools], tmp_path_factory.mktemp("plan"))
    for change in changes:
        config = CHANGES[change](config)
        compare(config, BuildOptions(Selection.of(also=["cosim"]), force=force))
