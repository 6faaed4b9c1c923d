"""Power and energy of frames, from the rails that PYNQ finds: the board's power under load less its idle power.

PYNQ's own `DataRecorder` needs pandas; this reads the same sensors and needs nothing. A board without rails has no
figure, never a made-up one.
"""

from __future__ import annotations

import importlib
import math
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

# The regulators of the ZCU104 tell most rails to 1/8 W (PYNQ's notebook on PMBus): what is assumed of a rail whose
# readings hardly change.
USUAL_STEP_WATTS = 0.125
# Rails that feed a whole board, by the labels of PYNQ's sensor configurations: the others are fed from it, so that a
# sum would count them twice.
TOTAL_RAILS = ("12V",)
INTERVAL_SECONDS = 0.1  # PMBus is slow: reading ten rails takes some milliseconds


@dataclass(frozen=True)
class Readings:
    """Readings of all rails: `times` in seconds, and `watts` of a rail at each of them."""

    times: tuple[float, ...]
    watts: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class RailPower:
    """One rail.

    Attributes:
        name: PYNQ's name.
        total: whether it feeds the whole board.
        idle_watts, load_watts: means over time with the overlay loaded, and its engine waiting or running.
        step_watts: resolution: the smallest step between readings, at most 1/8 W.
        joules_per_frame: energy above idle; None if the difference is less than the resolution.
    """

    name: str
    total: bool
    idle_watts: float
    load_watts: float
    step_watts: float
    joules_per_frame: float | None

    @property
    def above_idle_watts(self) -> float:
        """Load less idle; may be below 0 by noise."""
        return self.load_watts - self.idle_watts


@dataclass(frozen=True)
class Power:
    """Power of a board while frames stream.

    Attributes:
        rails: the rail of the whole board first, where there is one.
        frames, load_seconds: frames that ran while the load was read, and the time of this.
        idle_readings, load_readings: number of readings of each rail.
    """

    rails: tuple[RailPower, ...]
    frames: int
    load_seconds: float
    idle_readings: int
    load_readings: int

    @property
    def total(self) -> RailPower | None:
        """The rail that feeds the whole board, if it can be read."""
        return next((rail for rail in self.rails if rail.total), None)


def find_sensors() -> tuple[dict[str, Any], str]:
    """Power sensors of the board by rail, and the reason if there are none."""
    try:
        pynq = importlib.import_module("pynq")
    except ImportError as error:
        return {}, f"no power: pynq can't be imported: {error}"
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            rails = pynq.get_rails()
    except Exception as error:  # whatever libsensors or sysfs make of a strange board
        return {}, f"no power: PYNQ could not read the rails: {type(error).__name__}: {error}"
    found = {name: sensor for name, rail in rails.items() if (sensor := power_sensor(rail)) is not None}
    if found:
        return found, ""
    why = "; ".join(str(warning.message) for warning in said) or "its image has no sensors that PYNQ knows"
    return {}, f"no power: this board shows no power rail ({why})"


def power_sensor(rail: Any) -> Any:
    """A rail's sensor of power, made of voltage and current where it has only these, or None."""
    if rail.power is not None:
        return rail.power
    if rail.voltage is None or rail.current is None:
        return None
    return importlib.import_module("pynq.pmbus").DerivedPowerSensor(f"{rail.name}_power", rail.voltage, rail.current)


class Recorder:
    """Reads sensors in a thread while a `with` block runs.

    Args:
        sensors: by rail; PYNQ's objects, whose `value` is in watts.
        interval: seconds between readings.
    """

    def __init__(self, sensors: Mapping[str, Any], interval: float = INTERVAL_SECONDS) -> None:
        self._sensors, self._interval = dict(sensors), interval
        self._rows: list[tuple[float, tuple[float, ...]]] = []
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure = ""

    def __enter__(self) -> Recorder:
        self._thread = threading.Thread(target=self._read, name="power", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def readings(self) -> Readings:
        """What was read."""
        rows = list(self._rows)
        columns = {name: tuple(row[1][i] for row in rows) for i, name in enumerate(self._sensors)}
        return Readings(tuple(row[0] for row in rows), columns)

    def _read(self) -> None:
        try:
            while True:
                start = time.perf_counter()
                values = tuple(float(sensor.value) for sensor in self._sensors.values())
                self._rows.append(((start + time.perf_counter()) / 2, values))
                if self._done.wait(self._interval):
                    return
        except Exception as error:  # a regulator that does not answer ends the measurement of power, not the frames
            self.failure = f"a power rail can't be read: {type(error).__name__}: {error}"


def compare(idle: Readings, load: Readings, frames: int) -> Power | None:
    """Power above idle and energy a frame, or None without readings of both.

    Args:
        idle: readings with the overlay loaded and the engine waiting.
        load: readings while frames run.
        frames: that ran between the first and the last reading of `load`.
    """
    seconds = load.times[-1] - load.times[0] if load.times else 0.0
    if not idle.times or frames < 1 or seconds <= 0:
        return None
    rails = [rail for name in idle.watts if (rail := _rail(name, idle, load, seconds / frames)) is not None]
    if not rails:
        return None
    rails.sort(key=lambda rail: not rail.total)
    return Power(tuple(rails), frames, seconds, len(idle.times), len(load.times))


def _rail(name: str, idle: Readings, load: Readings, seconds_per_frame: float) -> RailPower | None:
    before, during = idle.watts[name], load.watts[name]
    every = (*before, *during)
    # A sensor that does not answer reads 0 in PYNQ: nothing is known of a rail that is 0 all the time.
    if not all(map(math.isfinite, every)) or not any(every):
        return None
    step = smallest_step(every)
    idle_watts, load_watts = mean_over_time(idle.times, before), mean_over_time(load.times, during)
    above = load_watts - idle_watts
    energy = above * seconds_per_frame if above >= step else None
    return RailPower(name, name in TOTAL_RAILS, idle_watts, load_watts, step, energy)


def mean_over_time(times: Sequence[float], values: Sequence[float]) -> float:
    """Mean of a curve through readings at uneven times (trapezoids); of one reading, that reading."""
    if len(values) < 2:
        return float(values[0])
    t, v = np.asarray(times, np.float64), np.asarray(values, np.float64)
    return float(((v[1:] + v[:-1]) / 2 * np.diff(t)).sum() / (t[-1] - t[0]))


def smallest_step(values: Sequence[float]) -> float:
    """The smallest difference between readings in watts, to the microwatt, and 1/8 W if that is more or nothing."""
    levels = np.unique(np.round(np.asarray(values, np.float64) * 1e6).astype(np.int64))
    return min(float(np.diff(levels).min()) / 1e6, USUAL_STEP_WATTS) if levels.size > 1 else USUAL_STEP_WATTS
