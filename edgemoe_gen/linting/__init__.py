"""Checks rendered HLS C++ against the rules of Vitis HLS, with libclang: no vendor tool and no compiler needed.

`lint(sources)` takes the result of `codegen.render_sources`; `docs/lint.md` lists the rules, and the limits of lint.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.hardware.names import TOP
from edgemoe_gen.linting.result import Finding, LintResult, Rule, refuse_findings
from edgemoe_gen.linting.rules import RULES

__all__ = ["RULES", "TOP", "Finding", "LintResult", "Rule", "libclang_missing", "lint", "refuse_findings"]


def libclang_missing() -> str:
    """The reason why libclang can't be used, or ""."""
    try:
        importlib.import_module("clang.cindex").Index.create()
    except Exception as error:  # a missing package, or a library that does not load, in the loader's many ways
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return ""


def lint(sources: Mapping[str, str], top: str = TOP) -> LintResult:
    """Checks the sources of a rendered project.

    Args:
        sources: path inside the project to text; only files below src/ matter.
        top: name of the function that becomes hardware.

    Raises:
        ConfigError: libclang is not installed, or no source defines `top`.
    """
    reason = libclang_missing()
    if reason:
        raise ConfigError(f"lint needs libclang, which is not there ({reason})", installing("lint"))
    from edgemoe_gen.linting.check import check

    return check(sources, top)
