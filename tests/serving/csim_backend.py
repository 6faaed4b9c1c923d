"""A backend that runs the C simulation of a small network's own engine, and a live server around it, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgemoe_gen.model import Model, decode, load_model
from edgemoe_gen.program.compile import Program, compile_network
from edgemoe_gen.serving import BackendFacts, LiveView, Source, serve
from edgemoe_gen.sim.engine import Engine, run_frames
from tests.factory import TASKS, make_state, options, save_state
from tests.sim.engines import calibrated, compiled, small_design

SIZE = 32, 64
_ENGINE = threading.Lock()
NAMES = ("road", "car", "sky", "tree", "person")


@dataclass(frozen=True)
class CsimOutcome:
    """A frame's result."""

    output: NDArray[np.float32]
    seconds: float
    ids: None = None
    stages: Mapping[str, float] = field(default_factory=dict)


class CsimBackend:
    """Runs frames in C simulation. `fail` and `delay` turn what the next frames do; `threads` ran them."""

    def __init__(self, engine: Engine, model: Model, programs: dict[str, Program]) -> None:
        self.engine, self.model, self.programs = engine, model, programs
        self.fail: Exception | None = None
        self.delay = 0.0
        self.frames: list[str] = []
        self.threads: set[str] = set()
        self.open = False

    def run_tasks(self, frame: NDArray[np.uint8], tasks: Sequence[str]) -> list[CsimOutcome]:
        return [self.run(frame, task) for task in tasks]

    def run(self, frame: NDArray[np.uint8], task: str) -> CsimOutcome:
        assert self.open
        assert frame.shape == (*SIZE, 3)
        assert frame.dtype == np.uint8
        self.threads.add(threading.current_thread().name)
        if self.fail is not None:
            raise self.fail
        start = time.perf_counter()
        spec = self.model.spec
        image = (frame.transpose(2, 0, 1).astype(np.float32) * np.float32(spec.image.scale)).astype(np.float32)
        with _ENGINE:  # its memories are static: one at a time runs in a process
            (result,), _ = run_frames(self.engine, self.programs[task], spec, [image])
        time.sleep(self.delay)
        seconds = time.perf_counter() - start
        self.frames.append(task)
        output = decode(self.model, result.tokens.astype(np.float32), task)
        assert output is not None
        return CsimOutcome(output, seconds)

    @contextmanager
    def opener(self) -> Iterator[tuple[CsimBackend, BackendFacts]]:
        self.open = True
        try:
            yield self, self.facts
        finally:
            self.open = False

    @property
    def facts(self) -> BackendFacts:
        design = self.engine.design
        return BackendFacts(
            name="m3vit_test",
            board=design.board.title,
            design=f"{design.identity:016x}",
            clock_mhz=design.knobs.clock_mhz,
            tier="simulated board: times are those of C simulation",
            tasks=tuple(self.programs),
            class_names={"semseg": NAMES},
            simulated=True,
        )


@cache
def _parts() -> tuple[Engine, Model, dict[str, Program]]:
    state = make_state(depth=2, image=SIZE)
    with tempfile.TemporaryDirectory() as folder:
        path = save_state(Path(folder) / "checkpoint.pth", state)
        chosen = replace(options(image=SIZE), tasks=tuple(TASKS), scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3)
        model = load_model(path, None, chosen)
    design = small_design()
    case = calibrated(model, [np.random.default_rng(0).random((3, *SIZE), dtype=np.float32)])
    formats = case.formats(design)
    programs = {task: compile_network(design, model, case.network, formats, [task]) for task in TASKS}
    return compiled(design), model, programs


def csim_backend() -> CsimBackend:
    """A backend of a random network with two tasks, semseg and depth, and decoders."""
    return CsimBackend(*_parts())


def write_pictures(folder: Path, count: int = 3, size: tuple[int, int] = (48, 80)) -> Path:
    """A folder of pictures, each of one colour with a box in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = np.full((*size, 3), (40 * i, 90, 200 - 30 * i), np.uint8)
        pixels[8:24, 8 + 6 * i : 30 + 6 * i] = (230, 180, 40)
        Image.fromarray(pixels).save(folder / f"picture_{i}.png")
    return folder


class Server:
    """A live server in a thread, on a free port of loopback."""

    def __init__(self, backend: CsimBackend, sources: Sequence[Source], **said: Any) -> None:
        self.backend, self.sources, self.said = backend, sources, said
        self.address = ""
        self.messages: list[str] = []
        self._up = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._up.wait(60)
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def origin(self) -> str:
        return self.address.partition("?")[0].rstrip("/")

    def _run(self) -> None:
        try:
            self._stop = asyncio.Event()
            serve(
                self.backend.opener,
                self.sources,
                ready=self._ready,
                say=self.messages.append,
                stop=self._stop,
                **({"port": 0} | self.said),
            )
        except BaseException as error:
            self._error = error
        finally:
            self._up.set()

    def _ready(self, address: str, view: LiveView) -> None:
        self.address, self.view, self._loop = address, view, asyncio.get_running_loop()
        self._up.set()
