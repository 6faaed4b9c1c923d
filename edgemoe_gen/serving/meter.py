"""Speed and power for the page: frames a second over the last seconds, and watts of the board's rails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from edgemoe_gen.measuring.power import TOTAL_RAILS, find_sensors

WINDOW_SECONDS = 4.0
FEWEST = 8  # frames that the rate of a slow engine is taken from, however long they took
POWER_SECONDS = 1.0


class Rate:
    """Events a second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, now: float) -> float:
        """One more event at `now`, in seconds; returns the rate, 0 of a single event."""
        self._times.append(now)
        while len(self._times) > FEWEST and self._times[0] < now - WINDOW_SECONDS:
            self._times.popleft()
        span = now - self._times[0]
        return (len(self._times) - 1) / span if span > 0 else 0.0

    def clear(self) -> None:
        """Begins again."""
        self._times.clear()


class PowerMeter:
    """Reads the board's power once a second: the rail of the whole board, else the sum of all rails.

    Attributes:
        label: the measured rail, or the reason why there is none.
    """

    def __init__(self, find: Callable[[], tuple[Mapping[str, Any], str]] = find_sensors) -> None:
        sensors, self.label = find()
        total = {name: sensor for name, sensor in sensors.items() if name in TOTAL_RAILS}
        self._sensors = list((total or sensors).values())
        if total:
            self.label = f"rail {next(iter(total))}"
        elif self._sensors:
            self.label = f"sum of {len(self._sensors)} rails"
        self._watts: float | None = None
        self._next = 0.0

    def watts(self) -> float | None:
        """The last reading; None where there is none."""
        now = time.monotonic()
        if self._sensors and now >= self._next:
            self._next = now + POWER_SECONDS
            try:
                self._watts = sum(float(sensor.value) for sensor in self._sensors)
            except Exception as error:  # a regulator that does not answer must not end the stream
                self._sensors, self._watts = [], None
                self.label = f"no power: a rail can't be read: {type(error).__name__}: {error}"
        return self._watts
