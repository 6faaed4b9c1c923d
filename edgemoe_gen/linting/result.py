"""Results of lint: rules, findings, counts."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.base.brief import Brief
from edgemoe_gen.base.errors import LintError


@dataclass(frozen=True)
class Rule:
    """One rule: its name, its demand, and the guide and section of its source."""

    name: str
    meaning: str
    source: str


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule: `file` is a path inside the project, `source` that of the rule."""

    rule: str
    file: str
    line: int
    message: str
    source: str


@dataclass(frozen=True, repr=False)
class LintResult(Brief):
    """All findings in the order of files and lines, and the number of checked objects."""

    findings: tuple[Finding, ...]
    rules: int
    pragmas: int
    functions: int
    loops: int
    streams: int


def refuse_findings(result: LintResult) -> None:
    """Passes a result without findings.

    Raises:
        LintError: there is a finding; names the first, and how many more there are.
    """
    if not result.findings:
        return
    first, more = result.findings[0], len(result.findings) - 1
    rest = f" (and {more} more)" if more else ""
    raise LintError(
        f"{first.file}:{first.line} breaks rule '{first.rule}': {first.message}{rest}",
        f"see {first.source}; `edgemoe-gen lint --rules` explains every rule",
    )
