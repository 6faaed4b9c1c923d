"""`edgemoe-gen tune --synthesise`: what the tools find out of a front, against stand-ins of both generations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.tuning.trial import SYNTHESIS
from tests.cli.conftest import Outcome, Project
from tests.cli.flow_runs import arguments
from tests.flow.standin_vitis import tclsh

Run = Callable[..., Outcome]
COUNTED = ("dsp", "bram36", "uram", "lut", "ff", "fmax_mhz")
# With the project's knobs the space has one point, whose design other tests build too.
ONE = [
    "activation_bits=18", "weight_bits=16", "expert_weight_bits=0", "residual_tail_bits=6", "port_bits=128",
    "exp_segments=128", "gelu_segments=64", "reciprocal_segments=256", "rsqrt_segments=128",
]  # fmt: skip


def tune(project: Project, *more: object) -> list[str]:
    given = [
        *project.network,
        "--image",
        project.images,
        *project.knobs,
        *(p for knob in ONE for p in ("--knob", knob)),
    ]
    return [str(part) for part in ("tune", *given, "--trials", 1, *more)]


@pytest.mark.slow
@pytest.mark.skipif(tclsh() is None, reason="the stand-in of vitis_hls needs tclsh")
@pytest.mark.parametrize("generation", [pytest.param("classic", marks=pytest.mark.nightly), "unified"])
def test_a_point_is_synthesised_and_a_build_in_its_folder_goes_on_from_there(
    run: Run, project: Project, with_tools: Callable[..., None], here: Path, generation: str
) -> None:
    pytest.importorskip("optuna")
    with_tools(generation, "hls:licence")
    failed = run(*tune(project, "--synthesise", 1))
    assert failed.code == 3
    assert "found no valid licence for HLS" in failed.err and "doctor" in failed.err
    assert "1 point of the front could not be synthesised" in failed.err
    (failure,) = json.loads((here / "tune/tune.json").read_text())["failed"]
    assert Path(failure["log"]).is_file()

    with_tools(generation)
    done = run(*tune(project, "--synthesise", 1, "--json"))
    assert done.code == 0, done.err
    assert "synthesising the front: 1 of 1" in done.err and "point 1 (" in done.err
    document = json.loads(done.out)
    assert not document["failed"] and document["resumed"] == 1 and document["plan"]["synthesise"] == 1
    (point,) = document["front"]
    assert point["tier"] == SYNTHESIS
    assert {point["figures"][name]["tier"] for name in COUNTED} == {SYNTHESIS}
    assert point["figures"]["latency_ms"]["tier"] == "timed simulation"
    assert point["figures"]["error"]["tier"] == "C simulation"
    page = (here / "tune/tune.html").read_text()
    assert "1 of the front simulated, 1 of them synthesised" in page

    with_tools(generation, "hls:licence")
    knobs = [part for knob in ONE for part in ("--knob", knob)]
    built = run(*arguments(project, Path(point["synthesis"]), *knobs, "--until", "hls"))
    assert built.code == 0, built.err
    unchanged = [line for line in built.out.splitlines() if line.startswith("unchanged: ")]
    assert any("hls" in line for line in unchanged)
    again = run(*tune(project, "--synthesise", 1))
    assert again.code == 0, again.err
    assert f"synthesis of point 1: {point['synthesis']}" in again.out

    # What synthesis takes off the front is said, here the only point; it is not synthesised again for that.
    limited = run(*tune(project, "--synthesise", 1, "--limit", "fmax_mhz=450"))
    assert limited.code == 0, limited.err
    assert "synthesised, but infeasible (none): fmax_mhz is 411.015 (vendor synthesis), the limit 450" in limited.out
    assert "no point is feasible" in limited.out
    assert json.loads((here / "tune/tune.json").read_text())["front"] == []


def test_without_tools_it_ends_before_it_searches(run: Run, project: Project, here: Path) -> None:
    outcome = run(*tune(project, "--synthesise", 2))
    assert outcome.code == 2
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "--synthesise can't run here: no Vitis HLS was found" in errors[0]
    assert "looked on PATH, by XILINX_HLS and XILINX_VITIS" in errors[0]
    assert "source the settings64.sh of Vitis first" in outcome.err
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("command", "more", "sentence"),
    [
        ("tune", ("--synthesise", "1", "--tier", "timed"), "--synthesise takes points that C simulation has confirmed"),
        ("tune", ("--synthesise", "-1"), "--synthesise is -1"),
        ("tune", ("--tier", "synthesis"), "--tier does not go up to 'synthesis'"),
        ("sweep", ("--knob", "weight_bits=8,16", "--tier", "vendor synthesis"), "vendor synthesis takes hours a point"),
    ],
)
def test_what_cannot_be_synthesised_is_one_sentence(
    run: Run, project: Project, command: str, more: tuple[str, ...], sentence: str
) -> None:
    outcome = run(command, *project.network, *more)
    assert outcome.code == 2
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and sentence in errors[0]
