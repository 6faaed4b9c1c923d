"""The overlay's texts: README, notebook, and the package's `__init__`; rendered from `templates/overlay/`.

The notebook's template is Python with `# %%` before each cell, so that it reads, and can be run, like a script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.base.templating import templates_of
from edgemoe_gen.base.version import __version__
from edgemoe_gen.design import Design
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.overlay.facts import Figure
from edgemoe_gen.overlay.handoff import Handoff
from edgemoe_gen.overlay.manifest import buffer_sizes
from edgemoe_gen.overlay.programs import TaskProgram
from edgemoe_gen.overlay.wheel import wheel_name

_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


@dataclass(frozen=True)
class Texts:
    """Texts of an overlay from templates; `outputs` are the kinds of the tasks' decoders."""

    name: str
    version: str
    handoff: Handoff
    design: Design
    spec: ModelSpec
    tasks: tuple[TaskProgram, ...]
    figures: tuple[Figure, ...]
    outputs: Mapping[str, str]
    variants: Mapping[str, Mapping[str, TaskProgram]]

    def files(self) -> dict[str, str]:
        """All texts but the README, by path inside the package."""
        return {
            "__init__.py": self._render("init.py.j2"),
            "notebooks/__init__.py": self._render("notebooks.py.j2"),
            f"notebooks/{self.name}.ipynb": json.dumps(notebook(self._render("notebook.py.j2")), indent=1) + "\n",
        }

    def readme(self, checksums: Mapping[str, str]) -> str:
        """The README, which lists the checksums of all other files."""
        size = sum(buffer_sizes(self.tasks, self.variants, self.spec).values()) / 2**20
        own = (
            Figure("clock", f"{self.handoff.clock_mhz:.1f} MHz", "implementation"),
            Figure("DDR for programs, weights and buffers", f"{size:.1f} MiB", "exact"),
        )
        return self._render("README.md.j2", figures=own + self.figures, checksums=checksums)

    def _render(self, template: str, **more: object) -> str:
        environment = templates_of(resource_folder("templates") / "overlay", html=False)
        return environment.get_template(template).render(
            name=self.name,
            version=self.version,
            wheel=wheel_name(self.name, self.version),
            generator=f"edgemoe-gen {__version__}",
            board=self.design.board,
            identity=f"{self.design.identity:016x}",
            spec=self.spec,
            tasks=[part.task for part in self.tasks],
            outputs=self.outputs,
            on_engine=[part.task for part in self.tasks if part.decoded is not None],
            **more,
        )


def notebook(script: str) -> dict[str, Any]:
    """A script with `# %%` and `# %% [markdown]` lines as a notebook (nbformat 4.4, which JupyterLab 3 reads)."""
    parts = _CELL.split(script)
    cells: list[dict[str, Any]] = []
    for markdown, text in zip(parts[1::2], parts[2::2], strict=True):
        if markdown:
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        source = text.strip().splitlines(keepends=True)
        if markdown:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": source})
        else:
            code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
            cells.append({**code, "source": source})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
