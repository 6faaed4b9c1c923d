"""Runs a search's work: in this process, in processes of this machine, or on the workers of a Dask cluster.

In: a subject, which workers get once, and calls of its methods. Out: results as they come, and messages of long calls.
    A
call whose worker is lost runs again elsewhere; workers that join later get the subject too. A worker closes a subject
that is replaced or no longer needed, if it has a method `close`, even while a call is running.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.project.opening import Progress, no_progress
from edgemoe_gen.tuning.calls import LOST_WORKERS, Call, Hear
from edgemoe_gen.tuning.pool import PoolRunner

__all__ = ["Call", "Hear", "LocalRunner", "Runner", "check_workers", "open_runner"]

PACKAGE = "edgemoe-gen"
_SAME = f"give all workers the environment of this process: {PACKAGE} from the same sources, PyTorch, the same Python"
CONNECT_SECONDS = 10
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ucx|ws|wss)://)?(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}/?|inproc://.+")


class Runner(Protocol):
    """Runs calls."""

    @property
    def width(self) -> int:
        """Number of calls that run at once."""

    def results(self, calls: Sequence[Call], hear: Hear | None = None) -> Iterator[tuple[int, Any]]:
        """Number of the call and its result, in the order in which they end.

        Args:
            calls: what to run.
            hear: called with messages of calls; their methods then get a function `tell(text)` too.
        """

    def each(self, function: Callable[[], Any]) -> dict[str, Any]:
        """Result of a module's function on each worker: by the worker's address, "" for this process."""

    def replace(self, subject: Any) -> None:
        """Calls that follow are of this subject."""


class LocalRunner:
    """Runs calls in this process: light calls one by one, heavy calls in as many threads as there are processors."""

    def __init__(self, subject: Any, threads: int | None = None) -> None:
        self.subject = subject
        self.width = threads or os.cpu_count() or 1

    def replace(self, subject: Any) -> None:
        """Calls that follow are of this subject."""
        self.subject = subject

    def results(self, calls: Sequence[Call], hear: Hear | None = None) -> Iterator[tuple[int, Any]]:
        """See `Runner`."""
        if len(calls) < 2 or self.width < 2 or not all(call.heavy for call in calls):
            for number, call in enumerate(calls):
                yield number, self._run(call, number, hear)
            return
        pool = ThreadPoolExecutor(self.width)
        try:
            futures = {pool.submit(self._run, call, number, hear): number for number, call in enumerate(calls)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def each(self, function: Callable[[], Any]) -> dict[str, Any]:
        """See `Runner`."""
        return {"": function()}

    def _run(self, call: Call, number: int, hear: Hear | None) -> Any:
        method = getattr(self.subject, call.method)
        return method(*call.arguments) if hear is None else method(*call.arguments, tell=partial(hear, number))


_HELD: dict[str, Any] = {}  # subjects of this worker, by name
_names = itertools.count()


def _run_held(name: str, method: str, arguments: tuple[Any, ...], number: int, topic: str) -> Any:
    if name not in _HELD:
        raise ConfigError("a worker could not load what the search sent it", _SAME)
    held = getattr(_HELD[name], method)
    if not topic:
        return held(*arguments)
    worker = _import("distributed").get_worker()
    return held(*arguments, tell=lambda text: worker.log_event(topic, [number, text]))


class DaskRunner:
    """Runs calls on the workers of a Dask scheduler."""

    def __init__(self, client: Any, subject: Any) -> None:
        self.client = client
        self._name = ""
        self.replace(subject)

    @property
    def width(self) -> int:
        """Threads of all present workers."""
        threads: int = sum(self.client.nthreads().values())
        return max(threads, 1)

    def replace(self, subject: Any) -> None:
        """Sends a subject to all workers, also to later ones."""
        self._forget()
        if subject is None:
            return
        self._name = f"edgemoe-{os.getpid()}-{next(_names)}"
        self.client.register_plugin(_plugin(self._name, subject), name=self._name)

    def _forget(self) -> None:
        if self._name:
            self.client.unregister_worker_plugin(self._name)
            self._name = ""

    def each(self, function: Callable[[], Any]) -> dict[str, Any]:
        """See `Runner`."""
        return dict(self.client.run(function))

    def results(self, calls: Sequence[Call], hear: Hear | None = None) -> Iterator[tuple[int, Any]]:
        """See `Runner`."""
        distributed = _import("distributed")
        killed = distributed.scheduler.KilledWorker
        lost = [0] * len(calls)
        topic = f"{self._name}-{next(_names)}" if hear is not None else ""
        if hear is not None:
            self.client.subscribe_topic(topic, lambda event: hear(*event[1]))
        futures = {self._submit(call, number, topic): number for number, call in enumerate(calls)}
        waiting = distributed.as_completed(list(futures))
        try:
            for future in waiting:
                number = futures.pop(future)
                error = future.exception() if future.status == "error" else None
                if isinstance(error, killed) or future.status in ("lost", "cancelled"):
                    lost[number] += 1
                    if lost[number] > LOST_WORKERS:
                        raise ConfigError(
                            f"{lost[number]} workers were lost over one trial", "give workers more memory"
                        )
                    again = self._submit(calls[number], number, topic)
                    futures[again] = number
                    waiting.add(again)
                    continue
                if isinstance(error, ImportError):  # one that has joined since
                    raise ConfigError(f"a worker cannot load what it is sent: {error}", _SAME) from error
                yield number, future.result()
        finally:
            self.client.cancel(list(futures), force=True)
            if topic:
                self.client.unsubscribe_topic(topic)

    def _submit(self, call: Call, number: int, topic: str) -> Any:
        return self.client.submit(
            _run_held, self._name, call.method, call.arguments, number, topic, pure=False
        )  # fmt: skip


def _plugin(name: str, subject: Any) -> Any:
    base: Any = _import("distributed").WorkerPlugin

    class Holder(base):  # type: ignore[misc]
        """Puts the subject where `_run_held` finds it."""

        def setup(self, worker: Any) -> None:  # noqa: ARG002
            from edgemoe_gen.tuning import runner

            runner._HELD[name] = subject

        def teardown(self, worker: Any) -> None:  # noqa: ARG002
            from edgemoe_gen.tuning import runner

            held = runner._HELD.pop(name, None)
            if hasattr(held, "close"):
                held.close()

    return Holder()


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            "workers need Dask, which is not installed", f"install it: {installing('cluster')}"
        ) from error


def check_workers(scheduler: str | None) -> None:
    """Refuses arguments for which no runner could be opened, before anything is done.

    Raises:
        ConfigError: Dask is needed but not installed, or the address is none.
    """
    if scheduler is not None and not _ADDRESS.fullmatch(scheduler):
        raise ConfigError(
            f"--scheduler is '{scheduler}', which is no address", "give tcp://HOST:PORT, for example tcp://host:8786"
        )
    if scheduler is not None:
        _import("distributed")


@contextmanager
def open_runner(
    subject: Any, jobs: int = 1, scheduler: str | None = None, progress: Progress = no_progress
) -> Iterator[Runner]:
    """A runner for a subject.

    Args:
        subject: whose methods are called; None: `replace` gives one later.
        jobs: worker processes of this machine (`tuning.pool`); 1: this process.
        scheduler: address of a Dask scheduler, whose workers have this package too; `jobs` does not count then. Where
            the scheduler has no worker yet, as in a long queue of a farm, the first one is waited for.
        progress: told of that wait.

    Raises:
        ConfigError: Dask is not installed, the address is none, or no scheduler answers.
    """
    check_workers(scheduler)
    if scheduler is not None:
        with _connected(scheduler) as client:
            if not client.nthreads():
                progress(f"waiting for the first worker of {scheduler}", 0, 1)
                client.wait_for_workers(1)
            _check_versions(client, scheduler)
            runner = DaskRunner(client, subject)
            try:
                yield runner
            finally:
                runner._forget()
    elif jobs > 1:
        pool = PoolRunner(jobs, subject)
        try:
            yield pool
        finally:
            pool.close()
    else:
        yield LocalRunner(subject)


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    distributed, dask = _import("distributed"), _import("dask")
    with dask.config.set({"distributed.logging.distributed": "error", "distributed.scheduler.allowed-failures": 3}):
        try:
            client = distributed.Client(scheduler, timeout=CONNECT_SECONDS)
        except Exception as error:  # whatever another kind of server makes Dask stumble over
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler}", "start one: dask scheduler; and workers: dask worker"
            ) from error
        with client:
            yield client


def _check_versions(client: Any, scheduler: str) -> None:
    """Refuses present workers that can't run these calls.

    Raises:
        ConfigError: names one, and what it has instead.
    """
    # First functions of Python's own library: a worker that lacks this package has them.
    found = client.run(version, PACKAGE, on_error="return")
    pythons = client.run(platform.python_version, on_error="return")
    wrong = {worker: _unlike(known, str(pythons[worker])) for worker, known in found.items()}
    if not any(wrong.values()):
        own = sources()
        wrong = {
            worker: "" if other == own else f"has other sources of {PACKAGE} {version(PACKAGE)} than this process"
            for worker, other in client.run(sources, on_error="return").items()
        }
    wrong = {worker: why for worker, why in wrong.items() if why}
    if wrong:
        worker, why = next(iter(wrong.items()))
        raise ConfigError(
            f"the worker {worker} of {scheduler} {why}"
            + (f"; {len(wrong) - 1} others of {len(found)} do not fit either" if len(wrong) > 1 else ""),
            f"install {PACKAGE} {version(PACKAGE)} and PyTorch there, for Python {_minor(platform.python_version())}, "
            "from the same sources, and start dask worker from that environment",
        )


def sources() -> str:
    """A hash of this package's modules, which must be the same on all workers."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _unlike(package: Any, python: str) -> str:
    """The difference of a worker, in words; "" if there is none."""
    if isinstance(package, Exception):
        return f"has no {PACKAGE} (Python {python})"
    if package != version(PACKAGE):
        return f"has {PACKAGE} {package}, this is {version(PACKAGE)}"
    if _minor(python) != _minor(platform.python_version()):
        return f"runs Python {python}, this is {platform.python_version()}"
    return ""


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
