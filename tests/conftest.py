"""What all tests share: compiled designs, and things that several test processes make once.

Compiled libraries are kept by content in the user's cache, or in `EDGEMOE_CACHE`. They are compiled at -Og, which takes
three quarters of the time of -O1; the frames of most tests are so small that they run hardly longer for it.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("EDGEMOE_OPTIMISATION", "g")
# One thread a process: tests run side by side, and threads that wait for each other take the time of those that work.
for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests first, then those with most tests: so no process is left alone with a long one."""
    tests, slow = Counter(item.path for item in items), Counter[Path]()
    for item in items:
        slow[item.path] += item.get_closest_marker("slow") is not None
    items.sort(key=lambda item: (-slow[item.path], -tests[item.path]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests with the marker `pynq` need PYNQ."""
    if item.get_closest_marker("pynq") and find_spec("pynq") is None:
        pytest.skip("PYNQ is not installed: install the extra `pynq`")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder of a name, once for all processes that run these tests. Tests must not change what is in it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def make(name: str, work: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir()
                work(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="module")
def optimised() -> Iterator[None]:
    """Compiles as users do: for tests whose runs take longer than the compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EDGEMOE_OPTIMISATION")
        yield
