"""The Jinja environment of HTML pages: this folder's templates, and how figures are written in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.report import numbers


@cache
def page_environment() -> jinja2.Environment:
    """Templates of the report with its filters; every value is escaped unless a template says it is safe."""
    environment = templates_of(Path(__file__).parent, html=True)
    environment.filters.update(
        count=numbers.count,
        millions=numbers.millions,
        normalisation=numbers.normalisation,
        error=numbers.error,
        figure=numbers.figure,
        share=numbers.share,
        bytes=numbers.bytes_,
        percent=numbers.percent,
        plain=numbers.plain,
        seconds=numbers.seconds,
    )
    return environment
