"""The storage of a search: what is cut, damaged, foreign, full or in use is mended or said in one sentence."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base import locks
from edgemoe_gen.base.errors import BusyError, ConfigError
from edgemoe_gen.tuning import journal
from edgemoe_gen.tuning.runner import LocalRunner
from edgemoe_gen.tuning.search import run_search
from edgemoe_gen.tuning.state import Plan, State
from edgemoe_gen.tuning.storage import open_storage
from edgemoe_gen.tuning.trial import ESTIMATE
from tests.tuning.small_searches import OBJECTIVES, SPACE, small_evaluator

optuna = pytest.importorskip("optuna")
NAME = "search.journal"


def search(storage: Path | str, trials: int = 16, watch: Any = lambda *_: None) -> State:
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=trials, tier=ESTIMATE, confirm=0)
    return run_search(evaluator, SPACE, plan, LocalRunner(evaluator), storage, watch)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[str]]:
    """The journal of a search, and its points in the order of finding."""
    path = tmp_path_factory.mktemp("done") / NAME
    state = search(path)
    return path.read_bytes(), list(state.outcomes)


@pytest.mark.slow
def test_a_journal_cut_anywhere_goes_on_to_the_same_end(tmp_path: Path, done: tuple[bytes, list[str]]) -> None:
    data, points = done
    draw = random.Random(0)
    for number, cut in enumerate((0, 1, 20, 400, *(draw.randrange(len(data)) for _ in range(3)))):
        path = tmp_path / str(number) / NAME
        path.parent.mkdir()
        path.write_bytes(data[: len(data) - cut])
        assert list(search(path).outcomes) == points, cut
        assert list(search(path).outcomes) == points, "what was mended is whole"


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines, n: lines[:n] + lines[n + 1 :],
        lambda lines, n: [*lines[:n], b'{"op_code": 99\n', *lines[n + 1 :]],
        lambda lines, n: [*lines[:n], lines[n][:-20], *lines[n:]],
        lambda lines, n: [*lines[:n], lines[n].replace(b'"worker_id":"', b'"worker_id":"x'), *lines[n + 1 :]],
        lambda lines, n: [*lines[:n], b"[" * 100_000 + b"\n", *lines[n + 1 :]],
        lambda lines, n: [*lines[:n], b'{"op_code": 999, "worker_id": "x"}\n', *lines[n:]],
    ],
    ids=["lost", "garbage", "torn", "changed", "deep", "inserted"],
)
def test_a_damaged_line_is_named_and_the_journal_stays(
    tmp_path: Path, done: tuple[bytes, list[str]], damage: Any
) -> None:
    lines = lines_of(done[0])
    number = len(lines) // 2
    path = tmp_path / NAME
    path.write_bytes(b"".join(damage(lines, number)))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=rf"{NAME} .*: line {number + 1} is damaged"):
        search(path)
    assert path.read_bytes() == before


def without_checks(data: bytes) -> bytes:
    """The journal as Optuna's own backend writes it."""
    return re.sub(rb',"check":"[0-9a-f]{8}"}', b"}", data)


def test_a_journal_of_optuna_s_own_is_read_and_goes_on(tmp_path: Path, done: tuple[bytes, list[str]]) -> None:
    path = tmp_path / NAME
    path.write_bytes(without_checks(b"".join(lines_of(done[0])[:200])) + b'{"op_code": 7, "worker_id": "x", "tri')
    (tmp_path / f"{NAME}.lock").symlink_to("nowhere")  # of a killed search of an earlier version
    assert list(search(path).outcomes) == done[1]
    backend = optuna.storages.journal.JournalFileBackend(str(path), optuna.storages.journal.JournalFileOpenLock("x"))
    assert len(optuna.storages.JournalStorage(backend).get_all_studies()) == 1, "Optuna's tools read it too"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'"user_attr":\{"outcome":.*\}\n', b'"user_attr":{"outcome":"evil"}}\n'),
        (rb'"value":[0-9.e-]+', b'"value":1e400'),
        (rb'"tier":"estimate"', b'"tier":"ti\\\\u0000r"'),
        (rb'"point":\{"tokens_parallel":\d', b'"point":{"tokens_parallel":77'),
        (rb'"trial_id":\d+', b'"trial_id":"evil"'),
        (rb'"op_code":8', b'"op_code":88'),
    ],
)
def test_what_no_search_writes_is_a_sentence(
    tmp_path: Path, done: tuple[bytes, list[str]], old: bytes, new: bytes
) -> None:
    path = tmp_path / NAME
    data, count = re.subn(old, new, without_checks(done[0]), count=3)
    assert count
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"{NAME}.*damaged"):
        search(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "noise", "read-only"])
