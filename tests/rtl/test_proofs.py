"""Proofs about FIFOs, AXI masters and control registers; and that they find faults that are planted in the modules.

Properties stand in `proofs/*.sv`. Each is proved for runs of any length in a small configuration, and for all runs of
`DEPTH` cycles in a larger one. What ABC does not settle in minutes is looked at for so many cycles there too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rtl.bench import FAULTS
from tests.rtl.prover import LIBRARY, Circuit, circuit

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pyosys") is None, reason="Yosys needs the extra `rtl`")
SMALL = {"INDEX_BITS": 2, "REQUESTS": 1, "OUTSTANDING": 1, "BUFFER": 2}
DEPTH = 10
# About how requests become bursts: slower, since ABC has to find out what the queue of requests holds.
HARD = {"not_asked_twice", "none_forgotten"}
OPEN = {"no_burst_of_two", "at_its_address"}  # not settled in the time that a test may take: for DEPTH cycles only
MASTERS = ("axi_read", "axi_write")
FIFOS = (("registers", 3), ("srl", 1), ("srl", 2), ("srl", 3), ("distributed", 3), ("block", 4), ("ultra", 2))


def unproved(found: Circuit, without: Collection[str] = ()) -> list[str]:
    assert len(found.properties) > 3
    return [name for name in found.properties if name not in without and not found.proved(name)]


@pytest.mark.parametrize(("style", "depth"), FIFOS)
def test_a_fifo_holds_what_was_written_and_not_read_and_gives_it_once_in_order(
    style: str, depth: int, tmp_path: Path
) -> None:
    assert not unproved(circuit("fifo", {"STYLE": f'"{style}"', "DEPTH": depth}, tmp_path))


def test_control_registers_answer_each_access_and_lose_no_event(tmp_path: Path) -> None:
    assert not unproved(circuit("axilite", {}, tmp_path))


@pytest.mark.parametrize("master", MASTERS)
def test_a_master_keeps_axis_rules_and_loses_no_beat(master: str, tmp_path: Path) -> None:
    found = circuit(master, SMALL, tmp_path)
    assert found.properties.index("once_in_order") >= 0 and found.properties.index("no_overflow") >= 0
    assert not unproved(found, HARD | OPEN)
    assert all(found.holds(name, DEPTH) for name in HARD | OPEN)


@pytest.mark.parametrize("master", MASTERS)
def test_a_master_that_gives_up_keeps_axis_rules(master: str, tmp_path: Path) -> None:
    assert not unproved(circuit(master, SMALL | {"STOP": 1}, tmp_path))


@pytest.mark.nightly
@pytest.mark.parametrize("master", MASTERS)
@pytest.mark.parametrize("name", sorted(HARD))
def test_a_master_asks_for_each_requested_beat_once(master: str, name: str, tmp_path: Path) -> None:
    assert circuit(master, SMALL, tmp_path).proved(name, 600)


@pytest.mark.nightly
@pytest.mark.parametrize("stop", [0, 1])
@pytest.mark.parametrize("master", MASTERS)
def test_a_master_with_several_bursts_on_their_way_does_so_for_some_cycles(
    master: str, stop: int, tmp_path: Path
) -> None:
    found = circuit(master, {"STOP": stop}, tmp_path)
    assert [name for name in found.properties if not found.holds(name, DEPTH)] == []


# Planted fault (`bench.FAULTS`), properties that it is looked for with, their parameters, and one that refutes it.
SRL, BLOCK = {"STYLE": '"srl"', "DEPTH": 3}, {"STYLE": '"block"', "DEPTH": 3}
Planted = tuple[str, str, Mapping[str, Any], str]
QUICK: tuple[Planted, ...] = (
    ("fifo takes what it has no room for", "fifo", SRL, "no_overflow"),
    ("fifo forgets the newest element", "fifo", BLOCK, "once_in_order"),
    ("reading loses a beat under back-pressure", "axi_read", SMALL, "once_in_order"),
    ("reading asks for more than the buffer holds", "axi_read", SMALL, "never_waits"),
    ("bursts cross 4 KiB by a beat", "axi_read", SMALL, "within_a_page"),
    ("writing begins before it has all beats", "axi_write", SMALL, "never_waits"),
    ("control clears done while it is set", "axilite", {}, "no_end_lost"),
)
OTHERS: tuple[Planted, ...] = (
    ("fifo takes one element too many", "fifo", SRL, "no_overflow"),
    ("fifo is full one element too early", "fifo", SRL, "room"),
    ("fifo shows the place before the oldest", "fifo", SRL, "once_in_order"),
    ("fifo wraps as if its depth were a power of two", "fifo", BLOCK, "once_in_order"),
    ("bursts forget the last beat of a long request", "axi_read", SMALL, "none_forgotten"),
    ("bursts do not turn the page", "axi_read", SMALL, "at_its_address"),
    ("bursts ask for something where nothing is asked for", "axi_read", SMALL, "length"),
    ("bursts are lost where the address channel waits", "axi_read", {}, "stays"),
    ("reading is idle with bursts on their way", "axi_read", SMALL, "none_on_its_way"),
    ("reading forgets an error", "axi_read", SMALL, "keeps_error"),
    ("writing does not wait for the data channel", "axi_write", SMALL, "data_stays"),
    ("writing is idle before the last response", "axi_write", SMALL, "all_answered"),
    ("writing takes responses for good", "axi_write", SMALL, "keeps_error"),
    ("writing marks the last beat one too early", "axi_write", SMALL, "last"),
    ("control does not clear done", "axilite", {}, "no_end_lost"),
    ("control keeps its start", "axilite", {}, "no_start_lost"),
    ("control sets an interrupt that is not enabled", "axilite", {}, "no_interrupt_lost"),
    ("control overwrites its interrupts instead of toggling", "axilite", {}, "no_interrupt_lost"),
    ("control ignores the global enable", "axilite", {}, "quiet"),
    ("control writes whole words", "axilite", {}, "argument_given"),
    ("control keeps the valid bit of a value", "axilite", {}, "no_value_lost"),
    ("control has its arguments a word off", "axilite", {}, "argument_given"),
)


@pytest.mark.parametrize(
    ("fault", "name", "parameters", "refuted"),
    [*QUICK, *(pytest.param(*other, marks=pytest.mark.nightly) for other in OTHERS)],
)
def test_a_planted_fault_refutes_a_property(
    fault: str, name: str, parameters: Mapping[str, object], refuted: str, tmp_path: Path
) -> None:
    planted = next(each for each in FAULTS if each.name == fault)
    text = (LIBRARY / f"{planted.module}.sv").read_text()
    assert text.count(planted.old) == 1
    faulty = text.replace(planted.old, planted.new.replace("FAULT", "1'b1"))
    found = circuit(name, parameters, tmp_path, {f"{planted.module}.sv": faulty})
    assert not found.holds(refuted, DEPTH)
