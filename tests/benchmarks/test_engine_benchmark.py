"""The parts of benchmarks/engine.py, on two blocks and the small design that other tests have compiled."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.program.schedule import Schedule
from tests.sim.engines import SMALL, small_design

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import engine as script
from engine_parts.ablation import TECHNIQUES, Technique, ablate
from engine_parts.cases import Case, Targets, little
from engine_parts.growth import time_switch
from engine_parts.peers import PEERS
from engine_parts.runs import Frame, time_frame
from engine_parts.tables import BEGIN, END, ablation_table, frames_table, peers_table, switch_table, write_markdown

pytestmark = pytest.mark.slow

TARGETS = Targets(milliseconds=1e-6, bound_ratio=1e6, ddr_ratio=None)


def in_turn(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    return [job() for job in jobs]


@pytest.fixture(scope="module")
def case() -> Case:
    return replace(little(), turned=SMALL, targets=TARGETS)


@pytest.fixture(scope="module")
def frame(case: Case) -> Frame:
    return time_frame(case)


def test_a_case_runs_on_the_knobs_that_it_turns(case: Case) -> None:
    assert case.design == small_design()


def test_a_frame_is_no_faster_than_its_bound_and_moves_no_less_than_it_needs(frame: Frame) -> None:
    assert frame.bound_ratio >= 1.0
    assert frame.ddr_ratio >= 1.0
    assert frame.milliseconds == pytest.approx(frame.cycles / 300e3)
    assert frame.multipliers == 2 * 8 * 8


def test_targets_are_held_against_what_was_found(frame: Frame) -> None:
    assert [(target.what, target.holds) for target in frame.targets] == [
        ("ms", False), ("x bound", True), ("share of the fullest resource", True),
    ]  # fmt: skip
    text = frames_table([frame], "a board", "17 GB/s").rows[0][-1]
    assert "MISSED" in text and "15% free: holds" in text


def test_routes_of_the_random_network_are_spread_over_all_experts(frame: Frame) -> None:
    assert frame.routes is not None
    least, mean, largest, deviation = frame.routes
    assert mean == 33 * 2 / 4
    assert 0 < least <= mean <= largest
    assert 0 <= deviation < mean


def test_a_technique_off_is_timed_against_everything_on(case: Case, frame: Frame) -> None:
    none = Technique("score_rows", "one row of scores", knobs={"score_rows": 1})
    wanted = (*(row for row in TECHNIQUES if row.schedule == Schedule(operands_ahead=False)), none)
    starved = Technique("weights_ahead", "weight FIFOs of 2", depths={"weights": 2})
    ablation = ablate(case, in_turn, (*wanted, starved))
    assert ablation.milliseconds == frame.milliseconds
    by_key = {row.key: row for row in ablation.rows}
    operands, rows = by_key["operands_ahead"], by_key["score_rows"]
    assert operands.milliseconds is not None and operands.change is not None and operands.change > 0
    assert operands.change == pytest.approx(operands.milliseconds / ablation.milliseconds - 1)
    assert by_key["weights_ahead"].change is not None and by_key["weights_ahead"].change > 0
    assert rows.milliseconds is None and rows.why
    text = ablation_table([ablation]).markdown()
    assert f"{operands.milliseconds:.3f}" in text and rows.why in text


def test_a_prefix_of_the_network_is_named_in_the_table(case: Case, frame: Frame) -> None:
    ablation = ablate(replace(case, ablated_blocks=1), in_turn, ())
    assert ablation.milliseconds < frame.milliseconds
    assert "first 1 of 2 blocks" in ablation_table([ablation]).heads[1]


def test_what_deadlocks_has_a_reason_in_place_of_a_time(case: Case) -> None:
    ablation = ablate(case, in_turn, (Technique("measured", "a FIFO that deadlocks", depths={"measured": 1}),))
    assert ablation.rows[0].milliseconds is None
    assert ablation.rows[0].why.startswith("deadlock")


def test_switching_between_tasks_that_route_alike_costs_nothing(case: Case) -> None:
    switch = time_switch(case, in_turn)
    assert switch.extra_alike == 0
    assert switch.one < switch.same
    assert f"{switch.there:,}" in switch_table(switch).markdown()


def test_ratios_to_published_accelerators_are_of_equal_numbers_of_tokens(frame: Frame) -> None:
    ours = replace(frame, tokens=197, milliseconds=5.0)
    rows = {row[0]: row for row in peers_table([ours], "ZCU104").rows}
    assert rows["Edge-MoE"][6] == f"{34.64 / 5.0:.2f} x"
    for peer in PEERS:
        assert rows[peer.name][-1] == peer.tier
        assert (rows[peer.name][6] == "–") == (peer.tokens != 197)


def test_the_script_writes_figures_and_tables(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "little", lambda: case)
    figures, page = tmp_path / "figures.json", tmp_path / "tables.md"
    script.main(["--small", "--part", "frames", "--part", "switch", "--json", str(figures), "--markdown", str(page)])
    found = json.loads(figures.read_text())
    assert found["frames"][0]["tiers"]["time"] == "timed simulation"
    assert found["switch"]["extra_alike"] == 0
    assert f"{found['frames'][0]['milliseconds']:.3f}" in page.read_text()
    assert "Switching the task" in capsys.readouterr().out


def test_markdown_goes_between_the_marks_of_a_file(frame: Frame, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nformerly\n{END}\nafter\n")
    table = frames_table([frame], "a board", "17 GB/s")
    for _ in range(2):
        write_markdown(page, [table])
        text = page.read_text()
        assert text.startswith(f"before\n{BEGIN}\nAs of ") and text.endswith(f"{END}\nafter\n")
        assert text.count(table.title) == 1 and "formerly" not in text
