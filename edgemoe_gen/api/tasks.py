"""Tasks that the caller of a verb names: one, several, or all tasks of the network or overlay."""

from __future__ import annotations

from collections.abc import Sequence

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.model import ModelSpec

ALL = "all"  # stands for all tasks, unless a task has this name
OR_ALL = f"choose one with --task, or all of them with --task {ALL}"


def one_task(task: str | None, spec: ModelSpec) -> str:
    """The named task, or the network's only task.

    Raises:
        ConfigError: the network has several tasks, and none is named.
        SpecError: the network has no such task.
    """
    refuse_to_choose(task, spec.task_names)
    if task is None:
        return spec.task_names[0]
    spec.task_index(task)
    return task


def some_tasks(tasks: Sequence[str] | None, spec: ModelSpec) -> tuple[str, ...]:
    """The named tasks, each once; all tasks for "all"; otherwise the network's only task.

    Raises:
        ConfigError, SpecError: as for `one_task`.
    """
    refuse_to_choose(tasks, spec.task_names, hint=OR_ALL)
    chosen = named(tasks, spec.task_names) or spec.task_names
    for task in chosen:
        spec.task_index(task)
    return chosen


def named(tasks: Sequence[str] | None, known: Sequence[str] = ()) -> tuple[str, ...]:
    """The requested names, each once; none if all tasks are requested."""
    found = tuple(dict.fromkeys(tasks or ()))
    return () if found == (ALL,) and ALL not in known else found


def refuse_to_choose(
    tasks: str | Sequence[str] | None,
    known: Sequence[str],
    whose: str = "the network",
    hint: str = "choose one with --task",
) -> None:
    """Refuses to choose among several tasks if none is named.

    Raises:
        ConfigError: there are several tasks, and none is named.
    """
    if not tasks and len(known) > 1:
        raise ConfigError(f"{whose} has the tasks {', '.join(known)}", hint)
