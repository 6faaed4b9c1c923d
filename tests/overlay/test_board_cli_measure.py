"""Measurement: what is timed, counted and left out, on a runner whose times are known; and the statistics."""

from __future__ import annotations

import gc
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edgemoe_gen import api
from edgemoe_gen.api import BenchResult
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.bench import (
    WARM_UP,
    Plan,
    SwitchCost,
    Throughput,
    latency,
    measure,
    spread,
    switch_cost,
)
from edgemoe_gen.measuring.bench_page import latency_rows, render_page
from edgemoe_gen.measuring.power import Power, RailPower
from edgemoe_gen.measuring.session import MEASURED

POWER = Power(
    (
        RailPower("12V", True, 14.0, 16.5, 0.025, 0.01),
        RailPower("INT", False, 3.5, 3.51, 0.125, None),
    ),
    500, 2.0, 30, 20,
)  # fmt: skip
STAGES = {"pack": 1e-3, "engine": 4e-3, "decode": 2e-3}


@dataclass
class Slow:
    """A runner whose engine takes `seconds` by task, and `switch` more after another task."""

    seconds: dict[str, float]
    switch: float = 0.0
    interrupt_after: int = 10**9
    ran: list[str] = field(default_factory=list)
    streams: list[tuple[str, ...]] = field(default_factory=list)
    closed: int = 0

    def run(self, frame: Any, task: str, decode: bool = True) -> Any:
        if len(self.ran) >= self.interrupt_after:
            raise KeyboardInterrupt
        assert frame in (10, 20) and not gc.isenabled()
        time.sleep(self.seconds[task] + (self.switch if self.ran and self.ran[-1] != task else 0))
        self.ran.append(task)
        return SimpleNamespace(task=task, stages=STAGES if decode else STAGES | {"engine": 1e-3, "decode": 0.0})

    def run_tasks(self, frame: Any, tasks: Sequence[str] | None = None, decode: bool = True) -> list[Any]:
        assert frame in (10, 20) and tasks and decode
        self.ran.append("+".join(tasks))
        time.sleep(0.001)
        return [
            SimpleNamespace(task=task, stages={**STAGES, "pack": 0.0 if i else 1e-3}) for i, task in enumerate(tasks)
        ]

    def stream(
        self, frames: Iterable[Any], tasks: Sequence[str] | None = None, alternate: bool = False, decode: bool = True
    ) -> Iterator[Any]:
        assert tasks and alternate and decode
        self.streams.append(tuple(tasks))
        try:
            for place, frame in enumerate(frames):
                yield self.run(frame, tasks[place % len(tasks)])
        finally:
            self.closed += 1


def silent(what: str, done: int, total: int) -> None:
    pass


def test_the_engine_s_time_is_split_where_it_decodes() -> None:
    runner = Slow({"a": 0.0, "b": 0.0})
    found = measure(runner, [10, 20], Plan(("a", "b"), 3, 60.0, decoded=("b",)), silent)
    a, b = found.latencies
    assert a.backbone is None and a.decoder is None and len(latency_rows(a)) == 4
    assert b.backbone is not None and (b.backbone.median, b.backbone.count) == (1e-3, 3)
    assert b.decoder == pytest.approx(3e-3)
    rows = {row[1]: row[2] for row in latency_rows(b)}
    assert rows["engine: backbone"] == "1.00 ms" and rows["engine: decoder"] == "3.00 ms"


def test_a_frame_of_all_tasks_is_measured_where_they_share_the_backbone() -> None:
    runner = Slow({"a": 0.0, "b": 0.0})
    plan = Plan(("a", "b"), 3, 60.0, together=True)
    found = measure(runner, [10, 20], plan, silent, {"a": 1e-3, "a and b": 16e-3})
    assert [one.task for one in found.latencies] == ["a", "b", "a and b"]
    assert runner.ran.count("a+b") == 3 + WARM_UP
    both = found.latencies[2]
    assert {stage: one.median for stage, one in both.stages.items()} == {"pack": 1e-3, "engine": 8e-3, "decode": 4e-3}
    assert both.total.median >= 0.001 and both.ratio == pytest.approx(0.5)
    assert found.switch is not None
    one = measure(runner, [10], Plan(("a",), 1, 60.0, together=True), silent)
    assert [each.task for each in one.latencies] == ["a"]


