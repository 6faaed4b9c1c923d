"""The timing table: it knows every loop of the sources and no other, names sources of figures, and keeps its rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.hardware.boards import board_names
from edgemoe_gen.hardware.latency import FAMILIES, family_names
from edgemoe_gen.project.config import Config
from edgemoe_gen.project.opening import open_design
from edgemoe_gen.timing.loops import SourceLoop, source_constants, source_loops
from edgemoe_gen.timing.table import Recurrence, check_recurrence, load_timing, speed_grade

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def table_of(family: str) -> dict[str, Any]:
    return tomllib.loads((FAMILIES / f"{family}.toml").read_text(encoding="utf-8"))


def design_for(board: str = "zcu104") -> Design:
    return open_design(Config(board=board), None)


@pytest.fixture(scope="module")
def design() -> Design:
    return design_for()


@pytest.fixture(scope="module")
def sources(design: Design) -> dict[str, str]:
    return render_sources(design)


@pytest.mark.parametrize("family", family_names())
def test_table_and_sources_have_the_same_loops(family: str, sources: dict[str, str]) -> None:
    assert sorted(table_of(family)["loops"]) == sorted(loop.label for loop in source_loops(sources))


@pytest.mark.parametrize("family", family_names())
def test_every_figure_names_its_source(family: str) -> None:
    table = table_of(family)
    entries = {f"{part}.{name}": entry for part in ("operators", "constants") for name, entry in table[part].items()}
    entries |= {"bands": table["bands_source"], "axi": table["axi"]}
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


def test_unrolled_loops_take_no_time_and_others_have_the_interval_of_their_pragma() -> None:
    text = """
  steps:
    for (int i = 0; i < n; ++i) {
#pragma HLS PIPELINE II = 2
#pragma HLS LOOP_TRIPCOUNT max = 9
    lanes:
      for (int l = 0; l < 4; ++l) {
#pragma HLS UNROLL
        x[l] = 0;
      }
    }
  walk:
    for (int i = first(0); i < n; ++i) {
      inner(i);
    }
"""
    found = source_loops({"src/a.h": text, "sim/b.cpp": text})
    assert found == (SourceLoop("steps", 2, "src/a.h"), SourceLoop("walk", 0, "src/a.h"))


def test_two_loops_of_one_label_are_refused() -> None:
    text = "steps:\n  for (;;) {\n#pragma HLS PIPELINE II = 1\n  }\n"
    with pytest.raises(SimulationError, match=r"'steps' names a loop of src/a\.h and one of src/b\.h"):
        source_loops({"src/a.h": text, "src/b.h": text})


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


LOOP = SourceLoop("steps", 1, "src/a.h")


@pytest.mark.parametrize(("ii", "distance", "cycles"), [(1, 4, 4), (4, 1, 4), (1, None, 99), (0, 1, 99)])
def test_an_interval_that_leaves_room_for_its_recurrence_is_taken(ii: int, distance: int | None, cycles: int) -> None:
    check_recurrence(SourceLoop("steps", ii, "src/a.h"), Recurrence("the sum", cycles, distance, ()), 300)


def test_an_interval_that_a_recurrence_forbids_is_an_error_with_figures() -> None:
    with pytest.raises(SimulationError) as raised:
        check_recurrence(LOOP, Recurrence("the sum", 5, 2, ()), 300)
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


def test_constants_of_the_sources_are_sizes() -> None:
    text = "constexpr int RECENT = 2;\nconstexpr int DISTANCE = RECENT + 1;\nconstexpr int LONG = 1 << 30;\n"
    assert source_constants({"src/a.h": text, "sim/b.h": "constexpr int OTHER = 1;\n"}) == {"recent": 2, "distance": 3}


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
    for figures in ({"ddr_gb_per_s": 0.0}, {"ddr_efficiency": 1.5}):
        with pytest.raises(SimulationError):
            load_timing(design, sources, **figures)


def test_lines_for_the_timed_library_have_its_form(design: Design, sources: dict[str, str]) -> None:
    timing = load_timing(design, sources, depths={"scales": 0, "weights[1]": 32})
    for line in timing.loop_lines().splitlines():
        label, ii, depth, states = line.split()
        assert label in timing.loops and (int(ii) > 0) == (int(depth) >= 2) == (int(states) == 0)
    assert timing.depth_lines() == "scales 0\nweights[1] 32\n"
    assert all(len(line.split()) == 3 for line in timing.memory_lines().splitlines()) and timing.memory_lines()
    assert {line.split()[0] for line in timing.constant_lines().splitlines()} == {
        "process_start", "region_end", "loop_skip",
    }  # fmt: skip
