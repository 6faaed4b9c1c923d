"""Writes at stages of their own, and pipelines that stall or flush, by cycles computed here by hand.

Notation as in test_timing_by_hand.py: a loop of interval 1 issues at t, its write of stage s comes at t + s.
"""

from __future__ import annotations

import pytest

from tests.timing.networks import Access, Constants, Loop, Outcome, Process, Region, run_network

EARLY, LATE, SLOW = 0, 1, 2
DEPTH, STAGE = 10, 1


def pair(depth: int, stalling: int) -> Outcome:
    """One loop writes two FIFOs, the first at stage 1, the second at its end; another takes both in one iteration."""
    writer = Loop(0, 40, 1, DEPTH, (), (Access(EARLY, stage=STAGE), Access(LATE)))
    reader = Loop(1, 40, 1, 2, (Access(EARLY), Access(LATE)))
    region = Region(0, {EARLY: depth, LATE: 4}, (Process(0, (writer,)), Process(1, (reader,))))
    return run_network(region, Constants(stalling=stalling))


@pytest.mark.parametrize("stalling", [0, 1])
def test_the_early_fifo_holds_what_is_written_until_the_late_one_is_read(stalling: int) -> None:
    # The reader's first t is DEPTH: one behind the first late write at DEPTH - 1. Early ones came at 1, 2, ..., DEPTH.
    # A place counts as used in the cycle of its read.
    found = pair(64, stalling)
    assert found.highest == {EARLY: DEPTH - STAGE + 1, LATE: 2}
    assert found.ends == [(0, 0, 40 + DEPTH - 1), (1, 0, DEPTH + 40 + 1)]


@pytest.mark.parametrize("stalling", [0, 1])
def test_where_the_early_fifo_is_full_in_the_cycle_of_the_late_write_nothing_goes_on(stalling: int) -> None:
    # Full in the cycle after: the late write has come, the reader frees a place, one cycle is lost a time.
    assert not pair(DEPTH - STAGE, stalling).deadlock
    found = pair(DEPTH - STAGE - 1, stalling)
    assert found.deadlock
    cycle = {(link["waits_for"], link["fifo"]) for link in found.details["deadlock"]["cycle"]}
    assert cycle == {("full", f"f{EARLY}"), ("empty", f"f{LATE}")}


def slow_source(stalling: int) -> Outcome:
    """A source that brings an element every 10 cycles, a pipeline behind it, and a reader."""
    source = Loop(0, 5, 10, 2, (), (Access(SLOW),))
    middle = Loop(1, 5, 1, DEPTH, (Access(SLOW),), (Access(EARLY),))
    reader = Loop(2, 1, 1, 2, (Access(EARLY),))  # of the first element
    rest = Loop(3, 4, 1, 2, (Access(EARLY),))
    processes = (Process(0, (source,)), Process(1, (middle,)), Process(2, (reader, rest)))
    return run_network(Region(0, {SLOW: 2, EARLY: 8}, processes), Constants(stalling=stalling))


def test_a_pipeline_that_flushes_delivers_while_it_waits() -> None:
    # Source: w = 1, 11, 21, 31, 41. Middle: t = 2, 12, ..., 42, w = t + 9. The reader's last t is 42 + 9 + 1 = 52.
    assert slow_source(0).ends == [(0, 0, 42), (1, 0, 52), (2, 0, 54)]
    assert slow_source(0).highest == {SLOW: 1, EARLY: 1}


def test_a_pipeline_that_stalls_keeps_back_what_it_has_computed() -> None:
    # Own time stands still between inputs, so nothing leaves before the last one is in: t = 2, 12, ..., 42 are own
    # times 2 to 6; the writes come at own times 11 to 15, which are cycles 47 to 51. The reader takes the first at 48,
    # its loop ends at 50, and by then those of 48, 49 and 50 are there.
    found = slow_source(1)
    assert found.ends == [(0, 0, 42), (1, 0, 52), (2, 0, 55)]
    assert found.highest == {SLOW: 1, EARLY: 3}
