"""The timing table: it knows every loop of the sources and no other, names sources of figures, and keeps its rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.boards import board_names, speed_grade
from edgemoe_gen.hardware.latency import FAMILIES, family_names
from edgemoe_gen.kernels import Loop, read_kernels, read_source
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import open_design
from edgemoe_gen.timing.table import NoTableError, Recurrence, check_clock, check_recurrence, load_timing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def table_of(family: str) -> dict[str, Any]:
    return tomllib.loads((FAMILIES / f"{family}.toml").read_text(encoding="utf-8"))


def design_for(board: str = "zcu104") -> Design:
    return open_design(Config(board=board, knobs={"max_map_width": 0}), None)


@pytest.fixture(scope="module")
def design() -> Design:
    return design_for()


@pytest.fixture(scope="module")
def sources(design: Design) -> dict[str, str]:
    return render_sources(design)


@pytest.mark.parametrize("family", family_names())
def test_table_and_sources_have_the_same_loops(family: str) -> None:
    sources = render_sources(open_design(Config(board="zcu104", knobs={"max_map_width": 32}), None))
    assert sorted(table_of(family)["loops"]) == sorted(loop.label for loop in read_kernels(sources).loops)


@pytest.mark.parametrize("family", family_names())
def test_every_figure_names_its_source(family: str) -> None:
    table = table_of(family)
    entries = {f"{part}.{name}": entry for part in ("operators", "constants") for name, entry in table[part].items()}
    entries |= {"bands": table["bands_source"]}
    sources = {name: str(entry.get("source", "")) for name, entry in entries.items()}
    sources["axi.latency_ns"] = table["axi"].get("latency_source", "")
    assert len(sources) > 20
    assert [name for name, text in sources.items() if len(text) < 10] == []


@pytest.mark.parametrize("family", family_names())
def test_every_operator_and_function_is_on_a_chain(family: str) -> None:
    table = table_of(family)
    used = {entry.partition(" ")[0] for part in ("loops", "functions") for entry in texts(table[part])}
    assert {*table["operators"], *table["functions"]} <= used


def texts(value: Any) -> Iterator[str]:
    """All texts within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


@pytest.mark.parametrize("board", board_names())
def test_every_board_has_a_table_at_its_clock(board: str) -> None:
    timing = load_timing(design_for(board), render_sources(design_for(board)))
    assert timing.loops["multiply_steps"].ii == 1
    assert all(loop.depth >= 2 for loop in timing.loops.values() if loop.ii)
    assert all(loop.states >= 1 for loop in timing.loops.values() if not loop.ii)


def test_a_loop_that_the_table_does_not_know_is_named(design: Design, sources: dict[str, str]) -> None:
    more = {**sources, "src/new.h": "new_words:\n  for (;;) {\n#pragma HLS PIPELINE II = 1\n  }\n"}
    with pytest.raises(SimulationError, match=r"'new_words' of src/new\.h is not in the timing table"):
        load_timing(design, more)


def test_a_loop_that_lost_its_pipeline_is_refused(design: Design, sources: dict[str, str]) -> None:
    changed = {**sources, "src/multiply.h": sources["src/multiply.h"].replace("#pragma HLS PIPELINE II = 1\n", "", 1)}
    with pytest.raises(SimulationError, match=r"'multiply_steps' of src/multiply\.h is not pipelined"):
        load_timing(design, changed)


def test_depth_grows_with_the_clock_and_with_the_adder_tree(design: Design, sources: dict[str, str]) -> None:
    slow, usual = load_timing(design, sources, clock_mhz=187.5), load_timing(design, sources)
    assert (slow.band, usual.band) == ("relaxed", "usual")
    assert slow.loops["multiply_steps"].depth < usual.loops["multiply_steps"].depth
    narrow = open_design(Config(knobs={"in_parallel": 8}), None)
    # One level of the tree less: 8 inputs instead of 16, one level a cycle in this band.
    shallow = load_timing(narrow, render_sources(narrow)).loops["multiply_steps"].depth
    assert shallow == usual.loops["multiply_steps"].depth - 1


