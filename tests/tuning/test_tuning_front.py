"""The Pareto front of outcomes, against the definition."""

from __future__ import annotations

import json
import random

import pytest

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.tuning import Figure, Outcome, Point, front_of
from edgemoe_gen.tuning.front import check_objectives, costs, reasons

OBJECTIVES = ("latency", "throughput", "dsp")


def outcome(number: int, latency: float, fps: float, dsp: float, feasible: bool = True) -> Outcome:
    figures = {"latency_ms": latency, "throughput_fps": fps, "dsp": dsp}
    made = {name: Figure(value, "estimate") for name, value in figures.items()}
    return Outcome(Point.of({"tokens_parallel": number}), "estimate", feasible, "" if feasible else "why", "", made)


@pytest.mark.parametrize("seed", range(20))
def test_front_is_what_no_other_outcome_beats(seed: int) -> None:
    rng = random.Random(seed)
    every = [outcome(i, rng.randrange(6), rng.randrange(6), rng.randrange(6), rng.random() < 0.9) for i in range(40)]
    feasible = {o.point.key: costs(o, OBJECTIVES) for o in every if o.feasible}

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

    wanted = {c for c in feasible.values() if c and not any(beats(o, c) for o in feasible.values() if o)}
    front = front_of(every, OBJECTIVES)
    found = [costs(o, OBJECTIVES) for o in front]
    assert set(found) == wanted
    assert len(found) == len(wanted), "of equals only one is on the front"
    rng.shuffle(every)
    assert front_of(every, OBJECTIVES) == front, "the order of finding does not matter"
    assert [o.figures["latency_ms"].value for o in front] == sorted(o.figures["latency_ms"].value for o in front)


def test_infeasible_and_unknown_outcomes_are_not_on_the_front_and_are_counted() -> None:
    every = [outcome(1, 1, 1, 1, feasible=False), outcome(2, 2, 1, 1), Outcome(Point.of({"frames": 1}), "estimate")]
    assert [o.point.as_dict() for o in front_of(every, OBJECTIVES)] == [{"tokens_parallel": 2}]
    assert reasons(every) == {"why": 1}


def test_outcomes_survive_json() -> None:
    made = outcome(3, 1.5, 2.25, 7)
    assert Outcome.from_dict(json.loads(json.dumps(made.as_dict()))) == made


def test_unknown_objectives_get_one_sentence() -> None:
    with pytest.raises(KnobError, match="there is no objective 'speed'"):
        check_objectives(("speed",))
    assert check_objectives(("dsp", "error", "dsp")) == ("dsp", "error")
