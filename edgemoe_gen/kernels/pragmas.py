"""Reads `#pragma` lines by the grammar of Vitis HLS: only this module knows how a pragma is written.

In: a text. Out: its pragmas with their options and places, each with its faults. `directives` says which pragma belongs
where; `source` refuses faults, lint reports them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edgemoe_gen.kernels.directives import DIRECTIVES, FUNCTION, INTEGER, PORT, VARIABLE
from edgemoe_gen.kernels.text import Text

_HARMLESS = ("once", "clang", "GCC", "region", "endregion")
_LINE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+(\w+)((?:[^\n\\]|\\\n|\\)*)", re.MULTILINE)
_OPERATOR = re.compile(r"^(?:[^\n\\]|\\\n|\\)*\b_Pragma\s*\(\s*\"[^\"]*\"\s*\)(?:[^\n\\]|\\\n|\\)*", re.MULTILINE)
_REFERENCE = re.compile(r"(?:this->)?[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*|\[\w+\])*")
_CONTINUES = tuple("+-*/%,?:<>&|(=!")


@dataclass(frozen=True)
class Fault:
    """A fault of a pragma: lint's name of the rule, and the end of a sentence."""

    rule: str
    message: str


@dataclass(frozen=True)
class Pragma:
    """One pragma as written.

    Attributes:
        directive: its name in capitals, "" of one that is not known.
        options: by lower-case name; a bare word stands for its option or for itself.
        file, line: where it begins.
        start, end: positions of its line, with the lines that continue it and without the last line's end.
        faults: faults by the grammar.
    """

    directive: str
    options: dict[str, str]
    file: str
    line: int
    start: int
    end: int
    faults: tuple[Fault, ...] = ()

    @property
    def written(self) -> str:
        """The pragma in one form for all ways of writing it."""
        words = (value if value == option else f"{option} = {value}" for option, value in self.options.items())
        return " ".join([self.directive, *words])

    def value(self, option: str, default: str = "") -> str:
        """The value of an option as written, in lower case."""
        return self.options.get(option, default).lower()

    @property
    def off(self) -> bool:
        """Whether it takes an optimisation back."""
        return self.value("off") in ("off", "true")

    @property
    def subject(self) -> str:
        """Name of its variable or port, or ""."""
        return self.options.get("variable", self.options.get("port", ""))


def read_pragmas(text: Text) -> tuple[Pragma, ...]:
    """The pragmas of a text in their order, except those that mean nothing to hardware, such as `once`."""
    return tuple(sorted(_pragmas(text), key=lambda pragma: pragma.start))


def _pragmas(text: Text) -> Iterator[Pragma]:
    for found in _LINE.finditer(text.code):
        if found[1] in _HARMLESS:
            continue
        if found[1] == "HLS":
            directive, options, faults = _read(found[2].replace("\\\n", " "))
        else:
            directive, options, faults = "", {}, (_not_checked(f"'#pragma {found[1]}'"),)
        yield Pragma(directive, options, text.name, text.line(found.start()), found.start(), found.end(), faults)
    for found in _OPERATOR.finditer(text.commentless) if "_Pragma" in text.code else ():
        faults = (_not_checked("a pragma in _Pragma"),)
        yield Pragma("", {}, text.name, text.line(found.start()), found.start(), found.end(), faults)


def _not_checked(what: str) -> Fault:
    return Fault("pragma-form", f"{what} is not checked: write a line '#pragma HLS'")


def _parts(text: str) -> list[str]:
    """Splits at blanks, but not within an expression: around an operator, or in parentheses."""
    parts: list[str] = []
    for piece in re.sub(r"\s*(?<![=<>!])=(?!=)\s*", "=", text).split():
        last = parts[-1] if parts else ""
        inside = last.count("(") > last.count(")") or last.count("[") > last.count("]")
        if last and (inside or last.endswith(_CONTINUES) or piece[0] in "+-*/%,?:<>&|)"):
            parts[-1] = f"{last} {piece}"
        else:
            parts.append(piece)
    return parts


def _read(text: str) -> tuple[str, dict[str, str], tuple[Fault, ...]]:
    name, *parts = _parts(text) or [""]
    name = name.upper()
    directive = DIRECTIVES.get(name)
    if directive is None:
        return "", {}, (Fault("pragma-name", f"there is no pragma HLS {name.lower()}"),)
    faults: list[Fault] = []
    options: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        option = key.lower() if equals else directive.words.get(key.lower())
        if option is None or (equals and option not in directive.options):
            faults.append(Fault("pragma-option", f"{name} has no option '{key}'"))
            continue
        value = value if equals else key
        option = option or key.lower()
        if option in options:
            faults.append(Fault("pragma-option", f"{name} gets '{option}' twice"))
            continue
        kind = directive.options.get(option, frozenset())
        if not _well_formed(kind, value):
            message = f"{name} gets {option} = '{value}'"
            if isinstance(kind, frozenset):
                message += f", but takes {', '.join(sorted(kind))}"
            faults.append(Fault("pragma-value", message))
            continue
        options[option] = value
    missing = [option for option in directive.required if option not in options]
    if missing and not faults:
        faults.append(Fault("pragma-required", f"{name} lacks {', '.join(missing)}"))
    return name, options, tuple(faults)


def _well_formed(kind: str | frozenset[str], value: str) -> bool:
    if isinstance(kind, frozenset):
        return not kind or value.lower() in kind or value.lower() in ("off", "rewind", "skip_exit_check")
    if kind in (VARIABLE, FUNCTION, PORT):
        return _REFERENCE.fullmatch(value) is not None
    if kind == INTEGER:
        return bool(value) and value.count("(") == value.count(")") and not set(value) & set(";{}\"'")
    return re.fullmatch(r"[\w.]+", value) is not None
