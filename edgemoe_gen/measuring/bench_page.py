"""The page of a measurement: one self-contained HTML file with a bar by stage, tables, and the tier of every figure.

Every number is formatted here, so that the template holds no arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.measuring.bench import Latency, SwitchCost, Throughput, joined
from edgemoe_gen.report.numbers import count, duration, plain

TEMPLATE = "bench.html.j2"


def render_page(
    title: str,
    tier: str,
    facts: Sequence[tuple[str, str]],
    latencies: Sequence[Latency],
    throughput: Sequence[Throughput],
    switch: SwitchCost | None,
    estimate_tier: str,
    notes: Sequence[str],
) -> str:
    """The page's text.

    Args:
        title: what was measured.
        tier: what its times are.
        facts: of the overlay, name and value.
        latencies, throughput, switch: what was measured.
        estimate_tier: how the estimates were found.
        notes: what a reader should know.
    """
    return (
        templates_of(Path(__file__).parent, html=True)
        .get_template(TEMPLATE)
        .render(
            title=title,
            tier=tier,
            facts=facts,
            bars=_bars(latencies),
            latencies=[row for one in latencies for row in latency_rows(one)],
            estimate=estimate_tier or "estimate",
            streams=stream_rows(throughput),
            switch=switch_text(switch),
            power=power_rows(throughput),
            notes=notes,
        )
    )


def latency_rows(one: Latency) -> list[list[str]]:
    """Rows of a task: stage, median, 5th and 95th percentile, frames, estimate, ratio."""
    rows = []
    for stage, values in (*one.stages.items(), ("one frame", one.total)):
        engine = stage == "engine"
        times = [duration(value) for value in (values.median, values.low, values.high)]
        foretold = duration(one.estimate) if engine and one.estimate else ""
        ratio = f"{one.ratio:.2f}" if engine and one.ratio else ""
        rows.append([one.task, stage, *times, count(values.count), foretold, ratio])
        if engine and one.backbone is not None and one.decoder is not None:
            own = one.backbone
            times = [duration(value) for value in (own.median, own.low, own.high)]
            rows.append([one.task, "engine: backbone", *times, count(own.count), "", ""])
            rows.append([one.task, "engine: decoder", duration(max(one.decoder, 0.0)), "", "", "", "", ""])
    return rows


def stream_rows(throughput: Sequence[Throughput]) -> list[list[str]]:
    """Rows of streams: tasks, frames a second, time a frame, frames."""
    return [
        [
            joined(one.tasks),
            f"{one.frames_per_second:,.2f}",
            duration(1 / one.frames_per_second),
            count(one.frames),
        ]
        for one in throughput
    ]


def switch_text(cost: SwitchCost | None) -> str:
    """The cost of a task switch in a sentence, or ""."""
    if cost is None:
        return ""
    error = f" ± {duration(cost.error)} (standard error)" if math.isfinite(cost.error) else ""
    return f"a task switch costs {duration(cost.seconds)}{error}, {count(cost.frames)} frames"


def power_rows(throughput: Sequence[Throughput]) -> list[list[str]]:
    """Rows of power: tasks, rail, idle, load, above idle, energy a frame, resolution."""
    return [
        [
            joined(one.tasks),
            f"{rail.name}, whole board" if rail.total else rail.name,
            f"{rail.idle_watts:.3f} W",
            f"{rail.load_watts:.3f} W",
            f"{rail.above_idle_watts:.3f} W",
            f"{plain(1e3 * rail.joules_per_frame)} mJ" if rail.joules_per_frame is not None else "below resolution",
            f"{rail.step_watts:g} W",
        ]
        for one in throughput
        if one.power is not None
        for rail in one.power.rails
    ]


def _bars(latencies: Sequence[Latency]) -> list[dict[str, Any]]:
    """A bar a task, as long as its median frame; what no stage accounts for stays empty."""
    longest = max((_length(one) for one in latencies), default=0.0)
    return [
        {
            "task": one.task,
            "total": duration(one.total.median),
            "width": f"{100 * _length(one) / longest:.2f}",
            "parts": [
                {"stage": stage, "share": f"{100 * values.median / _length(one):.2f}", "time": duration(values.median)}
                for stage, values in one.stages.items()
            ],
        }
        for one in latencies
    ]


def _length(one: Latency) -> float:
    """Medians of stages may add up to more than the median of frames."""
    return max(one.total.median, sum(values.median for values in one.stages.values()))
