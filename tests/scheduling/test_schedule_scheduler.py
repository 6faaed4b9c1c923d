"""The scheduler by hand: chains within cycles, latencies, and what iterations wait for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.scheduling.components import Link
from edgemoe_gen.scheduling.delays import Cost
from edgemoe_gen.scheduling.periods import Loop
from edgemoe_gen.scheduling.problem import Problem
from edgemoe_gen.scheduling.scheduler import Times, solve


def chain(*costs: Cost) -> Problem:
    """Operations of which each waits for the one before."""
    problem = Problem()
    for i, cost in enumerate(costs):
        problem.add(f"o{i}", cost, [i - 1] if i else [])
    return problem


def scheduled(problem: Problem, period: float, ii: int = 1) -> Times:
    times = Loop(problem).schedule(ii, period)
    assert isinstance(times, Times)
    return times


def test_operations_share_a_cycle_while_they_fit() -> None:
    times = scheduled(chain(Cost(1.0), Cost(1.0), Cost(1.0)), period=2.5)
    assert list(times.cycles) == [0, 0, 1]
    assert list(times.ns) == [1.0, 2.0, 1.0]


def test_latency_is_counted_from_the_cycle_of_the_start() -> None:
    times = scheduled(chain(Cost(2.0), Cost(1.0, latency=2, after_ns=0.5), Cost(1.0)), period=2.5)
    assert list(times.starts) == [0, 1, 3]
    assert times.ns[2] == 1.5


def test_what_needs_a_cycle_alone_gets_one() -> None:
    times = scheduled(chain(Cost(0.5), Cost(0.0, alone=True), Cost(0.5)), period=2.5)
    assert list(times.starts) == [0, 1, 2]


def test_a_recurrence_of_one_register_is_its_chain() -> None:
    problem = chain(Cost(0.0), Cost(1.0), Cost(0.8), Cost(0.4))
    problem.links.append(Link(3, 0, 1, 1))
    limit = Loop(problem).limit(1)
    assert limit.ns == pytest.approx(2.2, abs=0.002)
    assert limit.recurrence is not None
    assert set(limit.recurrence.operations) == {0, 1, 2, 3}


def test_two_iterations_have_twice_the_time() -> None:
    problem = chain(Cost(0.0), Cost(1.0), Cost(1.0), Cost(1.0), Cost(1.0))
    problem.links.append(Link(4, 0, 1, 2))
    assert Loop(problem).limit(1).ns == pytest.approx(2.0, abs=0.002)


def test_operations_are_not_cut_in_two() -> None:
    problem = chain(Cost(0.0), Cost(1.0), Cost(1.0), Cost(1.0))
    problem.links.append(Link(3, 0, 1, 2))
    assert Loop(problem).limit(1).ns == pytest.approx(2.0, abs=0.002)  # 3.0 ns over two cycles, but in whole operations


def test_latencies_force_an_interval() -> None:
    problem = chain(Cost(0.5, latency=2, after_ns=0.5), Cost(0.5))
    problem.links.append(Link(1, 0, 1, 1))
    forced, reason = Loop(problem).forced(1)
    assert forced == 3
    assert reason is not None
    assert set(reason.operations) == {0, 1}


def test_an_interval_of_two_holds_what_one_does_not() -> None:
    problem = chain(Cost(0.0), Cost(2.0), Cost(2.0))
    problem.links.append(Link(2, 0, 1, 1))
    assert Loop(problem).interval(1, period=2.5) == 2


def test_what_comes_late_from_outside_delays_no_interval() -> None:
    # The recurrence takes one cycle wherever it lies; what it waits for once is there after three.
    problem = Problem()
    problem.add("late", Cost(0.5, latency=3, after_ns=2.0), [])
    problem.add("carried", Cost(0.0), [])
    problem.add("add", Cost(1.0), [0, 1])
    problem.add("register", Cost(0.4), [2])
    problem.links.append(Link(3, 1, 1, 1))
    times = scheduled(problem, period=2.5)
    assert times.cycles[3] == 4
    assert Loop(problem).limit(1).ns == pytest.approx(1.4, abs=0.002)


def test_accesses_in_order_take_a_cycle_each() -> None:
    problem = Problem()
    problem.add("first", Cost(1.0), [])
    problem.add("second", Cost(1.0), [])
    problem.links += [Link(0, 1, 1, 0), Link(1, 0, 1, 1, from_start=True)]
    times = scheduled(problem, period=2.5, ii=2)
    assert list(times.starts) == [0, 1]
    assert Loop(problem).forced(1)[0] == 2


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A few operations, each waiting for some before it, with links over one to three iterations."""
    problem = Problem()
    count = draw(st.integers(2, 7))
    for number in range(count):
        tenths, latency = draw(st.integers(0, 20)), draw(st.sampled_from((0, 0, 0, 1, 2)))
        cost = Cost(tenths / 10, latency, 0.5 if latency else 0.0)
        waits = draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)) if number else []
        problem.add(f"o{number}", cost, waits)
    for _ in range(draw(st.integers(1, 3))):
        earlier, later = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        problem.links.append(
            Link(earlier, later, draw(st.integers(0, 1)), draw(st.integers(1, 3)), draw(st.booleans()))
        )
    return problem


def slip(problem: Problem, ii: int, period: float, iterations: int) -> int:
    """Cycles by which iterations run late, when each is played one after another as soon as it can."""
    starts: list[list[int]] = []
    ends: list[list[int]] = []
    for k in range(iterations):
        cycles, ns, begun = [0] * len(problem.costs), [0.0] * len(problem.costs), [0] * len(problem.costs)
        for number, cost in enumerate(problem.costs):
            cycle, at = k * ii, 0.0
            for link in problem.links:
                if link.later == number and k >= link.distance:
                    before = (starts if link.from_start else ends)[k - link.distance][link.earlier]
                    cycle = max(cycle, before + link.gap)
            for other in problem.waits[number]:
                if (cycles[other], ns[other]) > (cycle, at):
                    cycle, at = cycles[other], ns[other]
            if at + cost.ns > period + 1e-9:
                cycle, at = cycle + 1, 0.0
            begun[number] = cycle
            cycles[number], ns[number] = (cycle + cost.latency, 0.5) if cost.latency else (cycle, at + cost.ns)
        starts.append(begun)
        ends.append(cycles)
    return max(cycle - (iterations - 1) * ii for cycle in ends[-1])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems(), st.integers(1, 3), st.integers(20, 60))
def test_an_interval_is_held_where_iterations_played_one_by_one_do_not_fall_behind(
    problem: Problem, ii: int, tenths: int
) -> None:
    period = tenths / 10
    found = solve(problem, range(len(problem.costs)), problem.links, ii, period)
    # Seven operations and three links can't fall behind by less than a cycle in this many iterations.
    falls_behind = slip(problem, ii, period, 200) > slip(problem, ii, period, 100)
    assert isinstance(found, Times) != falls_behind
    if isinstance(found, Times):
        assert max(found.cycles) == slip(problem, ii, period, 200)
