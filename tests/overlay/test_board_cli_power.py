"""Power: PYNQ's own rails over files as the kernel has them, and the arithmetic on recorded curves."""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.measuring.power import (
    Readings,
    Recorder,
    compare,
    find_sensors,
    mean_over_time,
    power_sensor,
    smallest_step,
)


def readings(start: float, watts: dict[str, list[float]]) -> Readings:
    count = len(next(iter(watts.values())))
    return Readings(tuple(start + i for i in range(count)), {name: tuple(v) for name, v in watts.items()})


def test_energy_is_power_above_idle_over_the_frames_of_that_time() -> None:
    idle = readings(0, {"INT": [3.5, 3.5, 3.625, 3.5, 3.5], "12V": [14.0, 14.025, 14.0, 14.025, 14.0]})
    load = readings(9, {"INT": [5.5, 5.5, 5.5, 5.5, 5.5], "12V": [16.0, 16.0, 16.025, 16.0, 16.0]})
    power = compare(idle, load, frames=40)
    assert power is not None and power.load_seconds == 4
    assert [rail.name for rail in power.rails] == ["12V", "INT"], "the rail of the whole board comes first"
    total, core = power.rails
    assert power.total is total and total.step_watts == 0.025 and core.step_watts == 0.125
    assert core.idle_watts == 3.53125 and core.load_watts == 5.5
    assert core.joules_per_frame == pytest.approx((5.5 - 3.53125) * 4 / 40)
    assert total.joules_per_frame == pytest.approx(total.above_idle_watts / 10)


def test_a_difference_below_the_resolution_is_no_energy() -> None:
    power = compare(readings(0, {"INT": [3.5] * 4}), readings(9, {"INT": [3.5, 3.5, 3.5, 3.625]}), frames=10)
    assert power is not None and power.rails[0].joules_per_frame is None
    assert 0 < power.rails[0].above_idle_watts < power.rails[0].step_watts == 0.125
    less = compare(readings(0, {"INT": [4.0] * 4}), readings(9, {"INT": [3.5] * 4}), frames=10)
    assert less is not None and less.rails[0].joules_per_frame is None and less.rails[0].above_idle_watts == -0.5


def test_a_rail_that_never_answers_has_no_figure() -> None:
    dead = {"FMC": [0.0, 0.0], "MGT": [float("nan"), 1.0]}
    assert compare(readings(0, dead), readings(5, dead), frames=3) is None
    power = compare(readings(0, {**dead, "INT": [1.0, 1.0]}), readings(5, {**dead, "INT": [2.0, 2.0]}), frames=3)
    assert power is not None and [rail.name for rail in power.rails] == ["INT"] and power.total is None


def test_no_readings_or_no_frames_are_no_power() -> None:
    some, none = readings(0, {"INT": [1.0, 2.0]}), Readings((), {"INT": ()})
    assert compare(none, some, 3) is None and compare(some, none, 3) is None and compare(some, some, 0) is None
    assert compare(some, readings(0, {"INT": [1.0]}), 3) is None, "one reading spans no time"


def test_mean_weighs_readings_by_their_time() -> None:
    assert mean_over_time([0, 1, 4], [1, 1, 3]) == (1 + 6) / 4
    assert mean_over_time([7], [5]) == 5


def test_resolution_is_the_smallest_step_and_at_most_an_eighth_of_a_watt() -> None:
    assert smallest_step([3.5, 3.75, 3.5625]) == 0.0625
    assert smallest_step([3.5, 3.5, 3.5 + 1e-9]) == 0.125
    assert smallest_step([3.5, 5.5]) == 0.125, "a large step says nothing of the resolution"


class Rising:
    """A sensor that rises by a watt a reading, and fails after `last`."""

    def __init__(self, last: int = 10**9) -> None:
        self.reads, self.last = 0, last

    @property
    def value(self) -> float:
        self.reads += 1
        if self.reads > self.last:
            raise OSError(5, "Input/output error")
        return float(self.reads)


def test_recorder_reads_while_the_block_runs_and_not_after() -> None:
    sensor = Rising()
    with Recorder({"INT": sensor}, interval=0.005) as recorder:
        time.sleep(0.1)
    reads = sensor.reads
    found = recorder.readings()
    assert reads >= 3 and found.watts["INT"] == tuple(float(i + 1) for i in range(reads))
    assert list(found.times) == sorted(found.times) and len(found.times) == reads
    time.sleep(0.03)
    assert sensor.reads == reads and not recorder.failure


def test_a_regulator_that_stops_answering_ends_the_readings_only() -> None:
    with Recorder({"INT": Rising(last=2)}, interval=0.001) as recorder:
        time.sleep(0.05)
    assert recorder.readings().watts["INT"] == (1.0, 2.0)
    assert recorder.failure == "a power rail can't be read: OSError: [Errno 5] Input/output error"


def test_without_pynq_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    sensors, why = find_sensors()
    assert not sensors and why.startswith("no power: pynq can't be imported")


def test_a_board_whose_sensors_fail_has_no_power_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("bus error")

    monkeypatch.setitem(sys.modules, "pynq", types.SimpleNamespace(get_rails=broken))
    assert find_sensors() == ({}, "no power: PYNQ could not read the rails: RuntimeError: bus error")


@pytest.mark.pynq
def test_pynq_without_libsensors_has_no_rails(monkeypatch: pytest.MonkeyPatch) -> None:
    from pynq import pmbus

    monkeypatch.setattr(pmbus, "_lib", None)
    assert find_sensors() == ({}, "no power: this board shows no power rail (Could not initialise libsensors library)")


@pytest.mark.pynq
def test_rails_of_pynq_are_read_and_power_is_made_of_voltage_and_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pynq
    from pynq.pmbus import Rail, SysFSSensor

    def sensor(name: str, content: str, unit: str, scale: float) -> Any:
        (tmp_path / name).write_text(content)
        return SysFSSensor(str(tmp_path / name), unit, name, scale)

    # hwmon: volts and amperes in thousandths, watts in millionths.
    whole, core, empty = Rail("12V"), Rail("INT"), Rail("PSMGT")
    whole.power = sensor("power1_input", "14050000\n", "W", 1e-6)
    core.voltage, core.current = sensor("in2_input", "850\n", "V", 1e-3), sensor("curr2_input", "4000\n", "A", 1e-3)
    empty.voltage = sensor("in5_input", "898\n", "V", 1e-3)
    monkeypatch.setattr(pynq, "get_rails", lambda: {rail.name: rail for rail in (whole, core, empty)})
    sensors, why = find_sensors()
    assert list(sensors) == ["12V", "INT"] and not why and power_sensor(empty) is None
    with Recorder(sensors, interval=0.005) as idle:
        time.sleep(0.05)
    (tmp_path / "power1_input").write_text("16050000\n")
    (tmp_path / "curr2_input").write_text("6000\n")
    with Recorder(sensors, interval=0.005) as load:
        time.sleep(0.05)
    power = compare(idle.readings(), load.readings(), frames=5)
    assert power is not None and power.total is not None
    assert [rail.above_idle_watts for rail in power.rails] == pytest.approx([2.0, 1.7])
    assert power.total.joules_per_frame == pytest.approx(2.0 * power.load_seconds / 5)
