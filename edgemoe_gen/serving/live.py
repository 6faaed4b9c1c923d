"""The live view without its web server: runs the newest frame for the chosen tasks and passes the results to the hub.

One thread owns the accelerator from opening to closing. Viewers' commands only change what the next frame does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgemoe_gen.base.documents import json_text
from edgemoe_gen.base.errors import ConfigError, EdgeMoEError
from edgemoe_gen.base.names import near
from edgemoe_gen.report.colours import class_colour, scale_gradient
from edgemoe_gen.report.views import class_name
from edgemoe_gen.serving.backend import Backend, BackendFacts, Opener
from edgemoe_gen.serving.feed import Feed
from edgemoe_gen.serving.hub import Hub
from edgemoe_gen.serving.meter import PowerMeter, Rate
from edgemoe_gen.serving.pictures import Span, jpeg, task_picture
from edgemoe_gen.serving.sources import Shot, Source

PATIENCE = 0.25  # seconds between looks at whether to stop
AFTER_FAILURE = 1.0  # seconds of rest after a frame that failed
HEADER_BYTES = 4


class LiveView:
    """Feed, worker and hub. `start`, then commands from any thread, then `stop`.

    Args:
        opener: of the accelerator.
        sources: to choose from; the first one is shown at the start.
        tasks: that are on at the start; none = all.
        say: takes sentences for the terminal; called from any thread.
    """

    def __init__(
        self,
        opener: Opener,
        sources: Sequence[Source],
        tasks: Sequence[str] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.hub = Hub()
        self.feed = Feed(sources, self._source_changed)
        self.frames = 0  # that have been run
        self._number = 0  # of the next one that is handed out: pages see by it what they have skipped
        self._opener, self._say = opener, say
        self._on = tuple(tasks)
        self._facts: BackendFacts | None = None
        self._power_label, self._message, self._said = "", "", ""
        self.error: BaseException | None = None  # that the accelerator has ended with
        self._lock = threading.RLock()
        self._opened, self._stopping = threading.Event(), threading.Event()
        self._spans: dict[str, Span] = {}
        self._counts: dict[str, int] = {}  # of classes, as the outputs have them
        self._rate = Rate()
        self._thread = threading.Thread(target=self._work, name="accelerator", daemon=True)

    @property
    def facts(self) -> BackendFacts:
        """Of the accelerator, which is open."""
        assert self._facts is not None
        return self._facts

    def start(self) -> None:
        """Opens the accelerator and begins.

        Raises:
            EdgeMoEError: it can't be opened, or has no such task.
        """
        self._thread.start()
        try:
            self._opened.wait()
        except BaseException:  # interrupted: what has been opened is closed
            self.stop()
            raise
        if self.error is not None:
            self._thread.join()
            raise self.error
        self.feed.choose(0)

    def stop(self) -> None:
        """Ends the frame that runs, and closes source and accelerator."""
        self._stopping.set()
        self.feed.close()
        if self._thread.ident is not None:
            self._thread.join()

    def choose_source(self, number: int) -> None:
        """Goes over to another source; the scales of values begin anew."""
        if not 0 <= number < len(self.feed.sources):
            raise ValueError("there is no such source")
        with self._lock:
            self._spans.clear()
            self._rate.clear()
            self.feed.choose(number)
            self.hub.frame(None)

    def choose_tasks(self, tasks: Sequence[str]) -> None:
        """Turns these tasks on and the others off."""
        if not tasks or any(task not in self.facts.tasks for task in tasks):
            raise ValueError("there is no such task, or none at all")
        with self._lock:
            self._on = tuple(task for task in self.facts.tasks if task in tasks)
        self._publish_state()

    # The worker's thread

    def _work(self) -> None:
        try:
            with self._opener() as (backend, facts):
                unknown = [task for task in self._on if task not in facts.tasks]
                if unknown:
                    raise ConfigError(
                        f"{facts.name} has no task '{unknown[0]}'", near(unknown[0], facts.tasks, "its tasks")
                    )
                self._on = self._on or tuple(facts.tasks)
                # A simulated board takes no power, and what this machine's own sensors say is something else.
                power = PowerMeter(lambda: ({}, "no power: simulated board")) if facts.simulated else PowerMeter()
                self._facts, self._power_label = facts, power.label
                self._opened.set()
                while not self._stopping.is_set():
                    taken = self.feed.take(PATIENCE)
                    if taken is not None:
                        self._try(backend, *taken, power)
        except BaseException as error:
            self.error = error
            if self._opened.is_set():
                self._trouble(f"the accelerator has stopped: {_sentence(error)}")
        finally:
            self._opened.set()

    def _try(self, backend: Backend, source: int, shot: Shot, power: PowerMeter) -> None:
        """Runs a frame; whatever fails is said on the page, and the next frame is tried."""
        try:
            message = self._run(backend, source, shot, power)
        except Exception as error:
            self._trouble(_sentence(error))
            self._stopping.wait(AFTER_FAILURE)
            return
        self._trouble("")
        with self._lock:
            if source == self.feed.chosen:  # else nobody wants it any more
                self.hub.frame(message)
                self._number += 1
        self.frames += 1

    def _run(self, backend: Backend, source: int, shot: Shot, power: PowerMeter) -> bytes:
        with self._lock:
            tasks = self._on
            spans = {task: self._spans.setdefault(task, Span()) for task in tasks}
        blobs: list[bytes] = [jpeg(shot.frame)]
        shown: list[dict[str, Any]] = []
        engine = 0.0
        for task, outcome in zip(tasks, backend.run_tasks(shot.frame, tasks), strict=True):
            engine += outcome.seconds
            output = outcome.output if outcome.ids is None else outcome.ids
            names, classes = self.facts.class_names.get(task, ()), self.facts.classes.get(task, 0)
            picture = task_picture(output, names, spans[task], classes)
            blobs.append(picture.data)
            host = sum(outcome.stages.get(stage, 0.0) for stage in ("pack", "decode"))
            times = {"engine_ms": round(outcome.seconds * 1e3, 3), "host_ms": round(host * 1e3, 3)}
            shown.append({"task": task, **times, **picture.facts})
        now = time.perf_counter()
        with self._lock:
            rate = self._rate.count(now)
        header = {
            "frame": self._number,
            "source": source,
            "size": list(shot.frame.shape[:2]),
            "parts": [len(blob) for blob in blobs],
            "tasks": shown,
            "engine_ms": round(engine * 1e3, 3),
            "total_ms": round((now - shot.taken) * 1e3, 3),
            "fps": round(rate, 2),
            "dropped": self.feed.dropped,
            "watts": power.watts(),
        }
        counts = {task["task"]: task["classes"] for task in shown if task["kind"] == "classes"}
        if power.label != self._power_label or counts.items() - self._counts.items():
            self._power_label = power.label
            self._counts = self._counts | counts
            self._publish_state()
        return pack(header, blobs)

    # What the page knows besides frames

    def _trouble(self, message: str) -> None:
        if message == self._message:
            return
        self._message = message
        if message:
            self._say(message)
        self._publish_state()

    def _source_changed(self) -> None:
        statuses, chosen = self.feed.statuses, self.feed.chosen
        message = statuses[chosen].message if chosen >= 0 else ""
        with self._lock:
            new, self._said = message != self._said, message
        if new and message:
            self._say(message)
        self._publish_state()

    def _publish_state(self) -> None:
        if self._facts is None:
            return
        with self._lock:  # of two threads the later one's state must be the last
            self.hub.state(json_text(self.state(), None))

    def state(self) -> dict[str, Any]:
        """Facts for the page besides frames: accelerator, sources, tasks and errors."""
        facts = self.facts
        on = self._on
        return {
            "name": facts.name,
            "board": facts.board,
            "design": facts.design,
            "clock_mhz": facts.clock_mhz,
            "tier": facts.tier,
            "simulated": facts.simulated,
            "power": self._power_label,
            "ramp": scale_gradient(),
            "message": self._message,
            "chosen": self.feed.chosen,
            "sources": [
                {"name": source.name, "state": status.state, "message": status.message}
                for source, status in zip(self.feed.sources, self.feed.statuses, strict=True)
            ],
            "tasks": [{"name": task, "on": task in on, "classes": self._legend(task)} for task in facts.tasks],
        }

    def _legend(self, task: str) -> list[list[str]]:
        names = self.facts.class_names.get(task, ())
        count = max(len(names), self._counts.get(task, 0))
        return [["#{:02x}{:02x}{:02x}".format(*class_colour(i)), class_name(names, i)] for i in range(count)]


def pack(header: dict[str, Any], blobs: Sequence[bytes]) -> bytes:
    """One message: length of the header (4 bytes, low one first), the header as JSON, and the pictures."""
    text = json_text(header, None).encode()
    return b"".join((len(text).to_bytes(HEADER_BYTES, "little"), text, *blobs))


def _sentence(error: BaseException) -> str:
    if isinstance(error, EdgeMoEError):
        return f"{error.message}: {error.hint}" if error.hint else error.message
    return f"{type(error).__name__}: {error}"
