"""What the page says of itself: when and from what it was made, its frames' times, what to do next."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemoe_gen.base.invocation import command, set_command
from edgemoe_gen.report.html import _part_tables, render_html
from edgemoe_gen.report.made import made_facts, next_steps
from edgemoe_gen.report.simulation import _tasks
from tests.report.test_report_html import document, frame


def test_the_date_is_of_the_newest_result_and_not_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    old, new, network = tmp_path / "old", tmp_path / "new", tmp_path / "network"
    for path, time in ((old, 0), (new, 86_400), (network, 10**9)):
        path.write_bytes(b"weights")
        os.utime(path, (time, time))
    made = made_facts([old, new, tmp_path / "missing"], network, "edgemoe-gen build x")
    sha = hashlib.sha256(b"weights").hexdigest()
    assert made == {"date": "1970-01-02 00:00 UTC", "command": "edgemoe-gen build x", "checkpoint_sha256": sha}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "3600")
    assert made_facts([old, new], tmp_path, None) == {
        "date": "1970-01-01 01:00 UTC", "command": None, "checkpoint_sha256": None,
    }  # fmt: skip
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert made_facts([tmp_path / "missing"], tmp_path, None)["date"] is None


def test_a_command_can_be_run_again_as_it_is_shown() -> None:
    set_command(["edgemoe-gen", "build", "my network.pth"])
    assert command() == "edgemoe-gen build 'my network.pth'"


def test_the_page_shows_command_checkpoint_and_normalisation(tmp_path: Path) -> None:
    made = document([frame()])
    made["made"] = {"date": "2026-01-02 03:04 UTC", "command": "edgemoe-gen build <x>", "checkpoint_sha256": "ab12"}
    page = render_html(made, tmp_path, {})
    for text in ("2026-01-02 03:04 UTC", "edgemoe-gen build &lt;x&gt;", "ab12", "imagenet"):
        assert text in page.split('class="tiles"')[0], text
    assert "<script>" not in page  # without pictures there is nothing to enlarge


COUNTS = st.lists(st.integers(0, 99), min_size=4, max_size=4)
NAMES = st.one_of(st.sampled_from(["cache", "places"]), st.integers(0, 9).map("fifo_{}".format))


@given(st.lists(st.tuples(NAMES, COUNTS, st.booleans()), max_size=8))
def test_units_and_memories_hold_every_part_once_and_its_counts(parts: list[tuple[str, list[int], bool]]) -> None:
    columns = ("dsp", "bram36", "uram", "lut")
    rows: list[dict[str, Any]] = [
        {"name": name, "what": "x", "memory": memory, **dict(zip(columns, counts, strict=True))}
        for name, counts, memory in parts
    ]
    units, memories = _part_tables(rows)
    shown = [{**dict.fromkeys(columns, 0), **row} for table in (units, memories) for row in table["rows"]]
    assert [sum(row[c] for row in shown) for c in columns] == [sum(row[c] for row in rows) for c in columns]
    own = [row for row in rows if not row["name"].startswith("fifo_")]
    assert units["rows"] == [row for row in own if not row["memory"]]
    assert [row for row in memories["rows"] if row["name"]] == [row for row in own if row["memory"]]
    for table in (units, memories):  # no column is empty, and none with a count is left out
        assert table["columns"] == [c for c in columns if any(row[c] for row in table["rows"])]


def test_the_page_shows_what_was_otherwise_than_assumed_or_that_nothing_was(tmp_path: Path) -> None:
    made = document([frame()])
    assert "Differences from the assumptions" not in render_html(made, tmp_path, {})
    made["differences"] = {"tier": "vendor synthesis", "rows": [], "not_compared": ["the <clock>"]}
    page = render_html(made, tmp_path, {})
    assert "Nothing: instances" in page and "the &lt;clock&gt;" in page
    row = {"kind": "II", "what": "loop inner", "expected": "II 1", "found": "II 3", "factor": 3.0, "note": "a <store>"}
    made["differences"] = {"tier": "vendor synthesis", "rows": [row, {**row, "factor": None}], "not_compared": []}
    page = render_html(made, tmp_path, {})
    assert "Nothing: instances" not in page and "Not compared" not in page
    assert all(text in page for text in ("loop inner", "II 1", "II 3", ">3.00<", "a &lt;store&gt;"))


def timed(loads: list[int], tasks: list[str]) -> dict[str, Any]:
    layers = [{"group": "load", "start": start, "end": start + 10} for start in loads]
    layers += [{"group": "decoder: convolutions", "start": start + 50, "end": start + 70} for start in loads[:1]]
    return {"tasks": tasks, "cycles": 1000, "clock_mhz": 1.0, "timeline": {"layers": layers}}


def test_frames_of_all_tasks_have_their_times_and_add_up_to_the_run() -> None:
    rows = _tasks(timed([5, 400], ["semseg", "depth"]))
    assert rows == [
        {"task": "semseg", "whole": 0.4, "backbone": 0.38, "decoder": 0.02},
        {"task": "depth", "whole": 0.6, "backbone": 0.6, "decoder": 0.0},
    ]
    assert _tasks(timed([5], ["semseg", "depth"])) == []  # they share a pass
    assert _tasks(timed([5], ["semseg"])) == []  # the run's own figure says it


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"stopped_before": "hls"}, "edgemoe-gen build"),
        ({"stopped_before": "package", "failed_stage": "bitstream"}, "edgemoe-gen build"),
        (
            {"stopped_before": "package", "implementation": {"timing": {"met": False}}},
            "edgemoe-gen build --retry-clock",
        ),
        ({"stopped_before": None, "implementation": {"timing": {"met": True}}}, "edgemoe-gen selftest"),
    ],
)
def test_what_to_do_next_follows_from_where_the_build_stands(facts: dict[str, Any], first: str) -> None:
    steps = next_steps(facts)
    assert steps[0][1] == first and steps[-1][1] == "edgemoe-gen tune"
    assert any("--export" in said for _, said in steps) == (facts["stopped_before"] == "hls")
