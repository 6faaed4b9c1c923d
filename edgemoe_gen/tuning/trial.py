"""Points of a search, and their outcomes, in which every figure names its tier. JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = int | float

RULES, ESTIMATE, TIMED, CSIM = "rules", "estimate", "timed simulation", "C simulation"
SYNTHESIS = "vendor synthesis"
TIERS = (RULES, ESTIMATE, TIMED, CSIM, SYNTHESIS)  # in the order in which a point climbs


@dataclass(frozen=True)
class Point:
    """One choice of every dimension of a space, by name, in the space's order."""

    values: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Point:
        """A point from values by name."""
        return cls(tuple(values.items()))

    def as_dict(self) -> dict[str, Value]:
        """Values by name."""
        return dict(self.values)

    @property
    def key(self) -> str:
        """A text that only equal points share, whatever the order of their names."""
        return json.dumps(dict(sorted(self.values)), separators=(",", ":"))

    def __str__(self) -> str:
        return " ".join(f"{name}={value:g}" for name, value in self.values)


@dataclass(frozen=True)
class Figure:
    """A number and its tier."""

    value: float
    tier: str


@dataclass(frozen=True)
class Outcome:
    """Outcome of a point.

    Attributes:
        point: the choices.
        tier: highest tier that it has reached.
        feasible: whether it keeps all rules and limits.
        reason: reason if not, in a few words that many points share; `detail` is the sentence.
        figures: figures by name, see `front.OBJECTIVES`.
        knobs: all knobs of its design; {} where no design came about.
        seconds: wall time of all tiers.
    """

    point: Point
    tier: str
    feasible: bool = True
    reason: str = ""
    detail: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    knobs: Mapping[str, Value] = field(default_factory=dict)
    seconds: float = 0.0

    def value(self, name: str) -> float | None:
        """A figure's value, None where it is not known."""
        figure = self.figures.get(name)
        return None if figure is None else figure.value

    @property
    def frames(self) -> int:
        """Frames of the run whose latency this is."""
        return int(self.point.as_dict().get("frames", self.knobs.get("frames_per_pass", 1)))

    @property
    def latency_words(self) -> str:
        """Meaning of its latency, in words."""
        return "a frame" if self.frames == 1 else f"for {self.frames} frames"

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "point": self.point.as_dict(),
            "tier": self.tier,
            "feasible": self.feasible,
            "reason": self.reason,
            "detail": self.detail,
            "figures": {name: {"value": f.value, "tier": f.tier} for name, f in self.figures.items()},
            "knobs": dict(self.knobs),
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """From the JSON that `as_dict` gives."""
        return cls(
            Point.of(data["point"]),
            data["tier"],
            data["feasible"],
            data["reason"],
            data["detail"],
            {name: Figure(f["value"], f["tier"]) for name, f in data["figures"].items()},
            dict(data["knobs"]),
            data["seconds"],
        )


def reached(tier: str, wanted: str) -> bool:
    """Whether a tier is `wanted` or above."""
    return TIERS.index(tier) >= TIERS.index(wanted)


def timed_task(tasks: Sequence[str]) -> str:
    """The task whose frames are timed, as a sentence, if a network has several tasks; "" if it has one."""
    return f"times are of a frame of {tasks[0]} alone" if len(tasks) > 1 else ""
