"""Searches on workers: the front of one process, a worker that is killed loses nothing, and nobody else gets in."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.tuning import Dimension, Space
from edgemoe_gen.tuning.runner import Call, LocalRunner, Runner, _check_versions, open_runner, sources
from edgemoe_gen.tuning.search import run_search
from edgemoe_gen.tuning.state import Plan
from edgemoe_gen.tuning.sweep import run_sweep, to_csv
from edgemoe_gen.tuning.trial import ESTIMATE
from tests.tuning.small_searches import OBJECTIVES, SPACE, small_evaluator


@dataclass
class Squares:
    """Work that takes a while and leaves a trace of who did it."""

    folder: Path
    pause: float = 0.0

    def square(self, number: int) -> int:
        (self.folder / f"{number}.{os.getpid()}").touch()
        time.sleep(self.pause)
        return number * number

    def refuse(self, number: int) -> int:
        raise ConfigError(f"{number} is refused", "take another")

    def fail_oddly(self) -> None:
        raise ValueError(lambda: None)  # which no pickle takes

    def leave(self) -> None:
        os._exit(9)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with open_runner(Squares(tmp_path_factory.mktemp("first")), jobs=2) as runner:
        yield runner


def test_local_runner_gives_every_result_once_in_threads_too(tmp_path: Path) -> None:
    runner = LocalRunner(Squares(tmp_path), threads=3)
    for heavy in (False, True):
        found = dict(runner.results([Call("square", (n,), heavy) for n in range(9)]))
        assert found == {n: n * n for n in range(9)}


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("edgemoe_gen.tuning.runner.CONNECT_SECONDS", 1)
    refused = pytest.raises(ConfigError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9")
    with refused, open_runner(None, scheduler="tcp://127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_a_scheduler_without_workers_is_waited_for_and_later_ones_count(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    said: list[str] = []
    with distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster:

        def a_queue_moves(what: str, *_: int) -> None:
            said.append(what)
            cluster.scale(1)

        address = cluster.scheduler_address
        with open_runner(Squares(tmp_path), scheduler=address, progress=a_queue_moves) as runner:
            assert said == [f"waiting for the first worker of {address}"]
            assert runner.width == 1
            cluster.scale(2)
            cluster.wait_for_workers(2)
            assert runner.width == 2
            assert dict(runner.results([Call("square", (n,)) for n in range(4)])) == {n: n * n for n in range(4)}


@pytest.mark.slow
def test_workers_take_the_subject_once_and_hand_errors_back(workers: Runner, tmp_path: Path) -> None:
    workers.replace(Squares(tmp_path))
    assert dict(workers.results([Call("square", (n,)) for n in range(20)])) == {n: n * n for n in range(20)}
    assert len({path.suffix for path in tmp_path.iterdir()}) == 2, "both workers had a part"
    with pytest.raises(ConfigError, match="3 is refused"):
        list(workers.results([Call("refuse", (3,))]))


def hears_interrupts() -> bool:
    """Whether this process would be ended by a Ctrl-C."""
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.slow
def test_a_ctrl_c_reaches_this_process_and_no_worker_of_its_own(workers: Runner) -> None:
    assert list(workers.each(hears_interrupts).values()) == [False, False]
    assert LocalRunner(None).each(hears_interrupts) == {"": True}


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(workers: Runner, tmp_path: Path) -> None:
    workers.replace(Squares(tmp_path, pause=0.2))
    found: dict[int, Any] = {}
    killed = 0
    for number, value in workers.results([Call("square", (n,)) for n in range(30)]):
        found[number] = value
        if killed < 2 and len(found) >= (4, 12)[killed]:
            # One that is at work now: of the last traces, one whose result is not there yet.
            busy = [p for p in tmp_path.iterdir() if int(p.stem) not in found]
            # Else all have just ended, or what was killed before has not begun again: the next result is soon enough.
            with contextlib.suppress(ProcessLookupError):
                if busy:
                    os.kill(int(max(busy, key=lambda p: p.stat().st_mtime_ns).suffix[1:]), signal.SIGKILL)
                    killed += 1
    assert killed == 2
    assert found == {n: n * n for n in range(30)}
    assert len(list(tmp_path.iterdir())) > 30, "what the killed workers had begun ran again"


@pytest.mark.slow
def test_two_workers_find_the_front_of_one_process(workers: Runner, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=24, tier=ESTIMATE, confirm=0)
    alone = run_search(evaluator, SPACE, plan, LocalRunner(evaluator), tmp_path / "alone")
    shared = run_search(evaluator, SPACE, plan, workers, tmp_path / "shared")

    def facts(outcome: Any) -> Any:
        return outcome.point.key, outcome.figures, outcome.knobs

    assert [facts(o) for o in shared.front] == [facts(o) for o in alone.front]
    assert sorted(shared.outcomes) == sorted(alone.outcomes)


@pytest.mark.slow
def test_two_workers_sweep_as_one_process(workers: Runner) -> None:
    space = Space((Dimension("tokens_parallel", (1, 2, 3, 4)), Dimension("weight_bits", (8, 16))))
    evaluator = small_evaluator()
    workers.replace(evaluator)
    alone = run_sweep(space, ESTIMATE, LocalRunner(evaluator), lambda *_: None)
    assert to_csv(run_sweep(space, ESTIMATE, workers, lambda *_: None)) == to_csv(alone)


def ports(processes: Iterable[int]) -> list[tuple[int, str]]:
    """Process and local address of every socket of TCP, UDP or a Unix name that one of some processes listens on."""
    owners = {}
    for process in processes:
        for link in Path(f"/proc/{process}/fd").iterdir():
            try:
                owners[str(link.readlink())] = process
            except OSError:
                continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listens = fields[3] == "0A" or table.startswith("udp")
            if listens and f"socket:[{fields[9]}]" in owners:
                found.append((owners[f"socket:[{fields[9]}]"], fields[1]))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and f"socket:[{fields[6]}]" in owners:
            found.append((owners[f"socket:[{fields[6]}]"], fields[7]))
    return found


@pytest.mark.slow
def test_workers_of_this_machine_open_no_port_that_somebody_could_connect_to(workers: Runner) -> None:
    mine = set(ports([os.getpid()]))
    family = {*workers.each(os.getpid).values(), os.getpid()}
    assert len(family) == 3
    assert set(ports(family)) <= mine, "what pytest itself listens on is no matter"
    with socket.create_server(("127.0.0.1", 0)):
        assert len(ports([os.getpid()])) > len(mine), "a port would have been seen"


@pytest.mark.slow
def test_workers_take_modules_from_where_this_process_does_and_not_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('a file of the folder was run')")
    monkeypatch.chdir(tmp_path)
    with open_runner(Squares(tmp_path), jobs=2) as runner:
        assert dict(runner.results([Call("square", (3,))])) == {0: 9}


@pytest.mark.slow
def test_a_call_that_always_ends_its_worker_is_given_up_and_odd_errors_come_back(
    workers: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemoe_gen.tuning.pool.LOST_WORKERS", 1)
    workers.replace(Squares(tmp_path))
    with pytest.raises(RuntimeError, match="ValueError: <function"):
        list(workers.results([Call("fail_oddly", ())]))
    with pytest.raises(ConfigError, match="2 workers were lost over one trial"):
        list(workers.results([Call("leave", ())]))
    assert dict(workers.results([Call("square", (3,))])) == {0: 9}


@pytest.mark.slow
def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from tests.tuning.test_tuning_workers import *\n"
        "with open_runner(Squares(Path(sys.argv[1])), jobs=2) as runner:\n"
        "    print(*runner.each(os.getpid).values(), flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as parent:
        assert parent.stdout is not None
        found = [int(word) for word in parent.stdout.readline().split()]
        assert len(found) == 2
        parent.kill()
    until = time.monotonic() + 20
    while any(Path(f"/proc/{process}/stat").exists() for process in found) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{process}/cwd").exists() for process in found)


class Cluster:
    """A client of Dask whose workers say of themselves what a test says."""

    def __init__(self, *said: tuple[Any, str, Any]) -> None:
        self.said = said

    def run(self, function: Any, *_: str, on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        place = {"version": 0, "python_version": 1, "sources": 2}[function.__name__]
        return {f"tcp://10.0.0.{n}:1": words[place] for n, words in enumerate(self.said)}


@pytest.mark.parametrize(
    ("package", "python", "hashed", "sentence"),
    [
        (PackageNotFoundError("edgemoe-gen"), "3.11.9", None, r"the worker tcp://10\.0\.0\.1:1 .* has no edgemoe-gen"),
        ("0.0.1", platform.python_version(), None, r"10\.0\.0\.1:1 .* has edgemoe-gen 0\.0\.1, this is"),
        (version("edgemoe-gen"), "3.8.1", None, r"10\.0\.0\.1:1 .* runs Python 3\.8\.1, this is"),
        (version("edgemoe-gen"), platform.python_version(), AttributeError("sources"), r"1:1 .* has other sources of"),
        (version("edgemoe-gen"), platform.python_version(), "00", r"1:1 .* has other sources of edgemoe-gen"),
        (version("edgemoe-gen"), platform.python_version(), sources(), ""),
    ],
)
def test_a_dask_worker_that_cannot_run_what_it_is_sent_is_named(
    package: Any, python: str, hashed: Any, sentence: str
) -> None:
    good = (version("edgemoe-gen"), platform.python_version(), sources())
    client = Cluster(good, (package, python, hashed))
    if not sentence:
        _check_versions(client, "tcp://host:8786")
        return
    with pytest.raises(ConfigError, match=sentence):
        _check_versions(client, "tcp://host:8786")
