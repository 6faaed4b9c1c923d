"""Documents of a build count their versions; a newer one is refused by a sentence, wherever it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.base import build_files
from edgemoe_gen.base.build_files import ACCELERATOR, DESIGN, ESTIMATE, TIMING, Document
from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.overlay.builds import overlay_in
from edgemoe_gen.report.document import timing_of
from edgemoe_gen.report.implementation import implementation_facts
from edgemoe_gen.simulated.designs import find_design
from edgemoe_gen.tuning.compare import read_side
from tests.flow.reports import vendor_reports

DOCUMENTS = tuple(value for value in vars(build_files).values() if isinstance(value, Document))
PAGE = Path(__file__).parents[2] / "docs/formats.md"


def write(folder: Path, document: Document, facts: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / document.name).write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_is_written_is_read_and_so_is_what_has_no_schema_yet(document: Document, tmp_path: Path) -> None:
    written = document.stamped({"a": 1})
    assert next(iter(written)) == "schema"
    for facts in (written, {"a": 1}, {"schema": document.schema - 1, "a": 1}, [1]):
        assert document.read(write(tmp_path, document, facts)) == facts


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_newer_one_is_refused_by_a_sentence(document: Document, tmp_path: Path) -> None:
    newer = document.schema + 1
    with pytest.raises(ConfigError) as caught:
        document.read(write(tmp_path, document, {"schema": newer}))
    path = tmp_path / document.name
    assert caught.value.message == (
        f"{path} has schema {newer}, but this version of edgemoe-gen reads none above {document.schema}"
    )
    assert caught.value.hint


@pytest.mark.parametrize("schema", ["2", 1.5, None, [1]])
def test_a_schema_that_is_no_number_is_damage(schema: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        DESIGN.read(write(tmp_path, DESIGN, {"schema": schema}))


def vendor_facts(build: Path) -> object:
    vendor_reports.write_bitstream(build / "bitstream")
    return implementation_facts(build / ACCELERATOR, build, ["bitstream"])


def side(build: Path) -> object:
    return read_side(str(build))


def packaged(build: Path) -> object:
    overlay = build / "overlay" / "mine"
    overlay.mkdir(parents=True)
    (overlay / "manifest.json").write_text("{}")
    return overlay_in(build)


READERS: dict[str, tuple[Document, str, Callable[[Path], object]]] = {
    "the overlay in a build": (DESIGN, ACCELERATOR, packaged),
    "the design of a bitstream": (DESIGN, ACCELERATOR, lambda build: find_design(build / ACCELERATOR)),
    "a side of a comparison": (DESIGN, ACCELERATOR, side),
    "the vendor's figures, design": (DESIGN, ACCELERATOR, vendor_facts),
    "the vendor's figures, estimate": (ESTIMATE, ACCELERATOR, vendor_facts),
    "the report's timing": (TIMING, "", timing_of),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_a_newer_one(reader: str, tmp_path: Path) -> None:
    document, place, read = READERS[reader]
    for other in (DESIGN, ESTIMATE):
        write(tmp_path / ACCELERATOR, other, {"schema": other.schema})
    write(tmp_path / place, document, {"schema": document.schema + 1})
    with pytest.raises(ConfigError, match="reads none above"):
        read(tmp_path)


def test_the_page_shows_the_schemas() -> None:
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if ".json` |" in line]
    assert {(row[1].strip(), row[-2].strip()) for row in rows} == {
        (f"`{document.name}`", str(document.schema)) for document in DOCUMENTS
    }
