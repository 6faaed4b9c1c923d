"""Searches on Dask workers: the front of one process, and a worker that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.errors import ConfigError
from edgemoe_gen.tuning import Dimension, Space
from edgemoe_gen.tuning.runner import Call, LocalRunner, Runner, open_runner
from edgemoe_gen.tuning.search import Plan, run_search
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


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    pytest.importorskip("distributed")
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
        if len(found) in (4, 12):
            # One that is at work now: of the last traces, one whose result is not there yet.
            busy = [p for p in tmp_path.iterdir() if int(p.stem) not in found]
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
