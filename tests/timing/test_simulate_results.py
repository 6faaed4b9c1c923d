"""What a timed run is read as: groups of layers, deadlocks in words, roofline, trace."""

from __future__ import annotations

from typing import Any

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.timing.explain import block_of, group_of
from edgemoe_gen.timing.facts import timeline
from edgemoe_gen.timing.result import parse_result
from edgemoe_gen.timing.roofline import Roofline
from edgemoe_gen.timing.trace import trace_document

LABELS = ("blocks.0.norm1", "blocks.0.attention.scores.0", "blocks.1.experts.7.fc1")


def process(name: str, region: str, records: list[list[int]], instance: int = 0) -> dict[str, Any]:
    sums = [sum(row[i] for row in records) for i in range(3, 7)]
    return {"name": name, "region": region, "instance": instance, "busy": sums[0], "starved": sums[1],
            "blocked": sums[2], "ddr": sums[3], "idle": 0, "records": records}  # fmt: skip


def library_json(**changes: Any) -> dict[str, Any]:
    """Three operations of 100 cycles after 20 of start; in the second, weights come late."""
    starts = [20, 120, 220]
    unit = [
        [i, s, s + 100, busy, 100 - busy, 0, 0] for i, (s, busy) in enumerate(zip(starts, (80, 30, 90), strict=True))
    ]
    loader = [[i, s, s + 60, 60 - late, late, 0, 0] for i, (s, late) in enumerate(zip(starts, (0, 55, 0), strict=True))]
    fetch = [[-1, 0, 320, 100, 0, 120, 100]]
    found = {
        "cycles": 320, "status": 0,
        "operations": [{"index": i, "start": s, "end": s + 100} for i, s in enumerate(starts)],
        "processes": [process("fetch_weights", "engine", fetch), process("fetch_weights", "engine", fetch, 1),
                      process("multiply", "operate", unit), process("load_operands", "operate", loader)],
        "fifos": [{"name": "weights[0]", "region": "engine", "depth": 64, "highest": 60, "writes": 9, "blocked": 1,
                   "starved": 55, "writer": "fetch_weights[0]", "reader": "load_operands"}],
        "ports": [{"name": "weights_0", "beats": 100, "bursts": 7, "bytes": 1600, "busy_cycles": 36, "waited": 100}],
        "ddr": {"busy": 36, "bytes": 1600},
        "loops": [{"label": "multiply_steps", "iterations": 200, "ii": 1, "depth": 12, "wait_in": 9, "wait_out": 0}],
        "violations": [], "deadlock": None,
    }  # fmt: skip
    return {**found, **changes}


def test_cycles_are_told_by_group_and_what_limits_it() -> None:
    rows = {row.group: row for row in parse_result(library_json(), LABELS).by_group()}
    assert list(rows) == ["layer norms", "attention scores", "experts", "other"]
    norms, scores, other = rows["layer norms"], rows["attention scores"], rows["other"]
    assert (norms.cycles, norms.compute, norms.weights, norms.start_up) == (100, 80, 0, 20)
    # The unit works 30 cycles; of the 70 that are left, the loader waited 55 for weights.
    assert (scores.compute, scores.weights, scores.start_up, scores.limit) == (30, 55, 15, "weights")
    assert (other.cycles, other.operations, other.limit) == (20, 0, "start-up")
    assert sum(row.share for row in rows.values()) == pytest.approx(1)


def test_processes_of_one_name_are_numbered() -> None:
    titles = [process.title for process in parse_result(library_json()).processes]
    assert titles == ["fetch_weights[0]", "fetch_weights[1]", "multiply", "load_operands"]


@pytest.mark.parametrize(
    ("label", "group"),
    [
        ("blocks.3.experts.7.fc1.0", "experts"), ("blocks.0.fc2.128", "dense MLP"), ("patch.0", "patch embedding"),
        ("blocks.2.attention.values.1", "attention × values"), ("blocks.2.key.0", "query, key, value"),
        ("blocks.11.router.semseg", "routers"), ("position", "load"), ("blocks.1.attention", "attention × values"),
        ("something new", "other"), ("decoders.semseg.conv_3", "decoder: convolutions"),
        ("task depth: decoders.resize.resize_2", "decoder: doubling"), ("decoders.d.result", "decoder: norm, classes"),
    ],
)  # fmt: skip
def test_a_layer_belongs_to_a_group(label: str, group: str) -> None:
    assert group_of(label) == group


