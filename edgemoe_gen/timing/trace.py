"""A timed run as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing.

The Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. One track of
layers, one a process; a slice is one process during one operation, with its cycles by state as arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgemoe_gen.timing.explain import group_of, label_of
from edgemoe_gen.timing.result import TIER, Process, TimedResult

_LAYERS, _PROCESSES = 1, 2  # groups of tracks


def trace_document(result: TimedResult, labels: Sequence[str], clock_mhz: float, title: str) -> dict[str, Any]:
    """The trace as a JSON document; times in microseconds at the clock.

    Args:
        result: of a run with records.
        labels: name of the layer of each operation.
        clock_mhz: clock.
        title: of the run.
    """
    events = [
        _name("process_name", _LAYERS, 0, f"{title}: layers"),
        _order("process_sort_index", _LAYERS, 0, 0),
        _name("thread_name", _LAYERS, 1, "layer"),
        _name("process_name", _PROCESSES, 0, f"{title}: processes"),
        _order("process_sort_index", _PROCESSES, 0, 1),
    ]
    for op in result.operations:
        arguments = {"operation": op.index, "cycles": op.cycles, "first cycle": op.start}
        events.append(_slice(op.label, group_of(op.label), _LAYERS, 1, op.start, op.end, clock_mhz, arguments))
    for track, process in enumerate(result.processes, start=1):
        events.append(_name("thread_name", _PROCESSES, track, f"{process.region} / {process.title}"))
        events.append(_order("thread_sort_index", _PROCESSES, track, track))
        events.extend(_process_slices(process, track, labels, clock_mhz))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"tier": TIER, "clock_mhz": clock_mhz, "cycles": result.cycles},
    }


def _process_slices(process: Process, track: int, labels: Sequence[str], clock_mhz: float) -> Iterator[dict[str, Any]]:
    for record in process.records:
        if record.cycles <= 0:
            continue
        name = label_of(labels, record.operation) if record.operation >= 0 else "before the first operation"
        states = {"busy": record.busy, "starved": record.starved, "blocked": record.blocked, "DDR": record.ddr}
        arguments = {"operation": record.operation, "cycles": record.cycles, **states}
        kind = max(states, key=lambda state: states[state])
        yield _slice(name, kind, _PROCESSES, track, record.start, record.end, clock_mhz, arguments)


def _slice(
    name: str, category: str, group: int, track: int, start: int, end: int, clock_mhz: float, arguments: dict[str, int]
) -> dict[str, Any]:
    # Whole nanoseconds, and one left between neighbours: Perfetto cuts the rest off, and drops a slice that overlaps.
    first, last = (round(1e3 * cycle / clock_mhz) for cycle in (start, end))
    return {
        "name": name, "cat": category, "ph": "X", "pid": group, "tid": track, "ts": first / 1e3,
        "dur": max(last - first - 1, 0) / 1e3, "args": arguments,
    }  # fmt: skip


def _name(kind: str, group: int, track: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": group, "tid": track, "args": {"name": name}}


def _order(kind: str, group: int, track: int, place: int) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": group, "tid": track, "args": {"sort_index": place}}