def test_a_clock_beyond_the_table_is_refused(design: Design, sources: dict[str, str]) -> None:
    with pytest.raises(SimulationError, match=r"the clock is 500 MHz, but .* zynquplus\.toml ends at 400"):
        load_timing(design, sources, clock_mhz=500)
    with pytest.raises(NoTableError, match=r"the clock is 401 MHz, but .* ends at 400") as refused:
        check_clock(design.board, 401)
    assert refused.value.exit_code == 2
    check_clock(design.board, 400)
    check_clock(replace(design.board, part="xc7z020clg400-1"), 600)  # of which there is no table


def steps(ii: int) -> Loop:
    """A loop of this interval; 0: without a pragma."""
    pragma = f"#pragma HLS PIPELINE II = {ii}\n" if ii else ""
    return read_source("src/a.h", f"void f() {{\nsteps:\n  for (;;) {{\n{pragma}  }}\n}}\n").loops[0]


@pytest.mark.parametrize(("ii", "distance", "cycles"), [(1, 4, 4), (4, 1, 4), (1, None, 99), (0, 1, 99)])
def test_an_interval_that_leaves_room_for_its_recurrence_is_taken(ii: int, distance: int | None, cycles: int) -> None:
    check_recurrence(steps(ii), Recurrence("the sum", cycles, distance, ()), 300)


def test_an_interval_that_a_recurrence_forbids_is_an_error_with_figures() -> None:
    with pytest.raises(SimulationError) as raised:
        check_recurrence(steps(1), Recurrence("the sum", 5, 2, ()), 300)
    message = raised.value.message
    for part in ("II = 1", "'steps'", "300 MHz", "the sum", "5 cycles", "2 iterations", "are 2 cycles"):
        assert part in message
    assert "II = 3" in raised.value.hint


def test_a_recurrence_of_the_table_is_checked_on_loading(design: Design, sources: dict[str, str]) -> None:
    # A token's next word reads what eight cycles of search have left; with four tokens in turn it would come too early.
    near = sources["src/config.h"].replace("CHOOSE_TOKENS = 8;", "CHOOSE_TOKENS = 4;")
    assert near != sources["src/config.h"]
    with pytest.raises(SimulationError, match=r"II = 1 of the loop 'choose_words'.* is not possible at 300 MHz"):
        load_timing(design, {**sources, "src/config.h": near})


@pytest.mark.parametrize(
    ("part", "grade"),
    [("xczu7ev-ffvc1156-2-e", "2"), ("xck26-sfvc784-2LV-c", "2L"), ("xczu3eg-sbva484-1-i", "1"), ("xczu7ev", "")],
)
def test_speed_grade_is_read_from_the_part(part: str, grade: str) -> None:
    assert speed_grade(part) == grade


def test_memory_rate_is_exact(design: Design, sources: dict[str, str]) -> None:
    # 17 GB/s x 0.8 / 300 MHz = 13600 / 300 bytes a cycle.
    assert load_timing(design, sources).ddr_bytes == Fraction(136, 3)
    assert load_timing(design, sources, ddr_gb_per_s=19.2, ddr_efficiency=0.75).ddr_bytes == 48
    with pytest.raises(SimulationError):
        load_timing(design, sources, ddr_gb_per_s=0.0)
    with pytest.raises(SimulationError):
        load_timing(design, sources, ddr_efficiency=1.5)


def test_lines_for_the_timed_library_have_its_form(design: Design, sources: dict[str, str]) -> None:
    timing = load_timing(design, sources, depths={"scales": 0, "weights[1]": 32})
    for line in timing.loop_lines().splitlines():
        label, ii, depth, states, begin, *writes = line.split()
        assert begin == "0"
        assert label in timing.loops and (int(ii) > 0) == (int(depth) >= 2) == (int(states) == 0)
        assert all(name in design.fifos for name in writes[::2])
        assert all(0 < int(stage) < int(depth) - 1 for stage in writes[1::2])
    assert any(line.startswith("measure_words") and " measured 1" in line for line in timing.loop_lines().splitlines())
    assert timing.depth_lines() == "scales 0\nweights[1] 32\n"
    assert all(len(line.split()) == 3 for line in timing.memory_lines().splitlines()) and timing.memory_lines()
    assert {line.split()[0] for line in timing.constant_lines().splitlines()} == {
        "process_start", "region_end", "loop_skip", "stalling",
    }  # fmt: skip
