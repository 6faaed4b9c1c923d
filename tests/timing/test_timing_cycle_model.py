"""The timed runtime agrees with a plain cycle-stepped model on random process networks, to the cycle."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.timing.cycle_model import step_network
from tests.timing.networks import Constants, Region, run_network
from tests.timing.random_networks import networks


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_networks_end_in_the_same_cycles(network: tuple[Region, Constants]) -> None:
    stepped, run = step_network(*network), run_network(*network)
    assert run.ends == stepped.ends
    assert run.highest == stepped.highest
    assert (run.deadlock, run.cycles) == (stepped.deadlock, stepped.cycles)
