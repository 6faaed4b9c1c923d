"""TOML texts: literals of values, and changes of a table's values that keep all other text of the user.

A text is cut into statements: a line, or the lines of one value. So a bracket in a string or in a list of lists is
never taken for a table. The result is parsed again before it is returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.parsing import SETTINGS_LIMIT, parse_toml
from edgemoe_gen.base.reading import read_bytes

_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'" r"|#[^\n]*|[\[\]{}]|\n",
    re.DOTALL,
)
_HEADER = re.compile(r"[ \t]*\[")
_KEY = re.compile(r"""[ \t]*(?:"([^"]*)"|'([^']*)'|([\w-]+))[ \t]*=[ \t]*""")
_UNSET = re.compile(r"#[ \t]?([\w-]+)[ \t]*=[^#\n]*(?:#[^\n]*)?$")


def toml_value(value: object) -> str:
    """A TOML literal of a string, number, truth value or sequence of these."""
    writers: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
        (bool, lambda v: str(v).lower()),
        (str, _quoted),
        ((int, float), repr),
        ((list, tuple), lambda v: "[" + ", ".join(toml_value(item) for item in v) + "]"),
        (dict, lambda v: "{" + ", ".join(f"{toml_value(k)} = {toml_value(i)}" for k, i in v.items()) + "}"),
    )
    for kinds, write in writers:
        if isinstance(value, kinds):
            return write(value)
    return str(value)  # dates, which TOML writes as Python does


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in escaped) + '"'


def read_text(path: Path) -> str:
    """A file's text with its ends of lines as they are.

    Raises:
        ConfigError: it cannot be read, or not as UTF-8.
        FileNotFoundError: there is none.
    """
    try:
        return read_bytes(path, SETTINGS_LIMIT).decode("utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text: {error}") from error


def with_values(
    text: str, table: str, values: Mapping[str, int | float], *, only: bool = False, comment: str = ""
) -> str:
    """A TOML text whose table has these values; comments and other tables stay, byte for byte.

    A value that is set is replaced in place. A value whose line is a comment takes that line, and the comment's remark
    on the default stays after it. Other values are added at the table's end, and a missing table at the text's end.

    Args:
        text: TOML.
        table: name of a table of the top level.
        values: by key.
        only: remove keys that are not among `values`.
        comment: line above the values of a new table.

    Raises:
        ConfigError: the text has the table in another form than as [table].
    """
    if not values and not only:
        return text
    statements = list(_statements(text))
    start = next((i for i, line in enumerate(statements) if _is_header(line, table)), None)
    if start is None:
        made = _appended(text, table, values, comment)
    else:
        following = (i for i in range(start + 1, len(statements)) if _HEADER.match(statements[i]))
        end = next(following, len(statements))
        body = _changed(statements[start:end], values, only)
        made = "".join((*statements[:start], *body, *statements[end:]))
    _check(text, made, table, values, only)
    return made


def _statements(text: str) -> Iterator[str]:
    start = depth = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        depth += (mark in "[{") - (mark in "]}")
        if mark == "\n" and depth <= 0:
            yield text[start : token.end()]
            start, depth = token.end(), 0
    if start < len(text):
        yield text[start:]


def _is_header(statement: str, table: str) -> bool:
    return re.match(rf"""[ \t]*\[[ \t]*(["']?){re.escape(table)}\1[ \t]*\]""", statement) is not None


def _key(statement: str) -> str | None:
    found = _KEY.match(statement)
    return None if found is None else next(name for name in found.groups() if name is not None)


def _changed(lines: list[str], values: Mapping[str, int | float], only: bool) -> list[str]:
    """A table's statements, its header the first one."""
    left = dict(values)
    body = [line for line in lines if not only or (key := _key(line)) is None or key in values]
    for i, line in enumerate(body):
        key = _key(line)
        if key in left:
            body[i] = _with_value(line, left.pop(key))
    for i, line in enumerate(body):
        unset = _UNSET.match(line.rstrip("\r\n"))
        if unset and unset[1] in left:
            text = line.rstrip("\r\n").lstrip("# \t")
            value, mark, comment = text.partition("#")
            said = f"  # {_value_of(value)} is the{comment}" if mark and comment.startswith(" default for ") else ""
            body[i] = f"{unset[1]} = {toml_value(left.pop(unset[1]))}{said}{_end_of_line(line)}"
    if left:
        # Comments at the end of a table are about the next one.
        place = max(i for i, line in enumerate(body) if i == 0 or _key(line) is not None)
        end = _end_of_line(lines[0]) or "\n"
        body[place] += "" if _end_of_line(body[place]) else end
        body[place + 1 : place + 1] = [f"{name} = {toml_value(value)}{end}" for name, value in left.items()]
    return body


def _value_of(statement: str) -> str:
    return statement.partition("=")[2].strip()


def _with_value(line: str, value: int | float) -> str:
    """A statement with another value; its key, the comment behind it and its end stay."""
    found = _KEY.match(line)
    assert found is not None  # it has a key
    comment = next((t.start() for t in _TOKEN.finditer(line, found.end()) if t.group()[0] == "#"), len(line))
    tail = line[found.end() : comment]
    return line[: found.end()] + toml_value(value) + tail[len(tail.rstrip()) :] + line[comment:]


def _end_of_line(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _appended(text: str, table: str, values: Mapping[str, int | float], comment: str) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text else end if text.endswith("\n") else end * 2
    if text.endswith(("\n\n", "\n\r\n")):
        gap = ""
    lines = [f"[{table}]", *([f"# {comment}"] if comment else [])]
    lines += [f"{name} = {toml_value(value)}" for name, value in values.items()]
    return text + gap + "".join(line + end for line in lines)


def _check(before: str, after: str, table: str, values: Mapping[str, int | float], only: bool) -> None:
    try:
        wanted = parse_toml(before)
        kept = {} if only else wanted.get(table, {})
        if parse_toml(after) == {**wanted, table: {**kept, **values}}:
            return
    except (ValueError, TypeError):
        pass
    raise ConfigError(
        f"the project's file has no table '{table}' that can be changed: it is not written as [{table}], a line a key",
        f"write it so, or the values by hand: {', '.join(f'{name} = {value}' for name, value in values.items())}",
    )
