"""Names of the files in a build's folder, for all writers and readers.

A document for other programs counts its versions in a field `schema`. The number grows by one when a field is removed
or changes its meaning; a new field changes nothing. docs/formats.md describes the documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.base.parsing import read_json

ACCELERATOR, CSIM, PREVIEW, OVERLAY = "accelerator", "csim", "preview", "overlay"  # folders
FORMATS, CALIBRATION = "formats.json", "calibration.npz"  # in ACCELERATOR
EXPECTED = "expected.bin"  # what the rendered testbench compares its result with
COSIM_DATA = "cosim"  # folder of the short program beside the network's
COMPARISON, KERNELS = "comparison.json", "kernels.json"  # in CSIM
LINT = "lint.json"
RTL_FOLDER = "rtl"
REPORT_PAGE = "report.html"


@dataclass(frozen=True)
class Document:
    """A JSON file with a schema: its name, and the version that is written and the newest that can be read."""

    name: str
    schema: int

    def stamped(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The document to write: the facts after the version."""
        return {"schema": self.schema, **facts}

    def read(self, folder: Path) -> Any:
        """The contents of the file of this name; a file without a version is older than versions.

        Raises:
            OSError, ValueError: it can't be read, or is no JSON.
            ConfigError: a newer edgemoe-gen has written it.
        """
        path = folder / self.name
        facts = read_json(path)
        found = facts.get("schema", 0) if isinstance(facts, dict) else 0
        if not isinstance(found, int):
            raise ValueError(f"its schema is {found!r}, no whole number")
        if found > self.schema:
            raise ConfigError(
                f"{path} has schema {found}, but this version of edgemoe-gen reads none above {self.schema}",
                "take the newer edgemoe-gen that wrote it, or build again with this one into another folder",
            )
        return facts


DESIGN = Document("design.json", 1)  # in ACCELERATOR
ESTIMATE = Document("estimate.json", 1)  # in ACCELERATOR
CALIBRATED = Document("calibrated.json", 1)  # in ACCELERATOR
NARROW = Document("narrow.json", 1)  # in ACCELERATOR, where tensors are narrow
TIMING = Document("timing.json", 1)
SCHEDULE = Document("schedule.json", 1)
RTL = Document("rtl.json", 1)
RTL_SIMULATION = Document("rtlsim.json", 1)
REPORT = Document("report.json", 1)
DIFFERENCES = Document("differences.json", 1)
