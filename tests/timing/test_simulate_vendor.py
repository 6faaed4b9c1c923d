"""C synthesis' figures take the place of the table's."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import open_design
from edgemoe_gen.timing.table import Timing, load_timing
from edgemoe_gen.timing.vendor import VENDOR, with_csynth


@pytest.fixture(scope="module")
def timing() -> Timing:
    design = open_design(Config(), None)
    return load_timing(design, render_sources(design))


def report(module: str, *loops: tuple[str, int, int]) -> str:
    """One module's report with loops: name, II, depth."""
    elements = "".join(
        f"<{name}><Name>{name}</Name><TripCount>undef</TripCount><Latency>undef</Latency>"
        f"<PipelineII>{ii}</PipelineII><PipelineDepth>{depth}</PipelineDepth></{name}>"
        for name, ii, depth in loops
    )
    return (
        f"<profile><UserAssignments><TopModelName>{module}</TopModelName></UserAssignments><PerformanceEstimates>"
        f"<SummaryOfLoopLatency>{elements}</SummaryOfLoopLatency></PerformanceEstimates></profile>"
    )


def test_vendor_replaces_the_table_and_the_difference_is_told(tmp_path: Path, timing: Timing) -> None:
    depth = timing.loops["weight_steps"].depth
    path = tmp_path / "csynth.xml"
    path.write_text(report("engine", ("round_steps", 2, 70), ("weight_steps", 1, depth), ("others", 1, 9)), "utf-8")
    found, rows = with_csynth(timing, path)
    assert (found.loops["round_steps"].ii, found.loops["round_steps"].depth) == (2, 70)
    assert found.loops["round_steps"].origin == VENDOR and found.loops["cache_steps"] == timing.loops["cache_steps"]
    assert {row.label: row.differs for row in rows} == {"round_steps": True, "weight_steps": False}
    different = next(row for row in rows if row.differs)
    assert (different.ii, different.found_ii, different.found_depth) == (1, 2, 70)
    assert "round_steps 2 70 0 0\n" in found.loop_lines()


def test_the_slowest_copy_of_a_loop_counts(tmp_path: Path, timing: Timing) -> None:
    (tmp_path / "fetch_0_csynth.xml").write_text(report("fetch_0", ("weight_burst", 1, 75)), "utf-8")
    (tmp_path / "fetch_1_csynth.xml").write_text(report("fetch_1", ("weight_burst", 2, 9)), "utf-8")
    loop = with_csynth(timing, tmp_path)[0].loops["weight_burst"]
    assert (loop.ii, loop.depth) == (2, 75)


@pytest.mark.parametrize(
    ("text", "message"),
    [(report("mul", ("others", 1, 3)), "no pipelined loop of this design"), ("<html/>", "not a report of C synthesis")],
)
def test_a_report_of_something_else_is_refused(tmp_path: Path, timing: Timing, text: str, message: str) -> None:
    path = tmp_path / "csynth.xml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message):
        with_csynth(timing, path)


def test_an_empty_folder_is_refused(tmp_path: Path, timing: Timing) -> None:
    with pytest.raises(ConfigError, match=r"holds no \*csynth\.xml"):
        with_csynth(timing, tmp_path)
