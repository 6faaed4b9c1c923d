"""Runs all rules on a project's sources."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.linting.access import Accesses
from edgemoe_gen.linting.banks import check_banks
from edgemoe_gen.linting.dataflow import check_dataflow
from edgemoe_gen.linting.interface import check_interface
from edgemoe_gen.linting.language import check_language, check_problems
from edgemoe_gen.linting.places import check_pragmas
from edgemoe_gen.linting.result import LintResult
from edgemoe_gen.linting.rules import RULES
from edgemoe_gen.linting.tree import LOOPS, key
from edgemoe_gen.linting.unit import parse


def check(sources: Mapping[str, str], top: str) -> LintResult:
    """Parses and checks; findings come in the order of files and lines, each once.

    Raises:
        ConfigError: no source defines `top`, and none has an error that would explain it.
    """
    unit = parse(sources, top)
    findings = [*check_problems(unit)]
    findings += check_pragmas(unit)
    if unit.top is not None:
        accesses = Accesses(unit)
        findings += check_language(unit)
        findings += check_dataflow(unit, accesses)
        findings += check_banks(unit)
        findings += check_interface(unit)
    once = dict.fromkeys(sorted(findings, key=lambda found: (found.file, found.line, found.rule, found.message)))
    functions = {key(function.node.cursor) for function in unit.functions.values()}
    loops = {key(n.cursor) for function in unit.functions.values() for n in function.nodes if n.kind in LOOPS}
    return LintResult(tuple(once), len(RULES), len(unit.placed), len(functions), len(loops), len(unit.streams))