def test_block_is_read_from_the_layer() -> None:
    assert block_of("blocks.11.norm1") == 11
    assert block_of("task depth: blocks.2.key") is None and block_of("patch.0") is None


def links(*cycle: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    return {"operation": 1, "cycle": [{"process": p, "waits_for": w, "fifo": f} for p, w, f in cycle], **more}


def test_deadlock_is_a_sentence_with_the_layer() -> None:
    found = links(("dispatch", "full", "scales"), ("round_sums", "empty", "sums"), ("multiply", "empty", "tiles"))
    result = parse_result(library_json(deadlock=found), LABELS)
    assert not result.passed and result.deadlock is not None
    assert result.deadlock.sentence() == (
        "deadlock in layer blocks.0.attention.scores.0: dispatch waits for round_sums (FIFO scales is full), "
        "round_sums waits for multiply (FIFO sums is empty), multiply waits for dispatch (FIFO tiles is empty)"
    )


def test_waiting_for_a_process_that_is_over_is_no_circle() -> None:
    result = parse_result(library_json(deadlock=links(("store", "empty", "copies"), closed=False)), LABELS)
    assert result.deadlock is not None
    assert result.deadlock.sentence().endswith("store waits for a process that is over (FIFO copies is empty)")


def test_violation_names_layer_and_how_often() -> None:
    entry = {"message": "memory normed needs 2 read ports in cycle 40", "operation": 2, "count": 7}
    result = parse_result(library_json(violations=[entry]), LABELS)
    assert result.violations == (
        "memory normed needs 2 read ports in cycle 40 (layer blocks.1.experts.7.fc1, 7 times in all)",
    )
    assert not result.passed


def test_json_of_another_form_is_refused() -> None:
    broken = library_json()
    del broken["fifos"]
    with pytest.raises(SimulationError, match="the timed library's result is not as expected: KeyError: 'fifos'"):
        parse_result(broken)


def test_roofline_bound_is_the_larger_of_compute_and_weights() -> None:
    line = Roofline(peak_macs=100, ddr_bytes=10.0, macs=20_000, weight_bytes=3_000, moved_bytes=4_000, cycles=400)
    assert (line.compute_cycles, line.weight_cycles, line.bound, line.ratio) == (200, 300, 300, pytest.approx(4 / 3))
    assert (line.limit, line.intensity, line.attained, line.ridge) == ("DDR", 5, 50, 10)
    assert (line.roof(5), line.roof(50)) == (50, 100)


def test_timeline_keeps_every_cycle_of_every_state() -> None:
    result = parse_result(library_json(), LABELS)
    # 7 columns of 320 / 7 cycles: operations end inside columns.
    found = timeline(result, bins=7)
    for row, process_ in zip(found["rows"], result.processes, strict=True):
        for state in ("busy", "ddr", "starved", "blocked"):
            # Each of the seven shares is rounded to 0.001.
            assert sum(row[state]) * 320 / 7 == pytest.approx(getattr(process_, state), abs=7 * 0.0005 * 320 / 7)
    assert [layer["group"] for layer in found["layers"]] == ["layer norms", "attention scores", "experts"]
    assert [layer["block"] for layer in found["layers"]] == [0, 0, 1]


def test_trace_has_a_track_a_process_with_layers_as_slices() -> None:
    result = parse_result(library_json(), LABELS)
    trace = trace_document(result, LABELS, 250.0, "semseg")
    events = trace["traceEvents"]
    names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {"layer", "operate / multiply", "engine / fetch_weights[1]"} <= names
    slices = [e for e in events if e["ph"] == "X"]
    assert len(slices) == 3 + 1 + 1 + 3 + 3
    scores = next(e for e in slices if e["pid"] == 1 and e["name"] == LABELS[1])
    # 120 cycles at 250 MHz are 0.48 µs; a nanosecond is left between neighbours.
    assert (scores["ts"], scores["dur"], scores["args"]["cycles"]) == (0.48, 0.399, 100)
    multiply = [e for e in slices if e["pid"] == 2 and e["args"]["busy"] == 30]
    assert [e["name"] for e in multiply] == [LABELS[1]] and multiply[0]["cat"] == "starved"