class Watts:
    """A sensor: 2 W, and 3 W while frames have run lately."""

    def __init__(self, runner: Slow) -> None:
        self.runner, self.seen = runner, 0

    @property
    def value(self) -> float:
        busy, self.seen = len(self.runner.ran) > self.seen, len(self.runner.ran)
        return 3.0 if busy else 2.0


def test_latency_streams_and_switches_are_those_of_the_runner() -> None:
    runner = Slow({"a": 0.002, "b": 0.012}, switch=0.015)
    found = measure(runner, [10, 20], Plan(("a", "b"), 10, 60.0), silent)
    assert found.complete and not found.notes and gc.isenabled()
    assert [(one.task, one.total.count) for one in found.latencies] == [("a", 10), ("b", 10)]
    a, b = found.latencies
    assert {stage: one.median for stage, one in a.stages.items()} == STAGES
    assert 0.002 <= a.total.low <= a.total.median <= a.total.high and a.total.median < b.total.median
    assert found.switch is not None and found.switch.frames == 20
    assert found.switch.seconds == pytest.approx(0.015, abs=0.008)
    assert [one.tasks for one in found.throughput] == [("a",), ("b",), ("a", "b")] == runner.streams
    assert runner.closed == 3
    assert [one.frames for one in found.throughput] == [10, 10, 20]
    assert 10 < found.throughput[0].frames_per_second <= 500
    assert all(one.power is None for one in found.throughput)


def test_warm_up_frames_are_not_counted() -> None:
    runner = Slow({"a": 0.0})
    found = measure(runner, [10], Plan(("a",), 3, 60.0), silent)
    assert found.latencies[0].total.count == 3 and found.switch is None
    assert len(runner.ran) == (3 + WARM_UP) * 2, "alone, and in a stream"


def test_time_that_is_up_ends_a_measurement_with_a_note() -> None:
    runner = Slow({"a": 0.01, "b": 0.01})
    found = measure(runner, [10], Plan(("a", "b"), 1000, 0.05), silent)
    assert found.complete
    assert all(1 <= one.total.count <= 10 for one in found.latencies)
    assert any(note.startswith("latency of a: ") and note.endswith("of 1000 frames in 0.05 s") for note in found.notes)
    assert [one.tasks for one in found.throughput] == [("a",), ("b",), ("a", "b")]


def test_interruption_keeps_what_was_measured() -> None:
    runner = Slow({"a": 0.001, "b": 0.001}, interrupt_after=2 * WARM_UP + 5 + 3)
    found = measure(runner, [10], Plan(("a", "b"), 5, 60.0), silent)
    assert not found.complete and gc.isenabled()
    assert [(one.task, one.total.count) for one in found.latencies] == [("a", 5), ("b", 3)]
    assert found.switch is None and found.throughput == ()
    assert found.notes == ("interrupted: what has been measured so far is shown",)


def test_interrupted_stream_is_closed_and_counted() -> None:
    runner = Slow({"a": 0.001}, interrupt_after=WARM_UP + 5 + WARM_UP + 3)
    found = measure(runner, [10], Plan(("a",), 5, 60.0), silent)
    assert not found.complete and runner.closed == 1
    assert [one.frames for one in found.throughput] == [3]


def test_power_is_read_idle_and_while_frames_stream_for_the_time() -> None:
    runner = Slow({"a": 0.005})
    plan = Plan(("a",), 2, 0.5, {"12V": Watts(runner)}, idle_seconds=0.25)
    (stream,) = measure(runner, [10], plan, silent).throughput
    assert stream.seconds > 0.3 and stream.frames > 10, "by time, not by number"
    power = stream.power
    assert power is not None and power.total is not None
    assert power.total.idle_watts == 2.0 and power.total.above_idle_watts == pytest.approx(1.0, abs=0.3)
    assert power.total.joules_per_frame == pytest.approx(
        power.total.above_idle_watts * power.load_seconds / power.frames
    )
    assert power.frames == pytest.approx(stream.frames, rel=0.5)


