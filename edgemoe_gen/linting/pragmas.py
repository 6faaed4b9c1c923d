"""Reads `#pragma HLS` lines, and puts a declaration in the place of each for the parser to see.

A compiler drops a pragma. Here each becomes an enumeration on the same line, whose constants are the pragma's values
and the size of its variable. So the syntax tree says where the pragma stands, what its variable is and what its
expressions come to, by C++'s own rules of scope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgemoe_gen.linting.directives import DIRECTIVES, FUNCTION, INTEGER, PORT, VARIABLE
from edgemoe_gen.linting.result import Finding
from edgemoe_gen.linting.rules import finding

MARK = "edgemoe_pragma_"
_HARMLESS = ("once", "clang", "GCC", "region", "endregion")
_REFERENCE = re.compile(r"(?:this->)?[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*|\[\w+\])*")
_CONTINUES = tuple("+-*/%,?:<>&|(=!")
_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


@dataclass(frozen=True)
class Pragma:
    """One pragma as written: `options` by lower-case name, a bare word stands for its option or for itself."""

    number: int
    file: str
    line: int
    directive: str
    options: dict[str, str]

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


@dataclass(frozen=True)
class Rewritten:
    """A file for the parser, the pragmas that it held, and what is wrong with each by its number.

    A fault counts only if the preprocessor does not skip its line, which the tree shows.
    """

    text: str
    pragmas: tuple[Pragma, ...]
    faults: dict[int, tuple[Finding, ...]]


def rewrite(file: str, text: str, first: int) -> Rewritten:
    """Takes the pragmas out of a file; their numbers begin at `first`. Lines keep their numbers."""
    text = _COMMENT.sub(_blank, text)
    lines = text.split("\n")
    pragmas: list[Pragma] = []
    faults: dict[int, tuple[Finding, ...]] = {}
    place = 0
    while place < len(lines):
        start = place
        logical = lines[place]
        while logical.endswith("\\") and place + 1 < len(lines):
            place += 1
            logical = logical[:-1] + " " + lines[place]
        place += 1
        found = re.match(r"\s*#\s*pragma\s+(\w+)\s*(.*)", logical)
        hidden = re.search(r"\b_Pragma\s*\(\s*\"[^\"]*\"\s*\)", logical)
        if hidden is None and (found is None or found[1] in _HARMLESS):
            continue
        number = first + len(pragmas)
        if found is not None and found[1] == "HLS":
            pragma, wrong = _read(number, file, start + 1, found[2])
        else:
            what = f"'#pragma {found[1]}'" if found is not None else "a pragma in _Pragma"
            pragma = Pragma(number, file, start + 1, "", {})
            wrong = [finding("pragma-form", file, start + 1, f"{what} is not checked: write a line '#pragma HLS'")]
        pragmas.append(pragma)
        faults[number] = tuple(wrong)
        lines[start:place] = [""] * (place - start)
        lines[start] = _declaration(pragma)
    return Rewritten("\n".join(lines), tuple(pragmas), faults)


def _blank(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else "".join(c if c == "\n" else " " for c in text)


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


def _read(number: int, file: str, line: int, text: str) -> tuple[Pragma, list[Finding]]:
    name, _, rest = text.strip().partition(" ")
    name = name.upper()
    directive = DIRECTIVES.get(name)
    if directive is None:
        return Pragma(number, file, line, "", {}), [
            finding("pragma-name", file, line, f"there is no pragma HLS {name.lower()}")
        ]
    findings: list[Finding] = []
    options: dict[str, str] = {}
    for part in _parts(rest):
        key, equals, value = part.partition("=")
        option = key.lower() if equals else directive.words.get(key.lower())
        if option is None or (equals and option not in directive.options):
            findings.append(finding("pragma-option", file, line, f"{name} has no option '{key}'"))
            continue
        value = value if equals else key
        option = option or key.lower()
        if option in options:
            findings.append(finding("pragma-option", file, line, f"{name} gets '{option}' twice"))
            continue
        kind = directive.options.get(option, frozenset())
        if not _well_formed(kind, value):
            message = f"{name} gets {option} = '{value}'"
            if isinstance(kind, frozenset):
                message += f", but takes {', '.join(sorted(kind))}"
            findings.append(finding("pragma-value", file, line, message))
            continue
        options[option] = value
    missing = [option for option in directive.required if option not in options]
    if missing and not findings:
        findings.append(finding("pragma-required", file, line, f"{name} lacks {', '.join(missing)}"))
    return Pragma(number, file, line, name, options), findings


def _well_formed(kind: str | frozenset[str], value: str) -> bool:
    if isinstance(kind, frozenset):
        return not kind or value.lower() in kind or value.lower() in ("off", "rewind", "skip_exit_check")
    if kind in (VARIABLE, FUNCTION, PORT):
        return _REFERENCE.fullmatch(value) is not None
    if kind == INTEGER:
        return bool(value) and value.count("(") == value.count(")") and not set(value) & set(";{}\"'")
    return re.fullmatch(r"[\w.]+", value) is not None


def _declaration(pragma: Pragma) -> str:
    mark = f"{MARK}{pragma.number}"
    constants = [mark]
    kinds = DIRECTIVES[pragma.directive].options if pragma.directive else {}
    for option, value in pragma.options.items():
        kind = kinds.get(option)
        if kind == INTEGER:
            constants.append(f"{mark}_{option} = ({value})")
        elif kind == VARIABLE or (kind == PORT and value != "return"):
            constants.append(f"{mark}_{option} = sizeof({value})")
        elif kind == FUNCTION and pragma.value("type", "function") == "function":
            constants.append(f"{mark}_{option} = sizeof(&{value})")
    return f"enum {{ {', '.join(constants)} }};"
