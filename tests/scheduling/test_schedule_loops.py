"""What a schedule sees of small kernels, and what it must not see: each plants one thing."""

from __future__ import annotations

import json

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.scheduling.result import LoopSchedule
from edgemoe_gen.scheduling.run import schedule_sources
from tests.scheduling.schedule_kernels import CLOCK_MHZ, KERNELS, PART, SOURCES, line_of, loops

pytest.importorskip("ziglang", reason="the compiler of the extra [schedule] is not installed")

BUDGET_NS = 2.433  # 3.333 ns less 0.900 ns, which are 27 % rounded up


def loop(label: str) -> LoopSchedule:
    return loops()[label]


def operations(label: str) -> list[tuple[str, int]]:
    found = loop(label).recurrence
    assert found is not None
    return [(step.operation, step.bits) for step in found.steps]


def test_a_compare_add_compare_recurrence_is_over_budget_with_its_lines() -> None:
    planted = loop("planted_steps")
    # Two comparisons 0.99, two choices 0.44, two additions 1.01 of 32 bits, and the register 0.427.
    assert planted.ns == pytest.approx(2 * (0.99 + 0.44 + 1.01) + 0.427, abs=0.002)
    assert planted.budget_ii == 3  # 5.307 ns in cycles of 2.433 ns
    assert planted.forced_ii == 1
    assert planted.recurrence is not None
    assert planted.recurrence.places == (
        f"src/engine.cpp:{line_of('level > limit')}",
        f"src/engine.cpp:{line_of('next > n ?')}",
    )
    assert planted.recurrence.carriers == ("register level",)


def test_a_distance_that_is_too_short_is_a_fault_with_its_line() -> None:
    near = loop("near_steps")
    # Two cycles to read and one to write, of which one iteration may take one.
    assert near.forced_ii == 3
    place = f"src/engine.cpp:{line_of('distance = NEAR')}"
    assert near.fault.startswith(f"{place}: DEPENDENCE states a distance of 1 for cells")


def test_a_distance_that_is_long_enough_is_none() -> None:
    far = loop("far_steps")
    assert (far.forced_ii, far.fault) == (1, "")
    # The read's last cycle and the sum fit one cycle, the write the next.
    assert far.ns == pytest.approx(1.23 + 1.01, abs=0.002)


def test_members_that_the_compiler_packs_into_one_integer_are_apart() -> None:
    # Only the counts' own way: the names' comparison is no part of it, and no bit of both counts.
    assert operations("packed_steps") == [
        ("select", 11), ("add", 11), ("register last", 11), ("register last", 11),
    ]  # fmt: skip


def test_a_counter_of_seven_bits_stays_one_in_sums_of_int() -> None:
    assert {bits for _, bits in operations("narrow_steps")} == {7}


def test_a_choice_that_the_compiler_makes_an_addition_is_a_choice() -> None:
    chosen = loop("chosen_steps")
    # compare 0.99 or add 1.01, select 0.44, register 0.427: as `c ? x + 1 : x` says, not compare, then add.
    assert chosen.ns == pytest.approx(1.01 + 0.44 + 0.427, abs=0.002)


def test_a_sum_among_others_waits_for_all_levels_of_the_tree() -> None:
    # Nine summands: four levels of 44 bits, a choice of the start and the register.
    assert loop("among_steps").ns == pytest.approx(0.427 + 4 * 1.05 + 0.427, abs=0.003)


def test_a_sum_that_is_added_last_waits_for_one_addition() -> None:
    assert loop("last_steps").ns == pytest.approx(0.427 + 1.05 + 0.427, abs=0.003)


def test_stages_name_the_fifo_and_tell_memories_latency() -> None:
    direct, behind = loop("straight_steps").stages, loop("memory_steps").stages
    assert set(direct) == set(behind) == {"in[1]", "out"}
    ways = [stages["out"]["write"] - stages["in[1]"]["read"] for stages in (direct, behind)]
    # A write follows a read in the next cycle. The memory's two lie between them: it is asked in the cycle behind the
    # read, and 1.23 ns of its last leave no room for the write.
    assert ways == [1, 4]


