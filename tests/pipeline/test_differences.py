"""What C synthesis says otherwise than was assumed: on reports that agree, and on those that differ in one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.build_files import DIFFERENCES, ESTIMATE
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.codegen import render_sources, write_files
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate import estimate_resources
from edgemoe_gen.estimate.processes import GROUPS
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.kernels import read_kernels
from edgemoe_gen.pipeline.differences import find_differences, write_differences

DESIGN = make_design(Knobs(tokens_parallel=1, out_parallel=8, in_parallel=8), load_board("zcu104"))
FILES = render_sources(DESIGN)
ESTIMATED = estimate_resources(DESIGN)
PARTS = {part.name: part for part in ESTIMATED.parts}
LOOPS = {loop.label: loop.ii for loop in read_kernels(FILES).loops if loop.ii}
# Of each group of processes the first one takes all.
COUNTS = {
    process: (sum(PARTS[name].dsp for name in names), sum(PARTS[name].lut for name in names)) if not i else (0, 0)
    for processes, names in GROUPS
    for i, process in enumerate(processes)
}


@dataclass(frozen=True)
class Reports:
    """What reports say; by default all that was assumed."""

    loops: Mapping[str, int | None] = field(default_factory=lambda: LOOPS)
    counts: Mapping[str, tuple[int, int]] = field(default_factory=lambda: COUNTS)
    instances: int = 1
    hierarchy: bool = True
    estimated_ns: float = 2.4
    lut: int = ESTIMATED.lut
    log: str = "INFO: [HLS 200-10] nothing to say\n"

    def write(self, output: Path) -> Path:
        write_files(FILES, output / "accelerator")
        against = [
            {"resource": r, "used": used, "available": have} for r, used, have in ESTIMATED.against(DESIGN.board)
        ]
        parts = [{"name": p.name, "dsp": p.dsp, "lut": p.lut} for p in ESTIMATED.parts]
        write_json(output / "accelerator" / ESTIMATE.name, {"resources": {"against": against, "parts": parts}})
        reports = output / "hls/reports"
        reports.mkdir(parents=True)
        (reports / "csynth.xml").write_text(self.xml())
        (output / "logs").mkdir()
        (output / "logs/hls.log").write_text(self.log)
        return output

    def xml(self) -> str:
        loops = "".join(
            f"<{name}><TripCount>9</TripCount><Latency>9</Latency>"
            f"{'' if ii is None else f'<PipelineII>{ii}</PipelineII>'}</{name}>"
            for name, ii in self.loops.items()
        )
        timing = (
            f"<SummaryOfTimingAnalysis><EstimatedClockPeriod>{self.estimated_ns}</EstimatedClockPeriod>"
            "</SummaryOfTimingAnalysis><SummaryOfOverallLatency/>"
        )
        modules = "".join(
            f"<Module><Name>{name}</Name><PerformanceEstimates>{timing}</PerformanceEstimates><AreaEstimates><Resources>"
            f"<BRAM_18K>0</BRAM_18K><DSP>{dsp}</DSP><FF>0</FF><LUT>{lut}</LUT></Resources></AreaEstimates></Module>"
            for name, (dsp, lut) in {**self.counts, "operate": (0, 0)}.items()
        )
        inner = "<InstancesList><Instance><ModuleName>multiply</ModuleName></Instance></InstancesList>"
        instance = f"<Instance><ModuleName>operate</ModuleName>{inner}</Instance>"
        if not self.hierarchy:
            instance = ""
        if self.instances > 1:
            modules += modules[modules.rindex("<Module>") :].replace("operate", "operate_1")
            instance += instance.replace("operate", "operate_1").replace("multiply", "other") * (self.instances - 1)
        below = f"<TopModule><InstancesList>{instance}</InstancesList></TopModule>"
        total = ESTIMATED
        return (
            f"<profile><UserAssignments><TopModelName>{TOP}</TopModelName><TargetClockPeriod>3.33</TargetClockPeriod>"
            f"<ClockUncertainty>0.90</ClockUncertainty></UserAssignments><PerformanceEstimates>{timing}"
            f"<SummaryOfLoopLatency>{loops}</SummaryOfLoopLatency></PerformanceEstimates>"
            f"<AreaEstimates><Resources><BRAM_18K>{2 * total.bram36}</BRAM_18K><DSP>{total.dsp}</DSP>"
            f"<FF>{total.ff}</FF><LUT>{self.lut}</LUT><URAM>{total.uram}</URAM></Resources></AreaEstimates>"
            f"<RTLDesignHierarchy>{below}</RTLDesignHierarchy><ModuleInformation>{modules}</ModuleInformation></profile>"
        )


def rows(reports: Reports, output: Path) -> list[tuple[str, str, str, str]]:
    found = find_differences(reports.write(output))
    assert found is not None
    return [(row.kind, row.what, row.expected, row.found) for row in found.rows]


def test_where_all_is_as_assumed_nothing_differs_and_everything_was_compared(tmp_path: Path) -> None:
    found = write_differences(Reports().write(tmp_path))
    assert found is not None and found.rows == () and found.not_compared == ()
    assert DIFFERENCES.read(tmp_path) == {"schema": 1, "rows": [], "not_compared": []}


@pytest.mark.parametrize(("estimated", "differs"), [(2.433, False), (2.439, False), (2.45, True)])
def test_a_period_within_what_reports_round_is_met(tmp_path: Path, estimated: float, differs: bool) -> None:
    assert [kind for kind, *_ in rows(Reports(estimated_ns=estimated), tmp_path)] == ["clock"] * differs


def test_a_build_without_synthesis_has_nothing_to_compare(tmp_path: Path) -> None:
    assert find_differences(tmp_path) is None and write_differences(tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("hierarchy", [True, False])
def test_a_second_instance_of_the_unit_is_the_worst_of_all(tmp_path: Path, hierarchy: bool) -> None:
    reports = Reports(instances=2, hierarchy=hierarchy, loops=LOOPS | {"multiply_steps": 7}, estimated_ns=2.9)
    found = rows(reports, tmp_path)
    assert found[0] == ("instances", "instances of operate", "1", "2")
    assert [kind for kind, *_ in found] == ["instances", "II", "clock"]


def test_messages_of_the_log_explain_loops_and_count_pipelines(tmp_path: Path) -> None:
    log = (
        "WARNING: [HLS 200-880] The II Violation in module 'multiply' (loop 'multiply_steps'): Unable to enforce a "
        "carried dependence constraint (II = 1)\n"
        "INFO: [HLS 200-1] Disabling free running pipeline in measure_tokens\n"
        "INFO: [HLS 200-1] Disabling free running pipeline in measure_tokens\n"
        "INFO: [HLS 200-1] Disabling free-running pipeline in apply_moments\n"
        "WARNING: [HLS 200-2] the option syn.x is ignored\n"
    )
    reports = Reports(loops=LOOPS | {"multiply_steps": 2, "measure_words": None}, log=log)
    found = find_differences(reports.write(tmp_path))
    assert found is not None
    by_what = {row.what: row for row in found.rows}
    loop = by_what["loop multiply_steps"]
    assert (loop.expected, loop.found, loop.factor) == ("II 1", "II 2", 2.0)
    assert loop.note.startswith("Unable to enforce a carried dependence")
    assert by_what["loop measure_words"].found == "not pipelined"
    assert by_what["pipelines that do not run freely"].found == "2"
    assert "syn.x is ignored" in by_what["settings that were not taken"].note
    assert len(found.rows) == 4


def test_the_name_of_a_flattened_loop_ends_with_the_inner_ones(tmp_path: Path) -> None:
    loops = {name: ii for name, ii in LOOPS.items() if name != "weight_burst"}
    assert rows(Reports(loops=loops | {"weight_operations_weight_burst": 3}), tmp_path) == [
        ("II", "loop weight_burst", "II 1", "II 3")
    ]


def test_what_no_report_names_is_said_and_is_no_difference(tmp_path: Path) -> None:
    loops = {name: ii for name, ii in LOOPS.items() if name != "weight_burst"}
    counts = {name: count for name, count in COUNTS.items() if name != "load_tokens"}
    found = find_differences(Reports(loops=loops, counts=counts).write(tmp_path))
    assert found is not None and found.rows == ()
    assert found.not_compared == (
        "II of loops that no report names: weight_burst",
        "resources of processes that no report names: load_tokens",
    )


def test_an_engine_that_is_larger_than_the_board_comes_before_its_resources(tmp_path: Path) -> None:
    found = rows(Reports(lut=300_000), tmp_path)
    assert [(kind, what) for kind, what, *_ in found] == [
        ("fits", "LUT of the board"), ("resources", "LUT, whole engine")
    ]  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(dsp=st.integers(0, 400), lut=st.integers(0, 60_000))
def test_a_process_differs_where_it_is_beyond_what_an_estimate_promises(
    tmp_path_factory: pytest.TempPathFactory, dsp: int, lut: int
) -> None:
    reports = Reports(counts=COUNTS | {"load_tokens": (dsp, lut)})
    part = PARTS["probabilities"]
    expected = []
    if abs(dsp - part.dsp) > max(2, 0.1 * part.dsp):
        expected.append(("resources", "DSP of load_tokens", f"{part.dsp:,}", f"{dsp:,}"))
    if abs(lut - part.lut) > max(500, 0.25 * part.lut):
        expected.append(("resources", "LUT of load_tokens", f"{part.lut:,}", f"{lut:,}"))
    assert sorted(rows(reports, tmp_path_factory.mktemp("out"))) == expected


@given(order=st.permutations(["multiply_steps", "round_steps", "weight_burst"]))
@settings(max_examples=6, deadline=None)
def test_the_worst_loop_comes_first(tmp_path_factory: pytest.TempPathFactory, order: list[str]) -> None:
    slow = {name: 4 - i for i, name in enumerate(order)}
    found = rows(replace(Reports(), loops=LOOPS | slow), tmp_path_factory.mktemp("out"))
    assert [what for _, what, *_ in found] == [f"loop {name}" for name in order]