def test_ratio_to_the_estimate_is_only_told_of_an_accelerator() -> None:
    samples = {"pack": [1.0], "engine": [0.006, 0.006], "decode": [], "total": [1.0, 1.0]}
    real, simulated = (latency("a", samples, 0.004, real) for real in (True, False))
    assert real.ratio == pytest.approx(1.5) and real.estimate == 0.004
    assert simulated.ratio is None and simulated.estimate == 0.004
    assert set(real.stages) == {"pack", "engine"} and latency("a", samples, None, True).ratio is None


def test_command_shows_power_ratio_and_tier_of_a_board(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = BenchResult(
        "m3vit_zcu104", "1.0", "0" * 16, "AMD ZCU104", 299.97, MEASURED, "timed simulation",
        (latency("depth", {**{stage: [t] for stage, t in STAGES.items()}, "total": [0.008]}, 0.002, True),),
        (Throughput(("depth",), 500, 2.0, POWER), Throughput(("depth", "semseg"), 400, 2.0, None)),
        SwitchCost(0.00012, 0.00003, 40), False, ("interrupted",),
    )  # fmt: skip
    monkeypatch.setattr(api, "bench", lambda *_, **__: found)
    assert main(["bench", "anything"]) == 130
    shown = " ".join(capfd.readouterr().out.split())
    assert shown.startswith(f"m3vit_zcu104 1.0 on the AMD ZCU104: {MEASURED}")
    for text in (
        "timed simulation measured / estimate",
        "depth engine 4.00 ms 4.00 ms 4.00 ms 1 2.00 ms 2.00",
        "depth one frame 8.00 ms",
        "depth 250.00 4.00 ms 500",
        "depth and semseg 200.00 5.00 ms 400",
        "a task switch costs 0.120 ms ± 0.030 ms (standard error), 40 frames",
        "depth 12V, whole board 14.000 W 16.500 W 2.500 W 10 mJ 0.025 W",
        "depth INT 3.500 W 3.510 W 0.010 W below resolution 0.125 W",
    ):
        assert text in shown, text
    assert main(["bench", "anything", "--json"]) == 130
    written = json.loads(capfd.readouterr().out)
    power = written["throughput"][0]["power"]
    assert power["board"]["joules_per_frame"] == 0.01 and power["rails"][1]["joules_per_frame"] is None
    assert written["latency"][0]["engine_to_estimate"] == 2.0 and written["throughput"][1]["power"] is None


def test_page_escapes_names_and_fills_no_bar_beyond_its_frame() -> None:
    samples = {**{stage: [t] for stage, t in STAGES.items()}, "total": [0.006]}  # less than its stages
    odd = latency("<b>&", samples, None, True)
    page = render_page("t", MEASURED, (), (odd,), (Throughput(("<b>&",), 5, 1.0, POWER),), None, "", ("<i>",))
    assert "<b>" not in page and "&lt;b&gt;&amp;" in page and "&lt;i&gt;" in page
    shares = [float(share) for share in re.findall(r'<i class="(?:pack|engine|decode)" style="width: ([0-9.]+)%', page)]
    assert len(shares) == 3 and sum(shares) == pytest.approx(100, abs=0.05)
    assert "below resolution" in page and "12V, whole board" in page


def test_spread_is_median_and_percentiles() -> None:
    found = spread([float(i) for i in range(101)])
    assert (found.low, found.median, found.high, found.count) == (5.0, 50.0, 95.0, 101)
    assert spread([3.0]).low == spread([3.0]).high == 3.0


def test_switch_cost_is_the_mean_difference_of_medians_with_its_error() -> None:
    alone = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]}
    steady = switch_cost(alone, {"a": [1.5, 1.5], "b": [2.1, 2.1]})
    assert steady is not None and steady.error == 0 and steady.frames == 4
    assert steady.seconds == pytest.approx((0.5 + 0.1) / 2)
    # Variance of the median of n values: (1.2533 s)^2 / n; here one of four lists spreads, by s = 1 and n = 4.
    spreading = switch_cost(alone, {"a": [0.0, 1.0, 1.0, 2.0], "b": [2.0, 2.0]})
    assert spreading is not None and spreading.error == pytest.approx(1.2533 * (2 / 3) ** 0.5 / 2 / 2)
    assert switch_cost(alone, {"a": [1.0], "b": []}) is None and switch_cost({"a": [1.0]}, {"a": [1.0]}) is None