def test_members_of_a_struct_in_memory_are_no_recurrence() -> None:
    assert [step for step in operations("member_steps") if "queue" in step[0]] == []


def test_a_memory_without_a_stated_distance_is_a_fault_of_the_loop() -> None:
    unstated = loop("unstated_steps")
    assert unstated.forced_ii == 2  # a cycle to read, a cycle to write
    place = f"src/engine.cpp:{line_of('for (', 'unstated_steps:')}"
    assert unstated.fault == f"{place}: latencies through memory cells force II = 2 on the loop unstated_steps"


def test_iterations_that_never_meet_are_free() -> None:
    assert [step for step in operations("independent_steps") if "cells" in step[0]] == []


def test_two_reads_of_a_fifo_take_two_cycles() -> None:
    assert loop("twice_steps").forced_ii == 2
    assert "FIFO in" in loop("twice_steps").fault


def test_two_reads_that_exclude_each_other_take_one() -> None:
    assert (loop("either_steps").forced_ii, loop("either_steps").fault) == (1, "")


def test_registers_by_index_are_a_multiplexer() -> None:
    # The compiler chooses between integers of 32 bits, of which 18 are the value.
    assert operations("largest_steps") == [
        ("load largest", 18), ("compare", 18), ("select", 18), ("store largest", 0),
    ]  # fmt: skip


def test_a_choice_costs_more_at_the_price_that_judges() -> None:
    assert all(found.low_ns <= found.ns for found in loops().values())


def test_the_document_is_json_with_a_number_and_its_tier() -> None:
    schedule = schedule_sources(SOURCES, PART, CLOCK_MHZ)
    document = json.loads(json.dumps(schedule.document()))
    assert (document["schema"], document["tier"]) == (1, "schedule (open)")
    assert document["budget_ns"] == BUDGET_NS
    faulty = {"near_steps", "unstated_steps", "twice_steps"}  # what can't work at all comes first
    assert set(document["failed"][:3]) == faulty
    assert set(document["failed"][3:]) == {"planted_steps", "among_steps", "largest_steps"}
    by_label = {found["label"]: found for found in document["loops"]}
    assert by_label["straight_steps"]["stages"]["out"].keys() == {"write"}


def test_the_same_sources_give_the_same_schedule() -> None:
    assert schedule_sources(SOURCES, PART, CLOCK_MHZ).loops == tuple(loops().values())


def test_a_slower_clock_has_a_longer_budget() -> None:
    slow = schedule_sources(SOURCES, PART, 100.0)
    assert slow.budget_ns == 7.3  # 10 ns less 2.7
    by_label = {found.label: found for found in slow.loops}
    assert by_label["planted_steps"].budget_ii == 1
    assert by_label["memory_steps"].depth < loop("memory_steps").depth


def test_a_part_without_a_table_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match="xc7z020"):
        schedule_sources(SOURCES, "xc7z020-clg484-1", CLOCK_MHZ)


def test_a_grade_without_reports_is_said() -> None:
    assert schedule_sources(SOURCES, PART, CLOCK_MHZ).notes == ()
    (note,) = schedule_sources(SOURCES, "xczu3eg-sbva484-1-i", CLOCK_MHZ).notes
    assert "grade 2 and 2L" in note and "xczu3eg-sbva484-1-i is of grade 1" in note


def test_a_loop_that_keeps_another_one_is_refused_with_its_line() -> None:
    broken = KERNELS.replace(
        "    out.write(table[in[1].read() & 255]);",
        "    int sum = 0;\n  inner_steps:\n    for (int k = 0; k < n; ++k) {\n#pragma HLS PIPELINE II = 1\n"
        "      sum += table[k];\n    }\n    out.write(sum);",
    )
    with pytest.raises(SimulationError, match=r"engine\.cpp, line \d+: loop inner_steps"):
        schedule_sources({"src/engine.cpp": broken}, PART, CLOCK_MHZ)


def test_what_clang_refuses_is_said() -> None:
    with pytest.raises(SimulationError, match=r"engine\.cpp:\d+.*error"):
        schedule_sources({"src/engine.cpp": KERNELS + "\nnot C++\n"}, PART, CLOCK_MHZ)
