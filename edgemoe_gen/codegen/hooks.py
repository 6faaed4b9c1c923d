"""Files of hooks, as `edgemoe_gen.flow.hooks` lists them: the user's unchanged text, and the file that sources it.

In: texts by the hook's name. Out: files of the rendered project, and facts of them for the scripts. The file that
sources a text names the hook if it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

from edgemoe_gen.flow.hooks import HOOKS


def hooks_context(texts: Mapping[str, str]) -> dict[str, Any]:
    """The name `hooks` of the templates: those that are there, by stage."""
    there = [hook for hook in HOOKS if hook.name in texts]
    return {"hooks": {stage: [hook for hook in there if hook.stage == stage] for stage in ("hls", "bitstream")}}


def hook_files(texts: Mapping[str, str], environment: Environment, names: Mapping[str, Any]) -> dict[str, str]:
    """Files of the hooks, path in the rendered project to text."""
    template = environment.get_template("flow/hooks/hook.tcl.j2")
    there = [hook for hook in HOOKS if hook.name in texts]
    files = {hook.file: template.render({**names, "hook": hook}) for hook in there}
    return files | {hook.own: texts[hook.name] for hook in there}
