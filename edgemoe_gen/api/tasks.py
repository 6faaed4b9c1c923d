"""Tasks that the caller of a verb names: one, several, or all of those that the network or overlay has."""

from __future__ import annotations

from collections.abc import Sequence

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.model import ModelSpec

ALL = "all"  # stands for all tasks, unless one is called so
OR_ALL = f"choose one with --task, or all of them with --task {ALL}"


def one_task(task: str | None, spec: ModelSpec) -> str:
    """The task that is named, or the only one.

    Raises:
        ConfigError: there are several, and none is named.
        SpecError: there is no such task.
    """
    refuse_to_choose(task, spec.task_names)
    if task is None:
        return spec.task_names[0]
    spec.task_index(task)
    return task


def some_tasks(tasks: Sequence[str] | None, spec: ModelSpec) -> tuple[str, ...]:
    """The tasks that are named, each once; or all, or the only one.

    Raises:
        ConfigError, SpecError: as of `one_task`.
    """
    refuse_to_choose(tasks, spec.task_names, hint=OR_ALL)
    chosen = named(tasks, spec.task_names) or spec.task_names
    for task in chosen:
        spec.task_index(task)
    return chosen


def named(tasks: Sequence[str] | None, known: Sequence[str] = ()) -> tuple[str, ...]:
    """The names among what is asked for, each once; none where all tasks are."""
    found = tuple(dict.fromkeys(tasks or ()))
    return () if found == (ALL,) and ALL not in known else found


def refuse_to_choose(
    tasks: str | Sequence[str] | None,
    known: Sequence[str],
    whose: str = "the network",
    hint: str = "choose one with --task",
) -> None:
    """Refuses to take one of several tasks where none is named.

    Raises:
        ConfigError: so it is.
    """
    if not tasks and len(known) > 1:
        raise ConfigError(f"{whose} has the tasks {', '.join(known)}", hint)
