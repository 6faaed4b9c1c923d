"""Arguments declared once: a field of a dataclass is an API keyword, a command-line option and a line of help.

A verb takes `**keywords: Unpack[SomeKeywords]`, a TypedDict that the type checker follows from the command line to the
API. `takes` gives the verb a signature and a docstring that list those keywords. `split` makes the verb's dataclass of
them.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

ARGUMENT, KEY = "argument", "key"  # of a field's metadata
REPEATED = ("paths", "names")  # kinds of several values
_INDENT = " " * 4


@dataclass(frozen=True)
class Argument:
    """Facts of an argument beside its type.

    Attributes:
        kind: how a text of the command line becomes its value: "str", "int", "float", "flag", "path"; repeatable are
            "paths" and "names"; "commas" are names in one text; "knobs", "choices", "class_names" and "network" have
            separate readers.
        help: its line in --help.
        meaning: its line in a verb's docstring, where the verb's own does not say it.
        keyword: its name in the API; "" = the field's.
        option: its name on the command line; "" = that of the keyword.
        metavar: placeholder of its value in --help.
        default: its value where it is not given.
        show_default: whether --help shows the default.
        unsaid: its value where the option stands without one; "" = the option needs a value.
    """

    kind: str
    help: str
    meaning: str = ""
    keyword: str = ""
    option: str = ""
    metavar: str | None = None
    default: object = None
    show_default: bool = False
    unsaid: str = ""


@dataclass(frozen=True)
class Key:
    """A key of a settings file: its table ("" for the file's own), its kind, and the comment that explains it there."""

    table: str
    kind: str
    comment: str


def argument(
    default: object,
    kind: str,
    help: str,
    *,
    key: Key | None = None,
    factory: Callable[[], object] | None = None,
    **more: Any,
) -> Any:
    """A field that is an argument.

    Args:
        default: default of field and keyword; None is an empty tuple for a keyword of several values.
        kind, help: see `Argument`, as for `more`.
        key: its key in a settings file, if it has one.
        factory: function that makes the field's default instead.
    """
    empty = () if kind in REPEATED else None
    about: dict[str, Any] = {ARGUMENT: Argument(kind, help, default=empty if default is None else default, **more)}
    about |= {} if key is None else {KEY: key}
    return field(default_factory=factory, metadata=about) if factory else field(default=default, metadata=about)


def arguments_of(*kinds: type) -> dict[str, Argument]:
    """The arguments in the fields of some dataclasses by keyword, in order.

    If two have one keyword, the last counts, at its own place: a verb may redefine an argument of the project.
    """
    found: dict[str, Argument] = {}
    for kind in kinds:
        for each in fields(kind):
            if ARGUMENT in each.metadata:
                known: Argument = each.metadata[ARGUMENT]
                keyword = known.keyword or each.name
                found.pop(keyword, None)
                found[keyword] = replace(known, keyword=keyword)
    return found


def keywords_of(keywords: type, *kinds: type) -> tuple[Argument, ...]:
    """The arguments behind the keys of a TypedDict, in the order of the dataclasses.

    Raises:
        TypeError: a key is no argument of theirs.
    """
    known, names = arguments_of(*kinds), keywords.__annotations__
    if not names.keys() <= known.keys():
        raise TypeError(f"{keywords.__name__} has keys that are no arguments: {', '.join(names.keys() - known.keys())}")
    return tuple(argument for name, argument in known.items() if name in names)


def split(kind: type[T], keywords: Mapping[str, object]) -> tuple[T, dict[str, object]]:
    """The dataclass of some keywords, and the keywords that are not its own."""
    known = {each.name: each.metadata.get(ARGUMENT) for each in fields(cast(Any, kind))}
    mine = {name: several(known[name], value) for name, value in keywords.items() if name in known}
    return kind(**mine), {name: value for name, value in keywords.items() if name not in known}


def several(about: Argument | None, value: object) -> object:
    """A value of an argument; for an argument of several values, a single text or path becomes a tuple of one."""
    alone = about is not None and about.kind in REPEATED and isinstance(value, str | PathLike)
    return (value,) if alone else value


def takes(keywords: type, *kinds: type) -> Callable[[F], F]:
    """Gives a verb a signature and a docstring that list its keywords, and refuses others as Python does.

    Args:
        keywords: the TypedDict that the verb unpacks.
        kinds: dataclasses whose fields say what the keywords are.
    """
    arguments = keywords_of(keywords, *kinds)

    def decorate(function: F) -> F:
        plain = inspect.signature(function)
        listed = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
        # What the caller says of the project stands before what the verb lists itself, such as `progress`.
        place = next((i for i, p in enumerate(listed) if p.kind is p.KEYWORD_ONLY), len(listed))
        spelled = [
            inspect.Parameter(
                each.keyword,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=_text(keywords.__annotations__[each.keyword]),
            )
            for each in arguments
        ]
        signature = plain.replace(parameters=[*listed[:place], *spelled, *listed[place:]])

        @functools.wraps(function)
        def call(*positional: Any, **given: Any) -> Any:
            try:
                signature.bind(*positional, **given)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(*positional, **given)

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = with_arguments(function.__doc__ or "", {each.keyword: each.meaning for each in arguments})
        return cast(F, call)

    return decorate


def _text(hint: object) -> object:
    """An annotation as it is written."""
    return getattr(hint, "__forward_arg__", hint)


def with_arguments(text: str, meanings: Mapping[str, str]) -> str:
    """A docstring whose section "Args" lists every argument, those that it does not list itself behind the others."""
    lines = inspect.cleandoc(text).splitlines()
    start = next((i for i, line in enumerate(lines) if line == "Args:"), None)
    if start is None:
        start = next((i for i, line in enumerate(lines) if re.fullmatch(r"\w+:", line)), len(lines))
        lines[start:start] = ["Args:"] if start < len(lines) else ["", "Args:"]
        if start == len(lines) - 2:
            start += 1
    end = start + 1
    while end < len(lines) and lines[end].startswith(_INDENT):
        end += 1
    listed = {
        name.strip()
        for line in lines[start + 1 : end]
        if (match := re.match(rf"{_INDENT}(\w[\w, ]*):", line))
        for name in match[1].split(",")
    }
    added = [f"{_INDENT}{name}: {meaning}" for name, meaning in meanings.items() if name not in listed]
    rest = lines[end:] if end == len(lines) or not lines[end] else ["", *lines[end:]]
    return "\n".join([*lines[:end], *added, *rest])
