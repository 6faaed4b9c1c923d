"""Foreign names: the characters that they may hold, and how a sentence shows them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Task names become parts of file names, of Python and of Markdown, which nothing escapes.
TASK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
TASK_NAME_RULE = "1 to 64 letters, digits, dots, hyphens and underscores"
# Control characters of ASCII and Latin-1, and Unicode's own ends of lines.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")
_LONGEST = 100  # characters of a name that a sentence shows


def shown(name: object) -> str:
    """A name out of a file as a sentence may show it: bounded, and quoted with escapes unless it is a plain word."""
    text = word(name)
    return text if _PLAIN.fullmatch(text) else f"'{text}'"


def word(name: object) -> str:
    """A name for a place that has its own quotation marks: bounded, with escapes for what cannot be printed."""
    text = str(name)
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + "..." + text[3 - _LONGEST // 2 :]
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def listed(names: Iterable[object], most: int = 8) -> str:
    """Names out of a file, up to a limit, and the number of the others."""
    every = list(names)
    rest = [f"{len(every) - most} more"] if len(every) > most else []
    return ", ".join([*map(shown, every[:most]), *rest])


def meant(name: str, known: Iterable[str]) -> str:
    """The start of a hint for an unknown name, with the name that was probably meant: "did you mean 'x'? ", or "".

    Upper and lower case count as equal, and so do hyphens and underscores.
    """
    plain = {each.lower().replace("-", "_"): each for each in known}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), plain, n=1)
    return f"did you mean '{plain[found[0]]}'? " if found else ""


def near(name: str, known: Iterable[str], title: str) -> str:
    """A hint for an unknown name: the name that was probably meant, and all known names, after a title."""
    every = list(known)
    return f"{meant(name, every)}{title}: {', '.join(every)}"
