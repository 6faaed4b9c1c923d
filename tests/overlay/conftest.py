"""What most tests of overlays start from: a small build, its package, and a board whose chip holds its engine.

A module whose build is another overrides `build`, and `overlay` where that is packaged otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.overlay.small_builds import SmallBuild, small_build


@pytest.fixture(scope="module")
def build() -> SmallBuild:
    return small_build()


@pytest.fixture(scope="module")
def overlay(build: SmallBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder. Tests must not change it."""
    return build.package(tmp_path_factory.mktemp("overlay")).folder


@pytest.fixture
def board(build: SmallBuild) -> Iterator[Any]:
    """A simulated board in the place of PYNQ's device. A test must leave none of its memory in use."""
    from tests.overlay.simulated_board import SimulatedDevice  # imports PYNQ, which not every machine has

    with SimulatedDevice(build.engine) as device:
        yield device
        assert not device.allocated, "buffers were not given back"
