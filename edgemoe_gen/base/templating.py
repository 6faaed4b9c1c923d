"""Reads the templates of the package: a missing name is an error, and tags leave no blank lines.

In: a folder of templates, and whether they become HTML. Out: Jinja's environment.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2


@cache
def templates_of(folder: Path, html: bool) -> jinja2.Environment:
    """The templates of a folder: one environment a process, which compiles a template once.

    Args:
        folder: folder of the templates.
        html: whether inserted text is escaped for HTML; otherwise (C++, Tcl, Markdown, Python) it stays unchanged.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
        autoescape=html,
    )