def test_a_journal_that_is_none_is_a_sentence(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / NAME
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "noise":
        path.write_bytes(random.Random(0).randbytes(3000).replace(b"\n", b""))
    else:
        monkeypatch.setattr(os, "open", refusing(os.open, path, errno.EROFS))
    with pytest.raises(ConfigError, match=NAME):
        search(path)


def refusing(real: Any, path: Path, number: int) -> Any:
    """Opens all but one path."""

    def opened(where: Any, *more: Any, **named: Any) -> int:
        if Path(where) == path:
            raise OSError(number, os.strerror(number))
        return int(real(where, *more, **named))

    return opened


def test_a_full_disk_is_a_sentence_and_what_was_found_is_kept(
    tmp_path: Path, done: tuple[bytes, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, left = tmp_path / NAME, os.write, [20_000]

    def write(descriptor: int, data: bytes) -> int:
        """A disk with some room, the last of which takes a part of a line."""
        count = min(len(data), left[0])
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= count
        return real(descriptor, data[:count])

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        with pytest.raises(ConfigError, match=rf"{NAME}, the journal .* cannot be written: No space left on device"):
            search(path)
    assert path.read_bytes().endswith(b'"}\n')
    state = search(path)
    assert state.resumed > 0
    assert list(state.outcomes) == done[1]


def test_a_second_search_in_a_folder_is_told_who_is_at_work(tmp_path: Path) -> None:
    with (
        open_storage(tmp_path / NAME),
        pytest.raises(BusyError, match=rf"another search is at work in .* \(process {os.getpid()} on "),
    ):
        search(tmp_path / NAME)
    with (
        locks.folder_lock(tmp_path, "build"),
        pytest.raises(BusyError, match="another build is at work in"),
    ):
        search(tmp_path / NAME)


def test_a_second_search_on_a_database_in_a_file_is_told_who_is_at_work(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    with open_storage(url), pytest.raises(BusyError, match=rf"at work on .*s\.db \(process {os.getpid()}"):
        search(url)
    with open_storage(url):
        pass


def test_two_searches_on_a_server_s_database_end_in_a_sentence(tmp_path: Path) -> None:
    """As where no lock can be had: the other one has told a trial that this one is about to tell."""
    with pytest.raises(BusyError, match="another search is at work on the same points"), open_storage(tmp_path / NAME):
        raise optuna.exceptions.UpdateFinishedTrialError("Trial#55 has already finished and can not be updated.")


HOLD = """
import sys, time
from pathlib import Path
from edgemoe_gen.base.locks import folder_lock
with folder_lock(Path(sys.argv[1]), "search"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_search_leaves_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {other.pid} "), locks.folder_lock(tmp_path, "search"):
            pass
        other.send_signal(signal.SIGKILL)
    with locks.folder_lock(tmp_path, "search"):
        pass


@pytest.mark.parametrize("text", [b"", b"9" * 31, b"\xff\x00\n", b"search: process 1 on \x1b[31mred\n"])
def test_a_lock_s_file_of_garbage_locks_all_the_same(tmp_path: Path, text: bytes) -> None:
    (tmp_path / locks.STATE).mkdir()
    with locks.folder_lock(tmp_path, "search"):
        (tmp_path / locks.STATE / locks.LOCK).write_bytes(text)
        with (
            pytest.raises(BusyError, match=r"another search is at work in \S+$"),
            locks.folder_lock(tmp_path, "search"),
        ):
            pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / locks.STATE).mkdir()
    (tmp_path / locks.STATE / locks.LOCK).symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match="cannot be written to"), locks.folder_lock(tmp_path, "search"):
        pass
    assert not (tmp_path / "target").exists()


def test_a_search_killed_while_it_asks_for_a_batch_goes_on_as_if_it_had_not_been(
    tmp_path: Path, done: tuple[bytes, list[str]]
) -> None:
    """Cut right behind lines that begin, fill and end a trial of a batch."""
    lines = lines_of(done[0])
    steps = [json.loads(line)["op_code"] for line in lines]
    created = [place for place, step in enumerate(steps) if step == 4]
    filled = [place for place, step in enumerate(steps) if step == 5]
    for number, end in enumerate((created[-3], filled[-4], filled[len(filled) // 2])):
        path = tmp_path / str(number) / NAME
        path.parent.mkdir()
        path.write_bytes(b"".join(lines[: end + 1]))
        assert list(search(path).outcomes) == done[1], end


def test_a_search_that_is_new_among_others_says_so(tmp_path: Path) -> None:
    assert search(tmp_path / NAME, trials=3).others == 0
    evaluator = small_evaluator()
    plan = Plan(OBJECTIVES, trials=3, tier=ESTIMATE, confirm=0, seed=1)
    assert run_search(evaluator, SPACE, plan, LocalRunner(evaluator), tmp_path / NAME).others == 1


def test_a_line_without_an_end_is_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LONGEST_LINE", 1000)
    (tmp_path / NAME).write_bytes(b'{"a":"' + b"x" * 5000 + b'"}\n')
    with pytest.raises(ConfigError, match="line 1 is damaged"):
        search(tmp_path / NAME)
