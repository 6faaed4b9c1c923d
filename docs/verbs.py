"""The parameters of verbs on the site: those that they list when they are imported, not those of their source."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import griffe

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: griffe.ParameterKind.positional_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.VAR_POSITIONAL: griffe.ParameterKind.var_positional,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.VAR_KEYWORD: griffe.ParameterKind.var_keyword,
}


class Spelled(griffe.Extension):
    """Takes a function's own `__signature__` where it has one."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Replaces the parameters of a verb."""
        if not (func.parent and func.parent.is_module and func.path.startswith("edgemoe_gen.api.")):
            return
        found = getattr(importlib.import_module(func.path.rpartition(".")[0]), func.name, None)
        signature = getattr(found, "__signature__", None)
        if signature is not None:
            func.parameters = griffe.Parameters(*map(_parameter, signature.parameters.values()))


def _parameter(each: inspect.Parameter) -> griffe.Parameter:
    said = each.annotation
    annotation = None if said is each.empty else said if isinstance(said, str) else inspect.formatannotation(said)
    default = None if each.default is each.empty else repr(each.default)
    return griffe.Parameter(each.name, annotation=annotation, kind=_KINDS[each.kind], default=default)
