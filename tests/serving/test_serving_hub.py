"""The hub: mailboxes of one place each, whatever a viewer does."""

from __future__ import annotations

import asyncio
import threading

from edgemoe_gen.serving.hub import FRAMES_ON_THE_WAY, MOST_VIEWERS, Hub


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


def test_a_viewer_who_draws_nothing_gets_few_frames_and_then_the_newest() -> None:
    async def look() -> None:
        hub = Hub()
        hub.start()
        slow, fast = hub.join(), hub.join()
        assert slow is not None
        assert fast is not None
        got = []
        for i in range(50):
            hub.frame(b"%d" % i)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            got.append(await asyncio.wait_for(fast.take(), 1))
            fast.drawn()
        assert got == [b"%d" % i for i in range(50)], "the fast one misses nothing"
        taken = [await asyncio.wait_for(slow.take(), 1)]
        hub.frame(b"newest")
        await settled()
        taken.append(await asyncio.wait_for(slow.take(), 1))
        assert taken == [b"49", b"newest"]
        assert slow.skipped == 49
        assert len(taken) == FRAMES_ON_THE_WAY
        hub.frame(b"never seen")
        hub.frame(b"seen later")
        await settled()
        waiting = asyncio.create_task(slow.take())
        await settled()
        assert not waiting.done(), "no more than that is on the way"
        slow.drawn()
        assert await asyncio.wait_for(waiting, 1) == b"seen later"

    asyncio.run(look())


def test_a_new_viewer_gets_the_last_state_and_frame_at_once_state_first() -> None:
    async def look() -> None:
        hub = Hub()
        hub.frame(b"frame")
        hub.state("state")
        hub.start()
        viewer = hub.join()
        assert viewer is not None
        assert [await viewer.take(), await viewer.take()] == ["state", b"frame"]
        hub.frame(None)
        later = hub.join()
        assert later is not None
        assert await later.take() == "state"
        waiting = asyncio.create_task(later.take())
        await settled()
        assert not waiting.done(), "a frame of the source before is not shown"
        waiting.cancel()

    asyncio.run(look())


def test_states_reach_a_viewer_who_draws_nothing() -> None:
    async def look() -> None:
        hub = Hub()
        hub.start()
        viewer = hub.join()
        assert viewer is not None
        for i in range(FRAMES_ON_THE_WAY):
            hub.frame(b"%d" % i)
            await settled()
            assert isinstance(await viewer.take(), bytes)
        hub.frame(b"waits")
        for text in ("old", "new"):
            hub.state(text)
        assert await asyncio.wait_for(viewer.take(), 1) == "new"

    asyncio.run(look())


def test_a_worker_that_is_faster_than_the_loop_piles_nothing_up() -> None:
    async def look() -> None:
        hub = Hub()
        hub.start()
        viewer = hub.join()
        assert viewer is not None

        def give() -> None:
            for i in range(10_000):
                hub.frame(b"%d" % i)

        worker = threading.Thread(target=give)
        worker.start()
        worker.join()  # the loop is held up meanwhile
        assert await asyncio.wait_for(viewer.take(), 1) == b"9999"
        assert viewer.skipped == 0, "the loop was woken once"

    asyncio.run(look())


def test_there_is_a_limit_and_leaving_makes_room() -> None:
    async def look() -> None:
        hub = Hub()
        viewers = [hub.join() for _ in range(MOST_VIEWERS)]
        assert hub.join() is None
        assert viewers[0] is not None
        hub.leave(viewers[0])
        hub.leave(viewers[0])
        assert hub.join() is not None
        assert hub.viewers == MOST_VIEWERS

    asyncio.run(look())
