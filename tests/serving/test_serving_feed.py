"""The feed: the newest frame only, sources that block, die or end, and changes between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

import numpy as np
import pytest

from edgemoe_gen.serving.feed import Feed
from edgemoe_gen.serving.sources import Shot, SourceError


class Scripted:
    """A source whose frames are what a function makes."""

    def __init__(self, name: str, make: Callable[[], Generator[Shot, None, None]], live: bool = True) -> None:
        self.name, self.live, self.interval = name, live, 0.0
        self.frames = make


def shot(value: int) -> Shot:
    return Shot(np.full((2, 2, 3), value, np.uint8), time.perf_counter())


def counting(most: int = 200) -> Generator[Shot, None, None]:
    for i in range(most):
        yield shot(i)
        time.sleep(0.002)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_live_source_is_never_stale_and_its_dropped_frames_are_counted() -> None:
    feed = Feed([Scripted("camera", counting)])
    feed.choose(0)
    until(lambda: feed.dropped >= 10)
    taken = feed.take(1)
    assert taken is not None
    assert taken[0] == 0
    assert int(taken[1].frame[0, 0, 0]) >= feed.dropped - 2 >= 8
    feed.close()


def test_pictures_of_a_folder_wait_and_none_is_left_out() -> None:
    feed = Feed([Scripted("folder", counting, live=False)])
    feed.choose(0)
    values = []
    for _ in range(5):
        taken = feed.take(1)
        assert taken is not None
        values.append(int(taken[1].frame[0, 0, 0]))
        time.sleep(0.02)
    assert values == [0, 1, 2, 3, 4]
    assert feed.dropped == 0
    feed.close()


def test_a_source_that_dies_says_so_and_another_one_goes_on() -> None:
    def dying() -> Generator[Shot, None, None]:
        yield shot(1)
        raise SourceError("camera:0 gives no pictures any more", "is it still plugged in?")

    changes: list[str] = []
    feed = Feed([Scripted("camera:0", dying), Scripted("folder", counting)], lambda: changes.append("x"))
    feed.choose(0)
    until(lambda: feed.statuses[0].state == "failed")
    assert feed.statuses[0].message == "camera:0 gives no pictures any more: is it still plugged in?"
    feed.choose(1)
    assert feed.take(1) is not None
    assert [status.state for status in feed.statuses] == ["waiting", "running"]
    assert changes
    feed.close()


@pytest.mark.parametrize("error", [RuntimeError("of a driver"), MemoryError()])
def test_any_fault_of_a_source_becomes_its_message(error: Exception) -> None:
    def broken() -> Generator[Shot, None, None]:
        raise error
        yield

    feed = Feed([Scripted("camera:1", broken)])
    feed.choose(0)
    until(lambda: feed.statuses[0].state == "failed")
    assert feed.statuses[0].message.startswith(f"camera:1: {type(error).__name__}")
    feed.close()


def test_a_video_that_has_ended_begins_again_when_it_is_chosen_again() -> None:
    feed = Feed([Scripted("drive.mp4", lambda: counting(1))])
    for _ in range(2):
        feed.choose(0)
        taken = feed.take(1)
        assert taken is not None
        until(lambda: feed.statuses[0].state == "ended")
    feed.close()


def test_a_source_that_blocks_holds_nobody_up_and_gives_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemoe_gen.serving.feed.LETTING_GO", 0.05)
    release, closed = threading.Event(), threading.Event()

    def blocked() -> Generator[Shot, None, None]:
        try:
            release.wait(20)
            yield shot(99)
        finally:
            closed.set()

    feed = Feed([Scripted("camera", blocked), Scripted("folder", counting, live=False)])
    feed.choose(0)
    assert feed.take(0.05) is None
    feed.choose(1)
    assert feed.take(2) is not None
    release.set()
    assert closed.wait(5), "the device is given back"
    for _ in range(5):
        taken = feed.take(1)
        assert taken is not None
        assert taken[0] == 1
        assert int(taken[1].frame[0, 0, 0]) != 99
    feed.close()


def test_closing_ends_the_reader_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Generator[Shot, None, None]:
        try:
            while True:
                yield shot(1)
        finally:
            closed.set()

    feed = Feed([Scripted("camera", endless)])
    feed.choose(0)
    assert feed.take(1) is not None
    feed.close()
    assert closed.is_set()
