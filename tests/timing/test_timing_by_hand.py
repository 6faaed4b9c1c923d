"""Small kernels whose cycles are computed here by hand; the timed runtime must give exactly these.

Notation: t issue, w write, r read (= t of the reader), q request of a burst. A loop of interval II and depth D issues
at t, writes at t + D - 1, ends one cycle after its last write; what is written at w is readable from w + 1 on; a FIFO
of depth d takes element n from r[n - d] + 1 on.
"""

from __future__ import annotations

import ctypes
import json
from typing import Any

import pytest

from tests.timing.networks import Timing, compiled


def run(
    name: str,
    a: int,
    b: int = 0,
    *,
    loops: dict[str, tuple[int, int]] | None = None,
    states: int = 1,
    depths: str = "",
    memories: str = "",
    start: int = 0,
    end: int = 0,
    rate: tuple[int, int] = (16, 1),
    latency: int = 10,
    outstanding: int = 2,
    burst: int = 4,
) -> dict[str, Any]:
    """Runs a kernel of hand.cpp; loops: label to II and depth, (1, 2) where nothing is said."""
    labels = ("produce", "consume", "pass", "feed", "fetch", "store", "gather", "accumulate")
    table = dict.fromkeys(labels, (1, 2)) | (loops or {})
    lines = "".join(f"{label} {ii} {depth} 0 0\n" for label, (ii, depth) in table.items()) + f"rounds 0 0 {states} 0\n"
    constants = f"process_start {start}\nregion_end {end}\nloop_skip 0\n"
    texts = (text.encode() for text in (lines, depths, memories, constants))
    library = compiled("hand.cpp")
    library.hand_result.restype = ctypes.c_char_p
    status = library.run_hand(name.encode(), a, b, ctypes.byref(Timing(*texts, *rate, latency, outstanding, burst, 1)))
    text = library.hand_result().decode()
    if status:
        raise RuntimeError(text)
    return dict(json.loads(text))


