"""Parses foreign texts: JSON, TOML and XML, bounded, and with one kind of error each.

A text that is damaged, too deep or too large gives a `ValueError` of a few words, never another exception. Every reader
makes its own error of it, with the file's name and a hint. The reader of yml is `edgemoe_gen.model.yml`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgemoe_gen.base.reading import escaped, read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

JSON_LIMIT = 16 << 20  # bytes
SETTINGS_LIMIT = 1 << 20  # bytes of a file that people write: a spec, a project, a board
XML_LIMIT = 32 << 20  # bytes
_TAGS = 1_000_000  # of an XML file; a large hardware handoff has some 100,000
_DEPTH = 32  # of tables and lists in settings
_WHOLE = 1 << 63  # TOML's whole numbers have 64 bits
_DIGITS = 40


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: it can't be read, or is no regular file, or too large.
        ValueError: it is no JSON in UTF-8.
    """
    return parse_json(read_text(path, JSON_LIMIT))


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def read_settings(path: Path) -> str:
    """Text of a settings file.

    Raises:
        OSError: it can't be read, or is no regular file, or too large.
        ValueError: it is no UTF-8.
    """
    return read_text(path, SETTINGS_LIMIT)


def parse_toml(text: str) -> dict[str, Any]:
    """The document of a TOML text.

    Raises:
        ValueError: the text is no TOML, or holds values that no settings have.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except ValueError as error:
        raise ValueError(escaped(str(error)[:300])) from error
    refuse_absurd(document)
    return document


def refuse_absurd(document: object) -> None:
    """Refuses settings that are nested too deeply, or hold numbers beyond 64 bits.

    Raises:
        ValueError: says which.
    """
    left = [(document, 0)]
    while left:
        value, depth = left.pop()
        if depth > _DEPTH:
            raise ValueError("it is nested too deep")
        if isinstance(value, int) and not -_WHOLE <= value < _WHOLE:
            raise ValueError(f"it holds a whole number of {value.bit_length():,} bits")
        if isinstance(value, Mapping):
            left += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, (list, tuple, set)):
            left += [(inner, depth + 1) for inner in value]


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML text that declares no document type: entities could grow without end.

    Raises:
        ValueError: says what is wrong with it.
    """
    if b"\0" in data:  # UTF-16 would hide what is looked for next
        raise ValueError("holds NUL bytes")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("declares a document type")
    if data.count(b"<") > 2 * _TAGS:
        raise ValueError(f"has more than {_TAGS:,} elements")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two are of its encoding
        raise ValueError(f"is not readable as XML: {escaped(str(error)[:200])}") from error