def named(result: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    """The entry of a name."""
    return next(entry for entry in result[part] if name in (entry.get("name"), entry.get("label")))


def test_a_loop_takes_its_intervals_and_its_depth() -> None:
    # t = 0, 2, 4, 6; last w = 6 + 5 - 1 = 10; it ends at 11. The region adds 3 before and 2 after.
    result = run("one_loop", 4, loops={"produce": (2, 5)}, start=3, end=2)
    assert result["cycles"] == 3 + 11 + 2
    assert named(result, "processes", "produce")["records"] == [[-1, 3, 14, 11, 0, 0, 0]]


def test_a_loop_without_iterations_takes_no_cycle() -> None:
    assert run("one_loop", 0, start=3, end=2)["cycles"] == 5


def test_a_reader_starves_behind_a_slow_writer() -> None:
    # produce II 3, depth 4: w = 3, 6, 9. consume: t = 4, 7, 10, end 10 + 1 + 1 = 12; due 0, 5, 8: waits 4 + 2 + 2.
    result = run("two", 3, loops={"produce": (3, 4)})
    assert result["cycles"] == 12
    consume = named(result, "processes", "consume")
    assert (consume["busy"], consume["starved"], consume["blocked"], consume["idle"]) == (4, 8, 0, 0)
    assert named(result, "fifos", "queue")["starved"] == 8
    assert named(result, "loops", "consume")["wait_in"] == 8
    assert named(result, "processes", "produce")["records"][0][1:3] == [0, 10]


def test_a_full_fifo_stalls_its_writer() -> None:
    # consume II 4: r = 2, 6, 10, 14, 18, end 20. w0..w2 = 1, 2, 3; w3 due 4, but r1 + 1 = 7: stall 3, so w4 is due
    # at 8, but r2 + 1 = 11: stall 3. produce ends at 12.
    result = run("two", 5, loops={"consume": (4, 2)})
    assert result["cycles"] == 20
    produce, queue = named(result, "processes", "produce"), named(result, "fifos", "queue")
    assert produce["records"] == [[-1, 0, 12, 6, 0, 6, 0]]
    assert (queue["depth"], queue["highest"], queue["blocked"], queue["writes"]) == (2, 2, 6, 5)
    assert (queue["writer"], queue["reader"]) == ("produce", "consume")
    assert named(result, "loops", "produce")["wait_out"] == 6


def test_an_unbounded_fifo_shows_how_deep_it_would_have_to_be() -> None:
    # w = 1..5, r = 2, 6, 10, ...: when w4 = 5 comes, one element has gone: 4 places are in use.
    result = run("two", 5, loops={"consume": (4, 2)}, depths="queue 0\n")
    queue = named(result, "fifos", "queue")
    assert (queue["depth"], queue["highest"], queue["blocked"]) == (0, 4, 0)
    enough = run("two", 5, loops={"consume": (4, 2)}, depths="queue 4\n")
    assert named(enough, "fifos", "queue")["blocked"] == 0


def test_a_fifo_of_one_place_takes_an_element_every_other_cycle() -> None:
    # w0 = 1, r0 = 2, w1 = 3, r1 = 4, w2 = 5, r2 = 6: consume ends at 8.
    result = run("two", 3, depths="queue 1\n")
    assert result["cycles"] == 8
    assert named(result, "fifos", "queue")["highest"] == 1


def test_a_pipeline_may_be_deeper_than_the_fifo_behind_it() -> None:
    # depth 10: w = 9, 10, ..., 13; r = 10, ..., 14; end 16.
    assert run("two", 5, loops={"produce": (1, 10)})["cycles"] == 16


def test_intervals_count_cycles_without_stalls() -> None:
    # FIFO of one place; produce II 3, consume II 5. w0 = 1, r0 = 2. t1 = 3, w1 = 4, r1 = 7. t2 = 6, w2 due 7, but
    # r1 + 1 = 8: stall 1. r2 = 12. t3 due 9, one stall: 10; w3 due 11, but r2 + 1 = 13: stall 2. r3 = 17, end 19.
    result = run("two", 4, loops={"produce": (3, 2), "consume": (5, 2)}, depths="queue 1\n")
    assert result["cycles"] == 19
    assert named(result, "processes", "produce")["records"] == [[-1, 0, 14, 11, 0, 3, 0]]


def test_feedback_goes_round_as_fast_as_both_pipelines() -> None:
    # feed depth 3, pass depth 4, two elements ahead. feed w = 2, 3; pass t = 3, 4, w = 6, 7; feed t = 7, 8, w = 9, 10,
    # end 11; pass t = 10, 11, w = 13, 14, end 15.
    result = run("ring", 4, 2, loops={"feed": (1, 3), "pass": (1, 4)})
    assert result["cycles"] == 15
    assert named(result, "processes", "feed")["records"][0][1:3] == [0, 11]


def test_two_that_wait_for_each_other_are_told() -> None:
    deadlock = run("ring", 4, 0)["deadlock"]
    assert deadlock["closed"] and deadlock["operation"] == -1
    assert sorted((link["process"], link["waits_for"], link["fifo"]) for link in deadlock["cycle"]) == [
        ("feed", "empty", "back"),
        ("pass", "empty", "forth"),
    ]


def test_two_that_are_full_of_each_other_are_told() -> None:
    # 12 elements ahead; two FIFOs of two places and a pipeline hold less.
    deadlock = run("ring", 20, 12, loops={"feed": (1, 3), "pass": (1, 4)})["deadlock"]
    assert sorted((link["process"], link["waits_for"], link["fifo"]) for link in deadlock["cycle"]) == [
        ("feed", "full", "forth"),
        ("pass", "full", "back"),
    ]


def test_a_region_that_is_called_again_starts_anew() -> None:
    # Outer process from 1. A round: children from +1: produce w = 3..6, end 7; consume t = 4..7, end 9; region end 10.
    result = run("nested", 3, 4, start=1, end=1)
    assert result["operations"] == [
        {"index": 0, "start": 1, "end": 10},
        {"index": 1, "start": 10, "end": 19},
        {"index": 2, "start": 19, "end": 28},
    ]
    assert result["cycles"] == 29
    consume = named(result, "processes", "consume")
    assert [record[:3] for record in consume["records"]] == [[0, 2, 9], [1, 11, 18], [2, 20, 27]]
    assert consume["region"] == "two" and consume["idle"] == 29 - 3 * 7
    assert named(result, "fifos", "queue")["writes"] == 12


def test_a_sequence_of_states_takes_them_at_least() -> None:
    # A round takes 9 cycles, its states 12: 1 + 3 * 12, and the outer region's end.
    assert run("nested", 3, 4, start=1, end=1, states=12)["cycles"] == 38


@pytest.mark.parametrize(
    ("rate", "cycles"),
    [
        # 1 cycle a beat. q = 0, 1. Burst 0 from 10: beats in 11..14. Burst 1 from 14: 15..18. Burst 2 when burst 0 is
        # read, q = 14 + 1, from 25: 26..29. t = 29, w = 31, end 32.
        ((16, 1), 32),
        # 2 cycles a beat: 12..18, from 18: 20..26, q = 19, from 29: 31, 33, 35, 37; end 40.
        ((8, 1), 40),
        # 3/2 cycles a beat: 11.5, 13, 14.5, 16 in 12, 13, 15, 16; 18, 19, 21, 22; q = 17, from 27: ..., 33; end 36.
        ((32, 3), 36),
        # Half a cycle a beat, but a port takes one a cycle: in 11..14, 15..18; burst 2 from 25: 26..29; end 32.
        ((32, 1), 32),
    ],
)
def test_a_port_waits_for_latency_bandwidth_and_outstanding_bursts(rate: tuple[int, int], cycles: int) -> None:
    result = run("read_ports", 12, 1, loops={"fetch": (1, 3)}, rate=rate)
    assert result["cycles"] == cycles
    port = result["ports"][0]
    assert (port["beats"], port["bursts"], port["bytes"]) == (12, 3, 192)


def test_waits_for_ddr_are_told_apart() -> None:
    # t = 11..14, 15..18, 26..29: waits 11 at the begin, and 26 - 19 = 7.
    result = run("read_ports", 12, 1, loops={"fetch": (1, 3)})
    fetch = named(result, "processes", "fetch")
    assert (fetch["ddr"], fetch["busy"]) == (18, 14)
    assert result["ports"][0]["waited"] == 18
    assert result["ddr"] == {"busy": 12, "bytes": 192}


def test_ports_share_the_ddr_in_the_order_of_their_requests() -> None:
    # Both ask in cycle 0: port 0 from 10: 11..14, end 14 + 2 + 1; port 1 from 14: 15..18, end 21.
    result = run("read_ports", 4, 2, loops={"fetch": (1, 3)})
    assert [p["records"][0][2] for p in result["processes"]] == [17, 21]
    assert [p["instance"] for p in result["processes"]] == [0, 1]


def test_a_beat_outside_of_a_burst_waits_for_itself_alone() -> None:
    # q = 0, read at 11; the next asks when it could issue, q = 12, read at 23; w = 25, end 26.
    assert run("single_beats", 2, 1, loops={"fetch": (1, 3)})["cycles"] == 26


def test_a_full_write_buffer_stalls_its_loop() -> None:
    # Buffer of 1 x 4 beats. produce w = 1..., store t = 2..., w = 3..6: q = 7, from 17: places free from 18..21.
    # Beat 4 due 7: 18, stall 11; then 19, 20, 21: q = 22, from 32: free from 33... Beat 8 due 22: 33, stall 11;
    # beat 9: 34, end 35.
    result = run("write_port", 10, outstanding=1)
    assert result["cycles"] == 35
    store = named(result, "processes", "store")
    assert (store["ddr"], result["ports"][0]["waited"]) == (22, 22)
    assert (result["ports"][0]["beats"], result["ports"][0]["bursts"]) == (10, 3)


def test_a_bank_that_is_read_twice_in_a_cycle_is_a_violation() -> None:
    # t = 0, 1, 2, each with two addresses of a bank of one read port.
    (violation,) = run("gather", 3, 1)["violations"]
    assert (violation["kind"], violation["loop"], violation["memory"]) == ("ports", "gather", "memory")
    assert (violation["cycle"], violation["count"], violation["operation"]) == (0, 3, -1)
    assert run("gather", 3, 1, memories="gather memory 0 2 1\n")["violations"] == []


def test_an_address_that_is_read_twice_is_one_access() -> None:
    assert run("gather", 3, 0)["violations"] == []


def test_two_processes_at_one_bank_are_a_violation() -> None:
    (violation,) = run("two_gather", 3)["violations"]
    assert (violation["cycle"], violation["count"]) == (0, 3)


@pytest.mark.parametrize(("ii", "least"), [(1, 5), (2, 3), (5, 1)])
def test_a_recurrence_holds_at_its_least_distance_and_not_below(ii: int, least: int) -> None:
    # 5 cycles from an issue to the first that may read what it wrote: distance * II >= 5.
    loops, memories = {"accumulate": (ii, 4)}, "accumulate memory 5\n"
    assert run("accumulate", 12, least, loops=loops, memories=memories)["violations"] == []
    if least > 1:
        (violation,) = run("accumulate", 12, least - 1, loops=loops, memories=memories)["violations"]
        assert violation["kind"] == "recurrence"
        assert violation["message"].startswith(f"II = {ii} of accumulate needs distance >= {least} ")
        assert violation["message"].endswith(f"found {least - 1}")


def test_an_exception_in_a_process_ends_the_run_with_its_message() -> None:
    with pytest.raises(RuntimeError, match="AXI port port reaches beyond its buffer"):
        run("beyond", 20, 1)
    assert run("two", 3)["cycles"] == 6  # w = 1, 2, 3; t = 2, 3, 4; end 4 + 2


def test_a_loop_that_the_table_does_not_know_is_named() -> None:
    loops = b"produce 1 2 0 0\n"
    timing = Timing(loops, b"", b"", b"", 1, 1, 1, 1, 1, 0)
    library = compiled("hand.cpp")
    library.hand_result.restype = ctypes.c_char_p
    assert library.run_hand(b"two", 3, 0, ctypes.byref(timing)) == -1
    assert library.hand_result() == b"the timing table does not know the loop consume"


def test_a_fifo_of_no_process_starves_for_ever() -> None:
    # Nobody writes more: the chain ends at the process that is over, it is no cycle.
    deadlock = run("ring", 4, 4, depths="forth 2\nback 2\n", loops={"feed": (1, 3)})["deadlock"]
    assert deadlock["closed"] is False
    assert deadlock["cycle"][-1] == {"process": "pass", "waits_for": "full", "fifo": "back"}
